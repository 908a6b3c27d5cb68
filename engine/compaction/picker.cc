#include "engine/compaction/picker.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numeric>

namespace nori {
namespace {

constexpr double kMib = 1 << 20;
// Tombstones' share of the entries from which a slot is cleaned, and from which
// it is cleaned before anything else.
constexpr double kCleanShare = 0.25;
constexpr double kDeadShare = 0.5;
// Fewer tombstones than this cost less than the job that removes them.
constexpr uint64_t kMinTombstones = 256;
// Tombstones that survived a cleaning are tried again when they have grown by
// this factor.
constexpr double kCleanAgainGrowth = 1.25;
// A job costs something even if it copies next to nothing.
constexpr double kJobBytes = 64 << 10;
// What a scan loses on a deleted key that it steps over.
constexpr double kSkipMicros = 0.03;
// Space is given back from this part of the allowed excess on, so that the
// limit holds while the jobs run, and before anything but adoptions from this
// excess on: a merge needs room of its own below twice the live bytes.
constexpr double kSpaceMargin = 0.85;
constexpr double kSpaceFirst = 0.6;
// Less than this is not worth a job.
constexpr double kMinReclaimed = 16 << 10;

uint64_t Sum(const std::vector<uint64_t>& v) {
  return std::accumulate(v.begin(), v.end(), uint64_t{0});
}

// Place in L0 of the slot's i-th slice.
int Position(const SlotView& slot, size_t i) {
  return slot.l0_positions.empty() ? static_cast<int>(i) : slot.l0_positions[i];
}

double TombstoneShare(const SlotView& slot) {
  return slot.entries == 0 ? 0
                           : static_cast<double>(slot.deletions) /
                                 static_cast<double>(slot.entries);
}

// Whether scans have by now lost as much on deleted keys as it takes to remove
// them (the rule by which skis are bought rather than rented: never more than
// twice the least cost).
bool CleaningPaysForScans(const SlotView& slot) {
  const auto bytes =
      static_cast<double>(Sum(slot.l0_bytes) + Sum(slot.run_bytes));
  return kSkipMicros * static_cast<double>(slot.skipped) >
         slot.costs.merge_micros_per_byte * (bytes + kJobBytes);
}

// Bytes that are left of each L0 table, by position.
std::vector<uint64_t> L0Bytes(const std::vector<SlotView>& slots) {
  std::vector<uint64_t> bytes;
  for (const SlotView& slot : slots) {
    assert(slot.l0_positions.empty() ||
           slot.l0_positions.size() == slot.l0_bytes.size());
    for (size_t i = 0; i < slot.l0_bytes.size(); ++i) {
      const size_t at = static_cast<size_t>(Position(slot, i));
      if (at >= bytes.size()) bytes.resize(at + 1);
      bytes[at] += slot.l0_bytes[i];
    }
  }
  return bytes;
}

void PlanAdoption(const SlotView& slot, WorkItem* item) {
  item->choice.runs_to_merge = 0;
  item->choice.merge_l0 = false;
  item->bytes = 0;
  item->runs_after =
      slot.l0_overlaps_first_run
          ? item->runs_before
          : std::max<int>(static_cast<int>(slot.run_bytes.size()), 1);
}

void PlanMerge(const SlotView& slot, int runs, WorkItem* item) {
  item->choice.runs_to_merge = runs;
  item->choice.merge_l0 = !slot.l0_bytes.empty();
  item->bytes = Sum(slot.l0_bytes) +
                std::accumulate(slot.run_bytes.begin(),
                                slot.run_bytes.begin() + runs, uint64_t{0});
  item->runs_after = static_cast<int>(slot.run_bytes.size()) - runs + 1;
}

uint64_t PinnedIn(const SlotView& slot, size_t runs) {
  uint64_t bytes = slot.l0_pinned;
  for (size_t i = 0; i < std::min(runs, slot.run_pinned.size()); ++i) {
    bytes += slot.run_pinned[i];
  }
  return bytes;
}

// The best of those items that `eligible` admits; nothing if it admits none.
template <typename Eligible, typename Value>
std::optional<size_t> Best(const std::vector<WorkItem>& items,
                           Eligible eligible, Value value) {
  std::optional<size_t> best;
  double best_value = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    if (!eligible(items[i])) continue;
    const double v = value(items[i]);
    if (!best.has_value() || v > best_value) {
      best = i;
      best_value = v;
    }
  }
  return best;
}

double Gain(const WorkItem& item) { return item.Gain(); }

}  // namespace

double ReadWeight(const SlotView& slot) {
  return slot.read_rate + 2 * slot.scan_rate + 1;
}

int HardRunBound(int max_runs) { return std::max(2 * max_runs, max_runs + 4); }

