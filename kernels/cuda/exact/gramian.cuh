// The system of a row of many entries, formed by tensor cores from one pass over the entries:
//
//   S = sum w z z',   b = sum t z
//
// A block copies STAGE entries at a time to shared memory and multiplies Z' by W Z there, 16 entries at a
// time. S has TILES strips of 16 columns, and is symmetric: about half of the tiles of 16 by 16 in each
// strip are formed. Warp number i takes strips i and i + WARPS, together TILES + 1 tiles, and holds the
// sums in registers over all entries.
//
// Z is in float16, and w z is the sum of two such numbers (tensor.cuh). w = m s, with s a power of two,
// relative to the largest w, and |m| below 2: m z is formed with 22 bits, and then multiplied by s, with
// an error of 2^-25 where the largest w z are near 2^15. So a w of 2^-17 of the largest keeps the digits
// that float has for the sum, and smaller ones lose some of theirs. |t| below 2^98 and |w| below 2^111
// stay finite.
//
// Included after tiles.cuh and cholesky.cuh. Defined by the host: WARPS, (TILES + 1) / 2.

#define STAGE 32
#define STAGE_COPIES ((PIECES + WARPS - 1) / WARPS)  // pieces of a stage that a lane copies

// An entry's w = (m_high + m_low) s and t = t_high + t_low, both over their unit.
struct Factors {
    __half m_high[STAGE], m_low[STAGE], s[STAGE], t_high[STAGE], t_low[STAGE];
};

// Two neighbouring numbers of 16 bits as a word.
__device__ __forceinline__ unsigned word_at(const __half *v) { return *reinterpret_cast<const unsigned *>(v); }
__device__ __forceinline__ __half2 pair_of(unsigned word) { return *reinterpret_cast<const __half2 *>(&word); }
__device__ __forceinline__ unsigned word_of(__half2 pair) { return *reinterpret_cast<const unsigned *>(&pair); }

// The largest |w| and |t| of a row, as units; `scratch` has room for 2 WARPS numbers.
__device__ __forceinline__ void units_of(const Entries &row, REAL *scratch, Unit &w, Unit &t) {
    REAL largest_w = 0, largest_t = 0;
    for (int k = threadIdx.x; k < row.count; k += 32 * WARPS) {
        const REAL a = fabs(row.w[k]), b = fabs(row.t[k]);
        largest_w = a > largest_w || a != a ? a : largest_w;
        largest_t = b > largest_t || b != b ? b : largest_t;
    }
    largest_w = largest_of(largest_w);
    largest_t = largest_of(largest_t);
    if (threadIdx.x % 32 == 0) {
        scratch[threadIdx.x / 32] = largest_w;
        scratch[WARPS + threadIdx.x / 32] = largest_t;
    }
    __syncthreads();
#pragma unroll
    for (int i = 0; i < WARPS; i++) {
        largest_w = scratch[i] > largest_w ? scratch[i] : largest_w;
        largest_t = scratch[WARPS + i] > largest_t ? scratch[WARPS + i] : largest_t;
    }
    w = unit_of(largest_w);
    t = unit_of(largest_t);
    __syncthreads();  // `scratch` may be written again
}

// Two words of Z times the weights of their entries, as high and low words.
__device__ __forceinline__ void weighted(unsigned z, unsigned m_high, unsigned m_low, unsigned s, unsigned &high,
                                         unsigned &low) {
    const __half2 v = pair_of(z), product = __hmul2(pair_of(m_high), v);
    const __half2 rest = __hfma2(pair_of(m_high), v, __hneg2(product));  // what the product was rounded by
    high = word_of(__hmul2(product, pair_of(s)));
    low = word_of(__hmul2(__hfma2(pair_of(m_low), v, rest), pair_of(s)));
}

// The sums of a warp over its two strips: of S by tiles of 16 by 16, in columns 0 to 7 and 8 to 15, and of
// b for the rows of the strip.
struct Sums {
    float tile[TILES + 1][2][4], b[2][4];
    Unit w, t;
};

