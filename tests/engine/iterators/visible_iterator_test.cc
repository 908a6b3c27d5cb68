#include "engine/iterators/visible_iterator.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "engine/iterators/merging_iterator.h"
#include "gtest/gtest.h"
#include "tests/engine/iterators/iterator_test_util.h"

namespace nori {
namespace {

using testing::CompareWalks;
using testing::CompareWithModel;
using testing::Delete;
using testing::Entry;
using testing::IteratorCounts;
using testing::LiveMap;
using testing::Put;
using testing::RandomKey;
using testing::Rng;
using testing::VectorIterator;

// One layer of the store under test.
struct Layer {
  std::vector<Entry> entries;
  std::vector<RangeTombstone> tombstones;
  KeyRange range;  // of the tombstones
};

struct Store {
  std::vector<Layer> layers;  // newest first
  SequenceNumber last = 0;

  std::unique_ptr<EntryIterator> Entries(bool can_jump) const {
    std::vector<std::unique_ptr<EntryIterator>> children;
    for (const Layer& layer : layers) {
      children.push_back(std::make_unique<VectorIterator>(
          layer.entries, std::nullopt, nullptr, can_jump));
    }
    return NewMergingIterator(std::move(children));
  }

  std::vector<TombstoneLayer> Tombstones() const {
    std::vector<TombstoneLayer> result;
    for (const Layer& layer : layers) {
      result.push_back(
          {std::make_shared<RangeTombstoneSet>(layer.tombstones), layer.range});
    }
    return result;
  }

  SequenceNumber Cover(const std::string& key, SequenceNumber snapshot) const {
    SequenceNumber cover = 0;
    for (const Layer& layer : layers) {
      if (!layer.range.Contains(key)) continue;
      for (const RangeTombstone& t : layer.tombstones) {
        if (t.begin <= key && key < t.end && t.sequence <= snapshot) {
          cover = std::max(cover, t.sequence);
        }
      }
    }
    return cover;
  }

  LiveMap Live(SequenceNumber snapshot, const KeyRange& bounds) const {
    std::map<std::string, Entry> newest;
    for (const Layer& layer : layers) {
      for (const Entry& e : layer.entries) {
        if (e.sequence() > snapshot || !bounds.Contains(e.key)) continue;
        const auto [at, added] = newest.emplace(e.key, e);
        if (!added && e.sequence() > at->second.sequence()) at->second = e;
      }
    }
    LiveMap live;
    for (const auto& [key, e] : newest) {
      if (e.is_put() && Cover(key, snapshot) <= e.sequence()) {
        live.emplace(key, e.value);
      }
    }
    return live;
  }
};

// `versions`: about how many there are of each key and layer.
Store RandomStore(Rng* rng, uint64_t versions, bool tombstones) {
  Store store;
  store.layers.resize(1 + rng->Uniform(5));
  SequenceNumber s = 0;
  for (size_t i = store.layers.size(); i-- > 0;) {
    Layer& layer = store.layers[i];
    std::set<std::string> in_commit;
    for (uint64_t n = rng->Uniform(60 * versions + 1); n > 0; --n) {
      if (s == 0 || rng->OneIn(2)) {
        ++s;
        in_commit.clear();
      }
      const std::string key = RandomKey(rng);
      if (!in_commit.insert(key).second) continue;
      layer.entries.push_back(
          rng->OneIn(4) ? Delete(key, s) : Put(key, s, absl::StrCat("v", s)));
      if (tombstones && rng->OneIn(12)) {
        layer.tombstones.push_back({RandomKey(rng), RandomKey(rng), s});
      }
    }
    if (rng->OneIn(3)) layer.range = {RandomKey(rng), RandomKey(rng)};
    ++s;
  }
  store.last = s;
  return store;
}

KeyRange RandomBounds(Rng* rng) {
  KeyRange bounds;
  if (rng->OneIn(2)) bounds.begin = RandomKey(rng);
  if (rng->OneIn(2)) bounds.end = RandomKey(rng);
  return bounds;
}

void RunRandom(uint64_t seed, uint64_t versions, bool tombstones) {
  SCOPED_TRACE(absl::StrCat("seed ", seed, " versions ", versions));
  Rng rng(seed);
  const Store store = RandomStore(&rng, versions, tombstones);
  for (int i = 0; i < 4; ++i) {
    const SequenceNumber snapshot =
        rng.OneIn(3) ? kMaxSequence : rng.Uniform(store.last + 2);
    const KeyRange bounds = RandomBounds(&rng);
    const LiveMap model = store.Live(snapshot, bounds);
    const auto it =
        NewVisibleIterator(store.Entries(rng.OneIn(2)), store.Tombstones(),
                           snapshot, bounds, nullptr);
    ASSERT_NO_FATAL_FAILURE(CompareWalks(it.get(), model));
    ASSERT_NO_FATAL_FAILURE(CompareWithModel(it.get(), model, &rng, 300));
    // Used again for parts of the bounds.
    for (int j = 0; j < 3; ++j) {
      const KeyRange wanted = RandomBounds(&rng);
      if (!wanted.Overlaps(bounds)) continue;
      const KeyRange part = wanted.Intersect(bounds);
      const LiveMap part_model = store.Live(snapshot, part);
      ASSERT_TRUE(it->Narrow(part.begin, part.end));
      ASSERT_NO_FATAL_FAILURE(CompareWalks(it.get(), part_model));
      ASSERT_NO_FATAL_FAILURE(
          CompareWithModel(it.get(), part_model, &rng, 100));
    }
  }
}

TEST(VisibleIteratorTest, RandomWithoutTombstones) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    ASSERT_NO_FATAL_FAILURE(RunRandom(seed, 1, false));
  }
}

