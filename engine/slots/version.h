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
// slices of a run are ordered and disjoint; for any key the sequence ranges of
// L0 (newest first) and then of run 1..n of its slot do not interleave.

#ifndef NORI_ENGINE_SLOTS_VERSION_H_
#define NORI_ENGINE_SLOTS_VERSION_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
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
  bool Overlaps(const KeyRange& other) const;
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

// An open table. Shared by every slice and version that refers to it; the
// owner's deleter (given by the engine) removes the file when the last
// reference goes and the table is obsolete.
struct Table {
  TableMeta meta;
  std::shared_ptr<TableReader> reader;
};
using TableRef = std::shared_ptr<const Table>;

struct Slice {
  TableRef table;
  KeyRange range;
  uint64_t bytes = 0;    // estimate of the file bytes inside `range`
  uint64_t entries = 0;  // estimate
};

struct Run {
  std::vector<Slice> slices;  // ascending, disjoint, never empty
  uint64_t bytes() const;
  uint64_t entries() const;
  SequenceNumber smallest_sequence() const;
  SequenceNumber largest_sequence() const;
  // The slice whose range contains `key`, or null.
  const Slice* Find(std::string_view key) const;
};

struct Slot {
  uint64_t id = 0;  // never reused within an engine
  KeyRange range;
  std::vector<Run> runs;  // newest first
  int max_runs = 4;       // K
  double heat = 0;        // last persisted value, 0..1
  uint64_t last_compaction_micros = 0;  // wall clock; 0: never
  uint64_t bytes() const;
  uint64_t entries() const;
};
using SlotRef = std::shared_ptr<const Slot>;

struct L0Table {
  TableRef table;
  std::vector<KeyRange> remaining;  // ascending, disjoint, never empty
  bool Contains(std::string_view key) const;
  bool Overlaps(const KeyRange& range) const;
};

// Immutable; shared by readers. Thread-safe.
class Version {
 public:
  Version(std::vector<L0Table> l0, std::vector<SlotRef> slots);

  const std::vector<L0Table>& l0() const { return l0_; }
  const std::vector<SlotRef>& slots() const { return slots_; }

  // Index of the slot that holds `key`; binary search over guard prefixes.
  size_t SlotIndex(std::string_view key) const;
  // Slots [first, last] that a range touches; exact at an exclusive end.
  std::pair<size_t, size_t> SlotRangeFor(const KeyRange& range) const;
  // Index of the slot with this id, or slots().size().
  size_t SlotIndexById(uint64_t id) const;

  uint64_t table_bytes() const;  // file bytes of all distinct tables
  std::vector<TableRef> Tables() const;  // distinct, by number

  // The part of L0 that lies in `range`, newest first, as runs of clipped
  // slices (one run per L0 table): what a slot adopts.
  std::vector<Run> L0RunsIn(const KeyRange& range) const;

  // Checks the invariants above.
  absl::Status Check() const;

 private:
  std::vector<L0Table> l0_;
  std::vector<SlotRef> slots_;
  std::vector<uint64_t> guard_prefixes_;  // KeyPrefix(slots_[i]->range.begin)
};
using VersionRef = std::shared_ptr<const Version>;

// Makes a slice of `table` clipped to `range`, with estimates from the table's
// index. REQUIRES: the table's bounds overlap the range.
Slice MakeSlice(TableRef table, const KeyRange& range);
// Whether any entry or tombstone of the table can lie in `range`.
bool TableOverlaps(const TableMeta& meta, const KeyRange& range);

}  // namespace nori

#endif  // NORI_ENGINE_SLOTS_VERSION_H_
