#include "engine/manifest/replay.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "engine/format/status_macros.h"

namespace nori {
namespace {

using TablesByNumber = absl::flat_hash_map<uint64_t, TableRef>;

absl::Status Misfit(const char* what, uint64_t number) {
  return absl::InternalError(
      absl::StrCat("version edit does not fit: ", what, " ", number));
}

// `ranges` without the keys in `hole`.
std::vector<KeyRange> Subtract(const std::vector<KeyRange>& ranges,
                               const KeyRange& hole) {
  std::vector<KeyRange> rest;
  for (const KeyRange& range : ranges) {
    if (!range.Overlaps(hole)) {
      rest.push_back(range);
      continue;
    }
    if (range.begin < hole.begin) rest.push_back({range.begin, hole.begin});
    if (!hole.end.empty() && (range.end.empty() || hole.end < range.end)) {
      rest.push_back({hole.end, range.end});
    }
  }
  return rest;
}

// One edit on its way into a version.
class Applier {
 public:
  explicit Applier(const Version& base) : l0_(base.l0()), slots_(base.slots()) {
    for (const L0Table& l0 : l0_) Know(l0.table);
  }

  absl::Status AddTables(const std::vector<TableMeta>& metas,
                         const TableOpener& open_table) {
    for (const TableMeta& meta : metas) {
      NORI_ASSIGN_OR_RETURN(TableRef table, open_table(meta));
      if (!known_.emplace(meta.number, std::move(table)).second) {
        return Misfit("there is already a table", meta.number);
      }
    }
    return absl::OkStatus();
  }

  void Adopt(const L0Adoption& adoption) {
    for (L0Table& l0 : l0_) {
      if (l0.table->meta.largest_sequence <= adoption.through_sequence &&
          l0.Overlaps(adoption.range)) {
        l0.remaining = Subtract(l0.remaining, adoption.range);
      }
    }
    std::erase_if(l0_, [](const L0Table& l0) { return l0.remaining.empty(); });
  }

  absl::Status Replace(const SlotReplacement& replacement) {
    const auto first = std::partition_point(
        slots_.begin(), slots_.end(), [&](const SlotRef& slot) {
          return slot->range.begin < replacement.range.begin;
        });
    const auto last = std::find_if(first, slots_.end(), [&](const SlotRef& s) {
      return s->range.end == replacement.range.end;
    });
    if (first == slots_.end() || last == slots_.end() ||
        (*first)->range.begin != replacement.range.begin) {
      return absl::InternalError(
          "version edit does not fit: no slots tile the replaced range");
    }
    for (auto slot = first; slot <= last; ++slot) {
      for (const Run& run : (*slot)->runs) {
        for (const Slice& slice : run.slices) Know(slice.table);
      }
    }
    std::vector<SlotRef> slots;
    for (const SlotRecord& record : replacement.slots) {
      const std::string& begin =
          slots.empty() ? replacement.range.begin : slots.back()->range.end;
      if (record.range.begin != begin)
        return Misfit("gap before slot", record.id);
      NORI_ASSIGN_OR_RETURN(SlotRef slot, MakeSlot(record));
      slots.push_back(std::move(slot));
    }
    if (slots.empty() || slots.back()->range.end != replacement.range.end) {
      return absl::InternalError(
          "version edit does not fit: new slots do not tile their range");
    }
    const auto at = slots_.erase(first, last + 1);
    slots_.insert(at, std::make_move_iterator(slots.begin()),
                  std::make_move_iterator(slots.end()));
    return absl::OkStatus();
  }

  absl::Status RestoreL0(const std::vector<L0Record>& records) {
    for (const L0Record& record : records) {
      NORI_ASSIGN_OR_RETURN(TableRef table, Find(record.table));
      l0_.push_back({std::move(table), record.remaining});
    }
    return absl::OkStatus();
  }

  absl::Status AddL0(const std::vector<uint64_t>& numbers) {
    for (uint64_t number : numbers) {
      NORI_ASSIGN_OR_RETURN(TableRef table, Find(number));
      KeyRange bounds = TableBounds(table->meta);
      l0_.insert(l0_.begin(), {std::move(table), {std::move(bounds)}});
    }
    return absl::OkStatus();
  }

  VersionRef Finish() {
    return std::make_shared<const Version>(std::move(l0_), std::move(slots_));
  }

 private:
  void Know(const TableRef& table) {
    known_.emplace(table->meta.number, table);
  }

  absl::StatusOr<TableRef> Find(uint64_t number) const {
    const auto it = known_.find(number);
    if (it == known_.end()) return Misfit("unknown table", number);
    return it->second;
  }

  absl::StatusOr<SlotRef> MakeSlot(const SlotRecord& record) const {
    auto slot = std::make_shared<Slot>();
    slot->id = record.id;
    slot->range = record.range;
    slot->max_runs = record.max_runs;
    slot->heat = record.heat;
    slot->last_compaction_micros = record.last_compaction_micros;
    slot->fixed_guard = record.fixed_guard;
    for (const RunRecord& run_record : record.runs) {
      Run& run = slot->runs.emplace_back();
      for (const SliceRecord& slice : run_record.slices) {
        NORI_ASSIGN_OR_RETURN(TableRef table, Find(slice.table));
        if (!TableOverlaps(table->meta, slice.range)) {
          return Misfit("slice outside of table", slice.table);
        }
        run.slices.push_back(MakeSlice(std::move(table), slice.range));
      }
    }
    return slot;
  }

