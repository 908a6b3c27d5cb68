// Tables against a model: every way to read gives what was written.

#include <tuple>

#include "table_test_util.h"

namespace nori::testing {
namespace {

std::string RandomKey(Rng& rng) {
  switch (Uniform(rng, 5)) {
    case 0:
      return RandomBytes(rng, Uniform(rng, 4));
    case 1:
      return "shared/prefix/of/many/keys/" + std::to_string(Uniform(rng, 400));
    case 2:
      return std::string("shared/prefix/\0\0", 16) +
             RandomBytes(rng, Uniform(rng, 12));
    case 3:
      return std::string(Uniform(rng, 300), 'x') + RandomText(rng, 2);
    default:
      return RandomText(rng, Uniform(rng, 8));
  }
}

Model RandomModel(Rng& rng, size_t n, SequenceNumber max_sequence) {
  Model model;
  std::string hot = RandomKey(rng);
  while (model.entries.size() < n) {
    // Runs of versions of one key, which part over blocks.
    if (Uniform(rng, 20) == 0) hot = RandomKey(rng);
    const std::string key = Uniform(rng, 3) == 0 ? hot : RandomKey(rng);
    const SequenceNumber sequence = Uniform(rng, max_sequence) + 1;
    if (Uniform(rng, 6) == 0) {
      model.Delete(key, sequence);
    } else {
      const size_t bytes = Uniform(rng, 50) == 0 ? 3000 : Uniform(rng, 60);
      model.Put(key, sequence,
                Uniform(rng, 2) == 0 ? RandomText(rng, bytes)
                                     : RandomBytes(rng, bytes));
    }
  }
  return model;
}

void ExpectAt(const EntryIterator& it, Model::Map::const_iterator expected,
              const Model& model, SequenceNumber base) {
  ASSERT_TRUE(it.status().ok()) << it.status();
  ASSERT_EQ(it.Valid(), expected != model.entries.end());
  if (!it.Valid()) return;
  ASSERT_EQ(it.user_key(), expected->first.first);
  ASSERT_EQ(it.trailer(), expected->first.second + (base << 8));
  ASSERT_EQ(it.value(), expected->second);
}

using Params = std::tuple<Compression, bool /*mapped*/, size_t /*block*/,
                          int /*cache: 0 none, 1 small, 2 large*/>;

class TableRoundTrip : public ::testing::TestWithParam<Params> {
 protected:
  void SetUp() override {
    const auto [compression, mapped, block_bytes, cache_kind] = GetParam();
    seed_ = 1000 * static_cast<uint64_t>(compression) + 100 * mapped +
            block_bytes + static_cast<uint64_t>(cache_kind);
    RecordProperty("seed", std::to_string(seed_));
    SCOPED_TRACE(seed_);
    rng_.seed(seed_);
    base_ = Uniform(rng_, 2) == 0 ? 0 : 1000;
    model_ = RandomModel(rng_, 1500, 5000);
    TableWriterOptions options;
    options.compression = compression;
    options.block_bytes = block_bytes;
    options.restart_interval = 1 << Uniform(rng_, 6);
    built_ = Build(model_, options);
    if (cache_kind > 0) {
      cache_ = BlockCache::Create(cache_kind == 1 ? 20000 : 64 << 20);
    }
    reader_ = Open(built_.bytes, mapped, cache_.get(), base_);
    ASSERT_NE(reader_, nullptr);
  }

  TableIterOptions RandomIterOptions() {
    TableIterOptions options;
    options.fill_cache = Uniform(rng_, 2) == 0;
    options.readahead_bytes = Uniform(rng_, 2) == 0 ? 0 : Uniform(rng_, 20000);
    options.counters = Uniform(rng_, 2) == 0 ? &counters_ : nullptr;
    return options;
  }
  std::string ProbeKey() {
    if (Uniform(rng_, 2) == 0) return RandomKey(rng_);
    auto it = model_.entries.begin();
    std::advance(it,
                 static_cast<ptrdiff_t>(Uniform(rng_, model_.entries.size())));
    std::string key = it->first.first;
    if (Uniform(rng_, 4) == 0) key.push_back('\0');
    if (Uniform(rng_, 4) == 0 && !key.empty()) key.pop_back();
    return key;
  }

