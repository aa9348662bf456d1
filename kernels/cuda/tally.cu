// What the stopping rule needs to know of rows before a fit, and how their steps ended in a half-step.
//
// row_weights   each row's sum of w and its largest w, and how many steps it takes at least: two where a w is negative
//   grid        one warp per row, WARPS of them in a block
//   bytes       per stored entry sizeof(REAL), once per fit
// tally         adds the rows' `ended` (cg.cuh) up: a partial sum of five numbers per block, in double
//   grid        one warp per block, striding over the rows: no barrier, and sums in a fixed order
//   bytes       per row 3 sizeof(REAL), per half-step
//
// weight_range  each row's smallest and largest w, or 0: they decide whether the exact rung may solve it by its dual
//   grid        one warp per row, WARPS of them in a block
//   bytes       per stored entry sizeof(REAL), once per fit
//
// Defined by the host: REAL.

#define WARPS 8
#define ALL 0xffffffffu

extern "C" __global__ void __launch_bounds__(32 * WARPS)
    row_weights(const long long *indptr, const REAL *w, int rows, REAL *sums, REAL *largest, int *least) {
    const int u = blockIdx.x * WARPS + threadIdx.x / 32;
    if (u >= rows) return;
    const long long stop = indptr[u + 1];
    REAL sum = 0, most = 0;
    bool negative = false;
#pragma unroll 4
    for (long long k = indptr[u] + threadIdx.x % 32; k < stop; k += 32) {
        const REAL weight = w[k];
        sum += weight;
        most = weight > most ? weight : most;
        negative = negative || weight < 0;
    }
#pragma unroll
    for (int o = 16; o > 0; o >>= 1) {
        const REAL other = __shfl_xor_sync(ALL, most, o);
        most = other > most ? other : most;
        sum += __shfl_xor_sync(ALL, sum, o);
    }
    negative = __any_sync(ALL, negative);
    if (threadIdx.x % 32 == 0) {
        sums[u] = sum;
        largest[u] = most;
        least[u] = negative ? 2 : 1;
    }
}

// A row is unsolved if it took `most` steps and may still gain more than theta times what it has gained.
// `first`: this is the first launch of the half-step, so `totals` holds no sums yet.
extern "C" __global__ void __launch_bounds__(32)
    tally(const REAL *ended, int rows, int most, REAL theta, int first, double *totals) {
    double steps = 0, largest = 0, unsolved = 0, gained = 0, left = 0;
    for (long long u = blockIdx.x * 32ll + threadIdx.x; u < rows; u += gridDim.x * 32ll) {
        const REAL taken = ended[3 * u], gain = ended[3 * u + 1], rest = ended[3 * u + 2];
        steps += taken;
        largest = taken > largest ? taken : largest;
        unsolved += taken >= most && rest > theta * gain;
        gained += gain;
        left += rest;
    }
#pragma unroll
    for (int o = 16; o > 0; o >>= 1) {
        const double other = __shfl_xor_sync(ALL, largest, o);
        largest = other > largest ? other : largest;
        steps += __shfl_xor_sync(ALL, steps, o);
        unsolved += __shfl_xor_sync(ALL, unsolved, o);
        gained += __shfl_xor_sync(ALL, gained, o);
        left += __shfl_xor_sync(ALL, left, o);
    }
    if (threadIdx.x) return;
    double *mine = totals + 5 * blockIdx.x;  // added up over the launches of a half-step
    if (first) mine[0] = mine[1] = mine[2] = mine[3] = mine[4] = 0;
    mine[0] += steps;
    mine[1] = largest > mine[1] ? largest : mine[1];
    mine[2] += unsolved;
    mine[3] += gained;
    mine[4] += left;
}

extern "C" __global__ void __launch_bounds__(32 * WARPS)
    weight_range(const long long *indptr, const REAL *w, long long rows, REAL *range) {
    const long long row = blockIdx.x * (long long)WARPS + threadIdx.x / 32;
    if (row >= rows) return;
    const int lane = threadIdx.x % 32;
    REAL low = 0, high = 0;
    for (long long e = indptr[row] + lane; e < indptr[row + 1]; e += 32) {
        low = min(low, w[e]);
        high = max(high, w[e]);
    }
    for (int gap = 16; gap > 0; gap /= 2) {
        low = min(low, __shfl_xor_sync(ALL, low, gap));
        high = max(high, __shfl_xor_sync(ALL, high, gap));
    }
    if (lane == 0) {
        range[row] = low;
        range[rows + row] = high;
    }
}
