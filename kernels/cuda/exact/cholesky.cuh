// A symmetric positive definite system in one block of threads: formed, factorised and solved.
//
// A thread adds products of vectors to a tile of TILE x TILE elements of the lower triangle, which stays
// in registers: 2 TILE loads for TILE^2 multiply-adds. With HELD there is a tile for every thread, and it
// stays there until its columns are factorised, so that the matrix as a whole is nowhere, and a tile is
// written once. Without, the block takes THREADS tiles at a time, and the matrix lies in global memory.
//
// Of the factor L the lower triangle is stored, row after row without gaps: element (i, j) at
// i (i + 1) / 2 + j. Threads with consecutive i then meet no other in a bank of shared memory. The
// right-hand side b is row `order`; row `order` of L is L^-1 b, so forward substitution needs no loop of
// its own. PANEL columns are factorised at a time: one warp takes the corner on the diagonal, a lane a
// row, and one thread each row below it. Then everything to their right is updated from the panel.
//
// Defined by the host: REAL, THREADS, TILE (4, 8 or 12), HELD (0 or 1).

#include "fours.cuh"

#define PANEL (!HELD ? 16 : TILE > 8 ? TILE : 8)  // whole tiles
#define FULL 0xffffffffu
// A pivot of at most LOST eps times its diagonal element is rounding error: its unknown becomes zero.
#define LOST 8
// The compiler must leave a multiprocessor room for so many blocks. Each of its quarters has registers for
// four warps with 128 each, for three with 168, or for two with 255.
#define BLOCKS (TILE > 8 || !HELD ? 1 : (TILE > 4 ? 512 : sizeof(REAL) == 8 ? 384 : 640) / THREADS)

__device__ __forceinline__ int at(int i, int j) { return i * (i + 1) / 2 + j; }

// Elements between neighbouring vectors in shared memory, for systems of this order: whole tiles, and
// such a number that eight threads with one element each of eight vectors meet no other in a bank.
__device__ __forceinline__ int step_of(int order) { return ((order + 1 + TILE - 1) / TILE * TILE) | 4; }

// Vectors that shared memory has room for: twice two sets of `depth`, or two panels, or one of 16.
__device__ __forceinline__ int vectors_of(int depth) { return max(4 * depth, HELD ? 2 * PANEL : 16); }

// A thread's tile. Tiles are counted from the last column to the first, so that the threads whose columns
// are factorised are whole warps.
struct Tile {
    int row, column;  // of its first element
    bool there;

    __device__ __forceinline__ Tile(int place, int order, int from) {
        const int lines = (order - from + 1 + TILE - 1) / TILE, last = from + (lines - 1) * TILE;
        int r = int((sqrtf(8.f * place + 1.f) - 1.f) * 0.5f);
        while (r * (r + 1) / 2 > place) r--;  // the root is rounded
        while ((r + 1) * (r + 2) / 2 <= place) r++;
        there = r < lines;
        column = there ? last - r * TILE : 0;
        row = there ? last - (place - r * (r + 1) / 2) * TILE : 0;
    }

    // Element a of a column is in row `row` + (a ^ turn()): see `multiply`.
    __device__ __forceinline__ int turn() const { return TILE == 8 ? row >> 3 & 4 : 0; }

    // Calls visit(i, j, sum[i][j]) for the tile's elements in the lower triangle and in row `order`.
    template <class Visit> __device__ __forceinline__ void each(int order, REAL (&sum)[TILE][TILE], Visit visit) const {
        if (!there) return;
#pragma unroll
        for (int a = 0; a < TILE; a++) {
            const int i = row + (a ^ turn());
#pragma unroll
            for (int b = 0; b < TILE; b++) {
                const int j = column + b;
                if (i <= order && j <= i && j < order) visit(i, j, sum[a][b]);
            }
        }
    }
};

// sum += SIGN left right' over `depth` vectors, an even number, that are `step` apart. Elements beyond the
// order are read, but never used. Eight lanes read 16 bytes each at a time: with TILE 8, rows of the upper half
// of each 64 turn their fours round, without which every second lane would meet another one in a bank.
template <int SIGN> __device__ __forceinline__ void multiply(const REAL *left, const REAL *right, int step, int depth,
                                                             const Tile &tile, REAL (&sum)[TILE][TILE]) {
    left += tile.row;
    right += tile.column;
    for (int k = 0; k < depth; k += 2) {
#pragma unroll
        for (int half = 0; half < 2; half++, left += step, right += step) {
            Four l[TILE / 4], r[TILE / 4];
#pragma unroll
            for (int q = 0; q < TILE / 4; q++) {
                l[q] = *reinterpret_cast<const Four *>(left + (4 * q ^ tile.turn()));
                r[q] = *reinterpret_cast<const Four *>(right + 4 * q);
            }
#pragma unroll
            for (int a = 0; a < TILE; a++)
#pragma unroll
                for (int b = 0; b < TILE; b++) sum[a][b] += SIGN * l[a / 4].of[a % 4] * r[b / 4].of[b % 4];
        }
    }
}

