// One launch: block after block, and within a block whichever fiber's turn it is.
//
// Nothing runs at the same time as anything else; what a launch's order changes is who goes first
// between two barriers. Errors of synchronisation end the launch, with the line in the .cu file.
#include <cstdio>
#include <cstdlib>
#include <utility>
#include <vector>

#include "cuemu/copies.hpp"
#include "fibers.hpp"
#include "shared.hpp"

namespace cuemu {

State state;
uint64_t launches = 0;

namespace {

enum Order { FORWARD, REVERSE, RANDOM, WARP_RANDOM };
void (*kernel)(void **) = nullptr;
void **arguments = nullptr;
#if defined(CUEMU_TSAN)
char barrier_order[2], done_order, start_order; // addresses only
#endif

uint64_t random_number() { // xorshift64*
  state.random ^= state.random >> 12;
  state.random ^= state.random << 25;
  state.random ^= state.random >> 27;
  return state.random * 2685821657736338717ull;
}

template <class T> void shuffle_first(T *items, unsigned n) {
  for (unsigned i = n; i > 1; i--) std::swap(items[i - 1], items[random_number() % i]);
}

void wait_for(Wait why, Where at, const char *what) {
  Fiber *me = state.current;
  me->wait = why, me->at = at, me->what = what;
  leave();
}

void body() {
  arrived();
  CUEMU_ACQUIRE(&start_order);
  kernel(arguments);
  CUEMU_RELEASE(&done_order);
  Fiber *me = state.current;
  me->wait = DONE;
  state.live[me->warp] &= ~(1u << me->lane);
  state.alive--;
  leave();
  std::abort();
}

// Lets go on whoever may; false when nobody may.
bool release() {
  bool any = false;
  if (state.alive && state.at_barrier == state.alive) {
    const Fiber *first = nullptr;
    for (unsigned t = 0; t < state.threads; t++) {
      Fiber &fiber = state.fiber[t];
      if (fiber.wait != BLOCK_BARRIER) continue;
      if (first && !(fiber.at == first->at))
        fail("divergent barrier: thread %u of the block is at __syncthreads in line %d, thread %u in line %d",
             first->linear, first->at.line, fiber.linear, fiber.at.line);
      if (!first) first = &fiber;
      fiber.wait = RUN;
    }
    state.at_barrier = 0;
    state.barrier_turn++;
    state.said_yes[state.barrier_turn & 1] = 0;
    any = true;
  }
  for (unsigned w = 0; w < state.warps; w++)
    for (Rendezvous &r : state.meeting[w]) {
      if (!r.arrived || (r.arrived & state.live[w]) != (r.mask & state.live[w])) continue;
      for (unsigned l = 0; l < LANES; l++)
        if (r.arrived >> l & 1) state.fiber[w * LANES + l].wait = RUN;
      r.unread = r.arrived;
      r.arrived = 0;
      r.turn++;
      any = true;
    }
  return any;
}

void report_deadlock() {
  char list[600];
  int used = 0, named = 0;
  for (unsigned t = 0; t < state.threads && named < 4; t++) {
    const Fiber &fiber = state.fiber[t];
    bool same_as_before = t && state.fiber[t - 1].wait == fiber.wait && state.fiber[t - 1].at == fiber.at;
    if (fiber.wait == DONE || same_as_before) continue;
    used += std::snprintf(list + used, sizeof list - used, "%s thread %u waits in %s, line %d",
                          named++ ? ";" : "", t, fiber.what, fiber.at.line);
  }
  fail("deadlock:%s; %u of %u threads have not returned", named ? list : "", state.alive, state.threads);
}

void begin_block(unsigned number, unsigned turn, size_t dynamic_bytes, size_t most_shared_bytes) {
  const dim3 g = state.grid;
  state.block_index = {number % g.x, number / g.x % g.y, number / g.x / g.y};
  begin_shared(dynamic_bytes, most_shared_bytes);
  for (unsigned w = 0; w < state.warps; w++) {
    state.live[w] = 0;
    for (Rendezvous &r : state.meeting[w]) r.mask = r.arrived = r.unread = r.turn = 0;
  }
  state.alive = state.threads;
  state.at_barrier = state.barrier_turn = 0;
  state.said_yes[0] = state.said_yes[1] = 0;
  for (unsigned t = 0; t < state.threads; t++) {
    Fiber &fiber = state.fiber[t];
    // Equal threads of two blocks as one identity would look ordered to the thread sanitizer.
    give_identity(fiber, (t + turn) % state.threads);
    prepare(fiber, body);
    fiber.wait = RUN;
    state.live[fiber.warp] |= 1u << fiber.lane;
  }
  CUEMU_RELEASE(&start_order);
}

void run_block(int order) {
  static unsigned ready[MAX_THREADS];
  while (state.alive && !state.failed) {
    unsigned n = 0;
    for (unsigned t = 0; t < state.threads; t++)
      if (state.fiber[t].wait == RUN) ready[n++] = t;
    if (!n) {
      if (!release()) report_deadlock();
      continue;
    }
    if (order == REVERSE)
      for (unsigned i = 0; i < n / 2; i++) std::swap(ready[i], ready[n - 1 - i]);
    if (order == WARP_RANDOM) { // one warp goes as far as it can while the others stand still
      const unsigned warp = state.fiber[ready[random_number() % n]].warp;
      unsigned kept = 0;
      for (unsigned i = 0; i < n; i++)
        if (state.fiber[ready[i]].warp == warp) ready[kept++] = ready[i];
      n = kept;
    }
    if (order == RANDOM || order == WARP_RANDOM) shuffle_first(ready, n);
    for (unsigned i = 0; i < n && !state.failed; i++) run(state.fiber[ready[i]]);
    if (order == WARP_RANDOM) release();
  }
}

} // namespace

int block_barrier(int predicate, Where at) {
  const unsigned turn = state.barrier_turn & 1;
  state.at_barrier++;
  state.said_yes[turn] += predicate != 0;
  CUEMU_RELEASE(&barrier_order[turn]);
  wait_for(BLOCK_BARRIER, at, "__syncthreads");
  CUEMU_ACQUIRE(&barrier_order[turn]);
  return state.said_yes[turn];
}

Rendezvous &meet(unsigned mask, uint64_t bits, Where at, const char *what, unsigned &turn,
                             bool orders_memory) {
  Fiber *me = state.current;
  if (!(mask >> me->lane & 1))
    fail("wrong mask: lane %u is not in its own mask 0x%08x of %s, line %d", me->lane, mask, what, at.line);
  Rendezvous *r = state.meeting[me->warp], *last = r + MAX_MASKS - 1;
  while (r < last && r->mask && r->mask != mask) r++;
  if (r->mask && r->mask != mask) {
    // A meeting that is over gives its place away.
    for (r = state.meeting[me->warp]; r < last && (r->arrived | r->unread); r++) {}
    if (r->arrived | r->unread) fail("more than %u masks in use in one warp, line %d", MAX_MASKS, at.line);
  }
  r->mask = mask;
  turn = r->turn & 1;
  if (!r->arrived) {
    r->at = at;
    r->have[turn] = 0;
  } else if (!(r->at == at)) {
    fail("divergent warp: lanes of warp %u meet in lines %d and %d (%s)", me->warp, r->at.line, at.line, what);
  }
  r->arrived |= 1u << me->lane;
  r->have[turn] |= 1u << me->lane;
  r->slot[turn][me->lane] = bits;
  if (orders_memory) CUEMU_RELEASE(&r->slot[turn]);
  wait_for(WARP_OPERATION, at, what);
  r->unread &= ~(1u << me->lane);
  if (orders_memory) CUEMU_ACQUIRE(&r->slot[turn]);
  return *r;
}

void stop(const char *what, Where at) {
  fail("%s in line %d", what, at.line);
  wait_for(BLOCK_BARRIER, at, what);
  std::abort();
}

int launch(void (*entry)(void **), void **args, dim3 grid, dim3 block, size_t dynamic_bytes,
                       size_t most_shared_bytes, uint64_t seed, int order) {
  state.grid = grid, state.block = block;
  state.threads = block.x * block.y * block.z;
  state.warps = (state.threads + LANES - 1) / LANES;
  state.failed = false;
  state.random = seed * 0x9E3779B97F4A7C15ull + 1;
  kernel = entry, arguments = args;
  launches++;
  for (unsigned t = 0; t < state.threads; t++) {
    Fiber &fiber = state.fiber[t];
    fiber.linear = t, fiber.lane = t % LANES, fiber.warp = t / LANES;
    fiber.index = {t % block.x, t / block.x % block.y, t / (block.x * block.y)};
  }
  make_stacks(state.threads);
  make_identities(state.threads);
  const unsigned blocks = grid.x * grid.y * grid.z;
  std::vector<unsigned> numbers(blocks);
  for (unsigned i = 0; i < blocks; i++) numbers[i] = order == REVERSE ? blocks - 1 - i : i;
  if (order == RANDOM || order == WARP_RANDOM) shuffle_first(numbers.data(), blocks);
  for (unsigned i = 0; i < blocks && !state.failed; i++) {
    begin_block(numbers[i], i, dynamic_bytes, most_shared_bytes);
    run_block(order);
    end_shared();
  }
  CUEMU_ACQUIRE(&done_order);
  forget_shared();
  return state.failed;
}

} // namespace cuemu
