// Packed weights (types q8 and q4 of sails.h): making and widening them
//   quantize     packed y [rows, cols] = codes of x [rows, cols] f32|bf16, importance [cols] f32 or NULL
//   dequantize   y [rows, cols] f32|bf16 = factor * rows ids[i] (NULL: i) of packed x [limit, cols]
// No aliasing. Layout and arithmetic of a group: native/common/quantized.h, the same code as the CPU's.
//
// Grid: elementwise/elementwise.cuh; a thread quantizes a group, or widens a pack of columns, which lies in one half of a group. An id
// outside [0, limit) is reported and left out.
// Bytes: quantize reads x once, 34 or 18 bytes written a group (once a model, not made fast); dequantize reads these and writes y once.
#pragma once

#include "common/quantized.h"
#include "elementwise/elementwise.cuh"
#include "primitives/fault.cuh"

namespace sails::kernels {

template <typename X>
struct QuantizeGroups {
  uint8_t *y;
  const X *x;
  const float *importance;
  int64_t cols;
  int32_t dtype;
  template <int kLanes>
  __device__ void at(int64_t i) const {
    const PackedRow packed(cols, dtype);
    const int64_t row = i / packed.groups, group = i - row * packed.groups, first = group * kQuantGroup;
    const int n = static_cast<int>(smaller(kQuantGroup, cols - first));
    float values[kQuantGroup];
    for (int j = 0; j < n; j++) values[j] = to_float(x[row * cols + first + j]);
    uint8_t *to = y + row * packed.bytes;
    const Quantizer quantizer(dtype);
    store_group(to, group, quantizer.group(values, importance == nullptr ? nullptr : importance + first, n), dtype, packed);
    if (group == packed.groups - 1)
      for (int64_t at = packed.code_bytes + 2 * packed.groups; at < packed.bytes; at++) to[at] = 0;
  }
};

template <typename Y>
struct DequantizeRows {
  Y *y;
  const uint8_t *x;
  const int32_t *ids;
  int64_t limit, cols;
  int32_t dtype;
  float factor;
  Fault *fault;
  template <int kLanes>
  __device__ void at(int64_t row, int64_t column) const {
    const PackedRow packed(cols, dtype);
    const int64_t from = ids == nullptr ? row : ids[row];
    if (ids != nullptr && !in_range(fault, kFaultEmbeddingId, row, from, limit)) return;
    const uint8_t *codes = x + from * packed.bytes;
    float values[kLanes];
    if constexpr (kLanes == 1) {
      values[0] = packed_at(codes, column, dtype, packed) * factor;
    } else {
      static_assert(kQuantGroup / 2 % kLanes == 0, "a pack lies in one half of a group");
      constexpr int kHalf = static_cast<int>(kQuantGroup / 2);
      const int64_t group = column / kQuantGroup;
      const int within = static_cast<int>(column - group * kQuantGroup);
      const bool q8 = dtype == SAILS_Q8, high = within >= kHalf;
      const Pack<uint8_t, kLanes> pack = load_pack<kLanes>(codes + (q8 ? column : group * kHalf + within % kHalf));
      const float scale = to_float(*reinterpret_cast<const bf16 *>(codes + packed.code_bytes + 2 * group)) * factor;
#pragma unroll
      for (int j = 0; j < kLanes; j++) {
        const int nibble = high ? pack.lane[j] >> 4 : pack.lane[j] & 15;
        values[j] = scale * static_cast<float>(q8 ? static_cast<int8_t>(pack.lane[j]) : nibble - 8);
      }
    }
    store_lanes(y + row * cols + column, values);
  }
};

// ---- launchers

template <typename X>
cudaError_t launch_quantize(cudaStream_t stream, void *y, const X *x, const float *importance, int64_t rows, int64_t cols, int32_t dtype) {
  return launch_elements<1>("quantize", stream, QuantizeGroups<X>{static_cast<uint8_t *>(y), x, importance, cols, dtype},
                            rows * PackedRow(cols, dtype).groups, true);
}

// ids NULL: all rows.
template <typename Y>
cudaError_t launch_dequantize(cudaStream_t stream, Y *y, const void *x, const int32_t *ids, int64_t rows, int64_t limit, int64_t cols,
                              float factor, int32_t dtype, Fault *fault) {
  constexpr int kLanes = kLanesOf<Y>;
  const DequantizeRows<Y> operation{y, static_cast<const uint8_t *>(x), ids, limit, cols, dtype, factor, fault};
  return launch_row_elements<kLanes>("dequantize", stream, operation, rows, cols, lanes_aligned<kLanes>(y));
}

}  // namespace sails::kernels
