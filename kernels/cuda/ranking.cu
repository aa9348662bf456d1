// Evaluation: how the held-out items of each user rank. No score is stored but those of held-out items.
//
// grid    count_pairs: one block per QUERIES queries; score_held_out: one per query; find_hits: a
//         thread per listed item
// block   256 threads
// shared  count_pairs: slices of X and Y (SLICE x (QUERIES + 136)), a mask of 128 items per query
// hardware  The place of a negative's score among a user's few held-out scores is found by a binary
//         search in the first-level cache: log2 n steps beside the f multiply-adds of the score. The
//         counts are integers, so the order of threads does not change them.
// flops   2 f per pair of user and item
//
// Defined by the host: REAL, QUERIES.

#include "scores.cuh"

// The scores of held-out entries, added up in the order of `score_tile`, so that items with equal
// factors tie exactly. One block per query. Written: `plain` (held-out entries,), and `sorted`, with
// each row's scores ascending.
extern "C" __global__ void __launch_bounds__(THREADS)
    score_held_out(const REAL *X, const REAL *Y, const int *query_row, const long long *indptr, const int *indices, int f,
                   int stride, REAL *plain, REAL *sorted) {
    const int query = blockIdx.x;
    const REAL *x = X + (query_row ? query_row[query] : query) * (long long)stride;
    const long long first = indptr[query];
    const int n = int(indptr[query + 1] - first);
    for (int e = threadIdx.x; e < n; e += THREADS) {
        const REAL *y = Y + indices[first + e] * (long long)stride;
        REAL sum = 0;
        for (int k = 0; k < f; k++) sum = fused(x[k], y[k], sum);
        plain[first + e] = sum;
    }
    __syncthreads();
    for (int e = threadIdx.x; e < n; e += THREADS) {
        const REAL own = plain[first + e];
        int rank = 0;
        for (int other = 0; other < n; other++) {
            const REAL value = plain[first + other];
            rank += value < own || (value == own && other < e);
        }
        sorted[first + rank] = own;
    }
}

// Twice the number of pairs (held-out item, negative) in the right order, where a tie counts once. A
// negative is an item in neither of a query's two rows. Written: wins (queries,).
extern "C" __global__ void __launch_bounds__(THREADS)
    count_pairs(const REAL *X, const REAL *Y, const int *query_row, const long long *train_indptr, const int *train_indices,
                const long long *test_indptr, const int *test_indices, const REAL *sorted, int queries, int items, int f,
                int stride, long long *wins) {
    extern __shared__ REAL dynamic[];
    REAL *xs = dynamic, *ys = xs + SLICE * X_LINE;
    __shared__ unsigned mask[QUERIES][ITEMS / 32];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, first_query = blockIdx.x * QUERIES;
    long long train[OWN], train_stop[OWN], test[OWN], test_stop[OWN], pairs[OWN];
#pragma unroll
    for (int a = 0; a < OWN; a++) {
        const int query = first_query + warp * OWN + a;
        const bool inside = query < queries;
        train[a] = inside ? train_indptr[query] : 0;
        train_stop[a] = inside ? train_indptr[query + 1] : 0;
        test[a] = inside ? test_indptr[query] : 0;
        test_stop[a] = inside ? test_indptr[query + 1] : 0;
        pairs[a] = 0;
    }
    for (int first_item = 0; first_item < items; first_item += ITEMS) {
        REAL score[OWN][4];
        score_tile(X, Y, query_row, queries, first_query, items, first_item, f, stride, xs, ys, score);
#pragma unroll
        for (int a = 0; a < OWN; a++) {
            const int place = warp * OWN + a, query = first_query + place;
            if (lane < ITEMS / 32) mask[place][lane] = 0;
            __syncwarp();
            train[a] = mark(train_indices, train[a], train_stop[a], first_item, mask[place]);
            test[a] = mark(test_indices, test[a], test_stop[a], first_item, mask[place]);
            if (query >= queries) continue;
            const unsigned stored = marked(mask[place]);
            const long long first = test_indptr[query];
            const int n = int(test_stop[a] - first);
#pragma unroll
            for (int b = 0; b < 4; b++) {
                if (first_item + 4 * lane + b >= items || stored >> b & 1u) continue;
                // How many held-out scores are below the negative's, and how many not above it.
                int below = 0, up_to = n;
                for (int high = n; below < high;) {
                    const int middle = (below + high) / 2;
                    if (sorted[first + middle] < score[a][b]) below = middle + 1;
                    else high = middle;
                }
                for (int low = below; low < up_to;) {
                    const int middle = (low + up_to) / 2;
                    if (sorted[first + middle] <= score[a][b]) low = middle + 1;
                    else up_to = middle;
                }
                pairs[a] += 2 * n - below - up_to;
            }
        }
    }
#pragma unroll
    for (int a = 0; a < OWN; a++) {
        for (int gap = 16; gap > 0; gap /= 2) pairs[a] += __shfl_xor_sync(FULL, pairs[a], gap);
        const int query = first_query + warp * OWN + a;
        if (lane == 0 && query < queries) wins[query] = pairs[a];
    }
}

// Which of each query's listed items are held out. Written: hits (queries, k).
extern "C" __global__ void __launch_bounds__(THREADS)
    find_hits(const int *ids, const long long *indptr, const int *indices, int queries, int k, unsigned char *hits) {
    const long long e = blockIdx.x * (long long)THREADS + threadIdx.x;
    if (e >= (long long)queries * k) return;
    const int query = int(e / k), item = ids[e];
    hits[e] = is_stored(indices, indptr[query], indptr[query + 1], item);
}
