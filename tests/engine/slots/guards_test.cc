#include "engine/slots/guards.h"

#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/engine/slots/fake_table.h"

namespace nori {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> Keys(int first, int last, int step = 1) {
  std::vector<std::string> keys;
  for (int i = first; i < last; i += step) {
    keys.push_back(absl::StrFormat("k%04d", i));
  }
  return keys;
}

void ExpectPrecondition(const absl::StatusOr<SlotReplacement>& result,
                        const char* what) {
  EXPECT_EQ(result.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(result.status().message()), HasSubstr(what));
}

TEST(ChooseSplitKeysTest, CutsIntoEqualPieces) {
  const TableRef big = MakeFakeTable(1, Keys(0, 1000), 1);
  const auto slot = MakeSlot(1, {}, {RunOf({big})});
  EXPECT_THAT(ChooseSplitKeys(*slot, slot->bytes()), IsEmpty());
  const auto keys = ChooseSplitKeys(*slot, slot->bytes() / 4 + 1);
  ASSERT_EQ(keys.size(), 3u);
  for (int i = 0; i < 3; ++i) {
    EXPECT_NEAR(std::stoi(keys[i].substr(1)), 250 * (i + 1), 25) << keys[i];
  }
  EXPECT_EQ(ChooseSplitKeys(*slot, 100, 5).size(), 4u);
  EXPECT_THAT(ChooseSplitKeys(*slot, 100, 1), IsEmpty());
}

TEST(ChooseSplitKeysTest, WeighsTablesByTheBytesOfTheirSlices) {
  // 900 small entries below k1000, 100 entries of ten times the size above.
  const TableRef low = MakeFakeTable(1, Keys(0, 900), 1, 10);
  const TableRef high = MakeFakeTable(2, Keys(1000, 1100), 2000, 500);
  const auto slot = MakeSlot(1, {}, {RunOf({high}), RunOf({low})});
  const auto keys = ChooseSplitKeys(*slot, slot->bytes() * 2 / 3);
  ASSERT_EQ(keys.size(), 1u);
  // Half of all bytes: low has 900 * 23, high 100 * 513.
  EXPECT_NEAR(std::stoi(keys[0].substr(1)), 1030, 6) << keys[0];
}

TEST(ChooseSplitKeysTest, OneKeyCannotBeCut) {
  FakeEntries entries;
  for (SequenceNumber s = 1; s < 100; ++s) {
    entries.emplace(FakeKey{"", PackTrailer(s, EntryKind::kPut)}, "value");
  }
  const auto slot =
      MakeSlot(1, {}, {RunOf({MakeFakeTable(1, std::move(entries), {})})});
  for (const std::string& key : ChooseSplitKeys(*slot, 10)) {
    EXPECT_GT(key, slot->range.begin);
  }
}

TEST(SlotTargetTest, FollowsTheDataSoThatTheNumberOfSlotsIsBounded) {
  constexpr uint64_t kMiB = 1 << 20;
  constexpr uint64_t kTiB = uint64_t{1} << 40;
  EXPECT_EQ(SlotTargetBytes(64 * kMiB, 0, 2048), 64 * kMiB);
  EXPECT_EQ(SlotTargetBytes(64 * kMiB, 32 * 1024 * kMiB, 2048), 64 * kMiB);
  EXPECT_EQ(SlotTargetBytes(64 * kMiB, kTiB, 2048), 2048 * kMiB);
  for (uint64_t total = kMiB; total <= 64 * kTiB; total *= 2) {
    const uint64_t target = SlotTargetBytes(64 * kMiB, total, 2048);
    EXPECT_LE(2 * total / target, 1024u) << total;
  }
}

TEST(ChooseHeatSplitTest, CutsTheHotPartOut) {
  const auto slot =
      MakeSlot(1, {}, {RunOf({MakeFakeTable(1, Keys(0, 1600), 1)})});
  const uint64_t step = slot->bytes() / 16;
  std::vector<std::string> hot = Keys(810, 890, 2);
  auto keys = ChooseHeatSplit(*slot, hot, step);
  ASSERT_EQ(keys.size(), 2u);
  EXPECT_NEAR(std::stoi(keys[0].substr(1)), 800, 30) << keys[0];
  EXPECT_NEAR(std::stoi(keys[1].substr(1)), 900, 30) << keys[1];
  // At an end one key is enough; some noise elsewhere does not matter.
  hot = Keys(1510, 1590, 2);
  for (const std::string& key : Keys(0, 1600, 200)) hot.push_back(key);
  keys = ChooseHeatSplit(*slot, hot, step);
  ASSERT_EQ(keys.size(), 1u);
  EXPECT_NEAR(std::stoi(keys[0].substr(1)), 1500, 30) << keys[0];
}

TEST(ChooseHeatSplitTest, LeavesEvenScatteredAndUnknownHeatAlone) {
  const auto slot =
      MakeSlot(1, {}, {RunOf({MakeFakeTable(1, Keys(0, 1600), 1)})});
  const uint64_t step = slot->bytes() / 16;
  EXPECT_THAT(ChooseHeatSplit(*slot, Keys(0, 1600, 25), step), IsEmpty());
  // Half of it in one place, the other half far away.
  std::vector<std::string> two = Keys(100, 132);
  for (const std::string& key : Keys(1400, 1432)) two.push_back(key);
  EXPECT_THAT(ChooseHeatSplit(*slot, two, step), IsEmpty());
  EXPECT_THAT(ChooseHeatSplit(*slot, Keys(100, 110), step), IsEmpty());
  EXPECT_THAT(ChooseHeatSplit(*slot, {}, step), IsEmpty());
  // Too small to cut.
  EXPECT_THAT(ChooseHeatSplit(*slot, Keys(100, 164), slot->bytes() / 3),
              IsEmpty());
  // Keys of accesses before a split of the slot.
  const auto right =
      MakeSlot(2, {"k1000", ""},
               {RunOf({slot->runs[0].slices[0].table}, {"k1000", ""})});
  EXPECT_THAT(ChooseHeatSplit(*right, Keys(100, 164), right->bytes() / 16),
              IsEmpty());
}

TEST(ChooseMixSplitTest, PartsWhatIsReadFromWhatIsWritten) {
  const auto slot =
      MakeSlot(1, {}, {RunOf({MakeFakeTable(1, Keys(0, 1600), 1)})});
  const uint64_t step = slot->bytes() / 16;
  auto keys =
      ChooseMixSplit(*slot, Keys(0, 600, 10), Keys(620, 1600, 20), step);
  ASSERT_EQ(keys.size(), 1u);
  EXPECT_NEAR(std::stoi(keys[0].substr(1)), 600, 60) << keys[0];
  // Whichever comes first, and with some of the other kind among them.
  std::vector<std::string> reads = Keys(1000, 1600, 10);
  for (const std::string& key : Keys(0, 1000, 100)) reads.push_back(key);
  keys = ChooseMixSplit(*slot, reads, Keys(0, 1000, 20), step);
  ASSERT_EQ(keys.size(), 1u);
  EXPECT_NEAR(std::stoi(keys[0].substr(1)), 1000, 60) << keys[0];
}

TEST(ChooseMixSplitTest, LeavesMixedAndUnknownAccessesAlone) {
  const auto slot =
      MakeSlot(1, {}, {RunOf({MakeFakeTable(1, Keys(0, 1600), 1)})});
  const uint64_t step = slot->bytes() / 16;
  const std::vector<std::string> all = Keys(0, 1600, 25);
  EXPECT_THAT(ChooseMixSplit(*slot, all, all, step), IsEmpty());
  EXPECT_THAT(ChooseMixSplit(*slot, all, Keys(0, 1200, 20), step), IsEmpty());
  EXPECT_THAT(ChooseMixSplit(*slot, all, Keys(0, 20), step), IsEmpty());
  EXPECT_THAT(ChooseMixSplit(*slot, {}, {}, step), IsEmpty());
  EXPECT_THAT(ChooseMixSplit(*slot, Keys(0, 600, 10), Keys(620, 1600, 20),
                             slot->bytes() / 3),
              IsEmpty());
}

TEST(SplitSlotTest, CutsSlicesAndDropsEmptySides) {
  const TableRef wide = MakeFakeTable(1, {"a", "z"}, 10);
  const TableRef left = MakeFakeTable(2, {"a", "c"}, 1);
  const TableRef right = MakeFakeTable(3, {"m", "p"}, 3);
  auto slot = MakeSlot(1, {}, {RunOf({wide}), RunOf({left, right})});
  slot->max_runs = 3;
  slot->heat = 0.25;
  slot->last_compaction_micros = 77;
  slot->fixed_guard = true;
  uint64_t next_id = 5;
  const auto split = SplitSlot(*slot, {"m"}, &next_id);
  ASSERT_TRUE(split.ok());
  EXPECT_EQ(next_id, 7u);
  EXPECT_EQ(split->range, slot->range);
  ASSERT_EQ(split->slots.size(), 2u);
  const SlotRecord& low = split->slots[0];
  const SlotRecord& high = split->slots[1];
  EXPECT_EQ(low.range, (KeyRange{"", "m"}));
  EXPECT_EQ(high.range, (KeyRange{"m", ""}));
  EXPECT_TRUE(low.fixed_guard);
  EXPECT_FALSE(high.fixed_guard);
  EXPECT_EQ(high.max_runs, 3);
  EXPECT_EQ(high.heat, 0.25);
  EXPECT_EQ(high.last_compaction_micros, 77u);
  ASSERT_EQ(low.runs.size(), 2u);
  EXPECT_THAT(low.runs[0].slices, ElementsAre(SliceRecord{1, {"a", "m"}}));
  EXPECT_THAT(low.runs[1].slices,
              ElementsAre(SliceRecord{2, TableBounds(left->meta)}));
  ASSERT_EQ(high.runs.size(), 2u);
  EXPECT_THAT(high.runs[1].slices,
              ElementsAre(SliceRecord{3, TableBounds(right->meta)}));
  // Beyond `right` a whole run is gone.
  const auto far = SplitSlot(*slot, {"q"}, &next_id);
  ASSERT_TRUE(far.ok());
  EXPECT_EQ(far->slots[1].runs.size(), 1u);
}

TEST(SplitSlotTest, RefusesKeysThatDoNotCut) {
  const auto slot = MakeSlot(1, {"b", "m"});
  uint64_t next_id = 5;
  const std::vector<std::vector<std::string>> bad = {
      {"b"}, {"a"}, {"m"}, {"z"}, {"d", "c"}, {"c", "c"}};
  for (const auto& keys : bad) {
    EXPECT_EQ(SplitSlot(*slot, keys, &next_id).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(next_id, 5u);
}

TEST(AddGuardsTest, SplitsAndFixes) {
  const Version version({}, {MakeSlot(1, {"", "f"}), MakeSlot(2, {"f", "p"}),
                             MakeSlot(3, {"p", ""})});
  uint64_t next_id = 10;
  const auto changes =
      AddGuards(version, {"k", "", "f", "h", "p", "k"}, &next_id);
  ASSERT_EQ(changes.size(), 2u);
  EXPECT_EQ(changes[0].range, (KeyRange{"f", "p"}));
  ASSERT_EQ(changes[0].slots.size(), 3u);
  EXPECT_EQ(changes[0].slots[1].range, (KeyRange{"h", "k"}));
  for (const SlotRecord& slot : changes[0].slots) {
    EXPECT_TRUE(slot.fixed_guard);
  }
  ASSERT_EQ(changes[1].slots.size(), 1u);
  EXPECT_EQ(changes[1].slots[0].id, 3u);
  EXPECT_TRUE(changes[1].slots[0].fixed_guard);
  EXPECT_EQ(next_id, 13u);

  auto fixed = MakeSlot(3, {"p", ""});
  fixed->fixed_guard = true;
  const Version done({}, {MakeSlot(1, {"", "p"}), fixed});
  EXPECT_THAT(AddGuards(done, {"p", ""}, &next_id), IsEmpty());
}

TEST(JoinSlotsTest, LaysRunsOverEachOtherByAge) {
  const TableRef a_old = MakeFakeTable(1, {"a", "b"}, 1);
  const TableRef n_old = MakeFakeTable(2, {"n", "o"}, 2);
  const TableRef n_new = MakeFakeTable(3, {"n", "o"}, 20);
  auto left = MakeSlot(1, {"", "m"}, {RunOf({a_old})});
  auto right = MakeSlot(2, {"m", ""}, {RunOf({n_new}), RunOf({n_old})});
  left->heat = 0.1;
  left->last_compaction_micros = 5;
  left->fixed_guard = true;
  right->heat = 0.2;
  right->last_compaction_micros = 3;
  right->max_runs = 2;
  const Version version({}, {left, right});
  uint64_t next_id = 9;
  const auto joined = JoinSlots(version, 0, 2, &next_id);
  ASSERT_TRUE(joined.ok()) << joined.status();
  ASSERT_EQ(joined->slots.size(), 1u);
  const SlotRecord& slot = joined->slots[0];
  EXPECT_EQ(slot.id, 9u);
  EXPECT_EQ(slot.range, KeyRange());
  EXPECT_EQ(slot.heat, 0.2);
  EXPECT_EQ(slot.max_runs, 2);
  EXPECT_EQ(slot.last_compaction_micros, 3u);
  EXPECT_TRUE(slot.fixed_guard);
  // a_old lies below n_new though it is the newest run of its slot.
  ASSERT_EQ(slot.runs.size(), 2u);
  ASSERT_EQ(slot.runs[0].slices.size(), 1u);
  EXPECT_EQ(slot.runs[0].slices[0].table, 3u);
  ASSERT_EQ(slot.runs[1].slices.size(), 2u);
  EXPECT_EQ(slot.runs[1].slices[0].table, 1u);
  EXPECT_EQ(slot.runs[1].slices[1].table, 2u);
}

TEST(JoinSlotsTest, HealsACutTable) {
  const TableRef table = MakeFakeTable(1, {"a", "z"}, 1);
  const Version version({},
                        {MakeSlot(1, {"", "m"}, {RunOf({table}, {"", "m"})}),
                         MakeSlot(2, {"m", ""}, {RunOf({table}, {"m", ""})})});
  uint64_t next_id = 9;
  const auto joined = JoinSlots(version, 0, 2, &next_id);
  ASSERT_TRUE(joined.ok());
  EXPECT_THAT(joined->slots[0].runs[0].slices,
              ElementsAre(SliceRecord{1, TableBounds(table->meta)}));
}

TEST(JoinSlotsTest, RefusesRunsThatInterleaveInAge) {
  FakeEntries wide;  // sequence numbers 1 and 100
  wide.emplace(FakeKey{"a", PackTrailer(1, EntryKind::kPut)}, "");
  wide.emplace(FakeKey{"b", PackTrailer(100, EntryKind::kPut)}, "");
  const Version version(
      {},
      {MakeSlot(1, {"", "m"}, {RunOf({MakeFakeTable(1, std::move(wide), {})})}),
       MakeSlot(2, {"m", ""},
                {RunOf({MakeFakeTable(3, {"n"}, 50)}),
                 RunOf({MakeFakeTable(2, {"n"}, 20)})})});
  ASSERT_TRUE(version.Check().ok());
  uint64_t next_id = 9;
  ExpectPrecondition(JoinSlots(version, 0, 2, &next_id), "interleave");
  EXPECT_EQ(next_id, 9u);
}

TEST(JoinSlotsTest, RefusesTooManyRunsFixedGuardsAndOldL0) {
  auto left = MakeSlot(1, {"", "m"},
                       {RunOf({MakeFakeTable(2, {"a"}, 10)}),
                        RunOf({MakeFakeTable(1, {"a"}, 1)})});
  auto right = MakeSlot(2, {"m", ""}, {RunOf({MakeFakeTable(3, {"n"}, 5)})});
  uint64_t next_id = 9;
  {
    right->max_runs = 1;
    ExpectPrecondition(JoinSlots(Version({}, {left, right}), 0, 2, &next_id),
                       "too many runs");
    right->max_runs = 4;
  }
  {
    auto fixed = std::make_shared<Slot>(*right);
    fixed->fixed_guard = true;
    ExpectPrecondition(JoinSlots(Version({}, {left, fixed}), 0, 2, &next_id),
                       "fixed");
  }
  const Version old_l0({WholeL0(MakeFakeTable(4, {"p"}, 8))}, {left, right});
  ASSERT_TRUE(old_l0.Check().ok()) << old_l0.Check();
  ExpectPrecondition(JoinSlots(old_l0, 0, 2, &next_id), "L0");
  const Version new_l0({WholeL0(MakeFakeTable(4, {"p"}, 11))}, {left, right});
  EXPECT_TRUE(JoinSlots(new_l0, 0, 2, &next_id).ok());
  ExpectPrecondition(JoinSlots(new_l0, 1, 2, &next_id), "neighbours");
  ExpectPrecondition(JoinSlots(new_l0, 0, 1, &next_id), "neighbours");
}

TEST(ChooseJoinTest, TakesTheSmallestColdPair) {
  std::vector<std::shared_ptr<Slot>> slots;
  const std::vector<std::string> guards = {"", "d", "h", "m", "t", ""};
  const int sizes[] = {3, 2, 1, 5, 1};
  for (size_t i = 0; i < 5; ++i) {
    std::vector<std::string> keys;
    for (int k = 0; k < sizes[i]; ++k) {
      keys.push_back(guards[i] + "a" + std::to_string(k));
    }
    slots.push_back(
        MakeSlot(i + 1, {guards[i], guards[i + 1]},
                 {RunOf({MakeFakeTable(i + 1, keys, i * 10 + 1)})}));
  }
  const auto choose = [&](const JoinLimits& limits) {
    return ChooseJoin(
        Version({}, std::vector<SlotRef>(slots.begin(), slots.end())), limits);
  };
  JoinLimits limits;
  limits.max_bytes = 1000;
  limits.max_heat = 0.2;
  EXPECT_EQ(choose(limits), 1u);
  slots[2]->fixed_guard = true;
  EXPECT_EQ(choose(limits), 0u);
  slots[0]->heat = 0.9;
  EXPECT_EQ(choose(limits), 2u);  // 1 + 5, first of two equal pairs
  limits.is_busy = [](uint64_t id) { return id == 3; };
  EXPECT_EQ(choose(limits), 3u);
  limits.max_bytes = 50;
  EXPECT_EQ(choose(limits), std::nullopt);
  limits.max_bytes = 1000;
  limits.min_slots = 5;
  EXPECT_EQ(choose(limits), std::nullopt);
}

}  // namespace
}  // namespace nori
