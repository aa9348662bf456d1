// Sums of products that must have the same bits in two pieces of code.
//
// Defined before: REAL (float or double). A file may include this twice, by two headers.

#ifndef FUSED
#define FUSED

// a b + c, rounded once. Written as such wherever two pieces of code must give the same bits: where the
// compiler is free to contract, it may do so in one of them alone. The emulator rounds twice in all.
__device__ __forceinline__ REAL fused(REAL a, REAL b, REAL c) {
#ifdef CUEMU
    return a * b + c;
#else
    return sizeof(REAL) == 4 ? fmaf(a, b, c) : fma(a, b, c);
#endif
}

#endif
