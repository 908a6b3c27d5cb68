// Errors on their way between the engine and SQLite, and the wrapper that keeps
// C++ exceptions out of SQLite.

#ifndef NORI_VTAB_ERROR_MAP_H_
#define NORI_VTAB_ERROR_MAP_H_

#include <new>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "vtab/sqlite.h"

namespace nori {

// A status that carries an exact SQLite result code, which
// SqliteCodeOfStatus gives back. REQUIRES: code is an error.
absl::Status SqliteError(int code, const std::string& message);

// As SqliteError, for an error that an ordinary table gives, too: the message
// is SQLite's own and is passed on without "nori: " in front.
absl::Status NativeError(int code, const std::string& message);

// The status for the result `code` of a call on `db`, with its message; OK for
// SQLITE_OK, SQLITE_ROW and SQLITE_DONE. `what` says what was being done.
absl::Status StatusOfSqlite(sqlite3* db, int code, const char* what);

// The SQLite result code for a status: the one place where engine errors become
// SQLite errors.
int SqliteCodeOfStatus(const absl::Status& status);

// Reports `status`, an error, as the result of a callback of `table` (may be
// null): sets its error message and returns the code.
int ReportError(sqlite3_vtab* table, const absl::Status& status);
// As above, for any status; apart, since callbacks end in it for every row.
inline int ReportStatus(sqlite3_vtab* table, const absl::Status& status) {
  return status.ok() ? SQLITE_OK : ReportError(table, status);
}
// As above for a function's context.
void ReportStatus(sqlite3_context* context, const absl::Status& status);

// Sets `table`'s error message to exactly `message` and returns `code`.
int ReportMessage(sqlite3_vtab* table, int code, const std::string& message);

// Runs the body of a callback from SQLite. No exception leaves it.
template <typename Body>
int Guarded(Body&& body) noexcept {
  try {
    return std::forward<Body>(body)();
  } catch (const std::bad_alloc&) {
    return SQLITE_NOMEM;
  } catch (...) {
    return SQLITE_INTERNAL;
  }
}

}  // namespace nori

#endif  // NORI_VTAB_ERROR_MAP_H_
