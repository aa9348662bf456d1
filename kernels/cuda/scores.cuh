// Scores of a block's queries with 128 items at a time, and which of these items a query has stored.
//
// Eight warps share the items' factors. Each warp takes QUERIES / 8 queries and all 128 items of the
// tile, four items per lane. So all further work on a query's scores happens inside one warp.
//
// Defined by the host: REAL, QUERIES.

#define WARPS 8
#define THREADS (32 * WARPS)
#define ITEMS 128
#define OWN (QUERIES / WARPS)
#define SLICE 16
#define FULL 0xffffffffu
#ifndef INFINITY  // NVRTC has no math.h
#define INFINITY __int_as_float(0x7f800000)
#endif

// The scores of the warp's OWN queries with the lane's four items, `first_item` + lane + 32 b.
__device__ __forceinline__ void score_tile(const REAL *X, const REAL *Y, const int *query_row, int queries, int first_query,
                                           int items, int first_item, int f, int stride, REAL *xs, REAL *ys,
                                           REAL score[OWN][4]) {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
#pragma unroll
    for (int a = 0; a < OWN; a++)
#pragma unroll
        for (int b = 0; b < 4; b++) score[a][b] = 0;
    for (int left = 0; left < f; left += SLICE) {
        __syncthreads();  // other threads may still read the previous slice
        for (int e = threadIdx.x; e < QUERIES * SLICE; e += THREADS) {
            const int q = e / SLICE, k = e % SLICE;
            const bool inside = first_query + q < queries && left + k < f;
            const long long row = !inside ? 0 : query_row ? query_row[first_query + q] : first_query + q;
            xs[k * QUERIES + q] = inside ? X[row * stride + left + k] : REAL(0);
        }
        for (int e = threadIdx.x; e < ITEMS * SLICE; e += THREADS) {
            const int i = e / SLICE, k = e % SLICE;
            const bool inside = first_item + i < items && left + k < f;
            ys[k * (ITEMS + 1) + i] = inside ? Y[(long long)(first_item + i) * stride + left + k] : REAL(0);
        }
        __syncthreads();
#pragma unroll
        for (int k = 0; k < SLICE; k++) {
            REAL x[OWN], y[4];
#pragma unroll
            for (int a = 0; a < OWN; a++) x[a] = xs[k * QUERIES + warp * OWN + a];
#pragma unroll
            for (int b = 0; b < 4; b++) y[b] = ys[k * (ITEMS + 1) + lane + 32 * b];
#pragma unroll
            for (int a = 0; a < OWN; a++)
#pragma unroll
                for (int b = 0; b < 4; b++) score[a][b] += x[a] * y[b];
        }
    }
}

// Set the bits of a query's stored items that lie in this tile. The row's indices are ascending; `next`
// is the position of the first one beyond the tiles so far, and its new value is returned. The caller
// has cleared the mask.
__device__ __forceinline__ long long mark(const int *indices, long long next, long long stop, int first_item,
                                          unsigned *mask) {
    const int lane = threadIdx.x % 32;
    while (true) {
        const long long place = next + lane;
        const int item = place < stop ? indices[place] : 0x7fffffff;
        const bool here = item < first_item + ITEMS;
        if (here) atomicOr(&mask[(item - first_item) / 32], 1u << (item - first_item) % 32);
        const int found = __popc(__ballot_sync(FULL, here));
        next += found;
        if (found < 32) break;
    }
    __syncwarp();
    return next;
}
