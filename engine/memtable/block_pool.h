// Blocks of memory that memtables leave behind for the next ones.
//
// A block that goes back to the operating system comes again as zeroed pages,
// one fault and one clearing each: for sequential writes that is a seventh of
// the time.

#ifndef NORI_ENGINE_MEMTABLE_BLOCK_POOL_H_
#define NORI_ENGINE_MEMTABLE_BLOCK_POOL_H_

#include <cstddef>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace nori {

// Thread-safe.
class BlockPool {
 public:
  // A huge page on x86-64 and on AArch64 with 4 KiB pages.
  static constexpr size_t kBlockBytes = size_t{2} << 20;

  // Keeps at most `max_bytes` of blocks that nobody uses.
  explicit BlockPool(size_t max_bytes) : max_blocks_(max_bytes / kBlockBytes) {}
  ~BlockPool();
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  // A block of kBlockBytes, aligned to its size, with anything in it. Throws
  // std::bad_alloc.
  char* Take() ABSL_LOCKS_EXCLUDED(mutex_);
  // Takes back a block of Take.
  void Give(char* block) ABSL_LOCKS_EXCLUDED(mutex_);

  // Blocks nobody uses, in bytes.
  size_t idle_bytes() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  const size_t max_blocks_;
  mutable absl::Mutex mutex_;
  std::vector<char*> idle_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nori

#endif  // NORI_ENGINE_MEMTABLE_BLOCK_POOL_H_
