#include <chrono>
#include <thread>

#include "bench/measure.h"
#include "bench/store.h"
#include "rocksdb/cache.h"
#include "rocksdb/db.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/options.h"
#include "rocksdb/table.h"
#include "rocksdb/write_batch.h"

namespace nori::bench {
namespace {

void Check(const rocksdb::Status& status) {
  if (!status.ok()) Fail("RocksDB: " + status.ToString());
}

rocksdb::Slice ToSlice(std::string_view s) { return {s.data(), s.size()}; }

class RocksDbStore final : public Store {
 public:
  explicit RocksDbStore(const StoreOptions& options) {
    rocksdb::BlockBasedTableOptions table;
    table.block_cache = rocksdb::NewLRUCache(options.cache_bytes);
    table.filter_policy.reset(
        rocksdb::NewBloomFilterPolicy(options.filter_bits_per_key));
    rocksdb::Options db_options;
    db_options.create_if_missing = true;
    db_options.write_buffer_size = options.write_buffer_bytes;
    // The one that is written and two that wait, as the engine has.
    db_options.max_write_buffer_number = 3;
    db_options.compression =
        options.compress ? rocksdb::kLZ4Compression : rocksdb::kNoCompression;
    db_options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    rocksdb::DB* db = nullptr;
    Check(rocksdb::DB::Open(db_options, options.directory, &db));
    db_.reset(db);
  }

  void Write(std::span<const KeyValue> rows, bool durable) override {
    thread_local rocksdb::WriteBatch batch;
    batch.Clear();
    for (const KeyValue& row : rows) {
      Check(batch.Put(ToSlice(row.key), ToSlice(row.value)));
    }
    rocksdb::WriteOptions options;
    options.sync = durable;
    Check(db_->Write(options, &batch));
  }

  bool Get(std::string_view key, uint64_t* bytes) override {
    thread_local rocksdb::PinnableSlice value;
    value.Reset();
    const rocksdb::Status status = db_->Get(
        read_options_, db_->DefaultColumnFamily(), ToSlice(key), &value);
    if (status.IsNotFound()) return false;
    Check(status);
    *bytes += value.size();
    // Not kept: it would pin a block of a store that may be closed meanwhile.
    value.Reset();
    return true;
  }

  uint64_t Scan(std::string_view from, uint64_t limit,
                uint64_t* bytes) override {
    const std::unique_ptr<rocksdb::Iterator> it(
        db_->NewIterator(read_options_));
    uint64_t rows = 0;
    for (it->Seek(ToSlice(from)); it->Valid() && rows < limit; ++rows) {
      *bytes += it->key().size() + it->value().size();
      if (rows + 1 < limit) it->Next();
    }
    Check(it->status());
    return rows;
  }

  void Settle() override {
    // A compaction that ends may ask for another one a moment later.
    for (int still = 0; still < 10; ++still) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      for (const char* name :
           {"rocksdb.num-running-compactions", "rocksdb.compaction-pending",
            "rocksdb.num-running-flushes", "rocksdb.mem-table-flush-pending"}) {
        uint64_t value = 0;
        if (db_->GetIntProperty(name, &value) && value != 0) still = 0;
      }
    }
  }
  void FlushAndSettle() override {
    Check(db_->Flush(rocksdb::FlushOptions()));
    Settle();
  }

  std::string Statistics() override {
    std::string text;
    db_->GetProperty("rocksdb.levelstats", &text);
    return text;
  }

 private:
  const rocksdb::ReadOptions read_options_;
  std::unique_ptr<rocksdb::DB> db_;
};

}  // namespace

std::unique_ptr<Store> OpenRocksDb(const StoreOptions& options) {
  return std::make_unique<RocksDbStore>(options);
}

}  // namespace nori::bench
