// Stands in for the CUDA toolkit's header of this name when kernels/ and native/cuda are compiled by the host compiler.
//
// It holds what those sources use and no more: a name that is missing here is a name that nobody has thought through yet. There are no
// float atomics, because sums must not depend on the order of threads.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "emulator/device_runtime.h"
#include "emulator/hopper.h"
#include "emulator/host_runtime.h"
