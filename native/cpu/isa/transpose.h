// Square blocks of floats turned over in registers: kWidth vectors of kWidth lanes.
#pragma once

#include "cpu/isa/simd.h"

namespace sails::SAILS_ISA {
namespace {

// Each group of four lanes for itself: the first (last) two lanes of a and b in turn; the first (last) pair of a, then that of b. With
// more lanes, groups of four of a and b: the lower (upper) half of each; the even (odd) ones of each.
#if defined(__AVX512F__)
inline vf lower_in_turn(vf a, vf b) { return __builtin_shufflevector(a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29); }
inline vf upper_in_turn(vf a, vf b) { return __builtin_shufflevector(a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31); }
inline vf lower_pairs(vf a, vf b) { return __builtin_shufflevector(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29); }
inline vf upper_pairs(vf a, vf b) { return __builtin_shufflevector(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31); }
inline vf lower_half(vf a, vf b) { return __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23); }
inline vf upper_half(vf a, vf b) { return __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31); }
inline vf even_groups(vf a, vf b) { return __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27); }
inline vf odd_groups(vf a, vf b) { return __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31); }
#elif defined(__AVX2__)
inline vf lower_in_turn(vf a, vf b) { return __builtin_shufflevector(a, b, 0, 8, 1, 9, 4, 12, 5, 13); }
inline vf upper_in_turn(vf a, vf b) { return __builtin_shufflevector(a, b, 2, 10, 3, 11, 6, 14, 7, 15); }
inline vf lower_pairs(vf a, vf b) { return __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13); }
inline vf upper_pairs(vf a, vf b) { return __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15); }
inline vf lower_half(vf a, vf b) { return __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11); }
inline vf upper_half(vf a, vf b) { return __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15); }
#else
inline vf lower_in_turn(vf a, vf b) { return __builtin_shufflevector(a, b, 0, 4, 1, 5); }
inline vf upper_in_turn(vf a, vf b) { return __builtin_shufflevector(a, b, 2, 6, 3, 7); }
inline vf lower_pairs(vf a, vf b) { return __builtin_shufflevector(a, b, 0, 1, 4, 5); }
inline vf upper_pairs(vf a, vf b) { return __builtin_shufflevector(a, b, 2, 3, 6, 7); }
#endif

// Blocks of 4 x 4 first, those of four rows side by side, then the blocks change places.
inline void transpose(vf (&row)[kWidth]) {
  vf turned[kWidth];
#pragma GCC unroll 4
  for (int64_t i = 0; i < kWidth; i += 4) {
    const vf low_0 = lower_in_turn(row[i], row[i + 1]), high_0 = upper_in_turn(row[i], row[i + 1]);
    const vf low_2 = lower_in_turn(row[i + 2], row[i + 3]), high_2 = upper_in_turn(row[i + 2], row[i + 3]);
    turned[i] = lower_pairs(low_0, low_2), turned[i + 1] = upper_pairs(low_0, low_2);
    turned[i + 2] = lower_pairs(high_0, high_2), turned[i + 3] = upper_pairs(high_0, high_2);
  }
#pragma GCC unroll 4
  for (int64_t c = 0; c < 4; c++) {
#if defined(__AVX512F__)
    const vf low_0 = lower_half(turned[c], turned[c + 4]), high_0 = upper_half(turned[c], turned[c + 4]);
    const vf low_2 = lower_half(turned[c + 8], turned[c + 12]), high_2 = upper_half(turned[c + 8], turned[c + 12]);
    row[c] = even_groups(low_0, low_2), row[c + 4] = odd_groups(low_0, low_2);
    row[c + 8] = even_groups(high_0, high_2), row[c + 12] = odd_groups(high_0, high_2);
#elif defined(__AVX2__)
    row[c] = lower_half(turned[c], turned[c + 4]), row[c + 4] = upper_half(turned[c], turned[c + 4]);
#else
    row[c] = turned[c];
#endif
  }
}

}  // namespace
}  // namespace sails::SAILS_ISA
