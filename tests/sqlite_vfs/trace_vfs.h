// Writes down which calls SQLite makes on the files of another VFS.

#ifndef NORI_TESTS_SQLITE_VFS_TRACE_VFS_H_
#define NORI_TESTS_SQLITE_VFS_TRACE_VFS_H_

#include <sqlite3.h>

#include <functional>
#include <string>
#include <vector>

namespace nori {

// The VFS `trace` over the one called `below`, while it lives. Only one at a
// time, and for one thread.
//
// The calls on a database are called
//   SHARED RESERVED EXCLUSIVE    taking a lock
//   unlock-SHARED unlock-NONE    giving it back
//   header counter               reading bytes 0-99, 24-39
//   write truncate size sync
//   SYNC SYNC-super PHASETWO     file controls; further ones by their name
//   close
// on another file they begin with its kind: journal-write. Further ones are
// open-<kind>, access-journal, access-wal, delete-journal, delete-super.
// A call that is made again and again is written down once, as are two that
// alternate, and a call on a temporary file once at all. Reads of pages
// ("read") are not written down.
class TraceVfs {
 public:
  explicit TraceVfs(const char* below);
  ~TraceVfs();
  TraceVfs(const TraceVfs&) = delete;
  TraceVfs& operator=(const TraceVfs&) = delete;

  // The calls since the last Take, with spaces between.
  std::string Take();

  // Keeps PRAGMAs from the VFS below, so that SQLite does as it is told.
  void HidePragmas() { hide_pragmas_ = true; }
  // Asked before each call is handed on: a code other than SQLITE_OK is
  // returned instead. Null: none.
  void Before(std::function<int(const std::string& call)> before) {
    before_ = std::move(before);
  }

  // For the VFS's functions.
  int Note(const std::string& call);
  sqlite3_vfs* below() const { return below_; }
  bool hide_pragmas() const { return hide_pragmas_; }

 private:
  sqlite3_vfs* const below_;
  sqlite3_vfs vfs_;
  bool hide_pragmas_ = false;
  std::function<int(const std::string& call)> before_;
  std::vector<std::string> calls_;
};

}  // namespace nori

#endif  // NORI_TESTS_SQLITE_VFS_TRACE_VFS_H_
