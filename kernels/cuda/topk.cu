// Recommendation: the k best items of each query, selected where the scores are formed, tile by tile.
//
// grid    one block per QUERIES queries; it goes over the whole catalogue
// block   256 threads: eight warps, each with QUERIES / 8 queries
// shared  slices of X and Y (SLICE x (QUERIES + 136)), a mask of 128 items per query, and a buffer of
//         CAPACITY candidates per query (8 bytes each with float scores)
// hardware  A score goes from its register into the buffer if it beats the k-th best so far; the lanes
//         find their places in the buffer by a ballot. A full buffer is sorted by its warp. No atomic
//         operations pass between warps, so the result does not depend on the order in which they run.
// limits  k <= CAPACITY - 128, CAPACITY a power of two; fewer than 2^31 items
// flops   2 f per pair of query and item
// bytes   f sizeof(REAL) (1 / QUERIES + 1 / 128) per pair, from the second-level cache
//
// Equal scores are ordered by ascending index, as on the CPU.
//
// Defined by the host: REAL, QUERIES, CAPACITY.

#include "scores.cuh"

// One warp sorts a query's candidates, best first, by a bitonic network over CAPACITY places.
__device__ __forceinline__ void sort_candidates(REAL *scores, int *items, int count) {
    const int lane = threadIdx.x % 32;
    for (int e = count + lane; e < CAPACITY; e += 32) {
        scores[e] = -INFINITY;
        items[e] = 0x7fffffff;
    }
    __syncwarp();
    for (int length = 2; length <= CAPACITY; length *= 2)
        for (int gap = length / 2; gap > 0; gap /= 2) {
            for (int pair = lane; pair < CAPACITY / 2; pair += 32) {
                const int low = pair / gap * gap * 2 + pair % gap, high = low + gap;
                const bool descending = (low & length) == 0;
                if (comes_first(scores[high], items[high], scores[low], items[low]) == descending) {
                    const REAL score = scores[low];
                    const int item = items[low];
                    scores[low] = scores[high];
                    items[low] = items[high];
                    scores[high] = score;
                    items[high] = item;
                }
            }
            __syncwarp();
        }
}

// The k best items of the catalogue for each query. query_row: (queries,) rows of X, or null for the
// first ones. scale: (items,) factor on each item's score, or null. allowed: (items,) 0 for an item to
// leave out for all queries, or null. liked_*: a CSR row per query of items to leave out, or null.
// Written: ids and scores (queries, k); -1 and -inf where no item is left.
extern "C" __global__ void __launch_bounds__(THREADS, 1)  // else 212 bytes spill for sm_80 in float64
    top_k(const REAL *X, const REAL *Y, const int *query_row, const REAL *scale, const unsigned char *allowed,
          const long long *liked_indptr, const int *liked_indices, int queries, int items, int f, int stride, int k,
          int *ids, REAL *scores) {
    extern __shared__ REAL dynamic[];
    REAL *xs = dynamic, *ys = xs + SLICE * X_LINE;
    REAL *kept = ys + SLICE * Y_LINE;
    int *kept_items = (int *)(kept + QUERIES * CAPACITY);
    __shared__ unsigned mask[QUERIES][ITEMS / 32];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, first_query = blockIdx.x * QUERIES;
    int count[OWN];
    REAL threshold[OWN];
    long long next[OWN], stop[OWN];
#pragma unroll
    for (int a = 0; a < OWN; a++) {
        const int query = first_query + warp * OWN + a;
        const bool row = liked_indptr && query < queries;
        count[a] = 0;
        threshold[a] = -INFINITY;
        next[a] = row ? liked_indptr[query] : 0;
        stop[a] = row ? liked_indptr[query + 1] : 0;
    }
    for (int first_item = 0; first_item < items; first_item += ITEMS) {
        REAL score[OWN][4];
        score_tile(X, Y, query_row, queries, first_query, items, first_item, f, stride, xs, ys, score);
#pragma unroll
        for (int a = 0; a < OWN; a++) {
            const int place = warp * OWN + a;
            REAL *own = kept + place * CAPACITY;
            int *own_items = kept_items + place * CAPACITY;
            if (lane < ITEMS / 32) mask[place][lane] = 0;
            __syncwarp();
            next[a] = mark(liked_indices, next[a], stop[a], first_item, mask[place]);
            const unsigned stored = marked(mask[place]);
#pragma unroll
            for (int b = 0; b < 4; b++) {
                const int item = first_item + 4 * lane + b;
                bool wanted = item < items && !(stored >> b & 1u);
                if (wanted && allowed) wanted = allowed[item];
                REAL value = score[a][b];
                if (wanted && scale) value *= scale[item];
                // Tiles come by ascending index, so an item that equals the k-th best so far is worse.
                wanted = wanted && value > threshold[a];
                const unsigned winners = __ballot_sync(FULL, wanted);
                if (wanted) {
                    const int at = count[a] + __popc(winners & ((1u << lane) - 1));
                    own[at] = value;
                    own_items[at] = item;
                }
                count[a] += __popc(winners);
            }
            if (count[a] > CAPACITY - ITEMS) {
                __syncwarp();
                sort_candidates(own, own_items, count[a]);
                count[a] = min(count[a], k);
                if (count[a] == k) threshold[a] = own[k - 1];
                __syncwarp();
            }
        }
    }
#pragma unroll
    for (int a = 0; a < OWN; a++) {
        const int place = warp * OWN + a, query = first_query + place;
        REAL *own = kept + place * CAPACITY;
        int *own_items = kept_items + place * CAPACITY;
        __syncwarp();
        sort_candidates(own, own_items, count[a]);
        if (query < queries)
            for (int e = lane; e < k; e += 32) {
                const bool found = e < count[a];
                ids[(long long)query * k + e] = found ? own_items[e] : -1;
                scores[(long long)query * k + e] = found ? own[e] : -INFINITY;
            }
    }
}
