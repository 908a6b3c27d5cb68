// A version: the immutable description of which tables hold which keys.
//
//   L0      flushed tables, newest first. A table may have given parts of its
//           range to slots already; `remaining` says what it still answers for.
//   slots   a partition of the whole key space at guard keys. Each slot holds
//           sorted runs, newest first. A run is a list of slices (table, key
//           range) in key order that do not overlap.
//
// Since runs are made of slices, moving part of a table from L0 into a slot,
// splitting a slot and joining two slots change only this description. A table
// lives as long as some slice of some living version refers to it.
//
// Invariants (Version::Check): slots cover the key space without gap or
// overlap; every slice lies inside its slot and inside its table's bounds;
// slices of a run are ordered and disjoint; and newer stands above older:
//   - two L0 tables that overlap in keys do not overlap in sequence numbers,
//   and
//     the newer comes first (tables of one flush may, their keys are disjoint);
//   - every L0 table with data in a slot is newer than all runs of the slot;
//   - the sequence ranges of run 1..n of a slot descend without overlap.
// The last two speak of whole runs, not of single keys: a merge turns slices of
// several sequence ranges into one table whose range spans them all, and only
// this form survives that. It implies that for any key no two layers
// interleave.

#ifndef NORI_ENGINE_SLOTS_VERSION_H_
#define NORI_ENGINE_SLOTS_VERSION_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "engine/format/internal_key.h"
#include "engine/sstable/table.h"

namespace nori {

// Keys k with begin <= k and (end is empty or k < end). Empty begin and end:
// everything.
struct KeyRange {
  std::string begin;
  std::string end;

  bool Contains(std::string_view key) const {
    return key >= begin && (end.empty() || key < end);
  }
  // Whether no key can lie inside.
  bool IsEmpty() const { return !end.empty() && begin >= end; }
  // Whether some key lies in both; false if either is empty.
  bool Overlaps(const KeyRange& other) const;
  // Whether every key of `other`, which is not empty, lies in this range.
  bool Covers(const KeyRange& other) const;
  // REQUIRES: Overlaps(other).
  KeyRange Intersect(const KeyRange& other) const;
  friend bool operator==(const KeyRange&, const KeyRange&) = default;
};

// What the manifest records of a table. Sequence numbers are global (the
// table's own plus sequence_base).
struct TableMeta {
  uint64_t number = 0;
  uint64_t file_bytes = 0;
  uint64_t entries = 0;
  uint64_t deletions = 0;
  uint64_t range_deletions = 0;
  uint64_t raw_bytes = 0;  // keys and values before compression
  SequenceNumber smallest_sequence = 0;
  SequenceNumber largest_sequence = 0;
  SequenceNumber sequence_base = 0;
  std::string smallest_key;
  std::string largest_key;
  bool largest_exclusive = false;
  Compression compression = Compression::kNone;
};

// The meta of a table that was just written, with its own sequence numbers.
TableMeta MetaFromProperties(uint64_t number, const TableProperties& properties,
                             Compression compression);

// An open table. Shared by every slice and version that refers to it; the
// owner's deleter (given by the engine) removes the file when the last
// reference goes and the table is obsolete.
struct Table {
  TableMeta meta;
  std::shared_ptr<TableReader> reader;
};
using TableRef = std::shared_ptr<const Table>;

// A part of a table. Tombstones of the table count only inside `range`.
struct Slice {
  TableRef table;
  KeyRange range;
  uint64_t bytes = 0;    // estimate of the file bytes inside `range`
  uint64_t entries = 0;  // estimate
};

struct Run {
  std::vector<Slice> slices;  // ascending, disjoint, never empty
  uint64_t bytes() const;     // sums of the slices' estimates
  uint64_t entries() const;
  // Over the whole tables of the slices, so wider than the slices at times.
  SequenceNumber smallest_sequence() const;
  SequenceNumber largest_sequence() const;
  // The slice whose range contains `key`, or null.
  const Slice* Find(std::string_view key) const;
};

struct Slot {
  uint64_t id = 0;  // never reused within an engine
  KeyRange range;
  std::vector<Run> runs;                // newest first
  int max_runs = 4;                     // K
  double heat = 0;                      // last persisted value, 0..1
  uint64_t last_compaction_micros = 0;  // wall clock; 0: never
  // The guard at range.begin was asked for (a table or index begins there):
  // joins keep it.
  bool fixed_guard = false;
  uint64_t bytes() const;  // sums of the runs' estimates
  uint64_t entries() const;
};
using SlotRef = std::shared_ptr<const Slot>;

struct L0Table {
  TableRef table;
  std::vector<KeyRange> remaining;  // ascending, disjoint, never empty
  // Whether the table still answers for `key`, or for a key in `range`.
  bool Contains(std::string_view key) const;
  bool Overlaps(const KeyRange& range) const;
};

// Immutable; shared by readers. Thread-safe.
class Version {
 public:
  // `l0` newest first; `slots` ascending, at least one.
  Version(std::vector<L0Table> l0, std::vector<SlotRef> slots);

  const std::vector<L0Table>& l0() const { return l0_; }
  const std::vector<SlotRef>& slots() const { return slots_; }

  // Index of the slot that holds `key`; binary search over guard prefixes.
  size_t SlotIndex(std::string_view key) const;
  // Slots [first, last], both inclusive, that a range touches; exact at an
  // exclusive end. An empty range gives the slot of its begin.
  std::pair<size_t, size_t> SlotRangeFor(const KeyRange& range) const;
  // Index of the slot with this id, or slots().size().
  size_t SlotIndexById(uint64_t id) const;

  uint64_t table_bytes() const;          // file bytes of all distinct tables
  std::vector<TableRef> Tables() const;  // distinct, by number

  // The part of L0 that lies in `range`, newest first, as runs of clipped
  // slices (one run per L0 table): what a slot adopts.
  std::vector<Run> L0RunsIn(const KeyRange& range) const;

  // Checks the invariants above; kInternal naming the first violation. Takes
  // time in proportion to the number of slices, without I/O.
  absl::Status Check() const;

 private:
  absl::Status CheckL0() const;
  absl::Status CheckSlot(const Slot& slot) const;
  // No two objects for one table: it would be closed while still in use.
  absl::Status CheckIdentity() const;

  std::vector<L0Table> l0_;
  std::vector<SlotRef> slots_;
  std::vector<uint64_t> guard_prefixes_;  // KeyPrefix(slots_[i]->range.begin)
};
using VersionRef = std::shared_ptr<const Version>;

// A version without tables: one slot over the whole key space.
VersionRef EmptyVersion(uint64_t slot_id);

// The bounds of a table as a half-open range: the tightest that holds its
// points and tombstones.
KeyRange TableBounds(const TableMeta& meta);
// Makes a slice of `table` clipped to `range` and to the table's bounds, with
// estimates from the table's index (0 if the table has no reader).
// REQUIRES: the table's bounds overlap the range.
Slice MakeSlice(TableRef table, const KeyRange& range);
// Whether any entry or tombstone of the table can lie in `range`.
bool TableOverlaps(const TableMeta& meta, const KeyRange& range);

}  // namespace nori

#endif  // NORI_ENGINE_SLOTS_VERSION_H_
