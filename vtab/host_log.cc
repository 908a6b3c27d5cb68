#include "vtab/host_log.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/format/status_macros.h"

namespace nori {

HostLog::HostLog(FileSystem* files, std::string database_path)
    : files_(files), path_(std::move(database_path)) {}

absl::Status HostLog::SyncFiles() const {
  if (path_.empty()) return absl::OkStatus();
  // Where a journal is missing, SQLite has brought its content into the
  // database file, which it synced before.
  for (const char* suffix : {"-wal", "-journal"}) {
    absl::StatusOr<std::unique_ptr<ReadWriteFile>> file =
        files_->OpenReadWrite(path_ + suffix, /*create=*/false);
    if (absl::IsNotFound(file.status())) continue;
    NORI_RETURN_IF_ERROR(file.status());
    NORI_RETURN_IF_ERROR((*file)->Sync());
  }
  // The removal of a rollback journal is what commits; a new -wal needs its
  // name.
  const size_t slash = path_.find_last_of('/');
  return files_->SyncDirectory(slash == std::string::npos ? "."
                               : slash == 0               ? "/"
                                            : path_.substr(0, slash));
}

absl::Status HostLog::Sync() {
  absl::MutexLock lock(&mutex_);
  if (!failed_.ok()) return failed_;
  const uint64_t target = written_.load();
  if (synced_ == target) return absl::OkStatus();
  absl::Status status = SyncFiles();
  if (status.ok()) {
    synced_ = target;
    return status;
  }
  status = absl::Status(
      status.code(),
      absl::StrCat("syncing the journals of ", path_, ": ", status.message()));
  if (absl::IsInternal(status)) failed_ = status;
  return status;
}

}  // namespace nori
