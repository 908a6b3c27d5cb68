// Slots of a whole engine that follow what is done with the data.

#include <algorithm>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "engine/io/fake_clock.h"
#include "engine/io/memory_file_system.h"
#include "tests/engine/core/engine_fixture.h"

namespace nori {
namespace {

class EngineSlots : public ::testing::Test {
 protected:
  void SetUp() override {
    options_ = TinyOptions(&fs_, &clock_);
    options_.background = BackgroundMode::kManual;
    options_.compression = Compression::kNone;
    options_.heat_half_life_s = 10;
    options_.event_listener = [this](const Event& event) {
      events_.push_back(event);
    };
    Open();
  }

  void Open() {
    engine_.reset();
    auto opened = Engine::Open(options_, "/db");
    ASSERT_TRUE(opened.ok()) << opened.status();
    engine_ = *std::move(opened);
  }

  static std::string Key(uint64_t n) { return absl::StrFormat("key%06d", n); }

  void Fill(uint64_t first, uint64_t last, size_t value_bytes = 100) {
    for (uint64_t n = first; n < last; ++n) {
      WriteBatch batch;
      batch.Put(Key(n), std::string(value_bytes, 'a' + n % 26));
      NORI_ASSERT_OK(engine_->Write({}, batch));
    }
    NORI_ASSERT_OK(engine_->Flush());
    NORI_ASSERT_OK(engine_->WaitForBackground());
  }

  // `seconds` of `per_second` reads each, evenly over [first, last).
  void Read(uint64_t first, uint64_t last, int seconds,
            uint64_t per_second = 2000) {
    for (int i = 0; i < 2 * seconds; ++i) {
      for (uint64_t k = 0; k < per_second / 2; ++k) {
        PinnedValue value;
        const auto found = engine_->Get(
            {}, Key(first + random_.Uniform(last - first)), &value);
        ASSERT_TRUE(found.ok() && *found) << found.status();
      }
      clock_.Advance(absl::Milliseconds(500));
      NORI_ASSERT_OK(engine_->RunBackgroundWork(100).status());
    }
  }

  void Idle(int seconds) { Read(0, 1, seconds, 0); }

  size_t Count(EventKind kind, const std::string& detail) const {
    size_t n = 0;
    for (const Event& event : events_) {
      n += event.kind == kind && event.detail == detail;
    }
    return n;
  }

  uint64_t BytesOfSlotAt(const std::string& key) {
    for (const SlotInfo& slot : engine_->GetSlots()) {
      if (slot.range.Contains(key)) return slot.bytes;
    }
    return 0;
  }

