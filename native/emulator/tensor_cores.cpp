// mma.sync, ldmatrix and stmatrix as collective functions of a warp, with the register layouts of the PTX ISA (see primitives/mma.cuh).
#include <cstring>

#include "emulator/scheduler.h"

namespace sails_emulator {
namespace {

float low_half(uint32_t pair) { return from_word<float>(static_cast<uint64_t>(pair << 16)); }
float high_half(uint32_t pair) { return from_word<float>(static_cast<uint64_t>(pair & 0xffff0000u)); }

struct MmaSlot {
  float *c;
  const uint32_t *a, *b;
};

void multiply(void **lanes) {
  float a[16][16], b[16][8], c[16][8];
  for (int lane = 0; lane < 32; lane++) {
    const auto &slot = *static_cast<MmaSlot *>(lanes[lane]);
    const int g = lane / 4, t = lane % 4;
    for (int i = 0; i < 4; i++) {
      const int row = g + (i % 2) * 8, k = 2 * t + (i / 2) * 8;
      a[row][k] = low_half(slot.a[i]);
      a[row][k + 1] = high_half(slot.a[i]);
      c[g + (i / 2) * 8][2 * t + i % 2] = slot.c[i];
    }
    for (int i = 0; i < 2; i++) {
      b[2 * t + 8 * i][g] = low_half(slot.b[i]);
      b[2 * t + 8 * i + 1][g] = high_half(slot.b[i]);
    }
  }
  for (int row = 0; row < 16; row++)
    for (int k = 0; k < 16; k++)
      for (int column = 0; column < 8; column++) c[row][column] += a[row][k] * b[k][column];
  for (int lane = 0; lane < 32; lane++) {
    const auto &slot = *static_cast<MmaSlot *>(lanes[lane]);
    const int g = lane / 4, t = lane % 4;
    for (int i = 0; i < 4; i++) slot.c[i] = c[g + (i / 2) * 8][2 * t + i % 2];
  }
}

struct MatrixSlot {
  uint32_t *m;
  char *row;
};

// Every row address that the instruction uses must be 16-byte aligned and inside declared shared memory.
void check_row(const void *row, const char *what, Site site) {
  ClusterRunner &r = runner();
  const int64_t offset = r.shared().offset(row);
  if (offset < 0 || !r.shared().holds(offset, 16)) r.fail(std::string(what) + ": the row is outside the block's shared memory", site);
  if (offset % 16 != 0) r.fail(std::string(what) + ": the row's address is not aligned to 16 bytes", site);
}

}  // namespace

void mma_m16n8k16(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], Site site) {
  MmaSlot slot{c, a, b};
  runner().meet_warp(0xffffffffu, &slot, "mma.sync.m16n8k16", site, multiply);
}

void ldmatrix(uint32_t *m, int count, bool transposed, const void *row_in_shared, Site site) {
  ClusterRunner &r = runner();
  if (r.current().lane < 8 * count) check_row(row_in_shared, "ldmatrix", site);
  MatrixSlot slot{m, static_cast<char *>(const_cast<void *>(row_in_shared))};
  r.meet_warp(0xffffffffu, &slot, transposed ? "ldmatrix.trans" : "ldmatrix", site, [count, transposed](void **lanes) {
    for (int i = 0; i < count; i++) {
      uint16_t matrix[8][8];
      for (int row = 0; row < 8; row++) std::memcpy(matrix[row], static_cast<MatrixSlot *>(lanes[8 * i + row])->row, 16);
      for (int lane = 0; lane < 32; lane++) {
        const int g = lane / 4, t = lane % 4;
        const uint16_t low = transposed ? matrix[2 * t][g] : matrix[g][2 * t];
        const uint16_t high = transposed ? matrix[2 * t + 1][g] : matrix[g][2 * t + 1];
        static_cast<MatrixSlot *>(lanes[lane])->m[i] = static_cast<uint32_t>(low) | static_cast<uint32_t>(high) << 16;
      }
    }
  });
}

void stmatrix(void *row_in_shared, const uint32_t *m, int count, bool transposed, Site site) {
  ClusterRunner &r = runner();
  if (r.current().lane < 8 * count) check_row(row_in_shared, "stmatrix", site);
  MatrixSlot slot{const_cast<uint32_t *>(m), static_cast<char *>(row_in_shared)};
  r.meet_warp(0xffffffffu, &slot, transposed ? "stmatrix.trans" : "stmatrix", site, [count, transposed](void **lanes) {
    for (int i = 0; i < count; i++) {
      uint16_t matrix[8][8];
      for (int lane = 0; lane < 32; lane++) {
        const int g = lane / 4, t = lane % 4;
        const uint32_t pair = static_cast<MatrixSlot *>(lanes[lane])->m[i];
        (transposed ? matrix[2 * t][g] : matrix[g][2 * t]) = static_cast<uint16_t>(pair);
        (transposed ? matrix[2 * t + 1][g] : matrix[g][2 * t + 1]) = static_cast<uint16_t>(pair >> 16);
      }
      for (int row = 0; row < 8; row++) std::memcpy(static_cast<MatrixSlot *>(lanes[8 * i + row])->row, matrix[row], 16);
    }
  });
}

}  // namespace sails_emulator
