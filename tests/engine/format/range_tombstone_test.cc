#include "engine/format/range_tombstone.h"

#include <algorithm>
#include <iostream>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace nori {
namespace {

using ::testing::ElementsAre;

SequenceNumber ModelCovering(const std::vector<RangeTombstone>& tombstones,
                             std::string_view key, SequenceNumber snapshot) {
  SequenceNumber best = 0;
  for (const RangeTombstone& t : tombstones) {
    if (t.begin <= key && key < t.end && t.sequence <= snapshot) {
      best = std::max(best, t.sequence);
    }
  }
  return best;
}

// Every key that can make a difference: the alphabet's strings to length 3.
std::vector<std::string> AllKeys() {
  static constexpr char kBytes[] = {'\0', 'a', 'b', '\xff'};
  std::vector<std::string> keys = {""};
  for (size_t i = 0; i < keys.size() && keys[i].size() < 3; ++i) {
    for (char c : kBytes) keys.push_back(keys[i] + c);
  }
  return keys;
}

TEST(RangeTombstoneTest, EmptySet) {
  RangeTombstoneSet set;
  EXPECT_TRUE(set.empty());
  EXPECT_EQ(set.Covering("a", kMaxSequence), 0u);
  EXPECT_EQ(set.FragmentAtOrAfter("a"), 0u);
}

TEST(RangeTombstoneTest, EmptyAndInvertedRangesCoverNothing) {
  const std::vector<RangeTombstone> tombstones = {{"b", "b", 5}, {"c", "a", 6}};
  EXPECT_TRUE(RangeTombstoneSet(tombstones).empty());
}

TEST(RangeTombstoneTest, OverlapsAreCut) {
  const std::vector<RangeTombstone> tombstones = {{"a", "d", 5}, {"b", "f", 9}};
  const RangeTombstoneSet set(tombstones);
  ASSERT_EQ(set.fragments().size(), 3u);
  EXPECT_EQ(set.fragments()[1].begin, "b");
  EXPECT_EQ(set.fragments()[1].end, "d");
  EXPECT_THAT(set.fragments()[1].sequences, ElementsAre(9, 5));
  EXPECT_EQ(set.Covering("c", 100), 9u);
  EXPECT_EQ(set.Covering("c", 8), 5u);
  EXPECT_EQ(set.Covering("c", 4), 0u);
  EXPECT_EQ(set.Covering("f", 100), 0u);
}

TEST(RangeTombstoneTest, NeighboursThatSayTheSameAreJoined) {
  const std::vector<RangeTombstone> tombstones = {
      {"a", "b", 5}, {"b", "c", 5}, {"c", "d", 6}};
  EXPECT_EQ(RangeTombstoneSet(tombstones).fragments().size(), 2u);
}

void CheckFragments(const RangeTombstoneSet& set) {
  const auto& fragments = set.fragments();
  for (size_t i = 0; i < fragments.size(); ++i) {
    ASSERT_LT(fragments[i].begin, fragments[i].end);
    ASSERT_FALSE(fragments[i].sequences.empty());
    ASSERT_TRUE(std::is_sorted(fragments[i].sequences.begin(),
                               fragments[i].sequences.end(),
                               std::greater_equal<>()));
    if (i > 0) {
      ASSERT_LE(fragments[i - 1].end, fragments[i].begin);
    }
  }
}

TEST(RangeTombstoneTest, GivesItsTombstonesUpToANumber) {
  const RangeTombstoneSet set(
      std::vector<RangeTombstone>{{"a", "c", 5}, {"b", "d", 3}});
  std::vector<RangeTombstone> given{{"before", "this", 1}};
  set.AppendTo(&given, 4);
  EXPECT_THAT(given, ElementsAre(RangeTombstone{"before", "this", 1},
                                 RangeTombstone{"b", "c", 3},
                                 RangeTombstone{"c", "d", 3}));
  given.clear();
  set.AppendTo(&given);
  EXPECT_EQ(given.size(), 4u);
}

TEST(RangeTombstoneTest, RandomSetsAgreeWithBruteForce) {
  const auto seed = std::random_device{}();
  std::cout << "seed " << seed << std::endl;
  std::mt19937_64 random(seed);
  const std::vector<std::string> keys = AllKeys();
  for (int round = 0; round < 400; ++round) {
    std::vector<RangeTombstone> tombstones(random() % 20);
    for (RangeTombstone& t : tombstones) {
      // Begin and end in any order and equal sequences, on purpose.
      t = {keys[random() % keys.size()], keys[random() % keys.size()],
           1 + random() % 12};
    }
    const RangeTombstoneSet set(tombstones);
    CheckFragments(set);
    for (const std::string& key : keys) {
      const SequenceNumber snapshot = random() % 14;
      ASSERT_EQ(set.Covering(key, snapshot),
                ModelCovering(tombstones, key, snapshot));
      ASSERT_EQ(set.Covering(key, kMaxSequence),
                ModelCovering(tombstones, key, kMaxSequence));
      const size_t at = set.FragmentAtOrAfter(key);
      if (at > 0) {
        ASSERT_LE(set.fragments()[at - 1].end, key);
      }
      if (at < set.fragments().size()) {
        ASSERT_GT(set.fragments()[at].end, key);
        // A fragment keeps every number that covers it, without repetition.
        if (set.fragments()[at].begin <= key) {
          std::set<SequenceNumber, std::greater<>> expected;
          for (const RangeTombstone& t : tombstones) {
            if (t.begin <= key && key < t.end) expected.insert(t.sequence);
          }
          ASSERT_TRUE(std::equal(expected.begin(), expected.end(),
                                 set.fragments()[at].sequences.begin(),
                                 set.fragments()[at].sequences.end()));
        }
      }
    }
  }
}

}  // namespace
}  // namespace nori
