// The queries of QueryGenerator.

#include <algorithm>
#include <iterator>

#include "tests/vtab/query_generator.h"

namespace nori {

QueryGenerator::Statement QueryGenerator::Rows() {
  Sources sources;
  const std::string from = From(&sources);
  std::string sql = "SELECT " + Outputs(sources);
  if (OneIn(8)) sql += ", (" + Subquery(sources, "max", 1) + ")";
  if (OneIn(8)) sql += ", EXISTS (" + Subquery(sources, "1", 1) + ")";
  sql += " FROM " + from + Where(sources);
  if (OneIn(3)) return {sql};
  // Of a join, SQLite takes a column for constant that equals one of another
  // table, though values of two types may equal it.
  if (sources.size() > 1) return {sql + KeyOrder(sources)};
  return {sql + KeyOrder(sources) + Limit(), true};
}

QueryGenerator::Statement QueryGenerator::Groups() {
  Sources sources;
  const std::string from = From(&sources);
  std::string groups = Term(Any(sources));
  std::string normal = NormalSql(groups);
  // Of a join by one term: two may be equal by its condition, and SQLite then
  // sorts by one of them only, though values of two types may be equal to it.
  for (size_t i = sources.size() > 1 ? 0 : Uniform(2); i > 0; --i) {
    const std::string term = Term(Any(sources));
    groups += ", " + term;
    normal += ", " + NormalSql(term);
  }
  const std::string counted = Term(Any(sources));
  std::string sql = "SELECT " + normal + ", count(*), count(" + counted + ")" +
                    Filter(sources) + ", max(" + NormalSql(counted) + ")" +
                    Filter(sources) + ", count(DISTINCT " +
                    NormalTerm(sources) + ")" + Filter(sources) + " FROM " +
                    from + Where(sources) + " GROUP BY " + groups;
  if (OneIn(3)) sql += " HAVING count(*) > " + std::to_string(Uniform(3));
  if (OneIn(2)) return {sql};
  // The groups' order is total; as is that of the rows then.
  std::string order = groups;
  if (OneIn(2)) {
    for (size_t at = 0; (at = order.find(", ", at)) != std::string::npos;) {
      order.replace(at, 2, " DESC, ");
      at += 7;
    }
    order += " DESC";
  }
  return {sql + " ORDER BY " + order, sources.size() == 1};
}

QueryGenerator::Statement QueryGenerator::Distinct() {
  Sources sources;
  // Of a join, SQLite takes a column for constant that equals one of another
  // table, and may show rows twice.
  const std::string from = From(&sources, /*most=*/1);
  std::string plain;
  for (const Source& source : sources) {
    for (const Column& column : source.table->columns) {
      if (!column.plain || OneIn(3)) continue;
      plain += (plain.empty() ? "" : ", ") + source.alias + "." + column.name;
    }
  }
  if (plain.empty() || OneIn(4)) {
    return {"SELECT count(*) FROM (SELECT DISTINCT " + Outputs(sources) +
            " FROM " + from + Where(sources) + ")"};
  }
  const std::string sql =
      "SELECT DISTINCT " + plain + " FROM " + from + Where(sources);
  if (OneIn(2)) return {sql};
  return {sql + " ORDER BY " + plain + (OneIn(3) ? " DESC" : ""),
          sources.size() == 1};
}

// Of columns called a, b and so on.
std::string QueryGenerator::CompoundSelect(size_t count) {
  static constexpr const char* kOperators[] = {" UNION ", " UNION ALL ",
                                               " INTERSECT ", " EXCEPT "};
  std::string sql;
  for (size_t i = 0; i < 2 + Uniform(2); ++i) {
    if (i > 0) sql += kOperators[Uniform(4)];
    const Source source = {&AnyStored(), NewAlias()};
    sql += "SELECT " + NormalColumns({source}, count) + " FROM " +
           source.table->name + " " + source.alias + WhereInside({source});
  }
  return sql;
}

QueryGenerator::Statement QueryGenerator::Compound() {
  static constexpr const char* kOperators[] = {" UNION ", " UNION ALL ",
                                               " INTERSECT ", " EXCEPT "};
  std::string sql;
  for (size_t i = 0; i < 2 + Uniform(2); ++i) {
    if (i > 0) sql += kOperators[Uniform(4)];
    Sources sources;
    const std::string from = From(&sources);
    sql += "SELECT " + NormalColumns(sources, 2) + " FROM " + from +
           Where(sources);
  }
  if (OneIn(2)) return {sql};
  return {sql + " ORDER BY 1, 2" + Limit(), true};
}

// `total`: no two rows are peers; `one_term`: the order is by a single term.
std::string QueryGenerator::Frame(bool total, bool one_term) {
  if (OneIn(4)) return "";
  static constexpr const char* kBounds[] = {
      "BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
      "BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING",
      "BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
      "BETWEEN CURRENT ROW AND CURRENT ROW", "UNBOUNDED PRECEDING",
      "CURRENT ROW",
      // With numbers, which RANGE takes for one term only.
      "BETWEEN 2 PRECEDING AND CURRENT ROW",
      "BETWEEN 1 PRECEDING AND 3 FOLLOWING",
      "BETWEEN 3 PRECEDING AND 1 PRECEDING",
      "BETWEEN 1 FOLLOWING AND 2 FOLLOWING",
      "BETWEEN 2 FOLLOWING AND UNBOUNDED FOLLOWING", "2 PRECEDING"};
  static constexpr size_t kWithoutNumbers = 6;
  static constexpr const char* kExclude[] = {"",
                                             "",
                                             "",
                                             " EXCLUDE NO OTHERS",
                                             " EXCLUDE CURRENT ROW",
                                             " EXCLUDE GROUP",
                                             " EXCLUDE TIES"};
  const size_t unit = Uniform(total ? 3 : 2);
  static constexpr const char* kUnits[] = {" RANGE ", " GROUPS ", " ROWS "};
  const bool numbers = unit != 0 || one_term;
  return kUnits[unit] +
         std::string(
             kBounds[Uniform(numbers ? std::size(kBounds) : kWithoutNumbers)]) +
         kExclude[Uniform(std::size(kExclude))];
}

// `total`: it is over an order without peers.
std::string QueryGenerator::WindowFunction(const Sources& sources, bool total) {
  static constexpr const char* kOfRows[] = {
      "row_number()",   "ntile(3)",      "lag(@, 2)",      "lead(@, 1, 'none')",
      "first_value(@)", "last_value(@)", "nth_value(@, 2)"};
  // The same for whichever order peers come in.
  static constexpr const char* kOfPeers[] = {
      "rank()",   "dense_rank()", "percent_rank()", "cume_dist()", "count(*)",
      "count(@)", "total(@)",     "max(@)",         "min(@)"};
  static constexpr size_t kFirstAggregate = 4;
  const bool of_rows = total && OneIn(2);
  const size_t which =
      Uniform(of_rows ? std::size(kOfRows) : std::size(kOfPeers));
  std::string function = of_rows ? kOfRows[which] : kOfPeers[which];
  if (const size_t at = function.find('@'); at != std::string::npos) {
    function.replace(at, 1, NormalTerm(sources));
  }
  if (!of_rows && which >= kFirstAggregate) function += Filter(sources);
  return function;
}

QueryGenerator::Statement QueryGenerator::Windows() {
  Sources sources;
  const std::string from = From(&sources, /*most=*/2);
  // Of a join, SQLite takes a column for constant that equals one of another
  // table, and then does not sort by it.
  const bool is_join = sources.size() > 1;
  const auto term = [&] {
    return is_join ? NormalTerm(sources) : Term(Any(sources));
  };
  const std::string partition = term();
  std::string sql = "SELECT " + (is_join ? partition : NormalSql(partition));
  for (size_t i = 1 + Uniform(3); i > 0; --i) {
    const bool total = !is_join && OneIn(2);
    const bool one_term = !total && OneIn(2);
    std::string order;
    if (total) {
      order = KeyOrder(sources);
    } else {
      order = " ORDER BY " + term() + (OneIn(3) ? " DESC" : "");
      if (OneIn(4)) order += OneIn(2) ? " NULLS LAST" : " NULLS FIRST";
      if (!one_term) order += ", " + term();
    }
    sql += ", " + WindowFunction(sources, total);
    sql += " OVER (";
    if (OneIn(2)) sql += "PARTITION BY " + partition;
    sql += order;
    sql += Frame(total, one_term) + ")";
  }
  return {sql + " FROM " + from + Where(sources)};
}

QueryGenerator::Statement QueryGenerator::CommonTable() {
  Sources sources;
  const Table& table = AnyStored();
  const Source source = {&table, "x"};
  if (OneIn(3)) {
    return {
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r "
        "WHERE n < 12) SELECT r.n, x.* FROM r " +
        std::string(OneIn(2) ? "LEFT JOIN " : "JOIN ") + table.name + " x ON " +
        Term(source) + (OneIn(2) ? " = r.n" : " > r.n") +
        (OneIn(2) ? " AND " + InOnClause({source}) : "")};
  }
  static constexpr const char* kHow[] = {"", " MATERIALIZED",
                                         " NOT MATERIALIZED"};
  // Joined with itself, it is of one table: the square of a join is too much.
  const bool twice = OneIn(3);
  const std::string from = From(&sources, /*most=*/twice ? 1 : 3);
  const std::string how = kHow[Uniform(3)];
  const std::string with = "WITH c(u, v) AS" + how + " (SELECT " +
                           Term(Any(sources)) + ", " + Term(Any(sources)) +
                           " FROM " + from + WhereInside(sources) + ") ";
  if (twice) {
    return {with + "SELECT d.u, e.v FROM c d JOIN c e ON d.v = e.u"};
  }
  if (OneIn(3)) {
    return {with + "SELECT q.* FROM " + table.name + " q WHERE " +
            Term({&table, "q"}) +
            " IN (SELECT u FROM c) OR EXISTS (SELECT 1 "
            "FROM c WHERE c.v = " +
            Term({&table, "q"}) + ")"};
  }
  static constexpr const char* kJoins[] = {" JOIN ", " LEFT JOIN ",
                                           " RIGHT JOIN ", " FULL JOIN "};
  return {with + "SELECT q.*, c.u FROM c" + kJoins[Uniform(4)] + table.name +
          " q ON " + Term({&table, "q"}) + " = c.v"};
}

// Paths through the tables, a few steps long.
QueryGenerator::Statement QueryGenerator::Recursive() {
  const Source first = {&AnyStored(), "x"};
  const Source next = {&AnyStored(), "y"};
  std::string step = "SELECT " + NormalSql(Term(next)) + ", r.d + 1 FROM ";
  const std::string on = Term(next) + " = r.n";
  const std::string table = next.table->name + " y";
  step +=
      OneIn(2) ? "r JOIN " + table + " ON " + on : table + ", r WHERE " + on;
  step += (step.find(" WHERE ") == std::string::npos ? " WHERE " : " AND ") +
          std::string("r.d < 3");
  if (OneIn(2)) step += " AND " + Condition({next}, 1);
  std::string sql = "WITH RECURSIVE r(n, d) AS (SELECT " +
                    NormalSql(Term(first)) + ", 0 FROM " + first.table->name +
                    " x" + Where({first}) + " UNION " + step;
  if (OneIn(3)) sql += " ORDER BY 2, 1 LIMIT 30";
  sql += ") ";
  if (OneIn(2)) return {sql + "SELECT d, n FROM r"};
  const Source joined = {&AnyStored(), "z"};
  return {sql + "SELECT r.d, z.* FROM r JOIN " + joined.table->name + " z ON " +
          Term(joined) + " = r.n"};
}

QueryGenerator::Statement QueryGenerator::MinMax() {
  const Table& table = AnyTable();
  const Sources sources = {{&table, "x"}};
  std::string column;
  for (const Column& one : table.columns) {
    if (one.plain && (column.empty() || OneIn(2))) column = "x." + one.name;
  }
  if (column.empty()) column = "count(*)";
  const std::string what = column == "count(*)" ? column
                           : OneIn(2)           ? "max(" + column + ")"
                                                : "min(" + column + ")";
  return {"SELECT " + what + " FROM " + table.name + " x" + Where(sources)};
}

QueryGenerator::Statement QueryGenerator::Query() {
  derived_.clear();
  joins_right_ = false;
  switch (Uniform(15)) {
    case 0:
      return Groups();
    case 1:
    case 2:
      return Distinct();
    case 3:
      return Compound();
    case 4:
      return Windows();
    case 5:
      return CommonTable();
    case 6:
      return MinMax();
    case 7:
      return Recursive();
    case 8:
      return Windows();
    default:
      return Rows();
  }
}

}  // namespace nori
