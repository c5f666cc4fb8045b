// The table of vector kernels, filled once for each instruction set and chosen once when the device opens.
//
// Rules for isa/*.cpp, which are compiled once per instruction set (SAILS_ISA = generic, avx2, avx512):
//   - everything lives in namespace sails::SAILS_ISA, helpers in anonymous namespaces or `static`;
//   - no std templates (<vector>, <algorithm>, std::min ...): the linker keeps one copy of an inline function, and if that copy
//     was compiled for AVX-512 it would crash elsewhere. <cmath>, <cstring> and <cstdint> functions are fine;
//   - no allocation: buffers and workspaces come from the shell; threads by `#pragma omp parallel for num_threads(threads)
//     schedule(static)`, results not depending on who computes what;
//   - arguments were checked by the shell.
#pragma once

#include <cstdint>

namespace sails {

struct Kernels;

// One accessor per instruction set, defined in isa/table.cpp.
namespace generic {
const Kernels &kernels();
}
namespace avx2 {
const Kernels &kernels();
}
namespace avx512 {
const Kernels &kernels();
}

struct ElementwiseKernels {
  void (*convert)(void *destination, const void *source, int64_t n, int32_t destination_dtype, int32_t source_dtype, int threads);
};

// One member per file of isa/, each a struct of function pointers declared above and defined in that file as
// `extern const XKernels x_kernels;` inside namespace SAILS_ISA.
struct Kernels {
  const char *name;
  const ElementwiseKernels *elementwise;
};

}  // namespace sails
