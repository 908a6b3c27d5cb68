#include "engine/core/table_store.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/format/status_macros.h"
#include "engine/manifest/manifest.h"

namespace nori {

std::string TableStore::PathOf(uint64_t number) const {
  return JoinPath(directory_, TableFileName(number));
}

absl::StatusOr<std::pair<uint64_t, std::unique_ptr<WritableFile>>>
TableStore::NewFile() {
  const uint64_t number = NextNumber();
  NORI_ASSIGN_OR_RETURN(auto file, fs_->CreateWritable(PathOf(number)));
  return std::make_pair(number, std::move(file));
}

TableWriterOptions TableStore::WriterOptions(const Options& options) {
  TableWriterOptions writer;
  writer.compression = options.compression;
  writer.block_bytes = options.block_bytes;
  writer.filter_bits_per_key = options.filter_bits_per_key;
  return writer;
}

void TableStore::Discard(uint64_t number) {
  // A failure leaves an orphan, which the next open removes.
  (void)fs_->RemoveFile(PathOf(number));
}

absl::StatusOr<TableRef> TableStore::Open(const TableMeta& meta) {
  {
    absl::MutexLock lock(&mutex_);
    auto it = open_.find(meta.number);
    if (it != open_.end()) {
      TableRef table = it->second.table.lock();
      // A spilled table gets its place in the order of commits only at commit;
      // before that it is read with the transaction's own numbers.
      if (table != nullptr && table->meta.sequence_base == meta.sequence_base) {
        return table;
      }
    }
  }
  const std::string path = PathOf(meta.number);
  NORI_ASSIGN_OR_RETURN(auto file, fs_->OpenRandomAccess(path));
  if (file->Size() != meta.file_bytes) {
    return absl::DataLossError(absl::StrCat(path, ": has ", file->Size(),
                                            " bytes, the manifest says ",
                                            meta.file_bytes));
  }
  TableReaderOptions options;
  options.cache = cache_;
  options.file_number = meta.number;
  options.path = path;
  options.sequence_base = meta.sequence_base;
  NORI_ASSIGN_OR_RETURN(auto reader,
                        TableReader::Open(options, std::move(file)));
  auto obsolete = std::make_shared<std::atomic<bool>>(false);
  auto* table = new Table{meta, std::move(reader)};
  TableRef ref(table, [this, obsolete](const Table* t) {
    const uint64_t number = t->meta.number;
    const bool remove_file = obsolete->load();
    Forget(number, t);
    delete t;
    if (remove_file) RemoveTable(number);
  });
  absl::MutexLock lock(&mutex_);
  open_[meta.number] = {ref, table, std::move(obsolete)};
  return ref;
}

void TableStore::Forget(uint64_t number, const Table* table) {
  absl::MutexLock lock(&mutex_);
  auto it = open_.find(number);
  if (it != open_.end() && it->second.address == table) open_.erase(it);
}

void TableStore::RemoveTable(uint64_t number) {
  cache_->EraseFile(number);
  // A failure leaves an orphan, which the next open removes.
  (void)fs_->RemoveFile(PathOf(number));
}

void TableStore::SetLive(const Version& live) {
  absl::flat_hash_set<uint64_t> now;
  // Held until the lock is released: dropping a reference takes the lock.
  std::vector<TableRef> dying;
  for (const TableRef& table : live.Tables()) now.insert(table->meta.number);
  {
    absl::MutexLock lock(&mutex_);
    for (uint64_t number : live_) {
      if (now.contains(number)) continue;
      auto it = open_.find(number);
      if (it == open_.end()) continue;
      *it->second.obsolete = true;
      dying.push_back(it->second.table.lock());
    }
    live_ = std::move(now);
  }
}

void TableStore::MarkObsolete(uint64_t number) {
  absl::MutexLock lock(&mutex_);
  auto it = open_.find(number);
  if (it == open_.end()) return;
  *it->second.obsolete = true;
}

uint64_t TableStore::IndexBytes() const {
  std::vector<TableRef> tables;
  {
    absl::MutexLock lock(&mutex_);
    tables.reserve(open_.size());
    for (const auto& [number, entry] : open_) {
      if (TableRef table = entry.table.lock())
        tables.push_back(std::move(table));
    }
  }
  uint64_t bytes = 0;
  for (const TableRef& table : tables) bytes += table->reader->MemoryUsage();
  return bytes;
}

}  // namespace nori
