// [dynamic][guard][static array][guard]...: all 0xFF at the start of a block (float NaN, int -1), the
// guards poisoned for the address sanitizer and compared at the end of the block.
#include "shared.hpp"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "cuemu/state.hpp"
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define CUEMU_FORBID(p, n) __asan_poison_memory_region(p, n)
#define CUEMU_ALLOW(p, n) __asan_unpoison_memory_region(p, n)
#else
#define CUEMU_FORBID(p, n) ((void)0)
#define CUEMU_ALLOW(p, n) ((void)0)
#endif

namespace cuemu {
namespace {

constexpr size_t GUARD = 256;
struct Array {
  void *tag;
  unsigned char *memory;
  size_t bytes;
};
Array arrays[MAX_STATICS];
unsigned arrays_used = 0;
unsigned char *arena = nullptr;
size_t arena_bytes = 0, used = 0, dynamic_size = 0, static_size = 0, most = 0;
char message[800];

size_t rounded(size_t n) { return (n + 127) / 128 * 128; }

void check_guard(const unsigned char *memory, size_t bytes, const char *what) {
  for (size_t i = bytes; i < rounded(bytes) + GUARD; i++)
    if (memory[i] != 0xFF) {
      fail("out of bounds: byte %zu of %zu bytes of %s shared memory was written in block (%u, %u)", i,
           bytes, what, state.block_index.x, state.block_index.y);
      return;
    }
}

} // namespace

void fail(const char *format, ...) {
  if (state.failed) return;
  va_list values;
  va_start(values, format);
  std::vsnprintf(message, sizeof message, format, values);
  va_end(values);
  state.failed = true;
}

void *block_static(void *tag, size_t bytes) {
  for (unsigned i = 0; i < arrays_used; i++)
    if (arrays[i].tag == tag) return arrays[i].memory;
  static_size += bytes;
  if (static_size > STATIC_BYTES || static_size + dynamic_size > most)
    fail("too much shared memory: %zu bytes static and %zu dynamic; a block may have %zu, static %zu",
         static_size, dynamic_size, most, STATIC_BYTES);
  if (arrays_used == MAX_STATICS || used + rounded(bytes) + GUARD > arena_bytes) {
    std::fprintf(stderr, "emulator: no room for a static shared array of %zu bytes\n", bytes);
    std::abort();
  }
  unsigned char *memory = arena + used;
  used += rounded(bytes) + GUARD;
  arrays[arrays_used++] = {tag, memory, bytes};
  CUEMU_ALLOW(memory, bytes);
  return memory;
}

// Under the thread sanitizer memory is not given back between blocks: reuse would order them.
#if defined(CUEMU_TSAN)
static std::vector<unsigned char *> kept;
#endif

void begin_shared(size_t dynamic_bytes, size_t most_bytes) {
  dynamic_size = dynamic_bytes, most = most_bytes, static_size = 0;
  arrays_used = 0;
  used = rounded(dynamic_bytes) + GUARD;
  const size_t needed = used + 2 * STATIC_BYTES + MAX_STATICS * GUARD;
#if defined(CUEMU_TSAN)
  arena = nullptr;
#endif
  if (!arena || needed > arena_bytes) {
    std::free(arena);
    arena_bytes = needed;
    arena = static_cast<unsigned char *>(std::aligned_alloc(128, needed));
    std::memset(arena, 0xFF, arena_bytes);
  }
  state.dynamic = arena;
  CUEMU_FORBID(arena, arena_bytes);
  CUEMU_ALLOW(arena, dynamic_bytes);
}

void end_shared() {
  CUEMU_ALLOW(arena, arena_bytes);
  check_guard(arena, dynamic_size, "dynamic");
  for (unsigned i = 0; i < arrays_used; i++)
    check_guard(arrays[i].memory, arrays[i].bytes, "static");
#if defined(CUEMU_TSAN)
  kept.push_back(arena);
#else
  std::memset(arena, 0xFF, used);
#endif
}

void forget_shared() {
#if defined(CUEMU_TSAN)
  for (unsigned char *memory : kept) std::free(memory);
  kept.clear();
  arena = nullptr;
#endif
}

} // namespace cuemu

extern "C" const char *cuemu_last_error() { return cuemu::message; }
