// One end of a key range, ready for many comparisons.

#ifndef NORI_ENGINE_ITERATORS_BOUND_H_
#define NORI_ENGINE_ITERATORS_BOUND_H_

#include <cstdint>
#include <string_view>

#include "engine/format/internal_key.h"

namespace nori {

// A key together with its prefix, so that a test against it is one integer
// comparison unless the first 8 bytes are equal. Does not own the key.
class Bound {
 public:
  Bound() = default;
  explicit Bound(std::string_view bound)
      : key_(bound), prefix_(KeyPrefix(bound)) {}

  std::string_view key() const { return key_; }

  // Whether `key` is below the bound.
  bool IsAbove(std::string_view key) const {
    const uint64_t prefix = KeyPrefix(key);
    return prefix != prefix_ ? prefix < prefix_ : key < key_;
  }

 private:
  std::string_view key_;
  uint64_t prefix_ = 0;
};

}  // namespace nori

#endif  // NORI_ENGINE_ITERATORS_BOUND_H_
