// The one iterator interface inside the engine, and the result of a point
// lookup in one layer (memtable, table, run).

#ifndef NORI_ENGINE_FORMAT_ENTRY_ITERATOR_H_
#define NORI_ENGINE_FORMAT_ENTRY_ITERATOR_H_

#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/status/status.h"
#include "engine/format/internal_key.h"

namespace nori {

// Walks point entries in internal-key order, every version of every key.
// Range tombstones are not entries: they are reached through their layer.
//
// Not thread-safe. A new iterator is not positioned. The views stay valid
// until the iterator is moved or destroyed. When an error occurs, Valid()
// becomes false and status() tells it; status() is OK at a plain end. A later
// successful seek clears the error.
class EntryIterator {
 public:
  virtual ~EntryIterator() = default;

  virtual bool Valid() const = 0;
  virtual absl::Status status() const = 0;

  virtual void SeekToFirst() = 0;
  virtual void SeekToLast() = 0;
  // First entry at or after (user_key, trailer) in internal-key order.
  virtual void Seek(std::string_view user_key, uint64_t trailer) = 0;
  // Last entry whose user key is < user_key (its oldest version).
  virtual void SeekBefore(std::string_view user_key) = 0;

  // REQUIRES: Valid().
  virtual void Next() = 0;
  virtual void Prev() = 0;
  virtual std::string_view user_key() const = 0;
  virtual uint64_t trailer() const = 0;
  virtual std::string_view value() const = 0;

  // Hints from a caller that no longer cares for entries of user key < `end`
  // (backward: >= `begin`) and sequence number < `sequence`, because a range
  // tombstone hides them. From its position on, in the direction in which it
  // was last moved, the iterator may jump over such entries, and over nothing
  // else; it may come to the end. Returns whether it moved. A layer that knows
  // an upper bound of its sequence numbers can jump without reading.
  // REQUIRES: Valid().
  virtual bool SkipHiddenForward(std::string_view /*end*/,
                                 SequenceNumber /*sequence*/) {
    return false;
  }
  virtual bool SkipHiddenBackward(std::string_view /*begin*/,
                                  SequenceNumber /*sequence*/) {
    return false;
  }
};

// What a layer knows of one user key at one snapshot.
struct PointLookup {
  bool found = false;
  uint64_t trailer = 0;    // of the newest visible entry, if found
  std::string_view value;  // valid while `pin` or the layer itself lives
  // Keeps `value` alive when it lies in a cache block; null when it lies in
  // memory that lives as long as the layer (memtable, mapped file).
  std::shared_ptr<const void> pin;
};

}  // namespace nori

#endif  // NORI_ENGINE_FORMAT_ENTRY_ITERATOR_H_
