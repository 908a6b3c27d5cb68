#include "engine/iterators/merging_iterator.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/engine/iterators/iterator_test_util.h"

namespace nori {
namespace {

using testing::Delete;
using testing::Entry;
using testing::IteratorCounts;
using testing::Put;
using testing::RandomKey;
using testing::Rng;
using testing::VectorIterator;

using Layers = std::vector<std::vector<Entry>>;

std::unique_ptr<EntryIterator> Merge(const Layers& layers) {
  std::vector<std::unique_ptr<EntryIterator>> children;
  for (const auto& layer : layers) {
    children.push_back(std::make_unique<VectorIterator>(layer));
  }
  return NewMergingIterator(std::move(children));
}

// Merge order: user key, newest first, then the earlier layer.
std::vector<Entry> Merged(const Layers& layers) {
  std::vector<Entry> all;
  for (const auto& layer : layers) {
    all.insert(all.end(), layer.begin(), layer.end());
  }
  std::stable_sort(all.begin(), all.end(), [](const Entry& a, const Entry& b) {
    if (a.key != b.key) return a.key < b.key;
    return a.sequence() > b.sequence();
  });
  return all;
}

// No (key, sequence) twice in one layer, some twice in different ones.
Layers RandomLayers(Rng* rng, size_t n) {
  Layers layers(n);
  for (size_t i = 0; i < n; ++i) {
    const size_t count = rng->OneIn(5) ? 0 : rng->Uniform(60);
    for (size_t j = 0; j < count; ++j) {
      const std::string key = RandomKey(rng);
      const SequenceNumber s = 1 + rng->Uniform(6);
      const bool taken = std::any_of(
          layers[i].begin(), layers[i].end(),
          [&](const Entry& e) { return e.key == key && e.sequence() == s; });
      if (taken) continue;
      layers[i].push_back(rng->OneIn(3) ? Delete(key, s)
                                        : Put(key, s, absl::StrCat(i, "/", j)));
    }
    std::sort(layers[i].begin(), layers[i].end(), testing::InternalLess);
  }
  return layers;
}

TEST(MergingIteratorTest, MatchesSortedEntriesUnderRandomMoves) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    Rng rng(seed);
    const Layers layers = RandomLayers(&rng, rng.Uniform(10));
    const std::vector<Entry> model = Merged(layers);
    const auto it = Merge(layers);
    const auto end = static_cast<int64_t>(model.size());
    int64_t at = -1;
    for (int i = 0; i < 300; ++i) {
      const uint64_t op = rng.Uniform(14);
      const std::string key = RandomKey(&rng);
      if (op == 0) {
        it->SeekToFirst();
        at = 0;
      } else if (op == 1) {
        it->SeekToLast();
        at = end - 1;
      } else if (op == 2) {
        const SequenceNumber s = rng.Uniform(8);
        it->Seek(key, SeekTrailer(s));
        at = std::partition_point(model.begin(), model.end(),
                                  [&](const Entry& e) {
                                    return e.key < key ||
                                           (e.key == key && e.sequence() > s);
                                  }) -
             model.begin();
      } else if (op == 3) {
        it->SeekBefore(key);
        at = std::partition_point(model.begin(), model.end(),
                                  [&](const Entry& e) { return e.key < key; }) -
             model.begin() - 1;
      } else if (at < 0 || at >= end) {
        continue;
      } else if (op < 9) {
        it->Next();
        ++at;
      } else {
        it->Prev();
        --at;
      }
      ASSERT_TRUE(it->status().ok());
      ASSERT_EQ(it->Valid(), at >= 0 && at < end) << "step " << i;
      if (!it->Valid()) continue;
      const Entry& want = model[static_cast<size_t>(at)];
      ASSERT_EQ(it->user_key(), want.key) << "step " << i;
      ASSERT_EQ(it->trailer(), want.trailer) << "step " << i;
      ASSERT_EQ(it->value(), want.value) << "step " << i;
    }
  }
}

TEST(MergingIteratorTest, EarlierChildFirstWhateverTheKind) {
  const auto it = Merge({{Delete("a", 5)}, {Put("a", 5, "old")}});
  it->SeekToFirst();
  ASSERT_TRUE(it->Valid());
  EXPECT_EQ(it->trailer(), PackTrailer(5, EntryKind::kDelete));
  it->Next();
  ASSERT_TRUE(it->Valid());
  EXPECT_EQ(it->value(), "old");
  it->Prev();
  ASSERT_TRUE(it->Valid());
  EXPECT_EQ(it->trailer(), PackTrailer(5, EntryKind::kDelete));
}

TEST(MergingIteratorTest, NoChildren) {
  const auto it = Merge({});
  it->SeekToFirst();
  EXPECT_FALSE(it->Valid());
  it->SeekToLast();
  EXPECT_FALSE(it->Valid());
  it->Seek("a", 0);
  EXPECT_FALSE(it->Valid());
  it->SeekBefore("a");
  EXPECT_FALSE(it->Valid());
  EXPECT_TRUE(it->status().ok());
}

