// Fibers: making one, and switching between the scheduler and one of them.
#pragma once
#include "cuemu/state.hpp"

namespace cuemu {

constexpr size_t STACK_BYTES = 128 * 1024;

void make_stacks(unsigned threads);            // in state.fiber[...].stack, kept for later launches
void prepare(Fiber &fiber, void (*body)());    // it starts there when it is first run
void run(Fiber &fiber);                        // from the scheduler, until the fiber leaves
void leave();                                  // from the fiber, back to the scheduler
void arrived();                                // first call in a fiber

// The thread sanitizer knows a fiber by an identity of its own.
void make_identities(unsigned threads);
void give_identity(Fiber &fiber, unsigned which);

} // namespace cuemu
