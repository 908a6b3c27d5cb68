#include <chrono>
#include <thread>

#include "bench/slice_store.h"
#include "rocksdb/cache.h"
#include "rocksdb/db.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/options.h"
#include "rocksdb/statistics.h"
#include "rocksdb/table.h"
#include "rocksdb/write_batch.h"

namespace nori::bench {
namespace {

struct RocksDbApi {
  using DB = rocksdb::DB;
  using WriteBatch = rocksdb::WriteBatch;
  using WriteOptions = rocksdb::WriteOptions;
  using ReadOptions = rocksdb::ReadOptions;
  using Iterator = rocksdb::Iterator;
  using Slice = rocksdb::Slice;
  using Status = rocksdb::Status;
  static constexpr const char* kName = "RocksDB";

  static Status Get(DB* db, const ReadOptions& options, Slice key,
                    size_t* value_bytes) {
    thread_local rocksdb::PinnableSlice value;
    const Status status =
        db->Get(options, db->DefaultColumnFamily(), key, &value);
    if (status.ok()) *value_bytes = value.size();
    // Not kept: it would pin a block of a store that may be closed meanwhile.
    value.Reset();
    return status;
  }
};

class RocksDbStore final : public SliceStore<RocksDbApi> {
 public:
  RocksDbStore(const StoreOptions& options, rocksdb::CompactionStyle style) {
    rocksdb::BlockBasedTableOptions table;
    table.block_cache = rocksdb::NewLRUCache(options.cache_bytes);
    table.filter_policy.reset(
        rocksdb::NewBloomFilterPolicy(options.filter_bits_per_key));
    rocksdb::Options db_options;
    db_options.create_if_missing = true;
    db_options.compaction_style = style;
    db_options.write_buffer_size = options.write_buffer_bytes;
    // The one that is written and two that wait, as the engine has.
    db_options.max_write_buffer_number = 3;
    db_options.compression =
        options.compress ? rocksdb::kLZ4Compression : rocksdb::kNoCompression;
    db_options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    if (options.scale_with_write_buffer) {
      // Its defaults are made for 64 MiB: keep their proportions.
      db_options.target_file_size_base = options.write_buffer_bytes;
      db_options.max_bytes_for_level_base = 4 * options.write_buffer_bytes;
    }
    if (options.count) {
      statistics_ = rocksdb::CreateDBStatistics();
      statistics_->set_stats_level(rocksdb::kExceptHistogramOrTimers);
      db_options.statistics = statistics_;
    }
    rocksdb::DB* db = nullptr;
    Check(rocksdb::DB::Open(db_options, options.directory, &db));
    db_.reset(db);
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

  StoreCounters Counters() override {
    StoreCounters result;
    if (statistics_ == nullptr) return result;
    const auto ticker = [&](rocksdb::Tickers which) {
      return statistics_->getTickerCount(which);
    };
    result.table_bytes_written = ticker(rocksdb::FLUSH_WRITE_BYTES) +
                                 ticker(rocksdb::COMPACT_WRITE_BYTES);
    const uint64_t ruled_out = ticker(rocksdb::BLOOM_FILTER_USEFUL);
    result.tables_read = ticker(rocksdb::BLOOM_FILTER_FULL_POSITIVE);
    result.filters_asked = ruled_out + result.tables_read;
    result.blocks_read = ticker(rocksdb::BLOCK_CACHE_DATA_HIT) +
                         ticker(rocksdb::BLOCK_CACHE_DATA_MISS);
    return result;
  }

 private:
  std::shared_ptr<rocksdb::Statistics> statistics_;
};

}  // namespace

std::unique_ptr<Store> OpenRocksDb(const StoreOptions& options) {
  return std::make_unique<RocksDbStore>(options,
                                        rocksdb::kCompactionStyleLevel);
}

std::unique_ptr<Store> OpenRocksDbUniversal(const StoreOptions& options) {
  return std::make_unique<RocksDbStore>(options,
                                        rocksdb::kCompactionStyleUniversal);
}

}  // namespace nori::bench
