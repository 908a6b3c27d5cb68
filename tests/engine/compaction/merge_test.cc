#include "engine/compaction/merge.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/compaction/version_filter.h"
#include "engine/io/memory_file_system.h"
#include "gtest/gtest.h"
#include "tests/engine/iterators/iterator_test_util.h"

namespace nori {
namespace {

using testing::Delete;
using testing::Entry;
using testing::Put;
using testing::RandomKey;
using testing::Rng;
using testing::VectorIterator;

using Layers = std::vector<std::vector<Entry>>;

class MergeTest : public ::testing::Test {
 protected:
  static std::string Path(uint64_t number) {
    return absl::StrCat("/tables/", number);
  }

  void SetUp() override { ASSERT_TRUE(fs_.CreateDirectory("/tables").ok()); }

  MergeOutputOptions Output() {
    MergeOutputOptions output;
    output.table.block_bytes = 256;
    output.new_file = [this]()
        -> absl::StatusOr<std::pair<uint64_t, std::unique_ptr<WritableFile>>> {
      if (files_left_ == 0) return absl::ResourceExhaustedError("no more");
      --files_left_;
      const uint64_t number = ++last_number_;
      auto file = fs_.CreateWritable(Path(number));
      if (!file.ok()) return file.status();
      return std::make_pair(number, *std::move(file));
    };
    return output;
  }

  static MergeInput Input(const Layers& layers,
                          std::vector<RangeTombstone> tombstones = {}) {
    MergeInput input;
    for (const auto& layer : layers) {
      input.layers.push_back(std::make_unique<VectorIterator>(
          layer, std::nullopt, nullptr, /*can_jump=*/true));
    }
    input.tombstones = std::move(tombstones);
    return input;
  }

  std::shared_ptr<TableReader> Open(const TableMeta& meta) {
    auto file = fs_.OpenRandomAccess(Path(meta.number));
    EXPECT_TRUE(file.ok()) << file.status();
    TableReaderOptions options;
    options.file_number = meta.number;
    options.path = Path(meta.number);
    auto reader = TableReader::Open(options, *std::move(file));
    EXPECT_TRUE(reader.ok()) << reader.status();
    return *std::move(reader);
  }

  // All that the tables hold; checks each against its description, and that
  // they ascend without overlap.
  void ReadBack(const MergeResult& result, std::vector<Entry>* entries,
                std::vector<RangeTombstone>* tombstones) {
    const TableMeta* previous = nullptr;
    uint64_t bytes = 0;
    for (const TableMeta& meta : result.tables) {
      if (previous != nullptr) {
        ASSERT_TRUE(previous->largest_key < meta.smallest_key ||
                    (previous->largest_exclusive &&
                     previous->largest_key == meta.smallest_key));
      }
      previous = &meta;
      const auto reader = Open(meta);
      ASSERT_TRUE(reader->Verify().ok()) << reader->Verify();
      SequenceNumber smallest = kMaxSequence, largest = 0;
      uint64_t count = 0, deletions = 0;
      const auto it = reader->NewIterator();
      for (it->SeekToFirst(); it->Valid(); it->Next()) {
        entries->push_back({std::string(it->user_key()), it->trailer(),
                            std::string(it->value())});
        const Entry& e = entries->back();
        ASSERT_GE(e.key, meta.smallest_key);
        ASSERT_LE(e.key, meta.largest_key);
        smallest = std::min(smallest, e.sequence());
        largest = std::max(largest, e.sequence());
        ++count;
        deletions += e.is_put() ? 0 : 1;
      }
      ASSERT_TRUE(it->status().ok()) << it->status();
      for (const auto& f : reader->range_tombstones().fragments()) {
        ASSERT_GE(f.begin, meta.smallest_key);
        ASSERT_LE(f.end, meta.largest_key);
        for (const SequenceNumber s : f.sequences) {
          tombstones->push_back({f.begin, f.end, s});
          smallest = std::min(smallest, s);
          largest = std::max(largest, s);
        }
      }
      ASSERT_EQ(meta.smallest_sequence, smallest);
      ASSERT_EQ(meta.largest_sequence, largest);
      ASSERT_EQ(meta.entries, count);
      ASSERT_EQ(meta.deletions, deletions);
      ASSERT_EQ(meta.sequence_base, 0);
      ASSERT_EQ(meta.file_bytes, *fs_.FileSize(Path(meta.number)));
      bytes += meta.file_bytes;
    }
    ASSERT_EQ(result.entries_out, entries->size());
    ASSERT_EQ(result.bytes_out, bytes);
  }

