// How a warp holds vectors between tensor core products: each lane holds elements of its own.
//
// A vector of WIDE numbers is cut into TILES tiles of 16. The result of a product leaves rows g and g + 8
// of a tile in the lanes 4g to 4g + 3 (tensor.cuh). Of these, lane 4g + q keeps the tiles q, q + 4, ...
// So element e of a lane is number g + 8 (e % 2) of tile 4 (e / 2) + q.
//
// Defined by the host: REAL (float), STORED (__half), WIDE (a multiple of 16).

#define GROUP 32
#define TILES (WIDE / 16)
#define QUADS ((TILES + 3) / 4)
#define E (2 * QUADS)

#include "tensor.cuh"
#include "groups.cuh"

__device__ __forceinline__ int place_of(int e) {
    const int lane = threadIdx.x % 32;
    return 16 * (4 * (e / 2) + lane % 4) + lane / 4 + 8 * (e % 2);
}
__device__ __forceinline__ bool holds(int e) { return 4 * (e / 2) + 4 <= TILES || place_of(e) < WIDE; }

// Copy a vector (WIDE,) to registers and back.
__device__ __forceinline__ void load(const REAL *from, REAL v[E]) {
#pragma unroll
    for (int e = 0; e < E; e++) v[e] = holds(e) ? from[place_of(e)] : REAL(0);
}
__device__ __forceinline__ void store(REAL *to, const REAL v[E]) {
#pragma unroll
    for (int e = 0; e < E; e++)
        if (holds(e)) to[place_of(e)] = v[e];
}

// Every group is a whole warp.
__device__ __forceinline__ void warp_total(REAL v[E]) {}
