// Recommendation and evaluation: scores are formed tile by tile and used at once, never stored.
//
// A block holds QUERIES rows of X and goes over the whole catalogue, ITEMS = 128 items at a time. Its
// eight warps share a tile's item factors; a warp owns QUERIES / 8 queries and all 128 items of the
// tile, four items a lane. So all that happens to a query's scores after the products happens inside
// one warp: ballots and __syncwarp, no atomics between warps, and one result whatever the order.
//
// grid    one block per QUERIES queries
// block   256 threads
// shared  slices of X and Y (SLICE x (QUERIES + 128)), a mask of each query's 128 items, and for top_k
//         a buffer of CAPACITY candidates per query (8 bytes each with float scores)
// limits  k <= CAPACITY - 128, CAPACITY a power of two; fewer than 2^31 items
// flops   2 f per pair of query and item; bytes f sizeof(REAL) (1 / QUERIES + 1 / 128) per pair, from L2
//
// Ties: equal scores are ordered by ascending index, as on the CPU.

#ifndef REAL
#define REAL float
#endif
#ifndef QUERIES
#define QUERIES 32
#endif
#ifndef CAPACITY
#define CAPACITY 256
#endif
#define WARPS 8
#define THREADS (32 * WARPS)
#define ITEMS 128
#define OWN (QUERIES / WARPS)
#define SLICE 16
#define FULL 0xffffffffu
#ifndef INFINITY  // NVRTC brings no math.h
#define INFINITY __int_as_float(0x7f800000)
#endif

// The scores of a warp's OWN queries with a lane's four items: item first + lane + 32 b.
__device__ __forceinline__ void score_tile(const REAL *X, const REAL *Y, const int *query_row, int queries, int first_query,
                                           int items, int first_item, int f, int stride, REAL *xs, REAL *ys,
                                           REAL score[OWN][4]) {
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
#pragma unroll
    for (int a = 0; a < OWN; a++)
#pragma unroll
        for (int b = 0; b < 4; b++) score[a][b] = 0;
    for (int left = 0; left < f; left += SLICE) {
        __syncthreads();  // the slice before is still read
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

// Set the bits of a query's stored items that lie in this tile; `next` is where the warp has come to
// in the row, whose indices are ascending. The caller has cleared the mask.
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

__device__ __forceinline__ bool comes_first(REAL a, int item_a, REAL b, int item_b) {
    return a > b || (a == b && item_a < item_b);
}

// Sort a query's candidates, best first, by a warp: a bitonic network over CAPACITY places.
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

// The k best of the catalogue for each query. scale: (items,) factor on each score, or null. allowed:
// (items,) 0 or 1, or null. liked_*: a CSR row per query of items to leave out, or null.
// query_row: (queries,) rows of X, or null for 0, 1, ... Written: ids (queries, k), -1 where none is
// left, with score -inf.
extern "C" __global__ void __launch_bounds__(THREADS)
    top_k(const REAL *X, const REAL *Y, const int *query_row, const REAL *scale, const unsigned char *allowed,
          const long long *liked_indptr, const int *liked_indices, int queries, int items, int f, int stride, int k,
          int *ids, REAL *scores) {
    extern __shared__ REAL dynamic[];
    REAL *xs = dynamic, *ys = xs + SLICE * QUERIES;
    REAL *kept = ys + SLICE * (ITEMS + 1);
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
#pragma unroll
            for (int b = 0; b < 4; b++) {
                const int item = first_item + lane + 32 * b;
                bool wanted = item < items && !(mask[place][b] >> lane & 1u);
                if (wanted && allowed) wanted = allowed[item];
                REAL value = score[a][b];
                if (wanted && scale) value *= scale[item];
                // Items come by ascending index, so one that equals the k-th best so far is a worse one.
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

// Scores of the held-out entries, by the same sum as `score_tile`, so that equal factors tie exactly,
// and in ascending order within each row. One block per query. sorted: (held-out entries,), `plain` too.
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
        for (int k = 0; k < f; k++) sum += x[k] * y[k];
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

// Twice the number of pairs (held-out item, negative) in the right order, a tie counting once: exact,
// by counting. A negative is an item in neither of a query's rows. Written: wins (queries,).
extern "C" __global__ void __launch_bounds__(THREADS)
    count_pairs(const REAL *X, const REAL *Y, const int *query_row, const long long *train_indptr, const int *train_indices,
                const long long *test_indptr, const int *test_indices, const REAL *sorted, int queries, int items, int f,
                int stride, long long *wins) {
    extern __shared__ REAL dynamic[];
    REAL *xs = dynamic, *ys = xs + SLICE * QUERIES;
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
            const long long first = test_indptr[query];
            const int n = int(test_stop[a] - first);
#pragma unroll
            for (int b = 0; b < 4; b++) {
                if (first_item + lane + 32 * b >= items || mask[place][b] >> lane & 1u) continue;
                // Held-out scores below the negative, and not above it.
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

// Which of each query's listed items are held out. hits: (queries, k).
extern "C" __global__ void __launch_bounds__(THREADS)
    find_hits(const int *ids, const long long *indptr, const int *indices, int queries, int k, unsigned char *hits) {
    const long long e = blockIdx.x * (long long)THREADS + threadIdx.x;
    if (e >= (long long)queries * k) return;
    const int query = int(e / k), item = ids[e];
    long long low = indptr[query], high = indptr[query + 1];
    const long long stop = high;
    while (low < high) {
        const long long middle = (low + high) / 2;
        if (indices[middle] < item) low = middle + 1;
        else high = middle;
    }
    hits[e] = low < stop && indices[low] == item;
}
