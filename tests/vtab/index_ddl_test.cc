// Indexes made and dropped while other connections are at work.

#include <string>

#include "gmock/gmock.h"
#include "tests/vtab/module_fixture.h"

namespace nori {
namespace {

using ::testing::HasSubstr;

class IndexDdlTest : public ModuleTest {
 protected:
  // A table of `rows` rows (i, i % 100, text) in a WAL database.
  void Fill(TestConnection* connection, int rows,
            const std::string& options = "") {
    connection->Get("PRAGMA journal_mode = wal");
    connection->Get(
        "CREATE VIRTUAL TABLE t USING nori(id INTEGER PRIMARY KEY, "
        "c INT, d TEXT" +
        options + ")");
    connection->Get(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE "
        "i < " +
        std::to_string(rows) +
        ") INSERT INTO t SELECT i, i % 100, 'text ' || i FROM n");
  }
};

TEST_F(IndexDdlTest, OtherConnectionsKeepANewIndex) {
  TestConnection a(Path("a.db")), b(Path("a.db"));
  Fill(&a, 100);
  // The table is connected, and the statement is compiled, before.
  EXPECT_EQ(b.Get("SELECT count(*) FROM t"), "100");
  sqlite3_stmt* insert = nullptr;
  ASSERT_EQ(sqlite3_prepare_v2(b.db(), "INSERT INTO t VALUES(?1, 1, 'text 7')",
                               -1, &insert, nullptr),
            SQLITE_OK);
  a.Get("SELECT nori_create_index('t', 'only', 'd', 'unique')");
  sqlite3_bind_int(insert, 1, 1000);
  EXPECT_EQ(sqlite3_step(insert) & 0xff, SQLITE_CONSTRAINT);
  EXPECT_EQ(sqlite3_reset(insert), SQLITE_CONSTRAINT_UNIQUE);
  EXPECT_STREQ(sqlite3_errmsg(b.db()), "UNIQUE constraint failed: t.d");
  b.Get("INSERT INTO t VALUES(1001, 1, 'new')");
  EXPECT_EQ(a.Get("SELECT nori_verify()"), "'ok'");
  a.Get("SELECT nori_drop_index('t', 'only')");
  EXPECT_EQ(sqlite3_step(insert), SQLITE_DONE);
  sqlite3_finalize(insert);
  EXPECT_EQ(b.Get("SELECT count(*) FROM nori_indexes"), "0");
  EXPECT_EQ(b.Get("SELECT nori_verify()"), "'ok'");
}

TEST_F(IndexDdlTest, ReadersGoOnMeanwhile) {
  TestConnection a(Path("a.db")), b(Path("a.db"));
  Fill(&a, 200);
  sqlite3_stmt* scan = nullptr;
  ASSERT_EQ(sqlite3_prepare_v2(b.db(), "SELECT d FROM t ORDER BY id", -1, &scan,
                               nullptr),
            SQLITE_OK);
  ASSERT_EQ(sqlite3_step(scan), SQLITE_ROW);
  a.Get("BEGIN; SELECT nori_create_index('t', 'i', 'c DESC, d')");
  // Not committed: nobody else knows of it, and reading waits for nothing.
  EXPECT_EQ(b.Get("SELECT count(*) FROM nori_indexes"), "0");
  EXPECT_EQ(b.Get("SELECT count(*) FROM t WHERE c = 5"), "2");
  // There is one writer at a time.
  EXPECT_EQ(b.Run("INSERT INTO t VALUES(1000, 1, 'x')").code, SQLITE_BUSY);
  a.Get("COMMIT");
  int rows = 1;
  while (sqlite3_step(scan) == SQLITE_ROW) ++rows;
  EXPECT_EQ(rows, 200);
  sqlite3_finalize(scan);
  EXPECT_EQ(b.Get("SELECT name FROM nori_indexes"), "'i'");
}

TEST_F(IndexDdlTest, AnOldReadTransactionKeepsItsIndexes) {
  TestConnection a(Path("a.db")), b(Path("a.db"));
  Fill(&a, 200);
  a.Get("SELECT nori_create_index('t', 'old', 'c')");
  b.Get("BEGIN");
  EXPECT_EQ(b.Get("SELECT count(*) FROM t WHERE c = 5"), "2");
  a.Get("SELECT nori_drop_index('t', 'old')");
  a.Get("INSERT INTO t VALUES(1000, 5, 'x')");
  a.Get("SELECT nori_create_index('t', 'new', 'c')");
  EXPECT_EQ(b.Get("SELECT count(*) FROM t WHERE c = 5"), "2");
  EXPECT_EQ(b.Get("SELECT name FROM nori_indexes"), "'old'");
  EXPECT_EQ(b.Get("SELECT nori_verify()"), "'ok'");
  b.Get("COMMIT");
  EXPECT_EQ(b.Get("SELECT name FROM nori_indexes"), "'new'");
  EXPECT_EQ(b.Get("SELECT count(*) FROM t WHERE c = 5"), "3");
}

// More entries than a transaction keeps in memory.
TEST_F(IndexDdlTest, LargeTablesAreIndexedInBoundedMemory) {
  NORI_SKIP_IN_VFS_NORI(
      "the engine is the whole database's, which has its own options");
  TestConnection a(Path("a.db"));
  Fill(&a, 30000, ", transaction_spill_bytes = 65536, memtable_bytes = 262144");
  EXPECT_EQ(a.Get("SELECT nori_create_index('t', 'only', 'd', 'unique')"),
            "'ok'");
  EXPECT_EQ(a.Run("INSERT INTO t VALUES(0, 0, 'text 29999')").code,
            SQLITE_CONSTRAINT_UNIQUE);
  a.Get("INSERT INTO t VALUES(0, 0, 'text 0')");
  // Found at the very end, and undone.
  const SqlResult result =
      a.Run("SELECT nori_create_index('t', 'wrong', 'c', 'unique')");
  EXPECT_EQ(result.code, SQLITE_CONSTRAINT_UNIQUE);
  EXPECT_EQ(result.message, "UNIQUE constraint failed: t.c");
  EXPECT_EQ(a.Get("SELECT name FROM nori_indexes"), "'only'");
  EXPECT_EQ(a.Get("SELECT nori_verify()"), "'ok'");
}

// Unique checks inside one transaction, also of what it has spilled itself.
TEST_F(IndexDdlTest, UniqueChecksSeeALargeTransaction) {
  NORI_SKIP_IN_VFS_NORI(
      "the engine is the whole database's, which has its own options");
  TestConnection a(Path("a.db"));
  Fill(&a, 10,
       ", UNIQUE(d), transaction_spill_bytes = 65536, memtable_bytes = 262144");
  a.Get("BEGIN");
  a.Get(
      "WITH RECURSIVE n(i) AS (SELECT 11 UNION ALL SELECT i + 1 FROM n WHERE "
      "i < 20000) INSERT INTO t SELECT i, 0, 'text ' || i FROM n");
  EXPECT_EQ(a.Run("INSERT INTO t VALUES(0, 0, 'text 12')").code,
            SQLITE_CONSTRAINT_UNIQUE);
  a.Get("REPLACE INTO t VALUES(0, 0, 'text 19999')");
  a.Get("COMMIT");
  EXPECT_EQ(a.Get("SELECT count(*) FROM t"), "20000");
  EXPECT_EQ(a.Get("SELECT nori_verify()"), "'ok'");
}

TEST_F(IndexDdlTest, WorksInDefensiveMode) {
  TestConnection a(Path("a.db"));
  Fill(&a, 10);
  sqlite3_db_config(a.db(), SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  EXPECT_EQ(a.Get("SELECT nori_create_index('t', 'i', 'd')"), "'ok'");
  TestConnection b(Path("a.db"));
  EXPECT_EQ(b.Get("SELECT name FROM nori_indexes"), "'i'");
}

TEST_F(IndexDdlTest, RefusedWhereNothingMayBeWritten) {
  TestConnection a(Path("a.db"));
  Fill(&a, 10);
  a.Get("PRAGMA query_only = on");
  const SqlResult result = a.Run("SELECT nori_create_index('t', 'i', 'd')");
  EXPECT_EQ(result.code, SQLITE_READONLY);
  EXPECT_THAT(result.message, HasSubstr("attempt to write"));
  a.Get("PRAGMA query_only = off");
  EXPECT_EQ(a.Get("SELECT count(*) FROM nori_indexes"), "0");
  EXPECT_EQ(a.Get("SELECT nori_create_index('t', 'i', 'd')"), "'ok'");
}

// A list of indexes that is not what this wrote.
TEST_F(IndexDdlTest, DamagedListIsReported) {
  TestConnection a(Path("a.db"));
  Fill(&a, 10);
  a.Get("SELECT nori_create_index('t', 'i', 'd')");
  a.Get("UPDATE nori_state SET state = substr(state, 1, 9) WHERE name = 't'");
  TestConnection b(Path("a.db"));
  EXPECT_EQ(b.Run("SELECT * FROM t").code & 0xff, SQLITE_CORRUPT);
}

}  // namespace
}  // namespace nori
