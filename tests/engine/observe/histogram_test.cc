#include "engine/observe/histogram.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <thread>
#include <vector>

#include "engine/io/clock.h"
#include "gtest/gtest.h"

namespace nori {
namespace {

TEST(Histogram, EmptyIsZero) {
  Histogram h;
  EXPECT_EQ(h.Count(), 0u);
  EXPECT_EQ(h.Sum(), 0u);
  EXPECT_EQ(h.Max(), 0u);
  EXPECT_EQ(h.Mean(), 0);
  EXPECT_EQ(h.Percentile(50), 0);
}

TEST(Histogram, SmallValuesAreExact) {
  Histogram h;
  for (uint64_t v = 0; v < 32; ++v) h.Add(v);
  for (int v = 0; v < 32; ++v) {
    EXPECT_EQ(h.Percentile((v + 1) * 100.0 / 32), v);
  }
  EXPECT_EQ(h.Percentile(-5), 0);
  EXPECT_EQ(h.Percentile(200), 31);
  EXPECT_DOUBLE_EQ(h.Mean(), 15.5);
}

TEST(Histogram, OneValueAnywhereComesBackWithinABucket) {
  for (int bit = 0; bit < 64; ++bit) {
    for (uint64_t delta :
         {uint64_t{0}, uint64_t{1}, uint64_t{1} << (bit / 2)}) {
      const uint64_t value = (uint64_t{1} << bit) + delta;
      Histogram h;
      h.Add(value);
      const double v = static_cast<double>(value);
      EXPECT_NEAR(h.Percentile(50), v, v / 32) << value;
      EXPECT_LE(h.Percentile(100), v);
      EXPECT_EQ(h.Max(), value);
    }
  }
  Histogram h;
  h.Add(std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(h.Count(), 1u);
  EXPECT_GT(h.Percentile(50), 1.7e19);
}

// Against the sorted values themselves, for several shapes of distribution.
TEST(Histogram, PercentilesMatchSortedValues) {
  const uint64_t seed = 20240611;
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  Random random(seed);
  for (int shape = 0; shape < 3; ++shape) {
    Histogram h;
    std::vector<uint64_t> values;
    uint64_t sum = 0;
    for (int i = 0; i < 20000; ++i) {
      uint64_t value = random.Uniform(1000000);
      if (shape == 1) value = random.Next() >> random.Uniform(64) >> 12;
      if (shape == 2) value = random.OneIn(100) ? 5000000 : 100;
      values.push_back(value);
      sum += value;
      h.Add(value);
    }
    std::sort(values.begin(), values.end());
    EXPECT_EQ(h.Count(), values.size());
    EXPECT_EQ(h.Sum(), sum);
    EXPECT_EQ(h.Max(), values.back());
    double previous = 0;
    for (double p : {0.0, 1.0, 10.0, 50.0, 90.0, 98.5, 99.5, 99.9, 100.0}) {
      const size_t rank = static_cast<size_t>(std::max(
          1.0, std::ceil(p / 100 * static_cast<double>(values.size()))));
      const double truth = static_cast<double>(values[rank - 1]);
      EXPECT_NEAR(h.Percentile(p), truth, truth / 32) << shape << " p" << p;
      EXPECT_GE(h.Percentile(p), previous);
      previous = h.Percentile(p);
    }
  }
}

TEST(Histogram, MergeIsTheSameAsAddingAll) {
  const uint64_t seed = 77;
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  Random random(seed);
  Histogram a, b, all;
  for (int i = 0; i < 5000; ++i) {
    const uint64_t value = random.Next() >> random.Uniform(60) >> 4;
    (random.OneIn(3) ? a : b).Add(value);
    all.Add(value);
  }
  a.MergeFrom(b);
  EXPECT_EQ(a.Count(), all.Count());
  EXPECT_EQ(a.Sum(), all.Sum());
  EXPECT_EQ(a.Max(), all.Max());
  for (double p = 0; p <= 100; p += 0.5) {
    EXPECT_EQ(a.Percentile(p), all.Percentile(p));
  }
}

TEST(Histogram, ThreadsLoseNothing) {
  Histogram h;
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&h, t] {
      for (uint64_t i = 0; i < 20000; ++i) h.Add(i * (t + 1));
      (void)h.Percentile(99);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(h.Count(), 80000u);
  EXPECT_EQ(h.Sum(), uint64_t{19999} * 20000 / 2 * 10);
  EXPECT_EQ(h.Max(), 19999u * 4);
}

}  // namespace
}  // namespace nori
