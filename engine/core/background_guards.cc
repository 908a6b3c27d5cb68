// The part of Background that moves guards.

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "engine/core/background.h"
#include "engine/format/status_macros.h"
#include "engine/slots/guards.h"

namespace nori {
namespace {

// Parts of a slot's target size: the steps in which heat cuts, and the size up
// to which neighbours are joined. A joined slot must double to be split again.
constexpr uint64_t kHeatSteps = 16;
constexpr uint64_t kJoinPart = 2;

// A slot is cut by heat from this part of the accesses that an average slot of
// target size gets; neighbours are joined when each gets at most that part. So
// a joined slot has half of what a cut needs.
constexpr double kCutRate = 0.5;
constexpr double kJoinRate = 0.125;
// Accesses a second below which nothing is cut.
constexpr double kIdleRate = 1;

// Parts of heat_half_life_s: how long a new slot is watched before heat cuts it
// again, and how often. Joins wait for a whole one.
constexpr double kWatchPart = 0.125;

// Edits of each kind at one call, so that none holds the caller for long.
constexpr int kEditsPerCall = 8;

std::vector<std::string> UnevenKeys(const Slot& slot, const SlotHeat& heat,
                                    const SlotHeat::Rates& rates,
                                    uint64_t min_bytes) {
  const double reads = rates.reads + 2 * rates.scans;
  const double writes = 0.5 * rates.writes;
  std::vector<std::string> keys;
  // A quarter of the accesses is worth a guard of its own.
  if (3 * reads >= writes) {
    keys = ChooseHeatSplit(slot, heat.read_keys().Keys(), min_bytes);
  }
  if (keys.empty() && 3 * writes >= reads) {
    keys = ChooseHeatSplit(slot, heat.write_keys().Keys(), min_bytes);
  }
  if (keys.empty() && 3 * reads >= writes && 3 * writes >= reads) {
    keys = ChooseMixSplit(slot, heat.read_keys().Keys(),
                          heat.write_keys().Keys(), min_bytes);
  }
  return keys;
}

}  // namespace

Background::GuardLoad Background::LoadOf(const ReadView& view) const {
  GuardLoad load;
  load.rates = context_.state->RatesOf(view);
  uint64_t total = 0;
  double rate = 0;
  for (const SlotRef& slot : view.version()->slots()) total += slot->bytes();
  for (const auto& r : load.rates) rate += r.Weighted();
  load.target_bytes = SlotTargetBytes(
      options_.slot_bytes, total, static_cast<uint64_t>(options_.max_slots));
  load.average_rate = rate;
  if (total > load.target_bytes) {
    load.average_rate *=
        static_cast<double>(load.target_bytes) / static_cast<double>(total);
  }
  return load;
}

absl::Status Background::AdaptGuards() {
  NORI_RETURN_IF_ERROR(SplitLargeSlots());
  NORI_RETURN_IF_ERROR(SplitUnevenSlots());
  return JoinColdSlots();
}

absl::Status Background::SplitLargeSlots() {
  const ReadViewRef view = context_.state->view();
  const uint64_t target = LoadOf(*view).target_bytes;
  int edits = 0;
  for (const SlotRef& slot : view->version()->slots()) {
    if (slot->bytes() <= target) continue;
    if (!TryLockSlots({slot->id})) continue;
    const auto unlock = absl::MakeCleanup([&] { UnlockSlots({slot->id}); });
    NORI_RETURN_IF_ERROR(SplitIfLarge(slot->id));
    if (++edits == kEditsPerCall) break;
  }
  return absl::OkStatus();
}

absl::Status Background::SplitIfLarge(uint64_t slot_id) {
  const ReadViewRef view = context_.state->view();
  const Version& version = *view->version();
  const size_t index = version.SlotIndexById(slot_id);
  if (index == version.slots().size()) return absl::OkStatus();
  const std::vector<std::string> keys =
      ChooseSplitKeys(*version.slots()[index], LoadOf(*view).target_bytes);
  return keys.empty() ? absl::OkStatus() : ApplySplit(slot_id, keys, "size");
}

absl::Status Background::SplitUnevenSlots() {
  const uint64_t now = options_.clock->NowMicros();
  const auto watch =
      static_cast<uint64_t>(kWatchPart * options_.heat_half_life_s * 1e6);
  const ReadViewRef view = context_.state->view();
  const GuardLoad load = LoadOf(*view);
  const std::vector<SlotRef>& slots = view->version()->slots();
  int room = options_.max_slots - static_cast<int>(slots.size());
  for (size_t i = 0; i < slots.size() && room > 0; ++i) {
    const Slot& slot = *slots[i];
    const double rate = load.rates[i].Weighted();
    if (rate < std::max(kIdleRate, kCutRate * load.average_rate)) continue;
    {
      absl::MutexLock lock(&mutex_);
      GuardState& state = guards_[slot.id];
      if (now < std::max(state.born, state.looked) + watch) continue;
      state.looked = now;
    }
    if (!TryLockSlots({slot.id})) continue;
    const auto unlock = absl::MakeCleanup([&] { UnlockSlots({slot.id}); });
    const VersionRef version = context_.state->view()->version();
    const size_t index = version->SlotIndexById(slot.id);
    if (index == version->slots().size()) continue;
    const std::vector<std::string> keys =
        UnevenKeys(*version->slots()[index], *view->heat()[i], load.rates[i],
                   load.target_bytes / kHeatSteps);
    if (keys.empty()) continue;
    NORI_RETURN_IF_ERROR(ApplySplit(slot.id, keys, "heat"));
    room -= static_cast<int>(keys.size());
  }
  return absl::OkStatus();
}

absl::Status Background::ApplySplit(uint64_t slot_id,
                                    const std::vector<std::string>& keys,
                                    const char* why) {
  std::vector<SlotReplacement> done;
  NORI_RETURN_IF_ERROR(context_.state->Edit(
      [&](const ManifestState& state) -> absl::StatusOr<VersionEdit> {
        VersionEdit edit;
        uint64_t next = state.next_slot_id;
        const size_t index = state.version->SlotIndexById(slot_id);
        NORI_ASSIGN_OR_RETURN(
            SlotReplacement replacement,
            SplitSlot(*state.version->slots()[index], keys, &next));
        done = {replacement};
        edit.next_slot_id = next;
        edit.replacements.push_back(std::move(replacement));
        return edit;
      },
      /*layers_flushed=*/0));
  SlotsReplaced({slot_id}, done, why);
  return absl::OkStatus();
}

void Background::SlotsReplaced(const std::vector<uint64_t>& old_ids,
                               const std::vector<SlotReplacement>& done,
                               const char* why) {
  const uint64_t now = options_.clock->NowMicros();
  for (size_t i = 0; i < done.size(); ++i) {
    const std::vector<SlotRecord>& slots = done[i].slots;
    const bool joined = old_ids.size() > done.size();
    // A slot that only got a fixed guard is still itself.
    if (!joined && slots.size() == 1) continue;
    (joined ? context_.metrics->slot_joins : context_.metrics->slot_splits)
        .Add();
    Record(joined ? EventKind::kSlotJoin : EventKind::kSlotSplit, old_ids[i], 0,
           0, 0, static_cast<double>(joined ? old_ids.size() : slots.size()),
           why);
    absl::MutexLock lock(&mutex_);
    const std::optional<double> overlap = guards_[old_ids[i]].overlap;
    for (const SlotRecord& slot : slots) {
      scheduler_->SlotCreated(slot.id, old_ids[i]);
      guards_[slot.id].born = now;
      guards_[slot.id].overlap = overlap;
    }
    const size_t gone = joined ? old_ids.size() : 1;
    for (size_t k = i; k < i + gone; ++k) {
      scheduler_->SlotRemoved(old_ids[k]);
      guards_.erase(old_ids[k]);
    }
  }
}

bool Background::TryLockSlots(const std::vector<uint64_t>& ids) {
  absl::MutexLock lock(&mutex_);
  for (uint64_t id : ids) {
    if (busy_.contains(id)) return false;
  }
  busy_.insert(ids.begin(), ids.end());
  return true;
}

bool Background::MayJoin(const Slot& slot, const SlotHeat::Rates& rates,
                         const GuardLoad& load, uint64_t now) {
  const auto settled = static_cast<uint64_t>(options_.heat_half_life_s * 1e6);
  const auto it = guards_.find(slot.id);
  const uint64_t since = it == guards_.end() ? 0 : it->second.born;
  // Joined with others, what was dropped could not be emptied any more.
  return !busy_.contains(slot.id) && !IsDropped(slot.range) &&
         rates.Weighted() <= kJoinRate * load.average_rate &&
         now >= std::max(since, started_micros_) + settled;
}

absl::Status Background::JoinColdSlots() {
  for (int edits = 0; edits < kEditsPerCall; ++edits) {
    std::vector<uint64_t> ids;
    {
      // The view is taken under the lock: a slot that is in it and not busy is
      // still as the view has it.
      absl::MutexLock lock(&mutex_);
      const uint64_t now = options_.clock->NowMicros();
      const ReadViewRef view = context_.state->view();
      const Version& version = *view->version();
      const GuardLoad load = LoadOf(*view);
      JoinLimits limits;
      limits.max_bytes = load.target_bytes / kJoinPart;
      // The live rates decide, not what was persisted.
      limits.max_heat = 1;
      limits.is_busy = [&](uint64_t id) ABSL_NO_THREAD_SAFETY_ANALYSIS {
        const size_t i = version.SlotIndexById(id);
        return !MayJoin(*version.slots()[i], load.rates[i], load, now);
      };
      const std::optional<size_t> first = ChooseJoin(version, limits);
      if (!first.has_value()) {
        WantJoins(version, load, now);
        return absl::OkStatus();
      }
      ids = {version.slots()[*first]->id, version.slots()[*first + 1]->id};
      busy_.insert(ids.begin(), ids.end());
    }
    const auto unlock = absl::MakeCleanup([&] { UnlockSlots(ids); });
    NORI_ASSIGN_OR_RETURN(const bool joined, ApplyJoin(ids));
    if (!joined) return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> Background::ApplyJoin(const std::vector<uint64_t>& ids) {
  std::vector<SlotReplacement> done;
  NORI_RETURN_IF_ERROR(context_.state->Edit(
      [&](const ManifestState& state) -> absl::StatusOr<VersionEdit> {
        VersionEdit edit;
        uint64_t next = state.next_slot_id;
        absl::StatusOr<SlotReplacement> replacement =
            JoinSlots(*state.version, state.version->SlotIndexById(ids[0]),
                      ids.size(), &next);
        // Meanwhile a flush may have put data into L0 that forbids it.
        if (!replacement.ok()) return edit;
        done = {*replacement};
        edit.next_slot_id = next;
        edit.replacements.push_back(*std::move(replacement));
        return edit;
      },
      /*layers_flushed=*/0));
  if (done.empty()) return false;
  SlotsReplaced(ids, done, "cold");
  return true;
}

void Background::WantJoins(const Version& version, const GuardLoad& load,
                           uint64_t now) {
  const auto settled = static_cast<uint64_t>(options_.heat_half_life_s * 1e6);
  for (auto& [id, state] : guards_) state.join_wanted = false;
  const std::vector<SlotRef>& slots = version.slots();
  int wanted = 0;
  for (size_t i = 0; i + 1 < slots.size() && wanted < kEditsPerCall; ++i) {
    const Slot& left = *slots[i];
    const Slot& right = *slots[i + 1];
    if (right.fixed_guard ||
        left.bytes() + right.bytes() > load.target_bytes / kJoinPart ||
        !MayJoin(left, load.rates[i], load, now) ||
        !MayJoin(right, load.rates[i + 1], load, now)) {
      continue;
    }
    ++wanted;
    for (const Slot* slot : {&left, &right}) {
      GuardState& state = guards_[slot->id];
      // Where writes get in between, the next try waits.
      if (state.join_merged != 0 && now < state.join_merged + settled) continue;
      state.join_wanted = true;
    }
  }
}

absl::Status Background::AddGuards(const KeyRange& range) {
  std::vector<std::string> keys{range.begin};
  if (!range.end.empty()) keys.push_back(range.end);
  while (true) {
    // The slots that hold the keys are locked first, so that no merge of them
    // is under way when they are cut.
    const VersionRef version = context_.state->view()->version();
    std::vector<uint64_t> locked;
    for (const std::string& key : keys) {
      const Slot& slot = *version->slots()[version->SlotIndex(key)];
      if (std::find(locked.begin(), locked.end(), slot.id) == locked.end()) {
        locked.push_back(slot.id);
      }
    }
    std::sort(locked.begin(), locked.end());
    for (uint64_t id : locked) LockSlot(id);
    const auto unlock = absl::MakeCleanup([&] { UnlockSlots(locked); });
    const VersionRef now = context_.state->view()->version();
    const bool same =
        std::all_of(keys.begin(), keys.end(), [&](const std::string& key) {
          const uint64_t id = now->slots()[now->SlotIndex(key)]->id;
          return std::find(locked.begin(), locked.end(), id) != locked.end();
        });
    if (!same) continue;
    std::vector<uint64_t> old_ids;
    std::vector<SlotReplacement> done;
    NORI_RETURN_IF_ERROR(context_.state->Edit(
        [&](const ManifestState& state) -> absl::StatusOr<VersionEdit> {
          VersionEdit edit;
          uint64_t next = state.next_slot_id;
          done = nori::AddGuards(*state.version, keys, &next);
          for (const SlotReplacement& replacement : done) {
            const size_t index =
                state.version->SlotIndex(replacement.range.begin);
            old_ids.push_back(state.version->slots()[index]->id);
          }
          edit.replacements = done;
          edit.next_slot_id = next;
          return edit;
        },
        /*layers_flushed=*/0));
    SlotsReplaced(old_ids, done, "boundary");
    return absl::OkStatus();
  }
}

}  // namespace nori
