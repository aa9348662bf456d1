// The warp-wide matrix product of <mma.h>: which lane holds which element is unspecified there, too.
#pragma once
#include "threads.hpp"

namespace nvcuda {
namespace wmma {
struct matrix_a;
struct matrix_b;
struct accumulator;
struct row_major;
struct col_major;
namespace precision {
struct tf32 {};
} // namespace precision
enum layout_t { mem_row_major, mem_col_major };
template <class T> struct storage {
  using type = T;
};
template <> struct storage<precision::tf32> {
  using type = float;
};
template <class Use, int M, int N, int K, class T, class Layout = void> struct fragment {
  static constexpr int rows = std::is_same_v<Use, matrix_b> ? K : M;
  static constexpr int columns = std::is_same_v<Use, matrix_a> ? K : N;
  static constexpr int num_elements = rows * columns / 32;
  typename storage<T>::type x[num_elements];
};
// tf32 keeps 10 bits of the mantissa; ties round away from zero.
inline float __float_to_tf32(float f) {
  const uint32_t u = cuemu::from_bits<uint32_t>(cuemu::to_bits(f));
  return cuemu::from_bits<float>((u + 0x1000) & ~0x1FFFu);
}
template <class Fragment, class V> void fill_fragment(Fragment &f, V v) {
  for (auto &element : f.x) element = v;
}

// Where element i of this lane's fragment stands in memory.
template <class Fragment> unsigned place(int i, unsigned stride, bool by_column) {
  const int e = static_cast<int>(__lane_id()) * Fragment::num_elements + i;
  const unsigned r = e / Fragment::columns, c = e % Fragment::columns;
  return by_column ? c * stride + r : r * stride + c;
}
template <class Use, int M, int N, int K, class T, class Layout, class P>
void load_matrix_sync(fragment<Use, M, N, K, T, Layout> &f, const P *p, unsigned stride, CUEMU_HERE) {
  using F = fragment<Use, M, N, K, T, Layout>;
  __syncwarp(~0u, here_);
  for (int i = 0; i < F::num_elements; i++)
    f.x[i] = p[place<F>(i, stride, std::is_same_v<Layout, col_major>)];
}
template <int M, int N, int K, class T, class P>
void load_matrix_sync(fragment<accumulator, M, N, K, T> &f, const P *p, unsigned stride,
                      layout_t layout, CUEMU_HERE) {
  using F = fragment<accumulator, M, N, K, T>;
  __syncwarp(~0u, here_);
  for (int i = 0; i < F::num_elements; i++) f.x[i] = p[place<F>(i, stride, layout == mem_col_major)];
}
template <int M, int N, int K, class T, class P>
void store_matrix_sync(P *p, const fragment<accumulator, M, N, K, T> &f, unsigned stride,
                       layout_t layout, CUEMU_HERE) {
  using F = fragment<accumulator, M, N, K, T>;
  for (int i = 0; i < F::num_elements; i++) p[place<F>(i, stride, layout == mem_col_major)] = f.x[i];
  __syncwarp(~0u, here_);
}
template <class D, class A, class B, class C>
void mma_sync(D &d, const A &a, const B &b, const C &c, CUEMU_HERE) {
  // Fibers share one address space: each lane publishes where its fragments are.
  const void *mine[2] = {&a, &b};
  unsigned turn;
  cuemu::Rendezvous &r = cuemu::meet(~0u, reinterpret_cast<uintptr_t>(mine), here_, "mma_sync", turn, true);
  const void *const *lanes[32];
  for (int l = 0; l < 32; l++) lanes[l] = reinterpret_cast<const void *const *>(r.slot[turn][l]);
  D out;
  for (int i = 0; i < D::num_elements; i++) {
    const int e = static_cast<int>(__lane_id()) * D::num_elements + i;
    const int row = e / D::columns, column = e % D::columns;
    float sum = c.x[i];
    for (int k = 0; k < A::columns; k++) {
      const int ea = row * A::columns + k, eb = k * B::columns + column;
      const A *fa = static_cast<const A *>(lanes[ea / A::num_elements][0]);
      const B *fb = static_cast<const B *>(lanes[eb / B::num_elements][1]);
      sum += static_cast<float>(fa->x[ea % A::num_elements]) *
             static_cast<float>(fb->x[eb % B::num_elements]);
    }
    out.x[i] = sum;
  }
  __syncwarp(~0u, here_); // nobody overwrites a fragment that is still read
  d = out;
}
} // namespace wmma
} // namespace nvcuda
