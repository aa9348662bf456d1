// Which rows have heavy entries, so that the stopping rule asks more of them (solvers/fit/stopping.py).
//
// An entry is heavy if w |z|^2 m > limit, with m the mean of 1 / D over the row's coordinates (cg.cuh):
// it then makes an eigenvalue of the row's system that is far from 1.
//
// squared_norms  |z|^2 of each row of Z
//   grid         one warp per row, WARPS of them in a block
//   bytes        per number sizeof(STORED), once per half-step
// heavy_rows     each row's `rule`: its least number of steps, and HEAVY more if an entry is heavy
//   grid         one warp per row
//   bytes        per stored entry 4 + 2 sizeof(REAL), once per half-step; no vector is gathered
//
// Defined by the host: REAL, STORED, WIDE.

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#define WARPS 8
#define GROUP 32

#include "groups.cuh"

__device__ __forceinline__ REAL real_of(float v) { return v; }
__device__ __forceinline__ REAL real_of(double v) { return REAL(v); }
__device__ __forceinline__ REAL real_of(__half v) { return __half2float(v); }
__device__ __forceinline__ REAL real_of(__nv_bfloat16 v) { return __bfloat162float(v); }

extern "C" __global__ void __launch_bounds__(32 * WARPS)
    squared_norms(const STORED *Z, long long columns, REAL *norms) {
    const long long i = blockIdx.x * (long long)WARPS + threadIdx.x / 32;
    if (i >= columns) return;
    REAL sum = 0;
#pragma unroll 4
    for (int k = threadIdx.x % 32; k < WIDE; k += 32) {
        const REAL z = real_of(Z[i * WIDE + k]);
        sum += z * z;
    }
    sum = group_sum(sum);
    if (threadIdx.x % 32 == 0) norms[i] = sum;
}

// `coordinates`: of how many D is averaged; 1 where they are all alike.
extern "C" __global__ void __launch_bounds__(32 * WARPS)
    heavy_rows(const long long *indptr, const int *indices, const REAL *w, const REAL *lam, const REAL *base,
               const REAL *slope, const REAL *norms, long long rows, int coordinates, REAL limit, const int *least,
               int *rule) {
    const long long u = blockIdx.x * (long long)WARPS + threadIdx.x / 32;
    if (u >= rows) return;
    REAL mean = 0;
#pragma unroll 1
    for (int k = threadIdx.x % 32; k < coordinates; k += 32) mean += 1 / (base[k] + slope[k] * lam[u]);
    const REAL least_weight = limit * coordinates / group_sum(mean);
    bool heavy = false;
    const long long stop = indptr[u + 1];
#pragma unroll 4
    for (long long k = indptr[u] + threadIdx.x % 32; k < stop; k += 32)
        heavy = heavy || w[k] * norms[indices[k]] > least_weight;
    heavy = __any_sync(ALL, heavy);
    if (threadIdx.x % 32 == 0) rule[u] = least[u] + (heavy ? HEAVY : 0);
}
