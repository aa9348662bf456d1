// Thread indices, barriers, and the operations in which the lanes of a warp meet.
#pragma once
#include "state.hpp"
#include "types.hpp"

#define threadIdx (cuemu::state.current->index)
#define blockIdx (cuemu::state.block_index)
#define blockDim (cuemu::state.block)
#define gridDim (cuemu::state.grid)
constexpr int warpSize = 32;

inline void __syncthreads(CUEMU_HERE) { cuemu::block_barrier(0, here_); }
inline int __syncthreads_count(int p, CUEMU_HERE) { return cuemu::block_barrier(p, here_); }
inline int __syncthreads_or(int p, CUEMU_HERE) { return cuemu::block_barrier(p, here_) > 0; }
inline int __syncthreads_and(int p, CUEMU_HERE) { return cuemu::block_barrier(!p, here_) == 0; }
inline void __syncwarp(unsigned mask = ~0u, CUEMU_HERE) {
  unsigned turn;
  cuemu::meet(mask, 0, here_, "__syncwarp", turn, true);
}
// Optimistic: every lane that has not returned.
inline unsigned __activemask() { return cuemu::state.live[cuemu::state.current->warp]; }
inline unsigned __lane_id() { return cuemu::state.current->lane; }
[[noreturn]] inline void __trap(CUEMU_HERE) { cuemu::stop("__trap", here_); }

namespace cuemu {
// The value that lane `source` brought; -1 is one's own, as CUDA has it for a lane out of range.
template <class T>
CUEMU_QUIET inline T shuffle(unsigned mask, T v, int source, Where at, const char *what) {
  unsigned turn;
  Rendezvous &r = meet(mask, to_bits(v), at, what, turn, false);
  if (source < 0) source = static_cast<int>(state.current->lane);
  // A lane that did not come has no defined value: NaN here.
  return from_bits<T>(r.have[turn] >> source & 1 ? r.slot[turn][source] : ~0ull);
}
} // namespace cuemu

template <class T> inline T __shfl_sync(unsigned m, T v, int source, int width = 32, CUEMU_HERE) {
  const int base = static_cast<int>(__lane_id()) & ~(width - 1);
  return cuemu::shuffle(m, v, base + (source & (width - 1)), here_, "__shfl_sync");
}
template <class T> inline T __shfl_xor_sync(unsigned m, T v, int with, int width = 32, CUEMU_HERE) {
  const int lane = static_cast<int>(__lane_id()), source = lane ^ with;
  const bool outside = (source | (width - 1)) > (lane | (width - 1));
  return cuemu::shuffle(m, v, outside ? -1 : source, here_, "__shfl_xor_sync");
}
template <class T>
inline T __shfl_down_sync(unsigned m, T v, unsigned by, int width = 32, CUEMU_HERE) {
  const int lane = static_cast<int>(__lane_id()), step = static_cast<int>(by);
  const bool outside = (lane & (width - 1)) + step >= width;
  return cuemu::shuffle(m, v, outside ? -1 : lane + step, here_, "__shfl_down_sync");
}
template <class T>
inline T __shfl_up_sync(unsigned m, T v, unsigned by, int width = 32, CUEMU_HERE) {
  const int lane = static_cast<int>(__lane_id()), step = static_cast<int>(by);
  const bool outside = (lane & (width - 1)) < step;
  return cuemu::shuffle(m, v, outside ? -1 : lane - step, here_, "__shfl_up_sync");
}

CUEMU_QUIET inline unsigned __ballot_sync(unsigned m, int p, CUEMU_HERE) {
  unsigned turn, votes = 0;
  cuemu::Rendezvous &r = cuemu::meet(m, p != 0, here_, "__ballot_sync", turn, false);
  for (unsigned l = 0; l < 32; l++)
    if (r.have[turn] >> l & 1 && r.slot[turn][l]) votes |= 1u << l;
  return votes;
}
inline unsigned __reduce_max_sync(unsigned m, unsigned v, CUEMU_HERE) {
  for (int o = 16; o > 0; o >>= 1) { // of a whole warp
    const unsigned other = __shfl_xor_sync(m, v, o, 32, here_);
    if (other > v) v = other;
  }
  return v;
}
inline int __any_sync(unsigned m, int p, CUEMU_HERE) { return __ballot_sync(m, p, here_) != 0; }
inline int __all_sync(unsigned m, int p, CUEMU_HERE) { return __ballot_sync(m, !p, here_) == 0; }

namespace cuemu {
template <class T, class Combine>
CUEMU_QUIET inline T reduce(unsigned m, T v, Combine combine, Where at, const char *what) {
  unsigned turn;
  Rendezvous &r = meet(m, to_bits(v), at, what, turn, false);
  bool first = true;
  T result = v;
  for (unsigned l = 0; l < LANES; l++) {
    if (!(r.have[turn] >> l & 1)) continue;
    const T other = from_bits<T>(r.slot[turn][l]);
    result = first ? other : combine(result, other);
    first = false;
  }
  return result;
}
} // namespace cuemu
template <class T> inline T __reduce_add_sync(unsigned m, T v, CUEMU_HERE) {
  return cuemu::reduce(m, v, [](T a, T b) { return a + b; }, here_, "__reduce_add_sync");
}
template <class T> inline T __reduce_max_sync(unsigned m, T v, CUEMU_HERE) {
  return cuemu::reduce(m, v, [](T a, T b) { return a < b ? b : a; }, here_, "__reduce_max_sync");
}
template <class T> inline T __reduce_min_sync(unsigned m, T v, CUEMU_HERE) {
  return cuemu::reduce(m, v, [](T a, T b) { return b < a ? b : a; }, here_, "__reduce_min_sync");
}
template <class T> CUEMU_QUIET inline unsigned __match_any_sync(unsigned m, T v, CUEMU_HERE) {
  unsigned turn, equal = 0;
  const uint64_t bits = cuemu::to_bits(v);
  cuemu::Rendezvous &r = cuemu::meet(m, bits, here_, "__match_any_sync", turn, false);
  for (unsigned l = 0; l < 32; l++)
    if (r.have[turn] >> l & 1 && r.slot[turn][l] == bits) equal |= 1u << l;
  return equal;
}
