// How well each row of a half-step is solved: |A x - b| / |b|, or |x| where b = 0.
//
// grid      one block per row, or fewer blocks that stride over the rows
// block     F threads, rounded up to whole warps; thread j holds element j of A x - b and of b
// shared    x (F numbers) and a number per warp for sums over the block
// sums      all in double, whatever the factors' type: what is measured is the rounding of the solution
// bytes     per stored entry F sizeof(REAL); per row 8 F^2 for G, from the second-level cache
// limits    F from 1 to 1024; 64-bit positions of entries
//
// An audit and not part of a fit, so it may take two barriers per stored entry, as cg_1_naive.cu does.
//
// Defined by the host: F, REAL.

#define WARPS ((F + 31) / 32)
#include "sums.cuh"

// G: (F, F) a0 Y'Y in double. Written: found (rows,), the relative residuals.
extern "C" __global__ void __launch_bounds__(32 * WARPS)
    relative_residuals(const REAL *X, const REAL *Y, const double *G, const long long *indptr, const int *indices,
                       const REAL *w, const REAL *t, const REAL *lam, long long rows, double *found) {
    __shared__ double x[F], part[WARPS];
    const int j = threadIdx.x;
    const bool mine = j < F;
    for (long long u = blockIdx.x; u < rows; u += gridDim.x) {
        // No barrier is needed here: other threads have read the previous row's x before its first sum,
        // which has barriers.
        if (mine) x[j] = X[u * F + j];
        __syncthreads();
        double error = 0, b = 0;
        if (mine) {
            for (int i = 0; i < F; i++) error += G[i * F + j] * x[i];
            error += (double)lam[u] * x[j];
        }
        for (long long k = indptr[u]; k < indptr[u + 1]; k++) {
            const double y = mine ? (double)Y[(long long)indices[k] * F + j] : 0.0;
            const double product = block_sum<double>(mine ? y * x[j] : 0.0, part);
            error += (w[k] * product - t[k]) * y;
            b += t[k] * y;
        }
        const double errors = block_sum<double>(error * error, part);
        const double size = block_sum<double>(b * b, part);
        const double length = block_sum<double>(mine ? x[j] * x[j] : 0.0, part);
        if (j == 0) found[u] = size > 0 ? sqrt(errors / size) : sqrt(length);
    }
}
