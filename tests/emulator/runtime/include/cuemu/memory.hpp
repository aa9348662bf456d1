// Shared arrays, loads with a cache hint, fences and atomic operations.
#pragma once
#include "state.hpp"
#include "types.hpp"

// What build.py writes for `extern __shared__ T name[];` and for `__shared__ T name dims;`. A static
// array is a reference into the block's arena: NaN at the start of every block, with a guard behind it.
#define CUEMU_DYNAMIC(T, name) T *name = reinterpret_cast<T *>(cuemu::state.dynamic)
#define CUEMU_STATIC(T, name, dims)                                                              \
  static char name##_tag_;                                                                       \
  T(&name) dims = *reinterpret_cast<T(*) dims>(cuemu::block_static(&name##_tag_, sizeof(T dims)))

inline void __threadfence() {}
inline void __threadfence_block() {}
template <class T> inline T __ldg(const T *p) { return *p; }
template <class T> inline T __ldcs(const T *p) { return *p; }
template <class T> inline T __ldca(const T *p) { return *p; }
template <class T> inline T __ldcg(const T *p) { return *p; }
template <class T> inline T __ldlu(const T *p) { return *p; }
template <class T> inline void __stcs(T *p, T v) { *p = v; }
template <class T> inline void __stcg(T *p, T v) { *p = v; }
template <class T> inline void __stwt(T *p, T v) { *p = v; }

namespace cuemu {
template <class T> struct same {
  using type = T;
};
template <class T> using as = typename same<T>::type; // not deduced: the pointer gives the type
template <class T, class Operation> inline T atomically(T *p, Operation operation) {
  using Bits = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;
  static_assert(sizeof(T) == sizeof(Bits), "atomic operations are on 4 or 8 bytes");
  Bits *q = reinterpret_cast<Bits *>(p), before = __atomic_load_n(q, __ATOMIC_RELAXED), after;
  T old;
  do {
    std::memcpy(&old, &before, sizeof old);
    const T result = operation(old);
    std::memcpy(&after, &result, sizeof after);
  } while (!__atomic_compare_exchange_n(q, &before, after, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
  return old;
}
} // namespace cuemu
#define CUEMU_ATOMIC(name, expression)                                                           \
  template <class T> inline T name(T *p, cuemu::as<T> v) {                                       \
    return cuemu::atomically(p, [=](T o) { return T(expression); });                             \
  }                                                                                              \
  template <class T> inline T name##_block(T *p, cuemu::as<T> v) { return name(p, v); }
CUEMU_ATOMIC(atomicAdd, o + v)
CUEMU_ATOMIC(atomicSub, o - v)
CUEMU_ATOMIC(atomicMax, o < v ? v : o)
CUEMU_ATOMIC(atomicMin, v < o ? v : o)
CUEMU_ATOMIC(atomicExch, v)
CUEMU_ATOMIC(atomicOr, o | v)
CUEMU_ATOMIC(atomicAnd, o &v)
CUEMU_ATOMIC(atomicXor, o ^ v)
CUEMU_ATOMIC(atomicInc, o >= v ? 0 : o + 1)
#undef CUEMU_ATOMIC
template <class T> inline T atomicCAS(T *p, cuemu::as<T> expected, cuemu::as<T> v) {
  return cuemu::atomically(p, [=](T o) { return o == expected ? v : o; });
}
