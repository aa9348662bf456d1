// GPU rung 9. From cg_8_tensor the longest rows change: they are solved exactly, from one pass.
//
// cg_9_row    forms the system of a row (gramian.cuh) and solves it
// cg_9_part   forms the system of a part of a longer row
// cg_9_solve  adds the systems of a row's parts in their order and solves
//
// grid      a block for a row or a part, the longest first
// shared    RING stages of STAGE entries, and then, in the same place, a panel, the scale and the pivots
//           (cholesky.cuh), and with INSIDE the system. Without, it is in global memory.
// hardware  Conjugate gradients pass over a long row's entries once for its residual and once for each
//           step, and gather them each time. Here they are gathered once. The tensor cores do
//           F (F + 16) multiply-adds for an entry, half of them for the low halves.
// rounding  as in rung 8; the solution is as exact as Cholesky's method in float
// bytes     per stored entry 2 WIDE + 20
// flops     per stored entry F^2 + 3 F that count, per row F^3 / 3
// needs     compute capability 8.0
//
// Defined by the host: REAL (float), STORED (__half), WIDE (a multiple of 16), WARPS, RESIDENT (blocks
// that a multiprocessor has room for), TILE (4), HELD (0), INSIDE.

#define THREADS (32 * WARPS)

#include "tiles.cuh"
#include "cholesky.cuh"
#include "gramian.cuh"

#define SIZE (WIDE * (WIDE + 3) / 2)  // numbers of a system

// Solve the block's system and write the row, over-relaxed from where it began. The row took one step,
// which lowered the objective by (x - start)'A(x - start) = |L'(x - start)|^2, and leaves nothing. With
// s = D^-1/2 the system is solved as (I + s S s) x/s = s b.
__device__ __forceinline__ void solve_row(REAL *A, REAL *memory, REAL *scale, const REAL *base, const REAL *slope,
                                          REAL lam, REAL eps, REAL omega, REAL *x, REAL *ended) {
    REAL *pivots = scale + WIDE;
    for (int i = threadIdx.x; i < WIDE; i += THREADS) scale[i] = REAL(1) / sqrt(base[i] + slope[i] * lam);
    __syncthreads();
    const REAL *solution = solve(WIDE, A, memory, step_of(WIDE), scale, nullptr, pivots, eps,
                                 [&](const Tile &tile, REAL(&sum)[TILE][TILE]) {
#pragma unroll
                                     for (int a = 0; a < TILE; a++)
#pragma unroll
                                         for (int b = 0; b < TILE; b++) sum[a][b] = 0;
                                     tile.each(WIDE, sum, [&](int i, int j, REAL &v) { v = A[at(i, j)]; });
                                 });
    REAL *move = memory;
    for (int i = threadIdx.x; i < WIDE; i += THREADS) {
        const REAL start = x[i], end = solution[i] * scale[i];
        move[i] = solution[i] - start / scale[i];
        x[i] = omega == 1 ? end : start + omega * (end - start);
    }
    __syncthreads();
    REAL gained = 0;
    for (int j = threadIdx.x; j < WIDE; j += THREADS) {
        const REAL inverse = A[at(j, j)];  // of L_jj; 0 for a pivot that was rounding error
        REAL sum = inverse == 0 ? REAL(0) : move[j] / inverse;
        for (int i = j + 1; i < WIDE; i++) sum += A[at(i, j)] * move[i];
        gained += sum * sum;
    }
    gained = group_sum(gained);
    if (threadIdx.x % 32 == 0) pivots[threadIdx.x / 32] = gained;
    __syncthreads();
    if (threadIdx.x == 0 && ended) {
        for (int i = 1; i < WARPS; i++) gained += pivots[i];
        ended[0] = 1;
        ended[1] = gained;
        ended[2] = 0;
    }
}

// The scratch of `solve_row` in shared memory, and the system behind it, or `outside`.
#define SCRATCH(outside)                                                                      \
    REAL *memory = reinterpret_cast<REAL *>(shared), *scale = memory + PANEL * step_of(WIDE); \
    REAL *A = INSIDE ? scale + 2 * WIDE : (outside);

// `systems` has room for a system for each block.
extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT)
    cg_9_row(REAL *X, const STORED *Z, const REAL *base, const REAL *slope, const long long *indptr, const int *indices,
             const REAL *w, const REAL *t, const REAL *lam, const int *order, REAL *ended, REAL omega, REAL eps,
             REAL *systems) {
    extern __shared__ uint4 shared[];
    const int u = order[blockIdx.x];
    const long long first = indptr[u];
    const Entries row = {Z, indices + first, w + first, t + first, int(indptr[u + 1] - first)};
    Sums sums;
    form(row, reinterpret_cast<unsigned char *>(shared), sums);
    SCRATCH(systems + blockIdx.x * (long long)SIZE)
    put(sums, A);
    __syncthreads();
    solve_row(A, memory, scale, base, slope, lam[u], eps, omega, X + (long long)u * WIDE, ended ? ended + 3ll * u : ended);
}

extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT)
    cg_9_part(const STORED *Z, const int *indices, const REAL *w, const REAL *t, const long long *part_first,
              const long long *part_stop, REAL *systems) {
    extern __shared__ uint4 shared[];
    const long long first = part_first[blockIdx.x];
    const Entries row = {Z, indices + first, w + first, t + first, int(part_stop[blockIdx.x] - first)};
    Sums sums;
    form(row, reinterpret_cast<unsigned char *>(shared), sums);
    put(sums, systems + blockIdx.x * (long long)SIZE);
}

// Row number i of `order` has the parts first_part[i] to first_part[i + 1] of `parts`.
extern "C" __global__ void __launch_bounds__(THREADS, RESIDENT)
    cg_9_solve(REAL *X, const REAL *base, const REAL *slope, const REAL *lam, const int *order, const int *first_part,
               REAL *parts, REAL *ended, REAL omega, REAL eps) {
    extern __shared__ uint4 shared[];
    const int u = order[blockIdx.x], first = first_part[blockIdx.x], stop = first_part[blockIdx.x + 1];
    SCRATCH(parts + first * (long long)SIZE)
    for (int e = threadIdx.x; e < SIZE; e += THREADS) {
        REAL sum = 0;
        for (int part = first; part < stop; part++) sum += parts[part * (long long)SIZE + e];
        A[e] = sum;
    }
    __syncthreads();
    solve_row(A, memory, scale, base, slope, lam[u], eps, omega, X + (long long)u * WIDE, ended ? ended + 3ll * u : ended);
}
