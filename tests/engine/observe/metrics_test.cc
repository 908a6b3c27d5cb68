#include "engine/observe/metrics.h"

#include <set>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace nori {
namespace {

TEST(Metrics, EveryCounterIsListedOnceUnderItsOwnName) {
  Metrics metrics;
  std::set<std::string> names;
  std::set<const Counter*> counters;
  uint64_t n = 0;
  for (const MetricInfo& info : MetricInfos()) {
    EXPECT_TRUE(names.insert(info.name).second) << info.name;
    EXPECT_TRUE(counters.insert(&(metrics.*info.counter)).second) << info.name;
    EXPECT_FALSE(std::string(info.help).empty());
    (metrics.*info.counter).Add(++n);
  }
  EXPECT_EQ(counters.size(), sizeof(Metrics) / sizeof(Counter));
  const auto list = ListMetrics(metrics);
  ASSERT_EQ(list.size(), n);
  for (uint64_t i = 0; i < n; ++i) {
    EXPECT_EQ(list[i].first, MetricInfos()[i].name);
    EXPECT_EQ(list[i].second, i + 1);
  }
}

TEST(Metrics, NamesBelongToTheirMembers) {
  Metrics metrics;
  metrics.commits.Add(3);
  metrics.compaction_bytes_written.Add(5);
  metrics.spilled_bytes.Add(7);
  for (const auto& [name, value] : ListMetrics(metrics)) {
    const uint64_t expected = name == "commits"                    ? 3
                              : name == "compaction_bytes_written" ? 5
                              : name == "spilled_bytes"            ? 7
                                                                   : 0;
    EXPECT_EQ(value, expected) << name;
  }
}

TEST(Metrics, CountersAreExactUnderThreads) {
  Metrics metrics;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&metrics] {
      for (int i = 0; i < 10000; ++i) metrics.gets.Add();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(metrics.gets.Value(), 40000u);
}

}  // namespace
}  // namespace nori
