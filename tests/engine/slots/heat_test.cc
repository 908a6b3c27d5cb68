#include "engine/slots/heat.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace nori {
namespace {

constexpr uint64_t kSecond = 1000000;

TEST(SlotHeatTest, RateReachesHalfAfterOneHalfLife) {
  SlotHeat heat;
  heat.Roll(5 * kSecond, 10);
  heat.AddRead(100);
  heat.AddWrite(50);
  heat.AddScan(20);
  heat.Roll(15 * kSecond, 10);
  EXPECT_NEAR(heat.rates().reads, 5, 1e-9);
  EXPECT_NEAR(heat.rates().writes, 2.5, 1e-9);
  EXPECT_NEAR(heat.rates().scans, 1, 1e-9);
  EXPECT_NEAR(heat.rates().Weighted(), 5 + 2 + 1.25, 1e-9);
  heat.Roll(25 * kSecond, 10);  // idle
  EXPECT_NEAR(heat.rates().reads, 2.5, 1e-9);
  EXPECT_EQ(heat.reads(), 100u);
}

TEST(SlotHeatTest, DoesNotDependOnHowOftenItIsRolled) {
  SlotHeat coarse, fine;
  coarse.Roll(0, 30);
  fine.Roll(0, 30);
  for (uint64_t second = 1; second <= 60; ++second) {
    coarse.AddRead(7);
    fine.AddRead(7);
    fine.Roll(second * kSecond, 30);
  }
  coarse.Roll(60 * kSecond, 30);
  EXPECT_NEAR(fine.rates().reads, coarse.rates().reads, 1e-9);
  EXPECT_NEAR(fine.rates().reads, 7 * 0.75, 1e-9);
}

TEST(SlotHeatTest, TimeThatStandsStillOrGoesBackLosesNothing) {
  SlotHeat heat;
  heat.Roll(10 * kSecond, 10);
  heat.AddRead(10);
  heat.Roll(10 * kSecond, 10);
  heat.Roll(9 * kSecond, 10);
  EXPECT_EQ(heat.rates().reads, 0);
  heat.Roll(20 * kSecond, 10);
  EXPECT_NEAR(heat.rates().reads, 0.5, 1e-9);
}

TEST(SlotHeatTest, WhatCameBeforeTheFirstRollIsNotARate) {
  SlotHeat heat;
  heat.AddRead(1000000);
  heat.Roll(10 * kSecond, 10);
  heat.Roll(20 * kSecond, 10);
  EXPECT_EQ(heat.rates().reads, 0);
}

TEST(SlotHeatTest, PiecesOfASlotShareItsRatesByTheSampledKeys) {
  SlotHeat parent;
  parent.Roll(0, 10);
  for (int i = 0; i < 60; ++i) {
    parent.AddRead();
    parent.AddScan();
    parent.read_keys().Offer(i % 4 == 0 ? "b" : "x");
  }
  parent.AddWrite(60);
  parent.Roll(10 * kSecond, 10);
  SlotHeat left, right;
  left.Inherit(parent, {"", "m"}, 0.5);
  right.Inherit(parent, {"m", ""}, 0.5);
  EXPECT_NEAR(left.rates().reads, 0.25 * 3, 1e-9);
  EXPECT_NEAR(right.rates().reads, 0.75 * 3, 1e-9);
  EXPECT_NEAR(right.rates().scans, 0.75 * 3, 1e-9);
  // No keys of writes are known: by the share given.
  EXPECT_NEAR(left.rates().writes, 1.5, 1e-9);
  EXPECT_EQ(left.read_keys().Keys().size(), 15u);
  // Joined again nothing is lost.
  SlotHeat joined;
  joined.Inherit(left, {}, 1);
  joined.Inherit(right, {}, 1);
  EXPECT_NEAR(joined.rates().Weighted(), parent.rates().Weighted(), 1e-9);
  EXPECT_EQ(joined.read_keys().Keys().size(), 60u);
}

TEST(KeySampleTest, FollowsTheAccessesAndForgets) {
  KeySample sample;
  const auto run = [&](const std::string& key, int rolls) {
    for (int roll = 0; roll < rolls; ++roll) {
      for (int i = 0; i < 1000; ++i) sample.Offer(key);
      sample.Roll();
    }
  };
  run("old", 20);
  EXPECT_EQ(sample.Keys().size(), KeySample::kKeys);
  run("new", 4);
  const auto count = [&](const std::string& key) {
    const std::vector<std::string> keys = sample.Keys();
    return std::count(keys.begin(), keys.end(), key);
  };
  // 1000 a roll are thinned to 8: the old ones fade, they are not swept away.
  EXPECT_GT(count("old"), 20);
  EXPECT_GT(count("new"), 10);
  run("new", 80);
  EXPECT_LE(count("old"), 1);
  sample.Offer(std::string(5000, 'x'));
  for (const std::string& key : sample.Keys()) {
    EXPECT_LE(key.size(), KeySample::kMaxBytes);
  }
}

TEST(SlotHeatTest, PartsOfASlotInheritItsTotalsAndNoBurst) {
  SlotHeat parent;
  parent.AddFlush(40, 4000, 2000);
  parent.AddMerge(6000);
  parent.AddRead(100);
  parent.AddScan(10);
  SlotHeat parts[2];
  for (SlotHeat& part : parts) {
    part.InheritTotals(parent, 0.5);
    EXPECT_EQ(part.writes(), 20u);
    EXPECT_EQ(part.user_bytes(), 2000u);
    EXPECT_EQ(part.flushed_bytes(), 1000u);
    EXPECT_EQ(part.merged_bytes(), 3000u);
    EXPECT_EQ(part.reads(), 50u);
    EXPECT_EQ(part.scans(), 5u);
    part.Roll(kSecond, 1);
    part.AddRead(1);
    part.Roll(2 * kSecond, 1);
    EXPECT_DOUBLE_EQ(part.rates().reads, 0.5);
    EXPECT_EQ(part.rates().writes, 0);
  }
  SlotHeat joined;
  for (const SlotHeat& part : parts) joined.InheritTotals(part, 1);
  EXPECT_EQ(joined.merged_bytes(), 6000u);
  EXPECT_EQ(joined.reads(), 102u);
}

TEST(NormalisedHeatTest, SeparatesAtAnyRate) {
  for (const double unit : {1e-3, 1.0, 1e6}) {
    EXPECT_DOUBLE_EQ(NormalisedHeat(unit, unit, unit), 0.5);
    EXPECT_DOUBLE_EQ(NormalisedHeat(0, unit, unit), 0);
    // One of sixteen slots takes everything.
    EXPECT_GT(NormalisedHeat(16 * unit, unit, 16 * unit), 0.9);
    // Noise among equals is not heat.
    EXPECT_LT(NormalisedHeat(1.01 * unit, unit, 1.01 * unit), 0.51);
  }
  EXPECT_EQ(NormalisedHeat(0, 0, 0), 0);
}

TEST(NormalisedHeatTest, RisesWithTheRateWithinBounds) {
  double previous = 0;
  for (double rate = 0; rate <= 20; rate += 0.125) {
    const double heat = NormalisedHeat(rate, 2, 20);
    EXPECT_GE(heat, previous);
    EXPECT_LE(heat - previous, 0.05);  // no step
    EXPECT_LE(heat, 1);
    previous = heat;
  }
  // A rate above a peak that was taken earlier.
  EXPECT_LE(NormalisedHeat(1000, 2, 20), 1);
}

}  // namespace
}  // namespace nori
