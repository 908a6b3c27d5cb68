#include "engine/slots/recent_mean.h"

#include "gtest/gtest.h"

namespace nori {
namespace {

TEST(RecentMeanTest, IsExactForAFewAndThenFollows) {
  RecentMean mean;
  EXPECT_EQ(mean.mean(), 0);
  double sum = 0;
  for (int i = 1; i <= 8; ++i) {
    mean.Add(i * i);
    sum += i * i;
    EXPECT_DOUBLE_EQ(mean.mean(), sum / i);
  }
  const double before = mean.mean();
  mean.Add(before + 80);
  EXPECT_DOUBLE_EQ(mean.mean(), before + 10);
  for (int i = 0; i < 100; ++i) mean.Add(5);
  EXPECT_NEAR(mean.mean(), 5, 0.01);
}

TEST(RecentMeanTest, JoinsAShare) {
  RecentMean one, other;
  for (int i = 0; i < 8; ++i) one.Add(10);
  other.Join(one, 0.25);
  EXPECT_EQ(other.mean(), 2.5);
  // It goes on as one of as many values.
  other.Add(10.5);
  EXPECT_EQ(other.mean(), 3.5);
}

}  // namespace
}  // namespace nori
