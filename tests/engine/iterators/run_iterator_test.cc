#include "engine/iterators/run_iterator.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "tests/engine/iterators/iterator_test_util.h"

namespace nori {
namespace {

using testing::Entry;
using testing::Put;
using testing::RandomKey;
using testing::Rng;
using testing::VectorIterator;

class FakeTable final : public TableReader {
 public:
  explicit FakeTable(std::vector<Entry> entries,
                     std::optional<size_t> fail_at = {})
      : entries_(std::move(entries)), fail_at_(fail_at) {}

  int opened() const { return opened_; }

  absl::Status Get(std::string_view, uint64_t, SequenceNumber, PointLookup*,
                   ReadCounters*) const override {
    return absl::UnimplementedError("Get");
  }
  bool MayContain(uint64_t) const override { return true; }
  bool HasFilter() const override { return false; }
  std::unique_ptr<EntryIterator> NewIterator(
      const TableIterOptions&) const override {
    ++opened_;
    return std::make_unique<VectorIterator>(entries_, fail_at_);
  }
  const RangeTombstoneSet& range_tombstones() const override { return none_; }
  const TableProperties& properties() const override { return properties_; }
  uint64_t ApproximateOffset(std::string_view) const override { return 0; }
  uint64_t ApproximateRank(std::string_view) const override { return 0; }
  std::vector<std::string> SampleKeys(std::string_view, std::string_view,
                                      size_t) const override {
    return {};
  }
  absl::Status Verify() const override { return absl::OkStatus(); }
  size_t MemoryUsage() const override { return 0; }

 private:
  const std::vector<Entry> entries_;
  const std::optional<size_t> fail_at_;
  RangeTombstoneSet none_;
  TableProperties properties_;
  mutable int opened_ = 0;
};

struct Fixture {
  Run run;
  std::vector<std::shared_ptr<FakeTable>> tables;
  std::vector<Entry> model;  // what the run shows, in order

