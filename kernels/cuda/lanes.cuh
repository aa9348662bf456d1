// How a warp holds vectors: GROUP lanes share a vector, and each lane holds CHUNKS pieces of 16 bytes.
//
// Of chunk c, lane l of a group holds the VEC elements from (c GROUP + l) VEC on. So a group loads a
// chunk as one contiguous piece of memory, 16 bytes per lane: the widest load there is, and the fewest
// instructions per byte. A warp holds 32 / GROUP vectors at a time.
//
// Defined by the host: REAL (float or double), STORED (REAL, __half or __nv_bfloat16: the type of the
// fixed side), WIDE (numbers in a row, padded to whole 16 bytes with zeros), GROUP (a power of two).

#ifdef HALVES
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#endif

#define VEC (16 / int(sizeof(STORED)))
#define CHUNKS ((WIDE + GROUP * VEC - 1) / (GROUP * VEC))
#define E (CHUNKS * VEC)  // elements of a vector in each lane
#define ALL 0xffffffffu

struct alignas(16) Piece {
    STORED v[VEC];
};
struct alignas(16) RealPiece {
    REAL v[VEC];
};

__device__ __forceinline__ REAL real_of(float v) { return v; }
#ifdef HALVES
__device__ __forceinline__ REAL real_of(__half v) { return __half2float(v); }
__device__ __forceinline__ REAL real_of(__nv_bfloat16 v) { return __bfloat162float(v); }
#else
__device__ __forceinline__ REAL real_of(double v) { return REAL(v); }
#endif

// Where this lane's piece of chunk c begins.
__device__ __forceinline__ int place_of(int c) { return (c * GROUP + int(threadIdx.x) % GROUP) * VEC; }

// Whether this lane has a piece of chunk c. All chunks but the last are full, which the compiler sees.
__device__ __forceinline__ bool has(int c) { return (c + 1) * GROUP * VEC <= WIDE || place_of(c) < WIDE; }

// Copy a vector of the factors' type, (WIDE,), to registers and back.
__device__ __forceinline__ void load(const REAL *from, REAL v[E]) {
#pragma unroll
    for (int c = 0; c < CHUNKS; c++) {
        RealPiece piece = {};
        if (has(c)) piece = *reinterpret_cast<const RealPiece *>(from + place_of(c));
#pragma unroll
        for (int i = 0; i < VEC; i++) v[c * VEC + i] = piece.v[i];
    }
}
__device__ __forceinline__ void store(REAL *to, const REAL v[E]) {
#pragma unroll
    for (int c = 0; c < CHUNKS; c++) {
        RealPiece piece;
#pragma unroll
        for (int i = 0; i < VEC; i++) piece.v[i] = v[c * VEC + i];
        if (has(c)) *reinterpret_cast<RealPiece *>(to + place_of(c)) = piece;
    }
}

// The sum and the largest of a number over the lanes of a group, returned to each. All lanes of the warp
// must call.
__device__ __forceinline__ REAL group_sum(REAL v) {
#pragma unroll
    for (int o = GROUP / 2; o > 0; o >>= 1) v += __shfl_xor_sync(ALL, v, o);
    return v;
}
__device__ __forceinline__ REAL group_max(REAL v) {
#pragma unroll
    for (int o = GROUP / 2; o > 0; o >>= 1) {
        const REAL other = __shfl_xor_sync(ALL, v, o);
        v = other > v ? other : v;
    }
    return v;
}

// The sum of a vector over the groups of a warp, returned to each.
__device__ __forceinline__ void warp_total(REAL v[E]) {
#pragma unroll
    for (int o = GROUP; o < 32; o <<= 1) {
#pragma unroll
        for (int e = 0; e < E; e++) v[e] += __shfl_xor_sync(ALL, v[e], o);
    }
}
