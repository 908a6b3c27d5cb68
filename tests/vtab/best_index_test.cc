// What the module answers to SQLite's planner, over many shapes of statements:
// the rules of sqlite3_index_info, and that what it promises of rows, order and
// uniqueness holds on ordinary tables with the same rows.
//
// NORI_TEST_STATEMENTS sets the number of random queries, NORI_TEST_SEED the
// seed.

#include <algorithm>
#include <cstdio>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/vtab/best_index_spy.h"
#include "tests/vtab/module_fixture.h"
#include "tests/vtab/query_generator.h"
#include "tests/vtab/same_result.h"

namespace nori {
namespace {

constexpr double kBlocksApart = 1000;

struct Shape {
  const char* columns;                // with keys, of both tables
  const char* indexes;                // of the nori table, as further arguments
  const char* constraints;            // of the ordinary table, instead of these
  const char* rows;                   // a SELECT of them
  std::vector<std::set<int>> unique;  // columns that tell rows apart; -1: rowid
  std::set<int> never_null;
};

const Shape kShapes[] = {
    {"id INTEGER PRIMARY KEY, a INTEGER, b TEXT, c REAL",
     ", INDEX(a, b), UNIQUE(c), INDEX(b COLLATE NOCASE)",
     ", UNIQUE(c)",
     "SELECT value, value % 10, 'b' || value % 7, value / 2.0",
     {{0}, {-1}, {3}},
     {0, -1}},
    {"a INTEGER NOT NULL, b TEXT NOT NULL, c, d INTEGER, PRIMARY KEY(a, b)",
     ", INDEX(c DESC), UNIQUE(d, c)",
     ", UNIQUE(d, c)",
     "SELECT value % 20, value / 20, CASE WHEN value % 3 THEN value END, "
     "value % 50",
     {{0, 1}, {3, 2}},
     {0, 1}},
    {"a TEXT, b TEXT COLLATE NOCASE, c INTEGER",
     ", INDEX(a), INDEX(b, c DESC)",
     "",
     "SELECT CASE value % 4 WHEN 0 THEN '' || value WHEN 1 THEN value || '-x' "
     "WHEN 2 THEN 'x' || value END, 'B' || value % 9, value % 5",
     {{-1}},
     {-1}},
};

const char* const kValues[] = {"0",
                               "1",
                               "7",
                               "17.5",
                               "'7'",
                               "NULL",
                               "'b3'",
                               "'B2'",
                               "'17-x'",
                               "x'00'",
                               "(SELECT n FROM other)",
                               "(SELECT s FROM other)",
                               "abs(-7)",
                               "lower('B4')"};

std::vector<std::string> Terms(const std::string& column) {
  std::vector<std::string> terms;
  for (const char* op : {" = ", " < ", " <= ", " > ", " >= ", " IS ", " <> "}) {
    for (const char* value : kValues) {
      terms.push_back(absl::StrCat(column, op, value));
    }
  }
  for (const char* other :
       {" IS NULL", " IS NOT NULL", " IN (1, 7, '7', 'b3')",
        " IN (SELECT n FROM other)", " LIKE 'b%'", " LIKE '%3%'", " GLOB 'b*'",
        " BETWEEN 2 AND 9", " BETWEEN '1' AND '2'", " = other.n",
        " > other.s"}) {
    terms.push_back(column + other);
  }
  return terms;
}

class BestIndexTest : public ModuleTest {
 protected:
  BestIndexTest() : spy_(Path("")) {}

  void Open() {
    native_ = std::make_unique<TestConnection>(":memory:", /*load=*/false);
    nori_ = std::make_unique<TestConnection>(":memory:", /*load=*/false);
    spy_.Load(nori_->db());
    for (auto* connection : {native_.get(), nori_.get()}) {
      connection->Get("PRAGMA automatic_index = off");
    }
  }

  void Open(const Shape& shape) {
    Open();
    const std::string fill = absl::StrCat(
        "INSERT INTO t WITH RECURSIVE s(value) AS (SELECT 1 UNION ALL SELECT "
        "value + 1 FROM s WHERE value < 6000) ",
        shape.rows, " FROM s");
    native_->Get(
        absl::StrCat("CREATE TABLE t(", shape.columns, shape.constraints, ")"));
    nori_->Get(absl::StrCat("CREATE VIRTUAL TABLE t USING nori(", shape.columns,
                            shape.indexes, ")"));
    for (auto* connection : {native_.get(), nori_.get()}) {
      connection->Get(fill);
      connection->Get("CREATE TABLE other(n INTEGER, s TEXT)");
      connection->Get("INSERT INTO other VALUES(7, 'b5'), (11, '7')");
    }
    nori_->Get("SELECT nori_flush()");
  }

