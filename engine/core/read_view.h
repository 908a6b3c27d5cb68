// What a reader reads: memtables, the parts of spilled transactions that wait
// for their turn, and a version of the tables, all at one instant.

#ifndef NORI_ENGINE_CORE_READ_VIEW_H_
#define NORI_ENGINE_CORE_READ_VIEW_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/engine.h"
#include "engine/iterators/visible_iterator.h"
#include "engine/memtable/memtable.h"
#include "engine/slots/heat.h"
#include "engine/slots/version.h"

namespace nori {

// What a layer's contents mean for the log and the manifest. Grows with the
// layer.
struct LayerInfo {
  uint64_t first_segment = 0;  // log segments from here on hold the layer
  std::atomic<uint64_t> highest_mixed{0};  // highest mixed transaction in it
  // Whether any part of a mixed transaction is in it. A spilled one counts for
  // highest_mixed only with its last part.
  std::atomic<bool> mixed{false};
  std::atomic<SequenceNumber> largest_sequence{0};
  SequenceNumber begins_after = 0;  // all in it is newer, all below is not
  bool continues = false;  // the layer above is of the same transaction
  // Deleted keys in a memtable that scans have stepped over.
  std::atomic<uint64_t> skipped{0};
};

// One layer above L0: a memtable, or one table of a spilled transaction.
struct MemLayer {
  std::shared_ptr<Memtable> memtable;  // exactly one of these two is set
  TableRef spilled;
  std::shared_ptr<LayerInfo> info;
};

// Immutable list of layers; the active memtable inside grows. Thread-safe.
class ReadView final : public SkipObserver {
 public:
  ReadView(std::vector<MemLayer> layers, VersionRef version,
           std::vector<std::shared_ptr<SlotHeat>> heat);

  const std::vector<MemLayer>& layers() const {
    return layers_;
  }  // newest first
  const VersionRef& version() const { return version_; }
  const std::vector<std::shared_ptr<SlotHeat>>& heat() const { return heat_; }

  // Looks `key` up at `snapshot`. True and *result filled in if it is live.
  absl::StatusOr<bool> Get(std::string_view key, SequenceNumber snapshot,
                           PointLookup* result, ReadCounters* counters) const;

  // All layers merged, every version, inside `bounds`, and the range tombstones
  // that apply to them. The view must outlive the iterator.
  std::unique_ptr<EntryIterator> NewEntryIterator(
      const KeyRange& bounds, const TableIterOptions& options) const;
  std::vector<TombstoneLayer> TombstoneLayers() const;

  // Charges the active memtable or the slot that holds the deleted keys.
  void OnSkipped(std::string_view key, SequenceNumber sequence,
                 uint64_t keys) const override;

 private:
  // Looks into one table. Returns true if the search ends here.
  static absl::StatusOr<bool> SearchTable(const Table& table,
                                          std::string_view key, uint64_t hash,
                                          SequenceNumber snapshot,
                                          SequenceNumber* covered,
                                          PointLookup* result,
                                          ReadCounters* counters);
  absl::StatusOr<bool> SearchTables(std::string_view key,
                                    SequenceNumber snapshot,
                                    SequenceNumber covered, PointLookup* result,
                                    ReadCounters* counters) const;

  const std::vector<MemLayer> layers_;
  const VersionRef version_;
  const std::vector<std::shared_ptr<SlotHeat>> heat_;  // one per slot
  std::vector<TombstoneLayer> table_tombstones_;       // of version and spills
};
using ReadViewRef = std::shared_ptr<const ReadView>;

}  // namespace nori

#endif  // NORI_ENGINE_CORE_READ_VIEW_H_
