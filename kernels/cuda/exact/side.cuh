// The stored entries and the fixed side of an exact half-step, as its kernels are given them.
//
// The coordinates are whitened: with the columns of Z scaled by s = (base + slope lambda_u)^-1/2, the shared
// part of a row's matrix is the identity.
//
// Defined by the host: REAL.

struct Side {
    const long long *indptr;  // (rows + 1,)
    const int *indices;       // (entries,)
    const REAL *w, *t;        // (entries,)
    const REAL *Z;            // (columns, stride)
    const REAL *base, *slope; // (f,)
    const REAL *lam;          // (rows,)
    int f, stride;
};

__device__ __forceinline__ REAL scale_of(const Side &side, int k, REAL lam) {
    return REAL(1) / sqrt(side.base[k] + side.slope[k] * lam);
}

#define SIDE_ARGUMENTS                                                                             \
    const long long *indptr, const int *indices, const REAL *w, const REAL *t, const REAL *Z,      \
        const REAL *base, const REAL *slope, const REAL *lam, int f, int stride
#define SIDE                                                                                       \
    Side { indptr, indices, w, t, Z, base, slope, lam, f, stride }

// Elements of a system as stored, b included.
__device__ __forceinline__ long long size_of(int order) { return order * (order + 3ll) / 2; }
