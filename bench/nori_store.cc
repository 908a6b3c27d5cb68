#include <map>

#include "bench/measure.h"
#include "bench/store.h"
#include "engine/engine.h"

namespace nori::bench {
namespace {

void Check(const absl::Status& status) {
  if (!status.ok()) Fail("nori: " + status.ToString());
}

class NoriStore final : public Store {
 public:
  explicit NoriStore(const StoreOptions& options) {
    Options engine_options;
    engine_options.block_cache_bytes = options.cache_bytes;
    engine_options.memtable_bytes = options.write_buffer_bytes;
    engine_options.filter_bits_per_key = options.filter_bits_per_key;
    engine_options.compression =
        options.compress ? Compression::kLz4 : Compression::kNone;
    if (options.scale_with_write_buffer) {
      engine_options.slot_bytes = options.write_buffer_bytes;
      engine_options.table_bytes = options.write_buffer_bytes / 4;
    }
    for (const auto& [name, value] : options.nori_options) {
      Check(SetOption(&engine_options, name, value));
    }
    auto engine = Engine::Open(engine_options, options.directory);
    Check(engine.status());
    engine_ = *std::move(engine);
  }

  void Write(std::span<const KeyValue> rows, bool durable) override {
    // Kept for its memory, as the other stores' batches are.
    thread_local WriteBatch batch;
    batch.Clear();
    for (const KeyValue& row : rows) batch.Put(row.key, row.value);
    Commit(durable, batch);
  }

  void Delete(std::span<const std::string_view> keys) override {
    thread_local WriteBatch batch;
    batch.Clear();
    for (const std::string_view key : keys) batch.Delete(key);
    Commit(false, batch);
  }

  bool Get(std::string_view key, uint64_t* bytes) override {
    PinnedValue value;
    const absl::StatusOr<bool> found = engine_->Get(read_options_, key, &value);
    if (!found.ok()) Check(found.status());
    if (*found) *bytes += value.view().size();
    return *found;
  }

  uint64_t Scan(std::string_view from, uint64_t limit,
                uint64_t* bytes) override {
    const std::unique_ptr<Iterator> it = engine_->NewIterator({});
    uint64_t rows = 0;
    for (it->Seek(from); it->Valid() && rows < limit; ++rows) {
      *bytes += it->key().size() + it->value().size();
      if (rows + 1 < limit) it->Next();
    }
    Check(it->status());
    return rows;
  }

  void Settle() override { Check(engine_->WaitForBackground()); }
  void FlushAndSettle() override {
    Check(engine_->Flush());
    Settle();
  }

  std::string Statistics() override {
    const EngineStats stats = engine_->GetStats();
    std::string text = "l0_tables=" + std::to_string(stats.l0_tables) +
                       " slots=" + std::to_string(stats.slots) +
                       " runs=" + std::to_string(stats.runs) +
                       " table_bytes=" + std::to_string(stats.table_bytes) +
                       " cache_hits=" + std::to_string(stats.cache_hits) +
                       " cache_misses=" + std::to_string(stats.cache_misses);
    for (const auto& [name, value] : stats.counters) {
      if (value != 0) text += " " + name + "=" + std::to_string(value);
    }
    return text;
  }

  StoreCounters Counters() override {
    std::map<std::string, uint64_t> counters;
    for (auto& [name, value] : engine_->GetStats().counters) {
      counters[name] = value;
    }
    StoreCounters result;
    result.table_bytes_written = counters.at("flush_bytes_written") +
                                 counters.at("compaction_bytes_written") +
                                 counters.at("spilled_bytes");
    result.filters_asked = counters.at("filter_checks");
    result.tables_read = result.filters_asked - counters.at("filter_negatives");
    result.blocks_read = counters.at("blocks_read");
    return result;
  }

 private:
  void Commit(bool durable, const WriteBatch& batch) {
    WriteOptions options;
    options.durability = durable ? Durability::kSync : Durability::kPeriodic;
    Check(engine_->Write(options, batch));
  }

  const ReadOptions read_options_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace

std::unique_ptr<Store> OpenNori(const StoreOptions& options) {
  return std::make_unique<NoriStore>(options);
}

}  // namespace nori::bench