  uint64_t seed_ = 0;
  Rng rng_;
  SequenceNumber base_ = 0;
  Model model_;
  BuiltTable built_;
  std::unique_ptr<BlockCache> cache_;
  std::shared_ptr<TableReader> reader_;
  ReadCounters counters_;
};

TEST_P(TableRoundTrip, PropertiesAndVerify) {
  const TableProperties& p = reader_->properties();
  EXPECT_EQ(p.entries, model_.entries.size());
  EXPECT_EQ(p.smallest_key, model_.entries.begin()->first.first);
  EXPECT_EQ(p.largest_key, model_.entries.rbegin()->first.first);
  EXPECT_FALSE(p.largest_exclusive);
  EXPECT_EQ(p.file_bytes, built_.bytes.size());
  uint64_t deletions = 0;
  uint64_t key_bytes = 0;
  uint64_t value_bytes = 0;
  SequenceNumber low = kMaxSequence;
  SequenceNumber high = 0;
  for (const auto& [key, value] : model_.entries) {
    deletions += TrailerKind(key.second) == EntryKind::kDelete;
    key_bytes += key.first.size();
    value_bytes += value.size();
    low = std::min(low, TrailerSequence(key.second));
    high = std::max(high, TrailerSequence(key.second));
  }
  EXPECT_EQ(p.deletions, deletions);
  EXPECT_EQ(p.raw_key_bytes, key_bytes);
  EXPECT_EQ(p.raw_value_bytes, value_bytes);
  EXPECT_EQ(p.smallest_sequence, low);
  EXPECT_EQ(p.largest_sequence, high);
  const absl::Status s = reader_->Verify();
  EXPECT_TRUE(s.ok()) << s;
}

TEST_P(TableRoundTrip, GetAtSnapshots) {
  for (int i = 0; i < 3000; ++i) {
    const std::string key = ProbeKey();
    const SequenceNumber snapshot =
        Uniform(rng_, 10) == 0 ? kMaxSequence : Uniform(rng_, 7000);
    PointLookup result;
    ASSERT_TRUE(
        reader_->Get(key, HashKey(key), snapshot, &result, &counters_).ok());
    const auto expected = snapshot < base_ ? model_.entries.end()
                                           : model_.Find(key, snapshot - base_);
    ASSERT_EQ(result.found, expected != model_.entries.end())
        << "seed " << seed_ << " key " << ::testing::PrintToString(key);
    if (!result.found) continue;
    ASSERT_EQ(result.trailer, expected->first.second + (base_ << 8));
    ASSERT_EQ(result.value, expected->second);
  }
  EXPECT_EQ(counters_.filter_checks, 3000u);
  EXPECT_GT(counters_.filter_negatives, 0u);
}

TEST_P(TableRoundTrip, WalksBothWays) {
  for (int round = 0; round < 3; ++round) {
    auto it = reader_->NewIterator(RandomIterOptions());
    EXPECT_FALSE(it->Valid());
    it->SeekToFirst();
    for (auto e = model_.entries.begin(); e != model_.entries.end(); ++e) {
      ExpectAt(*it, e, model_, base_);
      if (HasFatalFailure()) return;
      it->Next();
    }
    ExpectAt(*it, model_.entries.end(), model_, base_);
    it->SeekToLast();
    for (auto e = model_.entries.end(); e != model_.entries.begin();) {
      ExpectAt(*it, --e, model_, base_);
      if (HasFatalFailure()) return;
      it->Prev();
    }
    ExpectAt(*it, model_.entries.end(), model_, base_);
  }
}

TEST_P(TableRoundTrip, SeeksAndTurns) {
  auto it = reader_->NewIterator(RandomIterOptions());
  for (int i = 0; i < 2000; ++i) {
    if (i % 500 == 0) it = reader_->NewIterator(RandomIterOptions());
    const std::string key = ProbeKey();
    auto expected = model_.entries.end();
    if (Uniform(rng_, 2) == 0) {
      const SequenceNumber sequence = Uniform(rng_, 7000);
      it->Seek(key, SeekTrailer(sequence));
      expected = sequence < base_ ? model_.entries.upper_bound({key, 0})
                                  : model_.entries.lower_bound(
                                        {key, SeekTrailer(sequence - base_)});
    } else {
      it->SeekBefore(key);
      expected = model_.entries.lower_bound({key, UINT64_MAX});
      expected = expected == model_.entries.begin() ? model_.entries.end()
                                                    : std::prev(expected);
    }
    ExpectAt(*it, expected, model_, base_);
    // A random walk that turns around, also at block boundaries.
    for (int step = 0; step < 20 && it->Valid(); ++step) {
      if (Uniform(rng_, 2) == 0) {
        it->Next();
        ++expected;
      } else {
        it->Prev();
        expected = expected == model_.entries.begin() ? model_.entries.end()
                                                      : std::prev(expected);
      }
      ExpectAt(*it, expected, model_, base_);
      if (HasFatalFailure()) FAIL() << "seed " << seed_ << " step " << i;
    }
  }
}

TEST_P(TableRoundTrip, SeeksToItsOwnKey) {
  auto it = reader_->NewIterator(RandomIterOptions());
  auto expected = model_.entries.begin();
  it->SeekToFirst();
  for (int steps = 0; expected != model_.entries.end(); ++steps) {
    if (steps % 3 == 0) {
      // Past all versions of the key, as a reader of visible entries does.
      // No entry has the trailer 0.
      expected = model_.entries.upper_bound({expected->first.first, 0});
      it->Seek(it->user_key(), 0);
    } else {
      const std::string key = expected->first.first;
      it->SeekBefore(it->user_key());
      expected = model_.entries.lower_bound({key, UINT64_MAX});
      if (expected == model_.entries.begin()) {
        ExpectAt(*it, model_.entries.end(), model_, base_);
        it->SeekToFirst();
      } else {
        ExpectAt(*it, std::prev(expected), model_, base_);
        it->Next();
      }
      ExpectAt(*it, expected, model_, base_);
      it->Next();
      ++expected;
    }
    ExpectAt(*it, expected, model_, base_);
    if (HasFatalFailure()) FAIL() << "seed " << seed_ << " step " << steps;
  }
}

TEST_P(TableRoundTrip, ApproximationsAreWithinABlock) {
  uint64_t largest_block = 0;
  uint64_t previous_rank = 0;
  std::string previous_key;
  // No entry is more than the number of entries of the largest block away, and
  // that is bounded by the block size.
  const size_t block_bytes = std::get<2>(GetParam());
  largest_block = block_bytes / 5 + 2;
  uint64_t rank = 0;
  uint64_t previous_offset = 0;
  std::string last_key;
  for (const auto& [key, value] : model_.entries) {
    if (rank == 0 || key.first != last_key) {
      const uint64_t estimate = reader_->ApproximateRank(key.first);
      ASSERT_LE(estimate, rank);
      ASSERT_LE(rank - estimate, largest_block);
      ASSERT_GE(estimate, previous_rank);
      previous_rank = estimate;
      const uint64_t offset = reader_->ApproximateOffset(key.first);
      ASSERT_GE(offset, previous_offset);
      ASSERT_LT(offset, built_.bytes.size());
      previous_offset = offset;
    }
    last_key = key.first;
    ++rank;
  }
  EXPECT_EQ(reader_->ApproximateRank(last_key + "z"), model_.entries.size());
  EXPECT_EQ(reader_->ApproximateOffset(last_key + "z"), built_.bytes.size());
  EXPECT_EQ(reader_->ApproximateRank(""), 0u);
  EXPECT_EQ(reader_->ApproximateOffset(""), 0u);
}

INSTANTIATE_TEST_SUITE_P(
    All, TableRoundTrip,
    ::testing::Combine(::testing::Values(Compression::kNone, Compression::kLz4,
                                         Compression::kZstd),
                       ::testing::Bool(),
                       ::testing::Values<size_t>(1, 200, 4096, 1 << 20),
                       ::testing::Values(0, 1, 2)));

}  // namespace
}  // namespace nori::testing
