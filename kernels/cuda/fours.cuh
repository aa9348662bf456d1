// Four neighbouring elements of a row, by one load of 16 bytes (two in float64) where rows allow it.
//
// Defined by the host: REAL.

struct alignas(16) Four {
    REAL of[4];
};

// Elements `k` to `k` + 3 of a row of f, zeros beyond its end. `aligned`: rows begin at multiples of 16 bytes.
__device__ __forceinline__ Four fetch_four(const REAL *row, int k, int f, bool aligned) {
    if (aligned && k + 4 <= f) return *reinterpret_cast<const Four *>(row + k);
    Four four;
#pragma unroll
    for (int j = 0; j < 4; j++) four.of[j] = k + j < f ? row[k + j] : REAL(0);
    return four;
}

__device__ __forceinline__ bool rows_aligned(const REAL *rows, int stride) {
    return (reinterpret_cast<unsigned long long>(rows) | stride * sizeof(REAL)) % 16 == 0;
}
