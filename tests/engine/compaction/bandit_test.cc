#include <algorithm>
#include <iostream>
#include <map>
#include <memory>
#include <vector>

#include "engine/compaction/policy.h"
#include "gtest/gtest.h"

namespace nori {
namespace {

constexpr uint64_t kMiB = 1 << 20;

std::unique_ptr<Scheduler> Bandit(uint64_t seed, double epsilon = 0.1) {
  Options options;
  options.scheduler = "bandit";
  options.seed = seed;
  options.bandit_epsilon = epsilon;
  return std::move(*MakeScheduler(options));
}

// A slot that always has the same work: one slice over one run of 15 MiB.
SlotView Slot(uint64_t id, double reads) {
  SlotView slot;
  slot.id = id;
  slot.max_runs = 1;
  slot.l0_bytes = {kMiB};
  slot.run_bytes = {15 * kMiB};
  slot.read_rate = reads;
  return slot;
}

struct Outcome {
  std::map<uint64_t, int> picks;
  int explored = 0;
};

// `true_reads` is what a compaction turns out to save; the views need not say
// so.
template <typename TrueReads>
Outcome Play(Scheduler& scheduler, const std::vector<SlotView>& slots,
             int rounds, TrueReads true_reads, Random& noise,
             PressureZone zone = PressureZone::kGreen) {
  Outcome outcome;
  for (int i = 0; i < rounds; ++i) {
    const auto choice = scheduler.Pick(slots, zone);
    EXPECT_TRUE(choice.has_value());
    if (!choice.has_value()) break;
    ++outcome.picks[choice->slot_id];
    outcome.explored += choice->explored;
    SlotView result = Slot(choice->slot_id, 0);
    result.read_rate =
        true_reads(choice->slot_id) * (0.7 + 0.6 * noise.NextDouble());
    const double reward = scheduler.Reward(*choice, 2, 1, 16 * kMiB, result);
    EXPECT_GE(reward, 0);
    EXPECT_LE(reward, 1);
  }
  return outcome;
}

std::vector<SlotView> SixteenSlots() {
  std::vector<SlotView> slots;
  for (uint64_t id = 1; id <= 16; ++id) slots.push_back(Slot(id, 10));
  return slots;
}

TEST(Bandit, HotSlotsArePickedFarMoreOften) {
  for (uint64_t seed : {1, 2, 3, 4, 5}) {
    std::cout << "seed " << seed << "\n";
    Random noise(seed + 100);
    const auto scheduler = Bandit(seed);
    const auto reads = [](uint64_t id) { return id <= 4 ? 5000.0 : 50.0; };
    const Outcome outcome =
        Play(*scheduler, SixteenSlots(), 5000, reads, noise);
    int hot = 0, coldest = 5000, hottest_cold = 0;
    for (const auto& [id, n] : outcome.picks) {
      if (id <= 4) {
        hot += n;
      } else {
        coldest = std::min(coldest, n);
        hottest_cold = std::max(hottest_cold, n);
      }
    }
    EXPECT_GT(hot, 3000);                     // of 5000, by 4 slots of 16
    EXPECT_GT(hot / 4, 5 * hottest_cold);     // each far more than any cold one
    EXPECT_GT(coldest, 5);                    // but none is forgotten
    EXPECT_NEAR(outcome.explored, 500, 100);  // epsilon
  }
}

TEST(Bandit, FollowsWhenTheHeatMoves) {
  const uint64_t seed = 11;
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  Random noise(seed);
  const auto scheduler = Bandit(seed);
  const auto slots = SixteenSlots();
  Play(
      *scheduler, slots, 3000,
      [](uint64_t id) { return id <= 4 ? 5000.0 : 50.0; }, noise);
  const Outcome after = Play(
      *scheduler, slots, 6000,
      [](uint64_t id) { return id > 12 ? 5000.0 : 50.0; }, noise);
  for (uint64_t id = 13; id <= 16; ++id) {
    for (uint64_t cold = 1; cold <= 12; ++cold) {
      EXPECT_GT(after.picks.at(id), 3 * after.picks.at(cold));
    }
  }
}

TEST(Bandit, RewardDoesNotDependOnTheAbsoluteRate) {
  const uint64_t seed = 12;
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  std::map<uint64_t, int> picks[2];
  for (int i = 0; i < 2; ++i) {
    Random noise(seed);
    const auto scheduler = Bandit(seed);
    const double scale = i == 0 ? 1e3 : 1e8;
    picks[i] =
        Play(
            *scheduler, SixteenSlots(), 2000,
            [scale](uint64_t id) { return (id <= 4 ? 100 : 1) * scale; }, noise)
            .picks;
  }
  for (uint64_t id = 1; id <= 16; ++id) {
    EXPECT_NEAR(picks[0][id], picks[1][id], 0.1 * picks[0][id] + 5);
  }
}

TEST(Bandit, SameSeedSameChoices) {
  std::map<uint64_t, int> picks[2];
  for (auto& p : picks) {
    Random noise(5);
    const auto scheduler = Bandit(99);
    p = Play(
            *scheduler, SixteenSlots(), 1000,
            [](uint64_t id) { return 10.0 * static_cast<double>(id); }, noise)
            .picks;
  }
  EXPECT_EQ(picks[0], picks[1]);
}

TEST(Bandit, OnlySlotsWithWorkArePicked) {
  const uint64_t seed = 13;
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  Random noise(seed);
  auto slots = SixteenSlots();
  for (SlotView& slot : slots) {
    if (slot.id % 2 == 0) slot.l0_bytes.clear();
    if (slot.id % 5 == 0) slot.busy = true;
  }
  const auto scheduler = Bandit(seed, 1.0);
  const Outcome outcome = Play(
      *scheduler, slots, 1000, [](uint64_t) { return 10.0; }, noise);
  EXPECT_EQ(outcome.explored, 1000);
  for (const auto& [id, n] : outcome.picks) {
    EXPECT_TRUE(id % 2 == 1 && id % 5 != 0) << id;
    EXPECT_GT(n, 50);
  }
  EXPECT_EQ(outcome.picks.size(), 6u);
}

TEST(Bandit, ExploresLessUnderPressure) {
  const uint64_t seed = 14;
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  const auto explored = [&](PressureZone zone) {
    Random noise(seed);
    const auto scheduler = Bandit(seed, 0.4);
    return Play(
               *scheduler, SixteenSlots(), 2000, [](uint64_t) { return 10.0; },
               noise, zone)
        .explored;
  };
  EXPECT_NEAR(explored(PressureZone::kGreen), 800, 120);
  EXPECT_NEAR(explored(PressureZone::kYellow), 400, 90);
  // From orange on the safety rule picks by itself.
  EXPECT_EQ(explored(PressureZone::kOrange), 0);
  EXPECT_EQ(explored(PressureZone::kRed), 0);
}

TEST(Bandit, FirstRewardSetsTheAverageAndAlphaIsATenth) {
  // c = 0: the score of a pick is the arm's average.
  Options options;
  options.bandit_c = 0;
  options.bandit_epsilon = 0;
  const auto scheduler = std::move(*MakeScheduler(options));
  const std::vector<SlotView> slots = {Slot(1, 999)};
  auto choice = *scheduler->Pick(slots, PressureZone::kGreen);
  EXPECT_DOUBLE_EQ(scheduler->Reward(choice, 2, 1, 16 * kMiB, slots[0]), 1);
  choice = *scheduler->Pick(slots, PressureZone::kGreen);
  EXPECT_DOUBLE_EQ(choice.score, 1);
  // Nothing gained: the average falls by a tenth.
  EXPECT_EQ(scheduler->Reward(choice, 2, 2, 16 * kMiB, slots[0]), 0);
  choice = *scheduler->Pick(slots, PressureZone::kGreen);
  EXPECT_DOUBLE_EQ(choice.score, 0.9);
  EXPECT_EQ(scheduler->Reward(choice, 2, 2, 16 * kMiB, slots[0]), 0);
  choice = *scheduler->Pick(slots, PressureZone::kGreen);
  EXPECT_DOUBLE_EQ(choice.score, 0.81);
}

TEST(Bandit, ChildrenInheritAndGoWithTheirSlots) {
  Options options;
  options.bandit_c = 0;
  options.bandit_epsilon = 0;
  const auto scheduler = std::move(*MakeScheduler(options));
  auto choice = *scheduler->Pick({Slot(1, 999)}, PressureZone::kGreen);
  scheduler->Reward(choice, 2, 1, 16 * kMiB, Slot(1, 999));
  choice = *scheduler->Pick({Slot(2, 999)}, PressureZone::kGreen);
  scheduler->Reward(choice, 2, 1, 16 * kMiB, Slot(2, 249));  // (249 + 1) / 1000
  scheduler->SlotCreated(3, 1);
  scheduler->SlotCreated(4, 2);
  scheduler->SlotCreated(5, 0);
  scheduler->SlotRemoved(1);
  scheduler->SlotRemoved(2);
  const auto score = [&](uint64_t id) {
    return scheduler->Pick({Slot(id, 1)}, PressureZone::kGreen)->score;
  };
  EXPECT_NEAR(score(3), 1, 1e-9);
  EXPECT_NEAR(score(4), 0.25, 0.01);
  EXPECT_GT(score(5), 1000);  // no parent: tried before all others
  // The old arm is gone: a slot of that id starts afresh.
  EXPECT_GT(score(1), 1000);
}

TEST(Bandit, UntriedSlotsComeFirst) {
  const auto scheduler = Bandit(15, 0);
  Random noise(15);
  Play(
      *scheduler, {Slot(1, 1000)}, 50, [](uint64_t) { return 1000.0; }, noise);
  scheduler->SlotCreated(2, 0);
  EXPECT_EQ(scheduler->Pick({Slot(1, 1000), Slot(2, 0)}, PressureZone::kGreen)
                ->slot_id,
            2u);
}

TEST(Bandit, AdoptionsAreNoExperiments) {
  const auto scheduler = Bandit(16, 0);
  SlotView slot = Slot(1, 1000);
  slot.l0_overlaps_first_run = false;
  const auto adoption = *scheduler->Pick({slot}, PressureZone::kGreen);
  EXPECT_FALSE(adoption.merge_l0);
  EXPECT_EQ(scheduler->Reward(adoption, 2, 1, 0, slot), 0);
  // Still untried.
  EXPECT_GT(scheduler->Pick({Slot(1, 1000)}, PressureZone::kGreen)->score,
            1000);
}

TEST(Bandit, RewardOfAVanishedSlotIsHarmless) {
  const auto scheduler = Bandit(17);
  const auto choice = *scheduler->Pick({Slot(1, 10)}, PressureZone::kGreen);
  scheduler->SlotRemoved(1);
  EXPECT_EQ(scheduler->Reward(choice, 2, 1, 16 * kMiB, Slot(1, 10)), 1);
  EXPECT_TRUE(scheduler->Pick({Slot(2, 10)}, PressureZone::kGreen).has_value());
}

}  // namespace
}  // namespace nori
