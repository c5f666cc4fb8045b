// How a kernel reports an input that only the device can see to be wrong (a token id outside the table): the first report on a device wins
// and is turned into a sentence at the next sails_synchronize, sails_download or sails_upload. The kernel then skips the element.
#pragma once

#include "platform.cuh"

namespace sails::kernels {

enum FaultKind : int32_t {
  kFaultNone = 0,
  kFaultEmbeddingId,   // ids[index] is `value`, the table has `limit` rows
  kFaultGatherRow,     // rows[index]
  kFaultTarget,        // targets[index], neither -100 nor below the vocabulary
  kFaultFeatureId,     // indices[index]
  kFaultFeatureCount,  // counts[index] is negative
  kFaultTokenClass,    // token_class[index]
  kFaultAnswer,        // the tokens of answer `index` begin or end at `value`, outside their range
  kFaultLogits,        // the logits of row `index` are NaN or infinite
  kFaultKeyPosition,   // the next key goes to place `value` of a cache of `limit`
  kFaultPosition,      // positions[index] is neither -1 nor below `limit`
  kFaultPage,          // page_table[index]
  kFaultRowAdapter,    // row_adapter[index] is neither -1 nor below `limit`
};

struct Fault {
  int32_t kind;  // FaultKind, 0 = none
  int64_t index, value, limit;
};

__device__ __forceinline__ void report_fault(Fault *fault, FaultKind kind, int64_t index, int64_t value, int64_t limit) {
  if (atomicCAS(&fault->kind, static_cast<int32_t>(kFaultNone), static_cast<int32_t>(kind)) != kFaultNone) return;
  fault->index = index;
  fault->value = value;
  fault->limit = limit;
}

// Whether 0 <= value < limit; reports it where not.
__device__ __forceinline__ bool in_range(Fault *fault, FaultKind kind, int64_t index, int64_t value, int64_t limit) {
  if (value >= 0 && value < limit) return true;
  report_fault(fault, kind, index, value, limit);
  return false;
}

}  // namespace sails::kernels
