// The iterator that users of the engine see.

#ifndef NORI_ENGINE_ITERATORS_ITERATOR_H_
#define NORI_ENGINE_ITERATORS_ITERATOR_H_

#include <string_view>

#include "absl/status/status.h"

namespace nori {

// Walks live user keys. A new iterator is not positioned. Views are valid until
// the next move.
class Iterator {
 public:
  virtual ~Iterator() = default;
  virtual bool Valid() const = 0;
  virtual absl::Status status() const = 0;
  virtual void SeekToFirst() = 0;
  virtual void SeekToLast() = 0;
  virtual void Seek(std::string_view key) = 0;         // first key >= key
  virtual void SeekForPrev(std::string_view key) = 0;  // last key <= key
  virtual void Next() = 0;                             // REQUIRES: Valid()
  virtual void Prev() = 0;                             // REQUIRES: Valid()
  virtual std::string_view key() const = 0;
  virtual std::string_view value() const = 0;
  // Narrows the iterator to [begin, end), which must lie inside the bounds that
  // it was made with; an empty end is theirs. It is not positioned then. False,
  // and nothing changes: this kind cannot.
  virtual bool Narrow(std::string_view /*begin*/, std::string_view /*end*/) {
    return false;
  }
};

}  // namespace nori

#endif  // NORI_ENGINE_ITERATORS_ITERATOR_H_
