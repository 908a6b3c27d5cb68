#include "engine/memtable/key_index.h"

#include <sys/mman.h>

#include <algorithm>
#include <cassert>
#include <limits>
#include <new>

namespace nori {
namespace {

constexpr size_t kHugePageBytes = size_t{2} << 20;

}  // namespace

KeyIndex::KeyIndex(size_t bytes)
    : size_(std::min<size_t>(bytes / sizeof(Slot),
                             std::numeric_limits<uint32_t>::max())) {
  if (size_ == 0) return;
  const size_t alignment =
      this->bytes() >= kHugePageBytes ? kHugePageBytes : alignof(Slot);
  const size_t rounded = (this->bytes() + alignment - 1) & ~(alignment - 1);
  void* const memory = alignment == kHugePageBytes
                           ? std::aligned_alloc(alignment, rounded)
                           : std::malloc(rounded);
  if (memory == nullptr) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
  // Only advice: without huge pages everything works, slower.
  if (alignment == kHugePageBytes) madvise(memory, rounded, MADV_HUGEPAGE);
#endif
  slots_.reset(static_cast<Slot*>(memory));
  for (size_t i = 0; i < size_; ++i) new (&slots_[i]) Slot(0);
}

void KeyIndex::Add(uint64_t hash, const SkipList::Node* node) {
  const auto address = reinterpret_cast<uintptr_t>(node);
  // Linux gives higher addresses only to who asks for them.
  assert((address & kTagMask) == 0);
  const uint64_t tag = TagOf(hash);
  size_t i = FirstSlot(hash);
  for (int probe = 0; probe < kMaxProbes; ++probe) {
    const uint64_t slot = slots_[i].load(std::memory_order_relaxed);
    const bool same = slot != 0 && (slot & kTagMask) == tag &&
                      NodeOf(slot)->user_key() == node->user_key();
    if (same && NodeOf(slot)->trailer() > node->trailer()) return;
    if (same || slot == 0) {
      slots_[i].store(tag | address, std::memory_order_release);
      return;
    }
    i = i + 1 == size_ ? 0 : i + 1;
  }
  complete_.store(false, std::memory_order_release);
}

}  // namespace nori
