#include "bench/measure.h"
#include "bench/store.h"
#include "leveldb/cache.h"
#include "leveldb/db.h"
#include "leveldb/filter_policy.h"
#include "leveldb/options.h"
#include "leveldb/write_batch.h"

namespace nori::bench {
namespace {

void Check(const leveldb::Status& status) {
  if (!status.ok()) Fail("LevelDB: " + status.ToString());
}

leveldb::Slice ToSlice(std::string_view s) { return {s.data(), s.size()}; }

class LevelDbStore final : public Store {
 public:
  explicit LevelDbStore(const StoreOptions& options)
      : directory_(options.directory),
        cache_(leveldb::NewLRUCache(options.cache_bytes)),
        filter_(leveldb::NewBloomFilterPolicy(options.filter_bits_per_key)) {
    options_.create_if_missing = true;
    options_.write_buffer_size = options.write_buffer_bytes;
    options_.block_cache = cache_.get();
    options_.filter_policy = filter_.get();
    options_.compression = options.compress ? leveldb::kSnappyCompression
                                            : leveldb::kNoCompression;
    Open();
  }

  void Write(std::span<const KeyValue> rows, bool durable) override {
    thread_local leveldb::WriteBatch batch;
    batch.Clear();
    for (const KeyValue& row : rows) {
      batch.Put(ToSlice(row.key), ToSlice(row.value));
    }
    leveldb::WriteOptions options;
    options.sync = durable;
    Check(db_->Write(options, &batch));
  }

  bool Get(std::string_view key, uint64_t* bytes) override {
    thread_local std::string value;
    const leveldb::Status status =
        db_->Get(read_options_, ToSlice(key), &value);
    if (status.IsNotFound()) return false;
    Check(status);
    *bytes += value.size();
    return true;
  }

  uint64_t Scan(std::string_view from, uint64_t limit,
                uint64_t* bytes) override {
    const std::unique_ptr<leveldb::Iterator> it(
        db_->NewIterator(read_options_));
    uint64_t rows = 0;
    for (it->Seek(ToSlice(from)); it->Valid() && rows < limit; ++rows) {
      *bytes += it->key().size() + it->value().size();
      if (rows + 1 < limit) it->Next();
    }
    Check(it->status());
    return rows;
  }

  // LevelDB does not tell whether it works in the background.
  void Settle() override { WaitUntilStill(directory_); }
  // It has no flush either, but recovery writes the log's contents to tables.
  void FlushAndSettle() override {
    db_.reset();
    Open();
    Settle();
  }

  std::string Statistics() override {
    std::string text;
    db_->GetProperty("leveldb.stats", &text);
    return text;
  }

 private:
  void Open() {
    leveldb::DB* db = nullptr;
    Check(leveldb::DB::Open(options_, directory_, &db));
    db_.reset(db);
  }

  const std::string directory_;
  const std::unique_ptr<leveldb::Cache> cache_;
  const std::unique_ptr<const leveldb::FilterPolicy> filter_;
  leveldb::Options options_;
  const leveldb::ReadOptions read_options_;
  std::unique_ptr<leveldb::DB> db_;
};

}  // namespace

std::unique_ptr<Store> OpenLevelDb(const StoreOptions& options) {
  return std::make_unique<LevelDbStore>(options);
}

}  // namespace nori::bench
