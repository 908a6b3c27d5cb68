// UPDATE and the columns that it leaves alone: neither their values nor the
// rows that an index stands for are read for nothing, and no index is written
// whose columns stay.

#include <string>

#include "tests/vtab/module_fixture.h"

namespace nori {
namespace {

constexpr int kRows = 20;
constexpr int64_t kLargeBytes = 4 << 20;

class NoChangeTest : public ModuleTest {
 protected:
  // The largest piece of memory that SQLite asks for while `sql` runs.
  int64_t LargestAllocation(const std::string& sql) {
    sqlite3_int64 now = 0;
    sqlite3_int64 largest = 0;
    sqlite3_status64(SQLITE_STATUS_MALLOC_SIZE, &now, &largest, /*reset=*/1);
    a_.Get(sql);
    sqlite3_status64(SQLITE_STATUS_MALLOC_SIZE, &now, &largest, /*reset=*/1);
    return largest;
  }

  int64_t Metric(const std::string& name) {
    return std::stoll(
        a_.Get("SELECT value FROM nori_metrics WHERE name = '" + name + "'"));
  }

  // By how much `sql` raises a metric.
  int64_t Raises(const std::string& metric, const std::string& sql) {
    const int64_t before = Metric(metric);
    a_.Get(sql);
    return Metric(metric) - before;
  }

  // `definition` has the columns id, n, big.
  void MakeLarge(const std::string& definition) {
    a_.Get("CREATE VIRTUAL TABLE t USING nori(" + definition + ")");
    a_.Get("INSERT INTO t VALUES (1, 1, zeroblob(" +
           std::to_string(kLargeBytes) + ")), (2, 2, zeroblob(" +
           std::to_string(kLargeBytes) + "))");
  }

  // kRows rows with n = 7, among many others.
  void MakeIndexed() {
    a_.Get(
        "CREATE VIRTUAL TABLE t USING nori(id INTEGER PRIMARY KEY, n, m, big, "
        "INDEX by_n(n), INDEX by_m(m))");
    a_.Get(
        "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE "
        "i < 50 * " +
        std::to_string(kRows) +
        ") INSERT INTO t SELECT i, CASE WHEN i % 50 THEN i + 100 ELSE 7 END, "
        "i, hex(zeroblob(100)) FROM c");
  }

  TestConnection a_{Path("a.db")};
};

// Of all forms of table: with a rowid, with a key, with a check, with an index.
TEST_F(NoChangeTest, LargeValuesAreNotCarriedAlong) {
  for (const char* definition :
       {"id INTEGER PRIMARY KEY, n, big", "id, n, big, PRIMARY KEY(id)",
        "id INTEGER PRIMARY KEY, n CHECK(n > 0), big",
        "id INTEGER PRIMARY KEY, n, big, INDEX(n)"}) {
    SCOPED_TRACE(definition);
    MakeLarge(definition);
    for (const char* update :
         {"UPDATE t SET n = n + 1", "UPDATE t SET n = 5 WHERE id = 1",
          "UPDATE t SET n = 6 WHERE n > 1",
          "UPDATE OR REPLACE t SET n = 6 WHERE id = 2",
          "UPDATE t SET id = id + 10 WHERE id = 1"}) {
      SCOPED_TRACE(update);
      EXPECT_LT(LargestAllocation(update), kLargeBytes / 4);
      EXPECT_EQ(a_.Get("SELECT count(*), min(length(big)) FROM t"),
                "2|" + std::to_string(kLargeBytes));
    }
    // What is read is seen by this measure.
    EXPECT_GE(LargestAllocation("UPDATE t SET big = big || n"), kLargeBytes);
    EXPECT_EQ(a_.Get("SELECT nori_verify()"), "'ok'");
    a_.Get("DROP TABLE t");
  }
}

// Where the condition is all in an index, the scan looks up no row; the change
// itself reads it.
TEST_F(NoChangeTest, RowsBehindAnIndexAreReadOnce) {
  MakeIndexed();
  const std::string update = "UPDATE t SET m = 0 WHERE n = 7";
  EXPECT_NE(a_.Get("EXPLAIN QUERY PLAN " + update).find("INDEX by_n (n=?)"),
            std::string::npos);
  EXPECT_EQ(Raises("gets", update), kRows);
  EXPECT_EQ(Raises("gets", "UPDATE t SET big = 'x' WHERE n = 7"), kRows);
  // This one needs what the index does not hold.
  EXPECT_EQ(Raises("gets", "UPDATE t SET m = 1 WHERE n = 7 AND big = 'x'"),
            2 * kRows);
  EXPECT_EQ(a_.Get("SELECT count(*) FROM t WHERE n = 7 AND m = 1"),
            std::to_string(kRows));
}

TEST_F(NoChangeTest, OnlyTouchedIndexesAreWritten) {
  MakeIndexed();
  EXPECT_EQ(Raises("entries_written", "UPDATE t SET big = 'x' WHERE n = 7"),
            kRows);
  // The row, the old entry and the new one.
  EXPECT_EQ(Raises("entries_written", "UPDATE t SET n = 8 WHERE n = 7"),
            3 * kRows);
  EXPECT_EQ(Raises("entries_written", "UPDATE t SET n = 9, m = -m WHERE n = 8"),
            5 * kRows);
  EXPECT_EQ(a_.Get("SELECT nori_verify()"), "'ok'");
}

}  // namespace
}  // namespace nori
