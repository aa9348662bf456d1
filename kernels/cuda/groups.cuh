// Groups of GROUP neighbouring lanes of a warp that hold a vector together, and what they add up.
//
// Defined before: REAL (float or double), GROUP (a power of two up to 32).

#define ALL 0xffffffffu

#include "fused.cuh"

// The sum and the largest of a number over the lanes of a group, returned to each. All lanes of the warp
// must call.
__device__ __forceinline__ REAL group_sum(REAL v) {
#pragma unroll
    for (int o = GROUP / 2; o > 0; o >>= 1) v += __shfl_xor_sync(ALL, v, o);
    return v;
}
__device__ __forceinline__ REAL group_max(REAL v) {
#pragma unroll
    for (int o = GROUP / 2; o > 0; o >>= 1) {
        const REAL other = __shfl_xor_sync(ALL, v, o);
        v = other > v ? other : v;
    }
    return v;
}

// The power of two at or below `largest`, and its reciprocal: to multiply by either changes no digit. Both
// are far from the ends of the range, also where `largest` is 0 or infinite.
struct Unit {
    REAL v, inverse;
};
__device__ __forceinline__ Unit unit_of(float largest) {
    const int exponent = min(max(__float_as_int(largest) >> 23, 32), 222);
    return {REAL(__int_as_float(exponent << 23)), REAL(__int_as_float((254 - exponent) << 23))};
}
__device__ __forceinline__ Unit unit_of(double largest) {
    const long long exponent = min(max(__double_as_longlong(largest) >> 52, 64ll), 1982ll);
    return {REAL(__longlong_as_double(exponent << 52)), REAL(__longlong_as_double((2046 - exponent) << 52))};
}

// What is added to a row's least number of steps if it has heavy entries (cg.cuh, heavy.cu).
#define HEAVY 256

#define RESIDUAL 0  // g = t - w (z.v)
#define PRODUCT 1   // g = w (z.v)

struct Entries {
    const STORED *Z;     // (columns, WIDE), the fixed side
    const int *indices;  // of this row's entries, as are w and t
    const REAL *w, *t;
    int count;  // entries of this row: at most one for each of at most 2^31 columns
};

// The arguments of a kernel that works on the parts of hub rows, a block for each.
//
// Part i belongs to hub row number part_row[i] and has part_count[i] entries from position part_first[i]
// on. V: the vectors to multiply by, a row of X for each hub (hub_row[hub]), or, with hub_row null, row
// `hub` of P. `going` (hubs,): whether the hub's row takes another step.
#define PART                                                                                             \
    const REAL *V, const long long *hub_row, const STORED *Z, const int *indices, const REAL *w,          \
        const REAL *t, const int *part_row, const long long *part_first, const int *part_count,           \
        const int *going, REAL *parts

