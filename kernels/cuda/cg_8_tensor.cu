// GPU rung 8. From cg_7_half the passes over stored entries move to the tensor cores.
//
// cg_8_warp    a row for a warp, which keeps 16 SLOTS of its entries: rows of at most so many
// cg_8_block   a row for a block of WARPS warps, which keep WARPS times as many; two barriers per pass
// (cg_8_stream.cu has the kernels for longer rows, of which shared memory keeps nothing.)
//
// grid      rows of the highest degree first, as in cg_5_binned
// shared    tiles of 16 entries as they are stored, each row moved on by 16 bytes against bank conflicts;
//           a vector for each warp, and in a block one for their sum
// hardware  In cg_4 to cg_7 an entry of 128 factors takes 16 multiply-adds of each lane and pass, and as
//           many conversions and exchanges around them. A tensor core instruction does 2,048
//           multiply-adds, so that issue slots bound a pass no longer. Entries are copied from memory to
//           shared memory past the registers, DEPTH tiles ahead of the one that is multiplied.
// rounding  Z in float16 as in rung 7, products of 11 by 11 bits are exact, and v and g are two halves of
//           22 bits (tiles.cuh). Sums are in float.
// bytes     per stored entry 2 WIDE + 8 + 4 (steps + 1), in rows that shared memory keeps
// flops     per stored entry 4 (steps + 1) F that count, four times as many on the tensor cores
// needs     compute capability 8.0
//
// Defined by the host: REAL (float), STORED (__half), WIDE (a multiple of 16), DIAGONAL, WARPS, BLOCKS,
// SLOTS (tiles that a warp keeps).

#include "tiles.cuh"
#include "cg.cuh"
#include "blocks.cuh"

extern "C" __global__ void __launch_bounds__(32 * WARPS, BLOCKS) cg_8_warp(SIDE) {
    extern __shared__ uint4 shared[];
    __half *pieces = reinterpret_cast<__half *>(shared);
    const int warp = threadIdx.x / 32;
    const long long place = blockIdx.x * (long long)WARPS + warp;
    if (place >= count) return;
    const int u = order ? order[place] : int(place);
    const long long first = indptr[u];
    const Entries row = {Z, indices + first, w + first, t + first, int(indptr[u + 1] - first)};
    __half *slots = pieces + warp * SLOTS * SLOT;
    REAL *scratch = reinterpret_cast<REAL *>(pieces + WARPS * SLOTS * SLOT) + warp * WIDE;
    REAL x[E];
    load(X + (long long)u * WIDE, x);
    conjugate_gradients(
        x, Diagonal(base, slope, lam[u]), Stopping{least, most, theta, theta_heavy, u}, ended, u, threadIdx.x % 32 == 0,
        [&](const REAL *v, REAL *sum) { pass<RESIDUAL, true>(row, 0, 1, Vector(v, scratch), slots, sum); },
        [&](const REAL *v, REAL *sum) { pass<PRODUCT, true>(row, 0, 1, Vector(v, scratch), slots, sum); });
    finish(X + (long long)u * WIDE, x, omega, row.count);
}

extern "C" __global__ void __launch_bounds__(32 * WARPS, BLOCKS) cg_8_block(SIDE) { row_of_block<true>(THE_SIDE); }
