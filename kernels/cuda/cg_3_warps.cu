// GPU rung 3. From cg_2_whitened a row moves from a block to a warp, and a thread holds 16-byte pieces
// of the vectors in place of one factor.
//
// grid      one warp per row, WARPS of them in a block
// block     32 WARPS threads; GROUP lanes share a vector, so a warp works on 32 / GROUP stored entries
//           at a time
// registers x, r, p, A p and the entries being loaded: 4 E numbers and AHEAD CHUNKS 16 bytes per lane
// shared    none
// hardware  A dot product is E multiply-adds within a lane and log2(GROUP) shuffles between lanes,
//           without a barrier. Warps never wait for one another: while one waits for memory, others
//           calculate. A 16-byte load moves four times as much per instruction as a 4-byte one, and
//           AHEAD entries are being loaded before the first is used.
// bytes     per stored entry (steps + 1) (WIDE sizeof(STORED) + 12)
// flops     per stored entry 4 (steps + 1) F
// limits    64-bit positions of entries; fewer than 2^31 entries in a row
//
// Defined by the host: REAL, STORED, WIDE, GROUP, DIAGONAL, WARPS, BLOCKS.

#include "entries.cuh"
#include "cg.cuh"

extern "C" __global__ void __launch_bounds__(32 * WARPS, BLOCKS) cg_3_warps(SIDE) {
    const int place = blockIdx.x * WARPS + threadIdx.x / 32;
    if (place >= count) return;
    const long long u = order ? order[place] : place, first = indptr[u];
    const Entries row = {Z, indices + first, w + first, t + first, int(indptr[u + 1] - first)};
    const int group = threadIdx.x % 32 / GROUP;
    REAL x[E];
    load(X + u * WIDE, x);
    __syncwarp();  // all groups read x before one of them overwrites it; shuffles order no memory
    conjugate_gradients(
        x, Diagonal(base, slope, lam[u]), Stopping{nullptr, most, 0, 0, u}, nullptr, u, false,
        [&](const REAL *v, REAL *sum) {
            pass<RESIDUAL, 32 / GROUP>(row, row.count, row.count, group, v, sum, nullptr, 0);
            warp_total(sum);
        },
        [&](const REAL *v, REAL *sum) {
            pass<PRODUCT, 32 / GROUP>(row, row.count, row.count, group, v, sum, nullptr, 0);
            warp_total(sum);
        });
    if (group == 0) finish(X + u * WIDE, x, omega, row.count);
}
