// cp.async: a copy happens as late as the program allows, at the wait that asks for it, and its
// destination is NaN from the moment it is issued, so that a missing wait or barrier reads NaN.
#pragma once
#include "state.hpp"
#include "types.hpp"

namespace cuemu {
struct Copy {
  void *to;
  const void *from;
  size_t bytes, zeros;
  unsigned group;
};
struct Pipeline {
  uint3 block;
  uint64_t launch;
  Copy queue[256];
  unsigned length, group;
};
inline Pipeline pipelines[MAX_THREADS];
extern uint64_t launches; // how many there were: a block starts with an empty pipeline

CUEMU_QUIET inline Pipeline &pipeline() {
  Pipeline &p = pipelines[state.current->linear];
  const uint3 b = state.block_index;
  if (p.launch != launches || p.block.x != b.x || p.block.y != b.y || p.block.z != b.z) {
    p.launch = launches, p.block = b;
    p.length = p.group = 0;
  }
  return p;
}
} // namespace cuemu

inline void __pipeline_memcpy_async(void *to, const void *from, size_t bytes, size_t zeros = 0) {
  if ((bytes != 4 && bytes != 8 && bytes != 16) || reinterpret_cast<uintptr_t>(to) % bytes ||
      reinterpret_cast<uintptr_t>(from) % bytes || zeros > bytes)
    cuemu::fail("__pipeline_memcpy_async: %zu bytes must be 4, 8 or 16, and aligned", bytes);
  cuemu::Pipeline &p = cuemu::pipeline();
  if (p.length == 256) {
    cuemu::fail("__pipeline_memcpy_async: more than 256 copies under way in one thread");
    return;
  }
  std::memset(to, 0xFF, bytes);
  p.queue[p.length++] = {to, from, bytes, zeros, p.group};
}
inline void __pipeline_commit() { cuemu::pipeline().group++; }
inline void __pipeline_wait_prior(unsigned keep) {
  cuemu::Pipeline &p = cuemu::pipeline();
  unsigned left = 0;
  for (unsigned i = 0; i < p.length; i++) {
    const cuemu::Copy c = p.queue[i];
    if (c.group + keep < p.group) {
      std::memcpy(c.to, c.from, c.bytes - c.zeros);
      std::memset(static_cast<char *>(c.to) + c.bytes - c.zeros, 0, c.zeros);
    } else {
      p.queue[left++] = c;
    }
  }
  p.length = left;
}
