#include <atomic>
#include <chrono>
#include <thread>

#include "bench/slice_store.h"
#include "rocksdb/cache.h"
#include "rocksdb/db.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/listener.h"
#include "rocksdb/options.h"
#include "rocksdb/perf_context.h"
#include "rocksdb/perf_level.h"
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

// Adds up what flushes and compactions write.
class BytesListener final : public rocksdb::EventListener {
 public:
  void OnFlushCompleted(rocksdb::DB* /*db*/,
                        const rocksdb::FlushJobInfo& info) override {
    const rocksdb::TableProperties& table = info.table_properties;
    bytes_ += table.data_size + table.index_size + table.filter_size;
  }
  void OnCompactionCompleted(rocksdb::DB* /*db*/,
                             const rocksdb::CompactionJobInfo& info) override {
    bytes_ += info.stats.total_output_bytes;
  }
  uint64_t bytes() const { return bytes_; }

 private:
  std::atomic<uint64_t> bytes_{0};
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
      written_ = std::make_shared<BytesListener>();
      db_options.listeners.push_back(written_);
      // Of this thread alone: background work must not count as reading.
      rocksdb::SetPerfLevel(rocksdb::kEnableCount);
      rocksdb::get_perf_context()->Reset();
    }
    rocksdb::DB* db = nullptr;
    Check(rocksdb::DB::Open(db_options, options.directory, &db));
    db_.reset(db);
  }

  void Settle() override {
    // A compaction that ends may ask for another one a moment later. Universal
    // compaction may say for ever that one is pending and start none: believed
    // for a second.
    constexpr int kStill = 10, kIdle = 100;
    int still = 0;
    for (int idle = 0; still < kStill && idle < kIdle; ++idle) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      if (IsSet("rocksdb.num-running-compactions") ||
          IsSet("rocksdb.num-running-flushes") ||
          IsSet("rocksdb.mem-table-flush-pending")) {
        idle = still = 0;
      }
      still = IsSet("rocksdb.compaction-pending") ? 0 : still + 1;
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
    if (written_ == nullptr) return result;
    const rocksdb::PerfContext& reads = *rocksdb::get_perf_context();
    result.table_bytes_written = written_->bytes();
    result.filters_asked =
        reads.bloom_sst_hit_count + reads.bloom_sst_miss_count;
    result.tables_read = reads.bloom_sst_hit_count;
    // Indexes and filters are not kept in the block cache here.
    result.blocks_read = reads.block_cache_hit_count + reads.block_read_count;
    return result;
  }

 private:
  bool IsSet(const char* property) {
    uint64_t value = 0;
    return db_->GetIntProperty(property, &value) && value != 0;
  }

  std::shared_ptr<BytesListener> written_;
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
