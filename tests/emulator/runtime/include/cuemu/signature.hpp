// A kernel's parameters as text, and its call from an array of pointers as cuLaunchKernel takes them.
#pragma once
#include <string>
#include <type_traits>
#include <utility>

#include "state.hpp"
#include "types.hpp"

namespace cuemu {
template <class T> std::string type_name() {
  using U = std::remove_cv_t<std::remove_pointer_t<std::remove_cv_t<T>>>;
  std::string name = "?";
  if constexpr (std::is_same_v<U, float>) name = "float32";
  else if constexpr (std::is_same_v<U, double>) name = "float64";
  else if constexpr (std::is_same_v<U, half>) name = "float16";
  else if constexpr (std::is_same_v<U, __nv_bfloat16>) name = "uint16"; // NumPy has no bfloat16
  else if constexpr (std::is_same_v<U, bool>) name = "bool";
  else if constexpr (std::is_integral_v<U>)
    name = (std::is_signed_v<U> ? "int" : "uint") + std::to_string(8 * sizeof(U));
  return (std::is_pointer_v<T> ? "*" : "") + name;
}
template <auto K> struct Kernel;
template <class... A, void (*K)(A...)> struct Kernel<K> {
  template <size_t... I> static void call(void **a, std::index_sequence<I...>) {
    K(*static_cast<std::remove_const_t<A> *>(a[I])...);
  }
  static void entry(void **a) { call(a, std::index_sequence_for<A...>()); }
  static std::string signature() {
    std::string names;
    ((names += type_name<A>() + ","), ...);
    return names;
  }
};
} // namespace cuemu

#define CUEMU_EXPORT(symbol, ...)                                                                \
  extern "C" int launch_##symbol(const unsigned *d, size_t dynamic, size_t most, void **a,       \
                                 uint64_t seed, int order) {                                     \
    return cuemu::launch(cuemu::Kernel<__VA_ARGS__>::entry, a, dim3(d[0], d[1], d[2]),           \
                         dim3(d[3], d[4], d[5]), dynamic, most, seed, order);                    \
  }                                                                                              \
  extern "C" const char *signature_##symbol() {                                                  \
    static std::string s = cuemu::Kernel<__VA_ARGS__>::signature();                              \
    return s.c_str();                                                                            \
  }