  // Adds a slice of a table with `entries` (sorted by the call).
  void AddSlice(std::vector<Entry> entries, KeyRange range,
                std::optional<size_t> fail_at = {}) {
    std::sort(entries.begin(), entries.end(), testing::InternalLess);
    TableMeta meta;
    meta.number = tables.size() + 1;
    meta.smallest_key = entries.front().key;
    meta.largest_key = entries.back().key;
    for (const Entry& e : entries) {
      meta.largest_sequence = std::max(meta.largest_sequence, e.sequence());
      if (range.Contains(e.key)) model.push_back(e);
    }
    tables.push_back(std::make_shared<FakeTable>(entries, fail_at));
    auto table = std::make_shared<Table>();
    table->meta = std::move(meta);
    table->reader = tables.back();
    Slice slice;
    slice.table = std::move(table);
    slice.range = std::move(range);
    run.slices.push_back(std::move(slice));
  }
};

// Slices with gaps and without, of tables that reach beyond them or not, some
// slices empty.
Fixture RandomRun(Rng* rng) {
  Fixture f;
  std::set<std::string> cut_set;
  for (uint64_t i = rng->Uniform(9); i > 0; --i) cut_set.insert(RandomKey(rng));
  cut_set.erase("");
  const std::vector<std::string> cuts(cut_set.begin(), cut_set.end());
  for (size_t i = 0; i <= cuts.size(); ++i) {
    KeyRange range;
    if (i > 0) range.begin = cuts[i - 1];
    if (i < cuts.size()) range.end = cuts[i];
    if (rng->OneIn(4)) continue;
    const bool reaches_out = rng->OneIn(2);
    std::set<std::pair<std::string, SequenceNumber>> keys;
    for (uint64_t n = 1 + rng->Uniform(30); n > 0; --n) {
      const std::string key = RandomKey(rng);
      if (reaches_out || range.Contains(key)) {
        keys.emplace(key, 1 + rng->Uniform(5));
      }
    }
    std::vector<Entry> entries;
    for (const auto& [key, s] : keys) entries.push_back(Put(key, s, "v" + key));
    if (!entries.empty()) f.AddSlice(entries, range);
  }
  return f;
}

TEST(RunIteratorTest, MatchesModelUnderRandomMoves) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    Rng rng(seed);
    const Fixture f = RandomRun(&rng);
    const std::vector<Entry>& model = f.model;
    const auto it = NewRunIterator(&f.run, {});
    const auto end = static_cast<int64_t>(model.size());
    int64_t at = -1;
    for (int i = 0; i < 200; ++i) {
      const uint64_t op = rng.Uniform(14);
      const std::string key = RandomKey(&rng);
      if (op == 0) {
        it->SeekToFirst();
        at = 0;
      } else if (op == 1) {
        it->SeekToLast();
        at = end - 1;
      } else if (op == 2) {
        const Entry target{key, SeekTrailer(rng.Uniform(7)), ""};
        it->Seek(key, target.trailer);
        at = std::lower_bound(model.begin(), model.end(), target,
                              testing::InternalLess) -
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

// After a hint the iterator may have left out entries that the hint allows it
// to, and no others.
TEST(RunIteratorTest, HintsNeverLoseAnEntry) {
  int jumps = 0;
  for (uint64_t seed = 0; seed < 500; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    Rng rng(seed);
    const Fixture f = RandomRun(&rng);
    const auto it = NewRunIterator(&f.run, {});
    const bool backward = rng.OneIn(2);
    std::vector<Entry> order = f.model;
    if (backward) std::reverse(order.begin(), order.end());
    size_t at = 0;
    if (backward) {
      it->SeekToLast();
    } else {
      it->SeekToFirst();
    }
    while (it->Valid()) {
      ASSERT_LT(at, order.size());
      ASSERT_EQ(it->user_key(), order[at].key);
      ASSERT_EQ(it->trailer(), order[at].trailer);
      if (rng.OneIn(3)) {
        const std::string bound = RandomKey(&rng);
        const SequenceNumber s = 1 + rng.Uniform(7);
        const bool moved = backward ? it->SkipHiddenBackward(bound, s)
                                    : it->SkipHiddenForward(bound, s);
        if (!moved) continue;
        ++jumps;
        const size_t from = at;
        while (at < order.size() &&
               !(it->Valid() && order[at].key == it->user_key() &&
                 order[at].trailer == it->trailer())) {
          ASSERT_LT(order[at].sequence(), s);
          ASSERT_TRUE(backward ? order[at].key >= bound
                               : order[at].key < bound);
          ++at;
        }
        ASSERT_GT(at, from);
        continue;
      }
      ++at;
      if (backward) {
        it->Prev();
      } else {
        it->Next();
      }
    }
    ASSERT_EQ(at, order.size());
  }
  EXPECT_GT(jumps, 100);
}

TEST(RunIteratorTest, JumpsOverTablesWithoutOpeningThem) {
  Fixture f;
  f.AddSlice({Put("a1", 1, ""), Put("a2", 1, "")}, {"a", "b"});
  f.AddSlice({Put("b1", 1, ""), Put("b2", 1, "")}, {"b", "c"});
  f.AddSlice({Put("c1", 1, ""), Put("c2", 1, "")}, {"c", "d"});
  f.AddSlice({Put("d1", 1, ""), Put("d2", 1, "")}, {"d", ""});
  const auto it = NewRunIterator(&f.run, {});
  it->SeekToFirst();
  EXPECT_TRUE(it->SkipHiddenForward("d2", 5));
  ASSERT_TRUE(it->Valid());
  EXPECT_EQ(it->user_key(), "d2");
  EXPECT_EQ(f.tables[1]->opened(), 0);
  EXPECT_EQ(f.tables[2]->opened(), 0);
  EXPECT_TRUE(it->SkipHiddenBackward("a2", 5));
  ASSERT_TRUE(it->Valid());
  EXPECT_EQ(it->user_key(), "a1");
  EXPECT_EQ(f.tables[1]->opened(), 0);
  EXPECT_EQ(f.tables[2]->opened(), 0);
}

TEST(RunIteratorTest, OpensTablesOnlyWhenReached) {
  Fixture f;
  f.AddSlice({Put("a1", 1, ""), Put("a2", 1, "")}, {"a", "b"});
  f.AddSlice({Put("b1", 1, ""), Put("b2", 1, "")}, {"b", "c"});
  f.AddSlice({Put("c1", 1, ""), Put("c2", 1, "")}, {"c", "d"});
  const auto it = NewRunIterator(&f.run, {});
  for (const auto& table : f.tables) EXPECT_EQ(table->opened(), 0);
  it->Seek("b1", SeekTrailer(kMaxSequence));
  EXPECT_EQ(f.tables[0]->opened(), 0);
  EXPECT_EQ(f.tables[1]->opened(), 1);
  EXPECT_EQ(f.tables[2]->opened(), 0);
  it->Next();
  it->Seek("b2", SeekTrailer(kMaxSequence));
  EXPECT_EQ(f.tables[1]->opened(), 1);
  EXPECT_EQ(f.tables[2]->opened(), 0);
  it->Next();
  EXPECT_EQ(it->user_key(), "c1");
  EXPECT_EQ(f.tables[2]->opened(), 1);
}

TEST(RunIteratorTest, ErrorIsNotTakenForAnEnd) {
  Fixture f;
  f.AddSlice({Put("a1", 1, ""), Put("a2", 1, "")}, {"a", "b"});
  f.AddSlice({Put("b1", 1, ""), Put("b2", 1, ""), Put("b3", 1, "")}, {"b", "c"},
             1);
  f.AddSlice({Put("c1", 1, "")}, {"c", "d"});
  const auto it = NewRunIterator(&f.run, {});
  std::vector<std::string> seen;
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    seen.emplace_back(it->user_key());
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"a1", "a2", "b1"}));
  EXPECT_EQ(it->status().code(), absl::StatusCode::kDataLoss);
  seen.clear();
  for (it->SeekToLast(); it->Valid(); it->Prev()) {
    seen.emplace_back(it->user_key());
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"c1", "b3"}));
  EXPECT_EQ(it->status().code(), absl::StatusCode::kDataLoss);
  it->Seek("c", 0);
  ASSERT_TRUE(it->Valid());
  EXPECT_TRUE(it->status().ok());
}

}  // namespace
}  // namespace nori
