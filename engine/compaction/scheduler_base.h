// What all schedulers share: planning, and the safety rule above them.

#ifndef NORI_ENGINE_COMPACTION_SCHEDULER_BASE_H_
#define NORI_ENGINE_COMPACTION_SCHEDULER_BASE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "engine/compaction/picker.h"
#include "engine/compaction/policy.h"

namespace nori {

class SchedulerBase : public Scheduler {
 public:
  explicit SchedulerBase(const Options& options) : picker_(options) {}

  std::optional<CompactionChoice> Pick(const std::vector<SlotView>& slots,
                                       PressureZone zone) final;
  std::vector<CompactionChoice> PickAdoptions(
      const std::vector<SlotView>& slots, PressureZone zone) final;
  double Reward(const CompactionChoice& choice, int runs_before, int runs_after,
                uint64_t bytes_rewritten, const SlotView& slot) final;
  void SlotCreated(uint64_t id, uint64_t parent_id) override;
  void SlotRemoved(uint64_t id) override;

 protected:
  // Index of the item to do; may fill in its choice's `explored` and `score`.
  // REQUIRES: items is not empty.
  virtual size_t Choose(std::vector<WorkItem>& items, PressureZone zone) = 0;
  // A merge in this slot is going to run, chosen or forced.
  virtual void Started(uint64_t slot_id);
  // A merge in this slot brought `reward`, in [0, 1].
  virtual void Learned(uint64_t slot_id, double reward);

 private:
  Picker picker_;
  double peak_ = 0;  // highest raw reward of late
};

// The bandit, with its own arms and randomness.
std::unique_ptr<Scheduler> MakeBandit(const Options& options);

}  // namespace nori

#endif  // NORI_ENGINE_COMPACTION_SCHEDULER_BASE_H_
