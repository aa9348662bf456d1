// GPU rung 6. From cg_5_binned, hub rows (those of the very highest degree) are split into parts, and
// each part gets a block.
//
// cg_6_residual, cg_6_product  one block per part; writes the part's sum of g z to `parts`
// cg_6_begin, cg_6_advance     one block per hub row; adds its parts up in order and takes the step
// shared    a vector for each warp and one for their sum
// hardware  A row with as many entries as all others together keeps one block busy and the rest of the
//           device waiting. Blocks cannot wait for one another, so a pass is two launches, of a few
//           microseconds each. Atomic additions are not used: their order, and with it the bits of a
//           sum, would change from run to run. Blocks of a hub row that has ended return at once: the
//           host launches a few steps ahead (solvers/gpu/cg_6_split.py).
// bytes     per stored entry (steps + 1) (WIDE sizeof(STORED) + 12), per part 2 (steps + 1) WIDE
//           sizeof(REAL)
// flops     per stored entry 4 (steps + 1) F
//
// Defined by the host: REAL, STORED, WIDE, GROUP, DIAGONAL, WARPS, BLOCKS.

#include "entries.cuh"
#include "cg.cuh"

template <int MODE>
__device__ __forceinline__ void part_of(PART) {
    extern __shared__ RealPiece pieces[];
    const int i = blockIdx.x, hub = part_row[i];
    if (MODE == PRODUCT && !going[hub]) return;
    const long long first = part_first[i];
    const Entries row = {Z, indices + first, w + first, t + first, part_count[i]};
    REAL v[E], sum[E] = {};
    load(V + (hub_row ? hub_row[hub] : hub) * (long long)WIDE, v);
    pass<MODE, WARPS * 32 / GROUP>(row, row.count, row.count, threadIdx.x / GROUP, v, sum, nullptr, 0);
    block_total(sum, reinterpret_cast<REAL *>(pieces));
    if (threadIdx.x < GROUP) store(parts + (long long)i * WIDE, sum);
}

extern "C" __global__ void __launch_bounds__(32 * WARPS, BLOCKS) cg_6_residual(PART) {
    part_of<RESIDUAL>(V, hub_row, Z, indices, w, t, part_row, part_first, part_count, going, parts);
}
extern "C" __global__ void __launch_bounds__(32 * WARPS, BLOCKS) cg_6_product(PART) {
    part_of<PRODUCT>(V, hub_row, Z, indices, w, t, part_row, part_first, part_count, going, parts);
}

// The state of hub rows between launches: the start, r and p (hubs, WIDE); rs, unit and the progress in `scalars`
// (hubs, 5); and in `going` (hubs,) whether the row takes another step. Hub number i is row hub_row[i]
// of X and has the parts hub_part[i] to hub_part[i + 1].
#define HUB                                                                                              \
    REAL *X, const REAL *base, const REAL *slope, const REAL *lam, const long long *hub_row,              \
        const int *hub_part, const REAL *parts, REAL *S, REAL *R, REAL *P, REAL *scalars, int *going,     \
        const int *least, int most, REAL theta, REAL theta_heavy, REAL *ended, REAL omega

// Adds the parts of the block's hub row to `sum`, and then over the block's warps.
__device__ __forceinline__ void sum_of_parts(const int *hub_part, const REAL *parts, REAL sum[E]) {
    extern __shared__ RealPiece pieces[];
#pragma unroll 1
    for (int i = hub_part[blockIdx.x] + threadIdx.x / GROUP; i < hub_part[blockIdx.x + 1]; i += WARPS * 32 / GROUP) {
        REAL part[E];
        load(parts + (long long)i * WIDE, part);
#pragma unroll
        for (int e = 0; e < E; e++) sum[e] += part[e];
    }
    block_total(sum, reinterpret_cast<REAL *>(pieces));
}

// Writes the state of the block's hub row; called by one thread.
__device__ __forceinline__ void write_state(REAL *scalars, REAL rs, Unit unit, const Progress &done) {
    REAL *mine = scalars + 5 * blockIdx.x;
    mine[0] = rs;
    mine[1] = unit.v;
    mine[2] = done.gained;
    mine[3] = done.left;
    mine[4] = done.steps;
}

extern "C" __global__ void __launch_bounds__(32 * WARPS, BLOCKS) cg_6_begin(HUB) {
    const int hub = blockIdx.x;
    const long long u = hub_row[hub];
    REAL x[E], r[E] = {}, p[E];
    Unit unit;
    sum_of_parts(hub_part, parts, r);
    load(X + u * WIDE, x);
    const Diagonal d(base, slope, lam[u]);
    const REAL rs = begin(r, x, d, p, unit);
    const bool rounding = is_rounding(rs, x, d, unit);
    if (threadIdx.x < GROUP) {
        store(S + (long long)hub * WIDE, x);
        store(R + (long long)hub * WIDE, r);
        store(P + (long long)hub * WIDE, p);
    }
    if (threadIdx.x == 0) {
        const Progress done = {0, rs, 0};
        write_state(scalars, rs, unit, done);
        done.write(ended + 3 * u, unit);
        going[hub] = !rounding;
    }
}

extern "C" __global__ void __launch_bounds__(32 * WARPS, BLOCKS) cg_6_advance(HUB) {
    const int hub = blockIdx.x;
    if (!going[hub]) return;
    const long long u = hub_row[hub];
    REAL x[E], r[E], p[E], Ap[E] = {};
    sum_of_parts(hub_part, parts, Ap);
    load(X + u * WIDE, x);
    load(R + (long long)hub * WIDE, r);
    load(P + (long long)hub * WIDE, p);
    const Diagonal d(base, slope, lam[u]);
    const REAL *mine = scalars + 5 * hub;
    const Unit unit = unit_of(mine[1]);  // a power of two is its own
    REAL rs = mine[0];
    Progress done = {mine[2], mine[3], int(mine[4])};
    const bool active = advance(x, r, p, Ap, d, unit, rs, done, Stopping{least, most, theta, theta_heavy, int(u)}, true);
    const bool goes = active & !is_rounding(rs, x, d, unit) & (done.steps < most);  // all lanes take part
    if (!goes && omega != 1) {
        REAL start[E];
        load(S + (long long)hub * WIDE, start);
        relax(start, x, omega);
    }
    __syncthreads();  // all threads have read the state that changes now
    if (threadIdx.x < GROUP) {
        store(X + u * WIDE, x);
        store(R + (long long)hub * WIDE, r);
        store(P + (long long)hub * WIDE, p);
    }
    if (threadIdx.x == 0) {
        write_state(scalars, rs, unit, done);
        done.write(ended + 3 * u, unit);
        going[hub] = goes;
    }
}
