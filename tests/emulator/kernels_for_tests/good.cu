// Kernels that are right, to prove the emulator by: one for each thing that it must be able to do.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

__device__ __forceinline__ float warp_sum(float v) {
#pragma unroll
  for (int o = 16; o > 0; o >>= 1) v += __shfl_xor_sync(0xffffffffu, v, o);
  return v;
}

// out[b] = the sum of x[b], of `columns` values; one block per row.
extern "C" __global__ void __launch_bounds__(128)
    row_sums(const float *__restrict__ x, float *__restrict__ out, int columns) {
  __shared__ float part[4];
  float sum = 0;
  for (int i = threadIdx.x; i < columns; i += 128) sum += __ldg(x + (long long)blockIdx.x * columns + i);
  sum = warp_sum(sum);
  if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x == 0) out[blockIdx.x] = part[0] + part[1] + part[2] + part[3];
}

template <int N> __device__ float reversed(const float *x) {
  __shared__ float tile[N];
  __shared__ int shift, unused[2];
  if (threadIdx.x == 0) shift = 3;
  tile[threadIdx.x] = x[blockIdx.x * N + threadIdx.x];
  __syncthreads();
  return tile[N - 1 - threadIdx.x] + shift;
}
extern "C" __global__ void reverse_32(const float *x, float *out) {
  out[blockIdx.x * 32 + threadIdx.x] = reversed<32>(x);
}
extern "C" __global__ void reverse_64(const float *x, float *out) {
  out[blockIdx.x * 64 + threadIdx.x] = reversed<64>(x);
}

template <class T> __global__ void scale(T *x, T a, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) x[i] *= a;
}

// Halves and bfloat16s to floats, four at a time; the sum of each lane's quad into out.
extern "C" __global__ void widen(const half *h, const __nv_bfloat16 *b, float4 *out) {
  const half2 *h2 = reinterpret_cast<const half2 *>(h) + 2 * threadIdx.x;
  const float2 a = __half22float2(h2[0]), c = __half22float2(h2[1]);
  const __nv_bfloat162 *b2 = reinterpret_cast<const __nv_bfloat162 *>(b) + 2 * threadIdx.x;
  const float2 d = __bfloat1622float2(b2[0]), e = __bfloat1622float2(b2[1]);
  out[threadIdx.x] = make_float4(a.x + d.x, a.y + d.y, c.x + e.x, c.y + e.y);
}

// Lanes below `n` count those of them whose value is odd; integer and float atomics.
extern "C" __global__ void votes(const int *x, int n, unsigned *odd, float *total, int *last) {
  const unsigned lane = threadIdx.x % 32;
  const unsigned mask = __ballot_sync(0xffffffffu, lane < n);
  if (lane < n) {
    const int v = x[lane];
    const unsigned which = __ballot_sync(mask, v & 1);
    if (__any_sync(mask, v & 1) && lane == 0) atomicAdd(odd, __popc(which));
    atomicAdd(total, (float)v);
    atomicMax(last, v);
  }
  __syncwarp();
}

// Dynamic shared memory; each thread passes its value to the next.
extern "C" __global__ void rotate(const float *x, float *out) {
  extern __shared__ float s[];
  s[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  out[threadIdx.x] = s[(threadIdx.x + 1) % blockDim.x];
}

// Two halves of a warp, each under a mask of its own.
extern "C" __global__ void half_sums(float *out) {
  const unsigned mask = threadIdx.x < 16 ? 0x0000ffffu : 0xffff0000u;
  float v = threadIdx.x;
  for (int o = 8; o; o >>= 1) v += __shfl_xor_sync(mask, v, o);
  out[threadIdx.x] = v;
}
