// Recommendation, where most items are passed over by a coarse score: the lists of topk.cu, to the bit.
//
// A query's list takes an item only if its score is above the k-th best so far, t. Tensor cores score
// copies of the factors in float16, with a bound of the error on top. Where that is not above t, the score
// itself is not either. The few other items are scored as in topk.cu, by the same sum in the same order.
//
// grid    top_k_coarse: a block per QUERIES queries, which goes over the whole catalogue; halve_*: a block
//         per 64 rows
// block   top_k_coarse: QUERIES threads: a warp for 32 queries, whose lanes have a query's state each
// shared  the copies of QUERIES queries and of two tiles of 64 items, a line of f + 4, rounded up to whole
//         16s, and 8 numbers of 2 bytes each
// hardware  A tile of 32 x 64 scores takes 6 loads and 16 products for each 16 factors, so that loads from
//         shared memory and tensor cores are equally busy. The next tile of items is copied meanwhile.
//         Each block reads all items' copies, and QUERIES divides these reads. At f = 128 two blocks of 224
//         queries and 128 registers share a multiprocessor, so that one multiplies while the other scores and
//         merges; at f = 256 one block of 256 takes 210 KB. A list is kept where it is returned, and 32 items
//         are scored and merged at once, a lane each: of 160,000 normal items about 235 are scored for a list
//         of 10, one in a hundred of them because of the bound; if 96 had to wait, 394, for t rises later.
// limits  fewer than 2^31 items; shared memory; needs compute capability 8.0
// flops   2 f + 32 per pair of query and item, on tensor cores
// bytes   2 f / QUERIES per pair, from the second-level cache
//
// The bound. Let x be a query times a power of two of its own, and y an item times its factor and a power
// of two of its tile, such that the largest number is below 2^9. Their copies x' and y' have 11 bits a
// number, and fewer below 2^-14. So their errors are not estimated but measured when they are made:
//
//   x.y <= x'.y' + |x - x'| |y| + |x'| |y - y'|         by Cauchy and Schwarz
//
// To this come, with F = f + 4 rounded up to whole 16s and in units of |x| |y|:
//   2^-24 f and 3 x 2^-24  float sums of the exact score in any order, and the item's factor
//   2^-20.4 F              sums in tensor cores: PTX promises float's precision, and no order. What is added
//                          is cut off, and loses less than 2^-23 of the largest (Fasi, Higham, Mikaitis and
//                          Pranesh, 2021, doi:10.7717/peerj-cs.330), at most 1.5 F times in all; sum and t are
//                          below 5.2, for if |t| is above 3, then the sign of the difference is safe
// For both we take g = 2^-19 F. These four terms are three columns more of the copies, rounded up:
//
//   x'  |x - x'| + g |x|,  |x - x'| + |x|,  2^-8        or zeros, if x is zero: then the score is t at best
//   y'  |y|,               |y - y'|,        2^-8
//
// and the sum begins at -t: an item is passed over if the result is not above 0. The last column is for
// what is lost below 2^-126, at most 2^-18 after scaling: numbers of queries must be between 2^-32 and
// 2^32, those of items below that, and factors of items at most 2^16. The columns of other rows are
// infinite: the result is then infinite or NaN, and the item is scored exactly. So it is with infinities
// and NaN in factors, which none of the comparisons hides.
//
// Defined by the host: REAL (float), QUERIES (a multiple of 32).

#define STORED __half
#define WIDE 16
#include "tensor.cuh"
#include "scores.cuh"

#define TILE 64                        // items of a tile; rows of a block that makes copies
#define HALVING 4                      // warps of such a block
#define WAITING 32                     // items of a query that wait to be scored, a lane each
#define SMALLEST 2.3283064365386963e-10f  // 2^-32
#define LARGEST 4294967296.f              // 2^32

// The largest absolute value of a row, the same in all lanes; a NaN is above all.
__device__ __forceinline__ float largest_of_row(const REAL *row, REAL factor, int f) {
    unsigned largest = 0;
    for (int k = threadIdx.x % 32; k < f; k += 32) largest = max(largest, __float_as_uint(fabs(row[k] * factor)));
    return __uint_as_float(__reduce_max_sync(ALL, largest));
}

