// Exact half-step: a block of threads forms each row's system and factorises it, A = L L'.
//
// The coordinates are whitened: with the columns of Z scaled by s = (base + slope lambda_u)^-1/2, the
// shared part of the row's matrix is the identity. A row of n stored entries is then one of two systems,
// whichever is smaller (kernels/cpu/exact.py derives the dual solve from the Woodbury identity):
//
//   primal solve, order f:  A = I + S (sum w z z') S,         b = S sum t z,   x = S A^-1 b
//   dual solve, order n:    A = I + W^1/2 Z S^2 Z' W^1/2,     b = W^-1/2 t,    x = S^2 Z' W^1/2 A^-1 b    (w > 0)
//
// Either A is the identity plus a scaled sum of products of vectors of length `order`, so one loop forms
// both (cholesky.cuh). The scale is applied once to the sum. The vectors are stored entries (primal) or
// factors (dual): they pass through shared memory `depth` at a time, each twice, once times its weight.
//
// grid    one block per row of the list `rows`, highest degree first; for hub rows one block per part
// block   THREADS threads; with HELD at least as many as tiles
// shared  one array: the vectors ((4 depth, or the panels) x (order + 5)), scales and pivots, and with
//         HELD the factor (order^2 / 2); without, it lies in `systems` in global memory
// limits  order: at least 4 vectors of 4-element pieces fit FOURS pieces a thread; rows of any degree
// flops   n f^2 + f^3 / 3 (primal) or n^2 f + n^3 / 3 (dual) per row
// bytes   n f sizeof(REAL) gathered from Z per row, once in every THREADS tiles
//
// Defined by the host: REAL, THREADS, TILE, FOURS (pieces of four elements that a thread fetches at a
// time), HELD.

#include "cholesky.cuh"

struct Side {
    const long long *indptr;  // (rows + 1,)
    const int *indices;       // (entries,)
    const REAL *w, *t;        // (entries,)
    const REAL *Z;            // (columns, stride)
    const REAL *base, *slope; // (f,)
    const REAL *lam;          // (rows,)
    int f, stride;
};

__device__ __forceinline__ REAL scale_of(const Side &side, int k, REAL lam) {
    return REAL(1) / sqrt(side.base[k] + side.slope[k] * lam);
}

// The vectors of the primal solve, stored entries: w z and then t on the left, z on the right. The order is a
// multiple of four, so that t is in a piece of its own, with one in the place of z.
struct Entries {
    const Side &side;
    int order, step, depth;
    int piece[FOURS];  // entry, and place in its vector: two numbers in a register
    Four next[FOURS];
    REAL weight[FOURS];

    __device__ __forceinline__ int entry(int n) const { return piece[n] >> 16; }
    __device__ __forceinline__ int k(int n) const { return piece[n] & 0xffff; }

    __device__ __forceinline__ Entries(const Side &side, int order, int step, int depth)
        : side(side), order(order), step(step), depth(depth) {
#pragma unroll
        for (int n = 0; n < FOURS; n++) {
            const int number = threadIdx.x + n * THREADS, pieces = order / 4 + 1;
            piece[n] = number / pieces << 16 | number % pieces * 4;
        }
    }

    __device__ __forceinline__ void fetch(long long place, long long stop) {
#pragma unroll
        for (int n = 0; n < FOURS; n++) {
            const long long e = place + entry(n);
            const bool there = entry(n) < depth && e < stop;
            const REAL *z = there ? side.Z + (long long)side.indices[e] * side.stride : nullptr;
            next[n] = fetch_four(z, k(n), there ? side.f : 0, rows_aligned(side.Z, side.stride));
            if (k(n) == order) next[n].of[0] = 1;
            weight[n] = there ? (k(n) == order ? side.t : side.w)[e] : REAL(0);
        }
    }