// The tiles of the warp's strip number i (0 or 1) begin at number `begin_of(i)` and end before
// `begin_of(i + 1)`. Number k of them is in row `row_of(strip, k)` of tiles: from the diagonal down, and on
// from the top. So strips are about equally long, and no tile is formed in two of them.
__device__ __forceinline__ constexpr int begin_of(int i) { return i == 0 ? 0 : i == 1 ? TILES / 2 + 1 : TILES + 1; }
__device__ __forceinline__ int row_of(int strip, int k) { return strip + k < TILES ? strip + k : strip + k - TILES; }

// Form the sums over a row's entries. `shared` has room for RING stages.
__device__ __forceinline__ void form(const Entries &row, unsigned char *shared, Sums &sums) {
    __half *slots = reinterpret_cast<__half *>(shared);
    Factors *factors = reinterpret_cast<Factors *>(shared + RING * 2 * STAGE * STRIDE);
    units_of(row, reinterpret_cast<REAL *>(shared), sums.w, sums.t);
    // By a shuffle, so that the compiler knows it to be the same in the warp.
    const int lane = threadIdx.x % 32, warp = __shfl_sync(ALL, threadIdx.x / 32, 0);
    const REAL w_unit = sums.w.inverse, t_unit = sums.t.inverse * 8192;
#pragma unroll
    for (int i = 0; i <= TILES; i++)
#pragma unroll
        for (int j = 0; j < 8; j++) sums.tile[i][j / 4][j % 4] = 0;
#pragma unroll
    for (int j = 0; j < 8; j++) sums.b[j / 4][j % 4] = 0;
    // Read a stage ahead: the column of an entry, by each warp, and its weights, by the first.
    int ahead = 0, next = 0, column = 0;
    REAL w = 0, t = 0;
    auto read = [&]() {
        const int k = ahead + lane;
        column = k < row.count ? row.indices[k] : 0;
        w = warp == 0 && k < row.count ? row.w[k] * w_unit : REAL(0);
        t = warp == 0 && k < row.count ? row.t[k] * t_unit : REAL(0);
    };
    auto copy = [&]() {
        if (ahead < row.count) {
            __half *slot = slots + next * STAGE * STRIDE;
#pragma unroll
            for (int i = 0; i < STAGE_COPIES; i++) {
                const int place = 32 * (WARPS * i + warp) + lane, entry = place / PIECES, piece = place % PIECES;
                if (STAGE_COPIES * WARPS != PIECES && WARPS * i + warp >= PIECES) break;  // the same in the warp
                const int from = __shfl_sync(ALL, column, entry);
                const uint4 *source = reinterpret_cast<const uint4 *>(row.Z) + piece + (long long)from * PIECES;
                __pipeline_memcpy_async(slot + entry * STRIDE + 8 * piece, source, 16);
            }
            if (warp == 0) {
                Factors &mine = factors[next];
                const float least = 5.9604645e-08f;  // 2^-24, the smallest float16 above 0
                const Unit own = unit_of(fabs(w));
                const float s = own.v > least ? own.v : least;
                const float m = w * (own.v > least ? own.inverse : 1 / least);
                mine.m_high[lane] = __float2half_rn(m);
                mine.m_low[lane] = __float2half_rn(m - __half2float(__float2half_rn(m)));
                mine.s[lane] = __float2half_rn(s);
                mine.t_high[lane] = __float2half_rn(t);
                mine.t_low[lane] = __float2half_rn(t - __half2float(__float2half_rn(t)));
            }
        }
        __pipeline_commit();
        ahead += STAGE;
        next = next < RING - 1 ? next + 1 : 0;
        read();
    };
    read();
#pragma unroll
    for (int i = 0; i < DEPTH; i++) copy();
    int stage = 0;
#pragma unroll 1
    for (int start = 0; start < row.count; start += STAGE) {
        __pipeline_wait_prior(DEPTH - 1);
        __syncthreads();  // this stage is there, and the slot of the one before is free
        copy();
        const Factors &mine = factors[stage];
        const __half *z = slots + stage * STAGE * STRIDE;
        stage = stage < RING - 1 ? stage + 1 : 0;
#pragma unroll
        for (int half = 0; half < STAGE; half += 16) {
            if (start + half >= row.count) break;
            const __half *mine_z = z + (half + lane / 16 * 8 + lane % 8) * STRIDE + lane / 8 % 2 * 8;
            const int k = half + lane % 4 * 2;
            unsigned m_high[2], m_low[2], power[2], a[4], high[4], low[4];
#pragma unroll
            for (int i = 0; i < 2; i++) {
                m_high[i] = word_at(mine.m_high + k + 8 * i);
                m_low[i] = word_at(mine.m_low + k + 8 * i);
                power[i] = word_at(mine.s + k + 8 * i);
            }
            // t as B: column 0 has its high half, column 1 its low one.
            const __half *t_halves = lane < 4 ? mine.t_high : mine.t_low;
            const unsigned t0 = lane < 8 ? word_at(t_halves + k) : 0u, t1 = lane < 8 ? word_at(t_halves + k + 8) : 0u;
#pragma unroll
            for (int i = 0; i < 2; i++) {
                const int strip = warp + WARPS * i;
                if (WARPS * 2 > TILES && strip >= TILES) break;  // TILES is odd: the last warp has one strip
#pragma unroll
                for (int n = begin_of(i); n < begin_of(i + 1); n++) {
                    load_a<true>(a, mine_z + 16 * row_of(strip, n - begin_of(i)));
                    if (n == begin_of(i)) {  // A for a strip's rows holds the words of B for its columns
                        multiply(sums.b[i], a, t0, t1);
#pragma unroll
                        for (int j = 0; j < 4; j++) weighted(a[j], m_high[j / 2], m_low[j / 2], power[j / 2], high[j], low[j]);
                    }
#pragma unroll
                    for (int j = 0; j < 2; j++) {
                        multiply(sums.tile[n][j], a, high[j], high[j + 2]);
                        multiply(sums.tile[n][j], a, low[j], low[j + 2]);
                    }
                }
            }
        }
    }
    __syncthreads();  // all have read the last stage: `shared` may be written again
}

