// An in-memory SQLite database for differential tests.

#ifndef NORI_TESTS_VTAB_SQLITE_DATABASE_H_
#define NORI_TESTS_VTAB_SQLITE_DATABASE_H_

#include <sqlite3.h>

#include <string>
#include <string_view>
#include <vector>

#include "vtab/value.h"

namespace nori {

// A prepared statement. Aborts the test program on misuse.
class SqliteStatement {
 public:
  SqliteStatement(sqlite3* db, const std::string& sql);
  ~SqliteStatement() { sqlite3_finalize(statement_); }
  SqliteStatement(const SqliteStatement&) = delete;
  SqliteStatement& operator=(const SqliteStatement&) = delete;

  // Binds parameter i, counted from 1. The bytes are copied.
  void Bind(int i, const Value& value);
  // Advances; true on a row, false at the end or on an error (see ok).
  bool Step();
  bool ok() const { return ok_; }
  void Reset();
  // Column i of the row. Bytes are valid until the next step.
  Value Get(int i) const;
  // Column i as SQLite turns it into text; "" for NULL.
  std::string Text(int i) const;

 private:
  sqlite3_stmt* statement_ = nullptr;
  bool ok_ = true;
};

class SqliteDatabase {
 public:
  SqliteDatabase();
  ~SqliteDatabase() { sqlite3_close(db_); }
  SqliteDatabase(const SqliteDatabase&) = delete;
  SqliteDatabase& operator=(const SqliteDatabase&) = delete;

  sqlite3* handle() const { return db_; }
  // Runs `sql`; the error message, or "" if it succeeded.
  std::string Execute(const std::string& sql);
  // All rows as text.
  std::vector<std::vector<std::string>> Query(const std::string& sql);

 private:
  sqlite3* db_ = nullptr;
};

// The value as a readable literal, with its type, for messages.
std::string Describe(const Value& value);
// Same type and same bits.
bool Identical(const Value& a, const Value& b);

}  // namespace nori

#endif  // NORI_TESTS_VTAB_SQLITE_DATABASE_H_
