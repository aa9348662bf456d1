// From cg_5_binned hub rows are split into parts, and each part is a block's.
//
// cg_6_residual, cg_6_product  a part's sum of g z, one block per part, into `parts`
// cg_6_begin, cg_6_advance     a row's parts added up, in their order, and the step: one block per hub row
// shared    a vector for each warp and one for their sum
// hardware  one row of the length of all others together keeps one block busy and the device waiting.
//           Blocks cannot wait for one another, so a pass is two launches, a few microseconds each; no
//           atomic operations, whose order of addition would differ from run to run. Blocks of a hub that
//           has ended return at once: the host launches a few steps ahead (solvers/gpu/cg_6_split.py).
// bytes     per stored entry (steps + 1) (WIDE sizeof(STORED) + 12), per part 2 (steps + 1) WIDE sizeof(REAL)
// flops     per stored entry 4 (steps + 1) F
//
// Defined by the host: REAL, STORED, WIDE, GROUP, DIAGONAL, WARPS, BLOCKS.

#include "cg.cuh"

// part_row[i] is the place of part i's row among the hubs, part_first[i] its first entry's position;
// part i ends where part i + 1 of the same row begins, or the row does.
#define PART                                                                                             \
    const REAL *V, const long long *hub_row, const STORED *Z, const int *indices, const REAL *w,          \
        const REAL *t, const int *part_row, const long long *part_first, const int *part_count,           \
        const int *going, REAL *parts

template <int MODE>
__device__ __forceinline__ void part_of(PART) {
    extern __shared__ RealPiece pieces[];
    const int i = blockIdx.x, hub = part_row[i];
    if (MODE == PRODUCT && !going[hub]) return;
    const long long first = part_first[i];
    const Entries row = {Z, indices + first, w + first, t + first, part_count[i]};
    REAL v[E], sum[E] = {};
    load(V + (hub_row ? hub_row[hub] : hub) * (long long)WIDE, v);
    pass<MODE, WARPS * 32 / GROUP>(row, row.count, threadIdx.x / GROUP, v, sum, nullptr, 0);
    block_total(sum, reinterpret_cast<REAL *>(pieces));
    if (threadIdx.x < GROUP) store(parts + (long long)i * WIDE, sum);
}

extern "C" __global__ void __launch_bounds__(32 * WARPS, BLOCKS) cg_6_residual(PART) {
    part_of<RESIDUAL>(V, hub_row, Z, indices, w, t, part_row, part_first, part_count, going, parts);
}
extern "C" __global__ void __launch_bounds__(32 * WARPS, BLOCKS) cg_6_product(PART) {
    part_of<PRODUCT>(V, hub_row, Z, indices, w, t, part_row, part_first, part_count, going, parts);
}

// What a hub row is between launches: r and p (hubs, WIDE), its rs, unit and progress (hubs, 5), and whether
// it goes on.
#define HUB                                                                                              \
    REAL *X, const REAL *base, const REAL *slope, const REAL *lam, const long long *hub_row,              \
        const int *hub_part, const REAL *parts, REAL *R, REAL *P, REAL *scalars, int *going,              \
        const int *least, int most, REAL theta, REAL *ended

// The sum of the parts of the block's hub row.
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

// One thread of the block writes where its row is.
__device__ __forceinline__ void write_state(REAL *scalars, REAL rs, REAL unit, const Progress &done) {
    REAL *mine = scalars + 5 * blockIdx.x;
    mine[0] = rs;
    mine[1] = unit;
    mine[2] = done.gained;
    mine[3] = done.left;
    mine[4] = done.steps;
}

extern "C" __global__ void __launch_bounds__(32 * WARPS, BLOCKS) cg_6_begin(HUB) {
    const int hub = blockIdx.x;
    const long long u = hub_row[hub];
    REAL x[E], r[E] = {}, p[E], unit;
    sum_of_parts(hub_part, parts, r);
    load(X + u * WIDE, x);
    const Diagonal d(base, slope, lam[u]);
    const REAL rs = begin(r, x, d, p, unit);
    const bool rounding = is_rounding(rs, x, d, unit);
    if (threadIdx.x < GROUP) {
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
    const REAL *mine = scalars + 5 * hub, unit = mine[1];
    REAL rs = mine[0];
    Progress done = {mine[2], mine[3], int(mine[4])};
    const bool active = advance(x, r, p, Ap, d, unit, rs, done, Stopping{least, most, theta, int(u)}, true);
    const bool rounding = is_rounding(rs, x, d, unit);
    __syncthreads();  // all have read what is written now
    if (threadIdx.x < GROUP) {
        store(X + u * WIDE, x);
        store(R + (long long)hub * WIDE, r);
        store(P + (long long)hub * WIDE, p);
    }
    if (threadIdx.x == 0) {
        write_state(scalars, rs, unit, done);
        done.write(ended + 3 * u, unit);
        going[hub] = active && !rounding;
    }
}
