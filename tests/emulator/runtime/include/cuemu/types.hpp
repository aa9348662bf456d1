// Vector types and the two 16-bit floating-point types with their conversions.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#define CUEMU_VECTORS(T, N)                                                                      \
  struct N##1 {                                                                                  \
    T x;                                                                                         \
  };                                                                                             \
  struct alignas(sizeof(T) * 2) N##2 {                                                           \
    T x, y;                                                                                      \
  };                                                                                             \
  struct N##3 {                                                                                  \
    T x, y, z;                                                                                   \
  };                                                                                             \
  struct alignas(sizeof(T) * 4 > 16 ? 16 : sizeof(T) * 4) N##4 {                                 \
    T x, y, z, w;                                                                                \
  };                                                                                             \
  inline N##2 make_##N##2(T a, T b) { return {a, b}; }                                           \
  inline N##3 make_##N##3(T a, T b, T c) { return {a, b, c}; }                                   \
  inline N##4 make_##N##4(T a, T b, T c, T d) { return {a, b, c, d}; }
CUEMU_VECTORS(float, float)
CUEMU_VECTORS(double, double)
CUEMU_VECTORS(int, int)
CUEMU_VECTORS(short, short)
CUEMU_VECTORS(unsigned short, ushort)
CUEMU_VECTORS(unsigned char, uchar)
CUEMU_VECTORS(long long, longlong)
#undef CUEMU_VECTORS
struct alignas(8) uint2 {
  unsigned x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
inline uint2 make_uint2(unsigned a, unsigned b) { return {a, b}; }
inline uint4 make_uint4(unsigned a, unsigned b, unsigned c, unsigned d) { return {a, b, c, d}; }

namespace cuemu {
template <class T> inline uint64_t to_bits(T v) {
  static_assert(sizeof(T) <= 8, "a value wider than 8 bytes cannot be shuffled");
  uint64_t bits = 0;
  std::memcpy(&bits, &v, sizeof v);
  return bits;
}
template <class T> inline T from_bits(uint64_t bits) {
  T v;
  std::memcpy(static_cast<void *>(&v), &bits, sizeof v);
  return v;
}
} // namespace cuemu

using half = _Float16; // g++ 12 and later on x86-64
using __half = half;
struct alignas(4) half2 {
  half x, y;
};
using __half2 = half2;
inline float __half2float(half h) { return static_cast<float>(h); }
inline half __float2half(float f) { return static_cast<half>(f); }
inline half __float2half_rn(float f) { return static_cast<half>(f); }
inline float2 __half22float2(half2 h) { return {__half2float(h.x), __half2float(h.y)}; }
inline half2 __floats2half2_rn(float a, float b) { return {__float2half(a), __float2half(b)}; }
inline half2 __float22half2_rn(float2 v) { return {__float2half(v.x), __float2half(v.y)}; }
inline half2 __halves2half2(half a, half b) { return {a, b}; }
inline half2 __hmul2(half2 a, half2 b) { return {a.x * b.x, a.y * b.y}; }
inline half2 __hneg2(half2 a) { return {-a.x, -a.y}; }
inline half __hfma(half a, half b, half c) { // the sum in double has every digit that can count
  return static_cast<half>(static_cast<double>(a) * static_cast<double>(b) + static_cast<double>(c));
}
inline half2 __hfma2(half2 a, half2 b, half2 c) { return {__hfma(a.x, b.x, c.x), __hfma(a.y, b.y, c.y)}; }
inline half __low2half(half2 v) { return v.x; }
inline half __high2half(half2 v) { return v.y; }
inline float __low2float(half2 v) { return __half2float(v.x); }
inline float __high2float(half2 v) { return __half2float(v.y); }
inline unsigned short __half_as_ushort(half h) { return cuemu::from_bits<unsigned short>(cuemu::to_bits(h)); }
inline half __ushort_as_half(unsigned short u) { return cuemu::from_bits<half>(u); }

// bfloat16: the upper half of a float, rounded to nearest even; NaN stays NaN.
struct __nv_bfloat16 {
  uint16_t bits;
  __nv_bfloat16() = default;
  __nv_bfloat16(float f) {
    uint32_t u = cuemu::from_bits<uint32_t>(cuemu::to_bits(f));
    bits = std::isnan(f) ? 0x7fff : static_cast<uint16_t>((u + 0x7fff + (u >> 16 & 1)) >> 16);
  }
  operator float() const { return cuemu::from_bits<float>(static_cast<uint64_t>(bits) << 16); }
};
struct alignas(4) __nv_bfloat162 {
  __nv_bfloat16 x, y;
};
using nv_bfloat16 = __nv_bfloat16;
using nv_bfloat162 = __nv_bfloat162;
inline float __bfloat162float(__nv_bfloat16 v) { return v; }
inline __nv_bfloat16 __float2bfloat16(float f) { return f; }
inline __nv_bfloat16 __float2bfloat16_rn(float f) { return f; }
inline float2 __bfloat1622float2(__nv_bfloat162 v) { return {v.x, v.y}; }
inline __nv_bfloat162 __floats2bfloat162_rn(float a, float b) { return {a, b}; }
inline __nv_bfloat162 __float22bfloat162_rn(float2 v) { return {v.x, v.y}; }
inline float __low2float(__nv_bfloat162 v) { return v.x; }
inline float __high2float(__nv_bfloat162 v) { return v.y; }
inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 v) { return v.bits; }
inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short u) {
  return cuemu::from_bits<__nv_bfloat16>(u);
}
