#include <memory>
#include <set>
#include <utility>

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

TEST(RunPolicy, DocumentedIsThePublishedFormula) {
  const auto policy = Policy("documented");
  EXPECT_STREQ(policy->name(), "documented");
  const std::pair<double, int> table[] = {
      {0, 4}, {0.01, 3}, {0.33, 3}, {0.34, 2}, {0.66, 2}, {0.67, 1}, {1, 1}};
  for (const auto& [heat, k] : table) {
    // Reads or writes, whatever K was: only heat counts.
    EXPECT_EQ(policy->MaxRuns(Slot(heat, 0, 100, 1)), k) << heat;
    EXPECT_EQ(policy->MaxRuns(Slot(heat, 100, 0, 4)), k) << heat;
  }
}

// A slot of 64 MiB with entries of 128 bytes, to which a 256th part of its
// bytes arrives at once.
SlotView Costed(double reads, double scans, double writes, int current,
                size_t runs = 1) {
  SlotView slot = Slot(0.5, reads, writes, current);
  slot.scan_rate = scans;
  const uint64_t bytes = uint64_t{64} << 20;
  slot.run_bytes.assign(runs, bytes / runs);
  slot.entries = bytes / 128;
  slot.arriving_bytes = static_cast<double>(bytes) / 256;
  slot.flush_rate = 128 * writes / slot.arriving_bytes;
  return slot;
}

TEST(CostPolicy, ReadsLowerKAndWritesRaiseIt) {
  const auto policy = Policy("cost");
  EXPECT_STREQ(policy->name(), "cost");
  for (int current = 1; current <= 4; ++current) {
    EXPECT_EQ(policy->MaxRuns(Costed(0, 0, 10000, current)), 4);
    EXPECT_EQ(policy->MaxRuns(Costed(10000, 0, 0, current)), 1);
    EXPECT_EQ(policy->MaxRuns(Costed(0, 1000, 0, current)), 1);
    // Nothing known.
    EXPECT_EQ(policy->MaxRuns(Costed(0, 0, 0, current)), current);
  }
  int last = 4;
  for (double reads = 1; reads < 1e9; reads *= 1.5) {
    const int k = policy->MaxRuns(Costed(reads, 0, 10000, last));
    EXPECT_LE(k, last);
    last = k;
  }
  EXPECT_EQ(last, 1);
}

TEST(CostPolicy, MeasuredCostsDecide) {
  const auto policy = Policy("cost");
  SlotView slot = Costed(20000, 0, 100, 4);
  slot.costs.false_positives = 0.001;
  slot.costs.block_misses = 0;
  const int cheap = policy->MaxRuns(slot);
  // No filters, nothing cached: every run is a block from the disk.
  slot.costs.false_positives = 1;
  slot.costs.block_misses = 1;
  const int dear = policy->MaxRuns(slot);
  EXPECT_GT(cheap, dear);
  EXPECT_EQ(dear, 1);
  // A scan pays a block for every run, a point read with filters does not.
  EXPECT_LT(policy->MaxRuns(Costed(0, 20000, 100, 4)), cheap);
}

TEST(CostPolicy, AMergeThatDoesNotPayIsNotAskedFor) {
  Options options;
  options.run_policy = "cost";
  options.heat_half_life_s = 10;
  const auto policy = *MakeRunPolicy(options);
  // 64 MiB at 0.02 us a byte are 1.3 s: too much for a few reads a second.
  EXPECT_EQ(policy->MaxRuns(Costed(10, 0, 0, 4, 4)), 4);
  EXPECT_EQ(policy->MaxRuns(Costed(10, 0, 0, 4, 1)), 1);
  EXPECT_EQ(policy->MaxRuns(Costed(0, 100000, 0, 4, 4)), 1);
}

TEST(CostPolicy, NoiseDoesNotFlipK) {
  Random random(4711);
  const auto policy = Policy("cost");
  for (double reads : {1e4, 1e5, 3e5, 1e6}) {
    int current = policy->MaxRuns(Costed(reads, 0, 1000, 2));
    int changes = 0;
    for (int i = 0; i < 10000; ++i) {
      const double noise = 1 + 0.05 * (random.NextDouble() - 0.5);
      const int k = policy->MaxRuns(Costed(reads * noise, 0, 1000, current));
      changes += k != current;
      current = k;
    }
    EXPECT_LE(changes, 1) << reads;
  }
}

}  // namespace
}  // namespace nori
