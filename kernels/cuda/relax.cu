// Over-relaxation: x <- start + omega (x - start), for every row.
//
// grid      as many blocks as the numbers need, or fewer that stride over them
// block     256 threads, a number each
// bytes     per number 3 sizeof(REAL)
//
// Defined by the host: REAL.

extern "C" __global__ void __launch_bounds__(256)
    relax(const REAL *start, REAL *x, long long numbers, REAL omega) {
    for (long long k = blockIdx.x * 256ll + threadIdx.x; k < numbers; k += gridDim.x * 256ll)
        x[k] = start[k] + omega * (x[k] - start[k]);
}
