// Tensor core instructions of a warp, and loads of their operands from shared memory. In the emulator,
// which knows no PTX, plain C++ in their place moves the same numbers between the same lanes.
//
// A (16, 16) and B (16, 8) in float16, C (16, 8) in float. With g = lane / 4 and q = lane % 4 a lane holds
//
//   of A  rows g and g + 8, columns 2q, 2q + 1, 2q + 8 and 2q + 9
//   of B  rows 2q, 2q + 1, 2q + 8 and 2q + 9, column g
//   of C  rows g and g + 8, columns 2q and 2q + 1
//
// needs compute capability 8.0
//
// Defined by the host: REAL (float), STORED (__half), WIDE (a multiple of 16).

#include <cuda_fp16.h>
#include <cuda_pipeline.h>

#define GROUP 32
#define TILES (WIDE / 16)
#define QUADS ((TILES + 3) / 4)
#define E (2 * QUADS)

#include "groups.cuh"

// Load A from shared memory: each lane gives the address of a row of eight numbers, 16 bytes. Lanes 8 i
// to 8 i + 7 give those of part i of A: rows 0 to 7 and 8 to 15 of columns 0 to 7, then of 8 to 15. With
// TRANSPOSED, part i is the transpose of what stands there.
template <bool TRANSPOSED> __device__ __forceinline__ void load_a(unsigned a[4], const __half *mine) {
#ifdef CUEMU
    const int lane = threadIdx.x % 32;
    for (int i = 0; i < 4; i++) {
        union {
            __half v[2];
            unsigned word;
        } pair;
        for (int k = 0; k < 2; k++) {
            const int row = TRANSPOSED ? lane % 4 * 2 + k : lane / 4, column = TRANSPOSED ? lane / 4 : lane % 4 * 2 + k;
            const unsigned long long place = __shfl_sync(0xffffffffu, (unsigned long long)mine, 8 * i + row);
            pair.v[k] = reinterpret_cast<const __half *>(place)[column];
        }
        a[i] = pair.word;
    }
#else
    const unsigned place = unsigned(__cvta_generic_to_shared(mine));
    if (TRANSPOSED)
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(a[0]), "=r"(a[1]), "=r"(a[2]), "=r"(a[3]) : "r"(place) : "memory");
    else
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(a[0]), "=r"(a[1]), "=r"(a[2]), "=r"(a[3]) : "r"(place) : "memory");
#endif
}

// C += A B.
__device__ __forceinline__ void multiply(float c[4], const unsigned a[4], unsigned b0, unsigned b1) {
#ifdef CUEMU
    const int lane = threadIdx.x % 32;
    union Words {
        unsigned long long both;
        unsigned word[2];
        __half v[4];
    };
    for (int from = 0; from < 4; from++) {  // columns 2 from and 2 from + 1 of A share a word, and 8 more
        Words rows[2], columns[2], mine;
        for (int i = 0; i < 2; i++) {  // rows g and g + 8 of A, columns 2q and 2q + 1 of B
            mine.word[0] = a[i];
            mine.word[1] = a[i + 2];
            rows[i].both = __shfl_sync(0xffffffffu, mine.both, lane / 4 * 4 + from);
            mine.word[0] = b0;
            mine.word[1] = b1;
            columns[i].both = __shfl_sync(0xffffffffu, mine.both, (lane % 4 * 2 + i) * 4 + from);
        }
        for (int i = 0; i < 4; i++)
            for (int k = 0; k < 4; k++)
                c[i] += __half2float(rows[i / 2].v[k]) * __half2float(columns[i % 2].v[k]);
    }
#else
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
                 "{%0, %1, %2, %3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#endif
}

// A float as the sum of two of 16 bits, 22 bits of it: `high` with the first 11, `low` with what is left.
// Two floats at once, in a word each.
__device__ __forceinline__ void halves_of(float a, float b, unsigned &high, unsigned &low) {
    const __half2 first = __floats2half2_rn(a, b);
    const float2 back = __half22float2(first);
    const __half2 second = __floats2half2_rn(a - back.x, b - back.y);
    high = *reinterpret_cast<const unsigned *>(&first);
    low = *reinterpret_cast<const unsigned *>(&second);
}

// Between products each lane holds elements of a vector of its own.
//
// A vector of WIDE numbers is cut into TILES tiles of 16. The result of a product leaves rows g and g + 8
// of a tile in the lanes 4g to 4g + 3. Of these, lane 4g + q keeps the tiles q, q + 4, ...
// So element e of a lane is number g + 8 (e % 2) of tile 4 (e / 2) + q.
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
