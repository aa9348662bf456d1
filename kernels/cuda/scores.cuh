// Scores of a block's queries with 128 items at a time, which of these items a query has stored, and the
// order of a list of the best.
//
// Eight warps share the items' factors. Each warp takes QUERIES / 8 queries and all 128 items of the
// tile, four neighbouring items per lane. So all further work on a query's scores happens inside one
// warp.
//
// SLICE factors of the queries and items are in shared memory at a time, a factor's values side by side.
// A lane reads its four items by one load of 16 bytes (two in float64), and a warp its queries by one.
// Lines are four values longer than needed: then the threads that turn rows into columns meet in a bank
// by two, not by sixteen. The next slice is fetched, 16 bytes a thread, while this one is used.
//
// Defined by the host: REAL, QUERIES.

#include "fours.cuh"
#include "fused.cuh"

#define WARPS 8
#define THREADS (32 * WARPS)
#define ITEMS 128
#define OWN (QUERIES / WARPS)
#define SLICE 16
#define X_LINE (QUERIES + 4)  // whole 16 bytes, so that every line begins at a multiple of them
#define Y_LINE (ITEMS + 4)
#define X_FOURS ((QUERIES * SLICE / 4 + THREADS - 1) / THREADS)  // that a thread fetches
#define Y_FOURS (ITEMS * SLICE / 4 / THREADS)
#define FULL 0xffffffffu
#ifndef INFINITY  // NVRTC has no math.h
#define INFINITY __int_as_float(0x7f800000)
#endif

// Whether an item stands before another one in a list: equal scores are ordered by ascending index.
__device__ __forceinline__ bool comes_first(REAL a, int item_a, REAL b, int item_b) {
    return a > b || (a == b && item_a < item_b);
}

// The scores of the warp's OWN queries with the lane's four items, `first_item` + 4 lane + b.
__device__ __forceinline__ void score_tile(const REAL *X, const REAL *Y, const int *query_row, int queries, int first_query,
                                           int items, int first_item, int f, int stride, REAL *xs, REAL *ys,
                                           REAL score[OWN][4]) {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    // Four neighbouring threads fetch one row's slice, 16 factors.
    const int part = threadIdx.x % (SLICE / 4) * 4, line = threadIdx.x / (SLICE / 4);
    const bool x_aligned = rows_aligned(X, stride), y_aligned = rows_aligned(Y, stride);
    const int lines = THREADS / (SLICE / 4);
    const REAL *x_row[X_FOURS], *y_row[Y_FOURS];
    Four x_next[X_FOURS], y_next[Y_FOURS];
#pragma unroll
    for (int n = 0; n < X_FOURS; n++) {
        const int q = line + n * lines, query = first_query + q;
        const bool inside = q < QUERIES && query < queries;
        x_row[n] = inside ? X + (query_row ? query_row[query] : query) * (long long)stride : nullptr;
    }
#pragma unroll
    for (int n = 0; n < Y_FOURS; n++) {
        const int item = first_item + line + n * lines;
        y_row[n] = item < items ? Y + (long long)item * stride : nullptr;
    }
    // A row that is not there has no factors.
#pragma unroll
    for (int n = 0; n < X_FOURS; n++) x_next[n] = fetch_four(x_row[n], part, x_row[n] ? f : 0, x_aligned);
#pragma unroll
    for (int n = 0; n < Y_FOURS; n++) y_next[n] = fetch_four(y_row[n], part, y_row[n] ? f : 0, y_aligned);
#pragma unroll
    for (int a = 0; a < OWN; a++)
#pragma unroll
        for (int b = 0; b < 4; b++) score[a][b] = 0;
    for (int left = 0; left < f; left += SLICE) {
        __syncthreads();  // other threads may still read the previous slice
#pragma unroll
        for (int n = 0; n < X_FOURS; n++) {
            const int q = line + n * lines;
#pragma unroll
            for (int j = 0; j < 4; j++)
                if (q < QUERIES) xs[(part + j) * X_LINE + q] = x_next[n].of[j];
            x_next[n] = fetch_four(x_row[n], left + SLICE + part, x_row[n] ? f : 0, x_aligned);
        }
#pragma unroll
        for (int n = 0; n < Y_FOURS; n++) {
#pragma unroll
            for (int j = 0; j < 4; j++) ys[(part + j) * Y_LINE + line + n * lines] = y_next[n].of[j];
            y_next[n] = fetch_four(y_row[n], left + SLICE + part, y_row[n] ? f : 0, y_aligned);
        }
        __syncthreads();
#pragma unroll
        for (int k = 0; k < SLICE; k++) {
            REAL x[OWN];
#pragma unroll
            for (int a = 0; a < OWN; a++) x[a] = xs[k * X_LINE + warp * OWN + a];
            const Four y = *reinterpret_cast<const Four *>(ys + k * Y_LINE + 4 * lane);
#pragma unroll
            for (int a = 0; a < OWN; a++)
#pragma unroll
                for (int b = 0; b < 4; b++) score[a][b] = fused(x[a], y.of[b], score[a][b]);
        }
    }
}

