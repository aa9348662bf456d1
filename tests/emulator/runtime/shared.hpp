// The shared memory of the block that runs, and what went wrong.
#pragma once
#include <cstddef>

namespace cuemu {
void begin_shared(size_t dynamic_bytes, size_t most_bytes);
void end_shared();    // checks the guards
void forget_shared(); // after the last block of a launch
} // namespace cuemu
