#include "isa/kernels.h"

#define SAILS_STRING_(x) #x
#define SAILS_STRING(x) SAILS_STRING_(x)

namespace sails::SAILS_ISA {

extern const ElementwiseKernels elementwise_kernels;

const Kernels &kernels() {
  static const Kernels table = {
      SAILS_STRING(SAILS_ISA),
      &elementwise_kernels,
  };
  return table;
}

}  // namespace sails::SAILS_ISA
