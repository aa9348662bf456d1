// Exact half-step, dual solve: a block of threads forms each row's system of order n, its number of stored
// entries, and factorises it. kernels/cpu/exact.py derives it from the Woodbury identity.
//
//   A = I + W^1/2 Z S^2 Z' W^1/2,   b = W^-1/2 t,   x = S^2 Z' W^1/2 A^-1 b     (w > 0; S: side.cuh)
//
// As in the primal solve one loop adds up the products (cholesky.cuh), and W^1/2 is applied to the sums. The
// vectors are factors of all entries, which pass through shared memory `depth` at a time.
//
// grid    one block per row of the list `rows`, highest degree first
// block   THREADS threads; with HELD at least as many as tiles
// shared  one array: the vectors (4 `depth`, or panels, of n + 5), pivots, weights, b and scales, and with
//         HELD the factor (n^2 / 2); without, it lies in `systems` in global memory
// limits  order: at least 4 vectors, of fours, must be no more than FOURS a thread
// flops   n^2 f + n^3 / 3 per row
// bytes   n f sizeof(REAL) gathered from Z per row, once for every THREADS tiles, and once for x
//
// Defined by the host: REAL, THREADS, TILE, HELD, FOURS (pieces of four elements that a thread fetches at a
// time).

#include "cholesky.cuh"
#include "side.cuh"

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
