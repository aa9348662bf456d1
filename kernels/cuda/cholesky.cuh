// A symmetric positive definite system in one block of threads: products added to it, factorised, solved.
//
// The lower triangle of A (order, ld) is stored by rows, the right-hand side as row `order`: L's last
// row is then L^-1 b, and forward substitution costs no loop of its own. PANEL columns at a time are
// factorised, a warp for the corner and a thread a row below it, then everything right of them is
// updated from a copy of the panel in shared memory, where nearly all of the order^3 / 3 operations are.
//
// Defined by the host: REAL, THREADS, TILE (elements of a thread's tile, each way).

#define PANEL 16
// A pivot below this many eps of its diagonal element is noise: its unknown gets zero.
#define LOST 8
// Threads that a multiprocessor shall hold at least: leaves 128 registers a thread, or 255 where tiles
// are large. Without it the compiler spills a few for more threads than shared memory has room for.
#define RESIDENT (sizeof(REAL) == 8 || TILE > 4 ? 256 : 512)

// Row and column of a tile of the lower triangle, counted by rows.
__device__ __forceinline__ void tile_of(int place, int &row, int &column) {
    row = int((sqrtf(8.f * place + 1.f) - 1.f) * 0.5f);
    while (row * (row + 1) / 2 > place) row--;  // the root is rounded
    while ((row + 1) * (row + 2) / 2 <= place) row++;
    column = place - row * (row + 1) / 2;
}

// A[i][j] += sign * sum over k < depth of weight[k] V[k][i] V[k][j] for first <= j <= i < end, j < order.
// V holds elements `first` to `end` of its vectors, `step` apart.
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
            // V is padded to whole tiles; what lies beyond `end` is read, and never written to A.
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

// Factorise A (order, ld) and solve; the solution replaces row `order`. `panel` is scratch of
// PANEL x padded(order + 1) elements, `pivots` of `order`, both in shared memory.
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
        // The corner: a warp, lane by row. Its diagonal becomes 1 / L_kk, which is what is used.
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
        // Below it, a thread by row: L = A corner'^-1, kept in the panel for the update as well.
        for (int i = below + threadIdx.x; i <= order; i += THREADS) {
            REAL *line = A + (long long)i * ld + top;
            REAL l[PANEL];
#ifndef CUEMU
            asm volatile("" ::: "memory");  // else the corner is kept in 136 registers from row to row
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
        // The last tile of the panel is read to its end.
        const int rows = order + 1 - below, padded = (rows + TILE - 1) / TILE * TILE;
        for (int e = threadIdx.x; e < PANEL * (padded - rows); e += THREADS)
            panel[e / (padded - rows) * step + rows + e % (padded - rows)] = 0;
        __syncthreads();
        add_products(A, ld, order, below, order + 1, panel, step, size, nullptr, REAL(-1));
        __syncthreads();
    }
    // L' x = y from the last corner up; x is row `order` of A.
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
