// One pass over a row's stored entries; each group of lanes takes every STRIDE-th entry.

#include "lanes.cuh"

// Entries of a batch: those that are being loaded at once. Four 16-byte loads per lane hide the memory's
// latency.
#define AHEAD (CHUNKS < 4 ? (CHUNKS < 2 ? 4 : 2) : 1)

// What is known of a batch before it is read: every entry exists and shared memory keeps it (KEPT_WHOLE)
// or does not (GATHERED_WHOLE), or neither is known (ANY). Tests and branches that have one answer cost
// as much as the arithmetic, so all batches of a row but the last ones do without.
#define ANY 0
#define KEPT_WHOLE 1
#define GATHERED_WHOLE 2
template <int K> struct Known {
    static constexpr int value = K;
};

// The entry of a batch whose dot product this lane gets from `group_sums`, and a lane that gets entry a's.
__device__ __forceinline__ int own_entry() { return int(threadIdx.x) % GROUP / (GROUP / AHEAD); }
__device__ __forceinline__ int owner_of(int a) { return a * (GROUP / AHEAD); }

template <int STRIDE>
__device__ __forceinline__ void columns_of(const Entries &row, int first, bool whole, int column[AHEAD]) {
#pragma unroll
    for (int a = 0; a < AHEAD; a++) {
        const int k = first + a * STRIDE;
        column[a] = whole || k < row.count ? row.indices[k] : 0;
    }
}

// Add the sum of g z over the batch of entries `first`, `first` + STRIDE, ... to `sum`.
template <int MODE, int STRIDE, int KNOWN>
__device__ __forceinline__ void batch(const Entries &row, int first, const int column[AHEAD], const REAL v[E],
                                      REAL sum[E], Piece *kept, int capacity) {
    const bool whole = KNOWN != ANY;
    const Piece *from = reinterpret_cast<const Piece *>(row.Z) + threadIdx.x % GROUP;
    Piece *mine = kept + threadIdx.x % GROUP;
    Piece piece[AHEAD][CHUNKS];
    REAL z[AHEAD][E], dot[AHEAD];
#pragma unroll
    for (int a = 0; a < AHEAD; a++) {
        const int k = first + a * STRIDE;
        const bool valid = whole || k < row.count;
        const bool keeps = KNOWN == ANY ? k < capacity : KNOWN == KEPT_WHOLE;
#pragma unroll
        for (int c = 0; c < CHUNKS; c++) {
            piece[a][c] = Piece{};
            if (!valid || !has(c)) continue;
            if (MODE == PRODUCT && keeps)
                piece[a][c] = mine[(k * CHUNKS + c) * GROUP];
            else
                piece[a][c] = from[(long long)column[a] * (WIDE / VEC) + c * GROUP];
        }
    }
    const int own = first + own_entry() * STRIDE;
    const REAL w = whole || own < row.count ? row.w[own] : REAL(0);
    const REAL t = MODE == RESIDUAL && (whole || own < row.count) ? row.t[own] : REAL(0);
#pragma unroll
    for (int a = 0; a < AHEAD; a++) {
        const int k = first + a * STRIDE;
        const bool keeps = KNOWN == ANY ? k < row.count && k < capacity : KNOWN == KEPT_WHOLE;
        dot[a] = 0;
#pragma unroll
        for (int c = 0; c < CHUNKS; c++) {
            if (MODE == RESIDUAL && keeps) mine[(k * CHUNKS + c) * GROUP] = piece[a][c];
            numbers_of(piece[a][c], z[a] + c * VEC);
#pragma unroll
            for (int i = c * VEC; i < (c + 1) * VEC; i++) dot[a] = fused(z[a][i], v[i], dot[a]);
        }
    }
    const REAL all = group_sums<AHEAD>(dot);
    const REAL mine_of_g = MODE == RESIDUAL ? fused(-w, all, t) : w * all;
#pragma unroll
    for (int a = 0; a < AHEAD; a++) {
        const REAL g = AHEAD == 1 ? mine_of_g : __shfl_sync(ALL, mine_of_g, owner_of(a), GROUP);
#pragma unroll
        for (int e = 0; e < E; e++) sum[e] = fused(g, z[a][e], sum[e]);
    }
}

// Add the sum of g z over entries `mine`, `mine` + STRIDE, ... to `sum`. `shortest` and `longest` are the
// smallest and the largest count among the warp's rows, since all lanes of the warp take part in each dot
// product. Entries k < `capacity` are kept at `kept` + k CHUNKS GROUP: RESIDUAL writes them, PRODUCT
// reads them, and each lane reads only what it wrote itself.
template <int MODE, int STRIDE>
__device__ __forceinline__ void pass(const Entries &row, int shortest, int longest, int mine, const REAL v[E],
                                     REAL sum[E], Piece *kept, int capacity) {
    const int step = AHEAD * STRIDE, inside = shortest < capacity ? shortest : capacity;
    int base = 0, column[AHEAD] = {};
    auto take = [&](auto known) {
        int next[AHEAD];  // loaded while the entries of this batch are
        if (known.value != ANY && base + 2 * step <= shortest)
            columns_of<STRIDE>(row, base + step + mine, true, next);
        else
            columns_of<STRIDE>(row, base + step + mine, false, next);
        batch<MODE, STRIDE, known.value>(row, base + mine, column, v, sum, kept, capacity);
#pragma unroll
        for (int a = 0; a < AHEAD; a++) column[a] = next[a];
        base += step;
    };
    if (MODE == PRODUCT) {
#pragma unroll 1
        for (; base + step <= inside; base += step)
            batch<MODE, STRIDE, KEPT_WHOLE>(row, base + mine, column, v, sum, kept, capacity);
    }
    columns_of<STRIDE>(row, base + mine, false, column);
    if (MODE == RESIDUAL) {
#pragma unroll 1
        while (base + step <= inside) take(Known<KEPT_WHOLE>());
    }
#pragma unroll 1
    while (base < longest) {
#pragma unroll 1
        while (base >= capacity && base + step <= shortest) take(Known<GATHERED_WHOLE>());
        if (base < longest) take(Known<ANY>());
    }
}
