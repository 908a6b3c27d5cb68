#include "engine/sstable/filter.h"

#include "table_test_util.h"

namespace nori::testing {
namespace {

double FalsePositiveRate(size_t keys, double bits_per_key, size_t key_bytes) {
  Rng rng(keys);
  std::vector<uint64_t> hashes;
  for (size_t i = 0; i < keys; ++i) {
    std::string key = "k" + std::to_string(i);
    key.resize(std::max(key.size(), key_bytes));
    hashes.push_back(HashKey(key));
  }
  const std::string content = BuildFilter(hashes, bits_per_key);
  EXPECT_LE(content.size(),
            static_cast<size_t>(static_cast<double>(keys) * bits_per_key / 8) +
                kFilterLineBytes + 1);
  FilterView filter;
  EXPECT_TRUE(filter.Parse(content));
  for (uint64_t hash : hashes) EXPECT_TRUE(filter.MayContain(hash));
  int positives = 0;
  constexpr int kProbes = 200000;
  for (int i = 0; i < kProbes; ++i) {
    positives += filter.MayContain(HashKey("absent" + std::to_string(i)));
  }
  return static_cast<double>(positives) / kProbes;
}

TEST(FilterTest, AboutOnePercentAtTenBits) {
  for (size_t keys : {1000, 50000, 300000}) {
    const double rate = FalsePositiveRate(keys, 10, 0);
    EXPECT_LT(rate, 0.013) << keys;
    EXPECT_GT(rate, 0.002) << keys;
  }
}

TEST(FilterTest, MoreBitsFewerErrors) {
  EXPECT_LT(FalsePositiveRate(50000, 16, 0), 0.002);
  EXPECT_LT(FalsePositiveRate(50000, 20, 40), 0.001);
  EXPECT_LT(FalsePositiveRate(50000, 5, 0), 0.15);
  EXPECT_LT(FalsePositiveRate(50000, 1, 0), 0.8);
}

TEST(FilterTest, OneKey) {
  FilterView filter;
  EXPECT_TRUE(filter.MayContain(1));
  const std::string content =
      BuildFilter(std::vector<uint64_t>{HashKey("")}, 10);
  EXPECT_EQ(content.size(), kFilterLineBytes + 1);
  ASSERT_TRUE(filter.Parse(content));
  EXPECT_TRUE(filter.MayContain(HashKey("")));
  EXPECT_FALSE(filter.MayContain(HashKey("a")));
}

TEST(FilterTest, RejectsWhatIsNoFilter) {
  FilterView filter;
  const std::string good = BuildFilter(std::vector<uint64_t>{1, 2}, 10);
  EXPECT_FALSE(filter.Parse(""));
  EXPECT_FALSE(filter.Parse(good.substr(1)));
  EXPECT_FALSE(filter.Parse(good + "x"));
  std::string bad = good;
  bad.back() = 0;
  EXPECT_FALSE(filter.Parse(bad));
  bad.back() = 100;
  EXPECT_FALSE(filter.Parse(bad));
  EXPECT_TRUE(filter.MayContain(3));  // still without a block
}

TEST(FilterTest, VersionsCountOnce) {
  Model one;
  Model many;
  for (int i = 0; i < 500; ++i) {
    for (uint64_t s = 1; s <= 10; ++s) {
      if (s == 1) one.Put("k" + std::to_string(i), s, "");
      many.Put("k" + std::to_string(i), s, "");
    }
  }
  TableWriterOptions with;
  TableWriterOptions without;
  without.filter_bits_per_key = 0;
  const auto filter_bytes = [&](const Model& model) {
    return Build(model, with).bytes.size() - Build(model, without).bytes.size();
  };
  EXPECT_NEAR(static_cast<double>(filter_bytes(one)),
              static_cast<double>(filter_bytes(many)), 64);
}

}  // namespace
}  // namespace nori::testing