TEST(MergingIteratorTest, ErrorOfAnyChildStopsIt) {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    Rng rng(seed);
    const size_t n = 1 + rng.Uniform(5);
    Layers layers = RandomLayers(&rng, n);
    const size_t bad = rng.Uniform(n);
    layers[bad].push_back(Put("zz", 1, ""));
    std::sort(layers[bad].begin(), layers[bad].end(), testing::InternalLess);
    const size_t fail_at = rng.Uniform(layers[bad].size());
    std::vector<std::unique_ptr<EntryIterator>> children;
    for (size_t i = 0; i < n; ++i) {
      children.push_back(
          i == bad ? std::make_unique<VectorIterator>(layers[i], fail_at)
                   : std::make_unique<VectorIterator>(layers[i]));
    }
    const auto it = NewMergingIterator(std::move(children));
    const Entry& failing = layers[bad][fail_at];
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      // Everything that is shown comes before the unreadable entry.
      ASSERT_LE(it->user_key(), failing.key);
    }
    EXPECT_EQ(it->status().code(), absl::StatusCode::kDataLoss);
    for (it->SeekToLast(); it->Valid(); it->Prev()) {
      ASSERT_GE(it->user_key(), failing.key);
    }
    EXPECT_EQ(it->status().code(), absl::StatusCode::kDataLoss);
    // A seek that does not meet the error clears it.
    it->Seek("\xff\xff\xff", 0);
    EXPECT_TRUE(it->status().ok());
    EXPECT_FALSE(it->Valid());
  }
}

TEST(MergingIteratorTest, ErrorDuringChangeOfDirection) {
  std::vector<std::unique_ptr<EntryIterator>> children;
  children.push_back(std::make_unique<VectorIterator>(
      std::vector<Entry>{Put("a", 1, ""), Put("c", 1, ""), Put("e", 1, "")}));
  children.push_back(std::make_unique<VectorIterator>(
      std::vector<Entry>{Put("b", 1, ""), Put("d", 1, "")}, 0));
  const auto it = NewMergingIterator(std::move(children));
  it->Seek("c", 0);
  ASSERT_TRUE(it->Valid());
  EXPECT_EQ(it->user_key(), "d");
  it->Prev();  // d is the second child's own; the first goes to c
  EXPECT_FALSE(it->Valid());
  EXPECT_EQ(it->status().code(), absl::StatusCode::kDataLoss);
}

TEST(MergingIteratorTest, OnlyTheWinnerMoves) {
  IteratorCounts counts[3];
  std::vector<std::unique_ptr<EntryIterator>> children;
  for (int c = 0; c < 3; ++c) {
    std::vector<Entry> entries;
    for (int i = 0; i < 100; ++i) {
      entries.push_back(Put(absl::StrCat("key", 1000 + i * 3 + c), 1, "value"));
    }
    children.push_back(
        std::make_unique<VectorIterator>(entries, std::nullopt, &counts[c]));
  }
  const auto it = NewMergingIterator(std::move(children));
  int entries = 0;
  for (it->SeekToFirst(); it->Valid(); it->Next()) ++entries;
  EXPECT_EQ(entries, 300);
  for (const IteratorCounts& c : counts) {
    EXPECT_EQ(c.moves, 100);
    EXPECT_EQ(c.seeks, 1);
  }
}

TEST(MergingIteratorTest, HintsReachChildrenThatCanJump) {
  std::vector<Entry> old_entries, new_entries;
  for (int i = 10; i < 30; ++i) {
    old_entries.push_back(Put(absl::StrCat("k", i), 1, "old"));
  }
  new_entries.push_back(Put("k15", 9, "new"));
  new_entries.push_back(Put("k40", 9, "new"));
  for (const bool backward : {false, true}) {
    IteratorCounts counts[2];
    std::vector<std::unique_ptr<EntryIterator>> children;
    children.push_back(std::make_unique<VectorIterator>(
        new_entries, std::nullopt, &counts[0], true));
    children.push_back(std::make_unique<VectorIterator>(
        old_entries, std::nullopt, &counts[1], true));
    const auto it = NewMergingIterator(std::move(children));
    if (backward) {
      it->SeekBefore("k25");
      // Travelling backward, a forward hint is ignored.
      EXPECT_FALSE(it->SkipHiddenForward("k28", 5));
      EXPECT_TRUE(it->SkipHiddenBackward("k12", 5));
      EXPECT_EQ(it->user_key(), "k15");
      it->Prev();
      EXPECT_EQ(it->user_key(), "k11");
    } else {
      it->Seek("k12", 0);
      EXPECT_FALSE(it->SkipHiddenBackward("k10", 5));
      EXPECT_TRUE(it->SkipHiddenForward("k28", 5));
      EXPECT_EQ(it->user_key(), "k15");
      it->Next();
      EXPECT_EQ(it->user_key(), "k28");
    }
    EXPECT_EQ(counts[0].jumps, 0);
    EXPECT_EQ(counts[1].jumps, 1);
  }
}

}  // namespace
}  // namespace nori
