// The layout of packed matrices (types q8 and q4 of sails.h), and how a group of weights becomes codes: for the CPU and the GPU alike.
#pragma once

#include <cstdint>

#include "sails.h"

#if defined(__CUDACC__) || defined(SAILS_EMULATOR)
#include "primitives/platform.cuh"
#define SAILS_ANYWHERE __host__ __device__ inline
#else
#define SAILS_ANYWHERE inline
#endif

namespace sails {
// In a namespace of its own in each file that includes it: the files of cpu/isa/ are compiled for machines of which the linker would else
// keep any one's code.
namespace {

constexpr int64_t kQuantGroup = SAILS_QUANT_GROUP;

// Bytes and places of a packed row.
struct PackedRow {
  int64_t groups, code_bytes, bytes;

  SAILS_ANYWHERE PackedRow(int64_t cols, int32_t dtype)
      : groups((cols + kQuantGroup - 1) / kQuantGroup),
        code_bytes(groups * group_bytes(dtype)),
        bytes((code_bytes + 2 * groups + 15) / 16 * 16) {}

  static SAILS_ANYWHERE int64_t group_bytes(int32_t dtype) { return dtype == SAILS_Q8 ? kQuantGroup : kQuantGroup / 2; }
};

SAILS_ANYWHERE float float_of_bits(uint32_t bits) {
  float value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}
SAILS_ANYWHERE uint32_t bits_of_float(float value) {
  uint32_t bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  return bits;
}
SAILS_ANYWHERE float scale_of(uint16_t bf16) { return float_of_bits(static_cast<uint32_t>(bf16) << 16); }

// The nearest whole number, ties to even, of |x| < 2^22.
SAILS_ANYWHERE int whole(float x) {
  const float shifted = x + 12582912.0f;  // 1.5 * 2^23
  return static_cast<int>(bits_of_float(shifted)) - 0x4b400000;
}

// The bf16 nearest to a number, ties to even.
SAILS_ANYWHERE uint16_t nearest_bf16(float x) {
  const uint32_t bits = bits_of_float(x);
  return static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

// A group's scale and codes.
struct QuantizedGroup {
  uint16_t scale;
  int8_t code[kQuantGroup];
};

struct Quantizer {
  float lowest, highest;  // codes

  explicit SAILS_ANYWHERE Quantizer(int32_t dtype)
      : lowest(dtype == SAILS_Q8 ? -127.0f : -8.0f), highest(dtype == SAILS_Q8 ? 127.0f : 7.0f) {}

  // Whether a scale and its negative stand for the same numbers: those of q8 do.
  SAILS_ANYWHERE bool symmetric() const { return highest == -lowest; }

  // Codes by a scale's inverse; the quotient is cut before it is rounded, so that none is too large for whole.
  SAILS_ANYWHERE int code(float x, float inverse) const {
    const float quotient = x * inverse;
    return whole(quotient < lowest ? lowest : quotient > highest ? highest : quotient);
  }

  // What a scale is without regard to importance.
  SAILS_ANYWHERE uint16_t nearest(const float *x, int n) const {
    float largest = 0.0f, extreme = 0.0f;
    for (int j = 0; j < n; j++) {
      const float magnitude = x[j] < 0.0f ? -x[j] : x[j];
      if (magnitude > largest) largest = magnitude, extreme = x[j];
    }
    // Up, so that the largest has a code; never to infinity.
    if (symmetric()) return static_cast<uint16_t>((bits_of_float(largest / highest) + 0xffffu) >> 16);
    return nearest_bf16(extreme / lowest);
  }

  SAILS_ANYWHERE float error(const float *x, const float *importance, int n, float scale) const {
    const float inverse = 1.0f / scale;
    float sum = 0.0f;
    for (int j = 0; j < n; j++) {
      const float off = x[j] - scale * static_cast<float>(code(x[j], inverse));
      sum += importance[j] * off * off;
    }
    return sum;
  }

  // The scale that weighted least squares gives for the codes of another one.
  SAILS_ANYWHERE uint16_t refined(const float *x, const float *importance, int n, float scale) const {
    const float inverse = 1.0f / scale;
    float xq = 0.0f, qq = 0.0f;
    for (int j = 0; j < n; j++) {
      const float q = static_cast<float>(code(x[j], inverse)), weighted = importance[j] * q;
      xq += weighted * x[j];
      qq += weighted * q;
    }
    return nearest_bf16(qq > 0.0f ? xq / qq : scale);
  }

  // A number that has an inverse.
  static SAILS_ANYWHERE bool usable(uint16_t scale) { return (scale & 0x7f80u) != 0 && (scale & 0x7f80u) < 0x7f80u; }

  // The nearest scale, or a better one of those that scales from 0.7 to 1.2 times it, also of the other sign, are refined to.
  SAILS_ANYWHERE uint16_t searched(const float *x, const float *importance, int n) const {
    const uint16_t start = nearest(x, n);
    if (!usable(start)) return start;
    uint16_t best = start;
    float least = error(x, importance, n, scale_of(start));
    const int signs = symmetric() ? 1 : 2;
    for (int sign = 0; sign < signs; sign++)
      for (int step = 0; step <= 20; step++) {
        const float factor = (sign == 0 ? 1.0f : -1.0f) * (0.7f + 0.025f * static_cast<float>(step));
        const uint16_t scale = refined(x, importance, n, factor * scale_of(start));
        if (!usable(scale)) continue;
        const float now = error(x, importance, n, scale_of(scale));
        if (now < least) least = now, best = scale;
      }
    return best;
  }

  // importance NULL: the nearest scale. n elements; the codes behind them are 0.
  SAILS_ANYWHERE QuantizedGroup group(const float *x, const float *importance, int n) const {
    QuantizedGroup g;
    g.scale = importance == nullptr ? nearest(x, n) : searched(x, importance, n);
    const bool zero = !usable(g.scale);
    const float inverse = zero ? 0.0f : 1.0f / scale_of(g.scale);
    for (int j = 0; j < kQuantGroup; j++) g.code[j] = static_cast<int8_t>(zero || j >= n ? 0 : code(x[j], inverse));
    return g;
  }
};

// A group's codes as they are stored.
SAILS_ANYWHERE void store_group(uint8_t *row, int64_t group, const QuantizedGroup &g, int32_t dtype, const PackedRow &packed) {
  uint8_t *codes = row + group * PackedRow::group_bytes(dtype);
  if (dtype == SAILS_Q8)
    for (int j = 0; j < kQuantGroup; j++) codes[j] = static_cast<uint8_t>(g.code[j]);
  else
    for (int j = 0; j < kQuantGroup / 2; j++) codes[j] = static_cast<uint8_t>((g.code[j] + 8) | (g.code[j + kQuantGroup / 2] + 8) << 4);
  uint8_t *scale = row + packed.code_bytes + 2 * group;
  scale[0] = static_cast<uint8_t>(g.scale);
  scale[1] = static_cast<uint8_t>(g.scale >> 8);
}

// Element j of a packed row.
SAILS_ANYWHERE float packed_at(const uint8_t *row, int64_t j, int32_t dtype, const PackedRow &packed) {
  const int64_t group = j / kQuantGroup, within = j % kQuantGroup;
  const uint8_t *scale = row + packed.code_bytes + 2 * group;
  int code;
  if (dtype == SAILS_Q8) {
    code = static_cast<int8_t>(row[j]);
  } else {
    const uint8_t both = row[group * (kQuantGroup / 2) + within % (kQuantGroup / 2)];
    code = static_cast<int>(within < kQuantGroup / 2 ? both & 15 : both >> 4) - 8;
  }
  return scale_of(static_cast<uint16_t>(scale[0] | scale[1] << 8)) * static_cast<float>(code);
}

}  // namespace
}  // namespace sails
