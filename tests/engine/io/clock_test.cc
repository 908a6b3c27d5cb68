#include "engine/io/clock.h"

#include <array>
#include <cmath>

#include "engine/io/fake_clock.h"
#include "gtest/gtest.h"

namespace nori {
namespace {

TEST(SystemClockTest, GoesForward) {
  Clock* const clock = SystemClock();
  const uint64_t before = clock->NowMicros();
  clock->Sleep(absl::Milliseconds(2));
  EXPECT_GE(clock->NowMicros(), before + 2000);
  // After 2020, before 2200.
  EXPECT_GT(clock->WallMicros(), 1'577'836'800'000'000u);
  EXPECT_LT(clock->WallMicros(), 7'258'118'400'000'000u);
}

TEST(FakeClockTest, MovesOnlyWhenTold) {
  FakeClock clock(5, 1000);
  EXPECT_EQ(clock.NowMicros(), 5u);
  clock.Sleep(absl::Seconds(1));
  clock.Advance(absl::Microseconds(2));
  clock.Advance(absl::Microseconds(-2));
  EXPECT_EQ(clock.NowMicros(), 1'000'007u);
  EXPECT_EQ(clock.WallMicros(), 1'001'002u);
  clock.SetWallMicros(3);
  EXPECT_EQ(clock.WallMicros(), 3u);
  EXPECT_EQ(clock.NowMicros(), 1'000'007u);
}

// Computed with an independent implementation of SplitMix64 and xoshiro256**.
TEST(RandomTest, KnownSequence) {
  Random random(0);
  EXPECT_EQ(random.Next(), 0x99ec5f36cb75f2b4u);
  EXPECT_EQ(random.Next(), 0xbf6e1f784956452au);
  EXPECT_EQ(random.Next(), 0x1a5f849d4933e6e0u);
}

TEST(RandomTest, UniformCoversItsRangeEvenly) {
  Random random(42);
  std::array<int, 7> counts = {};
  constexpr int kDraws = 70'000;
  for (int i = 0; i < kDraws; ++i) {
    const uint64_t v = random.Uniform(7);
    ASSERT_LT(v, 7u);
    ++counts[v];
  }
  // Within six standard deviations; the seed is fixed.
  for (int c : counts) EXPECT_NEAR(c, 10'000, 6 * std::sqrt(10'000 * 6 / 7.0));
  EXPECT_EQ(random.Uniform(1), 0u);
  const uint64_t huge = (uint64_t{1} << 63) + 1;
  for (int i = 0; i < 1000; ++i) ASSERT_LT(random.Uniform(huge), huge);
}

TEST(RandomTest, DoublesLieInTheUnitInterval) {
  Random random(7);
  double sum = 0;
  for (int i = 0; i < 10'000; ++i) {
    const double d = random.NextDouble();
    ASSERT_GE(d, 0);
    ASSERT_LT(d, 1);
    sum += d;
  }
  EXPECT_NEAR(sum / 10'000, 0.5, 0.02);
}

}  // namespace
}  // namespace nori
