// The copying part of a flush or compaction: sorted inputs to new tables.

#ifndef NORI_ENGINE_COMPACTION_MERGE_H_
#define NORI_ENGINE_COMPACTION_MERGE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/format/entry_iterator.h"
#include "engine/format/range_tombstone.h"
#include "engine/slots/version.h"

namespace nori {

struct MergeInput {
  // Newest layer first; walks all versions.
  std::vector<std::unique_ptr<EntryIterator>> layers;
  // Range tombstones of the inputs, already clipped to `range`.
  std::vector<RangeTombstone> tombstones;
  KeyRange range;                         // nothing outside is written
  std::vector<SequenceNumber> snapshots;  // live ones, ascending
  // No older entry of any key in `range` exists below the inputs: point and
  // range tombstones that every snapshot sees can be dropped.
  bool bottommost = false;
};

struct MergeOutputOptions {
  TableWriterOptions table;
  uint64_t table_bytes = uint64_t{16} << 20;  // a new table starts above this
  // Makes a new file and its number. Tables never split one user key's
  // versions over two files.
  std::function<
      absl::StatusOr<std::pair<uint64_t, std::unique_ptr<WritableFile>>>()>
      new_file;
  // Keys at which a table must end (guards), ascending.
  std::vector<std::string> cuts;
  // Polled between blocks of work: true stops with kCancelled.
  const std::atomic<bool>* cancelled = nullptr;
  // Called after about every 256 KiB of input with the bytes read since the
  // last call: for rate limits and yielding.
  std::function<void(uint64_t bytes)> on_progress;
  // Called with every so many-th of the keys that are written; 0: with none.
  uint64_t sample_every = 0;
  std::function<void(std::string_view key)> on_sample;
};

struct MergeResult {
  std::vector<TableMeta> tables;  // ascending key ranges, disjoint
  uint64_t entries_in = 0;
  uint64_t entries_out = 0;
  uint64_t bytes_out = 0;
};

// Keeps, for every key, the newest version that each snapshot (and the present)
// sees; drops versions shadowed for all of them, entries covered by a range
// tombstone for all of them, and tombstones that have nothing left to hide.
// Rows of equal (key, sequence): the newer layer's wins. On error the caller
// removes the files it handed out.
absl::StatusOr<MergeResult> MergeToTables(MergeInput input,
                                          const MergeOutputOptions& output);

}  // namespace nori

#endif  // NORI_ENGINE_COMPACTION_MERGE_H_
