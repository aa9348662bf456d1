// GPU rung 7. From cg_6_split the fixed side is stored in float16 or bfloat16. The kernels that solve
// rows are those of cg_4 to cg_6, compiled with a STORED of 16 bits; this kernel rounds Z for them. All
// arithmetic stays in float.
//
// grid      as many blocks as the pieces need, or fewer that stride over them
// block     256 threads, each with 8 numbers: two 16-byte loads, one 16-byte store
// hardware  The gathered bytes bound the rungs before; here they are half as many. Shared memory keeps
//           twice as many entries, and the second-level cache holds twice as many rows.
// rounding  In whitened coordinates |z| is at most a0^-1/2, and the host scales Z by a power of two so
//           that no number reaches the largest float16. Numbers down to 2^-28 of the largest |z| keep
//           all 11 bits of a float16. What is solved is the system of the rounded rows; its solution
//           changes the objective in second order only.
// bytes     6 per number of Z in this kernel; and 2 in place of 4 per number wherever Z is gathered
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
