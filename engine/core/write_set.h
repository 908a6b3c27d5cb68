// A transaction's own changes.

#ifndef NORI_ENGINE_CORE_WRITE_SET_H_
#define NORI_ENGINE_CORE_WRITE_SET_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/core/table_store.h"
#include "engine/engine.h"
#include "engine/format/range_tombstone.h"
#include "engine/iterators/visible_iterator.h"
#include "engine/memtable/memtable.h"

namespace nori {

// Changes in the order they were made, numbered 1, 2, ... (local sequence
// numbers), kept as a memtable with all versions, so that an iterator opened
// earlier goes on seeing what was there then. Undone changes stay in memory and
// are masked by the interval of their numbers. When the memtable outgrows the
// spill threshold it is written to private tables, whose numbers the commit
// shifts by the sequence number that it starts from. Not thread-safe.
class WriteSet {
 public:
  // `shared_prefix`: see Memtable::SetSharedPrefix.
  WriteSet(const Options& options, TableStore* tables,
           std::string_view shared_prefix = {});
  ~WriteSet();  // private tables that no commit took over are removed

  absl::Status Put(std::string_view key, std::string_view value);
  absl::Status Delete(std::string_view key);
  absl::Status DeleteRange(std::string_view begin, std::string_view end);

  uint64_t mark() const { return last_; }
  absl::Status RollbackTo(uint64_t mark);
  bool empty() const { return live_changes() == 0; }

  // What the changes say about `key`: nullopt if nothing.
  enum class Verdict : uint8_t { kPut, kDeleted };
  absl::StatusOr<std::optional<Verdict>> Get(std::string_view key,
                                             PointLookup* result) const;

  // The changes so far over `base`.
  std::unique_ptr<Iterator> NewIterator(std::unique_ptr<Iterator> base,
                                        const KeyRange& bounds) const;

  // The changes that count, newest per key, in key order, as a change list
  // (engine/core/commit_record.h). REQUIRES: nothing was spilled.
  absl::StatusOr<std::string> EncodeChanges() const;
  bool spilled() const { return !tables_spilled_.empty(); }

  // Spills what is in memory too and gives the tables, oldest first, synced.
  // Numbers in them are local: 1..mark().
  absl::StatusOr<std::vector<TableMeta>> SpillAll();
  // The tables belong to a commit now and are not removed with the write set.
  void ReleaseTables() { owns_tables_ = false; }

 private:
  using Interval = std::pair<SequenceNumber, SequenceNumber>;
  struct SpilledTable {
    TableRef table;
    SequenceNumber first = 0;  // numbers of its changes
    SequenceNumber last = 0;
  };

  uint64_t live_changes() const;
  // The interval of undone changes that holds `n`, or hidden_.end().
  std::vector<Interval>::const_iterator HiddenInterval(SequenceNumber n) const;
  bool Hidden(SequenceNumber n) const;
  absl::Status AfterChange();
  absl::Status SpillMemtable();
  absl::Status RewriteSpilled(size_t index, SequenceNumber mark);
  absl::StatusOr<TableMeta> WriteTable(std::unique_ptr<EntryIterator> entries,
                                       SequenceNumber first,
                                       SequenceNumber last);
  absl::Status LookUpTables(std::string_view key, PointLookup* result) const;
  std::vector<TombstoneLayer> Layers() const;

  const Options& options_;
  TableStore* const tables_;
  std::shared_ptr<Memtable> memtable_;
  SequenceNumber memtable_first_ = 1;  // first number in memtable_
  Memtable::Hint hint_;
  SequenceNumber last_ = 0;
  std::vector<Interval> hidden_;        // ascending, disjoint
  std::vector<RangeTombstone> ranges_;  // that count, all parts
  std::shared_ptr<const RangeTombstoneSet> range_set_ =
      std::make_shared<RangeTombstoneSet>();
  std::vector<SpilledTable> tables_spilled_;  // oldest first
  bool owns_tables_ = true;
};

}  // namespace nori

#endif  // NORI_ENGINE_CORE_WRITE_SET_H_
