#include "engine/slots/adoption.h"

#include <algorithm>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/engine/slots/fake_table.h"

namespace nori {
namespace {

using ::testing::ElementsAre;

std::vector<std::vector<uint64_t>> TableNumbers(const SlotChange& change) {
  std::vector<std::vector<uint64_t>> numbers;
  for (const RunRecord& run : change.replacements.at(0).slots.at(0).runs) {
    auto& of_run = numbers.emplace_back();
    for (const SliceRecord& slice : run.slices) of_run.push_back(slice.table);
  }
  return numbers;
}

TEST(AdoptL0Test, NothingToAdopt) {
  const Version version({WholeL0(MakeFakeTable(1, {"x"}, 1))},
                        {MakeSlot(1, {"", "m"}), MakeSlot(2, {"m", ""})});
  EXPECT_EQ(AdoptL0(version, 0), std::nullopt);
  EXPECT_TRUE(L0ExtendsNewestRun(version, 0));
  EXPECT_EQ(L0Cutoff(version, {"", "m"}), 0u);
  EXPECT_EQ(L0Cutoff(version, {"m", ""}), 1u);
}

TEST(AdoptL0Test, SequentialLoadKeepsOneRun) {
  const Version version(
      {WholeL0(MakeFakeTable(3, {"e", "f"}, 5)),
       WholeL0(MakeFakeTable(2, {"c", "d"}, 3))},
      {MakeSlot(1, {}, {RunOf({MakeFakeTable(1, {"a", "b"}, 1)})})});
  EXPECT_TRUE(L0ExtendsNewestRun(version, 0));
  const auto change = AdoptL0(version, 0);
  ASSERT_TRUE(change.has_value());
  EXPECT_THAT(TableNumbers(*change), ElementsAre(ElementsAre(1, 2, 3)));
  EXPECT_THAT(change->adoptions, ElementsAre(L0Adoption{{}, 6}));
}

TEST(AdoptL0Test, OverlapMakesNewRuns) {
  const Version version(
      {WholeL0(MakeFakeTable(4, {"x"}, 9)),
       WholeL0(MakeFakeTable(3, {"a", "f"}, 5)),
       WholeL0(MakeFakeTable(2, {"b", "d"}, 3))},
      {MakeSlot(1, {}, {RunOf({MakeFakeTable(1, {"a", "c"}, 1)})})});
  EXPECT_FALSE(L0ExtendsNewestRun(version, 0));
  const auto change = AdoptL0(version, 0);
  ASSERT_TRUE(change.has_value());
  EXPECT_THAT(TableNumbers(*change),
              ElementsAre(ElementsAre(3, 4), ElementsAre(2), ElementsAre(1)));
}

TEST(AdoptL0Test, TablesOfOneFlushStayInOneRun) {
  FakeEntries low, high;  // sequence numbers 10, 13 and 11, 12
  low.emplace(FakeKey{"a", PackTrailer(10, EntryKind::kPut)}, "");
  low.emplace(FakeKey{"b", PackTrailer(13, EntryKind::kPut)}, "");
  high.emplace(FakeKey{"p", PackTrailer(11, EntryKind::kPut)}, "");
  high.emplace(FakeKey{"q", PackTrailer(12, EntryKind::kPut)}, "");
  const Version version(
      {WholeL0(MakeFakeTable(3, std::move(high), {})),
       WholeL0(MakeFakeTable(2, std::move(low), {}))},
      {MakeSlot(1, {}, {RunOf({MakeFakeTable(1, {"p"}, 1)})})});
  ASSERT_TRUE(version.Check().ok()) << version.Check();
  const auto change = AdoptL0(version, 0);
  ASSERT_TRUE(change.has_value());
  // Table 2 alone would fit into the run of table 1, and then interleave with
  // table 3 above it.
  EXPECT_THAT(TableNumbers(*change),
              ElementsAre(ElementsAre(2, 3), ElementsAre(1)));
}

TEST(AdoptL0Test, OrderWithinOneFlushDoesNotMatter) {
  FakeEntries wide;  // sequence numbers around that of table 1
  wide.emplace(FakeKey{"x", PackTrailer(11, EntryKind::kPut)}, "");
  wide.emplace(FakeKey{"y", PackTrailer(14, EntryKind::kPut)}, "");
  std::vector<TableRef> tables = {MakeFakeTable(1, {"a"}, 13),
                                  MakeFakeTable(2, {"m"}, 15),
                                  MakeFakeTable(3, std::move(wide), {})};
  std::sort(tables.begin(), tables.end());
  do {
    const Version version(
        {WholeL0(tables[0]), WholeL0(tables[1]), WholeL0(tables[2])},
        {MakeSlot(1, {}, {RunOf({MakeFakeTable(9, {"x"}, 1)})})});
    ASSERT_TRUE(version.Check().ok()) << version.Check();
    const auto change = AdoptL0(version, 0);
    ASSERT_TRUE(change.has_value());
    // Table 2 is newer than both others; it may share their run.
    EXPECT_THAT(TableNumbers(*change),
                ElementsAre(ElementsAre(1, 2, 3), ElementsAre(9)));
  } while (std::next_permutation(tables.begin(), tables.end()));
}

class InstallMergeTest : public ::testing::Test {
 protected:
  InstallMergeTest()
      : version_({WholeL0(MakeFakeTable(5, {"b", "x"}, 50)),
                  WholeL0(MakeFakeTable(4, {"a", "y"}, 40))},
                 {MakeSlot(1, {"", "m"},
                           {RunOf({MakeFakeTable(3, {"a", "c"}, 30)}),
                            RunOf({MakeFakeTable(2, {"a", "c"}, 20)}),
                            RunOf({MakeFakeTable(1, {"k"}, 10)})}),
                  MakeSlot(2, {"m", ""})}) {
    merge_.slot_id = 1;
    merge_.l0_cutoff = 41;
    merge_.wall_micros = 123;
  }
  Version version_;
  FinishedMerge merge_;
};

TEST_F(InstallMergeTest, ReplacesAPrefix) {
  ASSERT_TRUE(version_.Check().ok()) << version_.Check();
  merge_.merged_runs = 1;
  merge_.outputs = {MakeFakeTable(10, {"a", "b"}, 30)->meta,
                    MakeFakeTable(11, {"c"}, 40)->meta};
  const auto change = InstallMerge(version_, merge_);
  ASSERT_TRUE(change.ok());
  EXPECT_THAT(TableNumbers(*change),
              ElementsAre(ElementsAre(10, 11), ElementsAre(2), ElementsAre(1)));
  EXPECT_THAT(change->adoptions, ElementsAre(L0Adoption{{"", "m"}, 41}));
  EXPECT_EQ(change->new_tables.size(), 2u);
  EXPECT_EQ(change->replacements[0].slots[0].last_compaction_micros, 123u);
  EXPECT_EQ(change->replacements[0].slots[0].id, 1u);
}

TEST_F(InstallMergeTest, OutputExtendsADisjointRun) {
  merge_.merged_runs = 2;
  merge_.outputs = {MakeFakeTable(10, {"a", "c"}, 20)->meta};
  const auto change = InstallMerge(version_, merge_);
  ASSERT_TRUE(change.ok());
  EXPECT_THAT(TableNumbers(*change), ElementsAre(ElementsAre(10, 1)));
}

TEST_F(InstallMergeTest, EmptyOutputAndNoL0) {
  merge_.merged_runs = 3;
  merge_.l0_cutoff = 0;
  const auto change = InstallMerge(version_, merge_);
  ASSERT_TRUE(change.ok());
  EXPECT_TRUE(TableNumbers(*change).empty());
  EXPECT_TRUE(change->adoptions.empty());
}

TEST_F(InstallMergeTest, RefusesWhatDoesNotFit) {
  merge_.merged_runs = 4;
  EXPECT_EQ(InstallMerge(version_, merge_).status().code(),
            absl::StatusCode::kInternal);
  merge_.merged_runs = 1;
  merge_.outputs = {MakeFakeTable(10, {"a", "m"}, 30)->meta};
  EXPECT_EQ(InstallMerge(version_, merge_).status().code(),
            absl::StatusCode::kInternal);
  merge_.outputs.clear();
  merge_.slot_id = 7;
  EXPECT_EQ(InstallMerge(version_, merge_).status().code(),
            absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace nori
