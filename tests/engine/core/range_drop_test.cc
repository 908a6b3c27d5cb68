// Ranges that were deleted as a whole: their files go without being read.

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "engine/io/memory_file_system.h"
#include "tests/engine/core/engine_fixture.h"

namespace nori {
namespace {

class RangeDrop : public ::testing::Test {
 protected:
  RangeDrop() {
    Options options = TinyOptions(&fs_);
    options.background = BackgroundMode::kManual;
    engine_ = *Engine::Open(options, "/db");
    for (const char* table : {"a", "b", "c"}) {
      NORI_EXPECT_OK(engine_->AddGuards({table, After(table)}));
    }
    for (int i = 0; i < 3000; ++i) {
      for (const char* table : {"a", "b", "c"}) {
        NORI_EXPECT_OK(
            engine_->Put({}, absl::StrCat(table, i), std::string(100, *table)));
      }
      if (i % 500 == 0) (void)*engine_->RunBackgroundWork(100);
    }
    NORI_EXPECT_OK(engine_->Flush());
    (void)*engine_->RunBackgroundWork(1000);
  }

  static std::string After(std::string table) {
    ++table.back();
    return table;
  }
  void DropB() {
    NORI_EXPECT_OK(engine_->DeleteRange({}, "b", "c"));
    engine_->DropRange({"b", "c"});
    NORI_EXPECT_OK(engine_->Flush());
  }
  // Entries that slots hold between "b" and "c", dead ones too.
  uint64_t EntriesOfB() {
    uint64_t entries = 0;
    for (const SlotInfo& slot : engine_->GetSlots()) {
      if (slot.range.begin >= "b" && slot.range.begin < "c") {
        entries += slot.entries + static_cast<uint64_t>(slot.l0_slices);
      }
    }
    return entries;
  }
  uint64_t Metric(const std::string& name) {
    for (const auto& [counter, value] : engine_->GetStats().counters) {
      if (counter == name) return value;
    }
    ADD_FAILURE() << "there is no counter " << name;
    return 0;
  }

  MemoryFileSystem fs_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(RangeDrop, EmptiesSlotsWithoutReadingThem) {
  EXPECT_GT(EntriesOfB(), 1000u);
  const uint64_t read = Metric("compaction_bytes_read");
  DropB();
  (void)*engine_->RunBackgroundWork(0);
  EXPECT_EQ(EntriesOfB(), 0u);
  EXPECT_EQ(Metric("compaction_bytes_read"), read);
  EXPECT_EQ(GetOr(engine_.get(), "b7"), "<none>");
  EXPECT_EQ(GetOr(engine_.get(), "a7"), std::string(100, 'a'));
  EXPECT_EQ(GetOr(engine_.get(), "c7"), std::string(100, 'c'));
  NORI_EXPECT_OK(engine_->Verify());
  // And after a restart.
  engine_.reset();
  Options options = TinyOptions(&fs_);
  options.background = BackgroundMode::kManual;
  engine_ = *Engine::Open(options, "/db");
  EXPECT_EQ(EntriesOfB(), 0u);
  EXPECT_EQ(GetOr(engine_.get(), "b7"), "<none>");
  EXPECT_EQ(GetOr(engine_.get(), "c7"), std::string(100, 'c'));
}

TEST_F(RangeDrop, WaitsForSnapshots) {
  SnapshotRef snapshot = engine_->GetSnapshot();
  DropB();
  (void)*engine_->RunBackgroundWork(0);
  EXPECT_GT(EntriesOfB(), 1000u);
  EXPECT_EQ(GetOr(engine_.get(), "b7", snapshot), std::string(100, 'b'));
  const auto open = engine_->NewIterator({snapshot, {"b", "c"}});
  snapshot.reset();
  open->SeekToFirst();
  EXPECT_TRUE(open->Valid());
  (void)*engine_->RunBackgroundWork(0);
  EXPECT_EQ(EntriesOfB(), 0u);
  // The iterator keeps its files.
  int seen = 0;
  for (; open->Valid(); open->Next()) ++seen;
  EXPECT_EQ(seen, 3000);
}

TEST_F(RangeDrop, WaitsForTheFlush) {
  NORI_EXPECT_OK(engine_->DeleteRange({}, "b", "c"));
  engine_->DropRange({"b", "c"});  // the deletion is not in a table yet
  (void)*engine_->RunBackgroundWork(0);
  EXPECT_GT(EntriesOfB(), 1000u);
  (void)*engine_->RunBackgroundWork(1);
  (void)*engine_->RunBackgroundWork(0);
  EXPECT_EQ(EntriesOfB(), 0u);
}

}  // namespace
}  // namespace nori
