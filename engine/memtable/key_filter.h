// A filter of the keys in a memtable.

#ifndef NORI_ENGINE_MEMTABLE_KEY_FILTER_H_
#define NORI_ENGINE_MEMTABLE_KEY_FILTER_H_

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace nori {

// Most lookups are of keys that the memtable does not hold, and a search for
// one waits for memory at every node it passes; this answers most of them with
// one access. A Bloom filter whose bits for a key are three of one word
// (blocked: Putze, Sanders, Singler, 2007), so that it can grow while it is
// read.
//
// One writer at a time, any number of readers. Whoever sees a commit sees its
// keys here, provided they were added before the commit was published.
class KeyFilter {
 public:
  // About `bytes` bytes; 2 bytes a key let less than 1 % of other keys through.
  // Below 8 the filter holds nothing and lets everything through.
  explicit KeyFilter(size_t bytes) {
    const size_t words = std::bit_floor(bytes / sizeof(uint64_t));
    if (words == 0) return;
    words_ = std::make_unique<std::atomic<uint64_t>[]>(words);
    mask_ = words - 1;
  }

  bool enabled() const { return words_ != nullptr; }

  // REQUIRES: enabled(); writer's turn.
  void Add(uint64_t hash) {
    std::atomic<uint64_t>& word = words_[(hash >> 32) & mask_];
    word.store(word.load(std::memory_order_relaxed) | Bits(hash),
               std::memory_order_relaxed);
  }
  // REQUIRES: enabled().
  bool MayContain(uint64_t hash) const {
    const uint64_t bits = Bits(hash);
    return (words_[(hash >> 32) & mask_].load(std::memory_order_relaxed) &
            bits) == bits;
  }

 private:
  static uint64_t Bits(uint64_t hash) {
    return uint64_t{1} << (hash & 63) | uint64_t{1} << (hash >> 6 & 63) |
           uint64_t{1} << (hash >> 12 & 63);
  }

  std::unique_ptr<std::atomic<uint64_t>[]> words_;
  size_t mask_ = 0;
};

}  // namespace nori

#endif  // NORI_ENGINE_MEMTABLE_KEY_FILTER_H_
