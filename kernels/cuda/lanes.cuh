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

#include "groups.cuh"

#define VEC (16 / int(sizeof(STORED)))
#define CHUNKS ((WIDE + GROUP * VEC - 1) / (GROUP * VEC))
#define E (CHUNKS * VEC)  // elements of a vector in each lane

// 16 bytes of a stored vector. Numbers of 16 bits are held as words, two in each: as single numbers the
// compiler would take every word apart and put it together again.
#ifdef HALVES
struct alignas(16) Piece {
    unsigned v[4];
};
__device__ __forceinline__ float2 pair_of(unsigned word, __half) {
    return __half22float2(*reinterpret_cast<const __half2 *>(&word));
}
__device__ __forceinline__ float2 pair_of(unsigned word, __nv_bfloat16) {  // the upper halves of floats
    return make_float2(__uint_as_float(word << 16), __uint_as_float(word & 0xffff0000u));
}
__device__ __forceinline__ void numbers_of(const Piece &piece, REAL v[VEC]) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const float2 pair = pair_of(piece.v[i], STORED());
        v[2 * i] = pair.x;
        v[2 * i + 1] = pair.y;
    }
}
#else
struct alignas(16) Piece {
    STORED v[VEC];
};
__device__ __forceinline__ void numbers_of(const Piece &piece, REAL v[VEC]) {
#pragma unroll
    for (int i = 0; i < VEC; i++) v[i] = piece.v[i];
}
#endif
struct alignas(16) RealPiece {
    REAL v[VEC];
};

// Where this lane's piece of chunk c begins.
__device__ __forceinline__ int place_of(int c) { return (c * GROUP + int(threadIdx.x) % GROUP) * VEC; }

// Whether this lane has a piece of chunk c. All chunks but the last are full, which the compiler sees.
__device__ __forceinline__ bool has(int c) { return (c + 1) * GROUP * VEC <= WIDE || place_of(c) < WIDE; }

// Whether element e of this lane's part of a vector exists.
__device__ __forceinline__ bool holds(int e) { return has(e / VEC); }

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

// The sums of N numbers over the lanes of a group, N a power of two of at most GROUP. Lane l of the group
// gets the sum number l / (GROUP / N). Each exchange halves the numbers that a lane still holds, so that
// N sums take N - 1 + log2(GROUP / N) shuffles, not N log2(GROUP). All lanes of the warp must call.
template <int N>
__device__ __forceinline__ REAL group_sums(REAL v[N]) {
#pragma unroll
    for (int n = N, o = GROUP / 2; n > 1; n /= 2, o /= 2) {
        const bool upper = threadIdx.x & o;
#pragma unroll
        for (int i = 0; i < n / 2; i++) {
            const REAL given = upper ? v[i] : v[i + n / 2], kept = upper ? v[i + n / 2] : v[i];
            v[i] = kept + __shfl_xor_sync(ALL, given, o);
        }
    }
#pragma unroll
    for (int o = GROUP / N / 2; o > 0; o >>= 1) v[0] += __shfl_xor_sync(ALL, v[0], o);
    return v[0];
}

// The sum of a vector over the groups of a warp, returned to each.
__device__ __forceinline__ void warp_total(REAL v[E]) {
#pragma unroll
    for (int o = GROUP; o < 32; o <<= 1) {
#pragma unroll
        for (int e = 0; e < E; e++) v[e] += __shfl_xor_sync(ALL, v[e], o);
    }
}
