// Kernels with one error each, which the emulator must report.
extern "C" __global__ void divergent_barrier(float *out) {
  if (threadIdx.x < 7)
    __syncthreads();
  else
    __syncthreads();
  out[threadIdx.x] = 1;
}
extern "C" __global__ void deadlock(float *out) {
  if (threadIdx.x < 16)
    out[0] = __shfl_xor_sync(0xffffffffu, 1.f, 1);
  else
    __syncthreads();
}
extern "C" __global__ void unequal_barriers(float *out) {
  for (int i = 0; i < (int)threadIdx.x % 2 + 1; i++)
    __syncthreads();
  __syncthreads();
  out[0] = 1;
}
extern "C" __global__ void wrong_mask(float *out) {
  float v = threadIdx.x;
  v += __shfl_xor_sync(0x0000ffffu, v, 1);
  out[threadIdx.x] = v;
}
extern "C" __global__ void past_shared(float *out) {
  extern __shared__ float s[];
  s[threadIdx.x + 1] = 1;
  __syncthreads();
  out[threadIdx.x] = s[threadIdx.x];
}
extern "C" __global__ void past_static(float *out) {
  __shared__ float s[32];
  s[threadIdx.x + 1] = 1;
  __syncthreads();
  out[threadIdx.x] = s[threadIdx.x];
}
extern "C" __global__ void past_global(float *out, int n) { out[threadIdx.x + n] = 1; }
extern "C" __global__ void read_past_global(const float *x, float *out, int n) {
  out[threadIdx.x] = x[threadIdx.x + n];
}
// Block 0 writes shared memory that block 1 reads as if it were its own.
extern "C" __global__ void unwritten_shared(float *out) {
  __shared__ float s[32];
  if (blockIdx.x == 0) s[threadIdx.x] = 1;
  __syncthreads();
  out[blockIdx.x * 32 + threadIdx.x] = s[threadIdx.x];
}
extern "C" __global__ void misaligned(const float *x, float4 *out) {
  out[threadIdx.x] = *reinterpret_cast<const float4 *>(x + 1 + 4 * threadIdx.x);
}
// Races: the results of the first two depend on the order, that of the third never does.
extern "C" __global__ void no_barrier(float *out) {
  __shared__ float s[64];
  s[threadIdx.x] = threadIdx.x;
  out[threadIdx.x] = s[63 - threadIdx.x];
}
extern "C" __global__ void lost_update(float *out) {
  const float v = out[0];
  __syncwarp();
  out[0] = v + 1;
}
extern "C" __global__ void same_value(float *out) { out[0] = 1; }
extern "C" __global__ void blocks_race(float *out) {
  if (threadIdx.x == 0) out[0] += 1;
}
extern "C" __global__ void shuffle_is_no_fence(float *out) {
  __shared__ float s[32];
  s[threadIdx.x] = threadIdx.x;
  const float v = __shfl_xor_sync(~0u, 1.f, 1);
  out[threadIdx.x] = s[threadIdx.x ^ 1] + v;
}
// Asynchronous copies: each lane waits for its own, and no shuffle makes them other lanes' too.
#include <cuda_pipeline.h>
__device__ void begin_copy(float *s, const float *x) {
  __pipeline_memcpy_async(s + threadIdx.x, x + threadIdx.x, 4);
  __pipeline_commit();
}
extern "C" __global__ void copy_of_another_lane(const float *x, float *out) {
  __shared__ float s[32];
  begin_copy(s, x);
  __pipeline_wait_prior(0);
  const float v = __shfl_xor_sync(~0u, 1.f, 1);
  out[threadIdx.x] = s[threadIdx.x ^ 1] + v;
}
extern "C" __global__ void copy_to_where_others_read(const float *x, float *out) {
  __shared__ float s[32];
  begin_copy(s, x);
  __pipeline_wait_prior(0);
  __syncwarp();
  const float v = s[threadIdx.x ^ 1] + __shfl_xor_sync(~0u, 1.f, 1);
  begin_copy(s, x);
  out[threadIdx.x] = v;
}
