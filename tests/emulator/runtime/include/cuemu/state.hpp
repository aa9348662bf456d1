// The state of the one block that is running, shared by the kernels and the runtime.
#pragma once
#include <cstddef>
#include <cstdint>

struct uint3 {
  unsigned x, y, z;
};
struct dim3 {
  unsigned x, y, z;
  dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
};

#if defined(CUEMU_TSAN)
#include <sanitizer/tsan_interface.h>
#define CUEMU_RELEASE(p) __tsan_release(p)
#define CUEMU_ACQUIRE(p) __tsan_acquire(p)
#define CUEMU_QUIET __attribute__((no_sanitize("thread")))
#else
#define CUEMU_RELEASE(p) ((void)0)
#define CUEMU_ACQUIRE(p) ((void)0)
#define CUEMU_QUIET
#endif

namespace cuemu {

constexpr unsigned MAX_THREADS = 1024, MAX_WARPS = 32, LANES = 32;
constexpr unsigned MAX_MASKS = 16; // different masks in use in one warp of one block
constexpr unsigned MAX_STATICS = 64;
constexpr size_t STATIC_BYTES = 48 * 1024;

enum Wait : uint8_t { RUN, BLOCK_BARRIER, WARP_OPERATION, DONE };

// Where an operation stands in the source; the default argument is evaluated at the call.
struct Where {
  const char *file;
  int line;
  bool operator==(const Where &other) const { return line == other.line; }
};
#define CUEMU_HERE cuemu::Where here_ = {__builtin_FILE(), __builtin_LINE()}

struct Fiber {
  uint3 index{};
  unsigned linear = 0, lane = 0, warp = 0;
  Wait wait = DONE;
  Where at{};
  const char *what = "";
  char *stack = nullptr;
  void *saved = nullptr;     // stack pointer while it stands still
  void *fake = nullptr;      // the address sanitizer's stack
  void *identity = nullptr;  // the thread sanitizer's fiber
};

// Lanes of one warp that meet under one mask. Two buffers: a lane can be one operation ahead.
struct Rendezvous {
  unsigned mask = 0, arrived = 0, turn = 0;
  unsigned unread = 0; // lanes that were released and have not run since
  Where at{};
  uint64_t slot[2][LANES];
  unsigned have[2] = {0, 0};
};

struct State {
  dim3 grid, block;
  uint3 block_index{};
  Fiber *current = nullptr;
  // Plain arrays: what fibers touch must not go through instrumented containers.
  Fiber fiber[MAX_THREADS];
  unsigned threads = 0, warps = 0;
  Rendezvous meeting[MAX_WARPS][MAX_MASKS];
  unsigned live[MAX_WARPS] = {}; // per warp: lanes that have not returned
  unsigned alive = 0, at_barrier = 0, barrier_turn = 0;
  int said_yes[2] = {0, 0};
  unsigned char *dynamic = nullptr;
  uint64_t random = 1;
  bool failed = false;
};

extern State state;

void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
int block_barrier(int predicate, Where at);
Rendezvous &meet(unsigned mask, uint64_t bits, Where at, const char *what, unsigned &turn,
                 bool orders_memory);
void *block_static(void *tag, size_t bytes);
[[noreturn]] void stop(const char *what, Where at);
int launch(void (*entry)(void **), void **args, dim3 grid, dim3 block, size_t dynamic_bytes,
           size_t most_shared_bytes, uint64_t seed, int order);

} // namespace cuemu