  // Runs a query on both sides and looks at every call that it made. `known`:
  // SQLite knows every value that it compares with, of the column's type.
  void Check(const QueryGenerator::Statement& query, const Shape* shape,
             bool known = false) {
    spy_.Take();
    SqlResult native = native_->Run(query.sql);
    SqlResult nori = nori_->Run(query.sql);
    ExpectSameResult(query.ordered, &native, &nori);
    const BestIndexCall* asked = nullptr;
    const std::vector<BestIndexCall> calls = spy_.Take();
    for (const BestIndexCall& call : calls) {
      ++calls_;
      EXPECT_EQ(BrokenRule(call), "") << Describe(call);
      if (shape != nullptr) CheckUnique(call, *shape);
      if (!call.is_probe) {
        asked = &call;
      } else if (known && asked->code == SQLITE_OK && call.code == SQLITE_OK &&
                 !IsWider(call, call.left_out)) {
        ++probes_;
        EXPECT_LE(asked->rows, MostRows(call))
            << Describe(*asked) << "\nwith one less: " << Describe(call);
      }
    }
    if (HasFailure()) ADD_FAILURE() << query.sql;
  }

  // More constraints never leave more rows. Estimates count blocks, of a few
  // hundred short entries.
  double MostRows(const BestIndexCall& with_one_less) const {
    return with_one_less.rows * 1.25 + kBlocksApart;
  }
  // Of two bounds in one direction SQLite's first is used, be it the wider one.
  static bool IsWider(const BestIndexCall& call, int left_out) {
    const auto& one = call.constraints[static_cast<size_t>(left_out)];
    const auto direction = [](int op) {
      return op == SQLITE_INDEX_CONSTRAINT_GE   ? SQLITE_INDEX_CONSTRAINT_GT
             : op == SQLITE_INDEX_CONSTRAINT_LE ? SQLITE_INDEX_CONSTRAINT_LT
                                                : op;
    };
    return std::count_if(call.constraints.begin(), call.constraints.end(),
                         [&](const auto& other) {
                           return other.column == one.column &&
                                  direction(other.op) == direction(one.op);
                         }) > 1;
  }

  static void CheckUnique(const BestIndexCall& call, const Shape& shape) {
    if (!call.unique) return;
    std::set<int> fixed;
    for (const auto& constraint : call.constraints) {
      if (constraint.argument == 0 || constraint.is_in) continue;
      // Rows that are NULL there are many.
      const bool is = constraint.op == SQLITE_INDEX_CONSTRAINT_IS ||
                      constraint.op == SQLITE_INDEX_CONSTRAINT_ISNULL;
      if (constraint.op == SQLITE_INDEX_CONSTRAINT_EQ ||
          (is && shape.never_null.contains(constraint.column))) {
        fixed.insert(constraint.column);
      }
    }
    EXPECT_TRUE(std::any_of(shape.unique.begin(), shape.unique.end(),
                            [&](const std::set<int>& key) {
                              return std::includes(fixed.begin(), fixed.end(),
                                                   key.begin(), key.end());
                            }))
        << Describe(call);
  }

