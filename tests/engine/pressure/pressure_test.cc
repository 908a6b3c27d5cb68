#include "engine/pressure/pressure.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "engine/io/clock.h"
#include "gtest/gtest.h"

namespace nori {
namespace {

PressureState Once(const PressureInputs& in, const Options& options = {}) {
  return PressureGauge(options).Update(in);
}

PressureInputs WithMemory(const Options& options, double share) {
  PressureInputs in;
  in.memory_bytes = static_cast<uint64_t>(
      share * static_cast<double>(options.memory_limit_bytes));
  return in;
}

// An input of the memtable part alone, which is continuous all the way.
PressureInputs WithMemtables(double full) {
  PressureInputs in;
  in.immutable_memtables = static_cast<int>(full);
  in.active_fill = full - in.immutable_memtables;
  return in;
}

PressureInputs RandomInputs(Random& random, const Options& options) {
  PressureInputs in;
  in.l0_tables = static_cast<int>(random.Uniform(20));
  in.immutable_memtables = static_cast<int>(random.Uniform(3));
  in.memtable_bytes = random.Uniform(3 * options.memtable_bytes);
  in.slots = static_cast<int>(random.Uniform(64));
  in.slots_over_max_runs = static_cast<int>(random.Uniform(300));
  in.memory_bytes = random.Uniform(2 * options.memory_limit_bytes);
  in.active_fill = random.NextDouble();
  return in;
}

TEST(Pressure, IdleIsGreenAndFree) {
  const PressureState state = Once({});
  EXPECT_EQ(state.score, 0);
  EXPECT_EQ(state.zone, PressureZone::kGreen);
  EXPECT_EQ(state.delay_per_mib, absl::ZeroDuration());
  EXPECT_FALSE(state.must_wait);
}

TEST(Pressure, SteadyWritingIsGreen) {
  PressureInputs in;
  in.l0_tables = 4;
  in.immutable_memtables = 1;
  in.active_fill = 0.9;
  in.memtable_bytes = 122 << 20;
  in.slots = 64;
  in.slots_over_max_runs = 20;
  in.memory_bytes = uint64_t{200} << 20;
  EXPECT_EQ(Once(in).zone, PressureZone::kGreen);
}

TEST(Pressure, EachPartAloneIsSeen) {
  const Options options;
  PressureInputs l0;
  l0.l0_tables = options.l0_soft_limit + 1;
  EXPECT_EQ(Once(l0).zone, PressureZone::kYellow);
  PressureInputs runs;
  runs.slots = 10;
  runs.slots_over_max_runs = 30;
  EXPECT_EQ(Once(runs).zone, PressureZone::kYellow);
  runs.slots_over_max_runs = 90;
  EXPECT_EQ(Once(runs).zone, PressureZone::kRed);
  // Runs slow down more and more, but never stop by themselves.
  EXPECT_FALSE(Once(runs).must_wait);
  EXPECT_GT(Once(runs).delay_per_mib, absl::Milliseconds(150));
  runs.slots_over_max_runs = 9000;
  EXPECT_FALSE(Once(runs).must_wait);
  EXPECT_GT(Once(runs).delay_per_mib, absl::Milliseconds(900));
  EXPECT_EQ(Once(WithMemtables(2.3)).zone, PressureZone::kYellow);
  EXPECT_EQ(Once(WithMemory(options, 0.85)).zone, PressureZone::kYellow);
  // Memory slows, but never stops by itself.
  EXPECT_EQ(Once(WithMemory(options, 1)).zone, PressureZone::kOrange);
  EXPECT_EQ(Once(WithMemory(options, 20)).zone, PressureZone::kOrange);
}

TEST(Pressure, HardLimitsAreRedWhateverTheRestSays) {
  for (int soft : {1, 3, 8, 40}) {
    for (int more : {1, 2, 7}) {
      Options options;
      options.l0_soft_limit = soft;
      options.l0_hard_limit = soft + more;
      options.l0_trigger = 1;
      PressureInputs in;
      in.l0_tables = soft + more;
      EXPECT_EQ(Once(in, options).zone, PressureZone::kRed);
      EXPECT_TRUE(Once(in, options).must_wait);
      EXPECT_GE(Once(in, options).score, 0.9);
      in.l0_tables = soft + more - 1;
      EXPECT_FALSE(Once(in, options).must_wait) << soft << " + " << more;
    }
  }
  for (int immutables : {1, 2, 5}) {
    Options options;
    options.max_immutable_memtables = immutables;
    PressureInputs in;
    in.immutable_memtables = immutables;
    in.active_fill = 0.9;
    EXPECT_FALSE(Once(in, options).must_wait) << immutables;
    in.active_fill = 1;
    EXPECT_TRUE(Once(in, options).must_wait) << immutables;
    // A full active memtable is no reason to wait if it can be rotated.
    in.immutable_memtables = immutables - 1;
    in.active_fill = 1.2;
    in.memtable_bytes =
        options.memtable_bytes * (static_cast<uint64_t>(immutables) + 1);
    EXPECT_FALSE(Once(in, options).must_wait) << immutables;
  }
}

TEST(Pressure, MonotonicInEveryInput) {
  const uint64_t seed = 4711;
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  Random random(seed);
  const Options options;
  for (int i = 0; i < 20000; ++i) {
    const PressureInputs in = RandomInputs(random, options);
    PressureInputs more = in;
    switch (random.Uniform(6)) {
      case 0:
        more.l0_tables += static_cast<int>(random.Uniform(5));
        break;
      case 1:
        more.immutable_memtables += 1;
        break;
      case 2:
        more.memtable_bytes += random.Uniform(options.memtable_bytes);
        break;
      case 3:
        more.slots_over_max_runs += static_cast<int>(random.Uniform(50));
        break;
      case 4:
        more.memory_bytes += random.Uniform(options.memory_limit_bytes);
        break;
      case 5:
        more.active_fill += random.NextDouble();
        break;
    }
    const PressureState a = Once(in), b = Once(more);
    ASSERT_LE(a.score, b.score);
    ASSERT_LE(a.delay_per_mib, b.delay_per_mib);
    ASSERT_LE(a.zone, b.zone);
    ASSERT_LE(a.must_wait, b.must_wait);
  }
}

// Small steps of the continuous inputs make small steps of score and delay,
// zone borders included.
TEST(Pressure, ContinuousInContinuousInputs) {
  const Options options;
  const double step = 1e-3;
  PressureState last = Once({}), last_memory = last;
  for (double x = 0; x <= 3.5; x += step) {
    const PressureState state = Once(WithMemtables(x));
    ASSERT_NEAR(state.score, last.score, 2e-3) << x;
    ASSERT_NEAR(absl::ToDoubleMilliseconds(state.delay_per_mib),
                absl::ToDoubleMilliseconds(last.delay_per_mib), 2)
        << x;
    last = state;
    const PressureState memory = Once(WithMemory(options, x));
    ASSERT_NEAR(memory.score, last_memory.score, 4e-3) << x;
    ASSERT_NEAR(absl::ToDoubleMilliseconds(memory.delay_per_mib),
                absl::ToDoubleMilliseconds(last_memory.delay_per_mib), 4)
        << x;
    last_memory = memory;
  }
}

TEST(Pressure, DelayIsCalibrated) {
  double mid_orange = -1;
  PressureState last;
  for (double x = 0; x <= 3; x += 1e-4) {
    const PressureState state = Once(WithMemtables(x));
    const double ms = absl::ToDoubleMilliseconds(state.delay_per_mib);
    if (state.score <= 0.5) {
      ASSERT_EQ(ms, 0);
    }
    if (state.zone == PressureZone::kYellow) {
      ASSERT_LT(ms, 60);
      if (last.zone == PressureZone::kGreen) {
        ASSERT_LT(ms, 0.01);
      }
    }
    if (state.score <= 0.825) mid_orange = ms;
    if (state.zone != PressureZone::kRed) {
      ASSERT_LE(ms, 155);
    }
    last = state;
  }
  EXPECT_NEAR(mid_orange, 100, 1);
}

TEST(Pressure, ZonesAreEnteredAtOnceAndLeftBelow) {
  const Options options;
  PressureGauge gauge(options);
  // Memtables: the score is 0.5 at 2.0 and 0.9 at 3.0.
  const auto at = [&](double score) {
    return gauge
        .Update(WithMemtables(score <= 0.5 ? score / 0.25
                                           : 2 + (score - 0.5) / 0.4))
        .zone;
  };
  EXPECT_EQ(at(0.49), PressureZone::kGreen);
  EXPECT_EQ(at(0.51), PressureZone::kYellow);
  EXPECT_EQ(at(0.46), PressureZone::kYellow);
  EXPECT_EQ(gauge.state().delay_per_mib, absl::ZeroDuration());
  EXPECT_EQ(at(0.44), PressureZone::kGreen);
  EXPECT_EQ(at(0.46), PressureZone::kGreen);
  EXPECT_EQ(at(0.76), PressureZone::kOrange);
  EXPECT_EQ(at(0.71), PressureZone::kOrange);
  EXPECT_EQ(at(0.69), PressureZone::kYellow);
  EXPECT_EQ(at(0.95), PressureZone::kRed);
  EXPECT_EQ(at(0.86), PressureZone::kRed);
  EXPECT_EQ(at(0.84), PressureZone::kOrange);
  EXPECT_EQ(at(0.95), PressureZone::kRed);
  EXPECT_EQ(at(0.1), PressureZone::kGreen);
}

TEST(Pressure, NoiseAtABorderDoesNotFlipTheZone) {
  const uint64_t seed = 99;
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  Random random(seed);
  const Options options;
  PressureGauge gauge(options);
  int changes = 0;
  PressureZone last = PressureZone::kGreen;
  for (int i = 0; i < 10000; ++i) {
    const double score = 0.75 + 0.04 * (random.NextDouble() - 0.5);
    const PressureZone zone =
        gauge.Update(WithMemtables(2 + (score - 0.5) / 0.4)).zone;
    changes += zone != last;
    last = zone;
  }
  EXPECT_LE(changes, 2);
}

TEST(Pressure, ZoneNames) {
  EXPECT_STREQ(PressureZoneName(PressureZone::kGreen), "green");
  EXPECT_STREQ(PressureZoneName(PressureZone::kYellow), "yellow");
  EXPECT_STREQ(PressureZoneName(PressureZone::kOrange), "orange");
  EXPECT_STREQ(PressureZoneName(PressureZone::kRed), "red");
}

}  // namespace
}  // namespace nori
