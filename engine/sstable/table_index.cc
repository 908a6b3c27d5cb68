#include "engine/sstable/table_index.h"

#include <algorithm>
#include <cassert>

#include "engine/format/coding.h"
#include "engine/format/internal_key.h"
#include "engine/sstable/data_block.h"

namespace nori {

void TableIndexBuilder::AddSeparator(std::string_view last_key,
                                     uint64_t last_trailer,
                                     std::string_view first_key) {
  assert(separators_.size() + 1 == blocks_.size());
  Separator s;
  if (last_key == first_key) {
    // The smallest internal key after the last entry, so that every seek
    // beyond that entry goes to the block that follows.
    s.key.assign(first_key);
    s.trailer = last_trailer - 1;
  } else {
    // One byte more than both have in common tells them apart.
    s.key.assign(first_key.substr(0, CommonPrefix(last_key, first_key) + 1));
    s.trailer = kBeforeAllVersions;
  }
  separator_bytes_ += s.key.size();
  separators_.push_back(std::move(s));
}

void TableIndexBuilder::AddBlock(uint64_t stored_bytes, uint64_t entries) {
  blocks_.push_back({stored_bytes, entries});
}

std::string TableIndexBuilder::Finish() const {
  assert(blocks_.empty() || separators_.size() + 1 == blocks_.size());
  // They ascend: what the ends have in common, all have.
  const std::string_view common =
      separators_.empty()
          ? std::string_view()
          : std::string_view(separators_.front().key)
                .substr(0, CommonPrefix(separators_.front().key,
                                        separators_.back().key));
  std::string out;
  PutVarint(&out, blocks_.size());
  PutLengthPrefixed(&out, common);
  for (size_t i = 0; i < blocks_.size(); ++i) {
    PutVarint(&out, blocks_[i].stored_bytes);
    PutVarint(&out, blocks_[i].entries);
    if (i == 0) continue;
    const Separator& s = separators_[i - 1];
    const bool exact = s.trailer != kBeforeAllVersions;
    const std::string_view suffix =
        std::string_view(s.key).substr(common.size());
    PutVarint(&out, suffix.size() << 1 | (exact ? 1 : 0));
    out.append(suffix);
    if (exact) PutFixed64(&out, s.trailer);
  }
  return out;
}

bool TableIndex::Decode(std::string_view content, uint64_t data_limit) {
  uint64_t n;
  std::string_view common;
  // A block takes at least two bytes here.
  if (!GetVarint(&content, &n) || !GetLengthPrefixed(&content, &common) ||
      n > content.size() / 2) {
    return false;
  }
  common_.assign(common);
  starts_.assign(1, BlockStart());
  suffix_starts_.assign(1, 0);
  prefixes_.clear();
  arena_.clear();
  exact_trailers_.clear();
  starts_.reserve(n + 1);
  if (n > 0) {
    prefixes_.reserve(n - 1);
    suffix_starts_.reserve(n);
  }
  for (size_t i = 0; i < n; ++i) {
    if (!DecodeBlock(&content, i, data_limit)) return false;
  }
  arena_.shrink_to_fit();
  return content.empty();
}

bool TableIndex::DecodeBlock(std::string_view* input, size_t block,
                             uint64_t data_limit) {
  uint64_t stored;
  uint64_t entries;
  const uint64_t left = data_limit - starts_.back().offset;
  if (!GetVarint(input, &stored) || !GetVarint(input, &entries) ||
      left < kBlockTrailerBytes || stored > left - kBlockTrailerBytes ||
      entries == 0 || entries > UINT32_MAX) {
    return false;
  }
  starts_.push_back({starts_.back().offset + stored + kBlockTrailerBytes,
                     starts_.back().rank + entries});
  if (block == 0) return true;
  uint64_t length;
  if (!GetVarint(input, &length) || length >> 1 > input->size()) return false;
  const std::string_view suffix = input->substr(0, length >> 1);
  input->remove_prefix(length >> 1);
  uint64_t trailer = kBeforeAllVersions;
  if ((length & 1) != 0 && !GetFixed64(input, &trailer)) return false;
  return AppendSeparator(suffix, trailer);
}

bool TableIndex::AppendSeparator(std::string_view suffix, uint64_t trailer) {
  const size_t i = prefixes_.size();
  if (i > 0 &&
      CompareInternal(Suffix(i - 1), TrailerOf(i - 1), suffix, trailer) >= 0) {
    return false;
  }
  prefixes_.push_back(KeyPrefix(suffix));
  arena_.append(suffix);
  suffix_starts_.push_back(arena_.size());
  if (trailer != kBeforeAllVersions) exact_trailers_.emplace(i, trailer);
  return true;
}

uint64_t TableIndex::TrailerOf(size_t i) const {
  const auto it = exact_trailers_.find(i);
  return it == exact_trailers_.end() ? kBeforeAllVersions : it->second;
}

size_t TableIndex::BlockAtOrAfter(uint64_t offset) const {
  return static_cast<size_t>(
      std::lower_bound(
          starts_.begin(), starts_.end() - 1, offset,
          [](const BlockStart& s, uint64_t at) { return s.offset < at; }) -
      starts_.begin());
}

size_t TableIndex::FindBlock(std::string_view user_key,
                             uint64_t trailer) const {
  assert(blocks() > 0);
  if (!common_.empty()) {
    const int c =
        user_key.substr(0, common_.size()).compare(std::string_view(common_));
    if (c != 0) return c < 0 ? 0 : blocks() - 1;
    user_key.remove_prefix(common_.size());
  }
  if (prefixes_.empty()) return 0;
  const uint64_t prefix = KeyPrefix(user_key);
  // Branch-free lower bound: the outcome of each step is a coin toss that no
  // branch predictor wins.
  const uint64_t* base = prefixes_.data();
  for (size_t n = prefixes_.size(); n > 1;) {
    const size_t half = n / 2;
    base += base[half - 1] < prefix ? half : 0;
    n -= half;
  }
  const auto low =
      static_cast<size_t>(base - prefixes_.data()) + (*base < prefix ? 1 : 0);
  if (low == prefixes_.size() || prefixes_[low] != prefix) return low;
  return FindAmongTies(low, prefix, user_key, trailer);
}

// Number of separators at or before the target, given that those before `low`
// are, and that those from `low` on which have `prefix` must be compared.
size_t TableIndex::FindAmongTies(size_t low, uint64_t prefix,
                                 std::string_view suffix,
                                 uint64_t trailer) const {
  size_t high = static_cast<size_t>(
      std::upper_bound(prefixes_.begin() + static_cast<ptrdiff_t>(low),
                       prefixes_.end(), prefix) -
      prefixes_.begin());
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    const int c = Suffix(middle).compare(suffix);
    if (c < 0 || (c == 0 && TrailerOf(middle) >= trailer)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

std::string TableIndex::SeparatorKey(size_t block) const {
  assert(block > 0 && block < blocks());
  return common_ + std::string(Suffix(block - 1));
}

uint64_t TableIndex::SeparatorTrailer(size_t block) const {
  assert(block > 0 && block < blocks());
  return TrailerOf(block - 1);
}

size_t TableIndex::MemoryUsage() const {
  return sizeof(*this) + common_.capacity() + arena_.capacity() +
         8 * (prefixes_.capacity() + suffix_starts_.capacity()) +
         sizeof(BlockStart) * starts_.capacity() +
         exact_trailers_.capacity() * (sizeof(std::pair<size_t, uint64_t>) + 1);
}

}  // namespace nori
