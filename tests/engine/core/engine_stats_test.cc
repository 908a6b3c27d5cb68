// What an engine tells about its slots.

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "engine/io/memory_file_system.h"
#include "gtest/gtest.h"
#include "tests/engine/core/engine_fixture.h"

namespace nori {
namespace {

// Slots are cut several times meanwhile; nothing that was counted for one gets
// lost but for what does not divide evenly.
TEST(EngineStats, BytesOfSlotsSumUpToTheEnginesCounters) {
  MemoryFileSystem fs;
  Options options = TinyOptions(&fs);
  options.background = BackgroundMode::kManual;
  options.compression = Compression::kNone;
  auto engine = Engine::Open(options, "db");
  NORI_ASSERT_OK(engine.status());
  const uint64_t seed = TestSeed(7);
  Random random(seed);
  for (int i = 0; i < 20000; ++i) {
    const std::string key =
        "key" + std::to_string(1000000 + random.Uniform(10000));
    NORI_ASSERT_OK(
        (*engine)->Put({Durability::kNone}, key, std::string(100, 'v')));
  }
  NORI_ASSERT_OK((*engine)->Flush());
  NORI_ASSERT_OK((*engine)->WaitForBackground());
  std::map<std::string, uint64_t> counters;
  for (const auto& [name, value] : (*engine)->GetStats().counters) {
    counters[name] = value;
  }
  ASSERT_GT(counters["slot_splits"], 0u);
  ASSERT_GT(counters["compaction_bytes_written"], 0u);
  SlotInfo sum;
  for (const SlotInfo& slot : (*engine)->GetSlots()) {
    sum.writes += slot.writes;
    sum.user_bytes += slot.user_bytes;
    sum.flushed_bytes += slot.flushed_bytes;
    sum.merged_bytes += slot.merged_bytes;
    EXPECT_LE(slot.oldest_run_bytes, slot.bytes);
  }
  const auto near = [](uint64_t sum_of_slots, uint64_t counted) {
    EXPECT_NEAR(static_cast<double>(sum_of_slots), static_cast<double>(counted),
                0.05 * static_cast<double>(counted));
  };
  near(sum.merged_bytes, counters["compaction_bytes_written"]);
  near(sum.flushed_bytes, counters["flush_bytes_written"]);
  // A key that is written twice before its flush comes to a slot once.
  EXPECT_LE(sum.user_bytes, counters["user_bytes_written"]);
  EXPECT_GT(sum.user_bytes, counters["user_bytes_written"] / 2);
  EXPECT_GT(sum.writes, 10000u);
}

class EngineEstimate : public ::testing::Test {
 protected:
  static std::string Key(uint64_t n) {
    const std::string digits = std::to_string(n);
    return "key" + std::string(6 - digits.size(), '0') + digits;
  }

  void SetUp() override {
    Options options = TinyOptions(&fs_);
    options.background = BackgroundMode::kManual;
    auto engine = Engine::Open(options, "db");
    NORI_ASSERT_OK(engine.status());
    engine_ = *std::move(engine);
    // Some in tables and slots, the last part in the memtable.
    for (uint64_t n = 0; n < 12000; ++n) {
      NORI_ASSERT_OK(engine_->Put({Durability::kNone}, Key(n * 7919 % 12000),
                                  std::string(40, 'v')));
      if (n != 11500) continue;
      NORI_ASSERT_OK(engine_->Flush());
      NORI_ASSERT_OK(engine_->WaitForBackground());
    }
  }

  MemoryFileSystem fs_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(EngineEstimate, OfRanges) {
  for (const auto& [first, last] :
       {std::pair{0, 12000}, {1000, 9000}, {5000, 6000}}) {
    EXPECT_NEAR(
        static_cast<double>(engine_
                                ->Estimate({Key(static_cast<uint64_t>(first)),
                                            Key(static_cast<uint64_t>(last))})
                                .entries),
        last - first, 0.3 * (last - first));
  }
  EXPECT_EQ(engine_->Estimate({"x", "y"}).entries, 0u);
}

TEST_F(EngineEstimate, SampleKeysAreEvenlySpread) {
  const std::vector<std::string> keys =
      engine_->SampleKeys({Key(2000), Key(10000)}, 16);
  ASSERT_GE(keys.size(), 10u);
  EXPECT_LE(keys.size(), 24u);
  EXPECT_TRUE(std::is_sorted(keys.begin(), keys.end()));
  EXPECT_GE(keys.front(), Key(2000));
  EXPECT_LT(keys.back(), Key(10000));
  // No piece has much more than its share.
  std::string from = Key(2000);
  for (const std::string& to : keys) {
    EXPECT_LT(engine_->Estimate({from, to}).entries, 2500u);
    from = to;
  }
  EXPECT_TRUE(engine_->SampleKeys({"x", "y"}, 16).empty());
}

TEST_F(EngineEstimate, ReadsTellWhatTheyTouch) {
  NORI_ASSERT_OK(engine_->Flush());
  NORI_ASSERT_OK(engine_->WaitForBackground());
  ReadCounters read;
  PinnedValue value;
  const auto found =
      engine_->Get({.snapshot = nullptr, .counters = &read}, Key(5000), &value);
  NORI_ASSERT_OK(found.status());
  EXPECT_TRUE(*found);
  EXPECT_LE(read.slots, 1u);
  EXPECT_GE(read.runs, 1u);
  EXPECT_GE(read.blocks_read, 1u);
  EXPECT_GE(read.filter_checks, 1u);

  ReadCounters scan;
  IterateOptions options;
  options.counters = &scan;
  const auto it = engine_->NewIterator(options);
  int rows = 0;
  for (it->SeekToFirst(); it->Valid(); it->Next()) ++rows;
  EXPECT_EQ(rows, 12000);
  EXPECT_EQ(scan.slots, engine_->GetSlots().size());
  EXPECT_GE(scan.runs, 1u);
  EXPECT_GE(scan.blocks_read, 12000u * 40 / 1024);
  const auto [first, last] = engine_->SlotsOf({});
  EXPECT_EQ(first, 0u);
  EXPECT_EQ(last + 1, engine_->GetSlots().size());
}

}  // namespace
}  // namespace nori