TEST(VisibleIteratorTest, RandomWithTombstones) {
  for (uint64_t seed = 1000; seed < 1100; ++seed) {
    ASSERT_NO_FATAL_FAILURE(RunRandom(seed, 1, true));
  }
}

TEST(VisibleIteratorTest, RandomWithManyVersions) {
  for (uint64_t seed = 2000; seed < 2040; ++seed) {
    ASSERT_NO_FATAL_FAILURE(RunRandom(seed, 20, seed % 2 == 0));
  }
}

TEST(VisibleIteratorTest, TombstoneBoundariesAndEqualSequence) {
  std::vector<Entry> entries = {Put("a", 1, "a"), Put("b", 5, "same commit"),
                                Put("c", 4, "c"), Put("d", 4, "d"),
                                Put("e", 6, "e")};
  const TombstoneLayer layer{
      std::make_shared<RangeTombstoneSet>(
          std::vector<RangeTombstone>{{"b", "d", 5}, {"a", "b", 9}}),
      KeyRange()};
  const auto it = NewVisibleIterator(std::make_unique<VectorIterator>(entries),
                                     {layer}, 6, KeyRange(), nullptr);
  CompareWalks(it.get(),
               {{"a", "a"}, {"b", "same commit"}, {"d", "d"}, {"e", "e"}});
}

TEST(VisibleIteratorTest, NewerLayerDecidesAnEqualSequence) {
  std::vector<std::unique_ptr<EntryIterator>> children;
  children.push_back(std::make_unique<VectorIterator>(
      std::vector<Entry>{Put("a", 5, "new"), Delete("b", 5), Put("d", 5, "")}));
  children.push_back(std::make_unique<VectorIterator>(std::vector<Entry>{
      Put("a", 5, "old"), Put("b", 5, "old"), Put("c", 5, "c")}));
  const auto it = NewVisibleIterator(NewMergingIterator(std::move(children)),
                                     {}, 9, KeyRange(), nullptr);
  CompareWalks(it.get(), {{"a", "new"}, {"c", "c"}, {"d", ""}});
}

