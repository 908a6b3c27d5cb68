// What the host database has written of mixed transactions, made durable.
//
// With PRAGMA synchronous below FULL SQLite does not wait for the disk at
// COMMIT, and in the rollback-journal modes not even FULL waits for the removal
// of the journal. The engine may then know a transaction that the host can
// still lose. That does no harm as long as the engine's part is in its log,
// which is cut there; what must outlast the cut calls Sync first.

#ifndef NORI_VTAB_HOST_LOG_H_
#define NORI_VTAB_HOST_LOG_H_

#include <atomic>
#include <cstdint>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "engine/io/file_system.h"

namespace nori {

// Thread-safe; needs no connection of the host. It opens the host's journals
// by name: SQLite holds its locks on the database file and on its -shm, never
// on a journal, so that closing these descriptors drops no lock.
class HostLog {
 public:
  // `database_path` as SQLite gives it; empty: a database without files.
  HostLog(FileSystem* files, std::string database_path);

  // A mixed transaction was committed by the host and is not known to be
  // durable there. To be called before the engine publishes its part.
  void MarkUnsynced() { written_.fetch_add(1); }

  // Makes every mixed transaction so far durable in the host. Free if all are
  // known to be. A failed device is never asked again: what it lost may look
  // clean to the next sync. Too few descriptors or no access may pass.
  absl::Status Sync() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  absl::Status SyncFiles() const;

  FileSystem* const files_;
  const std::string path_;
  // Counts what may be unsynced. Starts above synced_: who opens the files
  // after a process was killed finds commits that never met the disk.
  std::atomic<uint64_t> written_{1};
  absl::Mutex mutex_;
  uint64_t synced_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status failed_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nori

#endif  // NORI_VTAB_HOST_LOG_H_