// The score of one item, added up as by `score_tile`: whole slices, factor by factor, zeros beyond the last.
// `aligned`: rows of both begin at multiples of 16 bytes.
__device__ __forceinline__ REAL score_of(const REAL *x, const REAL *y, bool aligned, int f) {
    REAL sum = 0;
    for (int left = 0; left < f; left += SLICE) {
        if (aligned && left + SLICE <= f) {
#pragma unroll
            for (int k = left; k < left + SLICE; k += 4) {
                const Four a = *reinterpret_cast<const Four *>(x + k), b = *reinterpret_cast<const Four *>(y + k);
#pragma unroll
                for (int j = 0; j < 4; j++) sum = fused(a.of[j], b.of[j], sum);
            }
        } else {
            for (int k = left; k < left + SLICE; k++) sum = fused(k < f ? x[k] : REAL(0), k < f ? y[k] : REAL(0), sum);
        }
    }
    return sum;
}

// The bits of the lane's four items, the lowest ones of what is returned.
__device__ __forceinline__ unsigned marked(const unsigned *mask) {
    const int lane = threadIdx.x % 32;
    return mask[lane / 8] >> lane % 8 * 4;
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

// Whether an item is among those that a query has stored, by halving the ascending row.
__device__ __forceinline__ bool is_stored(const int *indices, long long low, const long long stop, int item) {
    for (long long high = stop; low < high;) {
        const long long middle = (low + high) / 2;
        if (indices[middle] < item) low = middle + 1;
        else high = middle;
    }
    return low < stop && indices[low] == item;
}

// Merge up to 32 scored items, one for each lane that `enters`, into a list of `kept` items, at most k, best
// first. Returns the new number of items. A number moves to its new place or beyond it, so the list is
// moved from its end.
__device__ __forceinline__ int merge(bool enters, REAL value, int item, int kept, int k, int *ids, REAL *scores) {
    const int lane = threadIdx.x % 32;
    const unsigned entering = __ballot_sync(FULL, enters);
    int place = 0;
    for (unsigned left = entering; left; left &= left - 1) {
        const int j = __ffs(left) - 1;
        place += comes_first(__shfl_sync(FULL, value, j), __shfl_sync(FULL, item, j), value, item);
    }
    for (int first = (kept - 1) / 32 * 32; kept && first >= 0; first -= 32) {
        const int at = first + lane;
        const bool old = at < kept;
        const REAL old_value = old ? scores[at] : REAL(0);
        const int old_item = old ? ids[at] : 0;
        int shift = 0;
        for (unsigned left = entering; left; left &= left - 1) {
            const int j = __ffs(left) - 1;
            const bool before = comes_first(__shfl_sync(FULL, value, j), __shfl_sync(FULL, item, j), old_value, old_item);
            shift += before;
            const unsigned after = __ballot_sync(FULL, old && !before);
            if (lane == j) place += __popc(after);
        }
        __syncwarp();  // all lanes have read what is overwritten now
        if (old && at + shift < k) {
            scores[at + shift] = old_value;
            ids[at + shift] = old_item;
        }
        __syncwarp();
    }
    if (enters && place < k) {
        scores[place] = value;
        ids[place] = item;
    }
    __syncwarp();
    return min(kept + __popc(entering), k);
}