  MemoryFileSystem fs_;
  uint64_t last_number_ = 0;
  int files_left_ = 1 << 20;
};

// No (key, sequence) twice in one layer; sequences of newer layers are higher,
// except for the last of one and the first of the next, which may be equal.
Layers RandomLayers(Rng* rng, std::vector<RangeTombstone>* tombstones,
                    SequenceNumber* last) {
  Layers layers(1 + rng->Uniform(5));
  SequenceNumber s = 1;
  for (size_t i = layers.size(); i-- > 0;) {
    std::set<std::string> in_commit;
    for (uint64_t n = rng->Uniform(120); n > 0; --n) {
      if (rng->OneIn(2)) {
        ++s;
        in_commit.clear();
      }
      const std::string key = RandomKey(rng, 200);
      if (!in_commit.insert(key).second) continue;
      layers[i].push_back(
          rng->OneIn(4) ? Delete(key, s)
                        : Put(key, s, std::string(rng->Uniform(100), 'v')));
      if (rng->OneIn(15)) {
        tombstones->push_back({RandomKey(rng, 200), RandomKey(rng, 200), s});
      }
    }
  }
  *last = s;
  return layers;
}

std::vector<Entry> Expected(const Layers& layers, const MergeInput& input,
                            std::vector<RangeTombstone>* tombstones) {
  std::vector<Entry> all;
  for (const auto& layer : layers) {
    all.insert(all.end(), layer.begin(), layer.end());
  }
  std::stable_sort(all.begin(), all.end(), [](const Entry& a, const Entry& b) {
    return a.key != b.key ? a.key < b.key : a.sequence() > b.sequence();
  });
  VersionFilter filter(input.snapshots, *tombstones, input.bottommost);
  std::vector<Entry> kept;
  for (const Entry& e : all) {
    if (!input.range.Contains(e.key) || !filter.Add(e.key, e.trailer)) continue;
    for (const uint64_t d : filter.deferred_deletes()) {
      kept.push_back({e.key, d, ""});
    }
    kept.push_back(e);
  }
  tombstones->clear();
  for (const auto& f : filter.kept_tombstones().fragments()) {
    for (const SequenceNumber s : f.sequences) {
      tombstones->push_back({f.begin, f.end, s});
    }
  }
  return kept;
}

std::vector<RangeTombstone> Fragments(
    const std::vector<RangeTombstone>& tombstones) {
  std::vector<RangeTombstone> result;
  const RangeTombstoneSet set(tombstones);
  for (const auto& f : set.fragments()) {
    for (const SequenceNumber s : f.sequences) {
      result.push_back({f.begin, f.end, s});
    }
  }
  return result;
}

void Clip(std::vector<RangeTombstone>* tombstones, const KeyRange& range) {
  for (RangeTombstone& t : *tombstones) {
    t.begin = std::max(t.begin, range.begin);
    if (!range.end.empty()) t.end = std::min(t.end, range.end);
  }
}

TEST_F(MergeTest, RandomInputsComeOutFilteredAndCut) {
  for (uint64_t seed = 0; seed < 150; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    Rng rng(seed);
    std::vector<RangeTombstone> tombstones;
    SequenceNumber last = 0;
    const Layers layers = RandomLayers(&rng, &tombstones, &last);
    KeyRange range;
    if (rng.OneIn(3)) range.begin = RandomKey(&rng, 200);
    if (rng.OneIn(3)) range.end = RandomKey(&rng, 200);
    if (!range.end.empty() && range.end <= range.begin) range.end.clear();
    Clip(&tombstones, range);
    MergeInput input = Input(layers, tombstones);
    input.range = range;
    input.bottommost = rng.OneIn(2);
    std::set<SequenceNumber> snapshots;
    for (uint64_t n = rng.Uniform(4); n > 0; --n) {
      snapshots.insert(rng.Uniform(last + 1));
    }
    input.snapshots.assign(snapshots.begin(), snapshots.end());
    MergeOutputOptions output = Output();
    output.table_bytes = rng.OneIn(2) ? 512 : 1 << 20;
    std::set<std::string> cuts;
    for (uint64_t n = rng.Uniform(6); n > 0; --n) {
      cuts.insert(RandomKey(&rng, 200));
    }
    output.cuts.assign(cuts.begin(), cuts.end());

    const std::vector<Entry> want = Expected(layers, input, &tombstones);
    const auto result = MergeToTables(std::move(input), output);
    ASSERT_TRUE(result.ok()) << result.status();
    std::vector<Entry> entries;
    std::vector<RangeTombstone> found;
    ASSERT_NO_FATAL_FAILURE(ReadBack(*result, &entries, &found));
    ASSERT_EQ(entries, want);
    ASSERT_EQ(Fragments(found), tombstones);
    for (const TableMeta& meta : result->tables) {
      ASSERT_GE(meta.smallest_key, range.begin);
      for (const std::string& cut : cuts) {
        ASSERT_TRUE(cut <= meta.smallest_key || meta.largest_key < cut ||
                    (meta.largest_exclusive && meta.largest_key == cut))
            << "a table goes over a cut";
      }
    }
  }
}

TEST_F(MergeTest, VersionsOfOneKeyStayTogether) {
  std::vector<Entry> layer;
  std::vector<SequenceNumber> snapshots;
  for (SequenceNumber s = 1; s <= 200; ++s) {
    // Hard to compress, so that the size limit is passed over and over.
    std::string value;
    Rng rng(s);
    for (int i = 0; i < 200; ++i) {
      value.push_back(static_cast<char>(rng.Uniform(256)));
    }
    layer.push_back(Put("k1", s, value));
    layer.push_back(Put("k2", s, value));
    snapshots.push_back(s);
  }
  MergeInput input = Input({layer});
  input.snapshots = snapshots;
  MergeOutputOptions output = Output();
  output.table_bytes = 1024;
  const auto result = MergeToTables(std::move(input), output);
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_EQ(result->tables.size(), 2);
  EXPECT_EQ(result->tables[0].entries, 200);
  EXPECT_EQ(result->tables[1].entries, 200);
  EXPECT_EQ(result->entries_in, 400);
}

TEST_F(MergeTest, OnlyTombstonesAreCutAtGuards) {
  MergeInput input = Input({}, {{"b", "x", 5}});
  MergeOutputOptions output = Output();
  output.cuts = {"a", "f", "m", "z"};
  const auto result = MergeToTables(std::move(input), output);
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_EQ(result->tables.size(), 3);
  const std::vector<std::pair<std::string, std::string>> want = {
      {"b", "f"}, {"f", "m"}, {"m", "x"}};
  for (size_t i = 0; i < want.size(); ++i) {
    EXPECT_EQ(result->tables[i].smallest_key, want[i].first);
    EXPECT_EQ(result->tables[i].largest_key, want[i].second);
    EXPECT_TRUE(result->tables[i].largest_exclusive);
    EXPECT_EQ(result->tables[i].range_deletions, 1);
    EXPECT_EQ(result->tables[i].entries, 0);
  }
}

TEST_F(MergeTest, NothingLeftMakesNoTable) {
  MergeInput input = Input({{Delete("a", 9)}, {Put("a", 5, "v")}});
  input.bottommost = true;
  const auto result = MergeToTables(std::move(input), Output());
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->tables.empty());
  EXPECT_EQ(result->entries_in, 2);
  EXPECT_EQ(result->entries_out, 0);
  EXPECT_EQ(last_number_, 0);
}

TEST_F(MergeTest, JumpsOverWhatARangeTombstoneHides) {
  std::vector<Entry> layer;
  for (int i = 10000; i < 20000; ++i) {
    layer.push_back(Put(absl::StrCat("k", i), 1, "v"));
  }
  MergeInput input =
      Input({{Put("k15000", 9, "new")}, layer}, {{"k10001", "k19999", 5}});
  input.snapshots = {7};
  const auto result = MergeToTables(std::move(input), Output());
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->entries_out, 3);
  EXPECT_LT(result->entries_in, 50);
}

