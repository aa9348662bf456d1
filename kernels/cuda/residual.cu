// How well each row of a half-step is solved: |A x - b| / |b|, or |x| where b = 0.
//
// grid      one block per row, striding over the rest
// block     F threads, rounded up to whole warps; thread j holds element j of A x - b and of b
// shared    x (F numbers) and a number per warp for sums
// sums      all in double, whatever the factors are: what is measured is the solution's rounding
// bytes     per stored entry F sizeof(REAL), per row F^2 8 of the shared part, from the second-level cache
// limits    F from 1 to 1024; 64-bit positions
//
// An audit, not part of a fit: two barriers an entry, as in cg_1_naive.cu.
//
// Defined by the host: F, REAL.

#define WARPS ((F + 31) / 32)
#include "sums.cuh"

// G: (F, F) a0 Y'Y in double. Written: found (rows,).
extern "C" __global__ void __launch_bounds__(32 * WARPS)
    relative_residuals(const REAL *X, const REAL *Y, const double *G, const long long *indptr, const int *indices,
                       const REAL *w, const REAL *t, const REAL *lam, long long rows, double *found) {
    __shared__ double x[F], part[WARPS];
    const int j = threadIdx.x;
    const bool mine = j < F;
    for (long long u = blockIdx.x; u < rows; u += gridDim.x) {
        // No thread reads another's x after the first sum of the row before: its barriers part the two.
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
