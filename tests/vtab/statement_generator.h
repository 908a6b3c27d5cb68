// Random tables and statements that an ordinary table and a nori table must
// answer alike.

#ifndef NORI_TESTS_VTAB_STATEMENT_GENERATOR_H_
#define NORI_TESTS_VTAB_STATEMENT_GENERATOR_H_

#include <random>
#include <string>
#include <vector>

namespace nori {

class StatementGenerator {
 public:
  explicit StatementGenerator(uint64_t seed) : random_(seed) {}

  // Draws a new table definition for the table t. Both statements have the same
  // columns and the same key.
  void NewTable();
  const std::string& native_sql() const { return native_sql_; }
  const std::string& nori_sql() const { return nori_sql_; }

  struct Statement {
    std::string sql;
    bool ordered = true;  // rows must come in the same order
  };
  Statement Next();

  // A full listing, in key order or against it.
  std::string Listing(bool descending) const;

  size_t Uniform(size_t n) {
    return std::uniform_int_distribution<size_t>(0, n - 1)(random_);
  }

 private:
  bool OneIn(size_t n) { return Uniform(n) == 0; }
  // Adds unique constraints to the definitions and indexes of either kind.
  void AddConstraints(std::string* definitions);
  void AddIndexes();
  std::string CheckExpression(const std::string& column);
  // A column's type, NOT NULL, DEFAULT, CHECK, UNIQUE and COLLATE.
  std::string ColumnDefinition(const std::string& name);
  // A value or an expression, but no NULL for a column that has a default.
  std::string ValueFor(const std::string& name, bool expression);
  std::string IndexedColumns(bool note_unique);
  std::string Value();
  std::string ColumnName() { return columns_[Uniform(columns_.size())]; }
  // A column; or the rowid, if there is one.
  std::string Term();
  // `scan`: such that no index helps.
  std::string Condition(int depth, bool scan = false);
  std::string Expression();
  std::string Insert();
  std::string Update();
  std::string Delete();
  Statement Select();
  std::string Transaction();
  std::string ConflictClause();

  std::mt19937_64 random_;
  std::vector<std::string> columns_;
  std::vector<std::string> key_;  // column names; empty: rowid
  std::vector<bool> key_descending_;
  bool has_rowid_ = true;
  std::string alias_;                // the rowid's alias, or empty
  std::vector<std::string> unique_;  // columns of unique indexes
  bool has_indexes_ = false;
  std::vector<std::string> with_default_;  // all are NOT NULL
  bool has_checks_ = false;
  bool is_strict_ = false;
  std::string native_sql_, nori_sql_;
};

}  // namespace nori

#endif  // NORI_TESTS_VTAB_STATEMENT_GENERATOR_H_
