// From cg_2_whitened a row moves from a block to a warp, and a thread from one factor to 16-byte pieces.
//
// grid      one warp per row, WARPS of them in a block
// block     32 WARPS threads; GROUP lanes hold a vector, and 32 / GROUP stored entries pass at once
// registers x, r, p, A p and the entries under way: 4 E + AHEAD CHUNKS 16 bytes a lane
// shared    none
// hardware  a dot product is E multiply-adds in a lane and log2(GROUP) shuffles between lanes, without a
//           barrier: warps never wait for one another, and while one waits for memory others calculate.
//           A 16-byte load moves four times what a 4-byte one does for the same instruction, and AHEAD of
//           them are under way before the first is used.
// bytes     per stored entry (steps + 1) (WIDE sizeof(STORED) + 12)
// flops     per stored entry 4 (steps + 1) F
// limits    64-bit positions; a row of fewer than 2^31 entries
//
// Defined by the host: REAL, STORED, WIDE, GROUP, DIAGONAL, WARPS, BLOCKS.

#include "cg.cuh"

extern "C" __global__ void __launch_bounds__(32 * WARPS, BLOCKS) cg_3_warps(SIDE) {
    const int place = blockIdx.x * WARPS + threadIdx.x / 32;
    if (place >= count) return;
    const long long u = order ? order[place] : place, first = indptr[u];
    const Entries row = {Z, indices + first, w + first, t + first, int(indptr[u + 1] - first)};
    const int group = threadIdx.x % 32 / GROUP;
    REAL x[E];
    load(X + u * WIDE, x);
    __syncwarp();  // all groups read what one of them writes in the end; a shuffle orders no memory
    conjugate_gradients(
        x, Diagonal(base, slope, lam[u]), Stopping{nullptr, most, 0, u}, nullptr, u, false,
        [&](const REAL *v, REAL *sum) {
            pass<RESIDUAL, 32 / GROUP>(row, row.count, group, v, sum, nullptr, 0);
            warp_total(sum);
        },
        [&](const REAL *v, REAL *sum) {
            pass<PRODUCT, 32 / GROUP>(row, row.count, group, v, sum, nullptr, 0);
            warp_total(sum);
        });
#pragma unroll
    for (int e = 0; e < E; e++) x[e] = row.count ? x[e] : REAL(0);
    if (group == 0) store(X + u * WIDE, x);
}
