// The tables of StatementGenerator.

#include <algorithm>
#include <iterator>

#include "tests/vtab/module_fixture.h"
#include "tests/vtab/statement_generator.h"

namespace nori {
namespace {

constexpr const char* kTypes[] = {"",        "INTEGER", "INT",  "TEXT",
                                  "REAL",    "NUMERIC", "BLOB", "VARCHAR(9)",
                                  "BOOLEAN", "DOUBLE"};
constexpr const char* kStrictTypes[] = {"INT",  "INTEGER", "REAL",
                                        "TEXT", "BLOB",    "ANY"};
constexpr const char* kCollations[] = {
    "", "", "", " COLLATE NOCASE", " COLLATE RTRIM", " COLLATE BINARY"};
constexpr const char* kHostileNames[] = {"\"b c\"", "[select]", "`d\"`",
                                         "\"\u00e4,(\"", "\"x\"\"y\""};
constexpr const char* kSmallEngine =
    ", memtable_bytes = 4096, block_bytes = 256, table_bytes = 8192, "
    "slot_bytes = 16384, transaction_spill_bytes = 4096";

}  // namespace

void StatementGenerator::NewTable() {
  columns_.clear();
  unique_.clear();
  with_default_.clear();
  key_.clear();
  alias_.clear();
  pending_.clear();
  name_ = "t";
  has_indexes_ = has_checks_ = has_not_null_ = is_large_ = false;
  is_strict_ = OneIn(6);
  const size_t place = Uniform(8);
  schema_ = place == 0 ? "temp" : place == 1 ? "aux" : "main";
  const size_t count = 1 + Uniform(OneIn(8) ? 12 : 5);
  const size_t kind = Uniform(3);  // 0: alias, 1: hidden rowid, 2: key
  const size_t alias_at = Uniform(count);
  for (size_t i = 0; i < count; ++i) {
    const bool hostile = i < std::size(kHostileNames) && OneIn(6);
    columns_.push_back(hostile ? kHostileNames[i]
                               : std::string(1, static_cast<char>('a' + i)));
  }
  std::string definitions;
  for (size_t i = 0; i < count; ++i) {
    if (i > 0) definitions += ", ";
    definitions += columns_[i];
    if (kind == 0 && i == alias_at) {
      definitions += " INTEGER PRIMARY KEY";
      alias_ = columns_[i];
      continue;
    }
    definitions += ColumnDefinition(columns_[i]);
  }
  has_rowid_ = kind != 2;
  if (OneIn(3)) AddConstraints(&definitions);
  if (kind == 2) definitions += KeyDefinition();
  if (OneIn(3)) AddConstraints(&definitions);
  if (OneIn(5)) {
    has_checks_ = true;
    definitions += ", CONSTRAINT cc CHECK(" +
                   CheckExpression(ColumnName(), true) + " OR " +
                   CheckExpression(ColumnName(), true) + ")";
  }
  if (OneIn(12)) {
    definitions += ", FOREIGN KEY(" + ColumnName() + ") REFERENCES t";
  }
  if (is_strict_) {
    // For a value of a wrong type alone SQLite opens no statement journal, and
    // leaves what the statement did before; for a check that may fail it does.
    definitions += ", CHECK(typeof(" + columns_[0] + ")";
    for (size_t i = 1; i < count; ++i) {
      definitions += " || typeof(" + columns_[i] + ")";
    }
    definitions += " <> '')";
  }
  native_sql_ = "CREATE TABLE " + schema_ + ".t(" + definitions + ")" +
                (kind == 2 ? " WITHOUT ROWID" : "") +
                (kind == 2 && is_strict_ ? "," : "") +
                (is_strict_ ? " STRICT" : "");
  nori_sql_ =
      "CREATE VIRTUAL TABLE " + schema_ + ".t USING nori(" + definitions;
  AddIndexes();
  if (is_strict_) nori_sql_ += ", STRICT";
  if (kind == 2) nori_sql_ += ", WITHOUT ROWID";
  if (OneIn(6) && !TestsVfsNori()) nori_sql_ += kSmallEngine;
  nori_sql_ += ")";
  has_indexes_ = has_indexes_ || !unique_.empty();
}

std::string StatementGenerator::KeyDefinition() {
  std::string text = ", PRIMARY KEY(";
  for (const std::string& name : SomeColumns(3)) {
    KeyColumn column;
    column.name = name;
    if (OneIn(4)) column.collation = kCollations[3 + Uniform(3)];
    column.descending = OneIn(3);
    if (!key_.empty()) text += ", ";
    text += name + column.collation + (column.descending ? " DESC" : "");
    key_.push_back(column);
  }
  return text + (OneIn(9) ? ") ON CONFLICT ABORT" : ")");
}

// `may_qualify`: by the table's name. Under a name of its own only: SQLite
// writes the text of another anew when the table is renamed.
std::string StatementGenerator::CheckExpression(const std::string& column,
                                                bool may_qualify) {
  switch (Uniform(7)) {
    case 0:
      return column + " <> " + Value();
    case 1:
      return "length(" + column + ") < " + std::to_string(1 + Uniform(4));
    case 2:
      return "typeof(" + column + ") <> 'blob'";
    case 3:
      return (may_qualify ? "t." : "") + column + " > " + Value() +
             " COLLATE NOCASE";
    case 4:
      return column + " NOT IN (" + Value() + ", " + Value() + ")";
    case 5:
      return "CASE WHEN " + column + " LIKE 'a%' THEN " + column +
             " GLOB '*b*' ELSE 1 END";
    default:
      return column + " IS NOT " + columns_[0];
  }
}

std::string StatementGenerator::DefaultValue() {
  static constexpr const char* kDefaults[] = {
      " DEFAULT 7",           " DEFAULT ('1' || '2')", " DEFAULT -1.5",
      " DEFAULT 'it''s, (-'", " DEFAULT x'00ff'",      " DEFAULT TRUE"};
  static constexpr const char* kStrictDefaults[] = {" DEFAULT 7",
                                                    " DEFAULT ('1' || '2')"};
  return is_strict_ ? kStrictDefaults[Uniform(2)]
                    : kDefaults[Uniform(std::size(kDefaults))];
}

std::string StatementGenerator::ColumnDefinition(const std::string& name) {
  std::string text = " ";
  text += is_strict_ ? kStrictTypes[Uniform(std::size(kStrictTypes))]
                     : kTypes[Uniform(std::size(kTypes))];
  if (OneIn(5)) {
    text += " NOT NULL";
    has_not_null_ = true;
    if (OneIn(2)) {
      text += DefaultValue();
      with_default_.push_back(name);
    }
  }
  if (OneIn(8)) {
    has_checks_ = true;
    text += " CHECK(" + CheckExpression(name, false) + ")";
  }
  if (OneIn(8)) {
    text += OneIn(4) ? " UNIQUE ON CONFLICT ABORT" : " UNIQUE";
    unique_.push_back(name);
  }
  if (OneIn(16)) text += " REFERENCES absent(x) ON DELETE CASCADE";
  return text + kCollations[Uniform(std::size(kCollations))];
}

std::vector<std::string> StatementGenerator::SomeColumns(size_t most) {
  std::vector<std::string> names = columns_;
  std::shuffle(names.begin(), names.end(), random_);
  names.resize(1 + Uniform(std::min<size_t>(names.size(), most)));
  return names;
}

std::string StatementGenerator::IndexedColumns(bool note_unique) {
  std::string list = "(";
  for (const std::string& name : SomeColumns(3)) {
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
    const std::string name = "i" + std::to_string(i);
    const std::string columns = IndexedColumns(unique);
    const std::string kind = unique ? "UNIQUE INDEX " : "INDEX ";
    native_sql_ +=
        "; CREATE " + kind + schema_ + "." + name + " ON t" + columns;
    nori_sql_ += ", " + kind + name + columns;
  }
}

}  // namespace nori
