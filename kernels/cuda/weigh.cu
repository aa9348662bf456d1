// Stored values r to excess weights w and target weights t, by the table of conventions in
// solvers/problem.py; and the constant term of the objective, its value at X = 0.
//
// grid      BLOCKS blocks, striding over the entries
// block     32 WARPS threads
// shared    a number per warp for the sum over the block
// w         may be r itself: a thread reads an entry before it writes it
// sums      in double, a partial sum per block; the host adds them in order
// `wrong`   per block, the lowest position whose weights are not finite, or 2^63 - 1
// bytes     per entry 3 sizeof(REAL)
//
// A value that is NaN is a pull to a prior mean (solvers/features/pulled.py): w = 0, t = 1, and nothing in
// the constant. Stored values are finite.
//
// Defined by the host: REAL, CONVENTION (0 implicit, 1 linear, 2 log, 3 binary, 4 explicit).

#define WARPS 8
#include "sums.cuh"

extern "C" __global__ void __launch_bounds__(32 * WARPS)
    weigh(const REAL *r, long long entries, REAL alpha, REAL epsilon, REAL *w, REAL *t, double *constants,
          long long *wrong) {
    __shared__ double sums[WARPS];
    __shared__ long long lowest[WARPS];
    double constant = 0;
    long long first_wrong = 0x7fffffffffffffffll;
    for (long long k = blockIdx.x * 32ll * WARPS + threadIdx.x; k < entries; k += gridDim.x * 32ll * WARPS) {
        const REAL value = r[k];
        if (value != value) {  // a pull
            w[k] = 0;
            t[k] = 1;
            continue;
        }
#if CONVENTION == 4
        const REAL excess = 1, target = value;
        constant += (double)value * value;
#elif CONVENTION == 3
        const REAL excess = 1, target = 1;
        constant += 1;
#else
        REAL size = fabs(value);
#if CONVENTION == 2
        size = log1p(size / epsilon);
#endif
        size *= alpha;
#if CONVENTION == 0
        const REAL excess = size - 1, c = size;
#else
        const REAL excess = size, c = size + 1;  // c - 1 would round small excesses away
#endif
        const REAL target = value > 0 ? c : REAL(0);
        constant += target;
#endif
        // Times zero, all numbers but infinities and NaNs give zero.
        if (!(excess * 0 == 0 && target * 0 == 0) && k < first_wrong) first_wrong = k;
        w[k] = excess;
        t[k] = target;
    }
    constant = block_sum(constant, sums);
#pragma unroll
    for (int o = 16; o > 0; o >>= 1) {
        const long long other = __shfl_xor_sync(0xffffffffu, first_wrong, o);
        first_wrong = other < first_wrong ? other : first_wrong;
    }
    if (threadIdx.x % 32 == 0) lowest[threadIdx.x / 32] = first_wrong;
    __syncthreads();
    if (threadIdx.x == 0) {
        for (int i = 1; i < WARPS; i++) first_wrong = lowest[i] < first_wrong ? lowest[i] : first_wrong;
        constants[blockIdx.x] = constant;
        wrong[blockIdx.x] = first_wrong;
    }
}