    __device__ __forceinline__ void put(REAL *left, REAL *right) const {
#pragma unroll
        for (int n = 0; n < FOURS; n++) {
            if (entry(n) >= depth) continue;
            const int place = entry(n) * step + k(n);
            Four weighted;
#pragma unroll
            for (int j = 0; j < 4; j++) weighted.of[j] = weight[n] * next[n].of[j];
            *reinterpret_cast<Four *>(left + place) = weighted;
            *reinterpret_cast<Four *>(right + place) = next[n];
        }
    }
};

// The vectors of the dual solve, factors of all n entries: s^2 z on the left, z on the right.
struct Factors {
    const Side &side;
    const REAL *squares;  // s^2, and 8 zeros
    int step, depth, from;
    int k, entry;  // of the thread's first piece; k is that of all, because THREADS is even
    const REAL *row[FOURS];
    Four next[FOURS];

    __device__ __forceinline__ Factors(const Side &side, const REAL *squares, long long first, int n, int step, int depth)
        : side(side), squares(squares), step(step), depth(depth), k(threadIdx.x % (depth / 4) * 4), entry(threadIdx.x / (depth / 4)) {
#pragma unroll
        for (int m = 0; m < FOURS; m++) {
            const int e = (threadIdx.x + m * THREADS) / (depth / 4);
            row[m] = e < n ? side.Z + (long long)side.indices[first + e] * side.stride : nullptr;
        }
    }

    __device__ __forceinline__ void fetch(int place, int f) {
        from = place;
#pragma unroll
        for (int m = 0; m < FOURS; m++)
            next[m] = fetch_four(row[m], from + k, row[m] ? f : 0, rows_aligned(side.Z, side.stride));
    }

    __device__ __forceinline__ void put(REAL *left, REAL *right) const {
        const int between = THREADS / (depth / 4);
#pragma unroll
        for (int m = 0; m < FOURS; m++) {
            if (!row[m]) continue;
#pragma unroll
            for (int j = 0; j < 4; j++) {
                const int place = (k + j) * step + entry + m * between;
                left[place] = squares[from + k + j] * next[m].of[j];
                right[place] = next[m].of[j];
            }
        }
    }
};

#define SIDE_ARGUMENTS                                                                             \
    const long long *indptr, const int *indices, const REAL *w, const REAL *t, const REAL *Z,      \
        const REAL *base, const REAL *slope, const REAL *lam, int f, int stride
#define SIDE                                                                                       \
    Side { indptr, indices, w, t, Z, base, slope, lam, f, stride }

// Elements of a system as stored, b included.
__device__ __forceinline__ long long size_of(int order) { return order * (order + 3ll) / 2; }

// The order of primal systems: whole fours. Unknowns beyond f are zero.
__device__ __forceinline__ int primal_order(int f) { return (f + 3) / 4 * 4; }

// Rows of any degree by the primal solve. `systems`: (gridDim.x, size), or null with HELD. `parts`: null,
// or the systems of hub rows' parts, of row rows[i] those from first_part[i] to first_part[i + 1]; they are
// added in order, so that the bits are the same in every run.
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
    cholesky_primal(SIDE_ARGUMENTS, const int *rows, int count, REAL *systems, const int *first_part, REAL *parts,
                    int depth, REAL eps, REAL *X) {
    extern __shared__ REAL dynamic[];
    const Side side = SIDE;
    const int order = primal_order(f), step = step_of(order);
    REAL *scale = dynamic + vectors_of(depth) * step, *pivots = scale + order;
    int place = blockIdx.x;
    do {
        const int u = rows[place];
        for (int k = threadIdx.x; k < order; k += THREADS) scale[k] = k < f ? scale_of(side, k, lam[u]) : REAL(1);
        __syncthreads();
        const int first = parts ? first_part[place] : 0, stop = parts ? first_part[place + 1] : 0;
#if HELD
        REAL *A = pivots + order;
#else
        REAL *A = parts ? parts + first * size_of(order) : systems + blockIdx.x * size_of(order);
#endif
        REAL *x = solve(
            order, A, dynamic, step, scale, nullptr, pivots, eps,
            [&](const Tile &tile, REAL(&sum)[TILE][TILE]) {
                if (parts) {
                    tile.each(order, sum, [&](int, int, REAL &element) { element = 0; });
                    for (int part = first; part < stop; part++)
                        tile.each(order, sum, [&](int i, int j, REAL &element) {
                            element += parts[part * size_of(order) + at(i, j)];
                        });
                } else {
                    Entries entries(side, order, step, depth);
                    add_products(entries, indptr[u], indptr[u + 1], dynamic, step, depth, tile, sum);
                }
            });
        for (int k = threadIdx.x; k < stride; k += THREADS) X[(long long)u * stride + k] = k < f ? x[k] * scale[k] : REAL(0);
        __syncthreads();
    } while (!HELD && (place += gridDim.x) < count);
}

