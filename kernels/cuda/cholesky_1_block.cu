// Exact half-step: a block of threads forms each row's system and factorises it, A = L L'.
//
// The coordinates are whitened: with the columns of Z scaled by (base + slope lambda_u)^-1/2, the shared
// part of the row's matrix is the identity. A row of n stored entries is then one of two systems,
// whichever is smaller (kernels/cpu/exact.py derives the dual solve from the Woodbury identity):
//
//   primal solve, order f:  A = I + sum w z z',          b = sum t z,    x = A^-1 b
//   dual solve, order n:    A = I + W^1/2 Z Z' W^1/2,    b = W^-1/2 t,   x = Z' W^1/2 A^-1 b    (w > 0)
//
// Either A is the identity plus a sum of products v v', with vectors v of length `order`, so one loop
// forms both. The vectors pass through shared memory DEPTH at a time. Meanwhile a thread adds their
// products to tiles of TILE x TILE elements in registers: 2 TILE loads for TILE^2 multiply-adds.
//
// grid    one block per row of the list `rows`, highest degree first; for hub rows one block per part
// block   THREADS threads
// shared  one array, which holds the panel (PANEL x (order + 1)) and the vectors (DEPTH x order) in
//         turn; and the system (order + 1) x ld where it fits, else it lies in `systems` in global
//         memory
// limits  order: its system has fewer than 2^31 elements; rows of any degree (64-bit positions)
// flops   n f^2 + f^3 / 3 (primal) or n^2 f + n^3 / 3 (dual) per row
// bytes   n f sizeof(REAL) gathered from Z per row
//
// Defined by the host: REAL, THREADS, TILE, and DEPTH, the vectors in shared memory at a time.

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

// A += sum w z z', row f += sum t z, over entries `first` to `stop`. Scratch: V (DEPTH x f padded to
// whole tiles) and `weight` (2 DEPTH).
__device__ __forceinline__ void add_entries(const Side &side, long long first, long long stop, REAL lam, REAL *A, int ld,
                            REAL *V, REAL *weight) {
    const int f = side.f, step = (f + TILE - 1) / TILE * TILE;
    for (long long start = first; start < stop; start += DEPTH) {
        const int depth = int(min((long long)DEPTH, stop - start));
        for (int e = threadIdx.x; e < depth; e += THREADS) {
            weight[e] = side.w[start + e];
            weight[DEPTH + e] = side.t[start + e];
        }
        for (int e = threadIdx.x; e < depth * step; e += THREADS) {
            const int k = e % step;
            const REAL *z = side.Z + (long long)side.indices[start + e / step] * side.stride;
            V[e] = k < f ? z[k] * scale_of(side, k, lam) : REAL(0);
        }
        __syncthreads();
        add_products(A, ld, f, 0, f, V, step, depth, weight, REAL(1));
        for (int k = threadIdx.x; k < f; k += THREADS) {
            REAL sum = 0;
            for (int e = 0; e < depth; e++) sum += weight[DEPTH + e] * V[e * step + k];
            A[(long long)f * ld + k] += sum;
        }
        __syncthreads();
    }
}

__device__ __forceinline__ void write_primal(const Side &side, const REAL *A, int ld, REAL lam, REAL *x) {
    const int f = side.f;
    for (int k = threadIdx.x; k < side.stride; k += THREADS)
        x[k] = k < f ? A[(long long)f * ld + k] * scale_of(side, k, lam) : REAL(0);
}

#define SIDE_ARGUMENTS                                                                             \
    const long long *indptr, const int *indices, const REAL *w, const REAL *t, const REAL *Z,      \
        const REAL *base, const REAL *slope, const REAL *lam, int f, int stride
#define SIDE                                                                                       \
    Side { indptr, indices, w, t, Z, base, slope, lam, f, stride }

// Rows of any degree by the primal solve. `systems`: (gridDim.x, f + 1, ld), or null for shared memory.
extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT / THREADS)
    cholesky_primal(SIDE_ARGUMENTS, const int *rows, int count, REAL *systems, int ld, REAL eps, REAL *X) {
    extern __shared__ REAL dynamic[];
    const Side side = SIDE;
    const int vectors = max(PANEL, DEPTH) * ((f + 1 + TILE - 1) / TILE * TILE);
    REAL *pivots = dynamic + vectors, *weight = pivots + f;
    REAL *A = systems ? systems + (long long)blockIdx.x * (f + 1) * ld : weight + 2 * DEPTH;
    for (int place = blockIdx.x; place < count; place += gridDim.x) {
        const int u = rows[place];
        start_from_identity(A, ld, f);
        __syncthreads();
        add_entries(side, indptr[u], indptr[u + 1], lam[u], A, ld, dynamic, weight);
        solve(A, ld, f, dynamic, pivots, eps);
        write_primal(side, A, ld, lam[u], X + (long long)u * stride);
        __syncthreads();
    }
}

