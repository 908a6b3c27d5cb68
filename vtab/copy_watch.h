// Copies by SQLite's own means, completed.
//
// sqlite3_backup_*, .backup, .save, Python's Connection.backup and VACUUM INTO
// copy the pages of a database, and with them only the name of its engine. For
// each such copy that goes through the VFS nori_copy a copy of that engine is
// put beside it, under an identity of its own, before the copy is committed;
// where that cannot be done, the copy fails.

#ifndef NORI_VTAB_COPY_WATCH_H_
#define NORI_VTAB_COPY_WATCH_H_

#include <memory>
#include <string>

#include "sqlite_vfs/copy_vfs.h"

namespace nori {

// For RegisterCopyVfs.
std::unique_ptr<PendingCopy> WatchCopyTo(const char* path) noexcept;

// Why the last copy that failed here did, in this process; empty if none has.
// SQLite passes on nothing but a code. Thread-safe.
std::string LastCopyError();

}  // namespace nori

#endif  // NORI_VTAB_COPY_WATCH_H_