// The power of two by which numbers up to `largest` come below 2^9.
__device__ __forceinline__ float unit_below(float largest) {
    return __uint_as_float((262u << 23) - (__float_as_uint(largest > SMALLEST ? largest : SMALLEST) & 0x7f800000u));
}

// A number in float16 that is not below v.
__device__ __forceinline__ __half rounded_up(float v) { return __float2half_rn(v * 1.001953125f + 5.9604645e-8f); }

// Write the copy of a row, of `wide` numbers; zeros if it is null, or not `usable`.
template <bool QUERY>
__device__ __forceinline__ void halve(const REAL *row, REAL factor, float unit, bool usable, int f, int wide, __half *copy) {
    const int lane = threadIdx.x % 32;
    float size = 0, error = 0;
    for (int k = 2 * lane; k < wide - 4; k += 64) {
        float v[2];
#pragma unroll
        for (int i = 0; i < 2; i++) v[i] = row && usable && k + i < f ? row[k + i] * factor * unit : 0.f;
        const __half2 pair = __floats2half2_rn(v[0], v[1]);
        const float2 back = __half22float2(pair);
        size += v[0] * v[0] + v[1] * v[1];
        error += (v[0] - back.x) * (v[0] - back.x) + (v[1] - back.y) * (v[1] - back.y);
        *reinterpret_cast<__half2 *>(copy + k) = pair;
    }
    size = sqrtf(group_sum(size));
    error = sqrtf(group_sum(error));
    float first = QUERY ? error + size * (wide * 1.9073486e-6f) : size, second = QUERY ? error + size : error;
    float third = 0.00390625f;
    if (!usable) first = second = third = INFINITY;
    const bool empty = !row || (QUERY && usable && size == 0);
    if (lane == 0) {
        copy[wide - 4] = empty ? __float2half_rn(0) : rounded_up(first);
        copy[wide - 3] = empty ? __float2half_rn(0) : rounded_up(second);
        copy[wide - 2] = __float2half_rn(empty ? 0 : third);
        copy[wide - 1] = __float2half_rn(0);
    }
}

// The copies of queries. query_row: (queries,) rows of X, or null for the first ones. Written: copies
// (blocks 64, wide) and units (blocks 64,), the power of two of each.
extern "C" __global__ void __launch_bounds__(32 * HALVING)
    halve_queries(const REAL *X, const int *query_row, int queries, int f, int stride, int wide, __half *copies, float *units) {
    for (int i = threadIdx.x / 32; i < TILE; i += HALVING) {
        const int query = blockIdx.x * TILE + i;
        const REAL *row = query < queries ? X + (query_row ? query_row[query] : query) * (long long)stride : nullptr;
        const float largest = row ? largest_of_row(row, 1, f) : 0.f;
        const bool usable = __float_as_uint(largest) == 0 || (largest >= SMALLEST && largest < LARGEST);
        const float unit = usable ? unit_below(largest) : 1.f;
        halve<true>(row, 1, unit, usable, f, wide, copies + (long long)query * wide);
        if (threadIdx.x % 32 == 0) units[query] = unit;
    }
}

// The copies of items, times their factors. scale: (items,) or null. Written: copies (blocks 64, wide) and
// units (blocks,), the power of two of each block's items.
extern "C" __global__ void __launch_bounds__(32 * HALVING)
    halve_items(const REAL *Y, const REAL *scale, int items, int f, int stride, int wide, __half *copies, float *units) {
    __shared__ bool usable[TILE];
    __shared__ float of_warp[HALVING];
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    float largest = 0;
    for (int i = warp; i < TILE; i += HALVING) {
        const int item = blockIdx.x * TILE + i;
        if (item >= items) continue;
        const REAL *row = Y + item * (long long)stride, factor = scale ? scale[item] : REAL(1);
        const float own = largest_of_row(row, factor, f);
        const bool good = largest_of_row(row, 1, f) < LARGEST && own < LARGEST && fabs(factor) <= 65536;
        if (lane == 0) usable[i] = good;
        if (good && own > largest) largest = own;
    }
    if (lane == 0) of_warp[warp] = largest;
    __syncthreads();
    for (int i = 0; i < HALVING; i++) largest = of_warp[i] > largest ? of_warp[i] : largest;
    const float unit = unit_below(largest);
    for (int i = warp; i < TILE; i += HALVING) {
        const int item = blockIdx.x * TILE + i;
        const REAL *row = item < items ? Y + item * (long long)stride : nullptr;
        const REAL factor = row && scale ? scale[item] : REAL(1);
        halve<false>(row, factor, unit, row && usable[i], f, wide, copies + (long long)item * wide);
    }
    if (threadIdx.x == 0) units[blockIdx.x] = unit;
}

