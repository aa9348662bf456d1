// GPU rung 1. Conjugate gradients as a first kernel has them: a row per block, a factor per thread.
//
//   A = G + lambda I + sum w y y',  b = sum t y,   G = a0 Y'Y,   x <- x after `steps` steps for A x = b
//
// grid      one block per row, or fewer blocks that stride over the rows
// block     F threads, rounded up to whole warps; thread j holds x_j, r_j, p_j and (A p)_j in registers
// shared    the vector p (F numbers), which every thread needs for its element of G p, and a number per
//           warp for sums over the block
// hardware  Each dot product y.p is a sum over the block: two barriers per stored entry. At a barrier
//           all warps wait for the slowest one, and no load is under way. G does not fit the
//           first-level cache beside the gathered rows of Y, so every row and step reads it from the
//           second-level cache.
// bytes     per stored entry (steps + 1) F sizeof(REAL), per row (steps + 1) F^2 sizeof(REAL)
// flops     per stored entry 4 (steps + 1) F,            per row 2 (steps + 1) F^2
// limits    F from 1 to 1024; 64-bit positions of entries
//
// Defined by the host: F, REAL (float or double).

#define WARPS ((F + 31) / 32)

#include "sums.cuh"

extern "C" __global__ void __launch_bounds__(32 * WARPS, 1)
    cg_1_naive(REAL *X, const REAL *Y, const REAL *G, const long long *indptr, const int *indices,
               const REAL *w, const REAL *t, const REAL *lam, long long rows, int steps) {
    __shared__ REAL shared_p[F], dots[WARPS];
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
        REAL x = mine ? X[u * F + j] : REAL(0), r = 0, p = x, b = 0;
        double rs = 0, bb = 0, steepest = 0;
        // Step -1 multiplies A by x, for the residual; the other steps multiply it by p.
#pragma unroll 1
        for (int step = -1; step < steps; step++) {
            __syncthreads();
            if (mine) shared_p[j] = p;
            __syncthreads();
            REAL Ap = 0;
            if (mine) {
#pragma unroll 4
                for (int i = 0; i < F; i++) Ap += G[i * F + j] * shared_p[i];
                Ap += lam[u] * p;
            }
#pragma unroll 1
            for (long long k = first; k < stop; k++) {
                const REAL y = mine ? Y[(long long)indices[k] * F + j] : REAL(0);
                Ap += w[k] * block_sum<REAL>(y * p, dots) * y;
                if (step < 0) b += t[k] * y;
            }
            if (step < 0) {
                r = p = b - Ap;
                rs = block_sum<double>((double)r * r, sums);
                bb = block_sum<double>((double)b * b, sums);
                continue;
            }
            const double pAp = block_sum<double>((double)p * Ap, sums);
            const double pp = block_sum<double>((double)p * p, sums);
            const double xx = block_sum<double>((double)x * x, sums);
            if (pAp > steepest * pp) steepest = pAp / pp;  // a lower bound of |A|
            // A residual up to `floor` is rounding error, and so is a curvature pAp up to its own limit.
            const double floor = F * F * eps * eps * (bb + steepest * steepest * xx);
            if (rs <= floor || pAp <= F * eps * steepest * pp) break;  // a NaN goes on: it must reach x
            const double alpha = rs / pAp;
            x += REAL(alpha) * p;
            r -= REAL(alpha) * Ap;
            const double rs_next = block_sum<double>((double)r * r, sums);
            p = r + REAL(rs_next / rs) * p;
            rs = rs_next;
        }
        if (mine) X[u * F + j] = x;
    }
}