TEST(VisibleIteratorTest, TellsOfDeletedKeysThatItPasses) {
  struct Observer : SkipObserver {
    void OnSkipped(std::string_view key, SequenceNumber sequence,
                   uint64_t passed) const override {
      keys += passed;
      last_key = key;
      last_sequence = sequence;
    }
    mutable uint64_t keys = 0;
    mutable std::string last_key;
    mutable SequenceNumber last_sequence = 0;
  };
  std::vector<Entry> entries;
  for (int i = 1000; i < 2000; ++i) {
    entries.push_back(Delete(absl::StrCat("key", i), i));
    entries.push_back(Put(absl::StrCat("key", i), 1, "v"));
  }
  entries.push_back(Put("other", 1, "v"));
  Observer observer;
  const auto it =
      NewVisibleIterator(std::make_unique<VectorIterator>(entries), {}, 5000,
                         KeyRange(), nullptr, {.observer = &observer});
  it->SeekToFirst();
  ASSERT_TRUE(it->Valid());
  EXPECT_EQ(it->key(), "other");
  // It tells once in many, so the last few are missing.
  EXPECT_LE(observer.keys, 1000u);
  EXPECT_GE(observer.keys, 900u);
  EXPECT_EQ(observer.last_key, absl::StrCat("key", observer.last_sequence));
  EXPECT_GT(observer.last_sequence, 1900u);
  const uint64_t forward = observer.keys;
  it->Prev();
  EXPECT_FALSE(it->Valid());
  EXPECT_GE(observer.keys - forward, 900u);
}

TEST(VisibleIteratorTest, OneMovePerSingleVersionKey) {
  std::vector<Entry> entries;
  for (int i = 1000; i < 2000; ++i) {
    entries.push_back(Put(absl::StrCat("key", i), 1, "v"));
  }
  IteratorCounts counts;
  const auto it = NewVisibleIterator(
      std::make_unique<VectorIterator>(entries, std::nullopt, &counts), {}, 5,
      KeyRange(), nullptr);
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
  }
  EXPECT_EQ(counts.moves, 1000);
  EXPECT_EQ(counts.seeks, 1);
  for (it->SeekToLast(); it->Valid(); it->Prev()) {
  }
  EXPECT_EQ(counts.moves, 2000);
  EXPECT_EQ(counts.seeks, 2);
}

// A key with thousands of versions costs a few moves, not thousands.
TEST(VisibleIteratorTest, SeeksOverLongVersionChains) {
  std::vector<Entry> entries = {Put("a", 1, "a"), Put("z", 1, "z")};
  for (SequenceNumber s = 1; s <= 5000; ++s) {
    entries.push_back(Put("m", s, absl::StrCat(s)));
  }
  for (const SequenceNumber snapshot : {SequenceNumber{2500}, kMaxSequence}) {
    IteratorCounts counts;
    const auto it = NewVisibleIterator(
        std::make_unique<VectorIterator>(entries, std::nullopt, &counts), {},
        snapshot, KeyRange(), nullptr);
    const LiveMap model = {
        {"a", "a"},
        {"m", absl::StrCat(std::min<SequenceNumber>(snapshot, 5000))},
        {"z", "z"}};
    CompareWalks(it.get(), model);
    EXPECT_LT(counts.moves + counts.seeks, 60);
  }
}

TEST(VisibleIteratorTest, JumpsOverRangeTombstones) {
  std::vector<Entry> old_entries, new_entries;
  for (int i = 10000; i < 20000; ++i) {
    old_entries.push_back(Put(absl::StrCat("k", i), 1, "old"));
  }
  new_entries.push_back(Put("k15000", 9, "new"));
  new_entries.push_back(Put("k15001", 4, "hidden"));
  IteratorCounts counts;
  std::vector<std::unique_ptr<EntryIterator>> children;
  children.push_back(std::make_unique<VectorIterator>(new_entries, std::nullopt,
                                                      &counts, true));
  children.push_back(std::make_unique<VectorIterator>(old_entries, std::nullopt,
                                                      &counts, true));
  const TombstoneLayer layer{
      std::make_shared<RangeTombstoneSet>(
          std::vector<RangeTombstone>{{"k10001", "k19999", 5}}),
      KeyRange()};
  const auto it = NewVisibleIterator(NewMergingIterator(std::move(children)),
                                     {layer}, 10, KeyRange(), nullptr);
  CompareWalks(it.get(),
               {{"k10000", "old"}, {"k15000", "new"}, {"k19999", "old"}});
  EXPECT_EQ(counts.jumps, 2);
  EXPECT_LT(counts.moves, 40);
}

