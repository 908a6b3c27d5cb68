// XXH3, the checksum of every block and record and the hash of every filter.

#ifndef NORI_ENGINE_FORMAT_CHECKSUM_H_
#define NORI_ENGINE_FORMAT_CHECKSUM_H_

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstdint>
#include <string_view>

namespace nori {

// 64-bit XXH3 of `data`; `seed` binds it to a place (file number, offset), so
// that a block or record that reached the wrong place does not verify.
inline uint64_t Checksum(std::string_view data, uint64_t seed = 0) {
  return XXH3_64bits_withSeed(data.data(), data.size(), seed);
}

// Hash of a user key, computed once per lookup and shared by all filters and
// block hash indexes.
inline uint64_t HashKey(std::string_view user_key) {
  return XXH3_64bits(user_key.data(), user_key.size());
}

}  // namespace nori

#endif  // NORI_ENGINE_FORMAT_CHECKSUM_H_
