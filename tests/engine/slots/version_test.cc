#include "engine/slots/version.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/engine/slots/fake_table.h"

namespace nori {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

const std::string kHigh = "\xff";

TEST(KeyRangeTest, OverlapsCoversAndIntersects) {
  const KeyRange all;
  const KeyRange ab{"a", "b"}, bc{"b", "c"}, from_b{"b", ""}, empty{"b", "b"};
  EXPECT_TRUE(all.Overlaps(all));
  EXPECT_FALSE(ab.Overlaps(bc));
  EXPECT_FALSE(bc.Overlaps(ab));
  EXPECT_TRUE(bc.Overlaps(from_b));
  EXPECT_TRUE(from_b.Overlaps(bc));
  EXPECT_FALSE(ab.Overlaps(from_b));
  EXPECT_FALSE(empty.Overlaps(all));
  EXPECT_FALSE(all.Overlaps(empty));
  EXPECT_TRUE(all.Covers(from_b));
  EXPECT_FALSE(from_b.Covers(all));
  EXPECT_FALSE(bc.Covers(from_b));
  EXPECT_TRUE(from_b.Covers(bc));
  EXPECT_TRUE(ab.Covers(ab));
  EXPECT_EQ(all.Intersect(ab), ab);
  EXPECT_EQ(from_b.Intersect(bc), bc);
  EXPECT_EQ((KeyRange{"", "bb"}.Intersect(from_b)), (KeyRange{"b", "bb"}));
  EXPECT_TRUE(all.Contains(""));
  EXPECT_FALSE(ab.Contains("b"));
}

TEST(TableBoundsTest, EndIsExclusiveInBothForms) {
  TableMeta meta;
  meta.smallest_key = "a";
  meta.largest_key = "c";
  EXPECT_EQ(TableBounds(meta), (KeyRange{"a", std::string("c\0", 2)}));
  EXPECT_TRUE(TableOverlaps(meta, {"c", "d"}));
  EXPECT_FALSE(TableOverlaps(meta, {std::string("c\0", 2), ""}));
  EXPECT_FALSE(TableOverlaps(meta, {"", "a"}));
  EXPECT_TRUE(TableOverlaps(meta, {"", std::string("a\0", 2)}));
  meta.largest_exclusive = true;
  EXPECT_EQ(TableBounds(meta), (KeyRange{"a", "c"}));
  EXPECT_FALSE(TableOverlaps(meta, {"c", "d"}));
  EXPECT_TRUE(TableOverlaps(meta, {"b", "c"}));
}

TEST(MakeSliceTest, ClipsAndEstimates) {
  const TableRef table = MakeFakeTable(1, {"a", "b", "c", "d"}, 1);
  const Slice all = MakeSlice(table, {});
  EXPECT_EQ(all.range, TableBounds(table->meta));
  EXPECT_EQ(all.bytes, table->meta.file_bytes);
  EXPECT_EQ(all.entries, 4u);
  const Slice middle = MakeSlice(table, {"b", "d"});
  EXPECT_EQ(middle.range, (KeyRange{"b", "d"}));
  EXPECT_EQ(middle.entries, 2u);
  EXPECT_EQ(middle.bytes, table->meta.file_bytes / 2);
  const Slice tail = MakeSlice(table, {"d", ""});
  EXPECT_EQ(tail.range, (KeyRange{"d", std::string("d\0", 2)}));
  EXPECT_EQ(tail.entries, 1u);
}

TEST(RunTest, FindsTheSliceOfAKey) {
  const nori::Run run =
      RunOf({MakeFakeTable(1, {"b", "d"}, 1), MakeFakeTable(2, {"m", "p"}, 10),
             MakeFakeTable(3, {kHigh}, 5)});
  EXPECT_EQ(run.Find(""), nullptr);
  EXPECT_EQ(run.Find("a"), nullptr);
  EXPECT_EQ(run.Find("b"), &run.slices[0]);
  EXPECT_EQ(run.Find("d"), &run.slices[0]);
  EXPECT_EQ(run.Find("da"), nullptr);
  EXPECT_EQ(run.Find("n"), &run.slices[1]);
  EXPECT_EQ(run.Find(kHigh), &run.slices[2]);
  EXPECT_EQ(run.Find(kHigh + kHigh), nullptr);
  EXPECT_EQ(run.smallest_sequence(), 1u);
  EXPECT_EQ(run.largest_sequence(), 11u);
  EXPECT_EQ(run.entries(), 5u);
}

Version GuardVersion(const std::vector<std::string>& guards) {
  std::vector<SlotRef> slots;
  for (size_t i = 0; i <= guards.size(); ++i) {
    slots.push_back(MakeSlot(i + 10, {i == 0 ? "" : guards[i - 1],
                                      i == guards.size() ? "" : guards[i]}));
  }
  return Version({}, std::move(slots));
}

TEST(VersionTest, RoutesKeys) {
  // The middle ones share their first 8 bytes.
  const std::vector<std::string> guards = {
      std::string(1, '\0'),  "b",   "prefix__",  "prefix__a",
      "prefix__b",           kHigh, kHigh + "x", std::string(8, '\xff'),
      std::string(9, '\xff')};
  const Version version = GuardVersion(guards);
  ASSERT_TRUE(version.Check().ok());
  EXPECT_EQ(version.SlotIndex(""), 0u);
  for (size_t i = 0; i < guards.size(); ++i) {
    EXPECT_EQ(version.SlotIndex(guards[i]), i + 1) << i;
    EXPECT_EQ(version.SlotIndex(guards[i] + std::string(1, '\0')), i + 1) << i;
  }
  EXPECT_EQ(version.SlotIndex("a"), 1u);
  EXPECT_EQ(version.SlotIndex("prefix_"), 2u);
  EXPECT_EQ(version.SlotIndex("prefix__ab"), 4u);
  EXPECT_EQ(version.SlotIndex("zzz"), 5u);
  EXPECT_EQ(version.SlotIndex(std::string(20, '\xff')), guards.size());
  EXPECT_EQ(version.SlotIndexById(12), 2u);
  EXPECT_EQ(version.SlotIndexById(99), version.slots().size());
}

TEST(VersionTest, RoutesRanges) {
  const Version version = GuardVersion({"b", "m", kHigh});
  EXPECT_THAT(version.SlotRangeFor({}), Pair(0, 3));
  EXPECT_THAT(version.SlotRangeFor({"", "b"}), Pair(0, 0));
  EXPECT_THAT(version.SlotRangeFor({"", std::string("b\0", 2)}), Pair(0, 1));
  EXPECT_THAT(version.SlotRangeFor({"b", "m"}), Pair(1, 1));
  EXPECT_THAT(version.SlotRangeFor({"c", kHigh}), Pair(1, 2));
  EXPECT_THAT(version.SlotRangeFor({kHigh, ""}), Pair(3, 3));
  EXPECT_THAT(version.SlotRangeFor({"m", ""}), Pair(2, 3));
  EXPECT_THAT(version.SlotRangeFor({"m", "m"}), Pair(2, 2));
  EXPECT_THAT(version.SlotRangeFor({"z", "a"}), Pair(2, 2));
}

TEST(VersionTest, L0RunsAreClippedNewestFirst) {
  L0Table newer = WholeL0(MakeFakeTable(2, {"a", "e", "z"}, 10));
  newer.remaining = {{"a", "c"}, {"d", std::string("z\0", 2)}};
  const L0Table older = WholeL0(MakeFakeTable(1, {"b", "x"}, 1));
  const Version version({newer, older}, EmptyVersion(1)->slots());
  ASSERT_TRUE(version.Check().ok()) << version.Check();

  std::vector<nori::Run> runs = version.L0RunsIn({"b", "f"});
  ASSERT_EQ(runs.size(), 2u);
  ASSERT_EQ(runs[0].slices.size(), 2u);
  EXPECT_EQ(runs[0].slices[0].range, (KeyRange{"b", "c"}));
  EXPECT_EQ(runs[0].slices[1].range, (KeyRange{"d", "f"}));
  ASSERT_EQ(runs[1].slices.size(), 1u);
  EXPECT_EQ(runs[1].slices[0].range, (KeyRange{"b", "f"}));

  EXPECT_EQ(version.L0RunsIn({"y", ""}).size(), 1u);
  EXPECT_TRUE(version.L0RunsIn({"zz", ""}).empty());
  EXPECT_EQ(version.L0RunsIn({"c", "d"}).size(), 1u);
  EXPECT_FALSE(newer.Contains("c"));
  EXPECT_TRUE(newer.Contains("z"));
  EXPECT_FALSE(newer.Contains("zz"));
  EXPECT_FALSE(newer.Overlaps({"c", "d"}));
  EXPECT_TRUE(newer.Overlaps({"c", "da"}));
}

TEST(VersionTest, CountsATableOnce) {
  const TableRef table = MakeFakeTable(7, {"a", "z"}, 1);
  const Version version({},
                        {MakeSlot(1, {"", "m"}, {RunOf({table}, {"", "m"})}),
                         MakeSlot(2, {"m", ""}, {RunOf({table}, {"m", ""})})});
  ASSERT_TRUE(version.Check().ok()) << version.Check();
  EXPECT_THAT(version.Tables(), ElementsAre(table));
  EXPECT_EQ(version.table_bytes(), table->meta.file_bytes);
}

// --- Check -----------------------------------------------------------------

class CheckTest : public ::testing::Test {
 protected:
  void SetUp() override {
    first_ = MakeSlot(1, {"", "m"}, {RunOf({b2_}), RunOf({a1_})});
    second_ = MakeSlot(2, {"m", ""}, {RunOf({p1_})});
    l0_ = {WholeL0(l0_new_), WholeL0(l0_old_)};
    ASSERT_TRUE(Check().ok()) << Check();
  }
  absl::Status Check() const { return Version(l0_, {first_, second_}).Check(); }
  void ExpectViolation(const char* what) const {
    const absl::Status status = Check();
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
    EXPECT_THAT(std::string(status.message()), HasSubstr(what));
  }

