// The transpose of a CSR matrix: a stable sort of its entries by column. The rows of each column come
// out ascending, and the bits are the same in every run.
//
// rows_of      the row of each entry; a warp per row
// count        how often each value of a digit of the column occurs in each tile of entries
// scan         exclusive prefix sums of these counts: where a tile's entries with a digit go
// scatter      moves the entries there; digit by digit from the lowest, this sorts (LSD radix sort)
// starts       the first entry of each column, by bisection
//
// grid      a warp per TILE entries (count, scatter); one block (scan); a thread per column (starts)
// shared    a table of 2^BITS numbers for each warp
// hardware  A counting sort over all columns at once would need a counter per column for each tile.
//           With 8 binary digits at a time the counters fit shared memory, and writes go in runs to 256
//           places. A warp ranks the equal digits among its lanes by one vote (match_any), so that
//           nothing depends on the order of threads.
// bytes     per entry and pass 4 for the count, 2 (8 + sizeof(REAL)) for the move
// limits    64-bit positions of entries; fewer than 2^31 rows and columns
//
// Defined by the host: REAL.

#define BITS 8
#define DIGITS (1 << BITS)
#define TILE 2048
#define WARPS 4
#define ALL 0xffffffffu

extern "C" __global__ void __launch_bounds__(32 * WARPS) rows_of(const long long *indptr, int *row, int rows) {
    const int u = blockIdx.x * WARPS + threadIdx.x / 32;
    if (u >= rows) return;
    for (long long k = indptr[u] + threadIdx.x % 32; k < indptr[u + 1]; k += 32) row[k] = u;
}

// The digit of entry k; DIGITS beyond the tile's end.
__device__ __forceinline__ int digit_of(const int *column, long long k, long long stop, int shift) {
    return k < stop ? column[k] >> shift & (DIGITS - 1) : DIGITS;
}

extern "C" __global__ void __launch_bounds__(32 * WARPS)
    count(const int *column, long long entries, int shift, long long *counts, long long tiles) {
    __shared__ int found[WARPS][DIGITS];
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const long long tile = (long long)blockIdx.x * WARPS + warp;
    if (tile >= tiles) return;
    for (int d = lane; d < DIGITS; d += 32) found[warp][d] = 0;
    __syncwarp();
    const long long first = tile * TILE, stop = first + TILE < entries ? first + TILE : entries;
    for (long long k = first + lane; k < stop; k += 32) atomicAdd(&found[warp][digit_of(column, k, stop, shift)], 1);
    __syncwarp();
    for (int d = lane; d < DIGITS; d += 32) counts[d * tiles + tile] = found[warp][d];
}

extern "C" __global__ void __launch_bounds__(1024) scan(long long *values, long long n) {
    __shared__ long long part[32];
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    long long before = 0;  // the sum of all previous chunks
    for (long long base = 0; base < n; base += 1024) {
        const long long i = base + threadIdx.x, own = i < n ? values[i] : 0;
        long long sum = own;
#pragma unroll
        for (int o = 1; o < 32; o <<= 1) {
            const long long other = __shfl_up_sync(ALL, sum, o);
            if (lane >= o) sum += other;
        }
        __syncthreads();  // all threads have read the previous chunk's sums
        if (lane == 31) part[warp] = sum;
        __syncthreads();
        long long lower = before;
        for (int w = 0; w < 32; w++) {
            lower += w < warp ? part[w] : 0;
            before += part[w];
        }
        if (i < n) values[i] = lower + sum - own;
    }
}

extern "C" __global__ void __launch_bounds__(32 * WARPS)
    scatter(const int *column, const int *row, const REAL *value, long long entries, int shift,
            const long long *offsets, long long tiles, int *column_to, int *row_to, REAL *value_to) {
    __shared__ long long next[WARPS][DIGITS];
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    const long long tile = (long long)blockIdx.x * WARPS + warp;
    if (tile >= tiles) return;
    for (int d = lane; d < DIGITS; d += 32) next[warp][d] = offsets[d * tiles + tile];
    __syncwarp();
    const long long first = tile * TILE, stop = first + TILE < entries ? first + TILE : entries;
    for (long long base = first; base < stop; base += 32) {
        const long long k = base + lane;
        const int digit = digit_of(column, k, stop, shift);
        const unsigned equal = __match_any_sync(ALL, digit);
        const long long to = digit < DIGITS ? next[warp][digit] + __popc(equal & ((1u << lane) - 1)) : 0;
        __syncwarp();
        if (digit < DIGITS && lane == __ffs(equal) - 1) next[warp][digit] += __popc(equal);
        __syncwarp();
        if (digit < DIGITS) {
            column_to[to] = column[k];
            row_to[to] = row[k];
            value_to[to] = value[k];
        }
    }
}

extern "C" __global__ void __launch_bounds__(256)
    starts(const int *column, long long entries, long long *indptr, int columns) {
    const long long c = blockIdx.x * 256ll + threadIdx.x;
    if (c > columns) return;
    long long low = 0, high = entries;  // the first entry whose column is c or more
    while (low < high) {
        const long long middle = (low + high) / 2;
        if (column[middle] < c) low = middle + 1;
        else high = middle;
    }
    indptr[c] = low;
}