// Begin to copy `rows` lines of `wide` numbers to shared memory, warp by warp.
__device__ __forceinline__ void begin_copy(const __half *from, int rows, int wide, int line, __half *to) {
    for (int row = threadIdx.x / 32; row < rows; row += QUERIES / 32)
        for (int piece = threadIdx.x % 32; piece < wide / 8; piece += 32)
            __pipeline_memcpy_async(to + row * line + 8 * piece, from + (long long)row * wide + 8 * piece, 16);
}

// Which of the warp's 32 x 64 pairs are to be scored exactly, a bit for each of 64 items, for the lane's
// own query. c: results of `multiply`, of rows 16 m and columns 8 n.
__device__ __forceinline__ unsigned long long survivors(const float c[2][8][4]) {
    const int lane = threadIdx.x % 32;
    unsigned long long mine = 0;
#pragma unroll
    for (int s = 0; s < 4; s++) {  // queries 8 s + lane / 4
        bool any = false;
#pragma unroll
        for (int n = 0; n < 8; n++)
#pragma unroll
            for (int i = 0; i < 2; i++) any |= !(c[s / 2][n][s % 2 * 2 + i] <= 0);
        if (!__any_sync(ALL, any)) continue;
        unsigned word[2] = {0, 0};
#pragma unroll
        for (int n = 0; n < 8; n++)
#pragma unroll
            for (int i = 0; i < 2; i++) word[n / 4] |= unsigned(!(c[s / 2][n][s % 2 * 2 + i] <= 0)) << (n % 4 * 8 + i);
        unsigned long long both = ((unsigned long long)word[1] << 32 | word[0]) << lane % 4 * 2;
        both |= __shfl_xor_sync(ALL, both, 1);
        both |= __shfl_xor_sync(ALL, both, 2);
        if (lane % 4 == s) mine = both;
    }
    return mine;
}

