// What an engine tells about its slots.

#include <map>
#include <string>

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

}  // namespace
}  // namespace nori