// The tile's sum of left right' over the pairs of vectors from `first` to `stop`, which `vectors` brings to
// shared memory `depth` at a time: fetch(place) loads them to registers, and zeros beyond `stop`;
// put(left, right) stores them. They are fetched while the ones before are multiplied. `memory` holds
// four times `depth` vectors.
template <class Vectors, class Place>
__device__ __forceinline__ void add_products(Vectors &vectors, Place first, Place stop, REAL *memory, int step, int depth,
                                             const Tile &tile, REAL (&sum)[TILE][TILE]) {
#pragma unroll
    for (int a = 0; a < TILE; a++)
#pragma unroll
        for (int b = 0; b < TILE; b++) sum[a][b] = 0;
    REAL *left = memory, *other = memory + 2 * depth * step;
    vectors.fetch(first, stop);
    while (first < stop) {
        REAL *right = left + depth * step;
        vectors.put(left, right);
        const int count = stop - first < depth ? int(stop - first + 1) & ~1 : depth;
        first += depth;
        vectors.fetch(first, stop);
        __syncthreads();
        if (tile.there) multiply<1>(left, right, step, count, tile, sum);
        right = left;
        left = other;
        other = right;
    }
    __syncthreads();
}

// The corner of the panel whose first row and column is `top`, by one warp, a lane a row. Its diagonal
// becomes 1 / L_kk: only that is used.
__device__ __forceinline__ void factor_corner(const REAL *panel, int step, int top, int size, const REAL *pivots,
                                              REAL eps, REAL (*corner)[PANEL + 1], REAL *A) {
    const int i = threadIdx.x;
    const REAL least = i < size ? pivots[top + i] * LOST * eps : REAL(0);
    REAL row[PANEL];
#pragma unroll
    for (int j = 0; j < PANEL; j++) row[j] = i < size && j <= i ? panel[j * step + top + i] : REAL(i == j);
#pragma unroll
    for (int k = 0; k < PANEL; k++) {
        // Lane k has the pivot. False for a NaN, which must reach x.
        const REAL own = row[k] <= least ? row[k] * 0 : REAL(rsqrt(row[k]));
        const REAL inverse = __shfl_sync(FULL, own, k);
        row[k] = i == k ? inverse : row[k] * inverse;
#pragma unroll
        for (int j = k + 1; j < PANEL; j++) row[j] -= row[k] * __shfl_sync(FULL, row[k], j);
    }
#pragma unroll
    for (int j = 0; j < PANEL; j++) {
        if (i < PANEL) corner[i][j] = row[j];
        if (i < size && j <= i) A[at(top + i, top + j)] = row[j];
    }
}

// Solve L'x = y from the last corner up, in place of y, row `order` of L. The diagonal holds 1 / L_kk.
__device__ __forceinline__ void substitute_back(const REAL *L, int order, REAL *x) {
    for (int top = (order - 1) / PANEL * PANEL; top >= 0; top -= PANEL) {
        const int size = min(PANEL, order - top), lane = threadIdx.x;
        if (lane < 32) {
            REAL own = lane < size ? x[top + lane] : REAL(0), column[PANEL];
#pragma unroll
            for (int j = 0; j < PANEL; j++) column[j] = j < size && lane <= j ? L[at(top + j, top + lane)] : REAL(0);
#pragma unroll
            for (int j = PANEL - 1; j >= 0; j--) {
                if (lane == j) own *= column[j];
                const REAL known = __shfl_sync(FULL, own, j);
                if (lane < j) own -= column[j] * known;
            }
            if (lane < size) x[top + lane] = own;
        }
        __syncthreads();
        for (int i = threadIdx.x; i < top; i += THREADS) {
            // One after another, so that the bits do not depend on PANEL.
            REAL own = x[i];
            for (int k = size - 1; k >= 0; k--) own -= L[at(top + k, i)] * x[top + k];
            x[i] = own;
        }
        __syncthreads();
    }
}

