// LevelDB and RocksDB have one interface, that of LevelDB: what their stores
// share.

#ifndef NORI_BENCH_SLICE_STORE_H_
#define NORI_BENCH_SLICE_STORE_H_

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "bench/measure.h"
#include "bench/store.h"

namespace nori::bench {

// `Api` names the types DB, WriteBatch, WriteOptions, ReadOptions, Iterator,
// Slice and Status, the constant kName and `static Status Get(DB*, const
// ReadOptions&, Slice, size_t* value_bytes)`.
template <typename Api>
class SliceStore : public Store {
 public:
  void Write(std::span<const KeyValue> rows, bool durable) override {
    // Kept for its memory.
    thread_local typename Api::WriteBatch batch;
    batch.Clear();
    for (const KeyValue& row : rows) {
      batch.Put(ToSlice(row.key), ToSlice(row.value));
    }
    Commit(durable, &batch);
  }

  void Delete(std::span<const std::string_view> keys) override {
    thread_local typename Api::WriteBatch batch;
    batch.Clear();
    for (const std::string_view key : keys) batch.Delete(ToSlice(key));
    Commit(false, &batch);
  }

  bool Get(std::string_view key, uint64_t* bytes) override {
    size_t value_bytes = 0;
    const auto status =
        Api::Get(db_.get(), read_options_, ToSlice(key), &value_bytes);
    if (status.IsNotFound()) return false;
    Check(status);
    *bytes += value_bytes;
    return true;
  }

  uint64_t Scan(std::string_view from, uint64_t limit,
                uint64_t* bytes) override {
    const std::unique_ptr<typename Api::Iterator> it(
        db_->NewIterator(read_options_));
    uint64_t rows = 0;
    for (it->Seek(ToSlice(from)); it->Valid() && rows < limit; ++rows) {
      *bytes += it->key().size() + it->value().size();
      if (rows + 1 < limit) it->Next();
    }
    Check(it->status());
    return rows;
  }

 protected:
  static void Check(const typename Api::Status& status) {
    if (!status.ok()) Fail(Api::kName + (": " + status.ToString()));
  }
  static typename Api::Slice ToSlice(std::string_view s) {
    return {s.data(), s.size()};
  }

  std::unique_ptr<typename Api::DB> db_;

 private:
  void Commit(bool durable, typename Api::WriteBatch* batch) {
    typename Api::WriteOptions options;
    options.sync = durable;
    Check(db_->Write(options, batch));
  }

  const typename Api::ReadOptions read_options_;
};

}  // namespace nori::bench

#endif  // NORI_BENCH_SLICE_STORE_H_
