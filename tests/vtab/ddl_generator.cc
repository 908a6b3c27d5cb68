// The statements of StatementGenerator that are not about rows.

#include <iterator>

#include "tests/vtab/statement_generator.h"

namespace nori {
namespace {

// `text` as a string of SQL.
std::string Quoted(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) quoted.append(c == '\'' ? 2 : 1, c);
  return quoted + "'";
}

}  // namespace

// To u and back, or undone, with statements between.
void StatementGenerator::Rename() {
  const bool undone = OneIn(3);
  if (undone) pending_.push_back({"SAVEPOINT r"});
  pending_.push_back({"ALTER TABLE " + schema_ + ".t RENAME TO u"});
  name_ = "u";
  for (size_t i = Uniform(4); i > 0; --i) {
    pending_.push_back(OneIn(2) ? Insert() : OneIn(2) ? Update() : Select());
  }
  name_ = "t";
  if (OneIn(4)) pending_.push_back({"SELECT * FROM t", false});
  if (undone) {
    pending_.push_back({"ROLLBACK TO r"});
    pending_.push_back({"RELEASE r"});
  } else {
    pending_.push_back({"ALTER TABLE " + schema_ + ".u RENAME TO t"});
  }
}

void StatementGenerator::DropAndCreate() {
  const bool undone = OneIn(2);
  if (undone) pending_.push_back({"SAVEPOINT d"});
  pending_.push_back({"DROP TABLE " + schema_ + ".t"});
  if (OneIn(4)) pending_.push_back({"SELECT * FROM t", false});
  // The same, so that it does not matter what is rolled back.
  pending_.push_back({native_sql_, true, nori_sql_});
  pending_.push_back(Insert());
  if (undone) {
    if (OneIn(3)) pending_.push_back({"DROP TABLE " + schema_ + ".t"});
    pending_.push_back({"ROLLBACK TO d"});
    pending_.push_back({"RELEASE d"});
    // The savepoint may be gone with an OR ROLLBACK.
    pending_.push_back({native_sql_, true, nori_sql_});
  }
}

StatementGenerator::Statement StatementGenerator::IndexStatement() {
  const std::string index = "x" + std::to_string(Uniform(2));
  const std::string table = Quoted(schema_ + ".t");
  if (OneIn(2)) {
    return {"DROP INDEX " + index, true,
            "SELECT nori_drop_index(" + table + ", '" + index + "')",
            Difference::kIndexFunctions};
  }
  // What depends on the plan is left out from now on.
  has_indexes_ = true;
  const bool unique = OneIn(4);
  const std::string columns = IndexedColumns(unique);
  return {"CREATE " + std::string(unique ? "UNIQUE " : "") + "INDEX " +
              schema_ + "." + index + " ON t" + columns,
          true,
          "SELECT nori_create_index(" + table + ", '" + index + "', " +
              Quoted(columns.substr(1, columns.size() - 2)) +
              (unique ? ", 'unique')" : ")"),
          Difference::kIndexFunctions};
}

StatementGenerator::Statement StatementGenerator::Maintenance() {
  static constexpr const char* kCalls[] = {"nori_flush", "nori_flush",
                                           "nori_compact"};
  return {"SELECT 'ok'", true,
          "SELECT " + std::string(kCalls[Uniform(std::size(kCalls))]) + "('" +
              schema_ + "')"};
}

StatementGenerator::Statement StatementGenerator::Truncate() {
  return {"DELETE FROM t; SELECT 'ok'", true,
          "SELECT nori_truncate('" + schema_ + ".t')"};
}

// What is refused before it runs.
StatementGenerator::Statement StatementGenerator::Mistake() {
  switch (Uniform(9)) {
    case 0:
      return {"INSERT INTO t VALUES (" + Value() +
              ", 1, 2, 3, 4, 5, 6, 7, 8, " + "9, 10, 11, 12)"};
    case 1:
      return {"INSERT INTO t(" + ColumnName() + ", zz) VALUES (1, 2)"};
    case 2:
      return {"UPDATE t SET zz = " + Value()};
    case 3:
      return {"SELECT zz FROM t"};
    case 4:
      return {"DELETE FROM t WHERE zz = 1"};
    case 5:
      return {"INSERT INTO t(" + ColumnName() + ") VALUES (1), (2, 3)"};
    case 6:
      return {"SELECT * FROM t WHERE"};
    case 7:
      return {native_sql_, true, nori_sql_};
    default:
      return {"DROP TABLE u"};
  }
}

StatementGenerator::Statement StatementGenerator::Transaction() {
  const std::string name = " s" + std::to_string(Uniform(3));
  switch (Uniform(9)) {
    case 0:
      return {"BEGIN"};
    case 1: {
      static constexpr const char* kKinds[] = {"DEFERRED", "IMMEDIATE",
                                               "EXCLUSIVE"};
      return {"BEGIN " + std::string(kKinds[Uniform(3)])};
    }
    case 2:
      return {OneIn(2) ? "COMMIT" : "END"};
    case 3:
      return {"ROLLBACK"};
    case 4:
    case 5:
      return {"SAVEPOINT" + name};
    case 6:
      return {"RELEASE" + name};
    default:
      return {"ROLLBACK TO" + name};
  }
}

}  // namespace nori