// Write S's lower triangle to A, and b as its row WIDE, as cholesky.cuh has them.
__device__ __forceinline__ void put(const Sums &sums, REAL *A) {
    const int lane = threadIdx.x % 32, g = lane / 4, q = lane % 4;
    const REAL unit = sums.t.v / 8192;
#pragma unroll
    for (int i = 0; i < 2; i++) {
        const int strip = threadIdx.x / 32 + WARPS * i;
        if (strip >= TILES) break;
#pragma unroll
        for (int n = begin_of(i); n < begin_of(i + 1); n++) {
            const int row = 16 * row_of(strip, n - begin_of(i)) + g, column = 16 * strip + 2 * q;
#pragma unroll
            for (int j = 0; j < 8; j++) {
                const int r = row + j % 4 / 2 * 8, c = column + j / 4 * 8 + j % 2;
                const bool below = n == begin_of(i) ? c <= r : strip + n - begin_of(i) < TILES;
                if (below) A[at(r, c)] = sums.tile[n][j / 4][j % 4] * sums.w.v;
                if (!below && n > begin_of(i)) A[at(c, r)] = sums.tile[n][j / 4][j % 4] * sums.w.v;
            }
        }
        if (q == 0) {
            A[at(WIDE, 16 * strip + g)] = (sums.b[i][0] + sums.b[i][1]) * unit;
            A[at(WIDE, 16 * strip + g + 8)] = (sums.b[i][2] + sums.b[i][3]) * unit;
        }
    }
}
