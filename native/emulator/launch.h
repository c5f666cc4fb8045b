// Runs all blocks of a kernel on a few OS threads.
#pragma once

#include <string>

#include "emulator/host_runtime.h"

namespace sails_emulator {

// The sentence of the first failed block (in block order of discovery), "" if all went well.
std::string run_kernel(const KernelCall &call, uint64_t seed, int threads);

}  // namespace sails_emulator