  std::vector<L0Table> l0_;
  std::vector<SlotRef> slots_;
  TablesByNumber known_;  // everything that the edit may name
};

}  // namespace

absl::StatusOr<VersionRef> ApplyEditUnchecked(const Version& base,
                                              const VersionEdit& edit,
                                              const TableOpener& open_table) {
  Applier applier(base);
  NORI_RETURN_IF_ERROR(applier.AddTables(edit.new_tables, open_table));
  for (const L0Adoption& adoption : edit.adoptions) applier.Adopt(adoption);
  for (const SlotReplacement& replacement : edit.replacements) {
    NORI_RETURN_IF_ERROR(applier.Replace(replacement));
  }
  NORI_RETURN_IF_ERROR(applier.RestoreL0(edit.l0_restored));
  NORI_RETURN_IF_ERROR(applier.AddL0(edit.l0_added));
  return applier.Finish();
}

absl::StatusOr<VersionRef> ApplyEdit(const Version& base,
                                     const VersionEdit& edit,
                                     const TableOpener& open_table) {
  NORI_ASSIGN_OR_RETURN(VersionRef version,
                        ApplyEditUnchecked(base, edit, open_table));
  NORI_RETURN_IF_ERROR(version->Check());
  return version;
}

absl::StatusOr<TableRef> DescribeTable(const TableMeta& meta) {
  auto table = std::make_shared<Table>();
  table->meta = meta;
  return table;
}

absl::StatusOr<VersionRef> OpenTables(const Version& version,
                                      const TableOpener& open_table) {
  TablesByNumber opened;
  for (const TableRef& table : version.Tables()) {
    NORI_ASSIGN_OR_RETURN(opened[table->meta.number], open_table(table->meta));
  }
  std::vector<L0Table> l0 = version.l0();
  for (L0Table& entry : l0) entry.table = opened[entry.table->meta.number];
  std::vector<SlotRef> slots;
  for (const SlotRef& old : version.slots()) {
    auto slot = std::make_shared<Slot>(*old);
    for (Run& run : slot->runs) {
      for (Slice& slice : run.slices) {
        slice =
            MakeSlice(opened[slice.table->meta.number], KeyRange(slice.range));
      }
    }
    slots.push_back(std::move(slot));
  }
  return std::make_shared<const Version>(std::move(l0), std::move(slots));
}

namespace {

void ApplySnapshots(const VersionEdit& edit, ManifestState* state) {
  if (edit.snapshots_released.empty() && edit.snapshots_taken.empty()) return;
  auto names = std::make_shared<SnapshotNames>(*state->snapshots);
  const auto place_of = [&](const std::string& name) {
    return std::lower_bound(
        names->begin(), names->end(), name,
        [](const auto& a, const std::string& b) { return a->name < b; });
  };
  const auto remove = [&](const std::string& name) {
    const auto place = place_of(name);
    if (place != names->end() && (*place)->name == name) names->erase(place);
  };
  for (const std::string& name : edit.snapshots_released) remove(name);
  for (const SnapshotName& snapshot : edit.snapshots_taken) {
    remove(snapshot.name);
    names->insert(place_of(snapshot.name),
                  std::make_shared<const SnapshotName>(snapshot));
  }
  state->snapshots = std::move(names);
}

}  // namespace

void ApplyScalars(const VersionEdit& edit, ManifestState* state) {
  const auto raise = [](const std::optional<uint64_t>& from, uint64_t* to) {
    if (from.has_value()) *to = std::max(*to, *from);
  };
  if (edit.identity.has_value()) state->identity = *edit.identity;
  if (edit.options.has_value()) state->options = *edit.options;
  raise(edit.next_file_number, &state->next_file_number);
  raise(edit.next_slot_id, &state->next_slot_id);
  raise(edit.last_sequence, &state->last_sequence);
  raise(edit.log_number, &state->log_number);
  raise(edit.decided_mixed, &state->decided_mixed);
  ApplySnapshots(edit, state);
  for (const TableMeta& meta : edit.new_tables) {
    raise(meta.number + 1, &state->next_file_number);
  }
  for (const SlotReplacement& replacement : edit.replacements) {
    for (const SlotRecord& slot : replacement.slots) {
      raise(slot.id + 1, &state->next_slot_id);
    }
  }
}

VersionEdit DescribeState(const ManifestState& state) {
  VersionEdit edit;
  edit.identity = state.identity;
  edit.next_file_number = state.next_file_number;
  edit.next_slot_id = state.next_slot_id;
  edit.last_sequence = state.last_sequence;
  edit.log_number = state.log_number;
  edit.decided_mixed = state.decided_mixed;
  edit.options = state.options;
  for (const auto& snapshot : *state.snapshots) {
    edit.snapshots_taken.push_back(*snapshot);
  }
  for (const TableRef& table : state.version->Tables()) {
    edit.new_tables.push_back(table->meta);
  }
  SlotReplacement& all = edit.replacements.emplace_back();
  for (const SlotRef& slot : state.version->slots()) {
    all.slots.push_back(ToRecord(*slot));
  }
  for (const L0Table& l0 : state.version->l0()) {
    edit.l0_restored.push_back({l0.table->meta.number, l0.remaining});
  }
  return edit;
}

}  // namespace nori
