// A bump allocator: memory is taken in blocks and only given back all at once.

#ifndef NORI_ENGINE_MEMTABLE_ARENA_H_
#define NORI_ENGINE_MEMTABLE_ARENA_H_

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <utility>
#include <vector>

#include "engine/memtable/block_pool.h"

namespace nori {

// Allocate is called by one thread at a time; MemoryUsage by any.
class Arena {
 public:
  // Large blocks come from `pool` and go back to it.
  explicit Arena(
      std::shared_ptr<BlockPool> pool = std::make_shared<BlockPool>(0))
      : pool_(std::move(pool)) {}
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Uninitialised memory, aligned to 8 bytes, valid until the arena is
  // destroyed. REQUIRES: bytes > 0.
  char* Allocate(size_t bytes) {
    bytes = (bytes + 7) & ~size_t{7};
    // Only this thread writes the counter, so no read-modify-write is needed.
    usage_.store(usage_.load(std::memory_order_relaxed) + bytes,
                 std::memory_order_relaxed);
    if (bytes > remaining_) [[unlikely]]
      return AllocateSlow(bytes);
    char* result = position_;
    position_ += bytes;
    remaining_ -= bytes;
    return result;
  }

  // Bytes handed out, without the unused rest of the blocks. Thread-safe.
  size_t MemoryUsage() const { return usage_.load(std::memory_order_relaxed); }

 private:
  struct Free {
    void operator()(char* p) const { std::free(p); }
  };

  char* AllocateSlow(size_t bytes);
  char* NewBlock(size_t bytes);

  char* position_ = nullptr;
  size_t remaining_ = 0;
  size_t next_block_bytes_ = size_t{64} << 10;
  std::vector<std::unique_ptr<char, Free>> blocks_;
  const std::shared_ptr<BlockPool> pool_;
  std::vector<char*> pooled_;
  std::atomic<size_t> usage_{0};
};

}  // namespace nori

#endif  // NORI_ENGINE_MEMTABLE_ARENA_H_
