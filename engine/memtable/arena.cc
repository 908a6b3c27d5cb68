#include "engine/memtable/arena.h"

#include <algorithm>
#include <new>

namespace nori {

Arena::~Arena() {
  for (char* block : pooled_) pool_->Give(block);
}

char* Arena::AllocateSlow(size_t bytes) {
  // A large allocation gets a block of its own, so that the rest of the
  // current block is not wasted.
  if (bytes > next_block_bytes_ / 4) return NewBlock(bytes);
  // Blocks grow up to a huge page: small memtables stay small, large ones are
  // searched at random with few TLB misses.
  if (next_block_bytes_ == BlockPool::kBlockBytes) {
    pooled_.reserve(pooled_.size() + 1);
    pooled_.push_back(pool_->Take());
    position_ = pooled_.back();
  } else {
    position_ = NewBlock(next_block_bytes_);
  }
  remaining_ = next_block_bytes_;
  next_block_bytes_ = std::min(next_block_bytes_ * 2, BlockPool::kBlockBytes);
  char* result = position_;
  position_ += bytes;
  remaining_ -= bytes;
  return result;
}

char* Arena::NewBlock(size_t bytes) {
  blocks_.emplace_back(static_cast<char*>(std::malloc(bytes)));
  char* block = blocks_.back().get();
  if (block == nullptr) throw std::bad_alloc();
  return block;
}

}  // namespace nori