  TableRef a1_ = MakeFakeTable(1, {"a", "c"}, 1);
  TableRef b2_ = MakeFakeTable(2, {"b", "d"}, 10);
  TableRef p1_ = MakeFakeTable(3, {"p", "q"}, 20);
  TableRef l0_old_ = MakeFakeTable(4, {"a", "q"}, 30);
  TableRef l0_new_ = MakeFakeTable(5, {"b", "r"}, 40);
  std::shared_ptr<Slot> first_, second_;
  std::vector<L0Table> l0_;
};

TEST_F(CheckTest, GapBetweenSlots) {
  second_->range.begin = "n";
  ExpectViolation("gap or overlap");
}
TEST_F(CheckTest, OverlapOfSlots) {
  second_->range.begin = "l";
  ExpectViolation("gap or overlap");
}
TEST_F(CheckTest, FirstSlotNotFromTheStart) {
  first_->range.begin = "a";
  ExpectViolation("gap or overlap");
}
TEST_F(CheckTest, LastSlotNotToTheEnd) {
  second_->range.end = "z";
  ExpectViolation("gap or overlap");
}
TEST_F(CheckTest, InnerSlotToTheEnd) {
  first_->range.end = "";
  ExpectViolation("gap or overlap");
}
TEST_F(CheckTest, TwoSlotsOfOneId) {
  second_->id = 1;
  ExpectViolation("one id");
}
TEST_F(CheckTest, KBelowOne) {
  first_->max_runs = 0;
  ExpectViolation("K below 1");
}
TEST_F(CheckTest, HeatOutOfRange) {
  first_->heat = 1.5;
  ExpectViolation("heat");
}
TEST_F(CheckTest, EmptyRun) {
  first_->runs.push_back(nori::Run());
  ExpectViolation("run without slices");
}
TEST_F(CheckTest, SliceWithoutTable) {
  first_->runs[0].slices[0].table = nullptr;
  ExpectViolation("slice without table");
}
TEST_F(CheckTest, EmptySlice) {
  first_->runs[0].slices[0].range = {"c", "c"};
  ExpectViolation("empty slice");
}
TEST_F(CheckTest, SliceOutOfSlot) {
  second_->runs[0].slices[0] = MakeSlice(MakeFakeTable(9, {"a", "p"}, 20), {});
  ExpectViolation("out of its slot");
}
TEST_F(CheckTest, SliceOutOfTable) {
  first_->runs[0].slices[0].range.end = "e";
  ExpectViolation("out of its table");
}
TEST_F(CheckTest, SlicesOfARunOverlap) {
  first_->runs = {RunOf({a1_, b2_})};
  ExpectViolation("slices of a run overlap");
}
TEST_F(CheckTest, SlicesOfARunUnordered) {
  first_->runs = {RunOf({MakeFakeTable(8, {"f"}, 1), a1_})};
  ExpectViolation("slices of a run overlap or are out of order");
}
TEST_F(CheckTest, RunsInWrongOrder) {
  std::swap(first_->runs[0], first_->runs[1]);
  ExpectViolation("two runs interleave");
}
TEST_F(CheckTest, RunsOfEqualSequence) {
  first_->runs[0] = RunOf({MakeFakeTable(8, {"b"}, 2)});
  ExpectViolation("two runs interleave");
}
TEST_F(CheckTest, L0OlderThanARun) {
  l0_[1] = WholeL0(MakeFakeTable(8, {"a"}, 5));
  ExpectViolation("L0 table is not newer");
}
TEST_F(CheckTest, L0OlderThanRunsOfAnotherSlotIsFine) {
  l0_[1] = WholeL0(MakeFakeTable(8, {"a"}, 15));
  EXPECT_TRUE(Check().ok()) << Check();
}
TEST_F(CheckTest, L0InWrongOrder) {
  std::swap(l0_[0], l0_[1]);
  ExpectViolation("not newest first");
}
TEST_F(CheckTest, L0InterleavesWithDisjointKeysIsFine) {
  l0_[0] = WholeL0(MakeFakeTable(8, {"r", "s"}, 30));
  EXPECT_TRUE(Check().ok()) << Check();
}
TEST_F(CheckTest, L0WithoutRange) {
  l0_[0].remaining.clear();
  ExpectViolation("answers for nothing");
}
TEST_F(CheckTest, L0RangeOutOfTable) {
  l0_[0].remaining = {{"a", "c"}};
  ExpectViolation("out of its table");
}
TEST_F(CheckTest, L0RangesOverlap) {
  l0_[0].remaining = {{"b", "d"}, {"c", "e"}};
  ExpectViolation("L0 ranges overlap");
}
TEST_F(CheckTest, L0WithoutTable) {
  l0_[1].table = nullptr;
  ExpectViolation("L0 entry without table");
}
TEST_F(CheckTest, TableTwiceInL0) {
  l0_[0] = l0_[1];
  ExpectViolation("twice in L0");
}
TEST_F(CheckTest, TwoObjectsForOneTable) {
  second_->runs = {RunOf({MakeFakeTable(1, {"x"}, 3)})};
  ExpectViolation("two objects");
}
TEST_F(CheckTest, SequencesOfATableOutOfOrder) {
  auto bad = std::make_shared<Table>(*p1_);
  bad->meta.smallest_sequence = 1000;
  second_->runs = {RunOf({bad})};
  ExpectViolation("sequence numbers out of order");
}

}  // namespace
}  // namespace nori
