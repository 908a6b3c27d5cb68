// What the benchmarks need of a key-value store.

#ifndef NORI_BENCH_STORE_H_
#define NORI_BENCH_STORE_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace nori::bench {

struct StoreOptions {
  std::string directory;  // exists and is empty
  uint64_t cache_bytes = 0;
  uint64_t write_buffer_bytes = 0;
  int filter_bits_per_key = 0;
  bool compress = false;
  // Table, slot and level sizes in the proportion to the write buffer that the
  // store's defaults have.
  bool scale_with_write_buffer = false;
  bool count = false;  // Counters() is going to be asked
  // Options of nori by name, set last.
  std::vector<std::pair<std::string, std::string>> nori_options;
};

// What a store counted since it was opened.
struct StoreCounters {
  uint64_t table_bytes_written = 0;  // by flushes and compactions
  uint64_t filters_asked = 0;        // by point reads
  uint64_t tables_read =
      0;  // that the filter did not rule out for a point read
  uint64_t blocks_read = 0;  // data blocks, from cache or file
};

struct KeyValue {
  std::string_view key, value;
};

// A store that is open. Write, Delete, Get and Scan are thread-safe; every
// failure ends the process (measure.h, Fail).
class Store {
 public:
  virtual ~Store() = default;

  // Commits `rows` atomically. `durable`: on disk when it returns; otherwise
  // logged but not synced.
  virtual void Write(std::span<const KeyValue> rows, bool durable) = 0;
  // Deletes the keys atomically; logged but not synced.
  virtual void Delete(std::span<const std::string_view> keys) = 0;
  // Whether the key is there; if so, its value's size is added to *bytes.
  virtual bool Get(std::string_view key, uint64_t* bytes) = 0;
  // Reads up to `limit` rows from the first key >= `from`; returns how many
  // there were. Adds key and value sizes to *bytes.
  virtual uint64_t Scan(std::string_view from, uint64_t limit,
                        uint64_t* bytes) = 0;

  // Waits until the store has no background work left.
  virtual void Settle() = 0;
  // Moves what is in memory to tables, then settles.
  virtual void FlushAndSettle() = 0;
  // The store's own counters, as text for people; empty if it has none.
  virtual std::string Statistics() { return ""; }
  // Zeros if the store has none, or options.count was not set. Reads may be
  // those of the calling thread, which must be the one that opened the store.
  virtual StoreCounters Counters() { return {}; }
};

using StoreFactory = std::unique_ptr<Store> (*)(const StoreOptions&);

struct StoreKind {
  std::string name;  // "nori-lz4"; the part before "-" names the family
  StoreFactory open = nullptr;
  bool compress = false;
};

std::unique_ptr<Store> OpenNori(const StoreOptions& options);
std::unique_ptr<Store> OpenRocksDb(const StoreOptions& options);
std::unique_ptr<Store> OpenRocksDbUniversal(const StoreOptions& options);
std::unique_ptr<Store> OpenLevelDb(const StoreOptions& options);

}  // namespace nori::bench

#endif  // NORI_BENCH_STORE_H_
