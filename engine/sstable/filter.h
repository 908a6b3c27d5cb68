// Bloom filter over the user keys of a table, one cache line per question.
//
// Blocked Bloom filter (Putze, Sanders, Singler: Cache-, Hash- and
// Space-Efficient Bloom Filters, WEA 2007) with 512-bit blocks ("lines"). The
// line is chosen by the high half of the key's hash scaled to the number of
// lines (Lemire: Fast Random Integer Generation in an Interval, 2019); the bits
// in it are 9-bit pieces of a product of the whole hash.

#ifndef NORI_ENGINE_SSTABLE_FILTER_H_
#define NORI_ENGINE_SSTABLE_FILTER_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/types/span.h"

namespace nori {

inline constexpr size_t kFilterLineBytes = 64;

// Content of the filter block (table_format.h) for keys with these hashes
// (HashKey). `hashes` may hold duplicates, but they cost space.
// REQUIRES: bits_per_key > 0 and hashes is not empty.
std::string BuildFilter(absl::Span<const uint64_t> hashes, double bits_per_key);

// Answers from the bytes of a filter block, which must outlive it. Thread-safe.
class FilterView {
 public:
  // Without a block: everything may be contained.
  FilterView() = default;
  // False if `content` is not a filter; then the view stays as it was.
  bool Parse(std::string_view content);

  bool empty() const { return lines_ == nullptr; }  // knows nothing
  // False only if no key with this hash was added.
  bool MayContain(uint64_t hash) const;

  // Pulls the line of `hash` into the CPU's cache.
  void Prefetch(uint64_t hash) const {
    if (lines_ != nullptr) __builtin_prefetch(Line(hash));
  }

 private:
  const uint8_t* Line(uint64_t hash) const {
    return lines_ + ((hash >> 32) * num_lines_ >> 32) * kFilterLineBytes;
  }

  const uint8_t* lines_ = nullptr;
  uint64_t num_lines_ = 0;
  int probes_ = 0;
};

namespace filter_internal {

inline constexpr int kMaxProbes = 14;
inline constexpr int kBitsPerProbe = 9;  // a line has 2^9 bits
inline constexpr int kProbesPerProduct = 7;

// Calls f(bit) for the first `probes` bits of `hash` in its line.
template <typename F>
inline void ForEachBit(uint64_t hash, int probes, F f) {
  uint64_t bits = hash * 0x9e3779b97f4a7c15;
  int left = kProbesPerProduct;
  for (int i = 0; i < probes; ++i) {
    if (left-- == 0) {
      bits = (hash ^ hash >> 29) * 0xbf58476d1ce4e5b9;
      left = kProbesPerProduct - 1;
    }
    f(static_cast<uint32_t>(bits & 511));
    bits >>= kBitsPerProbe;
  }
}

}  // namespace filter_internal

inline bool FilterView::MayContain(uint64_t hash) const {
  if (lines_ == nullptr) return true;
  const uint8_t* line = Line(hash);
  // No early exit: the line is in one piece, and a mispredicted branch costs
  // more than the remaining probes.
  uint32_t all = 1;
  filter_internal::ForEachBit(hash, probes_, [&](uint32_t bit) {
    all &= static_cast<uint32_t>(line[bit >> 3]) >> (bit & 7);
  });
  return (all & 1) != 0;
}

}  // namespace nori

#endif  // NORI_ENGINE_SSTABLE_FILTER_H_
