// cp.async: a copy happens as late as the program allows, at the wait that asks for it, and its
// destination is NaN from the moment it is issued, so that a missing wait or barrier reads NaN. Both are
// writes of the lane that issued it, which the thread sanitizer sees: a lane that reads what another one
// copied must have met it at a barrier since, and so must one that copies to where others have read.
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

// The threads' own writes, by words: of what memcpy and memset do the thread sanitizer hears nothing,
// for it takes Python's calls to them, which it must not watch, for everybody's.
struct __attribute__((may_alias)) Word {
  uint32_t bits;
};
inline void fill(void *to, size_t bytes, uint32_t bits) {
  for (size_t i = 0; i < bytes / 4; i++) static_cast<volatile Word *>(to)[i].bits = bits;
}
inline void deliver(const Copy &c) {
  Word words[4] = {};
  unsigned char *bytes = reinterpret_cast<unsigned char *>(words);
  for (size_t k = 0; k < c.bytes - c.zeros; k++) bytes[k] = static_cast<const unsigned char *>(c.from)[k];
  for (size_t i = 0; i < c.bytes / 4; i++) static_cast<volatile Word *>(c.to)[i].bits = words[i].bits;
}
// Notes the copy in the thread's queue; false where there is no room. Not watched: it is the emulator's.
CUEMU_QUIET inline bool enqueue(const Copy &c) {
  Pipeline &p = pipeline();
  if (p.length == 256) return false;
  p.queue[p.length] = c;
  p.queue[p.length++].group = p.group;
  return true;
}
// Takes the oldest copy of all groups but the last `keep` from the queue; false where there is none.
CUEMU_QUIET inline bool dequeue(unsigned keep, Copy &c) {
  Pipeline &p = pipeline();
  if (!p.length || p.queue[0].group + keep >= p.group) return false; // groups ascend
  c = p.queue[0];
  p.length--;
  for (unsigned i = 0; i < p.length; i++) p.queue[i] = p.queue[i + 1];
  return true;
}
} // namespace cuemu

inline void __pipeline_memcpy_async(void *to, const void *from, size_t bytes, size_t zeros = 0) {
  if ((bytes != 4 && bytes != 8 && bytes != 16) || reinterpret_cast<uintptr_t>(to) % bytes ||
      reinterpret_cast<uintptr_t>(from) % bytes || zeros > bytes)
    cuemu::fail("__pipeline_memcpy_async: %zu bytes must be 4, 8 or 16, and aligned", bytes);
  if (!cuemu::enqueue({to, from, bytes, zeros, 0})) {
    cuemu::fail("__pipeline_memcpy_async: more than 256 copies under way in one thread");
    return;
  }
  cuemu::fill(to, bytes, 0xFFFFFFFFu);
}
CUEMU_QUIET inline void __pipeline_commit() { cuemu::pipeline().group++; }
inline void __pipeline_wait_prior(unsigned keep) {
  cuemu::Copy c;
  while (cuemu::dequeue(keep, c)) cuemu::deliver(c);
}
