// From every version of every key to the live keys that one snapshot sees.

#ifndef NORI_ENGINE_ITERATORS_VISIBLE_ITERATOR_H_
#define NORI_ENGINE_ITERATORS_VISIBLE_ITERATOR_H_

#include <memory>
#include <string_view>
#include <vector>

#include "engine/format/entry_iterator.h"
#include "engine/format/range_tombstone.h"
#include "engine/iterators/dead_ranges.h"
#include "engine/iterators/iterator.h"
#include "engine/slots/version.h"

namespace nori {

// The range tombstones of one layer, clipped to where they apply.
struct TombstoneLayer {
  std::shared_ptr<const RangeTombstoneSet> tombstones;
  KeyRange range;  // only keys inside count (a slice's range)
};

// Hears of deleted keys that scans step over: the time they cost is what their
// removal is worth. Thread-safe.
class SkipObserver {
 public:
  virtual ~SkipObserver() = default;
  // Another `keys` of them, the last being `key` with `sequence`. Called once
  // in many.
  virtual void OnSkipped(std::string_view key, SequenceNumber sequence,
                         uint64_t keys) const = 0;
};

// Whom a scan tells of the deleted keys it steps over, and who helps it past
// them; each may be null and must outlive the scan.
struct SkipContext {
  const SkipObserver* observer = nullptr;
  DeadRanges* dead = nullptr;
  // Of what is scanned, as `dead` knows it; null if the scan will not come
  // across all that goes to it from now on.
  const void* newest_memtable = nullptr;
  // Every commit up to here is in what is scanned. May be lower than the
  // scan's snapshot, where a memtable was begun while the scan was.
  SequenceNumber complete_to = 0;
};

// Hides from `entries` (all layers merged) what is newer than `snapshot`,
// deleted, shadowed, or covered by a range tombstone of `layers` that the
// snapshot sees; keys outside `bounds` are never returned. Long stretches under
// a range tombstone are skipped by seeking. `keep_alive` is held until
// destruction (the memtables and version that the entries live in).
std::unique_ptr<Iterator> NewVisibleIterator(
    std::unique_ptr<EntryIterator> entries, std::vector<TombstoneLayer> layers,
    SequenceNumber snapshot, KeyRange bounds,
    std::shared_ptr<const void> keep_alive, const SkipContext& skips = {});

// A transaction's own changes over the committed state: where `own` has an
// entry visible at `own_snapshot` for a key it decides (a delete hides), and a
// range tombstone of own_layers hides every key of `base`, and every own entry
// with a lower number, that it covers. `hidden` lists closed intervals of own
// sequence numbers that were rolled back: entries and tombstones in them do not
// exist (own_layers come without them).
std::unique_ptr<Iterator> NewOverlayIterator(
    std::unique_ptr<EntryIterator> own, std::vector<TombstoneLayer> own_layers,
    SequenceNumber own_snapshot,
    std::vector<std::pair<SequenceNumber, SequenceNumber>> hidden,
    std::unique_ptr<Iterator> base, KeyRange bounds,
    std::shared_ptr<const void> keep_alive);

}  // namespace nori

#endif  // NORI_ENGINE_ITERATORS_VISIBLE_ITERATOR_H_
