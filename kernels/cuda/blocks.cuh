// A row whose tiles the warps of a block share (tiles.cuh), by conjugate gradients (cg.cuh).
//
// Included after both. Defined by the host: WARPS, SLOTS (tiles that a warp has room for).

#define THE_SIDE X, Z, base, slope, indptr, indices, w, t, lam, order, count, least, most, theta, theta_heavy, ended, omega

// A row for the block, whose warps keep their tiles, or copy them in every pass.
template <bool KEEPS> __device__ __forceinline__ void row_of_block(SIDE) {
    extern __shared__ uint4 shared[];
    __half *pieces = reinterpret_cast<__half *>(shared);
    const int warp = threadIdx.x / 32;
    const int u = order ? order[blockIdx.x] : blockIdx.x;
    const long long first = indptr[u];
    const Entries row = {Z, indices + first, w + first, t + first, int(indptr[u + 1] - first)};
    __half *slots = pieces + warp * SLOTS * SLOT;
    REAL *parts = reinterpret_cast<REAL *>(pieces + WARPS * SLOTS * SLOT), *scratch = parts + warp * WIDE;
    REAL x[E];
    load(X + (long long)u * WIDE, x);
    conjugate_gradients(
        x, Diagonal(base, slope, lam[u]), Stopping{least, most, theta, theta_heavy, u}, ended, u, threadIdx.x == 0,
        [&](const REAL *v, REAL *sum) {
            pass<RESIDUAL, KEEPS>(row, warp, WARPS, Vector(v, scratch), slots, sum);
            block_total(sum, parts);
        },
        [&](const REAL *v, REAL *sum) {
            pass<PRODUCT, KEEPS>(row, warp, WARPS, Vector(v, scratch), slots, sum);
            block_total(sum, parts);
        });
    if (warp == 0) finish(X + (long long)u * WIDE, x, omega, row.count);
}
