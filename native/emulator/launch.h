// Runs all blocks of a kernel on a few OS threads.
#pragma once

#include <string>

#include "emulator/host_runtime.h"

namespace sails_emulator {

// The sentence of the first failed block (in block order of discovery), "" if all went well. `before`, where given, runs when the threads of
// the first cluster wait for the grids before, or have ended without; the other clusters come later.
std::string run_kernel(const KernelCall &call, uint64_t seed, int threads, const std::function<void()> &before = nullptr);

}  // namespace sails_emulator
