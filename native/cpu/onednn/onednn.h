// The boundary to libsails_onednn, the one library that needs oneDNN: libsails_cpu opens it when a device opens and does without where it
// is not there. Plain functions, a status from each, nothing thrown across.
#pragma once

#include <cstdint>

#include "cpu/matmul.h"

namespace sails {

struct OnednnMatmul;  // oneDNN's engine and the primitives compiled so far

// Where a failure's sentence goes.
struct OnednnError {
  char text[512];
};

struct OnednnTable {
  int32_t (*open)(OnednnMatmul **out, OnednnError *error);
  void (*close)(OnednnMatmul *matmul);
  // oneDNN's version and the instruction set that it uses; a text that stays.
  const char *(*name)(OnednnMatmul *matmul);
  // Scratch memory of a product; -1 where oneDNN has no implementation for this type on this CPU.
  int32_t (*scratch_bytes)(OnednnMatmul *matmul, int64_t *out_bytes, const MatmulShape *shape, float alpha, float beta, int32_t threads,
                           OnednnError *error);
  // *out_done is 0, and nothing else happens, where scratch_bytes says -1.
  int32_t (*run)(OnednnMatmul *matmul, int32_t *out_done, void *c, const void *a, const void *b, const MatmulShape *shape, float alpha,
                 float beta, int32_t threads, void *workspace, int64_t workspace_bytes, OnednnError *error);
};

// The name of the one symbol, a function of type OnednnTableFunction.
constexpr const char *kOnednnTableSymbol = "sails_onednn_table";
using OnednnTableFunction = const OnednnTable *();

}  // namespace sails
