#include "vtab/page_copy.h"

#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "engine/format/status_macros.h"
#include "vtab/error_map.h"
#include "vtab/statement.h"

namespace nori {

absl::StatusOr<ConnectionPtr> OpenFile(const std::string& path, int flags,
                                       const char* vfs, int timeout_ms) {
  sqlite3* raw = nullptr;
  const int rc = sqlite3_open_v2(
      path.c_str(), &raw,
      flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE, vfs);
  ConnectionPtr db(raw);
  NORI_RETURN_IF_ERROR(StatusOfSqlite(raw, rc, path.c_str()));
  sqlite3_busy_timeout(raw, timeout_ms);
  return db;
}

absl::StatusOr<int> CopyPages(const DatabaseRef& from, const DatabaseRef& to,
                              int step, const GoOn& go_on) {
  constexpr char kWhat[] = "copying pages";
  sqlite3_backup* const backup = sqlite3_backup_init(
      to.db, to.schema.c_str(), from.db, from.schema.c_str());
  if (backup == nullptr) {
    return StatusOfSqlite(to.db, sqlite3_errcode(to.db), kWhat);
  }
  absl::Status status;
  int rc = SQLITE_OK;
  while (status.ok() && rc == SQLITE_OK) {
    status = go_on();
    if (status.ok()) rc = sqlite3_backup_step(backup, step);
  }
  const int pages = sqlite3_backup_pagecount(backup);
  // Only this sets the connection's message.
  const int finished = sqlite3_backup_finish(backup);
  NORI_RETURN_IF_ERROR(status);
  if (rc == SQLITE_DONE) rc = finished;
  NORI_RETURN_IF_ERROR(StatusOfSqlite(to.db, rc, kWhat));
  return pages;
}

absl::StatusOr<std::string> PathOfTarget(const std::string& text,
                                         const char* function) {
  if (text.empty() || text == ":memory:" ||
      text.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat(function, " needs the name of a file to make"));
  }
  if (text.starts_with("file:")) {
    return absl::InvalidArgumentError(
        absl::StrCat(function, " takes the name of a file, not a URI"));
  }
  std::error_code error;
  std::filesystem::path path = std::filesystem::absolute(text, error);
  // A link stands for the file it leads to.
  if (!error && std::filesystem::exists(path, error)) {
    path = std::filesystem::canonical(path, error);
  } else if (!error) {
    const std::filesystem::path parent =
        std::filesystem::canonical(path.parent_path(), error);
    path = parent / path.filename();
  }
  if (error || path.filename().empty()) {
    return SqliteError(SQLITE_CANTOPEN,
                       absl::StrCat("cannot make ", text, ": ",
                                    error ? error.message() : "not a file"));
  }
  return path.string();
}

absl::Status QuickCheck(sqlite3* db, const char* what) {
  NORI_ASSIGN_OR_RETURN(const std::string found,
                        QueryText(db, "PRAGMA quick_check(1)", what));
  if (found == "ok") return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(what, ": ", found));
}

}  // namespace nori
