// Single behaviours of tables.

#include <algorithm>
#include <set>

#include "table_test_util.h"

namespace nori::testing {
namespace {

std::string NumberKey(uint64_t i) {
  char buffer[32];
  snprintf(buffer, sizeof(buffer), "user/%010llu",
           static_cast<unsigned long long>(i));
  return buffer;
}

Model NumberModel(uint64_t n, size_t value_bytes = 20) {
  Rng rng(n);
  Model model;
  for (uint64_t i = 0; i < n; ++i) {
    model.Put(NumberKey(2 * i), i + 1, RandomText(rng, value_bytes));
  }
  return model;
}

TEST(TableTest, EmptyTable) {
  const BuiltTable built = Build(Model(), {});
  for (bool mapped : {false, true}) {
    auto reader = Open(built.bytes, mapped);
    EXPECT_TRUE(reader->Verify().ok());
    PointLookup result;
    EXPECT_TRUE(reader->Get("a", HashKey("a"), kMaxSequence, &result).ok());
    EXPECT_FALSE(result.found);
    auto it = reader->NewIterator();
    it->SeekToFirst();
    EXPECT_FALSE(it->Valid());
    it->SeekToLast();
    EXPECT_FALSE(it->Valid());
    it->Seek("", SeekTrailer(1));
    EXPECT_FALSE(it->Valid());
    it->SeekBefore("z");
    EXPECT_FALSE(it->Valid());
    EXPECT_TRUE(it->status().ok());
    EXPECT_EQ(reader->ApproximateRank("a"), 0u);
    EXPECT_TRUE(reader->SampleKeys("", "", 5).empty());
  }
}

TEST(TableTest, OnlyTombstones) {
  const std::vector<RangeTombstone> tombstones = {
      {"m", "q", 9}, {"c", "f", 12}, {"d", "e", 3}, {"x", "x", 99}};
  const BuiltTable built = Build(Model(), {}, tombstones);
  EXPECT_EQ(built.properties.range_deletions, 3u);
  EXPECT_EQ(built.properties.smallest_key, "c");
  EXPECT_EQ(built.properties.largest_key, "q");
  EXPECT_TRUE(built.properties.largest_exclusive);
  EXPECT_EQ(built.properties.smallest_sequence, 3u);
  EXPECT_EQ(built.properties.largest_sequence, 12u);
  auto reader = Open(built.bytes, true, nullptr, 100);
  EXPECT_TRUE(reader->Verify().ok());
  EXPECT_EQ(reader->range_tombstones().Covering("d", kMaxSequence), 112u);
  EXPECT_EQ(reader->range_tombstones().Covering("d", 111), 103u);
  EXPECT_EQ(reader->range_tombstones().Covering("q", kMaxSequence), 0u);
  EXPECT_EQ(reader->ApproximateOffset("q"), built.bytes.size());
}

TEST(TableTest, BoundsJoinPointsAndTombstones) {
  Model model;
  model.Put("d", 5, "v");
  model.Put("p", 6, "v");
  struct Case {
    RangeTombstone tombstone;
    std::string smallest, largest;
    bool exclusive;
  };
  for (const Case& c : {Case{{"e", "f", 1}, "d", "p", false},
                        Case{{"a", "p", 1}, "a", "p", false},
                        Case{{"a", "q", 1}, "a", "q", true},
                        Case{{"x", "y", 1}, "d", "y", true}}) {
    const BuiltTable built = Build(model, {}, {c.tombstone});
    EXPECT_EQ(built.properties.smallest_key, c.smallest);
    EXPECT_EQ(built.properties.largest_key, c.largest);
    EXPECT_EQ(built.properties.largest_exclusive, c.exclusive);
    auto reader = Open(built.bytes, false);
    EXPECT_TRUE(reader->Verify().ok()) << reader->Verify();
    EXPECT_EQ(reader->properties().largest_key, c.largest);
    EXPECT_EQ(reader->properties().largest_exclusive, c.exclusive);
    EXPECT_EQ(reader->range_tombstones().fragments().size(), 1u);
  }
}

TEST(TableTest, KeysOfEverySize) {
  Rng rng(17);
  Model model;
  model.Put("", 3, "empty key");
  model.Delete("", 2);
  const std::string big(kMaxKeyBytes - 1, 'k');
  for (char c = 'a'; c < 'k'; ++c) {
    model.Put(big + c, 5, std::string(1, c));
    model.Put(RandomBytes(rng, kMaxKeyBytes), 4, "random");
  }
  for (Compression compression : {Compression::kNone, Compression::kLz4}) {
    TableWriterOptions options;
    options.compression = compression;
    const BuiltTable built = Build(model, options);
    auto reader = Open(built.bytes, compression == Compression::kNone);
    EXPECT_TRUE(reader->Verify().ok()) << reader->Verify();
    for (const auto& [key, value] : model.entries) {
      PointLookup result;
      ASSERT_TRUE(reader
                      ->Get(key.first, HashKey(key.first),
                            TrailerSequence(key.second), &result)
                      .ok());
      ASSERT_TRUE(result.found);
      EXPECT_EQ(result.value, value);
    }
  }
}

TEST(TableTest, OneVersionInEachBlock) {
  Model model;
  for (SequenceNumber s = 1; s <= 300; ++s) {
    model.Put("hot", s * 2, std::string(100, 'v') + std::to_string(s));
  }
  model.Put("aa", 1, "before");
  model.Put("hot0", 1, "after");
  TableWriterOptions options;
  options.block_bytes = 64;
  options.compression = Compression::kNone;
  const BuiltTable built = Build(model, options);
  EXPECT_GT(built.properties.data_blocks, 290u);
  auto reader = Open(built.bytes, true);
  ASSERT_TRUE(reader->Verify().ok()) << reader->Verify();
  for (SequenceNumber s = 0; s <= 620; ++s) {
    PointLookup result;
    ASSERT_TRUE(reader->Get("hot", HashKey("hot"), s, &result).ok());
    const auto expected = model.Find("hot", s);
    ASSERT_EQ(result.found, expected != model.entries.end()) << s;
    if (result.found) {
      EXPECT_EQ(result.value, expected->second);
    }
  }
  EXPECT_LE(reader->ApproximateRank("hot"), 1u);
  EXPECT_TRUE(reader->SampleKeys("hot", "hot0", 10).empty());
}

TEST(TableTest, BlockTooFullForTags) {
  // More entries in a block than tags are kept for.
  Model model = NumberModel(5000, 3);
  TableWriterOptions options;
  options.block_bytes = 1 << 20;
  const BuiltTable built = Build(model, options);
  EXPECT_EQ(built.properties.data_blocks, 1u);
  auto reader = Open(built.bytes, true);
  ASSERT_TRUE(reader->Verify().ok());
  for (uint64_t i = 0; i < 10010; ++i) {
    const std::string key = NumberKey(i);
    PointLookup result;
    ASSERT_TRUE(reader->Get(key, HashKey(key), kMaxSequence, &result).ok());
    ASSERT_EQ(result.found, i % 2 == 0 && i < 10000);
    ASSERT_TRUE(reader->Get(key, HashKey(key), 0, &result).ok());
    ASSERT_FALSE(result.found);
  }
}

TEST(TableTest, WriterRejectsWhatItMust) {
  auto make = [] {
    return TableWriter::Create({}, std::make_unique<MemoryWritableFile>(
                                       std::make_shared<MemoryContent>()));
  };
  auto writer = make();
  ASSERT_TRUE(writer->Add("b", PackTrailer(5, EntryKind::kPut), "v").ok());
  EXPECT_TRUE(absl::IsInvalidArgument(
      writer->Add("a", PackTrailer(5, EntryKind::kPut), "v")));
  EXPECT_TRUE(absl::IsInvalidArgument(writer->Finish().status()));

  writer = make();
  ASSERT_TRUE(writer->Add("b", PackTrailer(5, EntryKind::kPut), "v").ok());
  EXPECT_FALSE(writer->Add("b", PackTrailer(5, EntryKind::kPut), "v").ok());
  writer = make();
  EXPECT_FALSE(
      writer->Add("b", PackTrailer(5, EntryKind::kRangeDelete), "").ok());
  writer = make();
  EXPECT_FALSE(writer
                   ->Add(std::string(kMaxKeyBytes + 1, 'k'),
                         PackTrailer(5, EntryKind::kPut), "")
                   .ok());
  writer = make();
  ASSERT_TRUE(writer->Finish().ok());
  EXPECT_FALSE(writer->Finish().ok());
  EXPECT_FALSE(writer->Add("b", PackTrailer(5, EntryKind::kPut), "v").ok());
}

TEST(TableTest, WriteErrorsStick) {
  const Model model = NumberModel(600);
  TableWriterOptions options;
  options.compression = Compression::kNone;
  const size_t bytes = Build(model, options).bytes.size();
  // In a data block, and in each of the pieces after them.
  for (size_t fail_at : {size_t{10}, bytes / 2, bytes - 1000, bytes - 200,
                         bytes - 120, bytes - 90, bytes}) {
    auto content = std::make_shared<MemoryContent>();
    content->fail_at = fail_at;
    auto writer = TableWriter::Create(
        options, std::make_unique<MemoryWritableFile>(content));
    absl::Status s;
    for (const auto& [key, value] : model.entries) {
      s = writer->Add(key.first, key.second, value);
      if (!s.ok()) break;
    }
    if (!s.ok()) {
      EXPECT_TRUE(absl::IsResourceExhausted(s));
      content->fail_at = UINT64_MAX;  // the hole in the file is remembered
    }
    EXPECT_TRUE(absl::IsResourceExhausted(writer->Finish().status()))
        << fail_at;
    EXPECT_FALSE(content->synced);
  }
}

TEST(TableTest, UnfinishedFileIsUnreadable) {
  auto content = std::make_shared<MemoryContent>();
  auto writer =
      TableWriter::Create({}, std::make_unique<MemoryWritableFile>(content));
  for (const auto& [key, value] : NumberModel(1000).entries) {
    ASSERT_TRUE(writer->Add(key.first, key.second, value).ok());
  }
  const uint64_t estimate = writer->EstimatedFileBytes();
  EXPECT_GT(estimate, content->bytes.size());
  EXPECT_TRUE(absl::IsDataLoss(TryOpen(content->bytes, true).status()));
  ASSERT_TRUE(writer->Finish().ok());
  EXPECT_LT(content->bytes.size(), estimate * 6 / 5);
  EXPECT_GT(content->bytes.size(), estimate * 3 / 5);
  EXPECT_TRUE(TryOpen(content->bytes, true).ok());
}

TEST(TableTest, SampleKeysCutEvenly) {
  const BuiltTable built = Build(NumberModel(20000), {});
  auto reader = Open(built.bytes, true);
  for (size_t n : {1, 3, 10, 50}) {
    const std::string begin = NumberKey(4000);
    const std::string end = NumberKey(36000);
    for (bool bounded : {false, true}) {
      const std::vector<std::string> keys =
          reader->SampleKeys(bounded ? begin : "", bounded ? end : "", n);
      ASSERT_EQ(keys.size(), n);
      EXPECT_TRUE(std::is_sorted(keys.begin(), keys.end()));
      EXPECT_EQ(std::set<std::string>(keys.begin(), keys.end()).size(), n);
      if (bounded) {
        EXPECT_GT(keys.front(), begin);
        EXPECT_LT(keys.back(), end);
      }
      const uint64_t total = bounded ? 16000 : 20000;
      uint64_t previous = bounded ? 2000 : 0;
      for (const std::string& key : keys) {
        const uint64_t rank = reader->ApproximateRank(key);
        EXPECT_NEAR(static_cast<double>(rank - previous),
                    static_cast<double>(total) / static_cast<double>(n + 1),
                    260);
        previous = rank;
      }
    }
  }
  // More than there are blocks: every separator once.
  EXPECT_EQ(reader->SampleKeys("", "", 1 << 20).size(),
            built.properties.data_blocks - 1);
  EXPECT_TRUE(reader->SampleKeys("x", "z", 3).empty());
}

TEST(TableTest, InPlaceReadsNeedNoCache) {
  TableWriterOptions options;
  options.compression = Compression::kNone;
  const Model model = NumberModel(2000);
  const BuiltTable built = Build(model, options);
  auto cache = BlockCache::Create(1 << 20);
  auto reader = Open(built.bytes, true, cache.get());
  PointLookup result;
  const std::string key = NumberKey(100);
  ReadCounters counters;
  ASSERT_TRUE(
      reader->Get(key, HashKey(key), kMaxSequence, &result, &counters).ok());
  EXPECT_TRUE(result.found);
  EXPECT_EQ(result.pin, nullptr);
  EXPECT_EQ(counters.blocks_read, 1u);
  EXPECT_EQ(counters.blocks_missed, 0u);
  EXPECT_EQ(cache->usage(), 0u);
}

TEST(TableTest, PinOutlivesCacheAndReader) {
  const BuiltTable built = Build(NumberModel(2000, 100), {});
  auto cache = BlockCache::Create(1 << 20);
  auto reader = Open(built.bytes, false, cache.get());
  const std::string key = NumberKey(100);
  PointLookup result;
  ReadCounters counters;
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(
        reader->Get(key, HashKey(key), kMaxSequence, &result, &counters).ok());
  }
  EXPECT_EQ(counters.blocks_missed, 1u);
  EXPECT_EQ(cache->hits(), 1u);
  const std::string expected(result.value);
  ASSERT_NE(result.pin, nullptr);
  cache->EraseFile(7);
  EXPECT_EQ(cache->usage(), 0u);
  reader.reset();
  cache.reset();
  EXPECT_EQ(result.value, expected);
}

TEST(TableTest, FillCacheAndReadahead) {
  const BuiltTable built = Build(NumberModel(20000), {});
  auto cache = BlockCache::Create(16 << 20);
  TableReaderOptions options;
  options.cache = cache.get();
  options.file_number = 3;
  for (bool mapped : {false, true}) {
    auto owned = std::make_unique<MemoryReadFile>(built.bytes, mapped);
    const MemoryReadFile& file = *owned;
    auto reader = TableReader::Open(options, std::move(owned));
    ASSERT_TRUE(reader.ok());
    auto walk = [&](TableIterOptions iter_options) {
      auto it = (*reader)->NewIterator(iter_options);
      uint64_t n = 0;
      for (it->SeekToFirst(); it->Valid(); it->Next()) ++n;
      EXPECT_TRUE(it->status().ok());
      EXPECT_EQ(n, 20000u);
      for (it->SeekToLast(); it->Valid(); it->Prev()) --n;
      EXPECT_EQ(n, 0u);
    };
    const int before = file.reads;
    const auto data_steps = static_cast<int>(built.bytes.size() / 65536) + 1;
    walk({.fill_cache = false, .readahead_bytes = 65536});
    EXPECT_EQ(cache->usage(), 0u);
    if (mapped) {
      EXPECT_GE(file.prefetches, data_steps - 1);
      EXPECT_LE(file.prefetches, 2 * data_steps + 1);
    } else {
      EXPECT_LE(file.reads - before, 2 * (data_steps + 2));
    }
    walk({.fill_cache = true, .readahead_bytes = 65536});
    EXPECT_GT(cache->usage(), built.bytes.size());
    const int after = file.reads;
    walk({.fill_cache = true});
    EXPECT_EQ(file.reads, after);
    cache->EraseFile(3);
    EXPECT_EQ(cache->usage(), 0u);
  }
}

TEST(TableTest, ReadErrorsPassThrough) {
  const BuiltTable built = Build(NumberModel(2000), {});
  auto owned = std::make_unique<MemoryReadFile>(built.bytes, false);
  MemoryReadFile& file = *owned;
  auto reader = TableReader::Open({}, std::move(owned));
  ASSERT_TRUE(reader.ok());
  auto it = (*reader)->NewIterator();
  file.fail_reads = true;
  PointLookup result;
  const std::string key = NumberKey(100);
  EXPECT_TRUE(absl::IsInternal(
      (*reader)->Get(key, HashKey(key), kMaxSequence, &result)));
  EXPECT_FALSE(result.found);
  it->SeekToFirst();
  EXPECT_FALSE(it->Valid());
  EXPECT_TRUE(absl::IsInternal(it->status()));
  file.fail_reads = false;
  it->SeekToFirst();
  EXPECT_TRUE(it->Valid());
  EXPECT_TRUE(it->status().ok());
}

TEST(TableTest, HugeValue) {
  Rng rng(5);
  Model model;
  std::string huge(100 << 20, '\0');
  for (size_t i = 0; i + 8 <= huge.size(); i += 16) {
    const uint64_t v = rng();
    std::memcpy(huge.data() + i, &v, 8);
  }
  model.Put("a", 1, "small");
  model.Put("b", 2, huge);
  model.Put("c", 3, "small");
  for (Compression compression : {Compression::kNone, Compression::kLz4}) {
    TableWriterOptions options;
    options.compression = compression;
    BuiltTable built = Build(model, options);
    EXPECT_EQ(built.properties.data_blocks, 3u);
    auto reader = Open(std::move(built.bytes), false);
    PointLookup result;
    ASSERT_TRUE(reader->Get("b", HashKey("b"), 9, &result).ok());
    ASSERT_TRUE(result.found);
    EXPECT_TRUE(result.value == huge);
  }
}

TEST(TableTest, ExtremeCompressionIsBounded) {
  Model model;
  model.Put("zeros", 1, std::string(8 << 20, '\0'));
  for (Compression compression : {Compression::kLz4, Compression::kZstd}) {
    TableWriterOptions options;
    options.compression = compression;
    const BuiltTable built = Build(model, options);
    EXPECT_LT(built.bytes.size(), size_t{100} << 10);
    auto reader = Open(built.bytes, true);
    EXPECT_TRUE(reader->Verify().ok()) << reader->Verify();
  }
}

TEST(TableTest, NoFilterOnRequest) {
  TableWriterOptions options;
  options.filter_bits_per_key = 0;
  const BuiltTable built = Build(NumberModel(100), options);
  auto reader = Open(built.bytes, true);
  EXPECT_TRUE(reader->MayContain(HashKey("anything")));
  EXPECT_TRUE(reader->Verify().ok());
  PointLookup result;
  ASSERT_TRUE(reader->Get("no", HashKey("no"), 9, &result).ok());
  EXPECT_FALSE(result.found);
}

}  // namespace
}  // namespace nori::testing
