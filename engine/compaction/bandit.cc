#include <algorithm>
#include <cmath>

#include "absl/container/flat_hash_map.h"
#include "engine/compaction/scheduler_base.h"
#include "engine/io/clock.h"

namespace nori {
namespace {

constexpr double kRewardAlpha = 0.1;
// The index of an arm that was never tried is finite, for whoever displays it,
// but above every other.
constexpr double kUntried = 1e9;

// Pressure leaves less room for trials. From orange on the safety rule chooses.
double EpsilonFactor(PressureZone zone) {
  return zone == PressureZone::kGreen ? 1 : 0.5;
}

class BanditScheduler : public SchedulerBase {
 public:
  explicit BanditScheduler(const Options& options)
      : SchedulerBase(options),
        epsilon_(options.bandit_epsilon),
        c_(options.bandit_c),
        random_(options.seed) {}

  const char* name() const override { return "bandit"; }

  void SlotCreated(uint64_t id, uint64_t parent_id) override {
    const auto parent = arms_.find(parent_id);
    Arm arm;
    if (parent != arms_.end() && parent->second.rewarded) {
      // Half of the parent's trials: its average is the best guess, but the
      // child may differ, so it is tried again sooner.
      arm.average = parent->second.average;
      arm.rewarded = true;
      arm.trials = std::max<uint64_t>(1, parent->second.trials / 2);
    }
    total_ += arm.trials;
    const auto [it, inserted] = arms_.try_emplace(id, arm);
    if (!inserted) {
      total_ -= it->second.trials;
      it->second = arm;
    }
  }

  void SlotRemoved(uint64_t id) override {
    SchedulerBase::SlotRemoved(id);
    const auto it = arms_.find(id);
    if (it == arms_.end()) return;
    total_ -= it->second.trials;
    arms_.erase(it);
  }

 protected:
  size_t Choose(std::vector<WorkItem>& items, PressureZone zone) override {
    size_t best = 0;
    double best_index = -1;
    for (size_t i = 0; i < items.size(); ++i) {
      const double index = Index(items[i].slot->id);
      items[i].choice.score = index;
      // Ties, above all among the untried, go to what looks best.
      if (index > best_index ||
          (index == best_index && items[i].Gain() > items[best].Gain())) {
        best = i;
        best_index = index;
      }
    }
    if (random_.NextDouble() < epsilon_ * EpsilonFactor(zone)) {
      best = static_cast<size_t>(random_.Uniform(items.size()));
      items[best].choice.explored = true;
    }
    return best;
  }

  void Started(uint64_t slot_id) override {
    ++arms_[slot_id].trials;
    ++total_;
  }

  void Learned(uint64_t slot_id, double reward) override {
    const auto it = arms_.find(slot_id);
    if (it == arms_.end()) return;  // the slot went while the job ran
    Arm& arm = it->second;
    arm.average += (arm.rewarded ? kRewardAlpha : 1) * (reward - arm.average);
    arm.rewarded = true;
  }

 private:
  struct Arm {
    double average = 0;  // of rewards; no meaning unless rewarded
    bool rewarded = false;
    uint64_t trials = 0;
  };

  double Index(uint64_t slot_id) const {
    const auto it = arms_.find(slot_id);
    if (it == arms_.end() || it->second.trials == 0) return kUntried;
    const double bonus = c_ * std::sqrt(std::log(static_cast<double>(total_)) /
                                        static_cast<double>(it->second.trials));
    return it->second.average + bonus;
  }

  const double epsilon_;
  const double c_;
  Random random_;
  absl::flat_hash_map<uint64_t, Arm> arms_;
  uint64_t total_ = 0;  // trials of all arms
};

}  // namespace

std::unique_ptr<Scheduler> MakeBandit(const Options& options) {
  return std::make_unique<BanditScheduler>(options);
}

}  // namespace nori
