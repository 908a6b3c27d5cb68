#include "engine/memtable/arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <new>

namespace nori {
namespace {

// A huge page on x86-64 and on AArch64 with 4 KiB pages. Blocks grow up to this
// size: small memtables stay small, large ones are searched at random with few
// TLB misses.
constexpr size_t kHugePageBytes = size_t{2} << 20;

}  // namespace

char* Arena::AllocateSlow(size_t bytes) {
  // A large allocation gets a block of its own, so that the rest of the
  // current block is not wasted.
  if (bytes > next_block_bytes_ / 4) return NewBlock(bytes);
  position_ = NewBlock(next_block_bytes_);
  remaining_ = next_block_bytes_;
  next_block_bytes_ = std::min(next_block_bytes_ * 2, kHugePageBytes);
  char* result = position_;
  position_ += bytes;
  remaining_ -= bytes;
  return result;
}

char* Arena::NewBlock(size_t bytes) {
  const bool huge = bytes == kHugePageBytes;
  blocks_.emplace_back(static_cast<char*>(
      huge ? std::aligned_alloc(kHugePageBytes, bytes) : std::malloc(bytes)));
  char* block = blocks_.back().get();
  if (block == nullptr) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
  // Only advice: without huge pages everything works, slower.
  if (huge) madvise(block, bytes, MADV_HUGEPAGE);
#endif
  return block;
}

}  // namespace nori
