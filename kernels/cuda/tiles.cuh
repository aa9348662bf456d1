// One pass over a row's stored entries by tensor cores: tiles of 16 entries, each copied to shared memory
// and multiplied from both sides.
//
//   d = Z v, 16 entries at a time;   g = t - w d or w d;   sum += Z' g
//
// Z is in float16, and its products are summed in float. v and g are floats, scaled by powers of two and
// split into two numbers of 16 bits, which stand in two of the eight columns of B: float's accuracy from
// tensor cores of 16 bits, in columns that would be empty otherwise. For Z' g the pair of columns is
// 2q and 2q + 1 for the tiles q, q + 4, ... of the factors, so that each lane ends with elements of its
// own (tensor.cuh), and four tiles share the registers of a result.

#include "tensor.cuh"

#define PIECES (WIDE / 8)                 // of 16 bytes, in a row of Z
#define STRIDE (8 * (PIECES | 1))         // numbers from a row in shared memory to the next: an odd number of
                                          // pieces, so that eight rows lie in different banks
#define SLOT (16 * STRIDE)                // numbers of a tile in shared memory
#define COPIES ((16 * PIECES + 31) / 32)  // pieces of a tile that a lane copies

// The largest number of a warp, none negative, by the order of their bits: a NaN is above all.
__device__ __forceinline__ float largest_of(float v) { return __uint_as_float(__reduce_max_sync(ALL, __float_as_uint(v))); }

// v as B for each tile of the factors, and what to multiply the product by. `scratch` (WIDE,) is the warp's.
struct Vector {
    unsigned b[TILES][2];
    REAL scale;
    __device__ __forceinline__ Vector(const REAL v[E], REAL *scratch) {
        REAL largest = 0;
#pragma unroll
        for (int e = 0; e < E; e++) largest = fabs(v[e]) > largest ? fabs(v[e]) : largest;
        const Unit unit = unit_of(largest_of(largest));
        const REAL up = unit.inverse * 8192;  // the largest number is then between 2^13 and 2^14
        scale = unit.v / 8192;
        const int lane = threadIdx.x % 32;
        store(scratch, v);
        __syncwarp();
#pragma unroll
        for (int tile = 0; tile < TILES; tile++) {
#pragma unroll
            for (int i = 0; i < 2; i++) {  // column 0 in lanes 0 to 3, column 1 in lanes 4 to 7
                const REAL *pair = scratch + 16 * tile + lane % 4 * 2 + 8 * i;
                unsigned high, low;
                halves_of(pair[0] * up, pair[1] * up, high, low);
                b[tile][i] = lane < 4 ? high : lane < 8 ? low : 0u;
            }
        }
        __syncwarp();  // `scratch` may be written again
    }
};

// The column that this lane copies of the tile of entries from `first` on; read a tile ahead.
__device__ __forceinline__ int column_of(const Entries &row, int first) {
    const int k = first + threadIdx.x % 16;
    return k < row.count ? row.indices[k] : 0;
}

// Begin to copy a tile to its slot. Row 0 of Z stands for entries beyond the row's last, whose g is 0.
__device__ __forceinline__ void fetch(const Entries &row, int column, __half *slot) {
    const int lane = threadIdx.x % 32;
    const bool even = 32 % PIECES == 0;  // each round then copies the same pieces of the next entries
#pragma unroll
    for (int i = 0; i < COPIES; i++) {
        const int entry = even ? 32 / PIECES * i + lane / PIECES : (32 * i + lane) / PIECES;
        const int piece = even ? lane % PIECES : (32 * i + lane) % PIECES;
        const int from = __shfl_sync(ALL, column, entry);
        if (!even && entry >= 16) continue;
        const uint4 *source = reinterpret_cast<const uint4 *>(row.Z) + piece + (long long)from * PIECES;
        __pipeline_memcpy_async(slot + 8 * piece + entry * STRIDE, source, 16);
    }
}

// Tiles that are being copied while one is multiplied, and slots of a warp that keeps none.
#define DEPTH 2
#define RING (DEPTH + 1)

