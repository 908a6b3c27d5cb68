// Queries over nori tables against the same queries over ordinary tables that
// were filled alike: the same rows, order where it is total, and errors.
//
// NORI_TEST_STATEMENTS sets the number of queries, NORI_TEST_SEED the seed.

#include <algorithm>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/vtab/differences.h"
#include "tests/vtab/hostile_values.h"
#include "tests/vtab/module_fixture.h"
#include "tests/vtab/query_generator.h"
#include "tests/vtab/same_result.h"

namespace nori {
namespace {

constexpr uint64_t kQueriesPerTables = 100;
constexpr uint64_t kQueriesPerChange = 10;

class QueryDifferentialTest : public ModuleTest {
 protected:
  // Runs the queries over one set of tables; false when a difference was found.
  bool RunTables(QueryGenerator* generator, uint64_t round) {
    generator->NewTables();
    native_ = std::make_unique<TestConnection>(":memory:", /*load=*/false);
    nori_ = std::make_unique<TestConnection>(
        generator->OneIn(2) ? ":memory:"
                            : Path("q" + std::to_string(round) + ".db"));
    // SQLite 3.40.1 misses rows through automatic indexes on RTRIM columns.
    native_->Get("PRAGMA automatic_index = off");
    nori_->Get("PRAGMA automatic_index = off");
    nori_->Get("PRAGMA synchronous = OFF");
    history_.clear();
    for (const std::string& sql : generator->native_sql()) native_->Get(sql);
    for (const std::string& sql : generator->nori_sql()) {
      nori_->Get(sql);
      history_.push_back(sql);
    }
    for (size_t i = 0; i < generator->tables(); ++i) {
      const size_t rows = generator->OneIn(20) ? 0 : 1 + generator->Uniform(40);
      if (rows > 0 && !Compare({generator->Insert(i, rows)})) return false;
    }
    for (uint64_t i = 0; i < kQueriesPerTables; ++i) {
      if (i % kQueriesPerChange == 0 && !Change(generator)) return false;
      if (!Compare(generator->Query())) return false;
    }
    return !HasFailure();
  }

 private:
  bool Change(QueryGenerator* generator) {
    if (generator->OneIn(3)) {
      const bool inside = sqlite3_get_autocommit(native_->db()) == 0;
      if (!Compare({!inside               ? "BEGIN"
                    : generator->OneIn(2) ? "COMMIT"
                                          : "ROLLBACK"})) {
        return false;
      }
    }
    if (generator->OneIn(4)) nori_->Run("SELECT nori_flush()");
    return Compare({generator->Change()}) && Compare({generator->Change()});
  }

  bool Compare(const QueryGenerator::Statement& statement) {
    if (std::string("IUDBCR").find(statement.sql[0]) != std::string::npos) {
      history_.push_back(statement.sql);
    }
    SqlResult native = native_->Run(statement.sql);
    SqlResult nori = nori_->Run(statement.sql);
    ExpectSameResult(statement.ordered, &native, &nori);
    if (!HasFailure()) return true;
    std::sort(native.rows.begin(), native.rows.end());
    std::sort(nori.rows.begin(), nori.rows.end());
    std::string script = Missing("only in the ordinary table: ", native, nori) +
                         Missing("only in the nori table: ", nori, native);
    for (const std::string& sql : history_) script += sql + ";\n";
    ADD_FAILURE() << "after this script:\n"
                  << script << "--\n"
                  << statement.sql << ";\nby this plan:\n"
                  << nori_->Get("EXPLAIN QUERY PLAN " + statement.sql);
    return false;
  }

  // The first few rows that one result has and the other, also sorted, lacks.
  static std::string Missing(const char* what, const SqlResult& one,
                             const SqlResult& other) {
    std::vector<std::string> rows;
    std::set_difference(one.rows.begin(), one.rows.end(), other.rows.begin(),
                        other.rows.end(), std::back_inserter(rows));
    std::string text;
    for (size_t i = 0; i < std::min<size_t>(rows.size(), 5); ++i) {
      text += "-- " + (what + rows[i]) + "\n";
    }
    return text;
  }

  std::unique_ptr<TestConnection> native_, nori_;
  std::vector<std::string> history_;
};

TEST_F(QueryDifferentialTest, RandomQueries) {
  const uint64_t queries = NumberFromEnvironment("NORI_TEST_STATEMENTS", 5000);
  QueryGenerator generator(TestSeed(std::random_device{}()));
  for (uint64_t done = 0; done < queries; done += kQueriesPerTables) {
    if (!RunTables(&generator, done)) return;
  }
  // Queries need nothing excused.
  ExcusedDifferences().Print();
}

}  // namespace
}  // namespace nori
