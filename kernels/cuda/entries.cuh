// One pass over a row's stored entries; each group of lanes takes every STRIDE-th entry.

#include "lanes.cuh"

#define RESIDUAL 0  // g = t - w (z.v)
#define PRODUCT 1   // g = w (z.v)

// Entries that are being loaded at once: four 16-byte loads per lane hide the memory's latency.
#define AHEAD (CHUNKS < 4 ? 4 / CHUNKS : 1)

struct Entries {
    const STORED *Z;     // (columns, WIDE), the fixed side
    const int *indices;  // of this row's entries, as are w and t
    const REAL *w, *t;
    int count;  // entries of this row: at most one for each of at most 2^31 columns
};

// Add the sum of g z over entries `mine`, `mine` + STRIDE, ... to `sum`. `longest` is the largest count
// among the warp's rows, since all lanes of the warp take part in each dot product. Entries k <
// `capacity` are kept at `kept` + k CHUNKS GROUP: RESIDUAL writes them, PRODUCT reads them, and each
// lane reads only what it wrote itself.
template <int MODE, int STRIDE>
__device__ __forceinline__ void pass(const Entries &row, int longest, int mine, const REAL v[E], REAL sum[E],
                                     Piece *kept, int capacity) {
    int column[AHEAD];
#pragma unroll
    for (int a = 0; a < AHEAD; a++) {
        const int k = mine + a * STRIDE;
        column[a] = k < row.count ? row.indices[k] : 0;
    }
#pragma unroll 1
    for (int base = 0; base < longest; base += AHEAD * STRIDE) {
        Piece z[AHEAD][CHUNKS];
        REAL w[AHEAD], t[AHEAD];
#pragma unroll
        for (int a = 0; a < AHEAD; a++) {
            const int k = base + mine + a * STRIDE;
            const bool valid = k < row.count;
#pragma unroll
            for (int c = 0; c < CHUNKS; c++) {
                z[a][c] = Piece{};
                if (!valid || !has(c)) continue;
                if (MODE == PRODUCT && k < capacity)
                    z[a][c] = kept[(k * CHUNKS + c) * GROUP + threadIdx.x % GROUP];
                else
                    z[a][c] = *reinterpret_cast<const Piece *>(row.Z + (long long)column[a] * WIDE + place_of(c));
            }
            w[a] = valid ? row.w[k] : REAL(0);
            t[a] = valid && MODE == RESIDUAL ? row.t[k] : REAL(0);
        }
#pragma unroll
        for (int a = 0; a < AHEAD; a++) {  // the next columns, while these entries are being loaded
            const int k = base + mine + (AHEAD + a) * STRIDE;
            column[a] = k < row.count && (MODE == RESIDUAL || k >= capacity) ? row.indices[k] : 0;
        }
#pragma unroll
        for (int a = 0; a < AHEAD; a++) {
            REAL dot = 0;
#pragma unroll
            for (int c = 0; c < CHUNKS; c++)
#pragma unroll
                for (int i = 0; i < VEC; i++) dot += real_of(z[a][c].v[i]) * v[c * VEC + i];
            dot = group_sum(dot);
            const REAL g = MODE == RESIDUAL ? t[a] - w[a] * dot : w[a] * dot;
#pragma unroll
            for (int c = 0; c < CHUNKS; c++)
#pragma unroll
                for (int i = 0; i < VEC; i++) sum[c * VEC + i] += g * real_of(z[a][c].v[i]);
            const int k = base + mine + a * STRIDE;
            if (MODE == RESIDUAL && k < row.count && k < capacity) {
#pragma unroll
                for (int c = 0; c < CHUNKS; c++) kept[(k * CHUNKS + c) * GROUP + threadIdx.x % GROUP] = z[a][c];
            }
        }
    }
}
