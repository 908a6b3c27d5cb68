#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/compaction/scheduler_base.h"

namespace nori {
namespace {

constexpr double kMib = 1 << 20;
// How fast the peak by which rewards are normalised is forgotten: a half-life
// of about 70 rewards.
constexpr double kPeakDecay = 0.99;

class GreedyScheduler : public SchedulerBase {
 public:
  using SchedulerBase::SchedulerBase;
  const char* name() const override { return "greedy"; }

 protected:
  size_t Choose(std::vector<WorkItem>& items, PressureZone /*zone*/) override {
    size_t best = 0;
    for (size_t i = 0; i < items.size(); ++i) {
      items[i].choice.score = items[i].Gain();
      if (items[i].choice.score > items[best].choice.score) best = i;
    }
    return best;
  }
};

class RoundRobinScheduler : public SchedulerBase {
 public:
  using SchedulerBase::SchedulerBase;
  const char* name() const override { return "round_robin"; }

 protected:
  size_t Choose(std::vector<WorkItem>& items, PressureZone /*zone*/) override {
    // The lowest id above the last one, else the lowest: ids keep their place
    // in the circle when slots split and join.
    size_t best = 0;
    for (size_t i = 1; i < items.size(); ++i) {
      const uint64_t id = items[i].slot->id;
      const uint64_t best_id = items[best].slot->id;
      const bool ahead = id > last_;
      if (ahead == (best_id > last_) ? id < best_id : ahead) best = i;
    }
    last_ = items[best].slot->id;
    return best;
  }

 private:
  uint64_t last_ = 0;
};

}  // namespace

std::optional<CompactionChoice> SchedulerBase::Pick(
    const std::vector<SlotView>& slots, PressureZone zone) {
  WorkList work = picker_.FindWork(slots, zone);
  if (work.items.empty()) return std::nullopt;
  const std::optional<size_t> forced = picker_.ForcedItem(work, zone);
  const size_t chosen = forced.has_value() ? *forced : Choose(work.items, zone);
  WorkItem& item = work.items[chosen];
  if (forced.has_value()) {
    item.choice.score = item.Gain();
    if (zone >= PressureZone::kOrange) item.choice.reason = "pressure";
  }
  picker_.Picked(item);
  if (!item.adopts_only()) Started(item.slot->id);
  return item.choice;
}

std::vector<CompactionChoice> SchedulerBase::PickAdoptions(
    const std::vector<SlotView>& slots, PressureZone zone) {
  std::vector<CompactionChoice> choices;
  for (const WorkItem& item : picker_.FindWork(slots, zone).items) {
    if (item.adopts_only()) choices.push_back(item.choice);
  }
  return choices;
}

double SchedulerBase::Reward(const CompactionChoice& choice, int runs_before,
                             int runs_after, uint64_t bytes_rewritten,
                             const SlotView& slot) {
  if (choice.runs_to_merge == 0 && !choice.merge_l0) return 0;
  const double saved = std::max(0, runs_before - runs_after);
  // Below a MiB the job itself is what it costs.
  const double cost =
      std::max(1.0, static_cast<double>(bytes_rewritten) / kMib);
  const double raw = ReadWeight(slot) * saved / cost;
  // Relative to the best of late, so that the exploration constant means the
  // same at one read a second and at a million.
  peak_ = std::max(raw, peak_ * kPeakDecay);
  const double reward = peak_ > 0 ? raw / peak_ : 0;
  Learned(choice.slot_id, reward);
  return reward;
}

void SchedulerBase::SlotCreated(uint64_t /*id*/, uint64_t /*parent_id*/) {}
void SchedulerBase::SlotRemoved(uint64_t id) { picker_.SlotRemoved(id); }
void SchedulerBase::Started(uint64_t /*slot_id*/) {}
void SchedulerBase::Learned(uint64_t /*slot_id*/, double /*reward*/) {}

absl::StatusOr<std::unique_ptr<Scheduler>> MakeScheduler(
    const Options& options) {
  const std::string& name = options.scheduler;
  if (name == "bandit") return MakeBandit(options);
  if (name == "greedy") return std::make_unique<GreedyScheduler>(options);
  if (name == "round_robin") {
    return std::make_unique<RoundRobinScheduler>(options);
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "scheduler '", name, "' is unknown: bandit, greedy or round_robin"));
}

}  // namespace nori
