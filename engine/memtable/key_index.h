// A hash index of the keys in a memtable.

#ifndef NORI_ENGINE_MEMTABLE_KEY_INDEX_H_
#define NORI_ENGINE_MEMTABLE_KEY_INDEX_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string_view>

#include "engine/memtable/skiplist.h"

namespace nori {

// A search of the skip list waits for memory at every node it passes; this
// finds a key's newest entry, or that there is none, in two accesses. Open
// addressing with linear probing (Knuth, volume 3, 6.4, algorithm L), of a size
// that is fixed at construction: where no place is free within kMaxProbes, keys
// are left out, and absence from the index then says nothing any more.
//
// One writer at a time, any number of readers. Whoever sees a commit sees its
// keys here, provided they were added before the commit was published.
class KeyIndex {
 public:
  // About `bytes` bytes; holds nothing if that is less than a slot.
  explicit KeyIndex(size_t bytes);

  bool enabled() const { return slots_ != nullptr; }
  size_t bytes() const { return size_ * sizeof(uint64_t); }

  // REQUIRES: enabled(); writer's turn; the node is in the list.
  void Add(uint64_t hash, const SkipList::Node* node);

  // The newest entry of `user_key`. Null: there is none if complete(), asked
  // after Find, still holds. REQUIRES: enabled().
  const SkipList::Node* Find(uint64_t hash, std::string_view user_key) const {
    const uint64_t tag = TagOf(hash);
    size_t i = FirstSlot(hash);
    for (int probe = 0; probe < kMaxProbes; ++probe) {
      const uint64_t slot = At(i).load(std::memory_order_acquire);
      if (slot == 0) return nullptr;
      if ((slot & kTagMask) == tag) {
        const SkipList::Node* node = NodeOf(slot);
        if (node->user_key() == user_key) return node;
      }
      i = i + 1 == size_ ? 0 : i + 1;
    }
    return nullptr;
  }

  // False once a key was left out.
  bool complete() const { return complete_.load(std::memory_order_acquire); }

  // Brings the slot of a key that will be looked up or added into the caches.
  void Prefetch(uint64_t hash) const {
    __builtin_prefetch(&slots_[FirstSlot(hash)]);
  }

 private:
  static constexpr uint64_t kTagMask = uint64_t{0xffff} << 48;
  static constexpr int kMaxProbes = 32;

  struct Free {
    void operator()(uint64_t* p) const { std::free(p); }
  };

  std::atomic_ref<uint64_t> At(size_t i) const {
    return std::atomic_ref<uint64_t>(slots_[i]);
  }

  static uint64_t TagOf(uint64_t hash) { return hash << 48; }
  static const SkipList::Node* NodeOf(uint64_t slot) {
    return reinterpret_cast<const SkipList::Node*>(slot & ~kTagMask);
  }
  // Maps the upper half of the hash to a slot by multiplication (Lemire, 2019).
  size_t FirstSlot(uint64_t hash) const {
    return static_cast<size_t>((hash >> 32) * size_ >> 32);
  }

  size_t size_ = 0;
  // A node's address, which uses 48 bits, under 16 bits of its key's hash.
  std::unique_ptr<uint64_t[], Free> slots_;
  std::atomic<bool> complete_{true};
};

}  // namespace nori

#endif  // NORI_ENGINE_MEMTABLE_KEY_INDEX_H_
