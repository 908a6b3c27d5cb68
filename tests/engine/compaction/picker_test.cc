#include "engine/compaction/picker.h"

#include <string>
#include <vector>

#include "engine/io/clock.h"
#include "gtest/gtest.h"
#include "tests/engine/compaction/slot_model.h"

namespace nori {
namespace {

constexpr uint64_t kMiB = 1 << 20;

SlotView Slot(uint64_t id, int max_runs, std::vector<uint64_t> l0,
              std::vector<uint64_t> runs) {
  SlotView slot;
  slot.id = id;
  slot.max_runs = max_runs;
  for (uint64_t b : l0) slot.l0_bytes.push_back(b * kMiB);
  for (uint64_t b : runs) slot.run_bytes.push_back(b * kMiB);
  slot.entries = 100000;
  slot.read_rate = 100;
  return slot;
}

std::unique_ptr<Scheduler> Make(const char* name, const Options& base = {}) {
  Options options = base;
  options.scheduler = name;
  return std::move(*MakeScheduler(options));
}

std::optional<CompactionChoice> PickOne(
    const std::vector<SlotView>& slots,
    PressureZone zone = PressureZone::kGreen) {
  return Make("greedy")->Pick(slots, zone);
}

TEST(MergePrefix, MergesEverythingAtOne) {
  EXPECT_EQ(MergePrefix(1, {100, 1000, 100000}, 1), 3);
  EXPECT_EQ(MergePrefix(1, {1 << 30}, 1), 1);
  EXPECT_EQ(MergePrefix(0, {5, 9}, 1), 2);
  EXPECT_EQ(MergePrefix(7, {}, 1), 0);
}

TEST(MergePrefix, TakesAsFewAsItMustAndThenWhatIsSmall) {
  EXPECT_EQ(MergePrefix(10, {100, 10000, 100000, 1000000}, 4), 1);
  EXPECT_EQ(MergePrefix(100, {100, 100000000, 1000000000, 2000000000}, 4), 1);
  EXPECT_EQ(MergePrefix(10, {10, 20, 40, 80}, 4), 4);
  EXPECT_EQ(MergePrefix(10, {10, 20, 40, 1000}, 4), 3);
  EXPECT_EQ(MergePrefix(0, {10, 1000, 100000, 1000000, 2000000}, 4), 2);
  EXPECT_EQ(MergePrefix(5, {100, 1000}, 4), 0);
}

TEST(Picker, NoWorkNoChoice) {
  EXPECT_FALSE(PickOne({}).has_value());
  EXPECT_FALSE(PickOne({Slot(1, 4, {}, {1, 2, 3, 4})}).has_value());
  EXPECT_FALSE(PickOne({Slot(1, 4, {1}, {2, 3, 4})}).has_value());
  EXPECT_FALSE(PickOne({Slot(1, 1, {}, {4})}, PressureZone::kRed).has_value());
  SlotView busy = Slot(1, 1, {1, 1}, {2, 3});
  busy.busy = true;
  EXPECT_FALSE(PickOne({busy}).has_value());
}

TEST(Picker, RunsOverKAreMerged) {
  const auto choice = PickOne({Slot(7, 1, {1}, {64})});
  ASSERT_TRUE(choice.has_value());
  EXPECT_EQ(choice->slot_id, 7u);
  EXPECT_EQ(choice->runs_to_merge, 1);
  EXPECT_TRUE(choice->merge_l0);
  EXPECT_STREQ(choice->reason, "runs");
  // K was lowered: the newest runs alone.
  const auto lowered = PickOne({Slot(7, 2, {}, {1, 8, 64, 512})});
  ASSERT_TRUE(lowered.has_value());
  EXPECT_GE(lowered->runs_to_merge, 3);
  EXPECT_FALSE(lowered->merge_l0);
}

TEST(Picker, L0TriggerAdoptsWithoutCopying) {
  const std::vector<SlotView> slots = {Slot(1, 4, {1}, {64}),
                                       Slot(2, 8, {2, 2, 2, 2}, {64})};
  const auto choice = PickOne(slots);
  ASSERT_TRUE(choice.has_value());
  EXPECT_EQ(choice->runs_to_merge, 0);
  EXPECT_FALSE(choice->merge_l0);
  EXPECT_STREQ(choice->reason, "l0");
  // Below the trigger nothing is due.
  EXPECT_FALSE(PickOne({slots[0], Slot(2, 8, {2, 2, 2}, {64})}).has_value());
}

TEST(Picker, L0CountComesFromPositions) {
  // Each slot holds one slice, but of four different tables.
  std::vector<SlotView> slots;
  for (int i = 0; i < 4; ++i) {
    slots.push_back(Slot(static_cast<uint64_t>(i) + 1, 4, {1}, {64}));
    slots.back().l0_positions = {i};
  }
  const auto choice = PickOne(slots);
  ASSERT_TRUE(choice.has_value());
  EXPECT_FALSE(choice->merge_l0);
  slots.pop_back();
  EXPECT_FALSE(PickOne(slots).has_value());
}

TEST(Picker, DisjointL0IsAdoptedInsteadOfMerged) {
  SlotView slot = Slot(1, 1, {1}, {64});
  slot.l0_overlaps_first_run = false;
  const auto choice = PickOne({slot, Slot(2, 1, {1}, {8})});
  ASSERT_TRUE(choice.has_value());
  EXPECT_EQ(choice->slot_id, 1u);
  EXPECT_EQ(choice->runs_to_merge, 0);
  EXPECT_FALSE(choice->merge_l0);
}

TEST(Picker, AllAdoptionsThatAreDueComeAtOnce) {
  std::vector<SlotView> slots = {Slot(1, 8, {1, 1, 1, 1}, {64}),
                                 Slot(2, 8, {1, 1}, {64}), Slot(3, 8, {}, {64}),
                                 Slot(4, 8, {1}, {64})};
  slots[3].busy = true;
  std::vector<uint64_t> ids;
  for (const CompactionChoice& choice :
       Make("bandit")->PickAdoptions(slots, PressureZone::kGreen)) {
    EXPECT_EQ(choice.runs_to_merge, 0);
    EXPECT_FALSE(choice.merge_l0);
    ids.push_back(choice.slot_id);
  }
  EXPECT_EQ(ids, (std::vector<uint64_t>{1, 2}));
}

TEST(Picker, ScansThatLoseTimeOnDeletedKeysHaveThemRemoved) {
  SlotView slot = Slot(1, 4, {}, {1, 10});
  slot.costs.merge_micros_per_byte = 0.02;  // 11 MiB: a quarter of a second
  slot.skipped = 1000000;                   // 30 ms
  const auto scheduler = Make("greedy");
  EXPECT_FALSE(scheduler->Pick({slot}, PressureZone::kGreen).has_value());
  slot.skipped = 10000000;
  const auto choice = scheduler->Pick({slot}, PressureZone::kGreen);
  ASSERT_TRUE(choice.has_value());
  EXPECT_EQ(choice->runs_to_merge, 2);
  EXPECT_STREQ(choice->reason, "tombstones");
}

TEST(Picker, TombstonesAreMergedToTheBottomOnce) {
  SlotView slot = Slot(1, 4, {}, {1, 50});
  slot.deletions = 30000;
  const auto scheduler = Make("greedy");
  const auto choice = scheduler->Pick({slot}, PressureZone::kGreen);
  ASSERT_TRUE(choice.has_value());
  EXPECT_EQ(choice->runs_to_merge, 2);
  EXPECT_STREQ(choice->reason, "tombstones");
  // A snapshot held them: not again, until there are many more.
  slot.run_bytes = {51 * kMiB};
  EXPECT_FALSE(scheduler->Pick({slot}, PressureZone::kGreen).has_value());
  slot.deletions = 40000;
  EXPECT_TRUE(scheduler->Pick({slot}, PressureZone::kGreen).has_value());
  EXPECT_FALSE(scheduler->Pick({slot}, PressureZone::kGreen).has_value());
  // They went and came back.
  slot.deletions = 0;
  EXPECT_FALSE(scheduler->Pick({slot}, PressureZone::kGreen).has_value());
  slot.deletions = 30000;
  EXPECT_TRUE(scheduler->Pick({slot}, PressureZone::kGreen).has_value());
  // A removed slot is forgotten.
  EXPECT_FALSE(scheduler->Pick({slot}, PressureZone::kGreen).has_value());
  scheduler->SlotRemoved(1);
  EXPECT_TRUE(scheduler->Pick({slot}, PressureZone::kGreen).has_value());
}

TEST(Picker, FewTombstonesAreLeftAlone) {
  SlotView slot = Slot(1, 4, {}, {1, 50});
  slot.deletions = 10000;
  EXPECT_FALSE(PickOne({slot}).has_value());
  slot.entries = 200;
  slot.deletions = 100;
  EXPECT_FALSE(PickOne({slot}).has_value());
}

TEST(Safety, MostlyDeadSlotGoesFirst) {
  SlotView dead = Slot(1, 4, {}, {64, 640});
  dead.deletions = 60000;
  dead.read_rate = 0;
  const SlotView hot = Slot(2, 1, {1}, {1});
  for (const char* name : {"bandit", "greedy", "round_robin"}) {
    EXPECT_EQ(Make(name)->Pick({hot, dead}, PressureZone::kGreen)->slot_id, 1u)
        << name;
  }
}

TEST(Safety, HardBoundOfRunsGoesFirst) {
  // A cold slot far over its K against hot and cheap ones: no reward would
  // ever choose it.
  SlotView cold = Slot(9, 1, {}, {10, 10, 10, 10, 10, 10});
  cold.read_rate = 0;
  std::vector<SlotView> slots = {cold};
  for (uint64_t id = 1; id < 9; ++id) slots.push_back(Slot(id, 1, {1}, {1}));
  for (const char* name : {"bandit", "greedy", "round_robin"}) {
    EXPECT_EQ(Make(name)->Pick(slots, PressureZone::kGreen)->slot_id, 9u);
  }
}

TEST(Safety, UrgentL0TakesHoldersOfTheOldestTable) {
  Options options;
  std::vector<SlotView> slots;
  // Nine L0 tables; all slots are beyond their hard bound, so they must merge.
  SlotView cheap = Slot(1, 1, {1, 1, 1, 1, 1, 1, 1, 1}, {1});
  cheap.l0_positions = {0, 1, 2, 3, 4, 5, 6, 7};
  SlotView oldest = Slot(2, 1, {1, 1, 1, 1, 1, 1, 1, 1}, {640});
  oldest.l0_positions = {0, 1, 2, 3, 4, 5, 6, 8};
  const auto choice = PickOne({cheap, oldest});
  ASSERT_TRUE(choice.has_value());
  EXPECT_EQ(choice->slot_id, 2u);
  EXPECT_TRUE(choice->merge_l0);
  // With that one busy, the next oldest counts.
  oldest.busy = true;
  EXPECT_EQ(PickOne({cheap, oldest})->slot_id, 1u);
}

TEST(Safety, UrgentL0IsAdoptedWhileRunsAllow) {
  SlotView slot = Slot(1, 4, {1, 1, 1, 1, 1}, {4, 64});
  slot.l0_positions = {0, 1, 2, 3, 4};
  // Not urgent: 7 > K, so merge.
  EXPECT_TRUE(PickOne({slot})->merge_l0);
  // Orange with L0 over its trigger: take the slices as they are.
  const auto choice = PickOne({slot}, PressureZone::kOrange);
  EXPECT_FALSE(choice->merge_l0);
  EXPECT_EQ(choice->runs_to_merge, 0);
  EXPECT_STREQ(choice->reason, "pressure");
}

TEST(Scheduler, GreedyTakesTheMostReadsSavedPerByte) {
  SlotView hot = Slot(1, 1, {1}, {10});
  SlotView cheap = Slot(2, 1, {1}, {1});
  hot.read_rate = 5000;
  EXPECT_EQ(PickOne({cheap, hot})->slot_id, 1u);
  hot.read_rate = 100;
  EXPECT_EQ(PickOne({cheap, hot})->slot_id, 2u);
}

TEST(Scheduler, RoundRobinVisitsAllById) {
  const auto scheduler = Make("round_robin");
  std::vector<SlotView> slots;
  for (uint64_t id : {5, 2, 9, 7}) slots.push_back(Slot(id, 1, {1}, {1}));
  std::vector<uint64_t> order;
  for (int i = 0; i < 6; ++i) {
    order.push_back(scheduler->Pick(slots, PressureZone::kGreen)->slot_id);
  }
  EXPECT_EQ(order, (std::vector<uint64_t>{2, 5, 7, 9, 2, 5}));
}

TEST(Scheduler, UnknownNameIsRefused) {
  Options options;
  options.scheduler = "random";
  EXPECT_EQ(MakeScheduler(options).status().code(),
            absl::StatusCode::kInvalidArgument);
}

// ---- Arrivals over thousands of rounds ----

// Lets `rounds` pieces arrive and does all work after each.
void Simulate(SlotModel& slot, int rounds, Random* jitter) {
  const auto scheduler = Make("greedy");
  for (int i = 0; i < rounds; ++i) {
    slot.Arrive(jitter != nullptr ? kMiB / 4 + jitter->Uniform(kMiB * 3 / 2)
                                  : kMiB);
    while (auto choice = scheduler->Pick({slot.view()}, PressureZone::kGreen)) {
      slot.Apply(*choice);
    }
    ASSERT_LE(slot.total(), slot.view().max_runs);
    const auto& runs = slot.view().run_bytes;
    // Slices that were adopted as they are may be out of order by one arrival.
    const uint64_t slack = jitter != nullptr ? 2 * kMiB : 0;
    for (size_t r = 1; r < runs.size(); ++r) {
      ASSERT_LE(runs[r - 1], runs[r] + slack);
    }
  }
}

// The least write amplification that `max_runs` runs allow for `rounds` equal
// arrivals, the flush included: see RunRatio.
double BestAmplification(int max_runs, int rounds) {
  double m = 0;
  const auto binomial = [max_runs](double x) {
    double product = 1;
    for (int i = 1; i <= max_runs; ++i) product *= (x + i) / i;
    return product;
  };
  while (binomial(m) < rounds) m += 0.01;
  return 1 + m * max_runs / (max_runs + 1);
}

TEST(Geometry, OneRunCostsHalfTheArrivalsBeforeIt) {
  for (int rounds : {100, 3000}) {
    SlotModel slot(1, 1);
    Simulate(slot, rounds, nullptr);
    EXPECT_NEAR(slot.WriteAmplification(), 1 + (rounds + 1) / 2.0, 1.0);
  }
}

TEST(Geometry, OneRunOfFixedSizeCostsItsSizePerArrival) {
  SlotModel slot(1, 1, 64 * kMiB);
  Simulate(slot, 10000, nullptr);
  EXPECT_NEAR(slot.WriteAmplification(), 65, 1.0);
}

TEST(Geometry, MoreRunsComeNearTheBest) {
  for (int max_runs : {2, 3, 4, 8}) {
    for (int rounds : {100, 1000, 5000}) {
      SlotModel slot(1, max_runs);
      Simulate(slot, rounds, nullptr);
      const double best = BestAmplification(max_runs, rounds);
      EXPECT_LT(slot.WriteAmplification(), 1.2 * best)
          << max_runs << " runs, " << rounds << " rounds";
      EXPECT_GT(slot.WriteAmplification(), 0.7 * best);
    }
  }
}

TEST(Geometry, UnevenArrivalsChangeLittle) {
  const uint64_t seed = 8675309;
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  Random random(seed);
  for (int max_runs : {1, 2, 4, 7}) {
    SlotModel slot(1, max_runs);
    Simulate(slot, 3000, &random);
    EXPECT_LT(slot.WriteAmplification(),
              1.4 * BestAmplification(max_runs, 3000));
  }
  SlotModel one(1, 1, 64 * kMiB), four(1, 4, 64 * kMiB);
  Simulate(one, 3000, &random);
  Simulate(four, 3000, &random);
  EXPECT_LT(5 * four.WriteAmplification(), one.WriteAmplification());
}

// K changes at random while data arrives, in every zone: the work always ends,
// and ends within K.
TEST(Geometry, ChangingKAlwaysSettles) {
  const uint64_t seed = 271828;
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  Random random(seed);
  for (const char* name : {"bandit", "greedy", "round_robin"}) {
    const auto scheduler = Make(name);
    SlotModel slot(1, 4, 64 * kMiB);
    for (int i = 0; i < 3000; ++i) {
      for (uint64_t n = random.Uniform(12); n > 0; --n) {
        slot.Arrive(1 + random.Uniform(kMiB));
      }
      slot.view().max_runs = 1 + static_cast<int>(random.Uniform(8));
      const auto zone = static_cast<PressureZone>(random.Uniform(4));
      int steps = 0;
      while (auto choice = scheduler->Pick({slot.view()}, zone)) {
        slot.Apply(*choice);
        ASSERT_LE(++steps, 4);
      }
      ASSERT_LE(slot.total(), slot.view().max_runs);
    }
  }
}

// As if everything were written over and over.
SlotView Fat(uint64_t id, int max_runs, std::vector<uint64_t> l0,
             std::vector<uint64_t> runs) {
  SlotView slot = Slot(id, max_runs, std::move(l0), std::move(runs));
  slot.overlap = 1;
  return slot;
}

TEST(Space, DeadBytesAreWhatOverlapsAndWhatTombstonesHide) {
  EXPECT_EQ(DeadBytes(Fat(1, 4, {}, {100})), 0);
  EXPECT_EQ(DeadBytes(Fat(1, 4, {}, {10, 20, 100})), 30.0 * kMiB);
  EXPECT_EQ(DeadBytes(Fat(1, 4, {5}, {100})), 5.0 * kMiB);
  SlotView slot = Fat(1, 4, {}, {10, 20, 100});
  slot.overlap = 0.5;
  EXPECT_EQ(DeadBytes(slot), 15.0 * kMiB);
  slot.overlap = 0;
  EXPECT_EQ(DeadBytes(slot), 0);
  slot.deletions = slot.entries / 10;
  EXPECT_NEAR(DeadBytes(slot), 13.0 * kMiB, kMiB / 10.0);
}

TEST(Space, NearTheLimitTheCheapestSpaceIsGivenBackFirst) {
  // 40% more than lives, all within K.
  SlotView cheap = Fat(1, 4, {}, {40, 60});
  SlotView dear = Fat(2, 4, {}, {30, 100});
  const auto choice = PickOne({dear, cheap});
  ASSERT_TRUE(choice.has_value());
  EXPECT_EQ(choice->slot_id, 1u);
  EXPECT_STREQ(choice->reason, "space");
  EXPECT_EQ(choice->runs_to_merge, 2);
  // Nothing overlaps: all of it lives.
  cheap.overlap = dear.overlap = 0;
  EXPECT_FALSE(PickOne({dear, cheap}).has_value());
  // A higher limit, or enough clean slots beside them.
  cheap.overlap = dear.overlap = 1;
  Options options;
  options.space_amplification = 2;
  EXPECT_FALSE(Make("greedy", options)
                   ->Pick({dear, cheap}, PressureZone::kGreen)
                   .has_value());
  EXPECT_FALSE(PickOne({dear, cheap, Fat(3, 4, {}, {1000})}).has_value());
}

TEST(Space, APrefixThatReleasesOldTablesIsEnough) {
  SlotView slot = Fat(1, 4, {}, {1, 2, 100});
  slot.overlap = 0;
  slot.run_pinned = {0, 50 * kMiB, 0};
  const auto choice = PickOne({slot});
  ASSERT_TRUE(choice.has_value());
  EXPECT_STREQ(choice->reason, "space");
  EXPECT_EQ(choice->runs_to_merge, 2);
}

TEST(Space, PressureComesBeforeSpaceUnlessItIsFarBeyond) {
  SlotView over = Fat(1, 2, {1}, {1, 100});
  over.overlap = 0;
  over.read_rate = 1e6;
  SlotView fat = Fat(2, 4, {}, {40, 40});
  EXPECT_STREQ(PickOne({over, fat})->reason, "space");
  EXPECT_EQ(PickOne({over, fat}, PressureZone::kOrange)->slot_id, 1u);
  SlotView worse = Fat(3, 4, {}, {400, 400, 400});
  EXPECT_EQ(PickOne({over, worse}, PressureZone::kOrange)->slot_id, 3u);
}

}  // namespace
}  // namespace nori
