// A symmetric positive definite system in one block of threads: formed, factorised and solved.
//
// The lower triangle of A (order, ld) is stored by rows, and the right-hand side b as row `order`. Row
// `order` of the factor L is then L^-1 b, so forward substitution needs no loop of its own. PANEL
// columns are factorised at a time: one warp takes the corner on the diagonal, and one thread each row
// below it. Then everything to their right is updated from a copy of these columns in shared memory,
// the panel. The updates are nearly all of the order^3 / 3 operations.
//
// Defined by the host: REAL, THREADS, TILE (elements of a thread's tile, each way).

#define PANEL 16
// A pivot of at most LOST eps times its diagonal element is rounding error: its unknown becomes zero.
#define LOST 8
// The compiler must leave a multiprocessor room for so many threads: 128 registers per thread, or 255
// where tiles are large. Without this bound it spills a few registers, to make room for more threads
// than shared memory allows.
#define RESIDENT (sizeof(REAL) == 8 || TILE > 4 ? 256 : 512)

// Row and column of tile number `place` of the lower triangle, counted by rows.
__device__ __forceinline__ void tile_of(int place, int &row, int &column) {
    row = int((sqrtf(8.f * place + 1.f) - 1.f) * 0.5f);
    while (row * (row + 1) / 2 > place) row--;  // the root is rounded
    while ((row + 1) * (row + 2) / 2 <= place) row++;
    column = place - row * (row + 1) / 2;
}

// A[i][j] += sign * sum over k < depth of weight[k] V[k][i] V[k][j], for first <= j <= i < end and
// j < order. V holds elements `first` to `end` of each vector; vectors are `step` apart.
__device__ __forceinline__ void add_products(REAL *A, int ld, int order, int first, int end, const REAL *V, int step,
                             int depth, const REAL *weight, REAL sign) {
    const int tiles = (end - first + TILE - 1) / TILE;
    for (int place = threadIdx.x; place < tiles * (tiles + 1) / 2; place += THREADS) {
        int row, column;
        tile_of(place, row, column);
        row *= TILE;
        column *= TILE;
        REAL sum[TILE][TILE];
#pragma unroll
        for (int a = 0; a < TILE; a++)
#pragma unroll
            for (int b = 0; b < TILE; b++) sum[a][b] = 0;
        for (int k = 0; k < depth; k++) {
            // V is padded to whole tiles; elements beyond `end` are read, but never added to A.
            const REAL *v = V + k * step;
            const REAL scale = weight ? weight[k] * sign : sign;
            REAL left[TILE], right[TILE];
#pragma unroll
            for (int a = 0; a < TILE; a++) left[a] = v[row + a];
#pragma unroll
            for (int b = 0; b < TILE; b++) right[b] = v[column + b] * scale;
#pragma unroll
            for (int a = 0; a < TILE; a++)
#pragma unroll
                for (int b = 0; b < TILE; b++) sum[a][b] += left[a] * right[b];
        }
#pragma unroll
        for (int a = 0; a < TILE; a++) {
            const int i = first + row + a;
            if (i >= end) break;
            REAL *line = A + (long long)i * ld;
#pragma unroll
            for (int b = 0; b < TILE; b++) {
                const int j = first + column + b;
                if (j <= i && j < order) line[j] += sum[a][b];
            }
        }
    }
}

__device__ __forceinline__ void start_from_identity(REAL *A, int ld, int order) {
    for (int i = 0; i <= order; i++)
        for (int j = threadIdx.x; j < order && j <= i; j += THREADS) A[(long long)i * ld + j] = i == j;
}

