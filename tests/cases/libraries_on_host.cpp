// The calls of cuBLAS and cuSOLVER that recordings use, for matrices in the host's memory, plainly.
// The parameters are those of cublas_v2.h and cusolverDn.h.
#include <cmath>
#include <cstddef>

namespace {
int calls = 0;  // what a handle is: how many have been made

template <class T>
void product(bool ta, bool tb, int m, int n, int k, const void *alpha, const void *A, int lda, const void *B,
             int ldb, const void *beta, void *C, int ldc) {
    const T *a = (const T *)A, *b = (const T *)B;
    T *c = (T *)C;
    for (int j = 0; j < n; ++j)
        for (int i = 0; i < m; ++i) {
            T sum = 0;
            for (int l = 0; l < k; ++l)
                sum += (ta ? a[i * lda + l] : a[l * lda + i]) * (tb ? b[l * ldb + j] : b[j * ldb + l]);
            T before = *(const T *)beta == 0 ? 0 : *(const T *)beta * c[j * ldc + i];
            c[j * ldc + i] = *(const T *)alpha * sum + before;
        }
}

bool known(void *handle) { return (size_t)handle >= 1 && (size_t)handle <= (size_t)calls; }
}  // namespace

extern "C" {
void *stream_of_cublas, *workspace_of_cublas, *stream_of_cusolver;
size_t bytes_of_cublas;
int algorithm, compute;

int cublasCreate_v2(void **handle) { return *handle = (void *)(size_t)++calls, 0; }
int cusolverDnCreate(void **handle) { return *handle = (void *)(size_t)++calls, 0; }

int cublasSetStream_v2(void *handle, void *stream) {
    stream_of_cublas = stream;
    workspace_of_cublas = nullptr;  // as the library does
    return known(handle) ? 0 : 1;
}

int cublasSetWorkspace_v2(void *handle, void *workspace, size_t bytes) {
    workspace_of_cublas = workspace;
    bytes_of_cublas = bytes;
    return known(handle) ? 0 : 1;
}

int cusolverDnSetStream(void *handle, void *stream) {
    stream_of_cusolver = stream;
    return known(handle) ? 0 : 1;
}

int cublasGemmStridedBatchedEx(void *handle, int ta, int tb, int m, int n, int k, const void *alpha,
                               const void *A, int a_type, int lda, long long a_step, const void *B, int b_type,
                               int ldb, long long b_step, const void *beta, void *C, int c_type, int ldc,
                               long long c_step, int count, int compute_type, int algo) {
    if (!known(handle)) return 1;
    if (a_type != b_type || a_type != c_type || a_type > 1) return 15;
    if (compute_type != (a_type ? 70 : 68) && !(compute_type == 77 && a_type == 0)) return 15;
    algorithm = algo, compute = compute_type;
    size_t size = a_type ? 8 : 4;
    for (int i = 0; i < count; ++i)
        (a_type ? product<double> : product<float>)(
            ta, tb, m, n, k, alpha, (const char *)A + i * a_step * size, lda, (const char *)B + i * b_step * size,
            ldb, beta, (char *)C + i * c_step * size, ldc);
    return 0;
}

int cublasGemmEx(void *handle, int ta, int tb, int m, int n, int k, const void *alpha, const void *A, int a_type,
                 int lda, const void *B, int b_type, int ldb, const void *beta, void *C, int c_type, int ldc,
                 int compute_type, int algo) {
    return cublasGemmStridedBatchedEx(handle, ta, tb, m, n, k, alpha, A, a_type, lda, 0, B, b_type, ldb, 0, beta,
                                      C, c_type, ldc, 0, 1, compute_type, algo);
}

// Only X A = alpha B with a lower triangle A: side 1 is right, fill 0 lower, diagonal 0 not of ones.
int cublasDtrsm_v2(void *handle, int side, int fill, int op, int diagonal, int m, int n, const double *alpha,
                   const double *A, int lda, double *B, int ldb) {
    if (!known(handle)) return 1;
    if (side != 1 || fill != 0 || op != 0 || diagonal != 0) return 15;
    for (int i = 0; i < m; ++i)
        for (int j = n - 1; j >= 0; --j) {
            double sum = *alpha * B[j * ldb + i];
            for (int l = j + 1; l < n; ++l) sum -= B[l * ldb + i] * A[j * lda + l];
            B[j * ldb + i] = sum / A[j * lda + j];
        }
    return 0;
}

int cusolverDnDpotrf_bufferSize(void *handle, int fill, int n, double *A, int lda, int *size) {
    *size = 3 * n;
    return known(handle) && fill == 0 && lda >= n && A ? 0 : 1;
}

int cusolverDnDpotrf(void *handle, int fill, int n, double *A, int lda, double *workspace, int size, int *info) {
    if (!known(handle) || fill != 0 || size != 3 * n) return 1;
    for (int i = 0; i < size; ++i) workspace[i] = NAN;
    *info = 0;
    for (int j = 0; j < n; ++j) {
        double d = A[j * lda + j];
        for (int l = 0; l < j; ++l) d -= A[l * lda + j] * A[l * lda + j];
        if (!(d > 0)) return *info = j + 1, 0;
        A[j * lda + j] = d = std::sqrt(d);
        for (int i = j + 1; i < n; ++i) {
            double sum = A[j * lda + i];
            for (int l = 0; l < j; ++l) sum -= A[l * lda + i] * A[l * lda + j];
            A[j * lda + i] = sum / d;
        }
    }
    return 0;
}
}
