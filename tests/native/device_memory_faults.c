// Stands before a library of sails.h and lets an allocation of device memory fail, as where a card is full. The calling program asks for
// it by fail_allocation(n): the n-th one from then on (0: the next) is asked of the library with a size that it cannot have. Everything
// else is the library's, which this one is linked to.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdint.h>

#include "sails.h"

static atomic_llong left = -1;

SAILS_API void fail_allocation(int64_t n) { left = n; }

int32_t sails_alloc(sails_device *device, void **out_pointer, int64_t bytes) {
  int32_t (*library)(sails_device *, void **, int64_t) = (int32_t(*)(sails_device *, void **, int64_t))dlsym(RTLD_NEXT, "sails_alloc");
  const int fails = left >= 0 && left-- == 0;
  return library(device, out_pointer, fails ? INT64_C(1) << 61 : bytes);
}