// Rows of at most `longest` entries by the dual solve. All w >= 0; those below `least` are raised to it.
extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT / THREADS)
    cholesky_dual(SIDE_ARGUMENTS, const int *rows, int count, int longest, REAL *systems, REAL least, REAL eps,
                       REAL *X) {
    extern __shared__ REAL dynamic[];
    const Side side = SIDE;
    const int vectors = max(PANEL, DEPTH) * ((longest + 1 + TILE - 1) / TILE * TILE);
    REAL *pivots = dynamic + vectors, *root = pivots + longest;
    const int ld = longest;
    REAL *A = systems ? systems + (long long)blockIdx.x * (longest + 1) * ld : root + longest;
    for (int place = blockIdx.x; place < count; place += gridDim.x) {
        const int u = rows[place];
        const long long first = indptr[u];
        const int n = int(indptr[u + 1] - first), step = (n + TILE - 1) / TILE * TILE;
        start_from_identity(A, ld, n);
        for (int e = threadIdx.x; e < n; e += THREADS) root[e] = sqrt(max(w[first + e], least));
        __syncthreads();
        for (int e = threadIdx.x; e < n; e += THREADS) A[n * ld + e] = t[first + e] / root[e];
        for (int left = 0; left < f; left += DEPTH) {
            const int depth = min(DEPTH, f - left);
            // Neighbouring threads read neighbouring factors of one entry.
            for (int p = threadIdx.x; p < step * DEPTH; p += THREADS) {
                const int e = p / DEPTH, k = p % DEPTH;
                if (k < depth)
                    dynamic[k * step + e] = e < n ? root[e] * Z[(long long)indices[first + e] * stride + left + k] *
                                                        scale_of(side, left + k, lam[u])
                                                  : REAL(0);
            }
            __syncthreads();
            add_products(A, ld, n, 0, n, dynamic, step, depth, nullptr, REAL(1));
            __syncthreads();
        }
        solve(A, ld, n, dynamic, pivots, eps);
        for (int k = threadIdx.x; k < stride; k += THREADS) {
            REAL sum = 0;
            if (k < f) {
                for (int e = 0; e < n; e++)
                    sum += root[e] * A[n * ld + e] * Z[(long long)indices[first + e] * stride + k];
                const REAL scale = scale_of(side, k, lam[u]);
                sum *= scale * scale;
            }
            X[(long long)u * stride + k] = sum;
        }
        __syncthreads();
    }
}

// The smallest and the largest excess weight of each row (or 0) to `range` (2, rows): they decide
// whether the dual solve is safe.
extern "C" __global__ void __launch_bounds__(THREADS)
    weight_range(const long long *indptr, const REAL *w, long long rows, REAL *range) {
    const long long u = blockIdx.x * (long long)(THREADS / 32) + threadIdx.x / 32;
    if (u >= rows) return;
    const int lane = threadIdx.x % 32;
    REAL low = 0, high = 0;
    for (long long e = indptr[u] + lane; e < indptr[u + 1]; e += 32) {
        low = min(low, w[e]);
        high = max(high, w[e]);
    }
    for (int gap = 16; gap > 0; gap /= 2) {
        low = min(low, __shfl_xor_sync(0xffffffffu, low, gap));
        high = max(high, __shfl_xor_sync(0xffffffffu, high, gap));
    }
    if (lane == 0) {
        range[u] = low;
        range[rows + u] = high;
    }
}

// Hub rows: a block adds up one part of a row's entries in the part's system (f + 1, ld) of `systems`.
extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT / THREADS)
    cholesky_hub_part(SIDE_ARGUMENTS, const int *row_of_part, const long long *first_of_part,
                      const long long *stop_of_part, REAL *systems, int ld) {
    extern __shared__ REAL dynamic[];
    const Side side = SIDE;
    REAL *weight = dynamic + max(PANEL, DEPTH) * ((f + 1 + TILE - 1) / TILE * TILE) + f;
    REAL *A = systems + (long long)blockIdx.x * (f + 1) * ld;
    for (int i = 0; i <= f; i++)
        for (int j = threadIdx.x; j < f && j <= i; j += THREADS) A[(long long)i * ld + j] = 0;
    __syncthreads();
    add_entries(side, first_of_part[blockIdx.x], stop_of_part[blockIdx.x], lam[row_of_part[blockIdx.x]], A, ld, dynamic,
                weight);
}

// Hub rows: add the parts' systems in order, so that the bits are the same in every run, and solve.
extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT / THREADS)
    cholesky_hub_solve(SIDE_ARGUMENTS, const int *rows, const int *first_part, REAL *systems, int ld, REAL eps, REAL *X) {
    extern __shared__ REAL dynamic[];
    const Side side = SIDE;
    REAL *pivots = dynamic + max(PANEL, DEPTH) * ((f + 1 + TILE - 1) / TILE * TILE);
    const long long size = (long long)(f + 1) * ld;
    const int u = rows[blockIdx.x], first = first_part[blockIdx.x], stop = first_part[blockIdx.x + 1];
    REAL *A = systems + first * size;
    for (int i = 0; i <= f; i++)
        for (int j = threadIdx.x; j < f && j <= i; j += THREADS) {
            REAL sum = i == j;
            for (int part = first; part < stop; part++) sum += systems[part * size + (long long)i * ld + j];
            A[(long long)i * ld + j] = sum;
        }
    __syncthreads();
    solve(A, ld, f, dynamic, pivots, eps);
    write_primal(side, A, ld, lam[u], X + (long long)u * stride);
}
