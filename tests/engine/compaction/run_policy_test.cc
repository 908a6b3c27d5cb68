#include <memory>
#include <set>

#include "engine/compaction/policy.h"
#include "gtest/gtest.h"

namespace nori {
namespace {

std::unique_ptr<RunPolicy> Policy(const char* name, int max_runs = 4) {
  Options options;
  options.run_policy = name;
  options.max_runs = max_runs;
  return std::move(*MakeRunPolicy(options));
}

SlotView Slot(double heat, double reads, double writes, int current) {
  SlotView slot;
  slot.heat = heat;
  slot.read_rate = reads;
  slot.write_rate = writes;
  slot.max_runs = current;
  return slot;
}

TEST(RunPolicy, FixedPoliciesAreFixed) {
  for (double heat : {0.0, 0.5, 1.0}) {
    EXPECT_EQ(Policy("fixed1")->MaxRuns(Slot(heat, 5, 5, 3)), 1);
    EXPECT_EQ(Policy("fixed4")->MaxRuns(Slot(heat, 5, 5, 3)), 4);
  }
  EXPECT_STREQ(Policy("fixed1")->name(), "fixed1");
  EXPECT_STREQ(Policy("fixed4")->name(), "fixed4");
  EXPECT_STREQ(Policy("heat")->name(), "heat");
}

TEST(RunPolicy, UnknownNameIsRefused) {
  Options options;
  options.run_policy = "fixed3";
  EXPECT_EQ(MakeRunPolicy(options).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(RunPolicy, ReadHeatReachesEveryK) {
  for (int max_runs : {1, 2, 4, 8, 16}) {
    const auto policy = Policy("heat", max_runs);
    std::set<int> seen;
    int current = max_runs, last = max_runs;
    for (double heat = 0; heat <= 1.0001; heat += 0.001) {
      current = policy->MaxRuns(Slot(heat, 1000, 0, current));
      EXPECT_LE(current, last);
      last = current;
      seen.insert(current);
    }
    EXPECT_EQ(current, 1);
    EXPECT_EQ(seen.size(), static_cast<size_t>(max_runs));
    // And back to the coldest, well before heat is exactly 0.
    for (double heat = 1; heat >= 0.8 / max_runs - 0.001; heat -= 0.001) {
      current = policy->MaxRuns(Slot(heat, 1000, 0, current));
    }
    EXPECT_EQ(current, max_runs);
  }
}

TEST(RunPolicy, HotByWritesAloneStaysTiered) {
  const auto policy = Policy("heat");
  EXPECT_EQ(policy->MaxRuns(Slot(1, 0, 1e6, 4)), 4);
  EXPECT_EQ(policy->MaxRuns(Slot(1, 0, 1e6, 1)), 4);
  EXPECT_EQ(policy->MaxRuns(Slot(1, 100, 1e6, 1)), 4);
  EXPECT_EQ(policy->MaxRuns(Slot(1, 1e6, 100, 4)), 1);
  // Scans are reads.
  SlotView scanned = Slot(1, 0, 1, 4);
  scanned.scan_rate = 1000;
  EXPECT_EQ(policy->MaxRuns(scanned), 1);
}

TEST(RunPolicy, AverageSlotIsNotHot) {
  const auto policy = Policy("heat");
  for (int current = 1; current <= 4; ++current) {
    const int k = policy->MaxRuns(Slot(0.5, 1000, 0, current));
    EXPECT_GE(k, 2);
    EXPECT_LE(k, 3);
  }
}

TEST(RunPolicy, NoiseDoesNotFlipK) {
  const uint64_t seed = 31337;
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  Random random(seed);
  const auto policy = Policy("heat");
  for (double step : {0.25, 0.5, 0.75}) {
    int current = 4, changes = 0;
    for (int i = 0; i < 10000; ++i) {
      const double heat = step + 0.08 * (random.NextDouble() - 0.5);
      const int k = policy->MaxRuns(Slot(heat, 1000, 0, current));
      changes += k != current;
      current = k;
    }
    EXPECT_LE(changes, 1) << step;
  }
}

TEST(RunPolicy, IdleSlots) {
  const auto policy = Policy("heat");
  // Cold and idle: as cold as it gets.
  EXPECT_EQ(policy->MaxRuns(Slot(0, 0, 0, 1)), 4);
  // Heat remembered, rates not yet known: nothing changes.
  EXPECT_EQ(policy->MaxRuns(Slot(0.9, 0, 0, 1)), 1);
  EXPECT_EQ(policy->MaxRuns(Slot(0.9, 0, 0, 3)), 3);
  // K in force from a time with a larger maximum is brought into range.
  EXPECT_EQ(policy->MaxRuns(Slot(0.9, 0, 0, 9)), 4);
}

}  // namespace
}  // namespace nori
