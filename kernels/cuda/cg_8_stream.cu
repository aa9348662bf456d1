// GPU rung 8, the longest rows: their tiles pass through shared memory, in every pass anew.
//
// cg_8_stream  a row for a block, whose warps take turns at its tiles
// cg_8_residual, cg_8_product  a part of a hub row for a block, as in cg_6_split
//
// shared    SLOTS tiles for each warp: one is multiplied while the next DEPTH are on their way
// bytes     per stored entry (steps + 1) (2 WIDE + 12)
// Everything else is as in cg_8_tensor.cu.
//
// Defined by the host: REAL (float), STORED (__half), WIDE (a multiple of 16), DIAGONAL, WARPS, BLOCKS,
// SLOTS (at least RING).

#include "tiles.cuh"
#include "cg.cuh"
#include "blocks.cuh"

extern "C" __global__ void __launch_bounds__(32 * WARPS, BLOCKS) cg_8_stream(SIDE) { row_of_block<false>(THE_SIDE); }

template <int MODE>
__device__ __forceinline__ void part_of(PART) {
    extern __shared__ uint4 shared[];
    __half *pieces = reinterpret_cast<__half *>(shared);
    const int i = blockIdx.x, hub = part_row[i], warp = threadIdx.x / 32;
    if (MODE == PRODUCT && !going[hub]) return;
    const long long first = part_first[i];
    const Entries row = {Z, indices + first, w + first, t + first, part_count[i]};
    REAL *sums = reinterpret_cast<REAL *>(pieces + WARPS * SLOTS * SLOT);
    REAL v[E], sum[E] = {};
    load(V + (hub_row ? hub_row[hub] : hub) * (long long)WIDE, v);
    pass<MODE, false>(row, warp, WARPS, Vector(v, sums + warp * WIDE), pieces + warp * SLOTS * SLOT, sum);
    block_total(sum, sums);
    if (warp == 0) store(parts + (long long)i * WIDE, sum);
}

extern "C" __global__ void __launch_bounds__(32 * WARPS, BLOCKS) cg_8_residual(PART) {
    part_of<RESIDUAL>(V, hub_row, Z, indices, w, t, part_row, part_first, part_count, going, parts);
}
extern "C" __global__ void __launch_bounds__(32 * WARPS, BLOCKS) cg_8_product(PART) {
    part_of<PRODUCT>(V, hub_row, Z, indices, w, t, part_row, part_first, part_count, going, parts);
}
