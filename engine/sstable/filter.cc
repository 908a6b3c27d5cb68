#include "engine/sstable/filter.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>

namespace nori {

std::string BuildFilter(absl::Span<const uint64_t> hashes,
                        double bits_per_key) {
  assert(bits_per_key > 0 && !hashes.empty());
  const double bits = static_cast<double>(hashes.size()) * bits_per_key;
  const auto lines = static_cast<uint64_t>(std::clamp(
      std::ceil(bits / (8 * kFilterLineBytes)), 1.0, double{1u << 31}));
  // bits * ln 2 is best for a plain Bloom filter; a line's load varies, and
  // the overfull ones weigh more, which moves the optimum down.
  const int probes =
      std::clamp(static_cast<int>(std::lround(bits_per_key * 0.6)), 1,
                 filter_internal::kMaxProbes);
  std::string content(lines * kFilterLineBytes + 1, '\0');
  for (uint64_t hash : hashes) {
    char* line =
        content.data() + ((hash >> 32) * lines >> 32) * kFilterLineBytes;
    filter_internal::ForEachBit(hash, probes, [&](uint32_t bit) {
      line[bit >> 3] = static_cast<char>(line[bit >> 3] | 1 << (bit & 7));
    });
  }
  content.back() = static_cast<char>(probes);
  return content;
}

bool FilterView::Parse(std::string_view content) {
  if (content.size() < kFilterLineBytes + 1 ||
      content.size() % kFilterLineBytes != 1) {
    return false;
  }
  const uint64_t lines = content.size() / kFilterLineBytes;
  const int probes = static_cast<uint8_t>(content.back());
  if (lines > std::numeric_limits<uint32_t>::max() || probes < 1 ||
      probes > filter_internal::kMaxProbes) {
    return false;
  }
  lines_ = reinterpret_cast<const uint8_t*>(content.data());
  num_lines_ = lines;
  probes_ = probes;
  return true;
}

}  // namespace nori
