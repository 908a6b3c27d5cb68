// Random tables and queries over them that ordinary tables and nori tables must
// answer alike.

#ifndef NORI_TESTS_VTAB_QUERY_GENERATOR_H_
#define NORI_TESTS_VTAB_QUERY_GENERATOR_H_

#include <cstddef>
#include <cstdint>
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
  };
  struct Table {
    std::string name;
    std::vector<Column> columns;
    std::vector<std::string> key;  // what tells rows apart
    bool has_rowid = true;
    bool has_unique = false;  // beside the key
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
  std::string Term(const Source& source);
  std::string Comparison();
  std::string Condition(const Sources& sources, int depth);
  std::string ConditionOfChange(const Sources& source);
  std::string Simple(const Sources& sources, int depth);
  std::string InCondition(const Sources& sources, const std::string& term);
  std::string RowValues(const Source& source);
  std::string Subquery(const Sources& outer, const std::string& result,
                       int depth);
  std::string InOnClause(const Source& source);
  std::string From(Sources* sources, size_t most = 3);
  std::string Where(const Sources& sources);
  std::string KeyOrder(const Sources& sources);
  std::string Outputs(const Sources& sources);
  std::string Limit();

  Statement Rows();
  Statement Groups();
  Statement Distinct();
  Statement Compound();
  Statement Windows();
  Statement CommonTable();
  Statement MinMax();

  std::mt19937_64 random_;
  std::vector<Table> tables_;
  std::vector<std::string> native_sql_, nori_sql_;
  int aliases_ = 0;
};

}  // namespace nori

#endif  // NORI_TESTS_VTAB_QUERY_GENERATOR_H_
