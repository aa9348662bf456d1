// GPU rung 2. From cg_1_naive the Gramian is gone: the coordinates z are whitened
// (solvers/whitening.py), so the shared part of a row's matrix is diagonal:
//
//   A = D + sum w z z',  b = sum t z,   D = base + slope lambda
//
// grid, block, shared, limits   as in cg_1_naive, but without the vector p in shared memory
// hardware  A step of cg_1_naive read F^2 numbers per row, more than the row's own entries have if it
//           has fewer than F. Only the gathered rows of Z are left to read. D is also the
//           preconditioner, with which two steps lower the objective further than three without.
// bytes     per stored entry (steps + 1) F sizeof(REAL), per row nothing
// flops     per stored entry 4 (steps + 1) F
//
// Defined by the host: F, REAL (float or double).

#define WARPS ((F + 31) / 32)

#include "sums.cuh"

extern "C" __global__ void __launch_bounds__(32 * WARPS, 1)
    cg_2_whitened(REAL *X, const REAL *Z, const REAL *base, const REAL *slope, const long long *indptr,
                  const int *indices, const REAL *w, const REAL *t, const REAL *lam, long long rows, int steps,
                  REAL omega) {
    __shared__ REAL dots[WARPS];
    __shared__ double sums[WARPS];  // squares of float32 weights overflow float32
    const int j = threadIdx.x;
    const bool mine = j < F;
    const double eps = sizeof(REAL) == 4 ? 1.1920929e-07 : 2.220446049250313e-16;

    for (long long u = blockIdx.x; u < rows; u += gridDim.x) {
        const long long first = indptr[u], stop = indptr[u + 1];
        if (first == stop) {
            if (mine) X[u * F + j] = 0;
            continue;
        }
        const REAL d = mine ? base[j] + slope[j] * lam[u] : REAL(1);
        const REAL start = mine ? X[u * F + j] : REAL(0);
        REAL x = start, r = 0, p = x;
        double rs = 0;
        // Step -1 multiplies A by x, for the residual; the other steps multiply it by p.
#pragma unroll 1
        for (int step = -1; step < steps; step++) {
            REAL Ap = d * p, b = 0;
#pragma unroll 1
            for (long long k = first; k < stop; k++) {
                const REAL z = mine ? Z[(long long)indices[k] * F + j] : REAL(0);
                Ap += w[k] * block_sum<REAL>(z * p, dots) * z;
                if (step < 0) b += t[k] * z;
            }
            if (step < 0) {
                r = b - Ap;
                p = r / d;
                rs = block_sum<double>((double)r * p, sums);
                continue;
            }
            const double xx = block_sum<double>((double)d * x * x, sums);
            const double pAp = block_sum<double>((double)p * Ap, sums);
            // |x| <= |A x|, so a residual below eps |x| is rounding error. A NaN must reach x.
            if (rs <= xx * eps * eps || pAp <= 0) break;
            const double alpha = rs / pAp;
            x += REAL(alpha * p);
            r -= REAL(alpha * Ap);
            const double rs_next = block_sum<double>((double)r * r / d, sums);
            p = r / d + REAL(rs_next / rs) * p;
            rs = rs_next;
        }
        if (mine) X[u * F + j] = omega == 1 ? x : start + omega * (x - start);
    }
}
