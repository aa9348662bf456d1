// Preconditioned conjugate gradients on one row, in whitened coordinates (solvers/whitening.py):
//
//   A = D + sum w z z',   b = sum t z,   D = base + slope lambda
//
// D, the shared part of the row's matrix, is diagonal and is the preconditioner. The vectors x, r, p
// and A p lie in registers, as lanes.cuh or tensor.cuh lays them out. Every group of lanes that works
// on the row holds a copy of them, so only sums over entries pass between groups.
//
// Included after entries.cuh, or after tiles.cuh, which say how lanes hold a vector.

#define SIDE                                                                                            \
    REAL *X, const STORED *Z, const REAL *base, const REAL *slope, const long long *indptr,              \
        const int *indices, const REAL *w, const REAL *t, const REAL *lam, const int *order, int count, \
        const int *least, int most, REAL theta, REAL theta_heavy, REAL *ended, REAL omega

// a / b where the last bits do not matter: in the preconditioner, any matrix near D does. The division of
// IEEE takes five times as many instructions.
__device__ __forceinline__ float about(float a, float b) { return __fdividef(a, b); }
__device__ __forceinline__ double about(double a, double b) { return a / b; }

// D: one number for the row where a Cholesky factor whitens; where eigenvectors do (DIAGONAL), one per
// coordinate.
struct Diagonal {
#if DIAGONAL
    REAL v[E];
    __device__ __forceinline__ REAL operator[](int e) const { return v[e]; }
    __device__ __forceinline__ Diagonal(const REAL *base, const REAL *slope, REAL lam) {
        REAL s[E];
        load(base, v);
        load(slope, s);
#pragma unroll
        for (int e = 0; e < E; e++) v[e] = holds(e) ? v[e] + s[e] * lam : REAL(1);
    }
    __device__ __forceinline__ REAL solve(REAL r, int e) const { return about(r, v[e]); }
#else
    REAL v, inverse;
    __device__ __forceinline__ REAL operator[](int e) const { return v; }
    __device__ __forceinline__ Diagonal(const REAL *base, const REAL *slope, REAL lam) {
        v = base[0] + slope[0] * lam;
        inverse = about(REAL(1), v);
    }
    __device__ __forceinline__ REAL solve(REAL r, int e) const { return r * inverse; }
#endif
};

// Whether row u has taken enough steps: solvers/fit/stopping.py has the rule and its proof. `least`
// holds the smallest number of steps for each row, and HEAVY more if the row has heavy entries, for which
// `theta_heavy` holds. It is read only when the rest of the test holds, which saves a register. A null
// pointer stands for exactly `most` steps.
struct Stopping {
    const int *least;
    int most;
    REAL theta, theta_heavy;
    int u;
    __device__ __forceinline__ bool enough(int steps, REAL left, REAL gained) const {
        if (!(left <= theta * gained && least)) return false;
        const int rule = least[u];
        return steps >= rule % HEAVY && (rule < HEAVY || left <= theta_heavy * gained);
    }
};

// How far a row has come: by how much its steps have lowered the objective, a bound on how much more the
// exact solution would lower it (both divided by `unit` squared), and the number of steps.
struct Progress {
    REAL gained, left;
    int steps;
    __device__ __forceinline__ void write(REAL *ended, Unit unit) const {
        ended[0] = steps;
        ended[1] = gained * unit.v * unit.v;
        ended[2] = left * unit.v * unit.v;
    }
};

// A residual shorter than EPS times x is rounding error.
#define EPS (sizeof(REAL) == 4 ? REAL(1.1920929e-07) : REAL(2.220446049250313e-16))

