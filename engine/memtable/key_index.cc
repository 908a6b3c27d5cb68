#include "engine/memtable/key_index.h"

#include <sys/mman.h>

#include <algorithm>
#include <cassert>
#include <limits>
#include <new>

namespace nori {
namespace {

constexpr uintptr_t kHugePageBytes = uintptr_t{2} << 20;

// Only advice: without huge pages everything works, slower.
void AdviseHugePages([[maybe_unused]] void* memory,
                     [[maybe_unused]] size_t bytes) {
#ifdef MADV_HUGEPAGE
  const auto begin = reinterpret_cast<uintptr_t>(memory);
  const uintptr_t first = (begin + kHugePageBytes - 1) & ~(kHugePageBytes - 1);
  const uintptr_t last = (begin + bytes) & ~(kHugePageBytes - 1);
  if (first >= last) return;
  madvise(static_cast<char*>(memory) + (first - begin), last - first,
          MADV_HUGEPAGE);
#endif
}

}  // namespace

KeyIndex::KeyIndex(size_t bytes)
    : size_(std::min<size_t>(bytes / sizeof(uint64_t),
                             std::numeric_limits<uint32_t>::max())) {
  if (size_ == 0) return;
  // Zeroed by the system, page by page, as it is used.
  slots_.reset(static_cast<uint64_t*>(std::calloc(size_, sizeof(uint64_t))));
  if (slots_ == nullptr) throw std::bad_alloc();
  AdviseHugePages(slots_.get(), this->bytes());
}

void KeyIndex::Add(uint64_t hash, const SkipList::Node* node) {
  const auto address = reinterpret_cast<uintptr_t>(node);
  // Linux gives higher addresses only to who asks for them.
  assert((address & kTagMask) == 0);
  const uint64_t tag = TagOf(hash);
  size_t i = FirstSlot(hash);
  for (int probe = 0; probe < kMaxProbes; ++probe) {
    const uint64_t slot = At(i).load(std::memory_order_relaxed);
    const bool same = slot != 0 && (slot & kTagMask) == tag &&
                      NodeOf(slot)->user_key() == node->user_key();
    if (same && NodeOf(slot)->trailer() > node->trailer()) return;
    if (same || slot == 0) {
      At(i).store(tag | address, std::memory_order_release);
      return;
    }
    i = i + 1 == size_ ? 0 : i + 1;
  }
  complete_.store(false, std::memory_order_release);
}

}  // namespace nori
