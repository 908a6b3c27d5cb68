// Whole databases, page by page, and the files that they are copied to.

#ifndef NORI_VTAB_PAGE_COPY_H_
#define NORI_VTAB_PAGE_COPY_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/engine.h"
#include "vtab/sqlite.h"

namespace nori {

struct CloseConnection {
  void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
};
using ConnectionPtr = std::unique_ptr<sqlite3, CloseConnection>;

// A connection for one thread, with a cache of its own. `vfs`: null: the
// default one.
absl::StatusOr<ConnectionPtr> OpenFile(const std::string& path, int flags,
                                       const char* vfs, int timeout_ms);

// A schema of a connection.
struct DatabaseRef {
  sqlite3* db;
  std::string schema;
};

// Copies all pages, `step` at a time (-1: at once), and commits them. Gives
// their number. Asks `go_on` before each step; on an error `to` is as it was.
absl::StatusOr<int> CopyPages(const DatabaseRef& from, const DatabaseRef& to,
                              int step, const GoOn& go_on);
// A step after which somebody may want to interrupt.
inline constexpr int kPagesPerStep = 256;

// The full path that `text` stands for, links followed; `function` is named in
// errors. Refuses what is no name of a file: '', ':memory:', URIs.
absl::StatusOr<std::string> PathOfTarget(const std::string& text,
                                         const char* function);

// PRAGMA quick_check of `db`: kDataLoss with what it found, and `what`.
absl::Status QuickCheck(sqlite3* db, const char* what);

}  // namespace nori

#endif  // NORI_VTAB_PAGE_COPY_H_
