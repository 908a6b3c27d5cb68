// Internal keys: what the engine stores for a user key.
//
// An entry of the engine is (user key, sequence number, kind, value). Entries
// are ordered by user key ascending (unsigned bytes), then by sequence number
// descending, so that the newest version of a key comes first. Sequence number
// and kind are packed into one 64-bit trailer, sequence << 8 | kind, so that
// "newer first" is one integer comparison.

#ifndef NORI_ENGINE_FORMAT_INTERNAL_KEY_H_
#define NORI_ENGINE_FORMAT_INTERNAL_KEY_H_

#include <cstdint>
#include <cstring>
#include <string_view>

#include "boost/endian/conversion.hpp"
#include "engine/format/coding.h"

namespace nori {

// Position of a commit in the log's order. 0 is before every commit. All
// entries of one commit carry the same number (a spilled transaction takes a
// contiguous range of numbers of which only the last is ever a snapshot).
using SequenceNumber = uint64_t;

inline constexpr SequenceNumber kMaxSequence = (uint64_t{1} << 56) - 1;

enum class EntryKind : uint8_t {
  kDelete = 0,
  kPut = 1,
  // Only in range tombstone lists, log records and manifests, never between
  // the point entries of a memtable or table.
  kRangeDelete = 2,
};

inline constexpr uint64_t PackTrailer(SequenceNumber sequence, EntryKind kind) {
  return sequence << 8 | static_cast<uint64_t>(kind);
}
inline constexpr SequenceNumber TrailerSequence(uint64_t trailer) {
  return trailer >> 8;
}
inline constexpr EntryKind TrailerKind(uint64_t trailer) {
  return static_cast<EntryKind>(trailer & 0xff);
}
// Seeking to (key, SeekTrailer(s)) finds the newest entry of key that a reader
// at sequence s can see.
inline constexpr uint64_t SeekTrailer(SequenceNumber sequence) {
  return sequence << 8 | 0xff;
}

// Length of the common prefix.
inline size_t CommonPrefix(std::string_view a, std::string_view b) {
  const size_t n = a.size() < b.size() ? a.size() : b.size();
  size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const uint64_t diff = DecodeFixed<uint64_t>(a.data() + i) ^
                          DecodeFixed<uint64_t>(b.data() + i);
    if (diff != 0) return i + static_cast<size_t>(__builtin_ctzll(diff)) / 8;
  }
  while (i < n && a[i] == b[i]) ++i;
  return i;
}

// First 8 bytes of a key as a big-endian integer, zero-padded: for two keys a
// and b, KeyPrefix(a) < KeyPrefix(b) implies a < b. Equal prefixes decide
// nothing.
inline uint64_t KeyPrefix(std::string_view key) {
  uint64_t v = 0;
  if (key.size() >= 8) {
    std::memcpy(&v, key.data(), 8);
  } else if (!key.empty()) {  // an empty view may hold a null pointer
    std::memcpy(&v, key.data(), key.size());
  }
  return boost::endian::big_to_native(v);
}

// Three-way comparison of internal keys: <0, 0, >0.
inline int CompareInternal(std::string_view a_user_key, uint64_t a_trailer,
                           std::string_view b_user_key, uint64_t b_trailer) {
  const int c = a_user_key.compare(b_user_key);
  if (c != 0) return c;
  if (a_trailer == b_trailer) return 0;
  return a_trailer > b_trailer ? -1 : 1;
}

// A key that a user may give: 0 to kMaxKeyBytes bytes.
inline constexpr size_t kMaxKeyBytes = 65535;
// A value: 0 to kMaxValueBytes bytes (SQLite's own limit of a row is lower).
inline constexpr size_t kMaxValueBytes = (size_t{1} << 31) - 1;

}  // namespace nori

#endif  // NORI_ENGINE_FORMAT_INTERNAL_KEY_H_
