#include <algorithm>
#include <cmath>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/compaction/policy.h"

namespace nori {
namespace {

// How far, in steps of K, the target must pass a step before K follows.
constexpr double kMargin = 0.2;
// Below this many accesses a second there is nothing to judge by.
constexpr double kIdleRate = 1e-6;

class FixedPolicy : public RunPolicy {
 public:
  FixedPolicy(int max_runs, const char* name)
      : max_runs_(max_runs), name_(name) {}
  int MaxRuns(const SlotView& /*slot*/) override { return max_runs_; }
  const char* name() const override { return name_; }

 private:
  const int max_runs_;
  const char* const name_;
};

class HeatPolicy : public RunPolicy {
 public:
  explicit HeatPolicy(int highest) : highest_(std::max(highest, 1)) {}

  int MaxRuns(const SlotView& slot) override {
    const int current = std::clamp(slot.max_runs, 1, highest_);
    const double reads = slot.read_rate + 2 * slot.scan_rate;
    const double all = reads + 0.5 * slot.write_rate;
    // After a restart heat is known from the manifest, but not yet whether it
    // came from reads.
    if (all < kIdleRate && slot.heat > 0) return current;
    const double read_share = all < kIdleRate ? 0 : reads / all;
    const double t = std::clamp(slot.heat * read_share, 0.0, 1.0);
    // K holds while the target is within (K - 1, K), give or take the margin.
    const double target = (1 - t) * highest_;
    if (target >= current - 1 - kMargin && target <= current + kMargin) {
      return current;
    }
    return std::clamp(1 + static_cast<int>(std::floor(target)), 1, highest_);
  }
  const char* name() const override { return "heat"; }

 private:
  const int highest_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<RunPolicy>> MakeRunPolicy(
    const Options& options) {
  const std::string& name = options.run_policy;
  if (name == "heat") return std::make_unique<HeatPolicy>(options.max_runs);
  if (name == "fixed1") return std::make_unique<FixedPolicy>(1, "fixed1");
  if (name == "fixed4") return std::make_unique<FixedPolicy>(4, "fixed4");
  return absl::InvalidArgumentError(absl::StrCat(
      "run_policy '", name, "' is unknown: heat, fixed1 or fixed4"));
}

}  // namespace nori
