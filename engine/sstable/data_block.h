// Reading a data block in place. Layout: table_format.h.
//
// A point lookup scans the tags of all entries, one byte each, 16 at a time
// (the idea of the tag arrays of SwissTable and F14, without their table: the
// entries are sorted already and few), and compares only the keys whose tags
// match. It touches the tags, one offset, one entry, its restart point and one
// trailer.

#ifndef NORI_ENGINE_SSTABLE_DATA_BLOCK_H_
#define NORI_ENGINE_SSTABLE_DATA_BLOCK_H_

#include <cstdint>
#include <string_view>

#include "engine/format/coding.h"
#include "engine/format/internal_key.h"

namespace nori {

inline constexpr size_t kDataBlockFooterBytes = 16;
// Above this, scanning tags costs more than a binary search.
inline constexpr uint32_t kMaxTaggedEntries = 1024;

inline uint8_t TagOf(uint64_t hash) { return static_cast<uint8_t>(hash); }

inline constexpr uint64_t PackSequence(uint64_t trailer) {
  return trailer >> 8 << 1 | (trailer & 1);
}
inline constexpr uint64_t UnpackSequence(uint64_t packed) {
  return packed >> 1 << 8 | (packed & 1);
}

// A view of a block's bytes, cheap to make and to copy. Every function is safe
// on any bytes that Parse accepted: what lies outside of the block is never
// read, and an entry that does not fit is reported as malformed.
class DataBlockView {
 public:
  // An entry as it lies in the block: its key is the first `shared` bytes of
  // its restart point's key, then `suffix`.
  struct Entry {
    size_t shared = 0;
    std::string_view suffix;
    std::string_view value;
  };

  enum class FindResult {
    kFound,
    kInvisible,  // the key is there, but only newer than asked for
    kAbsent,
    kMalformed,
  };
  static constexpr uint32_t kMalformed = UINT32_MAX;

  // False if `content` cannot be a data block.
  bool Parse(std::string_view content);

  uint32_t size() const { return size_; }  // entries, at least 1
  bool tagged() const { return tags_ != nullptr; }
  size_t entries_bytes() const { return entries_bytes_; }
  // REQUIRES of all below: i < size().
  uint8_t tag(uint32_t i) const { return static_cast<uint8_t>(tags_[i]); }
  bool IsRestart(uint32_t i) const { return (i & restart_mask_) == 0; }
  uint32_t RestartOf(uint32_t i) const { return i & ~restart_mask_; }

  // As written: without a table's sequence_base.
  uint64_t Trailer(uint32_t i) const {
    if (trailer_width_ == 0) return UnpackSequence(base_);
    // May read beyond the column, never beyond the block's footer.
    const uint64_t delta =
        DecodeFixed<uint64_t>(trailers_ + i * size_t{trailer_width_}) &
        trailer_mask_;
    return UnpackSequence(base_ + delta);
  }

  // Start of entry i in the block; i may be size(), then the end of the last.
  size_t Offset(uint32_t i) const {
    return offset_width_ == 2 ? DecodeFixed<uint16_t>(offsets_ + i * size_t{2})
                              : DecodeFixed<uint32_t>(offsets_ + i * size_t{4});
  }

  // Decodes the entry in [start, end); false if malformed.
  bool DecodeAt(size_t start, size_t end, Entry* entry) const {
    if (start > end || end > entries_bytes_ || end - start < 2) [[unlikely]] {
      return false;
    }
    const char* p = entries_ + start;
    const char* limit = entries_ + end;
    uint64_t shared = static_cast<uint8_t>(p[0]);
    uint64_t unshared = static_cast<uint8_t>(p[1]);
    if ((shared | unshared) < 0x80) [[likely]] {
      p += 2;
    } else {
      p = DecodeVarint(p, limit, &shared);
      if (p == nullptr) return false;
      p = DecodeVarint(p, limit, &unshared);
      if (p == nullptr) return false;
    }
    if (unshared > static_cast<uint64_t>(limit - p)) [[unlikely]]
      return false;
    entry->shared = shared;
    entry->suffix = {p, unshared};
    p += unshared;
    entry->value = {p, static_cast<size_t>(limit - p)};
    return true;
  }
  bool Decode(uint32_t i, Entry* entry) const {
    return DecodeAt(Offset(i), Offset(i + 1), entry);
  }
  // The whole key of restart point i, in place.
  bool RestartKey(uint32_t i, std::string_view* key) const {
    Entry entry;
    if (!Decode(i, &entry)) return false;
    *key = entry.suffix;
    return true;
  }

  // Newest entry of user_key with trailer <= `trailer`.
  FindResult Find(std::string_view user_key, uint8_t tag, uint64_t trailer,
                  uint32_t* index, std::string_view* value) const;

  // Index of the first entry at or after (user_key, trailer), size() if none,
  // or kMalformed.
  uint32_t LowerBound(std::string_view user_key, uint64_t trailer) const;

 private:
  FindResult FindByTag(std::string_view user_key, uint8_t tag, uint64_t trailer,
                       uint32_t* index, std::string_view* value) const;
  // Bit i is set if tag `first` + i matches, for up to 16 tags.
  uint32_t MatchTags(uint32_t first, uint8_t tag) const;
  enum class Equal { kNo, kYes, kMalformed };
  Equal KeyEquals(uint32_t i, std::string_view user_key,
                  std::string_view* value) const;
  uint32_t LowerBoundInInterval(uint32_t restart, uint32_t end,
                                std::string_view user_key,
                                uint64_t trailer) const;

  const char* entries_ = nullptr;
  const char* offsets_ = nullptr;
  const char* trailers_ = nullptr;
  const char* tags_ = nullptr;  // null: none
  size_t entries_bytes_ = 0;
  uint64_t base_ = 0;
  uint64_t trailer_mask_ = 0;
  uint32_t size_ = 0;
  uint32_t restart_mask_ = 0;
  uint8_t offset_width_ = 2;
  uint8_t trailer_width_ = 0;
};

}  // namespace nori

#endif  // NORI_ENGINE_SSTABLE_DATA_BLOCK_H_
