#include "engine/core/metric_samples.h"

#include <set>
#include <string>

#include "engine/observe/metrics.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace nori {
namespace {

using ::testing::HasSubstr;

EngineStats SomeStats() {
  Metrics metrics;
  metrics.commits.Add(7);
  metrics.background_errors.Add(3);
  EngineStats stats;
  stats.slots = 5;
  stats.cache_hits = 11;
  stats.pressure_score = 0.25;
  stats.counters = ListMetrics(metrics);
  return stats;
}

TEST(MetricSamplesTest, GaugesAndCountersEachOnceAndExplained) {
  const auto samples = ListMetricSamples(SomeStats());
  EXPECT_GT(samples.size(), MetricInfos().size());
  std::set<std::string> names;
  for (const MetricSample& sample : samples) {
    EXPECT_TRUE(names.insert(sample.name).second) << sample.name;
    EXPECT_NE(std::string(sample.help), "") << sample.name;
    EXPECT_EQ(std::string(sample.help).find('\n'), std::string::npos);
  }
}

TEST(MetricSamplesTest, TextFollowsThePrometheusFormat) {
  const std::string text = MetricsText(ListMetricSamples(SomeStats()), "main");
  EXPECT_THAT(text, HasSubstr("# TYPE nori_slots gauge\n"
                              "nori_slots{schema=\"main\"} 5\n"));
  EXPECT_THAT(text, HasSubstr("nori_pressure_score{schema=\"main\"} 0.25\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE nori_cache_hits_total counter\n"
                              "nori_cache_hits_total{schema=\"main\"} 11\n"));
  EXPECT_THAT(text, HasSubstr("nori_commits_total{schema=\"main\"} 7\n"));
  EXPECT_THAT(text,
              HasSubstr("nori_background_errors_total{schema=\"main\"} 3\n"));
  EXPECT_EQ(text.back(), '\n');
}

TEST(MetricSamplesTest, LabelsAreEscaped) {
  const std::string text =
      MetricsText({{"slots", "Slots", false, uint64_t{1}}}, "a\"b\\c\nd");
  EXPECT_EQ(text,
            "# HELP nori_slots Slots\n# TYPE nori_slots gauge\n"
            "nori_slots{schema=\"a\\\"b\\\\c\\nd\"} 1\n");
}

}  // namespace
}  // namespace nori
