#include "engine/memtable/block_pool.h"

#include <sys/mman.h>

#include <cstdlib>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, bytes)
#define ASAN_UNPOISON_MEMORY_REGION(address, bytes)
#endif

namespace nori {

BlockPool::~BlockPool() {
  for (char* block : idle_) {
    ASAN_UNPOISON_MEMORY_REGION(block, kBlockBytes);
    std::free(block);
  }
}

char* BlockPool::Take() {
  {
    absl::MutexLock lock(&mutex_);
    if (!idle_.empty()) {
      char* const block = idle_.back();
      idle_.pop_back();
      ASAN_UNPOISON_MEMORY_REGION(block, kBlockBytes);
      return block;
    }
  }
  auto* const block =
      static_cast<char*>(std::aligned_alloc(kBlockBytes, kBlockBytes));
  if (block == nullptr) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
  // Only advice: without huge pages everything works, slower.
  madvise(block, kBlockBytes, MADV_HUGEPAGE);
#endif
  return block;
}

void BlockPool::Give(char* block) {
  {
    absl::MutexLock lock(&mutex_);
    if (idle_.size() < max_blocks_) {
      idle_.push_back(block);
      ASAN_POISON_MEMORY_REGION(block, kBlockBytes);
      return;
    }
  }
  std::free(block);
}

size_t BlockPool::idle_bytes() const {
  absl::MutexLock lock(&mutex_);
  return idle_.size() * kBlockBytes;
}

}  // namespace nori
