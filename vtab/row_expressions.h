// CHECK and DEFAULT, evaluated by SQLite.

#ifndef NORI_VTAB_ROW_EXPRESSIONS_H_
#define NORI_VTAB_ROW_EXPRESSIONS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "vtab/schema.h"
#include "vtab/sqlite.h"
#include "vtab/value.h"

namespace nori {

struct ShownRow;

// The expressions of one table in one connection, compiled at first use. The
// checks are compiled over a table of the connection's own, with the columns'
// names, types and collations, that shows the one row in question; so they mean
// what they would mean in an ordinary table. Not thread-safe.
class RowExpressions {
 public:
  // `schema` must outlive it. `table`: the name that columns may be qualified
  // by.
  RowExpressions(sqlite3* db, const TableSchema* schema, std::string table);
  ~RowExpressions();
  RowExpressions(const RowExpressions&) = delete;
  RowExpressions& operator=(const RowExpressions&) = delete;

  // The first of the checks in `wanted`, one flag for each, that the row fails;
  // nullopt if there is none. An error of the evaluation has SQLite's words.
  absl::StatusOr<std::optional<size_t>> FailedCheck(
      absl::Span<const Value> values, int64_t rowid,
      const std::vector<bool>& wanted);
  // The default of a column that has one; *scratch owns its bytes.
  absl::StatusOr<Value> Default(size_t column, std::string* scratch);

 private:
  absl::Status PrepareChecks();
  absl::StatusOr<sqlite3_stmt*> Prepare(const std::string& sql);

  sqlite3* const db_;
  const TableSchema* const schema_;
  const std::string table_;
  std::string module_;  // of the table of one row; empty: not registered
  std::shared_ptr<ShownRow> row_;
  sqlite3_stmt* checks_ = nullptr;
  std::vector<sqlite3_stmt*> defaults_;  // by column
};

// Has SQLite say what is wrong with a definition, as for an ordinary table, in
// its own words. Changes nothing. For xCreate.
absl::Status CheckDefinition(sqlite3* db, const TableSchema& schema,
                             const std::string& name);

}  // namespace nori

#endif  // NORI_VTAB_ROW_EXPRESSIONS_H_
