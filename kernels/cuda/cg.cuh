// Preconditioned conjugate gradients on one row, in coordinates where what all rows share is diagonal.
//
//   A = D + sum w z z',   b = sum t z,   D = base + slope lambda
//
// The vectors x, r, p and A p live in registers, in the layout of lanes.cuh; every group of lanes that
// works on the row has all of each, so that only sums over entries pass between groups.

#include "entries.cuh"

#define SIDE                                                                                            \
    REAL *X, const STORED *Z, const REAL *base, const REAL *slope, const long long *indptr,              \
        const int *indices, const REAL *w, const REAL *t, const REAL *lam, const int *order, int count, \
        const int *least, int most, REAL theta, REAL *ended

// D: one number for the row where a Cholesky factor whitens, else (DIAGONAL) one per coordinate.
struct Diagonal {
#if DIAGONAL
    REAL v[E];
    __device__ __forceinline__ REAL operator[](int e) const { return v[e]; }
    __device__ __forceinline__ Diagonal(const REAL *base, const REAL *slope, REAL lam) {
        REAL s[E];
        load(base, v);
        load(slope, s);
#pragma unroll
        for (int e = 0; e < E; e++) v[e] = has(e / VEC) ? v[e] + s[e] * lam : REAL(1);
    }
#else
    REAL v;
    __device__ __forceinline__ REAL operator[](int e) const { return v; }
    __device__ __forceinline__ Diagonal(const REAL *base, const REAL *slope, REAL lam) {
        v = base[0] + slope[0] * lam;
    }
#endif
};

// When row u has taken enough steps: solvers/fit/stopping.py has the rule and its proof. `least` is each row's
// least number of them, looked up when the rest of the test says yes, which spares a register; a null
// pointer stands for exactly `most`.
struct Stopping {
    const int *least;
    int most;
    REAL theta;
    int u;
    __device__ __forceinline__ bool enough(int steps, REAL left, REAL gained) const {
        return left <= theta * gained && least && steps >= least[u];
    }
};

// What a row's steps have gained, a bound on what they have left, both in the objective and divided by
// `unit` squared, and how many there were.
struct Progress {
    REAL gained, left;
    int steps;
    __device__ __forceinline__ void write(REAL *ended, REAL unit) const {
        ended[0] = steps;
        ended[1] = gained * unit * unit;
        ended[2] = left * unit * unit;
    }
};

// The residual's length over 1 / this is rounding.
#define EPS (sizeof(REAL) == 4 ? REAL(1.1920929e-07) : REAL(2.220446049250313e-16))

// r_0 / D and its size: what a row needs before its first step. r is scaled to 1, since squares of large
// weights overflow float; `unit` is what it was divided by.
__device__ __forceinline__ REAL begin(REAL r[E], const REAL x[E], const Diagonal &d, REAL p[E], REAL &unit) {
    REAL largest = 0;
#pragma unroll
    for (int e = 0; e < E; e++) {
        r[e] -= d[e] * x[e];
        largest = fabs(r[e]) > largest ? fabs(r[e]) : largest;
    }
    largest = group_max(largest);
    unit = largest > 0 ? largest : REAL(1);
    REAL rs = 0;
#pragma unroll
    for (int e = 0; e < E; e++) {
        r[e] /= unit;
        p[e] = r[e] / d[e];
        rs += r[e] * p[e];
    }
    return group_sum(rs);
}

// Whether a residual of squared length rs is rounding: x is at most as long as A x.
__device__ __forceinline__ bool is_rounding(REAL rs, const REAL x[E], const Diagonal &d, REAL unit) {
    REAL xx = 0;
#pragma unroll
    for (int e = 0; e < E; e++) xx += d[e] * (x[e] / unit) * (x[e] / unit);
    return rs <= group_sum(xx) * EPS * EPS;  // false for a NaN, which must reach x
}

// One step along p, given Ap without its diagonal part. Returns false where the row has enough, or p has no
// curvature (then x stays); `active` is false for a row that has ended. All lanes of the warp call.
__device__ __forceinline__ bool advance(REAL x[E], REAL r[E], REAL p[E], REAL Ap[E], const Diagonal &d, REAL unit,
                                        REAL &rs, Progress &done, const Stopping &stop, bool active) {
    REAL pAp = 0;
#pragma unroll
    for (int e = 0; e < E; e++) {
        Ap[e] += d[e] * p[e];
        pAp += p[e] * Ap[e];
    }
    pAp = group_sum(pAp);
    active = active && !(pAp <= 0);
    const REAL alpha = active ? rs / pAp : REAL(0);
    REAL next = 0;
#pragma unroll
    for (int e = 0; e < E; e++) {
        x[e] += alpha * unit * p[e];
        r[e] -= alpha * Ap[e];
        next += r[e] * (r[e] / d[e]);
    }
    next = group_sum(next);
    const REAL beta = active ? next / rs : REAL(0);
#pragma unroll
    for (int e = 0; e < E; e++) p[e] = r[e] / d[e] + beta * p[e];
    if (active) {
        const REAL unspent = fabs(1 - alpha) * rs;  // alpha > 1 where a weight is negative
        done.gained += alpha * rs;
        done.left = next < unspent ? next : unspent;
        done.steps++;
    }
    rs = next;
    return active && !stop.enough(done.steps, done.left, done.gained);  // not for a NaN
}

// Steps for the warp's rows, each until it has enough. `residual` and `product` add a row's sum of g z to a
// vector: MODE as in `pass`. After each step the lanes for which `writes` say in `ended` where row u is:
// held to the end, `left` would take a register that there is not.
template <class Residual, class Product>
__device__ __forceinline__ void conjugate_gradients(REAL x[E], const Diagonal &d, const Stopping &stop, REAL *ended,
                                                    int u, bool writes, Residual residual, Product product) {
    REAL r[E], p[E], unit;
#pragma unroll
    for (int e = 0; e < E; e++) r[e] = 0;
    residual(x, r);
    REAL rs = begin(r, x, d, p, unit);
    Progress done = {0, rs, 0};
    if (ended && writes) done.write(ended + 3ll * u, unit);
    bool active = true;
#pragma unroll 1
    while (true) {
        const bool rounding = is_rounding(rs, x, d, unit);  // all lanes take part in its sum
        active = active && !rounding && done.steps < stop.most;
        if (!__any_sync(ALL, active)) break;
        REAL Ap[E];
#pragma unroll
        for (int e = 0; e < E; e++) Ap[e] = 0;
        product(p, Ap);
        active = advance(x, r, p, Ap, d, unit, rs, done, stop, active);
        if (ended && writes) done.write(ended + 3ll * u, unit);
    }
}

// The sum of a vector over the block's warps, for each of them; `parts` has WARPS + 1 vectors.
__device__ __forceinline__ void block_total(REAL v[E], REAL *parts) {
    warp_total(v);
    if (threadIdx.x % 32 < GROUP) store(parts + threadIdx.x / 32 * WIDE, v);
    __syncthreads();
    REAL *total = parts + WARPS * WIDE;
    for (int j = threadIdx.x; j < WIDE; j += 32 * WARPS) {
        REAL sum = parts[j];
#pragma unroll 4
        for (int i = 1; i < WARPS; i++) sum += parts[i * WIDE + j];
        total[j] = sum;
    }
    __syncthreads();
    load(total, v);
}
