#include "emulator/shared_window.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "emulator/host_runtime.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define SAILS_POISON(address, bytes) ASAN_POISON_MEMORY_REGION(address, bytes)
#define SAILS_UNPOISON(address, bytes) ASAN_UNPOISON_MEMORY_REGION(address, bytes)
#else
#define SAILS_POISON(address, bytes) ((void)0)
#define SAILS_UNPOISON(address, bytes) ((void)0)
#endif

namespace sails_emulator {
namespace {

constexpr unsigned char kGapByte = 0xFD;
constexpr unsigned char kPoisonByte = 0xFF;  // a NaN in f32, bf16, f16 and f64; -1 as an index
// Static arrays start this far past a multiple of 128, because nothing promises more alignment than that.
constexpr int64_t kStaticShift = 16;

int64_t rounded_up(int64_t x, int64_t to) { return (x + to - 1) / to * to; }

}  // namespace

void SharedLayout::start(int64_t dynamic_bytes) {
  pieces_.clear();
  dynamic_bytes_ = dynamic_bytes;
  static_bytes_ = 0;
  next_ = rounded_up(kDynamicStart + dynamic_bytes + kRedZone, 128);
}

const SharedPiece &SharedLayout::place(const void *key, const char *name, int64_t bytes, std::string &why) {
  const auto found = std::find_if(pieces_.begin(), pieces_.end(), [&](const SharedPiece &piece) { return piece.key == key; });
  if (found != pieces_.end()) return *found;
  static_bytes_ += rounded_up(bytes, 16);
  if (static_bytes_ > kMaxStaticSharedBytes)
    why = std::string("shared array ") + name + ": more than 48 KiB of static shared memory";
  else if (static_bytes_ + dynamic_bytes_ > kMaxSharedBytes)
    why = std::string("shared array ") + name + ": the block needs more than 227 KiB";
  else if (dynamic_bytes_ <= kMaxStaticSharedBytes && static_bytes_ + dynamic_bytes_ > kMaxStaticSharedBytes)
    why = std::string("shared array ") + name + ": " + std::to_string(dynamic_bytes_) +
          " dynamic bytes, for which no permission was asked, and the static ones are more than 48 KiB together";
  const int64_t offset = rounded_up(next_, 128) + kStaticShift;
  pieces_.push_back({key, name, next_, offset, bytes});
  next_ = offset + bytes + kRedZone;
  return pieces_.back();
}

SharedWindow::SharedWindow() : arena_(static_cast<char *>(std::aligned_alloc(kArenaAlignment, kArenaBytes))) {
  if (arena_ == nullptr) throw std::bad_alloc();
}

SharedWindow::~SharedWindow() {
  SAILS_UNPOISON(arena_, kArenaBytes);
  std::free(arena_);
}

void SharedWindow::start(const SharedLayout &layout) {
  const int64_t bytes = layout.dynamic_bytes(), end = kDynamicStart + bytes;
  pieces_.clear();
  SAILS_UNPOISON(arena_, kArenaBytes);
  std::memset(arena_ + kDynamicStart - kRedZone, kGapByte, kRedZone);
  std::memset(arena_ + kDynamicStart, kPoisonByte, static_cast<size_t>(bytes));
  std::memset(arena_ + end, kGapByte, kRedZone);
  SAILS_POISON(arena_, kDynamicStart);
  SAILS_POISON(arena_ + end, kArenaBytes - end);
  if (bytes > 0) pieces_.push_back({nullptr, "dynamic shared memory", kDynamicStart - kRedZone, kDynamicStart, bytes});
}

void *SharedWindow::find(const void *key) const {
  for (const SharedPiece &piece : pieces_)
    if (piece.key == key) return arena_ + piece.offset;
  return nullptr;
}

void *SharedWindow::declare(const SharedPiece &piece) {
  const int64_t end = piece.offset + piece.bytes;
  SAILS_UNPOISON(arena_ + piece.gap, end + kRedZone - piece.gap);
  std::memset(arena_ + piece.gap, kGapByte, static_cast<size_t>(piece.offset - piece.gap));
  std::memset(arena_ + piece.offset, kPoisonByte, static_cast<size_t>(piece.bytes));
  std::memset(arena_ + end, kGapByte, kRedZone);
  SAILS_POISON(arena_ + piece.gap, piece.offset - piece.gap);
  SAILS_POISON(arena_ + end, kRedZone);
  pieces_.push_back(piece);
  return arena_ + piece.offset;
}

std::string SharedWindow::end() {
  SAILS_UNPOISON(arena_, kArenaBytes);
  for (const SharedPiece &piece : pieces_) {
    for (int64_t i = std::max(piece.gap - piece.offset, -kRedZone); i < piece.bytes + kRedZone; i++) {
      if (i == 0) i = piece.bytes;
      if (static_cast<unsigned char>(arena_[piece.offset + i]) == kGapByte) continue;
      return std::string("a write outside the shared array ") + piece.name + ", " +
             (i < 0 ? std::to_string(-i) + " bytes before its start" : std::to_string(i - piece.bytes) + " bytes past its end");
    }
  }
  return "";
}

int64_t SharedWindow::offset(const void *pointer) const {
  const auto address = reinterpret_cast<uintptr_t>(pointer), base = reinterpret_cast<uintptr_t>(arena_);
  return address >= base && address < base + kArenaBytes ? static_cast<int64_t>(address - base) : -1;
}

bool SharedWindow::holds(int64_t offset, int64_t bytes) const {
  return std::any_of(pieces_.begin(), pieces_.end(),
                     [&](const SharedPiece &piece) { return offset >= piece.offset && offset + bytes <= piece.offset + piece.bytes; });
}

}  // namespace sails_emulator
