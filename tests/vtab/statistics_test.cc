// What plans rest on: how many rows there are.

#include <string>

#include "gmock/gmock.h"
#include "tests/vtab/module_fixture.h"

namespace nori {
namespace {

using ::testing::HasSubstr;

constexpr char kByIndex[] =
    "EXPLAIN QUERY PLAN SELECT v FROM t WHERE note = 'note 77'";

// Too few for a block of a table file, which is as far as its index tells.
void InsertRows(TestConnection* a, int rows = 100) {
  a->Get(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
      "WHERE i < " +
      std::to_string(rows) +
      ") INSERT INTO t SELECT i, 'note ' || i, i % 7 FROM n");
}

class StatisticsTest : public ModuleTest {};

// Plans are made before there are rows, as by a program that prepares its
// statements at its start; then all rows come in one transaction.
TEST_F(StatisticsTest, TableThatGrowsFromNothing) {
  for (const bool committed : {true, false}) {
    TestConnection a(":memory:");
    a.Get(
        "CREATE VIRTUAL TABLE t USING nori(id INTEGER PRIMARY KEY, note "
        "UNIQUE, v)");
    a.Get(kByIndex);
    if (!committed) a.Get("BEGIN");
    InsertRows(&a);
    EXPECT_THAT(a.Get(kByIndex), HasSubstr("(note=?)")) << committed;
  }
}

// Of two tables that were planned for when empty, the loop inside goes by an
// index.
TEST_F(StatisticsTest, JoinOfTablesJustFilled) {
  for (const bool committed : {true, false}) {
    TestConnection a(":memory:");
    for (const char* name : {"t", "u"}) {
      a.Get(std::string("CREATE VIRTUAL TABLE ") + name +
            " USING nori(id INTEGER PRIMARY KEY, note, v, INDEX(note))");
    }
    const std::string join =
        "EXPLAIN QUERY PLAN SELECT sum(t.v + u.v) FROM t JOIN u USING (note)";
    a.Get(join);
    if (!committed) a.Get("BEGIN");
    InsertRows(&a);
    a.Get("INSERT INTO u SELECT * FROM t");
    EXPECT_THAT(a.Get(join), HasSubstr("(note=?)")) << committed;
    a.Get("INSERT INTO t SELECT id + 100, note, v FROM t");
    a.Get("INSERT INTO u SELECT id + 100, note, v FROM t");
    EXPECT_THAT(a.Get(join), HasSubstr("(note=?)")) << committed;
  }
}

// A transaction that went to disk before its commit counts like any other.
TEST_F(StatisticsTest, TransactionThatSpills) {
  TestConnection a(Path("a.db"));
  a.Get(
      "CREATE VIRTUAL TABLE t USING nori(id INTEGER PRIMARY KEY, note UNIQUE, "
      "v, memtable_bytes = 4096, transaction_spill_bytes = 4096)");
  a.Get(kByIndex);
  InsertRows(&a, 2000);
  EXPECT_NE(a.Get("SELECT value FROM nori_metrics WHERE name = "
                  "'spilled_tables'"),
            "0");
  EXPECT_THAT(a.Get(kByIndex), HasSubstr("(note=?)"));
}

TEST_F(StatisticsTest, SmallTableInAFile) {
  {
    TestConnection a(Path("a.db"));
    a.Get(
        "CREATE VIRTUAL TABLE t USING nori(id INTEGER PRIMARY KEY, note "
        "UNIQUE, v)");
    InsertRows(&a);
    a.Get("SELECT nori_flush(), nori_compact()");
  }
  TestConnection a(Path("a.db"));
  EXPECT_THAT(a.Get(kByIndex), HasSubstr("(note=?)"));
}

}  // namespace
}  // namespace nori
