// Range deletes as data.

#ifndef NORI_ENGINE_FORMAT_RANGE_TOMBSTONE_H_
#define NORI_ENGINE_FORMAT_RANGE_TOMBSTONE_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "engine/format/internal_key.h"

namespace nori {

// Deletes every entry of user key k, begin <= k < end, whose sequence number is
// lower than `sequence`. (An entry of the same commit survives: a commit drops
// what it overwrites itself before it is written.)
struct RangeTombstone {
  std::string begin;
  std::string end;
  SequenceNumber sequence = 0;

  friend bool operator==(const RangeTombstone&,
                         const RangeTombstone&) = default;
};

// An immutable set of range tombstones, cut into fragments that do not overlap
// and sorted, so that one binary search answers a lookup. Fragments keep every
// sequence number that covers them, newest first, since readers at different
// snapshots see different ones. Thread-safe: const after construction.
class RangeTombstoneSet {
 public:
  struct Fragment {
    std::string begin;
    std::string end;
    std::vector<SequenceNumber> sequences;  // descending, never empty
  };

  RangeTombstoneSet() = default;
  explicit RangeTombstoneSet(absl::Span<const RangeTombstone> tombstones);

  bool empty() const { return fragments_.empty(); }
  const std::vector<Fragment>& fragments() const { return fragments_; }

  // The highest sequence number <= snapshot of a tombstone that covers
  // `user_key`, or 0 if none does.
  SequenceNumber Covering(std::string_view user_key,
                          SequenceNumber snapshot) const;

  // Appends every tombstone with a sequence number of at most `highest`.
  void AppendTo(std::vector<RangeTombstone>* tombstones,
                SequenceNumber highest = kMaxSequence) const;

  // Index of the first fragment whose end is > user_key (the fragment that
  // covers the key, or the next one), or fragments().size().
  size_t FragmentAtOrAfter(std::string_view user_key) const;

 private:
  std::vector<Fragment> fragments_;
};

}  // namespace nori

#endif  // NORI_ENGINE_FORMAT_RANGE_TOMBSTONE_H_
