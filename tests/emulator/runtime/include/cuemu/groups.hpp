// Cooperative groups: the block, and tiles of a power of two of lanes.
#pragma once
#include "threads.hpp"

namespace cooperative_groups {
struct thread_block {
  void sync(CUEMU_HERE) const { __syncthreads(here_); }
  unsigned thread_rank() const { return cuemu::state.current->linear; }
  unsigned size() const { return cuemu::state.threads; }
  unsigned num_threads() const { return cuemu::state.threads; }
};
inline thread_block this_thread_block() { return {}; }

template <unsigned N> struct thread_block_tile {
  unsigned mask() const { return N == 32 ? ~0u : ((1u << N % 32) - 1) << (__lane_id() & ~(N - 1)); }
  unsigned thread_rank() const { return __lane_id() % N; }
  unsigned meta_group_rank() const { return cuemu::state.current->linear / N; }
  static constexpr unsigned size() { return N; }
  static constexpr unsigned num_threads() { return N; }
  void sync(CUEMU_HERE) const { __syncwarp(mask(), here_); }
  template <class T> T shfl(T v, int source, CUEMU_HERE) const {
    return __shfl_sync(mask(), v, source, N, here_);
  }
  template <class T> T shfl_xor(T v, int with, CUEMU_HERE) const {
    return __shfl_xor_sync(mask(), v, with, N, here_);
  }
  template <class T> T shfl_down(T v, unsigned by, CUEMU_HERE) const {
    return __shfl_down_sync(mask(), v, by, N, here_);
  }
  template <class T> T shfl_up(T v, unsigned by, CUEMU_HERE) const {
    return __shfl_up_sync(mask(), v, by, N, here_);
  }
  int any(int p, CUEMU_HERE) const { return __any_sync(mask(), p, here_); }
  int all(int p, CUEMU_HERE) const { return __all_sync(mask(), p, here_); }
  unsigned ballot(int p, CUEMU_HERE) const {
    return __ballot_sync(mask(), p, here_) >> (__lane_id() & ~(N - 1));
  }
};
template <unsigned N> inline thread_block_tile<N> tiled_partition(const thread_block &) { return {}; }

template <class T> struct plus {
  T operator()(T a, T b) const { return a + b; }
};
template <unsigned N, class T, class Operation>
inline T reduce(const thread_block_tile<N> &tile, T v, Operation operation, CUEMU_HERE) {
  for (int o = N / 2; o; o /= 2) v = operation(v, tile.shfl_xor(v, o, here_));
  return v;
}
} // namespace cooperative_groups
