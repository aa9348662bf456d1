// GPU rung 4. From cg_3_warps a row's entries are gathered once; the later passes read them from shared
// memory.
//
// grid, block, registers, limits   as in cg_3_warps
// shared    the first KEPT entries of each warp's row, as they are stored; further ones are gathered
//           again
// hardware  The gathered rows of all warps together do not fit the first-level cache, so every pass of
//           cg_3_warps goes to the second-level cache or to memory. Here each lane keeps the pieces
//           that it loaded and reads back only those: no barrier, and no bank conflict.
// bytes     per stored entry WIDE sizeof(STORED) + 8 + 4 (steps + 1), in rows of at most KEPT entries
// flops     per stored entry 4 (steps + 1) F
// steps     `most` steps where `least` is null (rung 4); otherwise as many as the row needs
//
// Defined by the host: REAL, STORED, WIDE, GROUP, DIAGONAL, WARPS, BLOCKS, KEPT.

#include "entries.cuh"
#include "cg.cuh"

extern "C" __global__ void __launch_bounds__(32 * WARPS, BLOCKS) cg_4_shared(SIDE) {
    extern __shared__ Piece pieces[];
    const int warp = threadIdx.x / 32, place = blockIdx.x * WARPS + warp;
    if (place >= count) return;
    const int u = order ? order[place] : place;
    const long long first = indptr[u];
    const Entries row = {Z, indices + first, w + first, t + first, int(indptr[u + 1] - first)};
    const int group = threadIdx.x % 32 / GROUP;
    Piece *kept = pieces + warp * KEPT * CHUNKS * GROUP;
    REAL x[E];
    load(X + (long long)u * WIDE, x);
    __syncwarp();  // all groups read x before one of them overwrites it; shuffles order no memory
    conjugate_gradients(
        x, Diagonal(base, slope, lam[u]), Stopping{least, most, theta, theta_heavy, u}, ended, u, threadIdx.x % 32 == 0,
        [&](const REAL *v, REAL *sum) {
            pass<RESIDUAL, 32 / GROUP>(row, row.count, row.count, group, v, sum, kept, KEPT);
            warp_total(sum);
        },
        [&](const REAL *v, REAL *sum) {
            pass<PRODUCT, 32 / GROUP>(row, row.count, row.count, group, v, sum, kept, KEPT);
            warp_total(sum);
        });
    if (group == 0) finish(X + (long long)u * WIDE, x, omega, row.count);
}
