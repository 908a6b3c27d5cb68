#include "bench/slice_store.h"
#include "leveldb/cache.h"
#include "leveldb/db.h"
#include "leveldb/filter_policy.h"
#include "leveldb/options.h"
#include "leveldb/write_batch.h"

namespace nori::bench {
namespace {

struct LevelDbApi {
  using DB = leveldb::DB;
  using WriteBatch = leveldb::WriteBatch;
  using WriteOptions = leveldb::WriteOptions;
  using ReadOptions = leveldb::ReadOptions;
  using Iterator = leveldb::Iterator;
  using Slice = leveldb::Slice;
  using Status = leveldb::Status;
  static constexpr const char* kName = "LevelDB";

  static Status Get(DB* db, const ReadOptions& options, Slice key,
                    size_t* value_bytes) {
    thread_local std::string value;
    const Status status = db->Get(options, key, &value);
    if (status.ok()) *value_bytes = value.size();
    return status;
  }
};

class LevelDbStore final : public SliceStore<LevelDbApi> {
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
  // Before the cache and the filter, which it uses.
  ~LevelDbStore() override { db_.reset(); }

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
};

}  // namespace

std::unique_ptr<Store> OpenLevelDb(const StoreOptions& options) {
  return std::make_unique<LevelDbStore>(options);
}

}  // namespace nori::bench
