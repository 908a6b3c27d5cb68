#include "engine/slots/version.h"

#include <algorithm>
#include <cassert>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"

namespace nori {
namespace {

// An empty end lies after every key.
bool IsBelowEnd(std::string_view key, const std::string& end) {
  return end.empty() || key < end;
}

const std::string& SmallerEnd(const std::string& a, const std::string& b) {
  if (a.empty()) return b;
  if (b.empty()) return a;
  return std::min(a, b);
}

absl::Status Violation(const char* what, uint64_t slot_id,
                       uint64_t table_number) {
  return absl::InternalError(absl::StrCat("version: ", what, " (slot ", slot_id,
                                          ", table ", table_number, ")"));
}

absl::Status CheckMeta(const TableMeta& meta, uint64_t slot_id) {
  if (meta.smallest_sequence > meta.largest_sequence ||
      meta.largest_sequence > kMaxSequence) {
    return Violation("table's sequence numbers out of order", slot_id,
                     meta.number);
  }
  if (TableBounds(meta).IsEmpty()) {
    return Violation("table's key bounds out of order", slot_id, meta.number);
  }
  return absl::OkStatus();
}

absl::Status CheckRun(const Run& run, const Slot& slot) {
  if (run.slices.empty()) return Violation("run without slices", slot.id, 0);
  const Slice* previous = nullptr;
  for (const Slice& slice : run.slices) {
    if (slice.table == nullptr) {
      return Violation("slice without table", slot.id, 0);
    }
    const TableMeta& meta = slice.table->meta;
    if (absl::Status s = CheckMeta(meta, slot.id); !s.ok()) return s;
    if (slice.range.IsEmpty()) {
      return Violation("empty slice", slot.id, meta.number);
    }
    if (!slot.range.Covers(slice.range)) {
      return Violation("slice reaches out of its slot", slot.id, meta.number);
    }
    if (!TableBounds(meta).Covers(slice.range)) {
      return Violation("slice reaches out of its table", slot.id, meta.number);
    }
    if (previous != nullptr && (previous->range.end.empty() ||
                                previous->range.end > slice.range.begin)) {
      return Violation("slices of a run overlap or are out of order", slot.id,
                       meta.number);
    }
    previous = &slice;
  }
  return absl::OkStatus();
}

// First of `ranges` (ascending, disjoint) that ends after `key`.
auto FirstEndingAfter(const std::vector<KeyRange>& ranges,
                      std::string_view key) {
  return std::partition_point(
      ranges.begin(), ranges.end(),
      [&](const KeyRange& r) { return !IsBelowEnd(key, r.end); });
}

}  // namespace

TableMeta MetaFromProperties(uint64_t number, const TableProperties& properties,
                             Compression compression) {
  TableMeta meta;
  meta.number = number;
  meta.file_bytes = properties.file_bytes;
  meta.entries = properties.entries;
  meta.deletions = properties.deletions;
  meta.range_deletions = properties.range_deletions;
  meta.raw_bytes = properties.raw_key_bytes + properties.raw_value_bytes;
  meta.smallest_sequence = properties.smallest_sequence;
  meta.largest_sequence = properties.largest_sequence;
  meta.smallest_key = properties.smallest_key;
  meta.largest_key = properties.largest_key;
  meta.largest_exclusive = properties.largest_exclusive;
  meta.compression = compression;
  return meta;
}

bool KeyRange::Overlaps(const KeyRange& other) const {
  return IsBelowEnd(begin, other.end) && IsBelowEnd(other.begin, end) &&
         !IsEmpty() && !other.IsEmpty();
}

bool KeyRange::Covers(const KeyRange& other) const {
  return begin <= other.begin &&
         (end.empty() || (!other.end.empty() && other.end <= end));
}

KeyRange KeyRange::Intersect(const KeyRange& other) const {
  assert(Overlaps(other));
  return {std::max(begin, other.begin), SmallerEnd(end, other.end)};
}

uint64_t Run::bytes() const {
  uint64_t sum = 0;
  for (const Slice& slice : slices) sum += slice.bytes;
  return sum;
}

uint64_t Run::entries() const {
  uint64_t sum = 0;
  for (const Slice& slice : slices) sum += slice.entries;
  return sum;
}

SequenceNumber Run::smallest_sequence() const {
  SequenceNumber smallest = kMaxSequence;
  for (const Slice& slice : slices) {
    smallest = std::min(smallest, slice.table->meta.smallest_sequence);
  }
  return smallest;
}

SequenceNumber Run::largest_sequence() const {
  SequenceNumber largest = 0;
  for (const Slice& slice : slices) {
    largest = std::max(largest, slice.table->meta.largest_sequence);
  }
  return largest;
}

const Slice* Run::Find(std::string_view key) const {
  const auto it = std::partition_point(
      slices.begin(), slices.end(),
      [&](const Slice& slice) { return !IsBelowEnd(key, slice.range.end); });
  return it != slices.end() && it->range.begin <= key ? &*it : nullptr;
}

uint64_t Slot::bytes() const {
  uint64_t sum = 0;
  for (const Run& run : runs) sum += run.bytes();
  return sum;
}

uint64_t Slot::entries() const {
  uint64_t sum = 0;
  for (const Run& run : runs) sum += run.entries();
  return sum;
}

bool L0Table::Contains(std::string_view key) const {
  const auto it = FirstEndingAfter(remaining, key);
  return it != remaining.end() && it->begin <= key;
}

bool L0Table::Overlaps(const KeyRange& range) const {
  const auto it = FirstEndingAfter(remaining, range.begin);
  return it != remaining.end() && it->Overlaps(range);
}

Version::Version(std::vector<L0Table> l0, std::vector<SlotRef> slots)
    : l0_(std::move(l0)), slots_(std::move(slots)) {
  assert(!slots_.empty());
  guard_prefixes_.reserve(slots_.size());
  for (const SlotRef& slot : slots_) {
    guard_prefixes_.push_back(KeyPrefix(slot->range.begin));
  }
}

size_t Version::SlotIndex(std::string_view key) const {
  const auto [low, high] = std::equal_range(
      guard_prefixes_.begin(), guard_prefixes_.end(), KeyPrefix(key));
  // Only guards that share the key's prefix need a comparison of strings.
  const auto first = slots_.begin() + (low - guard_prefixes_.begin());
  const auto last = slots_.begin() + (high - guard_prefixes_.begin());
  const auto after = std::partition_point(
      first, last,
      [&](const SlotRef& slot) { return slot->range.begin <= key; });
  const auto index = static_cast<size_t>(after - slots_.begin());
  return index == 0 ? 0 : index - 1;
}

std::pair<size_t, size_t> Version::SlotRangeFor(const KeyRange& range) const {
  const size_t first = SlotIndex(range.begin);
  if (range.end.empty()) return {first, slots_.size() - 1};
  size_t last = SlotIndex(range.end);
  if (last > first && slots_[last]->range.begin == range.end) --last;
  return {first, std::max(first, last)};
}

size_t Version::SlotIndexById(uint64_t id) const {
  const auto it =
      std::find_if(slots_.begin(), slots_.end(),
                   [&](const SlotRef& slot) { return slot->id == id; });
  return static_cast<size_t>(it - slots_.begin());
}

uint64_t Version::table_bytes() const {
  uint64_t sum = 0;
  for (const TableRef& table : Tables()) sum += table->meta.file_bytes;
  return sum;
}

std::vector<TableRef> Version::Tables() const {
  std::vector<TableRef> tables;
  for (const L0Table& l0 : l0_) tables.push_back(l0.table);
  for (const SlotRef& slot : slots_) {
    for (const Run& run : slot->runs) {
      for (const Slice& slice : run.slices) tables.push_back(slice.table);
    }
  }
  std::sort(tables.begin(), tables.end(),
            [](const TableRef& a, const TableRef& b) {
              return a->meta.number < b->meta.number;
            });
  tables.erase(std::unique(tables.begin(), tables.end(),
                           [](const TableRef& a, const TableRef& b) {
                             return a->meta.number == b->meta.number;
                           }),
               tables.end());
  return tables;
}

std::vector<Run> Version::L0RunsIn(const KeyRange& range) const {
  std::vector<Run> runs;
  for (const L0Table& l0 : l0_) {
    Run run;
    for (auto it = FirstEndingAfter(l0.remaining, range.begin);
         it != l0.remaining.end() && it->Overlaps(range); ++it) {
      run.slices.push_back(MakeSlice(l0.table, it->Intersect(range)));
    }
    if (!run.slices.empty()) runs.push_back(std::move(run));
  }
  return runs;
}

absl::Status Version::Check() const {
  if (slots_.empty()) return absl::InternalError("version: no slot");
  if (absl::Status s = CheckL0(); !s.ok()) return s;
  std::vector<uint64_t> ids;
  for (size_t i = 0; i < slots_.size(); ++i) {
    const KeyRange& range = slots_[i]->range;
    const std::string expected_begin =
        i == 0 ? std::string() : slots_[i - 1]->range.end;
    if (range.begin != expected_begin || range.IsEmpty() ||
        range.end.empty() != (i + 1 == slots_.size())) {
      return Violation("slots leave a gap or overlap", slots_[i]->id, 0);
    }
    ids.push_back(slots_[i]->id);
    if (absl::Status s = CheckSlot(*slots_[i]); !s.ok()) return s;
  }
  std::sort(ids.begin(), ids.end());
  if (std::adjacent_find(ids.begin(), ids.end()) != ids.end()) {
    return absl::InternalError("version: two slots of one id");
  }
  return CheckIdentity();
}

absl::Status Version::CheckL0() const {
  for (size_t i = 0; i < l0_.size(); ++i) {
    if (l0_[i].table == nullptr) {
      return absl::InternalError("version: L0 entry without table");
    }
    const TableMeta& meta = l0_[i].table->meta;
    if (absl::Status s = CheckMeta(meta, 0); !s.ok()) return s;
    if (l0_[i].remaining.empty()) {
      return Violation("L0 table that answers for nothing", 0, meta.number);
    }
    const KeyRange bounds = TableBounds(meta);
    const KeyRange* previous = nullptr;
    for (const KeyRange& range : l0_[i].remaining) {
      if (range.IsEmpty() || !bounds.Covers(range)) {
        return Violation("L0 range empty or out of its table", 0, meta.number);
      }
      if (previous != nullptr &&
          (previous->end.empty() || previous->end > range.begin)) {
        return Violation("L0 ranges overlap or are out of order", 0,
                         meta.number);
      }
      previous = &range;
    }
    for (size_t older = i + 1; older < l0_.size(); ++older) {
      if (l0_[older].table == nullptr) continue;  // reported in its turn
      if (meta.number == l0_[older].table->meta.number) {
        return Violation("table twice in L0", 0, meta.number);
      }
      if (meta.smallest_sequence > l0_[older].table->meta.largest_sequence) {
        continue;
      }
      for (const KeyRange& range : l0_[i].remaining) {
        if (l0_[older].Overlaps(range)) {
          return Violation("L0 tables are not newest first", 0, meta.number);
        }
      }
    }
  }
  return absl::OkStatus();
}

absl::Status Version::CheckSlot(const Slot& slot) const {
  if (slot.max_runs < 1) return Violation("K below 1", slot.id, 0);
  if (!(slot.heat >= 0 && slot.heat <= 1)) {
    return Violation("heat outside 0..1", slot.id, 0);
  }
  for (const Run& run : slot.runs) {
    if (absl::Status s = CheckRun(run, slot); !s.ok()) return s;
  }
  if (slot.runs.empty()) return absl::OkStatus();
  for (size_t i = 0; i + 1 < slot.runs.size(); ++i) {
    if (slot.runs[i].smallest_sequence() <=
        slot.runs[i + 1].largest_sequence()) {
      return Violation("sequence numbers of two runs interleave", slot.id,
                       slot.runs[i].slices[0].table->meta.number);
    }
  }
  const SequenceNumber newest = slot.runs[0].largest_sequence();
  for (const L0Table& l0 : l0_) {
    if (l0.table->meta.smallest_sequence <= newest && l0.Overlaps(slot.range)) {
      return Violation("L0 table is not newer than the runs of a slot", slot.id,
                       l0.table->meta.number);
    }
  }
  return absl::OkStatus();
}

absl::Status Version::CheckIdentity() const {
  absl::flat_hash_map<uint64_t, const Table*> seen;
  const auto is_new_object = [&](const TableRef& table) {
    return seen.emplace(table->meta.number, table.get()).first->second !=
           table.get();
  };
  for (const L0Table& l0 : l0_) {
    if (is_new_object(l0.table)) {
      return Violation("two objects for one table", 0, l0.table->meta.number);
    }
  }
  for (const SlotRef& slot : slots_) {
    for (const Run& run : slot->runs) {
      for (const Slice& slice : run.slices) {
        if (is_new_object(slice.table)) {
          return Violation("two objects for one table", slot->id,
                           slice.table->meta.number);
        }
      }
    }
  }
  return absl::OkStatus();
}

VersionRef EmptyVersion(uint64_t slot_id) {
  auto slot = std::make_shared<Slot>();
  slot->id = slot_id;
  return std::make_shared<const Version>(std::vector<L0Table>(),
                                         std::vector<SlotRef>{std::move(slot)});
}

KeyRange TableBounds(const TableMeta& meta) {
  KeyRange bounds{meta.smallest_key, meta.largest_key};
  // The smallest key above k is k followed by a zero byte.
  if (!meta.largest_exclusive) bounds.end.push_back('\0');
  return bounds;
}

Slice MakeSlice(TableRef table, const KeyRange& range) {
  const TableMeta& meta = table->meta;
  const KeyRange bounds = TableBounds(meta);
  Slice slice;
  slice.range = bounds.Intersect(range);
  const bool from_start = slice.range.begin == bounds.begin;
  const bool to_end = slice.range.end == bounds.end;
  if (from_start && to_end) {
    slice.bytes = meta.file_bytes;
    slice.entries = meta.entries;
  } else if (const TableReader* reader = table->reader.get();
             reader != nullptr) {
    const auto between = [](uint64_t low, uint64_t high) {
      return high > low ? high - low : 0;
    };
    slice.bytes = between(
        from_start ? 0 : reader->ApproximateOffset(slice.range.begin),
        to_end ? meta.file_bytes : reader->ApproximateOffset(slice.range.end));
    slice.entries = between(
        from_start ? 0 : reader->ApproximateRank(slice.range.begin),
        to_end ? meta.entries : reader->ApproximateRank(slice.range.end));
  }
  slice.table = std::move(table);
  return slice;
}

bool TableOverlaps(const TableMeta& meta, const KeyRange& range) {
  return !range.IsEmpty() && IsBelowEnd(meta.smallest_key, range.end) &&
         (meta.largest_exclusive ? range.begin < meta.largest_key
                                 : range.begin <= meta.largest_key);
}

}  // namespace nori
