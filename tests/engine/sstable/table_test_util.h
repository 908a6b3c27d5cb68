// Files in memory and a model of a table, shared by the tests of this folder.

#ifndef NORI_TESTS_ENGINE_SSTABLE_TABLE_TEST_UTIL_H_
#define NORI_TESTS_ENGINE_SSTABLE_TABLE_TEST_UTIL_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/format/checksum.h"
#include "engine/format/internal_key.h"
#include "engine/io/file_system.h"
#include "engine/sstable/table.h"

namespace nori::testing {

using Rng = std::mt19937_64;

inline uint64_t Uniform(Rng& rng, uint64_t n) { return rng() % n; }

struct MemoryContent {
  std::string bytes;
  bool synced = false;
  bool closed = false;
  uint64_t fail_at = UINT64_MAX;  // appends that reach this size fail
};

class MemoryWritableFile : public WritableFile {
 public:
  explicit MemoryWritableFile(std::shared_ptr<MemoryContent> content)
      : content_(std::move(content)) {}
  absl::Status Append(std::string_view data) override {
    if (content_->bytes.size() + data.size() >= content_->fail_at) {
      return absl::ResourceExhaustedError("disk full");
    }
    content_->bytes.append(data);
    return absl::OkStatus();
  }
  absl::Status Sync() override {
    content_->synced = true;
    return absl::OkStatus();
  }
  absl::Status Close() override {
    content_->closed = true;
    return absl::OkStatus();
  }
  uint64_t Size() const override { return content_->bytes.size(); }

 private:
  std::shared_ptr<MemoryContent> content_;
};

class MemoryReadFile : public RandomAccessFile {
 public:
  MemoryReadFile(std::string bytes, bool mapped)
      : bytes_(std::make_unique<char[]>(bytes.size())),
        size_(bytes.size()),
        mapped_(mapped) {
    // Exactly as long as the file, so that a sanitizer sees an over-read.
    std::memcpy(bytes_.get(), bytes.data(), size_);
  }
  absl::Status Read(uint64_t offset, size_t n, char* scratch,
                    std::string_view* result) const override {
    ++reads;
    if (fail_reads) return absl::InternalError("read failed");
    if (offset > size_ || n > size_ - offset) {
      return absl::DataLossError("short read");
    }
    std::memcpy(scratch, bytes_.get() + offset, n);
    *result = {scratch, n};
    return absl::OkStatus();
  }
  std::string_view Mapped() const override {
    return mapped_ ? std::string_view(bytes_.get(), size_) : std::string_view();
  }
  void Prefetch(uint64_t, size_t) const override { ++prefetches; }
  uint64_t Size() const override { return size_; }

  mutable std::atomic<int> reads = 0;
  mutable std::atomic<int> prefetches = 0;

  bool fail_reads = false;

 private:
  std::unique_ptr<char[]> bytes_;
  size_t size_;
  bool mapped_;
};

// Entries by user key ascending, trailer descending.
class Model {
 public:
  using Key = std::pair<std::string, uint64_t>;
  struct Less {
    bool operator()(const Key& a, const Key& b) const {
      return CompareInternal(a.first, a.second, b.first, b.second) < 0;
    }
  };
  using Map = std::map<Key, std::string, Less>;

  void Put(std::string key, SequenceNumber sequence, std::string value) {
    entries[{std::move(key), PackTrailer(sequence, EntryKind::kPut)}] =
        std::move(value);
  }
  void Delete(std::string key, SequenceNumber sequence) {
    entries[{std::move(key), PackTrailer(sequence, EntryKind::kDelete)}] = "";
  }
  Map::const_iterator Find(const std::string& key,
                           SequenceNumber snapshot) const {
    const auto it = entries.lower_bound({key, SeekTrailer(snapshot)});
    return it != entries.end() && it->first.first == key ? it : entries.end();
  }

  Map entries;
};

struct BuiltTable {
  std::string bytes;
  TableProperties properties;
};

inline BuiltTable Build(const Model& model, const TableWriterOptions& options,
                        const std::vector<RangeTombstone>& tombstones = {}) {
  auto content = std::make_shared<MemoryContent>();
  auto writer = TableWriter::Create(
      options, std::make_unique<MemoryWritableFile>(content));
  for (const auto& [key, value] : model.entries) {
    const absl::Status s = writer->Add(key.first, key.second, value);
    EXPECT_TRUE(s.ok()) << s;
  }
  for (const RangeTombstone& t : tombstones) {
    EXPECT_TRUE(writer->AddRangeTombstone(t).ok());
  }
  EXPECT_EQ(writer->entries(), model.entries.size());
  auto properties = writer->Finish();
  EXPECT_TRUE(properties.ok()) << properties.status();
  EXPECT_TRUE(content->synced);
  EXPECT_TRUE(content->closed);
  EXPECT_EQ(properties->file_bytes, content->bytes.size());
  return {content->bytes, *properties};
}

inline absl::StatusOr<std::shared_ptr<TableReader>> TryOpen(
    std::string bytes, bool mapped, BlockCache* cache = nullptr,
    SequenceNumber sequence_base = 0, uint64_t number = 7) {
  TableReaderOptions options;
  options.cache = cache;
  options.file_number = number;
  options.path = "dir/000007.sst";
  options.sequence_base = sequence_base;
  return TableReader::Open(
      options, std::make_unique<MemoryReadFile>(std::move(bytes), mapped));
}

inline std::shared_ptr<TableReader> Open(std::string bytes, bool mapped,
                                         BlockCache* cache = nullptr,
                                         SequenceNumber sequence_base = 0) {
  auto reader = TryOpen(std::move(bytes), mapped, cache, sequence_base);
  EXPECT_TRUE(reader.ok()) << reader.status();
  return reader.ok() ? *reader : nullptr;
}

inline std::string RandomBytes(Rng& rng, size_t n) {
  std::string s(n, '\0');
  for (char& c : s) c = static_cast<char>(rng());
  return s;
}

// Compressible text.
inline std::string RandomText(Rng& rng, size_t n) {
  std::string s(n, '\0');
  for (char& c : s) c = static_cast<char>('a' + Uniform(rng, 3));
  return s;
}

}  // namespace nori::testing

#endif  // NORI_TESTS_ENGINE_SSTABLE_TABLE_TEST_UTIL_H_
