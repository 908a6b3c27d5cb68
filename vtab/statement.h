// Statements that nori runs on a connection of its own or of an application's.

#ifndef NORI_VTAB_STATEMENT_H_
#define NORI_VTAB_STATEMENT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "vtab/sqlite.h"

namespace nori {

// A prepared statement. Not thread-safe. Must go before its connection.
class Statement {
 public:
  // Compiles `sql`, which must be one statement and no more (kInvalidArgument):
  // parts of it may come from a file. `what` says in errors what it is for, and
  // must outlive it.
  static absl::StatusOr<Statement> Prepare(sqlite3* db, const std::string& sql,
                                           const char* what);

  // Parameters count from 1. Bytes must stay until the next Step or Reset.
  void BindInteger(int i, int64_t value);
  void BindText(int i, std::string_view text);
  void BindBlob(int i, std::string_view bytes);

  // True on a row, false at the end.
  absl::StatusOr<bool> Step();
  // Runs it once, for what it does, and makes it ready to run again.
  absl::Status Run();
  void Reset() { sqlite3_reset(get()); }

  // Of the row, columns counted from 0; views are valid until the next Step.
  int64_t Integer(int i) const { return sqlite3_column_int64(get(), i); }
  bool IsNull(int i) const {
    return sqlite3_column_type(get(), i) == SQLITE_NULL;
  }
  std::string_view Text(int i) const;
  std::string_view Blob(int i) const;

  sqlite3_stmt* get() const { return statement_.get(); }

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const {
      sqlite3_finalize(statement);
    }
  };

  Statement(sqlite3_stmt* statement, const char* what)
      : statement_(statement), what_(what) {}

  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  const char* what_;
};

// Runs the statements of `sql`.
absl::Status Execute(sqlite3* db, const std::string& sql, const char* what);

// The first column of the first row as text; "" if there is none.
absl::StatusOr<std::string> QueryText(sqlite3* db, const std::string& sql,
                                      const char* what);

// Runs `body` in a savepoint: on an error nothing of it is left, nor if the end
// of it is the COMMIT and finds the database busy.
template <typename Body>
absl::Status InSavepoint(sqlite3* db, const char* what, Body&& body) {
  absl::Status status = Execute(db, "SAVEPOINT nori_work", what);
  if (!status.ok()) return status;
  status = std::forward<Body>(body)();
  if (status.ok()) {
    status = Execute(db, "RELEASE nori_work", what);
    if (status.ok()) return status;
  }
  Execute(db, "ROLLBACK TO nori_work", what).IgnoreError();
  Execute(db, "RELEASE nori_work", what).IgnoreError();
  return status;
}

}  // namespace nori

#endif  // NORI_VTAB_STATEMENT_H_
