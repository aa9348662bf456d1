// Exact half-step, primal solve: a block of threads forms each row's system of order f and factorises it.
//
//   A = I + S (sum w z z') S,   b = S sum t z,   x = S A^-1 b     (S: the diagonal of s, side.cuh)
//
// One loop adds up A and b (cholesky.cuh). The scale S is applied to the sums, once a row. The vectors are
// stored entries, which pass through shared memory `depth` at a time, each twice: z, and w z with t.
//
// grid    one block per row of the list `rows`, highest degree first; for hub rows one block per part
// block   THREADS threads; with HELD at least as many as tiles
// shared  one array: the vectors (4 `depth`, or panels, of order + 5), scales and pivots, and with HELD the
//         factor (order^2 / 2); without, it lies in `systems` in global memory
// limits  order: at least 4 vectors, of fours, must be no more than FOURS a thread; rows of any degree
// flops   n f^2 + f^3 / 3 per row
// bytes   n f sizeof(REAL) gathered from Z per row, once for every THREADS tiles
//
// Defined by the host: REAL, THREADS, TILE, HELD, FOURS (pieces of four elements that a thread fetches at a
// time).

#include "cholesky.cuh"
#include "side.cuh"

// The vectors of the primal solve, stored entries: w z and then t on the left, z on the right. The order is a
// multiple of four, so that t is in a piece of its own, with one in the place of z.
struct Entries {
    const Side &side;
    int order, step, depth;
    int piece[FOURS];  // entry, and place in its vector: two numbers in a register
    Four next[FOURS];
    REAL weight[FOURS];

    __device__ __forceinline__ int entry(int n) const { return piece[n] >> 16; }
    __device__ __forceinline__ int k(int n) const { return piece[n] & 0xffff; }

    __device__ __forceinline__ Entries(const Side &side, int order, int step, int depth)
        : side(side), order(order), step(step), depth(depth) {
#pragma unroll
        for (int n = 0; n < FOURS; n++) {
            const int number = threadIdx.x + n * THREADS, pieces = order / 4 + 1;
            piece[n] = number / pieces << 16 | number % pieces * 4;
        }
    }

    __device__ __forceinline__ void fetch(long long place, long long stop) {
#pragma unroll
        for (int n = 0; n < FOURS; n++) {
            const long long e = place + entry(n);
            const bool there = entry(n) < depth && e < stop;
            const REAL *z = there ? side.Z + (long long)side.indices[e] * side.stride : nullptr;
            next[n] = fetch_four(z, k(n), there ? side.f : 0, rows_aligned(side.Z, side.stride));
            if (k(n) == order) next[n].of[0] = 1;
            weight[n] = there ? (k(n) == order ? side.t : side.w)[e] : REAL(0);
        }
    }

    __device__ __forceinline__ void put(REAL *left, REAL *right) const {
#pragma unroll
        for (int n = 0; n < FOURS; n++) {
            if (entry(n) >= depth) continue;
            const int place = entry(n) * step + k(n);
            Four weighted;
#pragma unroll
            for (int j = 0; j < 4; j++) weighted.of[j] = weight[n] * next[n].of[j];
            *reinterpret_cast<Four *>(left + place) = weighted;
            *reinterpret_cast<Four *>(right + place) = next[n];
        }
    }
};

// The order of primal systems: whole fours. Unknowns beyond f are zero.
__device__ __forceinline__ int primal_order(int f) { return (f + 3) / 4 * 4; }

// Rows of any degree by the primal solve. `systems`: (gridDim.x, size), or null with HELD. `parts`: null,
// or the systems of hub rows' parts, of row rows[i] those from first_part[i] to first_part[i + 1]; they are
// added in order, so that the bits are the same in every run.
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
    cholesky_primal(SIDE_ARGUMENTS, const int *rows, int count, REAL *systems, const int *first_part, REAL *parts,
                    int depth, REAL eps, REAL *X) {
    extern __shared__ REAL dynamic[];
    const Side side = SIDE;
    const int order = primal_order(f), step = step_of(order);
    REAL *scale = dynamic + vectors_of(depth) * step, *pivots = scale + order;
    int place = blockIdx.x;
    do {
        const int u = rows[place];
        for (int k = threadIdx.x; k < order; k += THREADS) scale[k] = k < f ? scale_of(side, k, lam[u]) : REAL(1);
        __syncthreads();
        const int first = parts ? first_part[place] : 0, stop = parts ? first_part[place + 1] : 0;
#if HELD
        REAL *A = pivots + order;
#else
        REAL *A = parts ? parts + first * size_of(order) : systems + blockIdx.x * size_of(order);
#endif
        REAL *x = solve(
            order, A, dynamic, step, scale, nullptr, pivots, eps,
            [&](const Tile &tile, REAL(&sum)[TILE][TILE]) {
                if (parts) {
                    tile.each(order, sum, [&](int, int, REAL &element) { element = 0; });
                    for (int part = first; part < stop; part++)
                        tile.each(order, sum, [&](int i, int j, REAL &element) {
                            element += parts[part * size_of(order) + at(i, j)];
                        });
                } else {
                    Entries entries(side, order, step, depth);
                    add_products(entries, indptr[u], indptr[u + 1], dynamic, step, depth, tile, sum);
                }
            });
        for (int k = threadIdx.x; k < stride; k += THREADS) X[(long long)u * stride + k] = k < f ? x[k] * scale[k] : REAL(0);
        __syncthreads();
    } while (!HELD && (place += gridDim.x) < count);
}

// Hub rows: a block adds up one part of a row's entries in the part's system of `systems`, not scaled yet.
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
    cholesky_hub_part(SIDE_ARGUMENTS, const long long *first_of_part, const long long *stop_of_part, REAL *systems,
                      int depth) {
    extern __shared__ REAL dynamic[];
    const Side side = SIDE;
    const int order = primal_order(f), step = step_of(order), lines = (order + 1 + TILE - 1) / TILE;
    REAL *A = systems + blockIdx.x * size_of(order), sum[TILE][TILE];
    Entries entries(side, order, step, depth);
    for (int first = 0; first < lines * (lines + 1) / 2; first += THREADS) {
        const Tile tile(first + threadIdx.x, order, 0);
        add_products(entries, first_of_part[blockIdx.x], stop_of_part[blockIdx.x], dynamic, step, depth, tile, sum);
        tile.each(order, sum, [&](int i, int j, REAL &element) { A[at(i, j)] = element; });
    }
}
