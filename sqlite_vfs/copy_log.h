// A copy that is being written to a write-ahead log.
//
// Such a copy commits by the log's frame that says so, and no call of SQLite's
// tells of it before. The frames are seen on their way into the log: the copy
// is complete when the one that commits comes, and not committed before it is
// written.

#ifndef NORI_SQLITE_VFS_COPY_LOG_H_
#define NORI_SQLITE_VFS_COPY_LOG_H_

#include <sqlite3ext.h>

#include <cstdint>
#include <vector>

namespace nori {

// The frames of one transaction. Not thread-safe.
class CopyLog {
 public:
  enum class Write {
    kOther,    // goes on
    kCommits,  // the last page of the transaction
    kUnknown,  // not what a log is written by: its end would not be seen
  };
  // To be told of each write to the log before it happens. May throw bad_alloc.
  Write Next(const void* data, int bytes, sqlite3_int64 at);

  // The database as it will be: every page that the transaction wrote. `log` is
  // the file of the log; the last page is `page`, as Next was given it. The
  // result is of use as long as both are, and this is not changed.
  struct View : sqlite3_file {
    const CopyLog* frames;
    sqlite3_file* log;
    const char* page;
  };
  View Show(sqlite3_file* log, const void* page) const;

  int page_bytes() const { return page_bytes_; }
  // The number of the last page that Next was told of.
  uint32_t last_page() const { return page_; }
  // Where the page lies in the log; 0: nowhere.
  sqlite3_int64 PlaceOf(uint32_t page) const;
  uint32_t pages() const { return pages_; }

 private:
  std::vector<uint32_t> frame_of_;  // by page: from 1; 0: none
  int page_bytes_ = 0;
  sqlite3_int64 header_at_ = -1;  // of the header that came last
  uint32_t page_ = 0;             // that it is of
  uint32_t pages_ = 0;            // of the database, if it commits
};

}  // namespace nori

#endif  // NORI_SQLITE_VFS_COPY_LOG_H_
