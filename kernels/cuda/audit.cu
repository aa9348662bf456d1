// What a fit computes besides the half-steps, without leaving the device: the sums of the objective,
// and whether all factors are finite.
//
// stored_terms  the sum over rows of w z^2 - 2 t z, z = x.y, over the row's entries; a warp per row
// penalty       the sum of lambda |x|^2 over rows, and the lowest row that is not finite; a warp per
//               row
// grid      BLOCKS blocks, striding over the rows; each writes its partial sum, and the host adds these
//           in order
// sums      products in REAL within a lane, everything else in double
// bytes     per entry F sizeof(REAL) + 12 (stored_terms); per row F sizeof(REAL) (both)
//
// Defined by the host: F, REAL.

#define WARPS 8
#define ALL 0xffffffffu
#include "sums.cuh"

extern "C" __global__ void __launch_bounds__(32 * WARPS)
    stored_terms(const REAL *X, const REAL *Y, const long long *indptr, const int *indices, const REAL *w,
                 const REAL *t, long long rows, double *sums) {
    __shared__ double part[WARPS];
    const int lane = threadIdx.x % 32;
    double terms = 0;
    for (long long u = blockIdx.x * (long long)WARPS + threadIdx.x / 32; u < rows; u += (long long)gridDim.x * WARPS) {
        for (long long k = indptr[u]; k < indptr[u + 1]; k++) {
            const REAL *x = X + u * F, *y = Y + (long long)indices[k] * F;
            REAL dot = 0;
#pragma unroll 4
            for (int j = lane; j < F; j += 32) dot += x[j] * y[j];
            double z = dot;
#pragma unroll
            for (int o = 16; o > 0; o >>= 1) z += __shfl_xor_sync(ALL, z, o);
            if (lane == 0) terms += z * ((double)w[k] * z - 2 * (double)t[k]);
        }
    }
    terms = block_sum(terms, part);
    if (threadIdx.x == 0) sums[blockIdx.x] = terms;
}

extern "C" __global__ void __launch_bounds__(32 * WARPS)
    penalty(const REAL *X, const REAL *lam, long long rows, double *sums, long long *wrong) {
    __shared__ double part[WARPS];
    __shared__ long long lowest[WARPS];
    const int lane = threadIdx.x % 32;
    double sum = 0;
    long long first_wrong = 0x7fffffffffffffffll;
    for (long long u = blockIdx.x * (long long)WARPS + threadIdx.x / 32; u < rows; u += (long long)gridDim.x * WARPS) {
        double square = 0;
        bool finite = true;
#pragma unroll 4
        for (int j = lane; j < F; j += 32) {
            const REAL x = X[u * F + j];
            square += (double)x * x;
            finite = finite && x * 0 == 0;  // times zero, all but infinities and NaNs give zero
        }
        if (!__all_sync(ALL, finite) && u < first_wrong) first_wrong = u;
        sum += (lam ? (double)lam[u] : 0.0) * square;
    }
    sum = block_sum(sum, part);
    if (lane == 0) lowest[threadIdx.x / 32] = first_wrong;
    __syncthreads();
    if (threadIdx.x == 0) {
        for (int i = 1; i < WARPS; i++) first_wrong = lowest[i] < first_wrong ? lowest[i] : first_wrong;
        sums[blockIdx.x] = sum;
        wrong[blockIdx.x] = first_wrong;
    }
}
