// One version per user key, out of an iterator over all of them.

#ifndef NORI_ENGINE_ITERATORS_VERSION_CURSOR_H_
#define NORI_ENGINE_ITERATORS_VERSION_CURSOR_H_

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "engine/format/entry_iterator.h"
#include "engine/iterators/bound.h"
#include "engine/iterators/tombstone_window.h"
#include "engine/iterators/visible_iterator.h"
#include "engine/slots/version.h"

namespace nori {

// Closed intervals of sequence numbers.
using SequenceIntervals =
    std::vector<std::pair<SequenceNumber, SequenceNumber>>;

// Walks user keys in both directions, showing of each the newest version that
// a reader sees. What the visible and the overlay iterator have in common; not
// an interface of its own, so that its calls are inlined into theirs. Not
// thread-safe; views are valid until the next move.
class VersionCursor {
 public:
  enum class Deleted {
    kSkip,  // a key whose newest version is deleted is passed over
    kShow,  // it is shown, with deleted() true
  };

  // The reader sees numbers <= snapshot that lie in no interval of `hidden`
  // (which concerns entries only, not `layers`), and only keys in `bounds`.
  VersionCursor(std::unique_ptr<EntryIterator> entries,
                std::vector<TombstoneLayer> layers, SequenceNumber snapshot,
                SequenceIntervals hidden, KeyRange bounds, Deleted deleted,
                const SkipContext& skips = {});
  // Views into itself.
  VersionCursor(const VersionCursor&) = delete;
  VersionCursor& operator=(const VersionCursor&) = delete;

  bool Valid() const { return valid_; }
  const absl::Status& status() const { return status_; }
  void SeekToFirst();
  void SeekToLast();
  void Seek(std::string_view key);         // first key >= key
  void SeekForPrev(std::string_view key);  // last key <= key
  void Next();                             // REQUIRES: Valid()
  void Prev();                             // REQUIRES: Valid()
  // As Iterator::Narrow.
  void Narrow(std::string_view begin, std::string_view end);

  // REQUIRES: Valid().
  std::string_view key() const { return key_; }
  std::string_view value() const {  // empty if deleted
    if (reverse_) return saved_value_;
    return deleted_ ? std::string_view() : entries_->value();
  }
  bool deleted() const { return deleted_; }  // a delete or a range tombstone

 private:
  bool Sees(SequenceNumber sequence) const {
    return sequence <= snapshot_ && (hidden_.empty() || !IsHidden(sequence));
  }
  bool IsHidden(SequenceNumber sequence) const;
  bool IsPastEnd(std::string_view key) const {
    return has_end_ && !end_.IsAbove(key);
  }

  void Stop(absl::Status status);
  void SeekStart(bool reverse);
  void FindForward(bool same_key_decided);
  void FindBackward();
  bool PassInvisible(std::string_view key);
  bool GatherVersions(SequenceNumber cover, bool* live);
  bool GatherBySeeking(SequenceNumber cover, bool* live);
  void TakeVersion(uint64_t trailer, SequenceNumber cover, bool* live);
  bool ShouldHint();
  void CountSkipped();

  const std::unique_ptr<EntryIterator> entries_;
  TombstoneWindow window_;
  const SequenceNumber snapshot_;
  const SequenceIntervals hidden_;  // ascending, disjoint
  KeyRange bounds_;
  const std::string outer_end_;  // of the bounds that it was made with
  Bound begin_, end_;
  bool has_end_;
  const bool show_deleted_;
  const SkipObserver* const skips_;
  DeadStretch dead_;

  absl::Status status_;
  bool valid_ = false;
  // Forward: entries_ stands at the entry shown. Backward: at the last entry
  // below the versions of the key shown, which is in saved_key_.
  bool reverse_ = false;
  bool deleted_ = false;
  std::string_view key_;
  // Forward: the key decided last, and the number of its deciding version.
  // Backward: the key shown and its value.
  std::string saved_key_;
  SequenceNumber saved_sequence_ = 0;
  std::string saved_value_;
  std::string seek_key_;     // scratch
  std::string passing_key_;  // key of the invisible versions being passed
  int passed_ = 0;           // how many of them
  int covered_ = 0;          // keys in a row that a range tombstone hid
  uint64_t skipped_ = 0;     // deleted keys since the cursor was made
};

}  // namespace nori

#endif  // NORI_ENGINE_ITERATORS_VERSION_CURSOR_H_