// Factorise A (order, ld) and solve; the solution replaces row `order`. `panel` is scratch for
// PANEL x (order + 1, padded to whole tiles) elements, `pivots` for `order`, both in shared memory.
__device__ __forceinline__ void solve(REAL *A, int ld, int order, REAL *panel, REAL *pivots, REAL eps) {
    __shared__ REAL corner[PANEL][PANEL + 1];
    const int step = (order + 1 + TILE - 1) / TILE * TILE;
    REAL *x = A + (long long)order * ld;
    for (int i = threadIdx.x; i < order; i += THREADS) pivots[i] = A[(long long)i * ld + i];
    __syncthreads();
    for (int top = 0; top < order; top += PANEL) {
        const int size = min(PANEL, order - top), below = top + size;
        for (int e = threadIdx.x; e < PANEL * PANEL; e += THREADS) {
            const int i = e / PANEL, j = e % PANEL;
            corner[i][j] = i < size && j <= i ? A[(long long)(top + i) * ld + top + j] : REAL(i == j);
        }
        __syncthreads();
        // The corner, by one warp, a lane per row. Its diagonal becomes 1 / L_kk: only that is used.
        if (threadIdx.x < 32) {
            const int i = threadIdx.x;
            for (int k = 0; k < size; k++) {
                const REAL pivot = corner[k][k];
                // False for a NaN, which must reach x.
                const REAL inverse = pivot <= pivots[top + k] * LOST * eps ? pivot * 0 : 1 / sqrt(pivot);
                __syncwarp();
                if (i == k) corner[k][k] = inverse;
                if (i > k && i < PANEL) corner[i][k] *= inverse;
                __syncwarp();
                if (i > k && i < PANEL)
                    for (int j = k + 1; j <= i; j++) corner[i][j] -= corner[i][k] * corner[j][k];
                __syncwarp();
            }
        }
        __syncthreads();
        for (int e = threadIdx.x; e < size * PANEL; e += THREADS) {
            const int i = e / PANEL, j = e % PANEL;
            if (j <= i) A[(long long)(top + i) * ld + top + j] = corner[i][j];
        }
        // The rows below, a thread per row: L = A corner'^-1, copied to the panel for the update.
        for (int i = below + threadIdx.x; i <= order; i += THREADS) {
            REAL *line = A + (long long)i * ld + top;
            REAL l[PANEL];
#ifndef CUEMU
            asm volatile("" ::: "memory");  // else the compiler keeps the corner in 136 registers
#endif
#pragma unroll
            for (int j = 0; j < PANEL; j++) {
                REAL value = j < size ? line[j] : REAL(0);
#pragma unroll
                for (int k = 0; k < j; k++) value -= l[k] * corner[j][k];
                l[j] = value * corner[j][j];
                if (j < size) line[j] = l[j];
                panel[j * step + i - below] = l[j];
            }
        }
        // The update reads the panel's last tile to its end.
        const int rows = order + 1 - below, padded = (rows + TILE - 1) / TILE * TILE;
        for (int e = threadIdx.x; e < PANEL * (padded - rows); e += THREADS)
            panel[e / (padded - rows) * step + rows + e % (padded - rows)] = 0;
        __syncthreads();
        add_products(A, ld, order, below, order + 1, panel, step, size, nullptr, REAL(-1));
        __syncthreads();
    }
    // Back substitution, L'x = y, from the last corner up; x is row `order` of A.
    for (int top = (order - 1) / PANEL * PANEL; top >= 0; top -= PANEL) {
        const int size = min(PANEL, order - top);
        if (threadIdx.x < 32) {
            for (int j = size - 1; j >= 0; j--) {
                if (threadIdx.x == 0) x[top + j] *= A[(long long)(top + j) * ld + top + j];
                __syncwarp();
                const REAL known = x[top + j];
                if (threadIdx.x < j) x[top + threadIdx.x] -= A[(long long)(top + j) * ld + top + threadIdx.x] * known;
                __syncwarp();
            }
        }
        __syncthreads();
        for (int i = threadIdx.x; i < top; i += THREADS) {
            REAL sum = 0;
            for (int k = 0; k < size; k++) sum += A[(long long)(top + k) * ld + i] * x[top + k];
            x[i] -= sum;
        }
        __syncthreads();
    }
}
