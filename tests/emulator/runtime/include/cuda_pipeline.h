// In place of CUDA's header of this name; cuemu.hpp has what it declares.
#pragma once