TEST_F(MergeTest, ReportsProgressAndStopsWhenCancelled) {
  std::vector<Entry> layer;
  for (int i = 1000; i < 2000; ++i) {
    layer.push_back(Put(absl::StrCat("k", i), 1, std::string(1000, 'v')));
  }
  uint64_t bytes = 0;
  int calls = 0;
  MergeOutputOptions output = Output();
  output.on_progress = [&](uint64_t n) {
    bytes += n;
    ++calls;
  };
  ASSERT_TRUE(MergeToTables(Input({layer}), output).ok());
  EXPECT_EQ(bytes, 1000 * (1000 + 5 + 8));
  EXPECT_EQ(calls, 4);

  std::atomic<bool> cancelled = false;
  calls = 0;
  output.cancelled = &cancelled;
  output.on_progress = [&](uint64_t) { cancelled = ++calls == 2; };
  const auto result = MergeToTables(Input({layer}), output);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(calls, 2);
}

TEST_F(MergeTest, ErrorsOfInputAndOutputEndIt) {
  const std::vector<Entry> layer = {Put("a", 1, ""), Put("b", 1, ""),
                                    Put("c", 1, "")};
  for (size_t fail_at = 0; fail_at < 3; ++fail_at) {
    MergeInput input = Input({{Put("d", 2, "")}});
    input.layers.push_back(std::make_unique<VectorIterator>(layer, fail_at));
    EXPECT_EQ(MergeToTables(std::move(input), Output()).status().code(),
              absl::StatusCode::kDataLoss);
  }
  MergeOutputOptions output = Output();
  output.cuts = {"b"};
  files_left_ = 1;
  EXPECT_EQ(MergeToTables(Input({layer}), output).status().code(),
            absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace nori