  MemoryFileSystem fs_;
  FakeClock clock_;
  Options options_;
  Random random_{7};
  std::vector<Event> events_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(EngineSlots, SizeSplitsFollowTheOptions) {
  Fill(0, 20000);
  const auto slots = engine_->GetSlots();
  EXPECT_GE(slots.size(), 8u);
  for (const SlotInfo& slot : slots) {
    EXPECT_LE(slot.bytes, options_.slot_bytes * 5 / 4);
  }
  EXPECT_GT(Count(EventKind::kSlotSplit, "size"), 0u);
  // With few slots allowed they grow with the data instead.
  options_.max_slots = 8;
  ASSERT_TRUE(fs_.CreateDirectory("/few").ok());
  auto few = Engine::Open(options_, "/few");
  ASSERT_TRUE(few.ok()) << few.status();
  engine_ = *std::move(few);
  Fill(0, 20000);
  EXPECT_LE(engine_->GetSlots().size(), static_cast<size_t>(8));
}

TEST_F(EngineSlots, UnevenReadsCutTheHotPartOutAndColdPartsJoin) {
  options_.slot_bytes = 4 << 20;
  Open();
  Fill(0, 20000);  // some 2.3 MB: one slot
  ASSERT_EQ(engine_->GetSlots().size(), 1u);
  const uint64_t all = BytesOfSlotAt(Key(0));
  Read(5000, 5500, 20);
  EXPECT_GE(Count(EventKind::kSlotSplit, "heat"), 1u);
  EXPECT_GE(engine_->GetSlots().size(), 3u);
  EXPECT_LT(BytesOfSlotAt(Key(5250)), all / 3);
  // The heat moves: there it cuts again, and what it left cools and joins.
  Read(15000, 15500, 120);
  EXPECT_LT(BytesOfSlotAt(Key(15250)), all / 3);
  EXPECT_GE(Count(EventKind::kSlotJoin, "cold"), 1u);
  EXPECT_GT(BytesOfSlotAt(Key(5250)), all / 3);
  NORI_ASSERT_OK(engine_->Verify());
}

TEST_F(EngineSlots, EvenReadsAndScatteredOnesCutNothing) {
  options_.slot_bytes = 4 << 20;
  Open();
  Fill(0, 20000);
  Read(0, 20000, 30);
  EXPECT_EQ(Count(EventKind::kSlotSplit, "heat"), 0u);
}

TEST_F(EngineSlots, SteadyUnevenHeatDoesNotSplitAndJoinInTurn) {
  options_.slot_bytes = 4 << 20;
  Open();
  Fill(0, 30000);
  Read(5000, 5500, 60);
  events_.clear();
  Read(5000, 5500, 200, 500);
  EXPECT_LE(Count(EventKind::kSlotSplit, "heat") +
                Count(EventKind::kSlotJoin, "cold"),
            4u);
}

TEST_F(EngineSlots, BoundariesStayGuardsHoweverColdAndSmall) {
  Fill(0, 1000);
  NORI_ASSERT_OK(engine_->AddGuards({Key(300), Key(600)}));
  EXPECT_EQ(Count(EventKind::kSlotSplit, "boundary"), 1u);
  Idle(60);
  std::vector<std::string> guards;
  for (const SlotInfo& slot : engine_->GetSlots()) {
    guards.push_back(slot.range.begin);
  }
  EXPECT_EQ(guards, (std::vector<std::string>{"", Key(300), Key(600)}));
}

TEST_F(EngineSlots, GuardsOfADroppedRangeGoAndItsSlotsJoin) {
  Fill(0, 20000);
  NORI_ASSERT_OK(engine_->AddGuards({Key(300), Key(19700)}));
  const size_t before = engine_->GetSlots().size();
  ASSERT_GE(before, 8u);
  // Small slots, which could be joined.
  WriteBatch most;
  most.DeleteRange(Key(1000), Key(19700));
  NORI_ASSERT_OK(engine_->Write({}, most));
  NORI_ASSERT_OK(engine_->CompactRange({}));
  ASSERT_EQ(engine_->GetSlots().size(), before);
  SnapshotRef snapshot = engine_->GetSnapshot();
  WriteBatch batch;
  batch.DeleteRange(Key(300), Key(19700));
  NORI_ASSERT_OK(engine_->Write({}, batch));
  engine_->DropRange({Key(300), Key(19700)});
  NORI_ASSERT_OK(engine_->Flush());
  Idle(60);
  // As long as the range cannot be emptied, it stays in slots of its own.
  EXPECT_EQ(Count(EventKind::kCompactionEnd, "dropped"), 0u);
  EXPECT_EQ(Count(EventKind::kSlotJoin, "cold"), 0u);
  EXPECT_EQ(GetOr(engine_.get(), Key(300), snapshot),
            std::string(100, 'a' + 300 % 26));
  snapshot.reset();
  Idle(1);
  EXPECT_GE(Count(EventKind::kCompactionEnd, "dropped"), before - 2);
  Idle(60);
  std::vector<std::string> guards;
  for (const SlotInfo& slot : engine_->GetSlots()) {
    guards.push_back(slot.range.begin);
  }
  // What came behind the range may have asked for the guard at its end.
  EXPECT_EQ(guards, (std::vector<std::string>{"", Key(19700)}));
  EXPECT_EQ(GetOr(engine_.get(), Key(299)), std::string(100, 'a' + 299 % 26));
  EXPECT_EQ(GetOr(engine_.get(), Key(300)), "<none>");
  EXPECT_EQ(GetOr(engine_.get(), Key(19700)),
            std::string(100, 'a' + 19700 % 26));
  NORI_ASSERT_OK(engine_->Verify());
}

TEST_F(EngineSlots, SmallSlotsLeftByDeletionJoin) {
  Fill(0, 20000);
  const size_t before = engine_->GetSlots().size();
  ASSERT_GE(before, 8u);
  WriteBatch batch;
  batch.DeleteRange(Key(1000), Key(19900));
  NORI_ASSERT_OK(engine_->Write({}, batch));
  NORI_ASSERT_OK(engine_->CompactRange({}));
  Idle(60);
  EXPECT_LE(engine_->GetSlots().size(), 2u);
  EXPECT_EQ(GetOr(engine_.get(), Key(999)), std::string(100, 'a' + 999 % 26));
  EXPECT_EQ(GetOr(engine_.get(), Key(1000)), "<none>");
  EXPECT_EQ(GetOr(engine_.get(), Key(19900)),
            std::string(100, 'a' + 19900 % 26));
}

TEST_F(EngineSlots, SpaceStaysNearTheLiveBytesUnderOverwrites) {
  for (const char* policy : {"fixed4", "cost", "heat"}) {
    options_.run_policy = policy;
    options_.memtable_bytes = 32 << 10;
    const std::string directory = absl::StrCat("/space-", policy);
    auto opened = Engine::Open(options_, directory);
    ASSERT_TRUE(opened.ok()) << opened.status();
    engine_ = *std::move(opened);
    const uint64_t keys = 10000;
    Fill(0, keys);
    NORI_ASSERT_OK(engine_->CompactRange({}));
    const uint64_t live = engine_->GetStats().table_bytes;
    // It takes a few flushes to know that keys come back.
    constexpr int kRoundsToLearn = 10;
    uint64_t highest = 0, transient = 0;
    for (int round = 0; round < 150; ++round) {
      for (int i = 0; i < 200; ++i) {
        WriteBatch batch;
        batch.Put(Key(random_.Uniform(keys)), std::string(100, 'b'));
        NORI_ASSERT_OK(engine_->Write({}, batch));
      }
      clock_.Advance(absl::Milliseconds(100));
      NORI_ASSERT_OK(engine_->RunBackgroundWork(100).status());
      uint64_t& limited = round < kRoundsToLearn ? transient : highest;
      limited = std::max(limited, engine_->GetStats().table_bytes);
    }
    EXPECT_LE(transient, 2 * live) << policy;
    std::cout << policy << ": highest "
              << static_cast<double>(highest) / static_cast<double>(live)
              << " times the live bytes" << std::endl;
    // Up to l0_trigger - 1 tables wait in L0 whatever else holds.
    const uint64_t l0 = 3 * options_.memtable_bytes;
    EXPECT_LE(highest, live * 13 / 10 + l0) << policy;
    const EngineStats stats = engine_->GetStats();
    EXPECT_EQ(stats.slots, static_cast<int>(engine_->GetSlots().size()));
  }
}

TEST_F(EngineSlots, NewKeysAreNotTakenForWaste) {
  options_.run_policy = "fixed4";
  Open();
  Fill(0, 100);
  // Every key once, in random order: all overlaps, none hides another.
  std::vector<uint64_t> order;
  for (uint64_t n = 100; n < 30000; ++n) order.push_back(n);
  for (size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[random_.Uniform(i)]);
  }
  for (size_t i = 0; i < order.size(); ++i) {
    WriteBatch batch;
    batch.Put(Key(order[i]), std::string(100, 'n'));
    NORI_ASSERT_OK(engine_->Write({}, batch));
    if (i % 200 == 0) NORI_ASSERT_OK(engine_->RunBackgroundWork(100).status());
  }
  size_t space = 0, runs = 0;
  for (const Event& event : events_) {
    if (event.kind != EventKind::kCompactionEnd) continue;
    space += event.detail == "space";
    runs += event.detail == "runs";
  }
  EXPECT_LE(space, runs / 4 + 5);
}

TEST_F(EngineSlots, DeletedKeysThatScansMeetAreRemoved) {
  options_.memtable_bytes = 16 << 20;
  options_.dead_run_keys = 1 << 30;  // scans step over them again and again
  Open();
  const auto scan = [this] {
    const auto it = engine_->NewIterator({});
    it->SeekToFirst();
    return it->Valid() ? std::string(it->key()) : "";
  };
  const auto deletions = [this] {
    uint64_t sum = 0;
    for (const TableInfo& table : engine_->GetTables()) {
      sum += table.meta.deletions;
    }
    return sum;
  };
  Fill(0, 20000);
  for (uint64_t n = 0; n < 5000; ++n) {
    WriteBatch batch;
    batch.Delete(Key(n));
    NORI_ASSERT_OK(engine_->Write({}, batch));
  }
  NORI_ASSERT_OK(engine_->WaitForBackground());
  // The memtable is far from full, and nobody minds what is in it.
  EXPECT_GT(engine_->GetStats().memtable_bytes, 100000u);
  EXPECT_EQ(deletions(), 0u);
  for (int i = 0; i < 500; ++i) EXPECT_EQ(scan(), Key(5000));
  WriteBatch batch;
  batch.Put(Key(30000), "x");
  NORI_ASSERT_OK(engine_->Write({}, batch));
  NORI_ASSERT_OK(engine_->WaitForBackground());
  EXPECT_GT(Count(EventKind::kFlushEnd, ""), 1u);
  EXPECT_GT(deletions(), 0u);
  // In tables they go once scans have lost more than a merge costs.
  for (int i = 0; i < 5000 && deletions() > 0; ++i) {
    EXPECT_EQ(scan(), Key(5000));
    if (i % 50 != 49) continue;
    clock_.Advance(absl::Milliseconds(500));
    NORI_ASSERT_OK(engine_->RunBackgroundWork(100).status());
  }
  EXPECT_EQ(deletions(), 0u);
  EXPECT_EQ(scan(), Key(5000));
}

TEST_F(EngineSlots, ColdSlotsAreCompressedHarderThanHotOnes) {
  options_.compression = Compression::kLz4;
  options_.slot_bytes = 128 << 10;
  Open();
  Fill(0, 20000);
  NORI_ASSERT_OK(engine_->CompactRange({}));
  for (const TableInfo& table : engine_->GetTables()) {
    EXPECT_EQ(table.meta.compression, Compression::kLz4);
  }
  Read(0, 2000, 20);
  NORI_ASSERT_OK(engine_->CompactRange({}));
  for (const TableInfo& table : engine_->GetTables()) {
    if (table.meta.largest_key < Key(1500)) {
      EXPECT_EQ(table.meta.compression, Compression::kLz4);
    } else if (table.meta.smallest_key > Key(4000)) {
      EXPECT_EQ(table.meta.compression, Compression::kZstd);
    }
  }
  EXPECT_EQ(GetOr(engine_.get(), Key(15000)),
            std::string(100, 'a' + 15000 % 26));
}

}  // namespace
}  // namespace nori
