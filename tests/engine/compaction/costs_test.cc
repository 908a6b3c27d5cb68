#include "engine/compaction/costs.h"

#include "gtest/gtest.h"

namespace nori {
namespace {

constexpr uint64_t kSecond = 1000000;

TEST(MergesPerByte, MatchesTheBinomials) {
  EXPECT_EQ(MergesPerByte(0, 3), 0);
  EXPECT_EQ(MergesPerByte(1, 3), 0);
  EXPECT_NEAR(MergesPerByte(257, 1), 256, 1e-6);
  EXPECT_NEAR(MergesPerByte(10, 2), 3, 1e-6);   // binomial(5, 2)
  EXPECT_NEAR(MergesPerByte(35, 3), 4, 1e-6);   // binomial(7, 3)
  EXPECT_NEAR(MergesPerByte(210, 4), 6, 1e-6);  // binomial(10, 4)
  for (int k = 1; k < 8; ++k) {
    EXPECT_GT(MergesPerByte(100, k), MergesPerByte(100, k + 1));
    EXPECT_LT(MergesPerByte(100, k), MergesPerByte(200, k));
  }
}

TEST(CostMeter, AssumesUntilItKnows) {
  CostMeter meter;
  const Costs assumed;
  EXPECT_DOUBLE_EQ(meter.costs().false_positives, assumed.false_positives);
  EXPECT_DOUBLE_EQ(meter.costs().merge_micros_per_byte,
                   assumed.merge_micros_per_byte);
  CostTotals totals;
  totals.filter_negatives = 50000;
  totals.filter_false_positives = 50000;
  totals.blocks_read = 100000;
  totals.gets = 100000;
  totals.get_hits = 75000;
  totals.merge_bytes = 100 << 20;
  totals.merge_micros = 1000000;
  meter.Observe(totals, 5 * kSecond, 10);
  EXPECT_NEAR(meter.costs().false_positives, 0.5, 0.01);
  EXPECT_NEAR(meter.costs().block_misses, 0, 0.01);
  EXPECT_NEAR(meter.costs().absent_keys, 0.25, 0.01);
  EXPECT_NEAR(meter.costs().merge_micros_per_byte, 0.0095, 0.001);
  EXPECT_GT(meter.costs().ScanMicros(), meter.costs().PointMicros());
}

TEST(CostMeter, ForgetsByTimeHoweverOftenItIsAsked) {
  CostMeter coarse, fine;
  CostTotals totals;
  totals.blocks_read = totals.blocks_missed = 1000000;
  coarse.Observe(totals, 0, 10);
  fine.Observe(totals, 0, 10);
  EXPECT_GT(fine.costs().block_misses, 0.99);
  for (uint64_t second = 1; second <= 30; ++second) {
    fine.Observe(totals, second * kSecond, 10);
  }
  totals.blocks_read += 125000;  // all hits, as many as are left of the misses
  fine.Observe(totals, 30 * kSecond, 10);
  coarse.Observe(totals, 30 * kSecond, 10);
  EXPECT_NEAR(fine.costs().block_misses, 0.5, 0.01);
  EXPECT_NEAR(coarse.costs().block_misses, fine.costs().block_misses, 1e-9);
  // A clock that stands still or goes back forgets nothing.
  fine.Observe(totals, 20 * kSecond, 10);
  EXPECT_NEAR(fine.costs().block_misses, 0.5, 0.01);
}

TEST(FlushMeterTest, KnowsTheRateAndSilence) {
  FlushMeter meter;
  EXPECT_EQ(meter.PerSecond(kSecond), 0);
  meter.Flushed(kSecond);
  EXPECT_EQ(meter.PerSecond(kSecond), 0);  // one says nothing of the rate
  for (uint64_t i = 2; i <= 10; ++i) meter.Flushed(i * kSecond);
  EXPECT_DOUBLE_EQ(meter.PerSecond(10 * kSecond), 1);
  EXPECT_DOUBLE_EQ(meter.PerSecond(13 * kSecond), 1);
  EXPECT_EQ(meter.PerSecond(15 * kSecond), 0);
  // Rare flushes are no silence.
  FlushMeter rare;
  for (uint64_t i = 1; i <= 5; ++i) rare.Flushed(300 * i * kSecond);
  EXPECT_NEAR(rare.PerSecond(2000 * kSecond), 1.0 / 300, 1e-9);
  // Nor are two seconds, however fast it was before.
  FlushMeter fast;
  for (uint64_t i = 1; i <= 5; ++i) fast.Flushed(i * kSecond / 100);
  EXPECT_NEAR(fast.PerSecond(kSecond), 100, 1e-6);
  EXPECT_EQ(fast.PerSecond(3 * kSecond), 0);
}

}  // namespace
}  // namespace nori
