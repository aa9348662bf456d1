// GPU rung 5. From cg_4_shared the rows are sorted by degree, and each class of rows has its own
// kernel: several low-degree rows share a warp, a high-degree row takes a block, and the rows between
// stay with cg_4_shared.
//
// cg_5_short  A row for each group of lanes, 32 / GROUP rows in a warp; a group keeps KEPT / (32 /
//             GROUP) entries. Neighbours in the sorted order have equal degrees and about equal sums of
//             w, so a group seldom waits for another, neither within a pass nor for its last step.
// cg_5_long   A row for a block of WARPS warps, which keep WARPS KEPT of its entries; two barriers per
//             pass.
// grid        rows of the highest degree first, so that the last blocks to run are short
// shared      as in cg_4_shared; cg_5_long also has a vector for each warp and one for their sum
// hardware    A warp on a row of three entries leaves most of its lanes idle. A warp on a row of a
//             thousand entries works through them alone when the rest of the device has finished.
// bytes, flops  as in cg_4_shared; a row with mild weights ends after one step, two passes in place of
//             three
//
// Defined by the host: REAL, STORED, WIDE, GROUP, DIAGONAL, WARPS, BLOCKS, KEPT.

#include "entries.cuh"
#include "cg.cuh"

#define ROWS (32 / GROUP)

extern "C" __global__ void __launch_bounds__(32 * WARPS, BLOCKS) cg_5_short(SIDE) {
    extern __shared__ Piece pieces[];
    const long long place = (blockIdx.x * (32ll * WARPS) + threadIdx.x) / GROUP;
    const bool there = place < count;
    const int u = !there ? 0 : order ? order[place] : place;
    const long long first = there ? indptr[u] : 0;
    const Entries row = {Z, indices + first, w + first, t + first, there ? int(indptr[u + 1] - first) : 0};
    int shortest = row.count, longest = row.count;
#pragma unroll
    for (int o = GROUP; o < 32; o <<= 1) {
        shortest = min(shortest, __shfl_xor_sync(ALL, shortest, o));
        longest = max(longest, __shfl_xor_sync(ALL, longest, o));
    }
    Piece *kept = pieces + threadIdx.x / GROUP * (KEPT / ROWS) * CHUNKS * GROUP;
    REAL x[E] = {};
    if (row.count) load(X + (long long)u * WIDE, x);
    conjugate_gradients(
        x, Diagonal(base, slope, there ? lam[u] : REAL(0)), Stopping{least, most, theta, theta_heavy, u}, ended, u,
        there && threadIdx.x % GROUP == 0,
        [&](const REAL *v, REAL *sum) { pass<RESIDUAL, 1>(row, shortest, longest, 0, v, sum, kept, KEPT / ROWS); },
        [&](const REAL *v, REAL *sum) { pass<PRODUCT, 1>(row, shortest, longest, 0, v, sum, kept, KEPT / ROWS); });
    if (there) finish(X + (long long)u * WIDE, x, omega, row.count);
}

extern "C" __global__ void __launch_bounds__(32 * WARPS, BLOCKS) cg_5_long(SIDE) {
    extern __shared__ Piece pieces[];
    REAL *parts = reinterpret_cast<REAL *>(pieces + WARPS * KEPT * CHUNKS * GROUP);
    const int u = order ? order[blockIdx.x] : blockIdx.x;
    const long long first = indptr[u];
    const Entries row = {Z, indices + first, w + first, t + first, int(indptr[u + 1] - first)};
    const int group = threadIdx.x / GROUP;
    REAL x[E];
    load(X + (long long)u * WIDE, x);
    conjugate_gradients(
        x, Diagonal(base, slope, lam[u]), Stopping{least, most, theta, theta_heavy, u}, ended, u, threadIdx.x == 0,
        [&](const REAL *v, REAL *sum) {
            pass<RESIDUAL, WARPS * ROWS>(row, row.count, row.count, group, v, sum, pieces, WARPS * KEPT);
            block_total(sum, parts);
        },
        [&](const REAL *v, REAL *sum) {
            pass<PRODUCT, WARPS * ROWS>(row, row.count, row.count, group, v, sum, pieces, WARPS * KEPT);
            block_total(sum, parts);
        });
    if (threadIdx.x < GROUP) finish(X + (long long)u * WIDE, x, omega, row.count);
}