// From a tile's sum to its elements of A and of b: scaled by rows and columns, and the identity added. Row
// `order` is b where that is not null.
__device__ __forceinline__ void scale_tile(const Tile &tile, int order, const REAL *scale, const REAL *b, REAL *pivots,
                                           REAL (&sum)[TILE][TILE]) {
    REAL right[TILE];
#pragma unroll
    for (int j = 0; j < TILE; j++) right[j] = tile.column + j < order ? scale[tile.column + j] : REAL(0);
#pragma unroll
    for (int a = 0; a < TILE; a++) {
        const int i = tile.row + (a ^ tile.turn());
        const REAL left = i < order ? scale[i] : REAL(1);
#pragma unroll
        for (int j = 0; j < TILE; j++) sum[a][j] = sum[a][j] * left * right[j];
        if (b && i == order)
#pragma unroll
            for (int j = 0; j < TILE; j++) sum[a][j] = tile.column + j < order ? b[tile.column + j] : REAL(0);
    }
    if (!tile.there || tile.row != tile.column) return;
#pragma unroll
    for (int a = 0; a < TILE; a++)
#pragma unroll
        for (int j = 0; j < TILE; j++) {
            if (TILE == 8 ? a % 4 != j % 4 : a != j) continue;
            const int i = tile.row + (a ^ tile.turn());
            if (i != tile.column + j || i >= order) continue;
            sum[a][j] += 1;
            pivots[i] = sum[a][j];
        }
}

// Form, factorise and solve a system; the solution is returned. `sums(tile, sum)` forms a tile, all threads
// together; see `scale_tile`. A has room for order (order + 3) / 2 elements, `scale` and `pivots` for
// `order`; `memory` is scratch of `vectors_of` vectors in shared memory, `step` apart.
template <class Sums>
__device__ __forceinline__ REAL *solve(int order, REAL *A, REAL *memory, int step, const REAL *scale, const REAL *b,
                                       REAL *pivots, REAL eps, Sums sums) {
    __shared__ REAL corner[PANEL][PANEL + 1];
    REAL sum[TILE][TILE];
#if HELD
    const Tile tile(threadIdx.x, order, 0);
    sums(tile, sum);
    scale_tile(tile, order, scale, b, pivots, sum);
#else
    const int lines = (order + 1 + TILE - 1) / TILE;
    for (int first = 0; first < lines * (lines + 1) / 2; first += THREADS) {
        const Tile tile(first + threadIdx.x, order, 0);
        sums(tile, sum);
        scale_tile(tile, order, scale, b, pivots, sum);
        tile.each(order, sum, [&](int i, int j, REAL &element) { A[at(i, j)] = element; });
    }
    __syncthreads();
#endif
    for (int top = 0; top < order; top += PANEL) {
        const int size = min(PANEL, order - top), below = top + PANEL;
#if HELD
        // Two panels by turns: the one before is still read.
        REAL *panel = memory + top / PANEL % 2 * PANEL * step;
        if (tile.there && tile.column >= top && tile.column < below) {
#pragma unroll
            for (int b = 0; b < TILE; b++)
#pragma unroll
                for (int q = 0; q < TILE / 4; q++) {
                    Four four;
#pragma unroll
                    for (int a = 0; a < 4; a++) four.of[a] = sum[4 * q + a][b];
                    REAL *place = panel + (tile.column - top + b) * step + tile.row + (4 * q ^ tile.turn());
                    *reinterpret_cast<Four *>(place) = four;
                }
        }
#else
        REAL *panel = memory;
        for (int e = threadIdx.x; e < (order + 1 - top) * PANEL; e += THREADS) {
            const int i = top + e / PANEL, j = e % PANEL;
            if (j < size && top + j <= i) panel[j * step + i] = A[at(i, top + j)];
        }
#endif
        __syncthreads();
        if (threadIdx.x < 32) factor_corner(panel, step, top, size, pivots, eps, corner, A);
        __syncthreads();
        // The rows below, a thread per row: L = A corner'^-1.
        for (int i = top + size + threadIdx.x; i <= order; i += THREADS) {
            REAL l[PANEL];
#ifndef CUEMU
            asm volatile("" ::: "memory");  // else the compiler keeps the corner in registers
#endif
#pragma unroll
            for (int j = 0; j < PANEL; j++) {
                l[j] = j < size ? panel[j * step + i] : REAL(0);
#pragma unroll
                for (int k = 0; k < j; k++) l[j] -= l[k] * corner[j][k];
                l[j] *= corner[j][j];
                panel[j * step + i] = l[j];
                if (j < size) A[at(i, top + j)] = l[j];
            }
        }
        __syncthreads();
#if HELD
        if (tile.there && tile.column >= below) multiply<-1>(panel, panel, step, PANEL, tile, sum);
#else
        for (int place = threadIdx.x; below < order; place += THREADS) {
            const Tile tile(place, order, below);
            if (!tile.there) break;
            tile.each(order, sum, [&](int i, int j, REAL &element) { element = A[at(i, j)]; });
            multiply<-1>(panel, panel, step, PANEL, tile, sum);
            tile.each(order, sum, [&](int i, int j, REAL &element) { A[at(i, j)] = element; });
        }
        __syncthreads();
#endif
    }
    REAL *x = A + at(order, 0);
    substitute_back(A, order, x);
    return x;
}