// Add the sum of g z over the entries of tiles `first`, `first` + `every`, ... to `sum`. With KEEPS, a
// warp has a slot for each of its tiles: RESIDUAL fills them, and PRODUCT finds them there. Without, it
// has RING slots, and every pass copies.
template <int MODE, bool KEEPS>
__device__ __forceinline__ void pass(const Entries &row, int first, int every, const Vector &v, __half *slots, REAL sum[E]) {
    const bool copies = MODE == RESIDUAL || !KEEPS;
    const int lane = threadIdx.x % 32, tiles = (row.count + 15) / 16;
    float c[QUADS][4] = {};
    Unit unit = {1, 1};
    float limit = -1;
    int ahead = first, next = 0, column = 0;
    auto copy = [&]() {
        if (ahead < tiles) fetch(row, column, slots + next * SLOT);
        __pipeline_commit();
        ahead += every;
        next = KEEPS || next < RING - 1 ? next + 1 : 0;
        column = column_of(row, 16 * ahead);
    };
    if (copies) {
        __syncwarp();  // the previous pass has read its last tile
        column = column_of(row, 16 * first);
#pragma unroll
        for (int i = 0; i < DEPTH; i++) copy();
    }
    int slot = 0;
#pragma unroll 1
    for (int tile = first; tile < tiles; tile += every) {
        if (copies) {
            __pipeline_wait_prior(DEPTH - 1);
            __syncwarp();  // this tile is there, and the slot of the one before is free
            copy();
        }
        const __half *z = slots + slot * SLOT;
        slot = KEEPS || slot < RING - 1 ? slot + 1 : 0;
        float d[2][4] = {};  // two sums, since a product waits for the one before it in the same sum
        unsigned a[4];
#pragma unroll
        for (int k = 0; k < TILES; k++) {
            load_a<false>(a, z + lane % 16 * STRIDE + 16 * k + lane / 16 * 8);
            multiply(d[k % 2], a, v.b[k][0], v.b[k][1]);
        }
        // Entries g and g + 8 of the tile; their dot products are in the lanes of q = 0.
        const int k = 16 * tile + lane / 4;
        const REAL w0 = k < row.count ? row.w[k] : REAL(0), w1 = k + 8 < row.count ? row.w[k + 8] : REAL(0);
        const REAL t0 = MODE == RESIDUAL && k < row.count ? row.t[k] : REAL(0);
        const REAL t1 = MODE == RESIDUAL && k + 8 < row.count ? row.t[k + 8] : REAL(0);
        const REAL d0 = (d[0][0] + d[1][0] + (d[0][1] + d[1][1])) * v.scale;
        const REAL d1 = (d[0][2] + d[1][2] + (d[0][3] + d[1][3])) * v.scale;
        REAL g0 = MODE == RESIDUAL ? fused(-w0, d0, t0) : w0 * d0;
        REAL g1 = MODE == RESIDUAL ? fused(-w1, d1, t1) : w1 * d1;
        if (lane % 4) g0 = g1 = 0;
        const REAL here = fabs(g0) > fabs(g1) || g0 != g0 ? fabs(g0) : fabs(g1);
        const float largest = largest_of(here);
        if (!(largest <= limit)) {  // larger than all before: what was summed is scaled anew
            const Unit before = unit;
            unit = unit_of(largest);
            limit = 64 * unit.v;
#pragma unroll
            for (int i = 0; i < 4 * QUADS; i++) c[i / 4][i % 4] *= before.v * unit.inverse;
        }
        const REAL up = unit.inverse * 128;  // at most 2^14, with room above for the tiles to come
        const int of = lane % 4 * 8;
        const REAL g00 = __shfl_sync(ALL, g0, of) * up, g01 = __shfl_sync(ALL, g0, of + 4) * up;
        const REAL g10 = __shfl_sync(ALL, g1, of) * up, g11 = __shfl_sync(ALL, g1, of + 4) * up;
        unsigned high[2], low[2], b[2];
        halves_of(g00, g01, high[0], low[0]);
        halves_of(g10, g11, high[1], low[1]);
#pragma unroll
        for (int i = 0; i < 2; i++) b[i] = lane / 4 % 2 ? low[i] : high[i];
#pragma unroll
        for (int q = 0; q < (TILES < 4 ? TILES : 4); q++) {
            const unsigned b0 = lane / 8 == q ? b[0] : 0u, b1 = lane / 8 == q ? b[1] : 0u;
#pragma unroll
            for (int j = q; j < TILES; j += 4) {
                load_a<true>(a, z + (lane / 16 * 8 + lane % 8) * STRIDE + 16 * j + lane / 8 % 2 * 8);
                multiply(c[j / 4], a, b0, b1);
            }
        }
    }
    const REAL down = unit.v / 128;
#pragma unroll
    for (int e = 0; e < E; e++) sum[e] += (c[e / 2][e % 2 * 2] + c[e / 2][e % 2 * 2 + 1]) * down;
}
