#include "tests/vtab/statement_generator.h"

#include <algorithm>
#include <iterator>

namespace nori {
namespace {

constexpr const char* kTypes[] = {"",        "INTEGER", "INT",  "TEXT",
                                  "REAL",    "NUMERIC", "BLOB", "VARCHAR(9)",
                                  "BOOLEAN", "DOUBLE"};
constexpr const char* kStrictTypes[] = {"INT",  "INTEGER", "REAL",
                                        "TEXT", "BLOB",    "ANY"};
constexpr const char* kCollations[] = {
    "", "", "", " COLLATE NOCASE", " COLLATE RTRIM", " COLLATE BINARY"};
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
constexpr const char* kComparisons[] = {
    "=", "=", "<", "<=", ">", ">=", "<>", "IS"};

// Values that a collation or a number's type takes for one, made one.
std::string Normal(const std::string& term) {
  return "CASE typeof(" + term + ") WHEN 'text' THEN upper(rtrim(" + term +
         ")) WHEN 'blob' THEN " + term + " ELSE " + term + " * 1.0 + 0.0 END";
}

}  // namespace

void StatementGenerator::NewTable() {
  columns_.clear();
  unique_.clear();
  with_default_.clear();
  has_indexes_ = has_checks_ = false;
  is_strict_ = OneIn(6);
  key_.clear();
  key_descending_.clear();
  alias_.clear();
  const size_t count = 1 + Uniform(5);
  const size_t kind = Uniform(3);  // 0: alias, 1: hidden rowid, 2: key
  const size_t alias_at = Uniform(count);
  std::string definitions;
  for (size_t i = 0; i < count; ++i) {
    const std::string name(1, static_cast<char>('a' + i));
    columns_.push_back(name);
    if (i > 0) definitions += ", ";
    definitions += name;
    if (kind == 0 && i == alias_at) {
      definitions += " INTEGER PRIMARY KEY";
      alias_ = name;
      continue;
    }
    definitions += ColumnDefinition(name);
  }
  has_rowid_ = kind != 2;
  if (OneIn(3)) AddConstraints(&definitions);
  if (kind == 2) {
    std::vector<std::string> names = columns_;
    std::shuffle(names.begin(), names.end(), random_);
    names.resize(1 + Uniform(std::min<size_t>(names.size(), 3)));
    definitions += ", PRIMARY KEY(";
    for (size_t i = 0; i < names.size(); ++i) {
      key_.push_back(names[i]);
      key_descending_.push_back(OneIn(3));
      if (i > 0) definitions += ", ";
      definitions += names[i];
      if (key_descending_.back()) definitions += " DESC";
    }
    definitions += ")";
  }
  if (OneIn(3)) AddConstraints(&definitions);
  if (OneIn(5)) {
    has_checks_ = true;
    definitions += ", CONSTRAINT cc CHECK(" + CheckExpression(ColumnName()) +
                   " OR " + CheckExpression(ColumnName()) + ")";
  }
  if (is_strict_) {
    // For a value of a wrong type alone SQLite opens no statement journal, and
    // leaves what the statement did before; for a check that may fail it does.
    definitions += ", CHECK(typeof(a)";
    for (size_t i = 1; i < count; ++i) {
      definitions += " || typeof(" + columns_[i] + ")";
    }
    definitions += " <> '')";
  }
  native_sql_ = "CREATE TABLE t(" + definitions + ")" +
                (kind == 2 ? " WITHOUT ROWID" : "") +
                (kind == 2 && is_strict_ ? "," : "") +
                (is_strict_ ? " STRICT" : "");
  nori_sql_ = "CREATE VIRTUAL TABLE t USING nori(" + definitions;
  AddIndexes();
  if (is_strict_) nori_sql_ += ", STRICT";
  nori_sql_ += kind == 2 ? ", WITHOUT ROWID)" : ")";
  has_indexes_ = has_indexes_ || !unique_.empty();
}

std::string StatementGenerator::CheckExpression(const std::string& column) {
  switch (Uniform(6)) {
    case 0:
      return column + " <> " + Value();
    case 1:
      return "length(" + column + ") < " + std::to_string(1 + Uniform(4));
    case 2:
      return "typeof(" + column + ") <> 'blob'";
    case 3:
      return "t." + column + " > " + Value() + " COLLATE NOCASE";
    case 4:
      return column + " NOT IN (" + Value() + ", " + Value() + ")";
    default:
      return column + " IS NOT " + columns_[0];
  }
}

std::string StatementGenerator::ColumnDefinition(const std::string& name) {
  std::string text = " ";
  text += is_strict_ ? kStrictTypes[Uniform(std::size(kStrictTypes))]
                     : kTypes[Uniform(std::size(kTypes))];
  if (OneIn(5)) {
    text += " NOT NULL";
    if (OneIn(2)) {
      text += OneIn(2) ? " DEFAULT 7" : " DEFAULT ('1' || '2')";
      with_default_.push_back(name);
    }
  }
  if (OneIn(8)) {
    has_checks_ = true;
    text += " CHECK(" + CheckExpression(name) + ")";
  }
  if (OneIn(8)) {
    text += " UNIQUE";
    unique_.push_back(name);
  }
  return text + kCollations[Uniform(std::size(kCollations))];
}

std::string StatementGenerator::ValueFor(const std::string& name,
                                         bool expression) {
  const bool has_default = std::find(with_default_.begin(), with_default_.end(),
                                     name) != with_default_.end();
  const std::string value = expression ? Expression() : Value();
  return has_default ? "coalesce(" + value + ", 3)" : value;
}

std::string StatementGenerator::IndexedColumns(bool note_unique) {
  std::vector<std::string> names = columns_;
  std::shuffle(names.begin(), names.end(), random_);
  names.resize(1 + Uniform(std::min<size_t>(names.size(), 3)));
  std::string list = "(";
  for (const std::string& name : names) {
    if (list.size() > 1) list += ", ";
    list += name;
    if (OneIn(3)) list += kCollations[Uniform(std::size(kCollations))];
    if (OneIn(3)) list += " DESC";
    if (note_unique) unique_.push_back(name);
  }
  return list + ")";
}

void StatementGenerator::AddConstraints(std::string* definitions) {
  if (OneIn(2))
    *definitions += ", CONSTRAINT c" + std::to_string(Uniform(3));
  else
    *definitions += ",";
  *definitions += " UNIQUE" + IndexedColumns(true);
}

// An ordinary table's are statements of their own.
void StatementGenerator::AddIndexes() {
  for (size_t i = 0; i < 3; ++i) {
    if (!OneIn(3)) continue;
    has_indexes_ = true;
    const bool unique = OneIn(3);
    const std::string name = " i" + std::to_string(i);
    const std::string columns = IndexedColumns(unique);
    const std::string kind = unique ? "UNIQUE INDEX" : "INDEX";
    native_sql_ += "; CREATE " + kind + name + " ON t" + columns;
    nori_sql_ += ", " + kind + name + columns;
  }
}

std::string StatementGenerator::Value() {
  if (OneIn(2)) return std::to_string(static_cast<int>(Uniform(40)) - 5);
  return kValues[Uniform(std::size(kValues))];
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
      (!key_.empty() && OneIn(2) ? key_[Uniform(key_.size())] : Term());
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

std::string StatementGenerator::Expression() {
  switch (Uniform(5)) {
    case 0:
      return ColumnName();
    case 1:
      return ColumnName() + " + " + std::to_string(Uniform(9));
    case 2:
      return ColumnName() + " || 'x'";
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

std::string StatementGenerator::Insert() {
  const std::string clause = ConflictClause();
  std::string sql = "INSERT" + clause + " INTO t";
  std::vector<std::string> names = columns_;
  if (OneIn(4)) {
    names.resize(1 + Uniform(names.size()));
    if (has_rowid_ && alias_.empty() && OneIn(2)) names.push_back("rowid");
  }
  sql += "(";
  for (size_t i = 0; i < names.size(); ++i)
    sql += (i > 0 ? "," : "") + names[i];
  sql += ")";
  const auto value_for = [this, &clause](const std::string& name) {
    // Mostly acceptable rowids; NULL asks for a new one. A datatype mismatch
    // under a conflict clause leaves an ordinary table half changed, where no
    // statement journal was opened.
    if ((name == alias_ || name == "rowid") &&
        (!clause.empty() || !OneIn(10))) {
      return OneIn(3) ? std::string("NULL") : std::to_string(Uniform(60));
    }
    return ValueFor(name, /*expression=*/false);
  };
  if (OneIn(5)) {
    sql += " SELECT ";
    for (size_t i = 0; i < names.size(); ++i) {
      if (i > 0) sql += ", ";
      const bool rowid = names[i] == alias_ || names[i] == "rowid";
      sql +=
          !rowid && OneIn(2) ? ValueFor(names[i], true) : value_for(names[i]);
    }
    return sql + " FROM t WHERE " + Condition(1) + " ORDER BY " +
           Listing(OneIn(2)).substr(
               std::string("SELECT * FROM t ORDER BY ").size()) +
           " LIMIT 5";
  }
  sql += " VALUES";
  const size_t rows = OneIn(2) ? 1 : 1 + Uniform(4);
  for (size_t row = 0; row < rows; ++row) {
    sql += row > 0 ? ", (" : "(";
    for (size_t i = 0; i < names.size(); ++i) {
      sql += (i > 0 ? ", " : "") + value_for(names[i]);
    }
    sql += ")";
  }
  return sql;
}

std::string StatementGenerator::Update() {
  std::string clause = ConflictClause();
  std::string assignments;
  bool changes_key = false, changes_unique = false;
  const size_t count = 1 + Uniform(2);
  for (size_t i = 0; i < count; ++i) {
    const std::string name = Term();
    // Assigning one column twice is defined, but only to the last.
    if (assignments.find(name + " = ") != std::string::npos) continue;
    if (!alias_.empty() && name == "rowid") continue;
    changes_key = changes_key || name == alias_ || name == "rowid" ||
                  std::find(key_.begin(), key_.end(), name) != key_.end();
    changes_unique =
        changes_unique || name == alias_ || name == "rowid" ||
        std::find(unique_.begin(), unique_.end(), name) != unique_.end();
    assignments +=
        (assignments.empty() ? "" : ", ") + name + " = " + Expression();
  }
  if (assignments.empty()) return Delete();
  // A virtual table's rows are computed before the first is changed, an
  // ordinary table's as the update comes to them: where REPLACE removes rows
  // that are still to be updated the two differ by nature.
  if (changes_key && (clause == " OR REPLACE" || has_rowid_)) clause = "";
  if (changes_unique && clause == " OR REPLACE") clause = "";
  // Which row is first to get what two want depends on the order of the scan;
  // so does what has changed when one fails. NOT INDEXED keeps SQLite to the
  // order of rowids, but not to that of another key: there, one row it is.
  const bool scan = has_indexes_ && (changes_key || changes_unique ||
                                     has_checks_ || clause == " OR FAIL");
  std::string condition = Condition(1, scan);
  if (scan && !has_rowid_) {
    condition = "TRUE";
    for (const std::string& name : key_) {
      condition += " AND " + name + " = " + Value();
    }
  }
  return "UPDATE" + clause + (scan ? " t NOT INDEXED SET " : " t SET ") +
         assignments + " WHERE " + condition;
}

std::string StatementGenerator::Delete() {
  if (OneIn(40)) return "DELETE FROM t";
  return "DELETE FROM t WHERE " + Condition(1) + " AND " + Condition(1);
}

std::string StatementGenerator::Listing(bool descending) const {
  std::string sql = "SELECT * FROM t ORDER BY ";
  if (key_.empty()) return sql + (descending ? "rowid DESC" : "rowid");
  for (size_t i = 0; i < key_.size(); ++i) {
    if (i > 0) sql += ", ";
    sql += key_[i];
    if (key_descending_[i] != descending) sql += " DESC";
  }
  return sql;
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
                  ", " + (has_indexes_ ? Normal(most) : most) + " FROM t" +
                  where,
              true};
    }
    case 1:
      return {"SELECT * FROM t" + where, false};
    case 2:
      return {"SELECT x.*, y." + columns_[0] + " FROM t x JOIN t y ON x." +
                  ColumnName() + " = y." + ColumnName(),
              false};
    case 3: {
      const std::string column = Term();
      if (has_indexes_) {
        return {"SELECT " + Normal("c") + " FROM (SELECT DISTINCT " + column +
                    " AS c FROM t" + where + ") ORDER BY 1",
                true};
      }
      return {"SELECT DISTINCT " + column + " FROM t" + where + " ORDER BY " +
                  column,
              true};
    }
    default: {
      std::string order = Listing(OneIn(2));
      order.insert(std::string("SELECT * FROM t").size(), where);
      if (OneIn(3)) order += " LIMIT " + std::to_string(Uniform(8));
      return {order, true};
    }
  }
}

std::string StatementGenerator::Transaction() {
  const std::string name = " s" + std::to_string(Uniform(3));
  switch (Uniform(8)) {
    case 0:
    case 1:
      return "BEGIN";
    case 2:
      return "COMMIT";
    case 3:
      return "ROLLBACK";
    case 4:
    case 5:
      return "SAVEPOINT" + name;
    case 6:
      return "RELEASE" + name;
    default:
      return "ROLLBACK TO" + name;
  }
}

StatementGenerator::Statement StatementGenerator::Next() {
  switch (Uniform(12)) {
    case 0:
    case 1:
    case 2:
    case 3:
      return {Insert(), true};
    case 4:
    case 5:
      return {Update(), true};
    case 6:
      return {Delete(), true};
    case 7:
      return {Transaction(), true};
    default:
      return Select();
  }
}

}  // namespace nori
