#include "engine/sstable/data_block_builder.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <limits>

#include "engine/format/coding.h"
#include "engine/sstable/data_block.h"

namespace nori {
namespace {

// A buffer that one huge value blew up is not kept for the blocks after it.
constexpr size_t kMaxKeptBytes = size_t{1} << 20;

}  // namespace

DataBlockBuilder::DataBlockBuilder(int restart_interval)
    : restart_shift_(static_cast<uint32_t>(std::bit_width(static_cast<uint32_t>(
                         std::clamp(restart_interval, 1, 1 << 30)))) -
                     1) {}

void DataBlockBuilder::Add(std::string_view user_key, uint64_t trailer,
                           std::string_view value, uint64_t hash) {
  assert(content_.size() <= std::numeric_limits<uint32_t>::max());
  const uint32_t i = size();
  size_t shared = 0;
  if ((i & ((uint32_t{1} << restart_shift_) - 1)) == 0) {
    restart_key_.assign(user_key);
  } else {
    shared = CommonPrefix(restart_key_, user_key);
  }
  offsets_.push_back(static_cast<uint32_t>(content_.size()));
  packed_trailers_.push_back(PackSequence(trailer));
  tags_.push_back(static_cast<char>(TagOf(hash)));
  char header[2 * kMaxVarintBytes];
  char* p = EncodeVarint(header, shared);
  p = EncodeVarint(p, user_key.size() - shared);
  if (value.size() >= kMaxKeptBytes) {
    // Room for what Finish appends: else it would copy the huge value again.
    content_.reserve(content_.size() + sizeof(header) + user_key.size() +
                     value.size() + 16 * (size_t{i} + 8));
  }
  content_.append(header, static_cast<size_t>(p - header));
  content_.append(user_key.substr(shared));
  content_.append(value);
}

std::string_view DataBlockBuilder::Finish() {
  assert(!empty());
  const uint32_t n = size();
  const auto entries_bytes = static_cast<uint32_t>(content_.size());
  const size_t offset_width =
      entries_bytes <= std::numeric_limits<uint16_t>::max() ? 2 : 4;
  const auto [low, high] =
      std::minmax_element(packed_trailers_.begin(), packed_trailers_.end());
  const uint64_t base = *low;
  const auto trailer_width =
      (static_cast<size_t>(std::bit_width(*high - base)) + 7) / 8;
  const bool tagged = n <= kMaxTaggedEntries;

  content_.reserve(content_.size() + (n + 1) * offset_width +
                   n * (trailer_width + 1) + kDataBlockFooterBytes);
  char buffer[8];
  for (uint32_t offset : offsets_) {
    EncodeFixed(buffer, offset);
    content_.append(buffer, offset_width);
  }
  EncodeFixed(buffer, entries_bytes);
  content_.append(buffer, offset_width);
  for (uint64_t packed : packed_trailers_) {
    EncodeFixed(buffer, packed - base);
    content_.append(buffer, trailer_width);
  }
  if (tagged) content_.append(tags_);
  PutFixed32(&content_, n);
  PutFixed64(&content_, base);
  content_.push_back(static_cast<char>(restart_shift_));
  content_.push_back(static_cast<char>(offset_width));
  content_.push_back(static_cast<char>(trailer_width));
  content_.push_back(tagged ? 1 : 0);
  return content_;
}

void DataBlockBuilder::Reset() {
  content_.clear();
  if (content_.capacity() > kMaxKeptBytes) content_.shrink_to_fit();
  offsets_.clear();
  packed_trailers_.clear();
  tags_.clear();
}

}  // namespace nori
