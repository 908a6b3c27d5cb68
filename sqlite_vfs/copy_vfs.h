// The VFS `nori_copy`: SQLite's default VFS with an eye on copies of databases.
//
// It hands everything on to the VFS below. A main database file that is being
// written by the backup API or by VACUUM INTO, and by nothing else, is shown to
// a watcher, which may add to the copy what the pages do not hold. All other
// files are opened by the VFS below itself; a main file costs one call more.

#ifndef NORI_SQLITE_VFS_COPY_VFS_H_
#define NORI_SQLITE_VFS_COPY_VFS_H_

#include <sqlite3ext.h>

#include <cstdint>
#include <memory>

namespace nori {

// A copy that is being made. Its destruction before Commit means that it will
// not be. Not thread-safe; no function may throw.
class PendingCopy {
 public:
  virtual ~PendingCopy() = default;
  // Where the pages of the copy are when it is complete.
  enum class Place : uint8_t {
    // In the file, which may still be written to below SQLite.
    kFile,
    // In the file, and in SQLite's cache, which it will not read again
    // (locking_mode=EXCLUSIVE).
    kCache,
    // In a write-ahead log on their way to the disk: they are as they are.
    kLog,
  };
  // All pages are there to be read through `file`, under SQLite's lock. Gives
  // an SQLite result code: an error makes SQLite undo the copy, and call again
  // when it has, or the program's next try to commit call again.
  virtual int Complete(sqlite3_file* file, Place place) noexcept = 0;
  // SQLite has committed the pages. An error still reaches the caller.
  virtual int Commit() noexcept = 0;
};

// Called when a copy to the file `path` begins. Null: nothing to add. The
// source, if this process has it open, is in a read transaction by now. Must
// not throw.
using WatchCopy = std::unique_ptr<PendingCopy> (*)(const char* path);

// Registers it above the default VFS of the time; once. `as_default`: and as
// the new default. Never unregistered. Gives an SQLite result code. The
// sqlite3_api of the extension must be set.
int RegisterCopyVfs(WatchCopy watch, bool as_default);

// The VFS below if `vfs` is nori_copy, else `vfs`.
sqlite3_vfs* BelowCopyVfs(sqlite3_vfs* vfs);

// Opens a connection whose main file is `file`, which somebody else has open
// and locked. Nothing is locked, synced or journalled, and a write-ahead log is
// not looked for. Close it before `file`. Gives an SQLite result code.
int OpenBelow(sqlite3_file* file, sqlite3** db);

}  // namespace nori

#endif  // NORI_SQLITE_VFS_COPY_VFS_H_
