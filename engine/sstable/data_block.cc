#include "engine/sstable/data_block.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include <algorithm>

namespace nori {

bool DataBlockView::Parse(std::string_view content) {
  if (content.size() < kDataBlockFooterBytes) return false;
  const char* footer = content.data() + content.size() - kDataBlockFooterBytes;
  size_ = DecodeFixed<uint32_t>(footer);
  base_ = DecodeFixed<uint64_t>(footer + 4);
  const auto restart_shift = static_cast<uint8_t>(footer[12]);
  offset_width_ = static_cast<uint8_t>(footer[13]);
  trailer_width_ = static_cast<uint8_t>(footer[14]);
  const auto tagged = static_cast<uint8_t>(footer[15]);
  if (size_ == 0 || size_ == UINT32_MAX || restart_shift > 30 ||
      (offset_width_ != 2 && offset_width_ != 4) || trailer_width_ > 8 ||
      tagged > 1) {
    return false;
  }
  const uint64_t n = size_;
  const uint64_t columns =
      (n + 1) * offset_width_ + n * trailer_width_ + n * tagged;
  if (columns > content.size() - kDataBlockFooterBytes) return false;
  restart_mask_ = (uint32_t{1} << restart_shift) - 1;
  trailer_mask_ = trailer_width_ == 8 ? UINT64_MAX
                                      : (uint64_t{1} << 8 * trailer_width_) - 1;
  entries_ = content.data();
  entries_bytes_ = content.size() - kDataBlockFooterBytes - columns;
  offsets_ = entries_ + entries_bytes_;
  trailers_ = offsets_ + (n + 1) * offset_width_;
  tags_ = tagged == 1 ? trailers_ + n * trailer_width_ : nullptr;
  return true;
}

uint32_t DataBlockView::MatchTags(uint32_t first, uint8_t tag) const {
  const uint32_t n = std::min<uint32_t>(16, size_ - first);
  const uint32_t valid = (uint32_t{1} << n) - 1;
#ifdef __SSE2__
  // The block's footer follows the tags, so that 16 bytes can be read.
  static_assert(kDataBlockFooterBytes >= 16);
  const __m128i tags =
      _mm_loadu_si128(reinterpret_cast<const __m128i*>(tags_ + first));
  const __m128i hits =
      _mm_cmpeq_epi8(tags, _mm_set1_epi8(static_cast<char>(tag)));
  return static_cast<uint32_t>(_mm_movemask_epi8(hits)) & valid;
#else
  uint32_t hits = 0;
  for (uint32_t i = 0; i < n; ++i) {
    hits |= uint32_t{static_cast<uint8_t>(tags_[first + i]) == tag} << i;
  }
  return hits & valid;
#endif
}

DataBlockView::Equal DataBlockView::KeyEquals(uint32_t i,
                                              std::string_view user_key,
                                              std::string_view* value) const {
  Entry entry;
  if (!Decode(i, &entry)) return Equal::kMalformed;
  *value = entry.value;
  if (entry.shared > user_key.size() ||
      user_key.substr(entry.shared) != entry.suffix) {
    return Equal::kNo;
  }
  if (entry.shared == 0) return Equal::kYes;
  std::string_view restart;
  if (!RestartKey(RestartOf(i), &restart) || entry.shared > restart.size()) {
    return Equal::kMalformed;
  }
  return std::memcmp(restart.data(), user_key.data(), entry.shared) == 0
             ? Equal::kYes
             : Equal::kNo;
}

DataBlockView::FindResult DataBlockView::FindByTag(
    std::string_view user_key, uint8_t tag, uint64_t trailer, uint32_t* index,
    std::string_view* value) const {
  FindResult result = FindResult::kAbsent;
  for (uint32_t first = 0; first < size_; first += 16) {
    // Versions of a key share its tag and come newest first.
    for (uint32_t hits = MatchTags(first, tag); hits != 0; hits &= hits - 1) {
      const uint32_t i = first + static_cast<uint32_t>(__builtin_ctz(hits));
      const Equal equal = KeyEquals(i, user_key, value);
      if (equal == Equal::kMalformed) return FindResult::kMalformed;
      if (equal == Equal::kNo) continue;
      if (Trailer(i) <= trailer) {
        *index = i;
        return FindResult::kFound;
      }
      result = FindResult::kInvisible;
    }
  }
  return result;
}

DataBlockView::FindResult DataBlockView::Find(std::string_view user_key,
                                              uint8_t tag, uint64_t trailer,
                                              uint32_t* index,
                                              std::string_view* value) const {
  if (tags_ != nullptr) return FindByTag(user_key, tag, trailer, index, value);
  const uint32_t i = LowerBound(user_key, trailer);
  if (i == kMalformed) return FindResult::kMalformed;
  if (i < size_) {
    const Equal equal = KeyEquals(i, user_key, value);
    *index = i;
    if (equal == Equal::kMalformed) return FindResult::kMalformed;
    if (equal == Equal::kYes) return FindResult::kFound;
  }
  if (i == 0) return FindResult::kAbsent;
  switch (KeyEquals(i - 1, user_key, value)) {
    case Equal::kYes:
      return FindResult::kInvisible;
    case Equal::kNo:
      return FindResult::kAbsent;
    default:
      return FindResult::kMalformed;
  }
}

uint32_t DataBlockView::LowerBound(std::string_view user_key,
                                   uint64_t trailer) const {
  const uint32_t interval = restart_mask_ + 1;
  // First restart point at or after the target.
  uint32_t low = 0;
  uint32_t high = (size_ - 1) / interval + 1;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    std::string_view key;
    if (!RestartKey(middle * interval, &key)) return kMalformed;
    const int c = key.compare(user_key);
    if (c < 0 || (c == 0 && Trailer(middle * interval) > trailer)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == 0) return 0;
  const uint64_t end = std::min<uint64_t>(uint64_t{low} * interval, size_);
  return LowerBoundInInterval((low - 1) * interval, static_cast<uint32_t>(end),
                              user_key, trailer);
}

// REQUIRES: the entry at `restart` is before the target.
uint32_t DataBlockView::LowerBoundInInterval(uint32_t restart, uint32_t end,
                                             std::string_view user_key,
                                             uint64_t trailer) const {
  std::string_view restart_key;
  if (!RestartKey(restart, &restart_key)) return kMalformed;
  // The target leaves the restart key after `common` bytes, upwards. An entry
  // that leaves it later is below the target, one that leaves it earlier above.
  const size_t common = CommonPrefix(restart_key, user_key);
  const std::string_view rest = user_key.substr(common);
  uint32_t low = restart + 1;
  uint32_t high = end;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    Entry entry;
    if (!Decode(middle, &entry)) return kMalformed;
    bool before = entry.shared > common;
    if (entry.shared == common) {
      const int c = entry.suffix.compare(rest);
      before = c < 0 || (c == 0 && Trailer(middle) > trailer);
    }
    if (before) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

}  // namespace nori