double RunRatio(uint64_t arriving, uint64_t total, int max_runs) {
  const double rounds = static_cast<double>(total) /
                        static_cast<double>(std::max<uint64_t>(arriving, 1));
  return std::max(1.0, 0.5 * std::pow(rounds, 1.0 / max_runs));
}

int MergePrefix(uint64_t l0_bytes, const std::vector<uint64_t>& run_bytes,
                int max_runs) {
  const int runs = static_cast<int>(run_bytes.size());
  if (runs == 0) return 0;
  max_runs = std::max(max_runs, 1);
  const int needed = std::clamp(runs + 1 - max_runs, 0, runs);
  // Without data from L0, the newest run shows what used to arrive.
  const double ratio = RunRatio(l0_bytes > 0 ? l0_bytes : run_bytes[0],
                                l0_bytes + Sum(run_bytes), max_runs);
  uint64_t merged = l0_bytes;
  int prefix = 0;
  while (prefix < runs &&
         (prefix < needed || static_cast<double>(merged) * ratio >=
                                 static_cast<double>(run_bytes[prefix]))) {
    merged += run_bytes[prefix++];
  }
  return prefix;
}

double WorkItem::Gain() const {
  return ReadWeight(*slot) * (runs_before - runs_after) /
         ((static_cast<double>(bytes) + kJobBytes) / kMib);
}

double DeadBytes(const SlotView& slot) {
  if (slot.l0_bytes.size() + slot.run_bytes.size() < 2) return 0;
  uint64_t sum = Sum(slot.l0_bytes) + Sum(slot.run_bytes);
  uint64_t largest = 0;
  for (uint64_t bytes : slot.l0_bytes) largest = std::max(largest, bytes);
  for (uint64_t bytes : slot.run_bytes) largest = std::max(largest, bytes);
  const auto total = static_cast<double>(sum);
  double dead = slot.overlap * static_cast<double>(sum - largest);
  if (slot.deletions >= kMinTombstones) dead += TombstoneShare(slot) * total;
  return std::min(dead, total);
}

void Picker::MeasureSpace(const std::vector<SlotView>& slots,
                          WorkList* work) const {
  double live = 0;
  double excess = 0;
  for (const SlotView& slot : slots) {
    const double dead = DeadBytes(slot);
    live +=
        static_cast<double>(Sum(slot.l0_bytes) + Sum(slot.run_bytes)) - dead;
    excess += dead + static_cast<double>(PinnedIn(slot, slot.run_bytes.size()));
  }
  work->space_due = excess > kSpaceMargin * (space_limit_ - 1) * live;
  work->space_first = work->space_due &&
                      excess > std::max(kSpaceFirst, space_limit_ - 1) * live;
}

bool Picker::PlanReclaim(const SlotView& slot, WorkItem* item) {
  int best = -1;
  double best_ratio = 0;
  for (size_t runs = 0; runs <= slot.run_bytes.size(); ++runs) {
    // Newer runs of what is spread over a slot hide little of each other.
    const double reclaimed =
        (runs == slot.run_bytes.size() ? DeadBytes(slot) : 0) +
        static_cast<double>(PinnedIn(slot, runs));
    const uint64_t bytes =
        Sum(slot.l0_bytes) +
        std::accumulate(slot.run_bytes.begin(),
                        slot.run_bytes.begin() + static_cast<ptrdiff_t>(runs),
                        uint64_t{0});
    const double ratio = reclaimed / (static_cast<double>(bytes) + kJobBytes);
    if (reclaimed < kMinReclaimed || ratio <= best_ratio) continue;
    best = static_cast<int>(runs);
    best_ratio = ratio;
    item->reclaimed = reclaimed;
  }
  if (best < 0) return false;
  item->choice.reason = "space";
  PlanMerge(slot, best, item);
  return true;
}

bool Picker::NeedsCleaning(const SlotView& slot) {
  if (slot.deletions < kMinTombstones || TombstoneShare(slot) < kCleanShare) {
    cleaned_.erase(slot.id);
    return false;
  }
  const auto it = cleaned_.find(slot.id);
  return it == cleaned_.end() ||
         static_cast<double>(slot.deletions) >
             kCleanAgainGrowth * static_cast<double>(it->second);
}

