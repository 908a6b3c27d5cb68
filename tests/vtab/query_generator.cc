#include "tests/vtab/query_generator.h"

#include <algorithm>
#include <iterator>

namespace nori {
namespace {

constexpr const char* kTypes[] = {"INTEGER", "INTEGER", "TEXT", "TEXT",
                                  "REAL",    "NUMERIC", "BLOB", ""};
constexpr const char* kCollations[] = {"", "", "", " COLLATE NOCASE",
                                       " COLLATE RTRIM"};
// Few, so that joins find partners. No real that equals an integer, but as text
// does not: of a join that it takes for an inner one, SQLite may compare with
// the number in the query instead of the one in the table.
constexpr const char* kValues[] = {
    "NULL", "1.5",   "2.5",  "-3",   "'a'",  "'A'",    "'b'",   "'ab'",
    "'B '", "'abc'", "'5'",  "'05'", "' 5'", "'7.0'",  "''",    "x'61'",
    "x''",  "0.25",  "'zz'", "10",   "'a '", "'a_%c'", "'1e1'", "x'00ff'"};
constexpr const char* kComparisons[] = {
    "=", "=", "=", "<", "<=", ">", ">=", "<>", "IS"};

bool HasPattern(const std::string& sql) {
  return sql.find(" LIKE ") != std::string::npos ||
         sql.find(" GLOB ") != std::string::npos;
}

}  // namespace

std::string NormalSql(const std::string& term) {
  return "CASE typeof(" + term + ") WHEN 'text' THEN lower(rtrim(" + term +
         ")) WHEN 'blob' THEN hex(" + term + ") WHEN 'real' THEN iif(" + term +
         " = CAST(" + term + " AS INTEGER), CAST(" + term + " AS INTEGER), " +
         term + ") ELSE " + term + " END";
}

std::string QueryGenerator::Value() {
  if (OneIn(2)) return std::to_string(static_cast<int>(Uniform(14)) - 2);
  return kValues[Uniform(std::size(kValues))];
}

void QueryGenerator::NewTables() {
  tables_.clear();
  native_sql_.clear();
  nori_sql_.clear();
  const size_t count = 2 + Uniform(2);
  tables_.reserve(count);
  for (size_t i = 0; i < count; ++i) NewTable(i);
}

void QueryGenerator::NewTable(size_t number) {
  Table table;
  table.name = "t" + std::to_string(number);
  const size_t count = 2 + Uniform(4);
  const size_t kind = Uniform(4);  // 0: alias, 1: hidden rowid, else a key
  std::string definitions;
  for (size_t i = 0; i < count; ++i) {
    Column column;
    column.name = std::string(1, static_cast<char>('a' + i));
    definitions += (i > 0 ? ", " : "") + column.name;
    if (kind == 0 && i == 0) {
      definitions += " INTEGER PRIMARY KEY";
      column.type = "INTEGER";
      column.plain = column.is_alias = true;
    } else {
      const std::string type = kTypes[Uniform(std::size(kTypes))];
      const std::string collation =
          kCollations[Uniform(std::size(kCollations))];
      column.type = type;
      definitions += " " + type + (OneIn(6) ? " NOT NULL" : "") + collation;
      column.plain = collation.empty() && (type == "INTEGER" || type == "TEXT");
    }
    table.columns.push_back(column);
  }
  table.has_rowid = kind < 2;
  table.key = {"rowid"};
  if (kind >= 2) {
    std::vector<std::string> names;
    for (const Column& column : table.columns) names.push_back(column.name);
    std::shuffle(names.begin(), names.end(), random_);
    names.resize(1 + Uniform(std::min<size_t>(names.size(), 3)));
    definitions += ", PRIMARY KEY(";
    for (size_t i = 0; i < names.size(); ++i) {
      definitions += (i > 0 ? ", " : "") + names[i] + (OneIn(3) ? " DESC" : "");
    }
    definitions += ")";
    table.key = names;
  }
  tables_.push_back(table);
  std::string native_indexes;
  const std::string indexes = Indexes(&tables_.back(), &native_indexes);
  native_sql_.push_back("CREATE TABLE " + table.name + "(" + definitions + ")" +
                        (kind >= 2 ? " WITHOUT ROWID" : "") + native_indexes);
  nori_sql_.push_back("CREATE VIRTUAL TABLE " + table.name + " USING nori(" +
                      definitions + indexes +
                      (kind >= 2 ? ", WITHOUT ROWID)" : ")"));
}

// The same indexes for both kinds of table.
std::string QueryGenerator::Indexes(Table* table, std::string* native) {
  std::string indexes;
  for (size_t i = Uniform(4); i > 0; --i) {
    std::vector<std::string> names;
    for (const Column& column : table->columns) names.push_back(column.name);
    std::shuffle(names.begin(), names.end(), random_);
    names.resize(1 + Uniform(std::min<size_t>(names.size(), 3)));
    const bool unique = OneIn(6);
    table->has_unique = table->has_unique || unique;
    std::string definition = table->name + "_i" + std::to_string(i);
    std::string columns = "(";
    for (const std::string& name : names) {
      columns += (columns.size() > 1 ? ", " : "") + name;
      if (OneIn(4)) columns += kCollations[Uniform(std::size(kCollations))];
      if (OneIn(3)) columns += " DESC";
    }
    columns += ")";
    const std::string kind = unique ? "UNIQUE INDEX " : "INDEX ";
    indexes += ", " + kind + definition + columns;
    *native += "; CREATE " + kind + definition + " ON " + table->name + columns;
  }
  return indexes;
}

std::string QueryGenerator::Insert(size_t table, size_t rows) {
  const Table& into = tables_[table];
  std::string sql = "INSERT OR IGNORE INTO " + into.name + " VALUES";
  for (size_t row = 0; row < rows; ++row) {
    sql += row > 0 ? ", (" : "(";
    for (size_t i = 0; i < into.columns.size(); ++i) {
      const bool alias =
          into.has_rowid && i == 0 &&
          native_sql_[table].find("INTEGER PRIMARY KEY") != std::string::npos;
      sql += (i > 0 ? ", " : "") + (alias ? "NULL" : Value());
    }
    sql += ")";
  }
  return sql;
}

std::string QueryGenerator::Change() {
  const size_t table = Uniform(tables_.size());
  const Sources source = {{&tables_[table], tables_[table].name}};
  switch (Uniform(4)) {
    case 0:
      return "DELETE FROM " + source[0].alias + " WHERE " +
             ConditionOfChange(source) + " AND " + ConditionOfChange(source);
    case 1: {
      // Of nothing unique: which row loses a conflict is the plan's affair.
      std::vector<std::string> names;
      for (size_t i = 1; i < source[0].table->columns.size(); ++i) {
        const std::string& name = source[0].table->columns[i].name;
        const auto& key = source[0].table->key;
        if (std::find(key.begin(), key.end(), name) == key.end()) {
          names.push_back(name);
        }
      }
      if (names.empty() || source[0].table->has_unique) return Insert(table, 2);
      return "UPDATE OR IGNORE " + source[0].alias + " SET " +
             names[Uniform(names.size())] + " = " + Value() + " WHERE " +
             ConditionOfChange(source);
    }
    default:
      return Insert(table, 1 + Uniform(5));
  }
}

// A subquery may read the table while it changes, and then sees another state
// in an ordinary table.
std::string QueryGenerator::ConditionOfChange(const Sources& source) {
  while (true) {
    std::string condition = Condition(source, 1);
    if (condition.find(" FROM ") == std::string::npos) return condition;
  }
}

std::string QueryGenerator::Term(const Source& source) {
  const Table& table = *source.table;
  if (OneIn(3))
    return source.alias + "." + table.key[Uniform(table.key.size())];
  return source.alias + "." + table.columns[Uniform(table.columns.size())].name;
}

std::string QueryGenerator::Operand(const Sources& sources) {
  switch (Uniform(8)) {
    case 0:
      return "(SELECT " + Value() + ")";
    case 1:
      return "CAST(" + Value() + " AS TEXT)";
    case 2:
    case 3:
      return Term(Any(sources));
    case 4:
      return OneIn(2) ? "+" + Term(Any(sources)) : Value() + " COLLATE NOCASE";
    default:
      return Value();
  }
}

// SQLite 3.40.1 looks up by IS in an index of an ordinary table before a RIGHT
// JOIN, whose rows then find no partner.
std::string QueryGenerator::Comparison() {
  return kComparisons[Uniform(std::size(kComparisons) -
                              (joins_right_ ? 1 : 0))];
}

// With a condition over what is outside, too.
std::string QueryGenerator::Subquery(const Sources& outer,
                                     const std::string& result, int depth) {
  const Table& table = AnyTable();
  const Source inner = {&table, NewAlias()};
  Sources all = outer;
  all.push_back(inner);
  std::string selected = result.empty() ? Term(inner) : result;
  if (selected == "max") selected = "max(" + NormalSql(Term(inner)) + ")";
  std::string from = table.name + " " + inner.alias;
  if (OneIn(5)) {
    const Source other = {&AnyStored(), NewAlias()};
    from += (OneIn(2) ? " LEFT JOIN " : " JOIN ") + other.table->name + " " +
            other.alias + " ON " + Term(other) + " = " + Term(inner);
    all.push_back(other);
  }
  return "SELECT " + selected + " FROM " + from + " WHERE " + Term(inner) +
         " " + Comparison() + " " + Operand(all) +
         (OneIn(2) ? " AND " + Condition({inner}, depth - 1) : "");
}

std::string QueryGenerator::InCondition(const Sources& sources,
                                        const std::string& term, int depth) {
  if (OneIn(4)) {
    // SQLite 3.40.1 answers NOT IN of a subquery with NULLs wrongly.
    const Table& table = AnyTable();
    const Source inner = {&table, NewAlias()};
    const std::string selected = Term(inner);
    const bool negated = OneIn(3);
    return term + (negated ? " NOT IN (SELECT " : " IN (SELECT ") + selected +
           " FROM " + table.name + " " + inner.alias + " WHERE " +
           (negated ? selected + " IS NOT NULL" : Condition({inner}, 0)) + ")";
  }
  if (depth > 0 && OneIn(5)) {
    return term + " IN (" + Subquery(sources, "", depth - 1) + ")";
  }
  std::string list = term + (OneIn(6) ? " NOT IN (" : " IN (");
  const size_t count = OneIn(8) ? 0 : 1 + Uniform(OneIn(5) ? 40 : 5);
  for (size_t i = 0; i < count; ++i) {
    list += (i > 0 ? ", " : "") + (OneIn(9) ? Operand(sources) : Value());
  }
  return list + ")";
}

std::string QueryGenerator::RowValues(const Source& source) {
  // In the OR of a RIGHT JOIN, SQLite 3.40.1 loses rows of an ordinary table
  // that it finds by such an IN in an index.
  if (source.table->is_stored && !joins_right_ && OneIn(3)) {
    // Of the same columns, which have one type: SQLite 3.40.1 mistakes the
    // affinities of an ordinary table's columns, where an index has them in
    // another order, and compares those of a virtual table's TEXT column as
    // text, with numbers, too. Nor of the rowid's alias, of which it finds
    // nothing in an index that has it behind another column.
    const Source inner = {source.table, NewAlias()};
    const std::vector<Column>& columns = source.table->columns;
    const size_t first = columns[0].is_alias ? 1 : 0;
    const Column& one = columns[first + Uniform(columns.size() - first)];
    const Column& other = columns[first + Uniform(columns.size() - first)];
    const Column& two = other.type == one.type ? other : one;
    const auto pair = [&](const Source& from) {
      return from.alias + "." + one.name + ", " + from.alias + "." + two.name;
    };
    const auto no_nulls = [&](const Source& from) {
      return from.alias + "." + one.name + " IS NOT NULL AND " + from.alias +
             "." + two.name + " IS NOT NULL";
    };
    // NULLs, too, it finds through an index of an ordinary table.
    return "(" + no_nulls(source) + " AND (" + pair(source) + ") IN (SELECT " +
           pair(inner) + " FROM " + inner.table->name + " " + inner.alias +
           " WHERE " + no_nulls(inner) +
           (OneIn(2) ? " AND " + Condition({inner}, 0) : "") + "))";
  }
  static constexpr const char* kOperators[] = {"=", "<", ">", ">=", "<="};
  return "(" + Term(source) + ", " + Term(source) + ") " +
         kOperators[Uniform(5)] + " (" + Value() + ", " + Value() + ")";
}

std::string QueryGenerator::Pattern() {
  static constexpr const char* kPatterns[] = {
      " LIKE 'a%'", " GLOB 'a*'",     " LIKE 'AB%'",
      " GLOB 'A*'", " LIKE '5%'",     " LIKE 'a\\_%%' ESCAPE '\\'",
      " LIKE 'a'",  " NOT LIKE 'a%'", " GLOB '5'"};
  return kPatterns[Uniform(std::size(kPatterns))];
}

std::string QueryGenerator::Simple(const Sources& sources, int depth) {
  const Source& source = Any(sources);
  const std::string term = Term(source);
  switch (Uniform(14)) {
    case 0:
      return term + " BETWEEN " + Operand(sources) + " AND " + Value();
    case 1:
    case 2:
      return InCondition(sources, term, depth);
    case 3:
      return term + (OneIn(2) ? " IS NULL" : " IS NOT NULL");
    case 4:
      return term + Pattern();
    case 5: {
      static constexpr const char* kWithCollation[] = {"NOCASE", "BINARY",
                                                       "RTRIM"};
      return term + " " + Comparison() + " " + Value() + " COLLATE " +
             kWithCollation[Uniform(3)];
    }
    case 6:
      if (depth <= 0) return term + " = " + Value();
      return (OneIn(3) ? "NOT EXISTS (" : "EXISTS (") +
             Subquery(sources, "1", depth - 1) + ")";
    case 7:
      if (depth <= 0) return term + " > " + Value();
      return term + " " + Comparison() + " (" +
             Subquery(sources, "max", depth - 1) + ")";
    case 8:
      return RowValues(source);
    case 9:
      // Not for equality, where SQLite takes the column for constant, though
      // values of two types may equal the number.
      if (OneIn(4)) return term + " >= CAST(" + Value() + " AS INTEGER)";
      return term + (OneIn(2) && !joins_right_ ? " IS " : " IS NOT ") +
             Operand(sources);
    default:
      return term + " " + Comparison() + " " + Operand(sources);
  }
}

// Of an OR of equalities of one column SQLite makes an IN, and 3.40.1 then
// looks up all in the index of an ordinary table by the column's collation.
std::string QueryGenerator::Condition(const Sources& sources, int depth) {
  if (depth > 0 && OneIn(2)) {
    const std::string left = Condition(sources, depth - 1);
    const std::string right = Condition(sources, depth - 1);
    const bool has_collation =
        (left + right).find(" COLLATE ") != std::string::npos;
    const bool is_or = OneIn(2) && !has_collation;
    const std::string joined =
        "(" + left + (is_or ? " OR " : " AND ") + right + ")";
    return OneIn(10) ? "NOT " + joined : joined;
  }
  return Simple(sources, depth);
}

// SQLite 3.40.1 loses the rows of an outer join whose ON clause, or a subquery
// that it merges with the join, has a LIKE or GLOB on an indexed column of an
// ordinary table.
std::string QueryGenerator::InOnClause(const Sources& sources) {
  while (true) {
    std::string condition = Simple(sources, 0);
    if (!HasPattern(condition)) return condition;
  }
}

std::string QueryGenerator::WhereInside(const Sources& sources) {
  while (true) {
    std::string where = Where(sources);
    if (!HasPattern(where)) return where;
  }
}

std::string QueryGenerator::From(Sources* sources, size_t most) {
  const size_t count =
      std::min<size_t>(most, OneIn(3) ? 1 : (OneIn(4) ? 3 : 2));
  std::string from;
  for (size_t i = 0; i < count; ++i) {
    const Table& table = AnyTable();
    const Source source = {&table, std::string(1, static_cast<char>('x' + i))};
    sources->push_back(source);
    if (i == 0) {
      from = table.name + " " + source.alias;
      continue;
    }
    static constexpr size_t kFirstRight = 5;
    static constexpr const char* kJoins[] = {
        " JOIN ",       " JOIN ",       " LEFT JOIN ", " LEFT JOIN ",
        " CROSS JOIN ", " RIGHT JOIN ", " FULL JOIN "};
    const size_t kind = Uniform(std::size(kJoins));
    joins_right_ = joins_right_ || kind >= kFirstRight;
    from += kJoins[kind] + table.name + " " + source.alias;
    if (OneIn(10)) {
      from += " USING (a)";
      continue;
    }
    from += " ON " + source.alias + "." +
            table.columns[Uniform(table.columns.size())].name +
            (OneIn(6) ? " IS " : " = ") + Term((*sources)[Uniform(i)]);
    if (OneIn(4)) from += " AND " + InOnClause({source});
    if (OneIn(8)) from += " AND " + InOnClause(*sources);
  }
  return from;
}

std::string QueryGenerator::NormalTerm(const Sources& sources) {
  return NormalSql(Term(Any(sources)));
}

// Called a, b and so on.
std::string QueryGenerator::NormalColumns(const Sources& sources,
                                          size_t count) {
  std::string columns;
  for (size_t i = 0; i < count; ++i) {
    columns += (i > 0 ? ", " : "") + NormalTerm(sources) + " AS " +
               static_cast<char>('a' + i);
  }
  return columns;
}

std::string QueryGenerator::Filter(const Sources& sources) {
  return OneIn(3) ? " FILTER (WHERE " + Condition(sources, 1) + ")" : "";
}

// A subquery in a FROM clause. All its columns tell its rows apart, as far as
// it matters, unless it has its table's key.
const QueryGenerator::Table& QueryGenerator::Derived() {
  const Table& table = AnyStored();
  const Source inner = {&table, NewAlias()};
  const Sources sources = {inner};
  const std::string from = " FROM " + table.name + " " + inner.alias;
  size_t count = 2 + Uniform(2);  // of the columns that are not the table's
  Table derived;
  derived.is_stored = derived.has_rowid = false;
  std::string sql;
  switch (Uniform(6)) {
    case 0:
    case 1:
      count = 0;
      derived.columns = table.columns;
      derived.key = table.key;
      for (const Column& column : table.columns) {
        sql +=
            (sql.empty() ? "SELECT " : ", ") + inner.alias + "." + column.name;
      }
      if (table.has_rowid) {
        sql += ", " + inner.alias + ".rowid AS r";
        derived.key = {"r"};
      }
      sql += from + WhereInside(sources);
      if (OneIn(3)) sql += KeyOrder(sources) + Limit();
      break;
    case 2:
      sql = "SELECT DISTINCT " + NormalColumns(sources, count) + from +
            WhereInside(sources);
      break;
    case 3: {
      const std::string by = Term(inner);
      count = 2;
      sql = "SELECT " + NormalSql(by) + " AS a, count(*)" + Filter(sources) +
            " AS b" + from + WhereInside(sources) + " GROUP BY " + by;
      break;
    }
    case 4:
      sql = CompoundSelect(count);
      break;
    default:
      count = 2;
      sql = "SELECT " + NormalTerm(sources) + " AS a, row_number() OVER (" +
            KeyOrder(sources).substr(1) + ") AS b" + from +
            WhereInside(sources);
      break;
  }
  for (size_t i = 0; i < count; ++i) {
    Column column;
    column.name = std::string(1, static_cast<char>('a' + i));
    column.plain = true;
    derived.columns.push_back(column);
    derived.key.push_back(column.name);
  }
  derived.name = "(" + sql + ")";
  return derived_.emplace_back(std::move(derived));
}

std::string QueryGenerator::Where(const Sources& sources) {
  if (OneIn(3)) return "";
  return " WHERE " + Condition(sources, 2);
}

// By columns at random, then by the keys of all tables: a total order.
std::string QueryGenerator::KeyOrder(const Sources& sources) {
  std::string order = " ORDER BY ";
  const bool all_descending = OneIn(3);
  const auto direction = [&] {
    return all_descending != OneIn(12) ? " DESC" : "";
  };
  for (size_t i = Uniform(3); i > 0; --i) {
    order += Term(Any(sources)) + direction() + ", ";
  }
  bool first = true;
  for (const Source& source : sources) {
    for (const std::string& name : source.table->key) {
      order += (first ? "" : ", ") + source.alias + "." + name + direction();
      first = false;
    }
  }
  return order;
}

std::string QueryGenerator::Outputs(const Sources& sources) {
  if (OneIn(3)) return "*";
  std::string outputs = Term(Any(sources));
  for (size_t i = Uniform(3); i > 0; --i) {
    outputs += ", " + Term(Any(sources));
  }
  return outputs;
}

std::string QueryGenerator::Limit() {
  if (OneIn(2)) return "";
  std::string limit = " LIMIT " + std::to_string(Uniform(12));
  if (OneIn(8)) limit = " LIMIT -1";
  if (OneIn(2)) limit += " OFFSET " + std::to_string(Uniform(8));
  return limit;
}

}  // namespace nori