  BestIndexSpy spy_;
  std::unique_ptr<TestConnection> native_, nori_;
  size_t calls_ = 0, probes_ = 0;
};

std::vector<std::string> ColumnsOf(const Shape& shape) {
  std::vector<std::string> columns = {"a", "b", "c"};
  if (shape.unique[0] == std::set<int>{0}) columns.emplace_back("id");
  return columns;
}

TEST_F(BestIndexTest, EveryTermAlone) {
  for (const Shape& shape : kShapes) {
    Open(shape);
    for (const std::string& column : ColumnsOf(shape)) {
      for (const std::string& term : Terms(column)) {
        ASSERT_NO_FATAL_FAILURE(
            Check({"SELECT * FROM t, other WHERE " + term, false}, &shape));
        if (HasFailure()) return;
      }
    }
  }
  EXPECT_GT(calls_, 1000U);
}

TEST_F(BestIndexTest, SeveralTermsOrderAndLimit) {
  const uint64_t seed =
      NumberFromEnvironment("NORI_TEST_SEED", std::random_device{}());
  std::printf("NORI_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed);
  const auto pick = [&](const std::vector<std::string>& from) {
    return from[random() % from.size()];
  };
  for (const Shape& shape : kShapes) {
    Open(shape);
    const std::vector<std::string> columns = ColumnsOf(shape);
    for (int i = 0; i < 200; ++i) {
      std::string sql = absl::StrCat("SELECT ", random() % 2 ? "t.*" : "a, c",
                                     " FROM t", random() % 2 ? ", other" : "");
      const bool joined = sql.ends_with("other");
      if (!joined) absl::StrAppend(&sql, " LEFT JOIN other ON 0");
      std::string glue = " WHERE ";
      for (auto terms = 1 + random() % 4; terms > 0; --terms) {
        absl::StrAppend(&sql, glue, pick(Terms(pick(columns))));
        glue = " AND ";
      }
      ASSERT_NO_FATAL_FAILURE(Check({sql, false}, &shape));
      // All columns, so that the order tells of every row that differs.
      absl::StrAppend(&sql, " ORDER BY ", pick(columns),
                      random() % 2 ? " DESC" : "", ", a, b, c");
      if (sql.starts_with("SELECT a")) absl::StrAppend(&sql, " DESC");
      absl::StrAppend(&sql, ", n");
      ASSERT_NO_FATAL_FAILURE(Check({sql, true}, &shape));
      absl::StrAppend(&sql, " LIMIT 5 OFFSET 3");
      ASSERT_NO_FATAL_FAILURE(Check({sql, true}, &shape));
      if (HasFailure()) return;
    }
  }
  EXPECT_GT(calls_, 1000U);
}

TEST_F(BestIndexTest, MoreTermsNeverLeaveMoreRows) {
  std::mt19937_64 random(1);
  const Shape& shape = kShapes[0];
  Open(shape);
  const std::vector<std::vector<std::string>> terms = {
      {"id = 77", "id > 5000", "id < 400", "id BETWEEN 100 AND 3000"},
      {"a = 7", "a > 3", "a <= 5", "a IS 2", "a IN (1, 2)", "a IS NOT NULL"},
      {"b = 'b3'", "b > 'b2'", "b < 'b5'", "b LIKE 'b6%'", "b LIKE '%4%'"},
      {"c = 60.5", "c < 100.0", "c >= 2500.0", "c IS NULL"}};
  for (int i = 0; i < 400; ++i) {
    std::string sql = "SELECT * FROM t";
    std::string glue = " WHERE ";
    for (const auto& of_column : terms) {
      if (random() % 3 == 0) continue;
      absl::StrAppend(&sql, glue, of_column[random() % of_column.size()]);
      glue = " AND ";
    }
    Check({sql, false}, &shape, /*known=*/true);
    if (HasFailure()) return;
  }
  EXPECT_GT(probes_, 500U);
}

TEST_F(BestIndexTest, RandomQueries) {
  const uint64_t queries = NumberFromEnvironment("NORI_TEST_STATEMENTS", 600);
  const uint64_t seed =
      NumberFromEnvironment("NORI_TEST_SEED", std::random_device{}());
  std::printf("NORI_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed));
  QueryGenerator generator(seed);
  for (uint64_t i = 0; i < queries; ++i) {
    if (i % 60 == 0) {
      Open();
      generator.NewTables();
      for (const std::string& sql : generator.native_sql()) native_->Get(sql);
      for (const std::string& sql : generator.nori_sql()) nori_->Get(sql);
      for (size_t table = 0; table < generator.tables(); ++table) {
        const std::string insert = generator.Insert(table, 40);
        native_->Run(insert);
        nori_->Run(insert);
      }
    }
    Check(generator.Query(), nullptr);
    if (HasFailure()) return;
  }
}

// SQLite joins in the order of rows that it expects: a term that no index
// serves must count.
TEST_F(BestIndexTest, TermsLeftToSqliteOrderJoins) {
  Open();
  nori_->Get(
      "CREATE VIRTUAL TABLE big USING nori(id INTEGER PRIMARY KEY, kind TEXT, "
      "day TEXT, INDEX by_day(day));"
      "CREATE VIRTUAL TABLE lines USING nori(id INTEGER, n INTEGER, item "
      "INTEGER, PRIMARY KEY(id, n), INDEX by_item(item));"
      "CREATE VIRTUAL TABLE items USING nori(item INTEGER PRIMARY KEY, name "
      "TEXT);"
      "INSERT INTO items SELECT value, 'name ' || value FROM "
      "(WITH RECURSIVE s(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM s "
      "WHERE value < 2000) SELECT value FROM s);"
      "INSERT INTO big SELECT item, 'kind ' || item % 9, 'day ' || item % 100 "
      "FROM items;"
      "INSERT INTO lines SELECT id, item, item FROM (SELECT id FROM big), "
      "(SELECT item FROM items LIMIT 4);"
      "SELECT nori_flush()");
  spy_.Take();
  const auto rows = [this](const std::string& condition) {
    nori_->Get("EXPLAIN SELECT * FROM big WHERE " + condition);
    return spy_.Take().front().rows;
  };
  EXPECT_NEAR(rows("id > 0"), 2000, 300);
  EXPECT_NEAR(rows("kind = 'kind 1'"), 500, 80);
  EXPECT_NEAR(rows("kind = 1"), 1000, 150);
  EXPECT_NEAR(rows("kind LIKE '%nd 1'"), 500, 80);
  EXPECT_LT(rows("kind > 'x'"), 2000);
  // An index that is not taken tells how many rows there are.
  EXPECT_LT(rows("id > 0 AND day = 'day 1'"), 80);
  EXPECT_LT(rows("kind = 'kind 1' AND day = 'day 1'"), 40);
  // Of a value that SQLite does not know it may come from another table.
  EXPECT_NEAR(rows("kind = abs(-1)"), 2000, 300);
  const std::string plan = nori_->Get(
      "EXPLAIN QUERY PLAN SELECT count(*) FROM lines, items, big WHERE "
      "lines.item = items.item AND lines.id = big.id AND kind = 'kind 1' AND "
      "day > 'day 98'");
  EXPECT_LT(plan.find("SCAN big"), plan.find("SCAN lines")) << plan;
}

}  // namespace
}  // namespace nori