// Hub rows: a block adds up one part of a row's entries in the part's system of `systems`, not scaled yet.
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
    cholesky_hub_part(SIDE_ARGUMENTS, const long long *first_of_part, const long long *stop_of_part, REAL *systems,
                      int depth) {
    extern __shared__ REAL dynamic[];
    const Side side = SIDE;
    const int order = primal_order(f), step = step_of(order), lines = (order + 1 + TILE - 1) / TILE;
    REAL *A = systems + blockIdx.x * size_of(order), sum[TILE][TILE];
    Entries entries(side, order, step, depth);
    for (int first = 0; first < lines * (lines + 1) / 2; first += THREADS) {
        const Tile tile(first + threadIdx.x, order, 0);
        add_products(entries, first_of_part[blockIdx.x], stop_of_part[blockIdx.x], dynamic, step, depth, tile, sum);
        tile.each(order, sum, [&](int i, int j, REAL &element) { A[at(i, j)] = element; });
    }
}

// Rows of at most `longest` entries by the dual solve. All w >= 0; those below `least` are raised to it.
extern "C" __global__ void __launch_bounds__(THREADS, BLOCKS)
    cholesky_dual(SIDE_ARGUMENTS, const int *rows, int count, int longest, REAL *systems, REAL least, int depth,
                  REAL eps, REAL *X) {
    extern __shared__ REAL dynamic[];
    const Side side = SIDE;
    REAL *pivots = dynamic + vectors_of(depth) * step_of(longest), *root = pivots + longest, *b = root + longest;
    REAL *squares = b + longest;
#if HELD
    REAL *A = squares + f + 8;
#else
    REAL *A = systems + blockIdx.x * size_of(longest);
#endif
    int place = blockIdx.x;
    do {
        const int u = rows[place];
        const long long first = indptr[u];
        const int n = int(indptr[u + 1] - first), step = step_of(n);
        for (int e = threadIdx.x; e < n; e += THREADS) {
            root[e] = sqrt(max(w[first + e], least));
            b[e] = t[first + e] / root[e];
        }
        for (int k = threadIdx.x; k < f + 8; k += THREADS) {
            const REAL scale = k < f ? scale_of(side, k, lam[u]) : REAL(0);
            squares[k] = scale * scale;
        }
        __syncthreads();
        REAL *x = solve(
            n, A, dynamic, step, root, b, pivots, eps,
            [&](const Tile &tile, REAL(&sum)[TILE][TILE]) {
                Factors factors(side, squares, first, n, step, depth);
                add_products(factors, 0, f, dynamic, step, depth, tile, sum);
            });
        for (int e = threadIdx.x; e < n; e += THREADS) x[e] *= root[e];
        __syncthreads();
        for (int k = threadIdx.x; k < stride; k += THREADS) {
            REAL sum = 0;
            if (k < f) {
                for (int e = 0; e < n; e++) sum += x[e] * Z[(long long)indices[first + e] * stride + k];
                sum *= squares[k];
            }
            X[(long long)u * stride + k] = sum;
        }
        __syncthreads();
    } while (!HELD && (place += gridDim.x) < count);
}
