// Damaged and hostile files: always an error or the right answer, never a
// crash. Run it under a sanitizer.

#include "engine/format/coding.h"
#include "engine/sstable/data_block.h"
#include "engine/sstable/data_block_builder.h"
#include "engine/sstable/table_format.h"
#include "engine/sstable/table_index.h"
#include "table_test_util.h"

namespace nori::testing {
namespace {

Model SmallModel() {
  Rng rng(3);
  Model model;
  for (int i = 0; i < 60; ++i) {
    const std::string key = "key" + std::to_string(i * 7 % 60);
    model.Put(key, static_cast<uint64_t>(i) + 1, RandomText(rng, 20));
    if (i % 5 == 0) model.Delete(key, static_cast<uint64_t>(i) + 100);
  }
  return model;
}

BuiltTable SmallTable(const Model& model, Compression compression) {
  TableWriterOptions options;
  options.compression = compression;
  options.block_bytes = 256;
  return Build(model, options, {{"key1", "key2", 50}, {"a", "c", 7}});
}

// Everything that the reader gives without error is in the model.
void ExpectNothingWrong(const TableReader& reader, const Model& model) {
  for (const auto& [key, value] : model.entries) {
    PointLookup result;
    const absl::Status s = reader.Get(key.first, HashKey(key.first),
                                      TrailerSequence(key.second), &result);
    if (!s.ok()) {
      ASSERT_TRUE(absl::IsDataLoss(s)) << s;
      ASSERT_THAT(std::string(s.message()),
                  ::testing::AllOf(::testing::HasSubstr("dir/000007.sst"),
                                   ::testing::HasSubstr("offset")));
      continue;
    }
    ASSERT_TRUE(result.found);
    ASSERT_EQ(result.value, value);
    ASSERT_EQ(result.trailer, key.second);
  }
  auto it = reader.NewIterator();
  auto expected = model.entries.begin();
  for (it->SeekToFirst(); it->Valid(); it->Next(), ++expected) {
    ASSERT_TRUE(expected != model.entries.end());
    ASSERT_EQ(it->user_key(), expected->first.first);
    ASSERT_EQ(it->value(), expected->second);
  }
  if (it->status().ok()) {
    ASSERT_TRUE(expected == model.entries.end());
  }
  it->SeekToLast();
  while (it->Valid()) it->Prev();
}

class TableDamage
    : public ::testing::TestWithParam<std::tuple<Compression, bool>> {};

TEST_P(TableDamage, EveryByteFlipIsDetected) {
  const auto [compression, mapped] = GetParam();
  const Model model = SmallModel();
  const BuiltTable built = SmallTable(model, compression);
  ASSERT_TRUE(Open(built.bytes, mapped)->Verify().ok());
  auto cache = BlockCache::Create(1 << 20);
  for (size_t i = 0; i < built.bytes.size(); ++i) {
    std::string bytes = built.bytes;
    bytes[i] = static_cast<char>(bytes[i] ^ (1 << i % 8));
    cache->EraseFile(7);
    auto reader = TryOpen(bytes, mapped, cache.get());
    if (!reader.ok()) {
      ASSERT_TRUE(absl::IsDataLoss(reader.status())) << reader.status();
      continue;
    }
    ASSERT_TRUE(absl::IsDataLoss((*reader)->Verify())) << "offset " << i;
    ExpectNothingWrong(**reader, model);
    if (HasFatalFailure()) FAIL() << "flip at " << i;
  }
}

TEST_P(TableDamage, EveryTruncationIsDetected) {
  const auto [compression, mapped] = GetParam();
  const BuiltTable built = SmallTable(SmallModel(), compression);
  for (size_t n = 0; n < built.bytes.size(); ++n) {
    ASSERT_TRUE(
        absl::IsDataLoss(TryOpen(built.bytes.substr(0, n), mapped).status()))
        << n;
  }
  EXPECT_FALSE(TryOpen(built.bytes + '\0', mapped).ok());
}

TEST_P(TableDamage, OtherBlocksStayReadable) {
  const auto [compression, mapped] = GetParam();
  const Model model = SmallModel();
  BuiltTable built = SmallTable(model, compression);
  ASSERT_GT(built.properties.data_blocks, 5u);
  built.bytes[3] = static_cast<char>(built.bytes[3] ^ 0x40);
  auto reader = Open(built.bytes, mapped);
  int damaged = 0;
  int good = 0;
  for (const auto& [key, value] : model.entries) {
    PointLookup result;
    (reader->Get(key.first, HashKey(key.first), kMaxSequence, &result).ok()
         ? good
         : damaged)++;
  }
  EXPECT_GT(damaged, 0);
  EXPECT_GT(good, 3 * damaged);
  auto it = reader->NewIterator();
  it->SeekToFirst();
  EXPECT_FALSE(it->Valid());
  EXPECT_TRUE(absl::IsDataLoss(it->status()));
  it->SeekToLast();
  EXPECT_TRUE(it->Valid());
  EXPECT_TRUE(it->status().ok());
}

INSTANTIATE_TEST_SUITE_P(
    All, TableDamage,
    ::testing::Combine(::testing::Values(Compression::kNone, Compression::kLz4,
                                         Compression::kZstd),
                       ::testing::Bool()));

BlockHandle FirstDataBlock(const std::string& bytes,
                           const TableFooter& footer) {
  Buffer raw;
  const std::string_view stored =
      std::string_view(bytes).substr(footer.index.offset, footer.index.size);
  const auto compression =
      static_cast<Compression>(bytes[footer.index.offset + footer.index.size]);
  std::string_view content = stored;
  if (compression != Compression::kNone) {
    EXPECT_TRUE(DecompressBlock(stored, compression, &raw));
    content = raw.view();
  }
  TableIndex index;
  EXPECT_TRUE(index.Decode(content, bytes.size()));
  return index.Handle(0);
}

// Gives the block a trailer that fits its bytes.
void Reseal(const BlockHandle& h, std::string* bytes) {
  char* trailer = bytes->data() + h.offset + h.size;
  EncodeBlockTrailer(std::string_view(*bytes).substr(h.offset, h.size),
                     static_cast<Compression>(*trailer), h.offset, trailer);
}

// Whatever comes out, every byte of it can be read.
void ReadEverything(const TableReader& reader, const Model& model) {
  uint64_t sum = 0;
  const auto touch = [&sum](std::string_view s) { sum += HashKey(s); };
  for (const auto& [key, value] : model.entries) {
    PointLookup result;
    if (reader.Get(key.first, HashKey(key.first), kMaxSequence, &result).ok() &&
        result.found) {
      touch(result.value);
    }
    sum += reader.ApproximateOffset(key.first);
    sum += reader.ApproximateRank(key.first);
  }
  auto it = reader.NewIterator();
  const auto read = [&] {
    touch(it->user_key());
    touch(it->value());
    sum += it->trailer();
  };
  for (it->SeekToFirst(); it->Valid(); it->Next()) read();
  for (it->SeekToLast(); it->Valid(); it->Prev()) read();
  for (const auto& [key, value] : model.entries) {
    it->Seek(key.first, key.second);
    if (it->Valid()) read();
    it->SeekBefore(key.first);
    if (it->Valid()) read();
  }
  sum += reader.SampleKeys("", "", 5).size();
  sum += reader.Verify().ok() ? 1 : 0;
  sum += reader.range_tombstones().Covering("b", kMaxSequence);
  ::testing::Test::RecordProperty("sum", std::to_string(sum));
}

// What a checksum would not catch: blocks with valid checksums and any bytes.
TEST(HostileBytes, DataBlock) {
  const uint64_t seed = 99;
  SCOPED_TRACE(seed);
  Rng rng(seed);
  DataBlockBuilder builder(4);
  const Model model = SmallModel();
  for (const auto& [key, value] : model.entries) {
    builder.Add(key.first, key.second, value, HashKey(key.first));
  }
  const std::string good(builder.Finish());
  for (int round = 0; round < 60000; ++round) {
    std::string bytes = good;
    const uint64_t changes = 1 + Uniform(rng, 4);
    for (uint64_t c = 0; c < changes; ++c) {
      // Mostly the columns and the footer.
      const size_t from_end =
          Uniform(rng, Uniform(rng, 2) == 0 ? 24 : bytes.size());
      bytes[bytes.size() - 1 - from_end] = static_cast<char>(rng());
    }
    if (Uniform(rng, 4) == 0) bytes.erase(0, Uniform(rng, bytes.size()));
    const auto copy = std::make_unique<char[]>(bytes.size());
    std::memcpy(copy.get(), bytes.data(), bytes.size());
    DataBlockView view;
    if (!view.Parse({copy.get(), bytes.size()})) continue;
    for (const char* key : {"key0", "key33", "key9", "zzz", ""}) {
      uint32_t i;
      std::string_view value;
      const auto found =
          view.Find(key, TagOf(HashKey(key)), SeekTrailer(50), &i, &value);
      if (found == DataBlockView::FindResult::kFound) {
        EXPECT_EQ(std::string(value).size(), value.size());
      }
      view.LowerBound(key, SeekTrailer(50));
    }
  }
}

TEST(HostileBytes, WholeTableWithValidChecksums) {
  const uint64_t seed = 7;
  SCOPED_TRACE(seed);
  Rng rng(seed);
  const Model model = SmallModel();
  for (Compression compression : {Compression::kNone, Compression::kLz4}) {
    const std::string good = SmallTable(model, compression).bytes;
    const auto footer = DecodeFooter(
        std::string_view(good).substr(good.size() - kFooterBytes), good.size());
    ASSERT_TRUE(footer.ok());
    ASSERT_TRUE(Open(good, true)->Verify().ok());
    for (int round = 0; round < 3000; ++round) {
      std::string bytes = good;
      // A block of the metadata or the data, damaged and sealed again.
      const BlockHandle handles[] = {footer->filter, footer->index,
                                     footer->tombstones, footer->properties,
                                     FirstDataBlock(good, *footer)};
      const BlockHandle h = handles[Uniform(rng, 5)];
      const uint64_t changes = 1 + Uniform(rng, 3);
      for (uint64_t c = 0; c < changes; ++c) {
        bytes[h.offset + Uniform(rng, h.size)] = static_cast<char>(rng());
      }
      Reseal(h, &bytes);
      for (bool mapped : {false, true}) {
        auto reader = TryOpen(bytes, mapped);
        if (!reader.ok()) continue;
        ReadEverything(**reader, model);
      }
    }
  }
}

}  // namespace
}  // namespace nori::testing
