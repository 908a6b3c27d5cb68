// Random tables and queries over them that ordinary tables and nori tables must
// answer alike.

#ifndef NORI_TESTS_VTAB_QUERY_GENERATOR_H_
#define NORI_TESTS_VTAB_QUERY_GENERATOR_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <random>
#include <string>
#include <vector>

namespace nori {

class QueryGenerator {
 public:
  explicit QueryGenerator(uint64_t seed) : random_(seed) {}

  struct Statement {
    std::string sql;
    bool ordered = false;  // rows must come in the same order
  };

  // Draws two or three tables, t0 and so on. The statements that make them.
  void NewTables();
  const std::vector<std::string>& native_sql() const { return native_sql_; }
  const std::vector<std::string>& nori_sql() const { return nori_sql_; }

  // An INSERT OR IGNORE of some rows, an UPDATE or a DELETE.
  std::string Change();
  std::string Insert(size_t table, size_t rows);
  size_t tables() const { return tables_.size(); }
  Statement Query();

  size_t Uniform(size_t n) {
    return std::uniform_int_distribution<size_t>(0, n - 1)(random_);
  }
  bool OneIn(size_t n) { return Uniform(n) == 0; }

 private:
  struct Column {
    std::string name;
    std::string type;
    bool plain = false;  // equal values are the same: INTEGER or TEXT, compared
                         // as BINARY
    bool is_alias = false;  // of the rowid
  };
  struct Table {
    std::string name;  // as it stands in a FROM clause
    std::vector<Column> columns;
    std::vector<std::string> key;  // what tells rows apart
    bool has_rowid = true;
    bool has_unique = false;  // beside the key
    bool is_stored = true;    // else a subquery
  };
  // A table in a FROM clause.
  struct Source {
    const Table* table;
    std::string alias;
  };
  using Sources = std::vector<Source>;

  void NewTable(size_t number);
  std::string Indexes(Table* table, std::string* native);
  std::string Value();
  // A value that SQLite does not know while it plans, or does.
  std::string Operand(const Sources& sources);
  const Source& Any(const Sources& sources) {
    return sources[Uniform(sources.size())];
  }
  const Table& AnyStored() { return tables_[Uniform(tables_.size())]; }
  // A stored table, now and then a subquery.
  const Table& AnyTable() { return OneIn(6) ? Derived() : AnyStored(); }
  std::string NewAlias() { return "s" + std::to_string(aliases_++); }
  std::string Term(const Source& source);
  std::string NormalTerm(const Sources& sources);
  std::string Comparison();
  std::string Condition(const Sources& sources, int depth);
  std::string ConditionOfChange(const Sources& source);
  std::string Simple(const Sources& sources, int depth);
  std::string Pattern();
  std::string InCondition(const Sources& sources, const std::string& term,
                          int depth);
  std::string RowValues(const Source& source);
  std::string Subquery(const Sources& outer, const std::string& result,
                       int depth);
  std::string InOnClause(const Sources& sources);
  std::string From(Sources* sources, size_t most = 3);
  std::string Where(const Sources& sources);
  // Of a subquery in a FROM clause.
  std::string WhereInside(const Sources& sources);
  std::string KeyOrder(const Sources& sources);
  std::string Outputs(const Sources& sources);
  std::string Limit();
  std::string Filter(const Sources& sources);
  const Table& Derived();
  std::string NormalColumns(const Sources& sources, size_t count);

  // In query_shapes.cc.
  Statement Rows();
  Statement Groups();
  Statement Distinct();
  std::string CompoundSelect(size_t count);
  Statement Compound();
  std::string WindowFunction(const Sources& sources, bool total);
  Statement Windows();
  std::string Frame(bool total, bool one_term);
  Statement CommonTable();
  Statement Recursive();
  Statement MinMax();

  std::mt19937_64 random_;
  std::vector<Table> tables_;
  std::deque<Table> derived_;  // of the query at hand
  std::vector<std::string> native_sql_, nori_sql_;
  bool joins_right_ = false;  // likewise: it has a RIGHT or FULL JOIN
  int aliases_ = 0;
};

// The same for all values that any collation or number type takes for equal.
std::string NormalSql(const std::string& term);

}  // namespace nori

#endif  // NORI_TESTS_VTAB_QUERY_GENERATOR_H_
