// Creates tables from the same text in SQLite itself and through ParseSchema.

#ifndef NORI_TESTS_VTAB_SCHEMA_FIXTURE_H_
#define NORI_TESTS_VTAB_SCHEMA_FIXTURE_H_

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/vtab/sqlite_database.h"
#include "vtab/schema.h"

namespace nori {

// A virtual-table module that only parses and declares: what SQLite makes of
// the arguments and of the declaration is then SQLite's own answer.
struct Capture {
  absl::StatusOr<TableSchema> schema = absl::UnknownError("not created");
};

class SchemaTest : public ::testing::Test {
 protected:
  SchemaTest();

  // Creates virtual table v from the text of its arguments; SQLite's error.
  std::string CreateVirtual(const std::string& arguments) {
    virtual_.Execute("DROP TABLE IF EXISTS v");
    capture_.schema = absl::UnknownError("not created");
    return virtual_.Execute("CREATE VIRTUAL TABLE v USING capture(" +
                            arguments + ")");
  }

  // Creates ordinary table t, with WITHOUT ROWID as a table option.
  std::string CreateNative(const std::string& arguments, bool without_rowid) {
    native_.Execute("DROP TABLE IF EXISTS t");
    std::string columns = arguments;
    const size_t option = columns.rfind(", WITHOUT ROWID");
    if (option != std::string::npos) {
      columns.resize(option);
      without_rowid = true;
    }
    return native_.Execute("CREATE TABLE t(" + columns + ")" +
                           (without_rowid ? " WITHOUT ROWID" : ""));
  }

  // Compares a parsed schema with native table t of the same definition
  // (WITHOUT ROWID if the identity is kKey), and the declared v with it.
  void ExpectSameTable(const TableSchema& schema);

 private:
  void ExpectSameColumn(const TableSchema& schema, size_t i,
                        const std::vector<std::string>& native,
                        const std::vector<std::string>& declared);
  void ExpectSameCollation(const Column& column, SqliteDatabase& db,
                           const char* table);
  void ExpectSameKey(const TableSchema& schema);
  void ExpectSameAlias(const TableSchema& schema);

 protected:
  Capture capture_;
  sqlite3_module module_{};
  SqliteDatabase virtual_;
  SqliteDatabase native_;
};

}  // namespace nori

#endif  // NORI_TESTS_VTAB_SCHEMA_FIXTURE_H_
