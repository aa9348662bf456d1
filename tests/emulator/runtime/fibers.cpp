// x86-64 switches in ten instructions of assembly, other processors by ucontext (slower).
#include "fibers.hpp"

#include <sys/mman.h>

#include <cstdlib>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace cuemu {
namespace {

constexpr size_t PAGE = 4096;
char *pool = nullptr;
unsigned stacks = 0;
#if defined(__SANITIZE_ADDRESS__)
void *scheduler_fake = nullptr;
const void *scheduler_bottom = nullptr;
size_t scheduler_size = 0;
#endif
#if defined(CUEMU_TSAN)
void *scheduler_identity = nullptr;
void *identities[MAX_THREADS];
unsigned identities_made = 0;
#endif

#if defined(__x86_64__)
void *scheduler_saved = nullptr;
extern "C" void cuemu_switch(void **save, void *load);
asm(R"(
.text
.globl cuemu_switch
.hidden cuemu_switch
.type cuemu_switch,@function
cuemu_switch:
  pushq %rbp; pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; popq %rbp
  ret
.size cuemu_switch,.-cuemu_switch
)");
#else
ucontext_t scheduler_context, contexts[MAX_THREADS];
#endif

} // namespace

void make_stacks(unsigned threads) {
  if (!pool) {
    // Below each stack a page that may not be touched: an overflow is a crash, not a wrong result.
    pool = static_cast<char *>(mmap(nullptr, MAX_THREADS * (STACK_BYTES + PAGE), PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    if (pool == MAP_FAILED) std::abort();
  }
  for (; stacks < threads; stacks++) mprotect(pool + stacks * (STACK_BYTES + PAGE), PAGE, PROT_NONE);
  for (unsigned t = 0; t < threads; t++)
    state.fiber[t].stack = pool + t * (STACK_BYTES + PAGE) + PAGE;
}

void prepare(Fiber &fiber, void (*body)()) {
#if defined(__x86_64__)
  void **top = reinterpret_cast<void **>(fiber.stack + STACK_BYTES);
  *--top = nullptr; // no return address; a function starts with rsp = 8 mod 16
  *--top = reinterpret_cast<void *>(body);
  for (int i = 0; i < 6; i++) *--top = nullptr; // rbp rbx r12 to r15
  fiber.saved = top;
#else
  ucontext_t &context = contexts[&fiber - state.fiber];
  getcontext(&context);
  context.uc_stack.ss_sp = fiber.stack;
  context.uc_stack.ss_size = STACK_BYTES;
  context.uc_link = nullptr;
  makecontext(&context, body, 0);
#endif
#if defined(__SANITIZE_ADDRESS__)
  fiber.fake = nullptr;
  __asan_unpoison_memory_region(fiber.stack, STACK_BYTES);
#endif
}

void run(Fiber &fiber) {
  state.current = &fiber;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&scheduler_fake, fiber.stack, STACK_BYTES);
#endif
#if defined(CUEMU_TSAN)
  __tsan_switch_to_fiber(fiber.identity, __tsan_switch_to_fiber_no_sync);
#endif
#if defined(__x86_64__)
  cuemu_switch(&scheduler_saved, fiber.saved);
#else
  swapcontext(&scheduler_context, &contexts[&fiber - state.fiber]);
#endif
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(scheduler_fake, nullptr, nullptr);
#endif
}

void leave() {
  Fiber *me = state.current;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(me->wait == DONE ? nullptr : &me->fake, scheduler_bottom, scheduler_size);
#endif
#if defined(CUEMU_TSAN)
  __tsan_switch_to_fiber(scheduler_identity, __tsan_switch_to_fiber_no_sync);
#endif
#if defined(__x86_64__)
  cuemu_switch(&me->saved, scheduler_saved);
#else
  swapcontext(&contexts[me - state.fiber], &scheduler_context);
#endif
  arrived();
}

void arrived() {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(state.current->fake, &scheduler_bottom, &scheduler_size);
#endif
}

void make_identities(unsigned threads) {
#if defined(CUEMU_TSAN)
  scheduler_identity = __tsan_get_current_fiber();
  for (; identities_made < threads; identities_made++)
    identities[identities_made] = __tsan_create_fiber(0);
#else
  (void)threads;
#endif
}

void give_identity(Fiber &fiber, unsigned which) {
#if defined(CUEMU_TSAN)
  fiber.identity = identities[which];
  fiber.stack = pool + which * (STACK_BYTES + PAGE) + PAGE; // a stack belongs to one identity
#else
  (void)fiber, (void)which;
#endif
}

} // namespace cuemu
