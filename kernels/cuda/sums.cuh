// The sum over a block of WARPS warps, returned to every thread; `part` has room for a number per warp.
template <class T> __device__ __forceinline__ T block_sum(T v, T *part) {
#pragma unroll
    for (int o = 16; o > 0; o >>= 1) v += __shfl_xor_sync(0xffffffffu, v, o);
    __syncthreads();  // other threads may still read the previous sum
    if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = v;
    __syncthreads();
    T sum = part[0];
#pragma unroll 4
    for (int i = 1; i < WARPS; i++) sum += part[i];
    return sum;
}
