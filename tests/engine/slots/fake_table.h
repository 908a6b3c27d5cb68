// Tables without files: entries in a map, so that slices have estimates and
// lookups have answers.

#ifndef NORI_TESTS_ENGINE_SLOTS_FAKE_TABLE_H_
#define NORI_TESTS_ENGINE_SLOTS_FAKE_TABLE_H_

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/strings/str_cat.h"
#include "engine/slots/slot_record.h"
#include "engine/slots/version.h"

namespace nori {

// Ordered as internal keys: a higher trailer comes first.
struct FakeKey {
  std::string user_key;
  uint64_t trailer = 0;
  bool operator<(const FakeKey& other) const {
    return CompareInternal(user_key, trailer, other.user_key, other.trailer) <
           0;
  }
};
using FakeEntries = absl::btree_map<FakeKey, std::string>;

class FakeReader final : public TableReader {
 public:
  FakeReader(FakeEntries entries, const std::vector<RangeTombstone>& tombstones)
      : entries_(std::move(entries)),
        tombstones_(tombstones),
        tombstone_list_(tombstones) {}

  const FakeEntries& entries() const { return entries_; }
  const std::vector<RangeTombstone>& tombstone_list() const {
    return tombstone_list_;
  }

  absl::Status Get(std::string_view user_key, uint64_t /*hash*/,
                   SequenceNumber snapshot, PointLookup* result,
                   ReadCounters* /*counters*/) const override {
    const auto it =
        entries_.lower_bound({std::string(user_key), SeekTrailer(snapshot)});
    result->found = it != entries_.end() && it->first.user_key == user_key;
    if (result->found) {
      result->trailer = it->first.trailer;
      result->value = it->second;
    }
    return absl::OkStatus();
  }
  bool MayContain(uint64_t /*hash*/) const override { return true; }
  bool HasFilter() const override { return false; }
  std::unique_ptr<EntryIterator> NewIterator(
      const TableIterOptions& /*options*/) const override {
    return nullptr;  // nothing below compaction walks a table
  }
  const RangeTombstoneSet& range_tombstones() const override {
    return tombstones_;
  }
  const TableProperties& properties() const override { return properties_; }
  uint64_t ApproximateOffset(std::string_view user_key) const override {
    uint64_t bytes = 0;
    for (const auto& [key, value] : entries_) {
      if (key.user_key >= user_key) break;
      bytes += EntryBytes(key, value);
    }
    return bytes;
  }
  uint64_t ApproximateRank(std::string_view user_key) const override {
    uint64_t rank = 0;
    for (const auto& entry : entries_) {
      if (entry.first.user_key >= user_key) break;
      ++rank;
    }
    return rank;
  }
  std::vector<std::string> SampleKeys(std::string_view begin,
                                      std::string_view end,
                                      size_t n) const override {
    std::vector<std::string> inside;
    for (const auto& entry : entries_) {
      const std::string& key = entry.first.user_key;
      if (key > begin && (end.empty() || key < end) &&
          (inside.empty() || inside.back() != key)) {
        inside.push_back(key);
      }
    }
    if (inside.size() <= n) return inside;
    std::vector<std::string> sample;
    for (size_t i = 1; i <= n; ++i) {
      sample.push_back(inside[i * inside.size() / (n + 1)]);
    }
    sample.erase(std::unique(sample.begin(), sample.end()), sample.end());
    return sample;
  }
  absl::Status Verify() const override { return absl::OkStatus(); }
  size_t MemoryUsage() const override { return 0; }

  static uint64_t EntryBytes(const FakeKey& key, const std::string& value) {
    return key.user_key.size() + value.size() + 8;
  }

 private:
  FakeEntries entries_;
  RangeTombstoneSet tombstones_;
  std::vector<RangeTombstone> tombstone_list_;
  TableProperties properties_;
};

// A table with its meta as a writer would have made it. REQUIRES: not both
// empty.
inline TableRef MakeFakeTable(uint64_t number, FakeEntries entries,
                              const std::vector<RangeTombstone>& tombstones) {
  auto table = std::make_shared<Table>();
  TableMeta& meta = table->meta;
  meta.number = number;
  meta.smallest_sequence = kMaxSequence;
  bool first = true;
  const auto widen = [&](const std::string& low, const std::string& high,
                         bool exclusive, SequenceNumber sequence) {
    if (first || low < meta.smallest_key) meta.smallest_key = low;
    if (first || high > meta.largest_key) {
      meta.largest_key = high;
      meta.largest_exclusive = exclusive;
    } else if (high == meta.largest_key && !exclusive) {
      meta.largest_exclusive = false;
    }
    meta.smallest_sequence = std::min(meta.smallest_sequence, sequence);
    meta.largest_sequence = std::max(meta.largest_sequence, sequence);
    first = false;
  };
  for (const auto& [key, value] : entries) {
    widen(key.user_key, key.user_key, false, TrailerSequence(key.trailer));
    meta.file_bytes += FakeReader::EntryBytes(key, value);
    ++meta.entries;
  }
  for (const RangeTombstone& t : tombstones) {
    widen(t.begin, t.end, true, t.sequence);
    ++meta.range_deletions;
  }
  table->reader = std::make_shared<FakeReader>(std::move(entries), tombstones);
  return table;
}

// A table of puts at `keys`, sequence numbers first, first + 1, ...
inline TableRef MakeFakeTable(uint64_t number,
                              const std::vector<std::string>& keys,
                              SequenceNumber first, size_t value_bytes = 10) {
  FakeEntries entries;
  for (const std::string& key : keys) {
    entries.emplace(FakeKey{key, PackTrailer(first++, EntryKind::kPut)},
                    std::string(value_bytes, 'v'));
  }
  return MakeFakeTable(number, std::move(entries), {});
}

inline const FakeReader& FakeOf(const TableRef& table) {
  return static_cast<const FakeReader&>(*table->reader);
}

inline L0Table WholeL0(TableRef table) {
  KeyRange bounds = TableBounds(table->meta);
  return {std::move(table), {std::move(bounds)}};
}

inline Run RunOf(const std::vector<TableRef>& tables,
                 const KeyRange& range = {}) {
  Run run;
  for (const TableRef& table : tables) {
    run.slices.push_back(MakeSlice(table, range));
  }
  return run;
}

inline std::shared_ptr<Slot> MakeSlot(uint64_t id, KeyRange range,
                                      std::vector<Run> runs = {}) {
  auto slot = std::make_shared<Slot>();
  slot->id = id;
  slot->range = std::move(range);
  slot->runs = std::move(runs);
  return slot;
}

}  // namespace nori

#endif  // NORI_TESTS_ENGINE_SLOTS_FAKE_TABLE_H_
