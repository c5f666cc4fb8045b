// Shared memory of a block: an arena that starts poisoned, with red zones around whatever the kernel declares.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace sails_emulator {

// Addresses start at 0 of the arena, which is aligned to a swizzle atom. Static arrays count towards 48 KiB, dynamic shared memory starts
// 128 past an atom, because nothing promises a kernel more. Both together are more than 48 KiB only where the dynamic part alone is: a
// launcher asks for permission by that part (platform.cuh).
constexpr int64_t kArenaBytes = 512 * 1024;
constexpr int64_t kArenaAlignment = 4096;
constexpr int64_t kDynamicStart = 1024 + 128;
constexpr int64_t kMaxStaticSharedBytes = 48 * 1024;
constexpr int64_t kRedZone = 64;

// A piece of shared memory that a block owns.
struct SharedPiece {
  const void *key;
  const char *name;
  int64_t gap, offset, bytes;  // from gap to offset nothing may be written
};

// Where a kernel's arrays lie, the same in all blocks of a cluster: another block is reached by the address of one's own array.
class SharedLayout {
 public:
  // Forgets all static arrays; the dynamic bytes come first.
  void start(int64_t dynamic_bytes);
  // The place of this array, found for the block that comes first. Writes the sentence of what does not fit, "" where it fits.
  const SharedPiece &place(const void *key, const char *name, int64_t bytes, std::string &why);
  int64_t dynamic_bytes() const { return dynamic_bytes_; }

 private:
  std::vector<SharedPiece> pieces_;
  int64_t dynamic_bytes_ = 0, static_bytes_ = 0, next_ = 0;
};

class SharedWindow {
 public:
  SharedWindow();
  ~SharedWindow();
  SharedWindow(const SharedWindow &) = delete;
  SharedWindow &operator=(const SharedWindow &) = delete;

  // Poisons everything; only the dynamic bytes are declared.
  void start(const SharedLayout &layout);
  // The array that this block has declared under the key, NULL where it has not.
  void *find(const void *key) const;
  void *declare(const SharedPiece &piece);
  // The block is over. Without a sanitizer a write next to a declared piece shows here: the sentence, "" if there was none.
  std::string end();

  char *arena() const { return arena_; }
  void *dynamic() const { return arena_ + kDynamicStart; }
  // Offset in the window, -1 where the pointer is not in it.
  int64_t offset(const void *pointer) const;
  // Whether [offset, offset + bytes) lies in one declared piece.
  bool holds(int64_t offset, int64_t bytes) const;

 private:
  char *arena_;
  std::vector<SharedPiece> pieces_;
};

}  // namespace sails_emulator
