#include "tests/vtab/statement_generator.h"

#include <algorithm>
#include <iterator>

namespace nori {
namespace {

constexpr const char* kValues[] = {"NULL",
                                   "0",
                                   "1",
                                   "-1",
                                   "2.0",
                                   "1.5",
                                   "-0.0",
                                   "1e10",
                                   "10000000000",
                                   "9007199254740993",
                                   "9007199254740992.0",
                                   "-9223372036854775807",
                                   "1e300",
                                   "''",
                                   "'a'",
                                   "'A'",
                                   "'b'",
                                   "'B '",
                                   "'a  '",
                                   "'abc'",
                                   "'ABC'",
                                   "'12'",
                                   "' 12'",
                                   "'1e2'",
                                   "'0.5'",
                                   "'\u00e4'",
                                   "'a' || char(0) || 'b'",
                                   "x''",
                                   "x'00'",
                                   "x'61'",
                                   "x'ff00ff'",
                                   "'%'",
                                   "-7.25",
                                   "'-0'",
                                   "'9e999'"};
// For columns, not for rowids.
constexpr const char* kExtremes[] = {"9223372036854775807",
                                     "-9223372036854775808",
                                     "9e999",
                                     "-9e999",
                                     "4.9e-324",
                                     "CAST(x'ff41' AS TEXT)",
                                     "char(0)",
                                     "'a' || char(0)",
                                     "zeroblob(300)",
                                     "printf('%.*c', 700, 'a')",
                                     "'9223372036854775808'",
                                     "'0x10'",
                                     "'+5'",
                                     "char(10) || '7 '",
                                     "char(65533, 128512)",
                                     "x'00000000000000000000'",
                                     "0x7fffffff",
                                     "TRUE"};
constexpr const char* kComparisons[] = {
    "=", "=", "<", "<=", ">", ">=", "<>", "IS"};

// Values that a collation or a number's type takes for one, made one.
std::string Normal(const std::string& term) {
  return "CASE typeof(" + term + ") WHEN 'text' THEN upper(rtrim(" + term +
         ")) WHEN 'blob' THEN " + term + " ELSE " + term + " * 1.0 + 0.0 END";
}

}  // namespace

std::string StatementGenerator::ValueFor(const std::string& name,
                                         bool expression) {
  const bool has_default = std::find(with_default_.begin(), with_default_.end(),
                                     name) != with_default_.end();
  const std::string value = expression ? Expression() : Value();
  return has_default ? "coalesce(" + value + ", 3)" : value;
}

std::string StatementGenerator::SmallValue() {
  if (OneIn(2)) return std::to_string(static_cast<int>(Uniform(40)) - 5);
  return kValues[Uniform(std::size(kValues))];
}

std::string StatementGenerator::Value() {
  if (OneIn(10)) return kExtremes[Uniform(std::size(kExtremes))];
  return SmallValue();
}

std::string StatementGenerator::Term() {
  return has_rowid_ && OneIn(4) ? "rowid" : ColumnName();
}

std::string StatementGenerator::Condition(int depth, bool scan) {
  if (depth > 0 && OneIn(2)) {
    return "(" + Condition(depth - 1, scan) + (OneIn(3) ? " OR " : " AND ") +
           Condition(depth - 1, scan) + ")";
  }
  const std::string term =
      (scan ? "+" : "") +
      (!key_.empty() && OneIn(2) ? key_[Uniform(key_.size())].name : Term());
  switch (Uniform(8)) {
    case 0:
      return term + " BETWEEN " + Value() + " AND " + Value();
    case 1:
      return term + " IN (" + Value() + ", " + Value() + ", " + Value() + ")";
    case 2:
      return term + (OneIn(2) ? " IS NULL" : " IS NOT NULL");
    case 3:
      return term + (OneIn(2) ? " LIKE 'a%'" : " GLOB 'a*'");
    case 4: {
      static constexpr const char* kWithCollation[] = {"NOCASE", "BINARY",
                                                       "RTRIM"};
      return term + " " + kComparisons[Uniform(6)] + " " + Value() +
             " COLLATE " + kWithCollation[Uniform(3)];
    }
    default:
      return term + " " + kComparisons[Uniform(std::size(kComparisons))] + " " +
             Value();
  }
}

std::string StatementGenerator::ConditionOnKey(const std::string& prefix) {
  if (has_rowid_) return prefix + "rowid = " + std::to_string(Uniform(40));
  std::string condition;
  for (const KeyColumn& column : key_) {
    condition += (condition.empty() ? "" : " AND ") + prefix + column.name +
                 " = " + Value() + column.collation;
  }
  return condition;
}

std::string StatementGenerator::Expression() {
  switch (Uniform(6)) {
    case 0:
      return ColumnName();
    case 1:
      return ColumnName() + " + " + std::to_string(Uniform(9));
    case 2:
      return ColumnName() + " || 'x'";
    case 3:
      return "CASE WHEN " + ColumnName() + " < " + Value() + " THEN " +
             ColumnName() + " ELSE " + Value() + " END";
    default:
      return Value();
  }
}

std::string StatementGenerator::ConflictClause() {
  // A value of a wrong type gives another code than SQLite's under IGNORE, FAIL
  // and ROLLBACK; under any clause SQLite itself may leave the statement's rows
  // before it, where no statement journal was opened.
  if (is_strict_) return "";
  static constexpr const char* kClauses[] = {"",
                                             "",
                                             "",
                                             " OR ABORT",
                                             " OR IGNORE",
                                             " OR FAIL",
                                             " OR REPLACE",
                                             " OR ROLLBACK"};
  return kClauses[Uniform(std::size(kClauses))];
}

// `any_rowid`: a value of any type, too.
std::string StatementGenerator::InsertedValue(const std::string& name,
                                              bool any_rowid) {
  if (!IsRowid(name)) return ValueFor(name, /*expression=*/false);
  // Mostly acceptable rowids; NULL asks for a new one.
  if (any_rowid && OneIn(10)) return SmallValue();
  return OneIn(3) ? std::string("NULL") : std::to_string(Uniform(60));
}

StatementGenerator::Statement StatementGenerator::Insert() {
  const std::string clause = ConflictClause();
  const bool is_replace = clause == " OR REPLACE" && OneIn(2);
  std::string sql =
      (is_replace ? "REPLACE" : "INSERT" + clause) + " INTO " + name_;
  // Not where a column that may be NULL would get no default.
  if (OneIn(20)) return {sql + " DEFAULT VALUES"};
  std::vector<std::string> names = columns_;
  if (OneIn(4)) {
    names.resize(1 + Uniform(names.size()));
    if (has_rowid_ && alias_.empty() && OneIn(2)) names.push_back("rowid");
  }
  sql += "(";
  for (size_t i = 0; i < names.size(); ++i)
    sql += (i > 0 ? "," : "") + names[i];
  sql += ")" + InsertRows(clause, names);
  if (OneIn(12)) return Returning(sql, clause == " OR IGNORE");
  return {sql};
}

std::string StatementGenerator::InsertRows(
    const std::string& clause, const std::vector<std::string>& names) {
  // A datatype mismatch under a conflict clause leaves an ordinary table half
  // changed, where no statement journal was opened.
  const bool any_rowid = clause.empty();
  if (OneIn(5)) {
    std::string sql = " SELECT ";
    for (size_t i = 0; i < names.size(); ++i) {
      if (i > 0) sql += ", ";
      const std::string value = !IsRowid(names[i]) && OneIn(2)
                                    ? ValueFor(names[i], true)
                                    : InsertedValue(names[i], any_rowid);
      // Whatever the row: it may be computed before LIMIT leaves it out.
      sql += OneIn(20) ? std::string("abs(-9223372036854775808)") : value;
    }
    return sql + " FROM " + name_ + " WHERE " + Condition(1) + " ORDER BY " +
           KeyOrder(OneIn(2)) + " LIMIT 5";
  }
  std::string sql = " VALUES";
  const size_t rows = OneIn(2) ? 1 : 1 + Uniform(4);
  for (size_t row = 0; row < rows; ++row) {
    sql += row > 0 ? ", (" : "(";
    for (size_t i = 0; i < names.size(); ++i) {
      sql += (i > 0 ? ", " : "") + InsertedValue(names[i], any_rowid);
    }
    sql += ")";
  }
  return sql;
}

StatementGenerator::Statement StatementGenerator::Returning(std::string sql,
                                                            bool ignores) {
  std::string list;
  bool as_supplied = ignores;
  for (const std::string& name : columns_) {
    if (OneIn(3)) continue;
    const bool filled =
        IsRowid(name) || std::find(with_default_.begin(), with_default_.end(),
                                   name) != with_default_.end();
    if (filled && !OneIn(4)) continue;
    as_supplied = as_supplied || filled;
    list += (list.empty() ? "" : ", ") + name;
  }
  if (list.empty()) list = "'row'";
  Statement statement{sql + " RETURNING " + list};
  if (as_supplied) statement.excuse = Difference::kReturning;
  return statement;
}

// Enough to leave a small memtable.
StatementGenerator::Statement StatementGenerator::InsertMany() {
  is_large_ = true;
  static constexpr const char* kExpressions[] = {
      "i",
      "i % 7",
      "'k' || i",
      "i * 1.5",
      "zeroblob(i)",
      "-i / 3.",
      "printf('%09d', i * 7919 % 100)",
      "NULL"};
  std::string list;
  for (const std::string& name : columns_) {
    std::string value = kExpressions[Uniform(std::size(kExpressions))];
    if (IsRowid(name)) value = OneIn(2) ? "NULL" : "i * 3";
    if (value == "NULL" && !IsRowid(name)) value = ValueFor(name, false);
    list += (list.empty() ? "" : ", ") + value;
  }
  return {"INSERT" + std::string(is_strict_ ? "" : " OR IGNORE") + " INTO " +
          name_ +
          " WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
          "WHERE i < 40) SELECT " +
          list + " FROM n"};
}

StatementGenerator::Assignments StatementGenerator::DrawAssignments(
    size_t most) {
  Assignments result;
  const size_t count = 1 + Uniform(most);
  for (size_t i = 0; i < count; ++i) {
    const std::string name = Term();
    // Assigning one column twice is defined, but only to the last.
    if (result.sql.find(name + " = ") != std::string::npos) continue;
    if (!alias_.empty() && name == "rowid") continue;
    const bool in_key =
        IsRowid(name) ||
        std::any_of(key_.begin(), key_.end(), [&](const KeyColumn& column) {
          return column.name == name;
        });
    result.changes_key = result.changes_key || in_key;
    result.changes_unique =
        result.changes_unique || IsRowid(name) ||
        std::find(unique_.begin(), unique_.end(), name) != unique_.end();
    const std::string value = !IsRowid(name) ? Expression()
                              : OneIn(2)
                                  ? name + " + " + std::to_string(Uniform(9))
                                  : SmallValue();
    result.sql += (result.sql.empty() ? "" : ", ") + name + " = " + value;
  }
  return result;
}

StatementGenerator::Statement StatementGenerator::Update() {
  if (OneIn(6)) return UpdateFrom();
  std::string clause = ConflictClause();
  const Assignments set = DrawAssignments(2);
  if (set.sql.empty()) return Delete();
  // A virtual table's rows are computed before the first is changed, an
  // ordinary table's as the update comes to them: where REPLACE removes rows
  // that are still to be updated the two differ by nature.
  if (set.changes_key && (clause == " OR REPLACE" || has_rowid_)) clause = "";
  if (set.changes_unique && clause == " OR REPLACE") clause = "";
  // Which row is first to get what two want depends on the order of the scan;
  // so does what has changed when one fails. NOT INDEXED keeps SQLite to the
  // order of rowids, but not to that of another key; and nori reads an index of
  // three columns that holds all there is. There, one row it is.
  const bool scan = has_indexes_ && (set.changes_key || set.changes_unique ||
                                     has_checks_ || clause == " OR FAIL");
  const bool one_row =
      scan && (!has_rowid_ || columns_.size() <= (alias_.empty() ? 3 : 4));
  const std::string condition =
      one_row ? ConditionOnKey("") : Condition(1, scan);
  std::string sql = "UPDATE" + clause + " " + name_ +
                    (scan ? " NOT INDEXED" : "") + " SET " + set.sql +
                    " WHERE " + condition;
  if (!scan && !set.changes_key && OneIn(8)) {
    sql += " ORDER BY " + KeyOrder(OneIn(2)) + " LIMIT " +
           std::to_string(Uniform(6));
  }
  return {sql};
}

// With new values from elsewhere, or from another row; all are read first.
StatementGenerator::Statement StatementGenerator::UpdateFrom() {
  const std::string name = ColumnName();
  const bool any_order =
      !has_checks_ && !has_not_null_ && !is_strict_ && name != alias_ &&
      std::find(unique_.begin(), unique_.end(), name) == unique_.end() &&
      std::none_of(key_.begin(), key_.end(),
                   [&](const KeyColumn& one) { return one.name == name; });
  const std::string clause = any_order ? ConflictClause() : "";
  const std::string value = name == alias_ ? SmallValue() : Value();
  std::string sql = "UPDATE" + clause + " " + name_ + " SET " + name + " = ";
  if (!any_order || OneIn(3)) {
    return {sql + "s.v FROM (SELECT " + value + " AS v) AS s WHERE " +
            ConditionOnKey(name_ + ".")};
  }
  if (has_rowid_ && OneIn(2)) {
    return {sql + "o." + ColumnName() + " FROM " + name_ + " AS o WHERE " +
            "o.rowid = " + name_ + ".rowid + " + std::to_string(Uniform(3))};
  }
  return {sql + "s.v FROM (SELECT 1 AS k, " + value +
          " AS v UNION ALL SELECT 2, 'two' UNION ALL SELECT 7, 7.5) AS s "
          "WHERE s.k = " +
          name_ + "." + (has_rowid_ ? "rowid" : key_[0].name)};
}

StatementGenerator::Statement StatementGenerator::Delete() {
  const std::string sql = "DELETE FROM " + name_;
  if (OneIn(40)) return {sql};
  if (OneIn(12)) {
    return {sql + " WHERE " + Condition(1) + " ORDER BY " + KeyOrder(OneIn(2)) +
            " LIMIT " + std::to_string(Uniform(4))};
  }
  if (OneIn(12)) {
    // The subquery is run first.
    return {sql + " WHERE " + ColumnName() + " IN (SELECT " + ColumnName() +
            " FROM " + name_ + " WHERE " + Condition(1) + ")"};
  }
  return {sql + " WHERE " + Condition(1) + " AND " + Condition(1)};
}

std::string StatementGenerator::KeyOrder(bool descending) const {
  if (key_.empty()) return descending ? "rowid DESC" : "rowid";
  std::string order;
  for (const KeyColumn& column : key_) {
    order += (order.empty() ? "" : ", ") + column.name + column.collation +
             (column.descending != descending ? " DESC" : "");
  }
  return order;
}

StatementGenerator::Statement StatementGenerator::Listing(
    bool descending) const {
  return {"SELECT * FROM t ORDER BY " + KeyOrder(descending)};
}

StatementGenerator::Statement StatementGenerator::Select() {
  const std::string where = " WHERE " + Condition(2);
  switch (Uniform(5)) {
    case 0: {
      const std::string column = Term();
      // Which of two that are equal depends on the order of the scan.
      const std::string least = "min(" + column + ")";
      const std::string most = "max(" + column + ")";
      return {"SELECT count(*), " + (has_indexes_ ? Normal(least) : least) +
                  ", " + (has_indexes_ ? Normal(most) : most) + " FROM " +
                  name_ + where,
              true};
    }
    case 1:
      return {"SELECT * FROM " + name_ + where, false};
    case 2:
      return {"SELECT " + (is_large_ ? "count(*)" : "x.*, y." + columns_[0]) +
                  " FROM " + name_ + " x JOIN " + name_ + " y ON x." +
                  ColumnName() + " = y." + ColumnName(),
              false};
    case 3: {
      const std::string column = Term();
      if (has_indexes_) {
        return {"SELECT " + Normal("c") + " FROM (SELECT DISTINCT " + column +
                    " AS c FROM " + name_ + where + ") ORDER BY 1",
                true};
      }
      return {"SELECT DISTINCT " + column + " FROM " + name_ + where +
                  " ORDER BY " + column,
              true};
    }
    default: {
      std::string sql =
          "SELECT * FROM " + name_ + where + " ORDER BY " + KeyOrder(OneIn(2));
      if (OneIn(3)) sql += " LIMIT " + std::to_string(Uniform(8));
      return {sql, true};
    }
  }
}

StatementGenerator::Statement StatementGenerator::Next() {
  if (pending_.empty()) {
    if (OneIn(60)) {
      Rename();
    } else if (OneIn(90)) {
      DropAndCreate();
    }
  }
  if (!pending_.empty()) {
    Statement next = std::move(pending_.front());
    pending_.pop_front();
    return next;
  }
  switch (Uniform(48)) {
    case 0:
      return OneIn(3) ? InsertMany() : Mistake();
    case 1:
      return OneIn(2) ? IndexStatement() : Maintenance();
    case 2:
      return OneIn(4) ? Truncate() : Transaction();
    default:
      break;
  }
  switch (Uniform(12)) {
    case 0:
    case 1:
    case 2:
    case 3:
      return Insert();
    case 4:
    case 5:
      return Update();
    case 6:
      return Delete();
    case 7:
      return Transaction();
    default:
      return Select();
  }
}

}  // namespace nori
