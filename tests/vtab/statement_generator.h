// Random tables and statements that an ordinary table and a nori table must
// answer alike, but for the documented differences.

#ifndef NORI_TESTS_VTAB_STATEMENT_GENERATOR_H_
#define NORI_TESTS_VTAB_STATEMENT_GENERATOR_H_

#include <deque>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "tests/vtab/differences.h"

namespace nori {

class StatementGenerator {
 public:
  explicit StatementGenerator(uint64_t seed) : random_(seed) {}

  // Draws a new table definition for the table t. Both statements have the same
  // columns and the same key. The table is in main, temp, or a database that
  // is attached as aux.
  void NewTable();
  const std::string& schema() const { return schema_; }
  const std::string& native_sql() const { return native_sql_; }
  const std::string& nori_sql() const { return nori_sql_; }

  struct Statement {
    std::string sql;
    bool ordered = true;        // rows must come in the same order
    std::string nori_sql = {};  // empty: `sql`
    // What the two may do differently.
    std::optional<Difference> excuse = std::nullopt;
  };
  Statement Next();

  // A full listing, in key order or against it.
  Statement Listing(bool descending) const;

  size_t Uniform(size_t n) {
    return std::uniform_int_distribution<size_t>(0, n - 1)(random_);
  }

 private:
  struct KeyColumn {
    std::string name;
    std::string collation;  // " COLLATE x" or empty
    bool descending = false;
  };

  bool OneIn(size_t n) { return Uniform(n) == 0; }

  // In table_generator.cc.
  std::string KeyDefinition();
  // Adds unique constraints to the definitions and indexes of either kind.
  void AddConstraints(std::string* definitions);
  void AddIndexes();
  std::string CheckExpression(const std::string& column, bool may_qualify);
  std::string DefaultValue();
  // A column's type, NOT NULL, DEFAULT, CHECK, UNIQUE, REFERENCES and COLLATE.
  std::string ColumnDefinition(const std::string& name);
  std::string IndexedColumns(bool note_unique);
  // Columns of the table, in any order.
  std::vector<std::string> SomeColumns(size_t most);

  // In ddl_generator.cc. Statements that belong together are left in pending_.
  void Rename();
  void DropAndCreate();
  Statement IndexStatement();
  // Statements that do not change what the table holds, for nori alone.
  Statement Maintenance();
  Statement Truncate();
  Statement Mistake();
  Statement Transaction();

  // A value or an expression, but no NULL for a column that has a default.
  std::string ValueFor(const std::string& name, bool expression);
  std::string Value();
  // For a rowid, too: not at the end of its range, where new ones are random.
  std::string SmallValue();
  std::string ColumnName() { return columns_[Uniform(columns_.size())]; }
  // A column; or the rowid, if there is one.
  std::string Term();
  bool IsRowid(const std::string& name) const {
    return name == "rowid" || name == alias_;
  }
  // `scan`: such that no index helps.
  std::string Condition(int depth, bool scan = false);
  // One row at most.
  std::string ConditionOnKey(const std::string& prefix);
  std::string Expression();
  std::string InsertedValue(const std::string& name, bool any_rowid);
  Statement Insert();
  std::string InsertRows(const std::string& clause,
                         const std::vector<std::string>& names);
  Statement InsertMany();
  Statement Returning(std::string sql, bool ignores);
  // What an UPDATE may do without depending on the order of its rows.
  struct Assignments {
    std::string sql;
    bool changes_key = false;
    bool changes_unique = false;
  };
  Assignments DrawAssignments(size_t most);
  Statement Update();
  Statement UpdateFrom();
  Statement Delete();
  Statement Select();
  std::string KeyOrder(bool descending) const;
  std::string ConflictClause();

  std::mt19937_64 random_;
  std::string schema_ = "main";
  std::string name_ = "t";  // what the table is called now
  std::vector<std::string> columns_;
  std::vector<KeyColumn> key_;  // empty: rowid
  bool has_rowid_ = true;
  std::string alias_;                // the rowid's alias, or empty
  std::vector<std::string> unique_;  // columns of unique indexes
  bool has_indexes_ = false;
  std::vector<std::string> with_default_;  // all are NOT NULL
  bool has_not_null_ = false;
  bool has_checks_ = false;
  bool is_strict_ = false;
  bool is_large_ = false;  // many rows were inserted at once
  std::string native_sql_, nori_sql_;
  std::deque<Statement> pending_;
};

}  // namespace nori

#endif  // NORI_TESTS_VTAB_STATEMENT_GENERATOR_H_
