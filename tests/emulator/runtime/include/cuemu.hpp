// What a .cu file sees in place of CUDA's headers when g++ compiles it for the emulator.
//
// One CUDA thread is one fiber; fibers switch only at barriers and warp operations (runtime.cpp), in
// an order that the launch asks for. Included before the .cu file, whose text is unchanged but for
// its shared arrays (build.py).
#pragma once
#define CUEMU 1
#define __CUDACC__ 1
#ifndef __CUDA_ARCH__
#define __CUDA_ARCH__ 900
#endif
#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __maxnreg__(...)
#define __grid_constant__
#define __restrict__ __restrict
#define __align__(n) alignas(n)

#include "cuemu/state.hpp"

#include "cuemu/types.hpp"

#include "cuemu/threads.hpp"

#include "cuemu/arithmetic.hpp"
#include "cuemu/copies.hpp"
#include "cuemu/groups.hpp"
#include "cuemu/memory.hpp"
#include "cuemu/signature.hpp"
#include "cuemu/tensor.hpp"
