#include "engine/slots/heat.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace nori {
namespace {

constexpr uint64_t kSecond = 1000000;

// What a rate comes to after `half_lives` of steady accesses: all of it but for
// the eighth of a half-life before that counts as idle.
double Known(double half_lives) {
  return (1 - std::exp2(-half_lives)) / (1 - std::exp2(-half_lives - 0.125));
}

TEST(SlotHeatTest, RateIsSoonKnownAndHalvesInAHalfLife) {
  SlotHeat heat;
  heat.Roll(5 * kSecond, 10);
  heat.AddRead(100);
  heat.AddWrite(50);
  heat.AddScan(20);
  heat.Roll(15 * kSecond, 10);
  EXPECT_NEAR(heat.rates().reads, 10 * Known(1), 1e-9);
  EXPECT_NEAR(heat.rates().writes, 5 * Known(1), 1e-9);
  EXPECT_NEAR(heat.rates().scans, 2 * Known(1), 1e-9);
  EXPECT_NEAR(heat.rates().Weighted(), (10 + 4 + 2.5) * Known(1), 1e-9);
  EXPECT_GT(Known(0.25), 0.6);
  EXPECT_EQ(heat.reads(), 100u);
  // Long known: a half-life of silence halves it.
  for (uint64_t second = 25; second <= 315; second += 10) {
    heat.AddRead(100);
    heat.Roll(second * kSecond, 10);
  }
  EXPECT_NEAR(heat.rates().reads, 10, 0.01);
  heat.Roll(325 * kSecond, 10);
  EXPECT_NEAR(heat.rates().reads, 5, 0.01);
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
  EXPECT_NEAR(fine.rates().reads, 7 * Known(2), 1e-9);
}

TEST(SlotHeatTest, TimeThatStandsStillOrGoesBackLosesNothing) {
  SlotHeat heat;
  heat.Roll(10 * kSecond, 10);
  heat.AddRead(10);
  heat.Roll(10 * kSecond, 10);
  heat.Roll(9 * kSecond, 10);
  EXPECT_EQ(heat.rates().reads, 0);
  heat.Roll(20 * kSecond, 10);
  EXPECT_NEAR(heat.rates().reads, 1 * Known(1), 1e-9);
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
  const double rate = parent.rates().reads;
  EXPECT_NEAR(rate, 6 * Known(1), 1e-9);
  EXPECT_NEAR(left.rates().reads, 0.25 * rate, 1e-9);
  EXPECT_NEAR(right.rates().reads, 0.75 * rate, 1e-9);
  EXPECT_NEAR(right.rates().scans, 0.75 * rate, 1e-9);
  // No keys of writes are known: by the share given.
  EXPECT_NEAR(left.rates().writes, 0.5 * rate, 1e-9);
  EXPECT_EQ(left.read_keys().Keys().size(), 15u);
  // Joined again nothing is lost.
  SlotHeat joined;
  joined.Inherit(left, {}, 1);
  joined.Inherit(right, {}, 1);
  EXPECT_NEAR(joined.rates().Weighted(), parent.rates().Weighted(), 1e-9);
  EXPECT_EQ(joined.read_keys().Keys().size(), 60u);
}

TEST(SlotHeatTest, ArrivalsAreAMeanOverTheLastFlushes) {
  SlotHeat heat;
  EXPECT_EQ(heat.arriving_bytes(), 0);
  heat.AddArrival(100);
  EXPECT_DOUBLE_EQ(heat.arriving_bytes(), 100);
  heat.AddArrival(0);
  EXPECT_DOUBLE_EQ(heat.arriving_bytes(), 50);
  for (int i = 0; i < 100; ++i) heat.AddArrival(i % 4 == 0 ? 400 : 0);
  EXPECT_NEAR(heat.arriving_bytes(), 100, 30);
  SlotHeat left, right;
  left.Inherit(heat, {"", "m"}, 0.25);
  right.Inherit(heat, {"m", ""}, 0.75);
  EXPECT_DOUBLE_EQ(left.arriving_bytes(), 0.25 * heat.arriving_bytes());
  EXPECT_DOUBLE_EQ(left.arriving_bytes() + right.arriving_bytes(),
                   heat.arriving_bytes());
  // Forgotten in flushes, however long they take.
  for (int i = 0; i < 60; ++i) heat.AddArrival(0);
  EXPECT_LT(heat.arriving_bytes(), 0.1);
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
    EXPECT_DOUBLE_EQ(part.rates().reads, Known(1));
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