// Without rows inside the bounds, what lies beyond them is not walked.
TEST(VisibleIteratorTest, StopsAtBoundsAlsoAmongInvisibleEntries) {
  std::vector<Entry> entries;
  for (int i = 0; i < 1000; ++i) {
    entries.push_back(Put(absl::StrCat("a", i), 50, ""));
    entries.push_back(Put(absl::StrCat("c", i), 50, ""));
  }
  entries.push_back(Put("b", 1, "b"));
  IteratorCounts counts;
  const auto it = NewVisibleIterator(
      std::make_unique<VectorIterator>(entries, std::nullopt, &counts), {}, 5,
      KeyRange{"b", "c"}, nullptr);
  CompareWalks(it.get(), {{"b", "b"}});
  EXPECT_LT(counts.moves, 10);
}

TEST(VisibleIteratorTest, ErrorsReachTheReader) {
  std::vector<Entry> entries;
  for (int i = 10; i < 20; ++i) {
    entries.push_back(Put(absl::StrCat("k", i), 2, "v"));
    entries.push_back(Put(absl::StrCat("k", i), 1, "old"));
  }
  for (size_t fail_at = 0; fail_at < entries.size(); ++fail_at) {
    const auto it =
        NewVisibleIterator(std::make_unique<VectorIterator>(entries, fail_at),
                           {}, 5, KeyRange(), nullptr);
    size_t n = 0;
    for (it->SeekToFirst(); it->Valid(); it->Next()) ++n;
    EXPECT_EQ(it->status().code(), absl::StatusCode::kDataLoss);
    EXPECT_EQ(n, (fail_at + 1) / 2);
    n = 0;
    for (it->SeekToLast(); it->Valid(); it->Prev()) {
      // Never the old version because the new one is unreadable.
      EXPECT_EQ(it->value(), "v");
      ++n;
    }
    EXPECT_EQ(it->status().code(), absl::StatusCode::kDataLoss);
    // A key shows only once it is certain that no newer version precedes it.
    EXPECT_LE(n, (entries.size() - fail_at - 1) / 2);
    it->Seek("x");
    EXPECT_TRUE(it->status().ok());
    EXPECT_FALSE(it->Valid());
  }
}

TEST(VisibleIteratorTest, SeekToItsOwnKey) {
  std::vector<Entry> entries = {Put("a long key that is not inline 1", 1, "1"),
                                Put("a long key that is not inline 2", 1, "2")};
  const auto it = NewVisibleIterator(std::make_unique<VectorIterator>(entries),
                                     {}, 5, KeyRange(), nullptr);
  it->SeekToLast();
  it->Seek(it->key());
  ASSERT_TRUE(it->Valid());
  EXPECT_EQ(it->value(), "2");
  it->SeekForPrev(it->key());
  ASSERT_TRUE(it->Valid());
  EXPECT_EQ(it->value(), "2");
  it->Seek(it->key());
  ASSERT_TRUE(it->Valid());
  EXPECT_EQ(it->value(), "2");
}

TEST(VisibleIteratorTest, HoldsWhatItReadsUntilTheEnd) {
  struct Probe : EntryIterator {
    explicit Probe(std::weak_ptr<int> held_in) : held(std::move(held_in)) {}
    ~Probe() override { EXPECT_FALSE(held.expired()); }
    bool Valid() const override { return false; }
    absl::Status status() const override { return absl::OkStatus(); }
    void SeekToFirst() override {}
    void SeekToLast() override {}
    void Seek(std::string_view, uint64_t) override {}
    void SeekBefore(std::string_view) override {}
    void Next() override {}
    void Prev() override {}
    std::string_view user_key() const override { return {}; }
    uint64_t trailer() const override { return 0; }
    std::string_view value() const override { return {}; }
    std::weak_ptr<int> held;
  };
  auto held = std::make_shared<int>(1);
  std::weak_ptr<int> weak = held;
  auto it = NewVisibleIterator(std::make_unique<Probe>(weak), {}, 5, KeyRange(),
                               std::move(held));
  it.reset();
  EXPECT_TRUE(weak.expired());
}

}  // namespace
}  // namespace nori
