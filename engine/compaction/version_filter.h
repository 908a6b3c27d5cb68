// Which entries and range tombstones a merge must keep.

#ifndef NORI_ENGINE_COMPACTION_VERSION_FILTER_H_
#define NORI_ENGINE_COMPACTION_VERSION_FILTER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "engine/format/internal_key.h"
#include "engine/format/range_tombstone.h"

namespace nori {

// Fed with all entries of the inputs in order, decides about each.
//
// The live snapshots cut the sequence numbers into stripes: two numbers are in
// one stripe if every reader (a snapshot or the present) sees both or neither.
// Of the versions of a key that share a stripe only the newest can ever be
// read, and none of those that a range tombstone of their own stripe covers.
// Without anything older below, a delete that hides nothing of what is kept
// goes as well. Not thread-safe.
class VersionFilter {
 public:
  // `snapshots`: live ones, ascending. `tombstones`: of all inputs.
  // `bottommost`: nothing older than the inputs exists for any of their keys.
  VersionFilter(std::vector<SequenceNumber> snapshots,
                absl::Span<const RangeTombstone> tombstones, bool bottommost);

  // Takes the next entry. REQUIRES: merge order (user key ascending, sequence
  // descending, of equal ones the newer layer's first). True: the entry must be
  // written, after one delete of the same key for each of deferred_deletes().
  bool Add(std::string_view user_key, uint64_t trailer);

  // Whether the last entry was the first of its user key.
  bool is_new_key() const { return is_new_key_; }

  // Trailers, descending, of deletes for which Add returned false, and which
  // have proved necessary. Meaningful after Add returned true, until the next
  // Add.
  absl::Span<const uint64_t> deferred_deletes() const { return deferred_; }

  // After Add returned false: whether a range tombstone is why, and hides every
  // older entry as well, up to some key, whoever reads. Then `*end` is that key
  // (valid as long as the filter) and `*sequence` the tombstone's number.
  bool HidesUpTo(std::string_view* end, SequenceNumber* sequence) const;

  // The range tombstones to be written: disjoint fragments, ascending, each
  // with the numbers that some reader needs.
  const RangeTombstoneSet& kept_tombstones() const { return kept_; }

 private:
  // Index of the first snapshot that sees `sequence`; the number of snapshots
  // if only the present does.
  size_t StripeOf(SequenceNumber sequence) const;
  // The highest number in a stripe.
  SequenceNumber LastOf(size_t stripe) const {
    return stripe < snapshots_.size() ? snapshots_[stripe] : kMaxSequence;
  }
  RangeTombstoneSet KeptOf(const RangeTombstoneSet& all) const;
  // The newest number <= last of a tombstone that covers user_key, or 0.
  SequenceNumber Cover(std::string_view user_key, SequenceNumber last);

  const std::vector<SequenceNumber> snapshots_;
  const bool bottommost_;
  const RangeTombstoneSet all_;
  const RangeTombstoneSet kept_;
  size_t fragment_ = 0;  // of all_: the first that ends after the last key

  std::string key_;  // of the last entry
  bool has_key_ = false;
  SequenceNumber last_sequence_ = 0;
  size_t last_stripe_ = 0;  // of the last entry of key_
  bool is_new_key_ = false;
  bool clear_deferred_ = false;
  std::vector<uint64_t> deferred_;
  SequenceNumber hiding_ = 0;  // see HidesUpTo; 0: no
};

}  // namespace nori

#endif  // NORI_ENGINE_COMPACTION_VERSION_FILTER_H_
