// The table files of an engine directory: numbers, creation, opening, removal.

#ifndef NORI_ENGINE_CORE_TABLE_STORE_H_
#define NORI_ENGINE_CORE_TABLE_STORE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "engine/io/file_system.h"
#include "engine/options.h"
#include "engine/slots/version.h"
#include "engine/sstable/block_cache.h"

namespace nori {

// Thread-safe. Must outlive every TableRef it gave out.
class TableStore {
 public:
  TableStore(FileSystem* fs, std::string directory, BlockCache* cache)
      : fs_(fs), directory_(std::move(directory)), cache_(cache) {}

  // File numbers are never reused, also across a crash: `next` must be above
  // every number in the manifest and in the directory.
  void SetNextNumber(uint64_t next) { next_number_ = next; }
  uint64_t NextNumber() { return next_number_.fetch_add(1); }
  uint64_t PeekNextNumber() const { return next_number_.load(); }

  absl::StatusOr<std::pair<uint64_t, std::unique_ptr<WritableFile>>> NewFile();
  // How an engine with these options writes its tables.
  static TableWriterOptions WriterOptions(const Options& options);
  // Removes a file that no version refers to and no TableRef was made for.
  void Discard(uint64_t number);

  // Opens a table, or gives the one that is open already.
  absl::StatusOr<TableRef> Open(const TableMeta& meta)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Tells that `live` is the current version: tables that were live before and
  // are not now are removed from disk when their last reference goes.
  void SetLive(const Version& live) ABSL_LOCKS_EXCLUDED(mutex_);
  // Marks one table for removal when its last reference goes.
  void MarkObsolete(uint64_t number) ABSL_LOCKS_EXCLUDED(mutex_);

  const std::string& directory() const { return directory_; }
  std::string PathOf(uint64_t number) const;
  // Bytes of indexes and filters of open tables.
  uint64_t IndexBytes() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct OpenTable {
    std::weak_ptr<const Table> table;
    const Table* address = nullptr;  // tells it from a later one of the number
    std::shared_ptr<std::atomic<bool>> obsolete;
  };
  void Forget(uint64_t number, const Table* table) ABSL_LOCKS_EXCLUDED(mutex_);
  void RemoveTable(uint64_t number);

  FileSystem* const fs_;
  const std::string directory_;
  BlockCache* const cache_;
  std::atomic<uint64_t> next_number_{1};
  mutable absl::Mutex mutex_;
  absl::flat_hash_map<uint64_t, OpenTable> open_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_set<uint64_t> live_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nori

#endif  // NORI_ENGINE_CORE_TABLE_STORE_H_