// Arguments and results as of `top_k`. waiting: room for (blocks QUERIES, WAITING) items. x_copies, x_units, y_copies, y_units: what `halve_queries` and
// `halve_items` have written, the former for whole blocks of QUERIES.
extern "C" __global__ void __launch_bounds__(QUERIES)
    top_k_coarse(const REAL *X, const REAL *Y, const int *query_row, const REAL *scale, const unsigned char *allowed,
                 const long long *liked_indptr, const int *liked_indices, const __half *x_copies, const float *x_units,
                 const __half *y_copies, const float *y_units, int queries, int items, int f, int stride, int wide, int k,
                 int *waiting, int *ids, REAL *scores) {
    extern __shared__ uint4 shared[];
    const int line = wide + 8;  // an odd number of 16 bytes, so that eight lines lie in different banks
    __half *xs = reinterpret_cast<__half *>(shared), *ys = xs + QUERIES * line;
    const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, first_query = blockIdx.x * QUERIES + 32 * warp;
    // A lane's own query is the one whose bits `survivors` returns it.
    const int query = first_query + lane % 4 * 8 + lane / 4;
    const bool inside = query < queries;
    int *mine = waiting + (long long)query * WAITING;
    const bool aligned = rows_aligned(X, stride) && rows_aligned(Y, stride);
    const long long liked = inside && liked_indptr ? liked_indptr[query] : 0;
    const long long stop = inside && liked_indptr ? liked_indptr[query + 1] : 0;
    const float x_unit = x_units[query];
    int count = 0, kept = 0;  // items of the own query that wait, and those in its list
    REAL threshold = inside ? -INFINITY : INFINITY;
    float start[4];  // of the sums for queries 8 s + lane / 4: the threshold times the query's power of two

    const auto settle = [&](unsigned lanes) {  // score and merge what waits for these lanes' queries
        for (; lanes; lanes &= lanes - 1) {
            const int of = __ffs(lanes) - 1, n = __shfl_sync(ALL, count, of), there = __shfl_sync(ALL, kept, of);
            const REAL least = __shfl_sync(ALL, threshold, of);
            const long long q = __shfl_sync(ALL, query, of);
            __syncwarp();  // what waits has been written
            const int item = lane < n ? waiting[q * WAITING + lane] : 0;
            REAL value = -INFINITY;
            if (lane < n) {
                const REAL *x = X + (query_row ? query_row[q] : q) * stride;
                value = score_of(x, Y + item * (long long)stride, aligned, f);
                if (scale) value *= scale[item];
            }
            const int now = merge(value > least, value, item, there, k, ids + q * k, scores + q * k);
            if (lane == of) {
                count = 0;
                kept = now;
                if (kept == k) threshold = scores[q * k + k - 1];
            }
        }
    };
    const auto begin = [&] {
#pragma unroll
        for (int s = 0; s < 4; s++) start[s] = __shfl_sync(ALL, -threshold * x_unit, lane / 4 * 4 + s);
    };

    begin();
    begin_copy(x_copies + (long long)blockIdx.x * QUERIES * wide, QUERIES, wide, line, xs);
    begin_copy(y_copies, TILE, wide, line, ys);
    __pipeline_commit();
    for (int first_item = 0, tile = 0; first_item < items; first_item += TILE, tile++) {
        __pipeline_wait_prior(0);
        __syncthreads();  // this tile is there for all, and all are done with the one before
        // The rows that a lane gives to `load_a`: of A by its four parts, of B by the two of each eight items,
        // which are then neighbouring registers.
        const __half *x = xs + (32 * warp + lane % 16) * line + lane / 16 * 8;
        const __half *y = ys + (tile % 2 * TILE + lane / 16 * 8 + lane % 8) * line + lane / 8 % 2 * 8;
        if (first_item + TILE < items)
            begin_copy(y_copies + (first_item + TILE) * (long long)wide, TILE, wide, line, ys + (tile + 1) % 2 * TILE * line);
        __pipeline_commit();
        float c[2][8][4];
        const float y_unit = y_units[tile];
#pragma unroll
        for (int s = 0; s < 4; s++)
#pragma unroll
            for (int n = 0; n < 8; n++) c[s / 2][n][s % 2 * 2] = c[s / 2][n][s % 2 * 2 + 1] = start[s] * y_unit;
        for (int left = 0; left < wide; left += 16) {
            unsigned a[2][4], b[4];
#pragma unroll
            for (int m = 0; m < 2; m++) load_a<false>(a[m], x + 16 * m * line + left);
#pragma unroll
            for (int n = 0; n < 8; n += 2) {
                load_a<false>(b, y + 8 * n * line + left);  // 16 items: B for the first eight, and for the others
#pragma unroll
                for (int m = 0; m < 2; m++) {
                    multiply(c[m][n], a[m], b[0], b[1]);
                    multiply(c[m][n + 1], a[m], b[2], b[3]);
                }
            }
        }
        unsigned long long left = survivors(c);
        if (!inside) left = 0;
        if (!__any_sync(ALL, left != 0)) continue;
        while (true) {
            for (; left && count < WAITING; left &= left - 1) {
                const int item = first_item + __ffsll(left) - 1;
                if (item >= items || (allowed && !allowed[item]) || is_stored(liked_indices, liked, stop, item)) continue;
                mine[count++] = item;
            }
            const unsigned full = __ballot_sync(ALL, count == WAITING);
            if (!full) break;
            settle(full);
            begin();
        }
    }
    settle(__ballot_sync(ALL, count > 0));
    for (int of = 0; of < 32; of++) {
        const long long q = __shfl_sync(ALL, query, of);
        for (int e = __shfl_sync(ALL, kept, of) + lane; e < k && q < queries; e += 32) {
            ids[q * k + e] = -1;
            scores[q * k + e] = -INFINITY;
        }
    }
}