// Prepare the first step. r, which comes as b - (A - D) x, becomes the residual b - A x divided by
// `unit`, about its largest element, since squares of large weights overflow float; p becomes r / D.
// Returns r.p.
__device__ __forceinline__ REAL begin(REAL r[E], const REAL x[E], const Diagonal &d, REAL p[E], Unit &unit) {
    REAL largest = 0;
#pragma unroll
    for (int e = 0; e < E; e++) {
        r[e] -= d[e] * x[e];
        largest = fabs(r[e]) > largest ? fabs(r[e]) : largest;
    }
    unit = unit_of(group_max(largest));
    REAL rs = 0;
#pragma unroll
    for (int e = 0; e < E; e++) {
        r[e] *= unit.inverse;
        p[e] = d.solve(r[e], e);
        rs += r[e] * p[e];
    }
    return group_sum(rs);
}

// Whether a residual of squared length rs is rounding error: x is at most as long as A x.
__device__ __forceinline__ bool is_rounding(REAL rs, const REAL x[E], const Diagonal &d, Unit unit) {
    REAL xx = 0;
#pragma unroll
    for (int e = 0; e < E; e++) xx += d[e] * (x[e] * unit.inverse) * (x[e] * unit.inverse);
    return rs <= group_sum(xx) * EPS * EPS;  // false for a NaN, which must reach x
}

// Take one step along p; Ap comes without its part D p. Returns whether the row goes on: false once it
// has enough steps, or where p has no curvature (x then stays as it is). `active` is false for a row
// that has ended. All lanes of the warp must call.
__device__ __forceinline__ bool advance(REAL x[E], REAL r[E], REAL p[E], REAL Ap[E], const Diagonal &d, Unit unit,
                                        REAL &rs, Progress &done, const Stopping &stop, bool active) {
    REAL pAp = 0;
#pragma unroll
    for (int e = 0; e < E; e++) {
        Ap[e] += d[e] * p[e];
        pAp += p[e] * Ap[e];
    }
    pAp = group_sum(pAp);
    active = active && !(pAp <= 0);
    const REAL alpha = rs / pAp, move = alpha * unit.v;
    REAL next = 0;
#pragma unroll
    for (int e = 0; e < E; e++) {
        if (active) {  // not by an alpha of 0: p may have overflowed since
            x[e] += move * p[e];
            r[e] -= alpha * Ap[e];
        }
        Ap[e] = d.solve(r[e], e);
        next += r[e] * Ap[e];
    }
    next = group_sum(next);
    const REAL beta = active ? next / rs : REAL(0);
#pragma unroll
    for (int e = 0; e < E; e++) p[e] = Ap[e] + beta * p[e];
    if (active) {
        const REAL unspent = fabs(1 - alpha) * rs;  // alpha may exceed 1 where a w is negative
        done.gained += alpha * rs;
        done.left = next < unspent ? next : unspent;
        done.steps++;
    }
    rs = next;
    return active && !stop.enough(done.steps, done.left, done.gained);  // a NaN goes on
}

// Take steps for the warp's rows, for each until it has enough. `residual` and `product` add a row's
// sum of g z to a vector, with the g of that MODE of `pass`. After each step the lanes with `writes`
// set write the progress of row u to `ended`: to hold `left` until the end would take one register too
// many.
template <class Residual, class Product>
__device__ __forceinline__ void conjugate_gradients(REAL x[E], const Diagonal &d, const Stopping &stop, REAL *ended,
                                                    int u, bool writes, Residual residual, Product product) {
    REAL r[E], p[E];
    Unit unit;
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

// Over-relaxation: from where the row began, beyond its solution. An omega of 1 changes no digit.
__device__ __forceinline__ void relax(const REAL start[E], REAL x[E], REAL omega) {
#pragma unroll
    for (int e = 0; e < E; e++) x[e] = omega == 1 ? x[e] : start[e] + omega * (x[e] - start[e]);
}

// Write a solved row over its start, over-relaxed; zero for a row without entries. One group calls.
__device__ __forceinline__ void finish(REAL *row, REAL x[E], REAL omega, int entries) {
    REAL start[E];
    load(row, start);
    relax(start, x, omega);
#pragma unroll
    for (int e = 0; e < E; e++) x[e] = entries ? x[e] : REAL(0);
    store(row, x);
}

// The sum of a vector over the block's warps, returned to each; `parts` has room for WARPS + 1 vectors.
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
