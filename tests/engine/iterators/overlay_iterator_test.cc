#include <algorithm>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "engine/iterators/visible_iterator.h"
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

using Intervals = std::vector<std::pair<SequenceNumber, SequenceNumber>>;

std::unique_ptr<Iterator> Base(const LiveMap& live, KeyRange bounds,
                               IteratorCounts* counts = nullptr) {
  std::vector<Entry> entries;
  for (const auto& [key, value] : live) entries.push_back(Put(key, 1, value));
  return NewVisibleIterator(
      std::make_unique<VectorIterator>(entries, std::nullopt, counts), {}, 1,
      std::move(bounds), nullptr);
}

std::shared_ptr<const RangeTombstoneSet> Set(
    const std::vector<RangeTombstone>& tombstones) {
  return std::make_shared<RangeTombstoneSet>(tombstones);
}

// A transaction that changes and rolls back at random, and its model.
struct RandomTransaction {
  RandomTransaction(Rng* rng, const LiveMap& base) {
    std::map<SequenceNumber, LiveMap> states;  // after each number
    states[0] = base;
    LiveMap state = base;
    SequenceNumber s = 0;
    const uint64_t steps = rng->Uniform(150);
    for (uint64_t i = 0; i < steps; ++i) {
      if (rng->OneIn(15) && s > 0) {
        // Rolls back to after `mark`. Numbers are not used again.
        const SequenceNumber mark = rng->Uniform(s);
        hidden.emplace_back(mark + 1, s);
        std::erase_if(tombstones,
                      [&](const auto& t) { return t.sequence > mark; });
        state = states[mark];
        for (SequenceNumber x = mark + 1; x <= s; ++x) states[x] = state;
        continue;
      }
      ++s;
      const std::string key = RandomKey(rng);
      if (rng->OneIn(10)) {
        const std::string end = RandomKey(rng);
        tombstones.push_back({key, end, s});
        std::erase_if(state, [&](const auto& kv) {
          return kv.first >= key && kv.first < end;
        });
      } else if (rng->OneIn(3)) {
        entries.push_back(Delete(key, s));
        state.erase(key);
      } else {
        entries.push_back(Put(key, s, absl::StrCat("own", s)));
        state[key] = absl::StrCat("own", s);
      }
      states[s] = state;
    }
    snapshot = rng->Uniform(s + 1);
    model = states[snapshot];
  }

  std::vector<Entry> entries;
  std::vector<RangeTombstone> tombstones;
  Intervals hidden;
  SequenceNumber snapshot = 0;
  LiveMap model;
};

TEST(OverlayIteratorTest, Random) {
  for (uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    Rng rng(seed);
    LiveMap base;
    for (uint64_t n = rng.Uniform(60); n > 0; --n) {
      base[RandomKey(&rng)] = absl::StrCat("base", n);
    }
    const RandomTransaction transaction(&rng, base);
    KeyRange bounds;
    if (rng.OneIn(2)) bounds.begin = RandomKey(&rng);
    if (rng.OneIn(2)) bounds.end = RandomKey(&rng);
    LiveMap model = transaction.model;
    std::erase_if(model,
                  [&](const auto& kv) { return !bounds.Contains(kv.first); });
    // The base may or may not keep to the bounds by itself.
    const auto it = NewOverlayIterator(
        std::make_unique<VectorIterator>(transaction.entries),
        {{Set(transaction.tombstones), KeyRange()}}, transaction.snapshot,
        transaction.hidden, Base(base, rng.OneIn(2) ? bounds : KeyRange()),
        bounds, nullptr);
    ASSERT_NO_FATAL_FAILURE(CompareWalks(it.get(), model));
    ASSERT_NO_FATAL_FAILURE(CompareWithModel(it.get(), model, &rng, 400));
  }
}

TEST(OverlayIteratorTest, RolledBackEntriesDoNotExist) {
  const LiveMap base = {{"a", "base"}, {"b", "base"}, {"c", "base"}};
  const std::vector<Entry> own = {Put("a", 1, "kept"), Put("a", 4, "undone"),
                                  Delete("b", 5), Put("c", 7, "new"),
                                  Put("d", 6, "undone")};
  const auto it = NewOverlayIterator(
      std::make_unique<VectorIterator>(own), {}, 10, {{6, 6}, {4, 5}},
      Base(base, KeyRange()), KeyRange(), nullptr);
  CompareWalks(it.get(), {{"a", "kept"}, {"b", "base"}, {"c", "new"}});
}

TEST(OverlayIteratorTest, LongOwnRangeDeleteIsNotWalked) {
  LiveMap base;
  for (int i = 10000; i < 20000; ++i) base[absl::StrCat("k", i)] = "base";
  IteratorCounts counts;
  const auto it =
      NewOverlayIterator(std::make_unique<VectorIterator>(
                             std::vector<Entry>{Put("k15000", 9, "own")}),
                         {{Set({{"k10001", "k19999", 5}}), KeyRange()}}, 10, {},
                         Base(base, KeyRange(), &counts), KeyRange(), nullptr);
  CompareWalks(it.get(),
               {{"k10000", "base"}, {"k15000", "own"}, {"k19999", "base"}});
  EXPECT_LT(counts.moves, 60);
}

TEST(OverlayIteratorTest, ErrorsOfEitherSideReachTheReader) {
  std::vector<Entry> own, committed;
  for (int i = 10; i < 20; ++i) {
    own.push_back(Put(absl::StrCat("k", i, "own"), 1, ""));
    committed.push_back(Put(absl::StrCat("k", i), 1, ""));
  }
  for (size_t fail_at = 0; fail_at < 10; ++fail_at) {
    for (const bool in_own : {false, true}) {
      const auto fail = std::optional<size_t>(fail_at);
      const auto it = NewOverlayIterator(
          std::make_unique<VectorIterator>(own, in_own ? fail : std::nullopt),
          {}, 5, {},
          NewVisibleIterator(std::make_unique<VectorIterator>(
                                 committed, in_own ? std::nullopt : fail),
                             {}, 5, KeyRange(), nullptr),
          KeyRange(), nullptr);
      const std::string failing =
          in_own ? own[fail_at].key : committed[fail_at].key;
      for (it->SeekToFirst(); it->Valid(); it->Next()) {
        ASSERT_LT(it->key(), failing);
      }
      EXPECT_EQ(it->status().code(), absl::StatusCode::kDataLoss);
      for (it->SeekToLast(); it->Valid(); it->Prev()) {
        ASSERT_GT(it->key(), failing);
      }
      EXPECT_EQ(it->status().code(), absl::StatusCode::kDataLoss);
    }
  }
}

}  // namespace
}  // namespace nori
