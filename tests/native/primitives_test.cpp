// Arithmetic of kernels/primitives that needs no block: positions in a ring, tanh.
#include <algorithm>
#include <cmath>
#include <string>

#include "check.h"
#include "primitives/exponential.cuh"
#include "primitives/ring.cuh"
#include "primitives/types.cuh"

using check::expect;
using namespace sails::kernels;

template <int kStages>
static std::string positions_agree() {
  RingPosition<kStages> counted;
  for (uint32_t item = 0; item < 5 * kStages; item++, counted.advance()) {
    const auto at = RingPosition<kStages>::of(item);
    const bool same = at.slot == counted.slot && at.parity == counted.parity;
    // The round of an item is full when its phase has completed, and empty when that of the round before has.
    const bool phases = at.full_parity() == item / kStages % 2 && at.empty_parity() != at.full_parity();
    if (!same || !phases) return "item " + std::to_string(item) + " of a ring of " + std::to_string(kStages);
  }
  return "";
}

TEST("a position in a ring is the same by its item's number and counted on, whatever the number of stages") {
  for (const std::string &why :
       {positions_agree<1>(), positions_agree<2>(), positions_agree<3>(), positions_agree<4>(), positions_agree<6>()})
    if (!why.empty()) return why;
  return "";
}

TEST("tanh as a quotient and its slope: errors as exponential.cuh says") {
  struct Range {
    float up_to;
    double tanh, slope;  // errors, in 2^-24
  };
  constexpr Range kRanges[] = {{0.01f, 0.04, 0.6}, {0.3f, 1.2, 1.3}, {1.0f, 3.2, 6.2}, {3.0f, 5.5, 13},
                               {5.0f, 6.9, 16},    {7.6f, 8.2, 18},  {20.0f, 12, 22}};
  const double eps = std::ldexp(1.0, -24);
  for (const float factor : {1.0f, 30.0f, 50.0f * kLog2E}) {
    const TanhQuotient quotient = tanh_quotient(factor);
    uint32_t bits = float_bits(1e-4f);
    for (const Range &range : kRanges) {
      const uint32_t end = float_bits(range.up_to), step = (end - bits) / 20000 + 1;
      double tanh_error = 0, slope_error = 0;
      for (; bits <= end; bits += step)
        for (const float y : {bits_float(bits), -bits_float(bits)}) {
          const double exact = std::tanh(static_cast<double>(y)), cosh = std::cosh(static_cast<double>(y));
          const float scaled = scaled_tanh(quotient, y), t = 1.0f / factor * scaled;
          tanh_error = std::max(tanh_error, std::fabs(static_cast<double>(scaled) / static_cast<double>(factor) - exact) / eps);
          slope_error = std::max(slope_error, std::fabs(static_cast<double>(std::fmaf(-t, t, 1.0f)) - 1.0 / (cosh * cosh)) / eps);
        }
      if (tanh_error > range.tanh || slope_error > range.slope)
        return "up to " + std::to_string(range.up_to) + " times " + std::to_string(factor) + ": " + std::to_string(tanh_error) + " and " +
               std::to_string(slope_error) + " eps";
    }
  }
  return expect(std::isnan(scaled_tanh(tanh_quotient(1.0f), NAN)), "the tanh of NaN is a number");
}
