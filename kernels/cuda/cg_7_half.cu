// From cg_6_split the fixed side is stored in 16 bits: its kernels are those of cg_4 to cg_6, compiled
// with STORED 16 bits wide, on a Z that this kernel rounds. All arithmetic stays in float.
//
// grid      as many blocks as the pieces need
// block     256 threads, each with 8 numbers: two 16-byte loads, one 16-byte store
// hardware  what bounds the rungs before is the gathered bytes: half of them here. Shared memory keeps
//           twice as many entries, and the second-level cache holds twice as many rows.
// rounding  in these coordinates |z| is at most a0^-1/2, and the host scales Z by a power of two so that
//           the largest number a float16 takes is not reached: float16's 11 digits fit all that matters
//           (down to 2^-28 of the largest). The system solved is that of the rounded rows, whose solution
//           differs in second order in the objective.
// bytes     per number of Z 6 here, and 2 in place of 4 wherever it is gathered
//
// Defined by the host: STORED (__half or __nv_bfloat16).

#include <cuda_bf16.h>
#include <cuda_fp16.h>

struct alignas(16) Eight {
    STORED v[8];
};
struct alignas(16) Floats {
    float v[8];
};

__device__ __forceinline__ void round_to(float from, __half &to) { to = __float2half_rn(from); }
__device__ __forceinline__ void round_to(float from, __nv_bfloat16 &to) { to = __float2bfloat16_rn(from); }

extern "C" __global__ void __launch_bounds__(256) cg_7_half(const Floats *from, Eight *to, long long pieces) {
    for (long long i = blockIdx.x * 256ll + threadIdx.x; i < pieces; i += gridDim.x * 256ll) {
        const Floats wide = from[i];
        Eight narrow;
#pragma unroll
        for (int k = 0; k < 8; k++) round_to(wide.v[k], narrow.v[k]);
        to[i] = narrow;
    }
}
