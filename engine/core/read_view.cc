#include "engine/core/read_view.h"

#include <algorithm>
#include <utility>

#include "engine/format/checksum.h"
#include "engine/format/status_macros.h"
#include "engine/iterators/merging_iterator.h"
#include "engine/iterators/run_iterator.h"
#include "engine/iterators/slots_iterator.h"

namespace nori {
namespace {

// Reads are counted in steps, since a shared counter on every lookup would be
// the dearest part of a cached one.
constexpr uint32_t kHeatSample = 16;
thread_local uint32_t heat_tick = 0;

void AddTombstones(const TableRef& table, const KeyRange& range,
                   std::vector<TombstoneLayer>* layers) {
  const RangeTombstoneSet& set = table->reader->range_tombstones();
  if (set.empty()) return;
  layers->push_back(
      {std::shared_ptr<const RangeTombstoneSet>(table, &set), range});
}

// False: no slot that meets `bounds` has a run. Where there are many slots it
// does not look.
bool MayHaveRuns(const Version& version, const KeyRange& bounds) {
  constexpr size_t kSlotsAsked = 16;
  const auto [first, last] = version.SlotRangeFor(bounds);
  if (last - first >= kSlotsAsked) return true;
  for (size_t i = first; i <= last; ++i) {
    if (!version.slots()[i]->runs.empty()) return true;
  }
  return false;
}

}  // namespace

ReadView::ReadView(std::vector<MemLayer> layers, VersionRef version,
                   std::vector<std::shared_ptr<SlotHeat>> heat)
    : layers_(std::move(layers)),
      version_(std::move(version)),
      heat_(std::move(heat)) {
  for (const MemLayer& layer : layers_) {
    if (layer.spilled != nullptr) {
      AddTombstones(layer.spilled, KeyRange{}, &table_tombstones_);
    }
  }
  for (const L0Table& l0 : version_->l0()) {
    for (const KeyRange& range : l0.remaining) {
      AddTombstones(l0.table, range, &table_tombstones_);
    }
  }
  for (const SlotRef& slot : version_->slots()) {
    for (const Run& run : slot->runs) {
      for (const Slice& slice : run.slices) {
        AddTombstones(slice.table, slice.range, &table_tombstones_);
      }
    }
  }
}

absl::StatusOr<bool> ReadView::SearchTable(const Table& table,
                                           std::string_view key, uint64_t hash,
                                           SequenceNumber snapshot,
                                           SequenceNumber* covered,
                                           PointLookup* result,
                                           ReadCounters* counters) {
  const RangeTombstoneSet& tombstones = table.reader->range_tombstones();
  if (!tombstones.empty()) {
    *covered = std::max(*covered, tombstones.Covering(key, snapshot));
  }
  NORI_RETURN_IF_ERROR(
      table.reader->Get(key, hash, snapshot, result, counters));
  return result->found || *covered != 0;
}

absl::StatusOr<bool> ReadView::SearchTables(std::string_view key,
                                            SequenceNumber snapshot,
                                            SequenceNumber covered,
                                            PointLookup* result,
                                            ReadCounters* counters) const {
  const uint64_t hash = HashKey(key);
  const auto live = [&] {
    return result->found && TrailerKind(result->trailer) == EntryKind::kPut &&
           TrailerSequence(result->trailer) >= covered;
  };
  for (const L0Table& l0 : version_->l0()) {
    if (!l0.Contains(key)) continue;
    NORI_ASSIGN_OR_RETURN(const bool ends,
                          SearchTable(*l0.table, key, hash, snapshot, &covered,
                                      result, counters));
    if (ends) return live();
  }
  const size_t slot = version_->SlotIndex(key);
  if (++heat_tick % kHeatSample == 0) {
    heat_[slot]->AddRead(kHeatSample);
    heat_[slot]->read_keys().Offer(key);
  }
  for (const Run& run : version_->slots()[slot]->runs) {
    const Slice* slice = run.Find(key);
    if (slice == nullptr) continue;
    NORI_ASSIGN_OR_RETURN(const bool ends,
                          SearchTable(*slice->table, key, hash, snapshot,
                                      &covered, result, counters));
    if (ends) return live();
  }
  return false;
}

absl::StatusOr<bool> ReadView::Get(std::string_view key,
                                   SequenceNumber snapshot, PointLookup* result,
                                   ReadCounters* counters) const {
  SequenceNumber covered = 0;
  for (const MemLayer& layer : layers_) {
    if (layer.memtable != nullptr) {
      if (layer.memtable->has_range_tombstones()) {
        covered = std::max(
            covered,
            layer.memtable->range_tombstones()->Covering(key, snapshot));
      }
      *result = layer.memtable->Get(key, snapshot);
    } else {
      NORI_RETURN_IF_ERROR(SearchTable(*layer.spilled, key, HashKey(key),
                                       snapshot, &covered, result, counters)
                               .status());
    }
    if (result->found) {
      return TrailerKind(result->trailer) == EntryKind::kPut &&
             TrailerSequence(result->trailer) >= covered;
    }
    if (covered != 0) return false;
  }
  return SearchTables(key, snapshot, covered, result, counters);
}

std::unique_ptr<EntryIterator> ReadView::NewEntryIterator(
    const KeyRange& bounds, const TableIterOptions& options) const {
  std::vector<std::unique_ptr<EntryIterator>> children;
  for (const MemLayer& layer : layers_) {
    if (layer.memtable == nullptr) {
      children.push_back(layer.spilled->reader->NewIterator(options));
    } else if (!layer.memtable->empty()) {
      children.push_back(layer.memtable->NewIterator());
    }
  }
  for (Run& run : version_->L0RunsIn(bounds)) {
    children.push_back(NewRunIterator(std::move(run), options));
  }
  if (MayHaveRuns(*version_, bounds)) {
    children.push_back(NewSlotsIterator(version_.get(), bounds, options));
  }
  return NewMergingIterator(std::move(children));
}

std::vector<TombstoneLayer> ReadView::TombstoneLayers() const {
  std::vector<TombstoneLayer> result;
  for (const MemLayer& layer : layers_) {
    if (layer.memtable != nullptr && layer.memtable->has_range_tombstones()) {
      result.push_back({layer.memtable->range_tombstones(), KeyRange{}});
    }
  }
  result.insert(result.end(), table_tombstones_.begin(),
                table_tombstones_.end());
  return result;
}

void ReadView::OnSkipped(std::string_view key, SequenceNumber sequence,
                         uint64_t keys) const {
  if (layers_.empty()) return;
  LayerInfo& active = *layers_.front().info;
  if (sequence > active.begins_after) {
    active.skipped.fetch_add(keys, std::memory_order_relaxed);
  } else if (layers_.size() == 1 ||
             sequence <= layers_.back().info->begins_after) {
    heat_[version_->SlotIndex(key)]->AddSkipped(keys);
  }
  // What lies between is about to be flushed anyway.
}

}  // namespace nori