bool Picker::Plan(const SlotView& slot, const WorkList& work, bool l0_urgent,
                  WorkItem* item) {
  const int slices = static_cast<int>(slot.l0_bytes.size());
  const int runs = static_cast<int>(slot.run_bytes.size());
  const int max_runs = std::max(slot.max_runs, 1);
  const bool over = slices + runs > max_runs;
  const bool l0_due = slices > 0 && work.l0_tables >= l0_trigger_;
  item->slot = &slot;
  item->choice.slot_id = slot.id;
  item->runs_before = slices + runs;
  item->over_hard_bound = slices + runs > HardRunBound(max_runs);
  if (slices > 0 && !slot.l0_overlaps_first_run && (over || l0_due)) {
    // Extends the first run: as good as a merge, and free.
    item->choice.reason = "l0";
    PlanAdoption(slot, item);
    return true;
  }
  if (l0_due && (!over || (l0_urgent && !item->over_hard_bound))) {
    // A slice costs a read as much in L0 as it does as a run, so where L0 is
    // short of room the slot takes it as it is and merges later.
    item->choice.reason = "l0";
    PlanAdoption(slot, item);
    return true;
  }
  const bool scans_lose = CleaningPaysForScans(slot);
  if (scans_lose || NeedsCleaning(slot)) {
    // Only a merge down to the oldest run can drop tombstones.
    item->choice.reason = "tombstones";
    item->clean_first = scans_lose || TombstoneShare(slot) >= kDeadShare;
    if (work.space_due) item->reclaimed = DeadBytes(slot);
    PlanMerge(slot, runs, item);
    return true;
  }
  if (work.space_due && PlanReclaim(slot, item)) return true;
  return PlanUpkeep(slot, item);
}

bool Picker::PlanUpkeep(const SlotView& slot, WorkItem* item) {
  const int runs = static_cast<int>(slot.run_bytes.size());
  const int max_runs = std::max(slot.max_runs, 1);
  if (item->runs_before > max_runs) {
    item->choice.reason = "runs";
    PlanMerge(slot, MergePrefix(Sum(slot.l0_bytes), slot.run_bytes, max_runs),
              item);
    return true;
  }
  if (slot.merge_for_join && item->runs_before > 1) {
    item->choice.reason = "join";
    PlanMerge(slot, runs, item);
    return true;
  }
  return false;
}

WorkList Picker::FindWork(const std::vector<SlotView>& slots,
                          PressureZone zone) {
  WorkList work;
  const std::vector<uint64_t> l0_bytes = L0Bytes(slots);
  work.l0_tables = static_cast<int>(l0_bytes.size());
  MeasureSpace(slots, &work);
  const bool urgent = L0IsUrgent(work.l0_tables, zone);
  for (const SlotView& slot : slots) {
    WorkItem item;
    if (slot.busy || !Plan(slot, work, urgent, &item)) continue;
    for (size_t i = 0; i < slot.l0_bytes.size(); ++i) {
      const int at = Position(slot, i);
      item.oldest_l0 = std::max(item.oldest_l0, at);
      item.l0_relief += static_cast<double>(slot.l0_bytes[i]) /
                        static_cast<double>(std::max<uint64_t>(
                            l0_bytes[static_cast<size_t>(at)], 1));
    }
    work.items.push_back(item);
  }
  return work;
}

std::optional<size_t> Picker::ForcedItem(const WorkList& work,
                                         PressureZone zone) const {
  const auto relief = [](const WorkItem& item) {
    return item.l0_relief / (static_cast<double>(item.bytes) + kJobBytes);
  };
  const auto adoption = Best(
      work.items, [](const WorkItem& item) { return item.adopts_only(); },
      relief);
  if (adoption.has_value()) return adoption;
  const auto reclaims = [](const WorkItem& item) { return item.reclaimed > 0; };
  const auto reclaimed = [](const WorkItem& item) {
    return item.reclaimed / (static_cast<double>(item.bytes) + kJobBytes);
  };
  if (work.space_first) {
    const auto space = Best(work.items, reclaims, reclaimed);
    if (space.has_value()) return space;
  }
  if (L0IsUrgent(work.l0_tables, zone)) {
    int oldest = 0;
    for (const WorkItem& item : work.items) {
      oldest = std::max(oldest, item.oldest_l0);
    }
    const auto l0 = Best(
        work.items,
        [oldest](const WorkItem& item) { return item.oldest_l0 == oldest; },
        relief);
    if (l0.has_value()) return l0;
  }
  const auto over = Best(
      work.items, [](const WorkItem& item) { return item.over_hard_bound; },
      Gain);
  if (over.has_value()) return over;
  if (zone < PressureZone::kOrange) {
    const auto space = Best(work.items, reclaims, reclaimed);
    if (space.has_value()) return space;
  } else {
    return Best(
        work.items, [](const WorkItem&) { return true; }, Gain);
  }
  return Best(
      work.items, [](const WorkItem& item) { return item.clean_first; }, Gain);
}

void Picker::Picked(const WorkItem& item) {
  // Every merge down to the oldest run drops what tombstones it can.
  if (!item.adopts_only() &&
      item.choice.runs_to_merge ==
          static_cast<int>(item.slot->run_bytes.size())) {
    cleaned_[item.slot->id] = item.slot->deletions;
  }
}

}  // namespace nori
