// Named snapshots and the functions on tables, over several connections.

#include <string>

#include "tests/vtab/module_fixture.h"

namespace nori {
namespace {

using SnapshotsTest = ModuleTest;

constexpr char kTables[] =
    "PRAGMA journal_mode = wal;"
    "CREATE VIRTUAL TABLE t USING nori(id INTEGER PRIMARY KEY, v);"
    "CREATE TABLE c(id INTEGER PRIMARY KEY)";

TEST_F(SnapshotsTest, IsOfTheStateThatASelectWouldRead) {
  TestConnection a(Path("a.db")), b(Path("a.db"));
  a.Get(kTables);
  a.Get("INSERT INTO t VALUES(1, 'one')");
  b.Get("BEGIN");
  EXPECT_EQ(b.Get("SELECT count(*) FROM t"), "1");
  a.Get("INSERT INTO t VALUES(2, 'two')");
  // b still reads the older state, and names it.
  b.Get("SELECT nori_snapshot('of b')");
  a.Get("SELECT nori_snapshot('of a')");
  b.Get("COMMIT");
  a.Get("DELETE FROM t");
  for (TestConnection* connection : {&a, &b}) {
    EXPECT_EQ(connection->Get("SELECT count(*) FROM t('of b')"), "1");
    EXPECT_EQ(connection->Get("SELECT count(*) FROM t('of a')"), "2");
    EXPECT_EQ(connection->Get("SELECT count(*) FROM t"), "0");
  }
  // A writer's open transaction is not in it.
  a.Get("BEGIN; INSERT INTO t VALUES(3, 'three')");
  b.Get("SELECT nori_snapshot('beside a writer')");
  EXPECT_EQ(a.Run("SELECT nori_snapshot('inside')").code, SQLITE_ERROR);
  a.Get("COMMIT");
  EXPECT_EQ(a.Get("SELECT count(*) FROM t('beside a writer')"), "0");
}

TEST_F(SnapshotsTest, OutlivesConnectionsAndMerges) {
  {
    TestConnection a(Path("a.db"));
    a.Get(kTables);
    a.Get(
        "BEGIN; INSERT INTO t VALUES(1, 'one'); INSERT INTO c VALUES(1);"
        "COMMIT; SELECT nori_snapshot('s')");
  }
  for (int i = 0; i < 3; ++i) {
    TestConnection a(Path("a.db"));
    a.Get(
        "REPLACE INTO t VALUES(1, 'uno'); SELECT nori_truncate('t');"
        "SELECT nori_compact('t')");
    EXPECT_EQ(a.Get("SELECT * FROM t"), "");
    EXPECT_EQ(a.Get("SELECT * FROM t('s')"), "1|'one'");
    EXPECT_EQ(a.Get("SELECT nori_verify()"), "'ok'");
  }
  TestConnection a(Path("a.db"));
  a.Get("SELECT nori_release('s'); SELECT nori_compact()");
  NORI_SKIP_IN_VFS_NORI("there are pages as well");
  EXPECT_EQ(a.Get("SELECT sum(entries) FROM nori_sstables"), "NULL");
}

// A cursor keeps what it reads although the name goes.
TEST_F(SnapshotsTest, OpenCursorOutlivesTheName) {
  TestConnection a(Path("a.db"));
  a.Get(kTables);
  a.Get("INSERT INTO t VALUES(1, 'a'), (2, 'b'), (3, 'c')");
  a.Get("SELECT nori_snapshot('s')");
  sqlite3_stmt* statement = nullptr;
  ASSERT_EQ(sqlite3_prepare_v2(a.db(), "SELECT id FROM t('s')", -1, &statement,
                               nullptr),
            SQLITE_OK);
  ASSERT_EQ(sqlite3_step(statement), SQLITE_ROW);
  a.Get("DELETE FROM t; SELECT nori_release('s'); SELECT nori_compact()");
  EXPECT_EQ(sqlite3_step(statement), SQLITE_ROW);
  EXPECT_EQ(sqlite3_step(statement), SQLITE_ROW);
  EXPECT_EQ(sqlite3_column_int(statement, 0), 3);
  EXPECT_EQ(sqlite3_step(statement), SQLITE_DONE);
  // Run again, it asks for the name again.
  sqlite3_reset(statement);
  EXPECT_EQ(sqlite3_step(statement), SQLITE_ERROR);
  EXPECT_STREQ(sqlite3_errmsg(a.db()), "nori: no such snapshot: s");
  sqlite3_finalize(statement);
}

// Every statement that could write through a snapshot is refused, and the
// refusal of one does not stick to the next.
TEST_F(SnapshotsTest, RefusesWritesThroughIt) {
  TestConnection a(Path("a.db"));
  a.Get(kTables);
  a.Get(
      "CREATE VIRTUAL TABLE k USING nori(x TEXT PRIMARY KEY, v);"
      "INSERT INTO t VALUES(1, 'a'), (2, 'b');"
      "INSERT INTO k VALUES('a', 1), ('b', 2); SELECT nori_snapshot('s')");
  for (const char* sql :
       {"DELETE FROM t WHERE nori_snapshot = 's'",
        "DELETE FROM t WHERE nori_snapshot = 's' AND id = 1",
        "DELETE FROM t WHERE nori_snapshot = 's' AND (id = 1 OR id = 2)",
        "UPDATE t SET v = 1 WHERE nori_snapshot = 's' AND (id = 1 OR v = 'b')",
        "UPDATE OR REPLACE t SET id = 7 WHERE nori_snapshot = 's' AND id = 1",
        "DELETE FROM k WHERE nori_snapshot = 's' AND x = 'a'",
        "UPDATE k SET x = 'c' WHERE nori_snapshot = 's' AND x = 'a'",
        "REPLACE INTO k(x, v, nori_snapshot) VALUES('a', 1, 's')"}) {
    const SqlResult result = a.Run(sql);
    EXPECT_EQ(result.code, SQLITE_READONLY) << sql;
    EXPECT_NE(result.message.find("a snapshot cannot be changed"),
              std::string::npos)
        << result.message;
  }
  EXPECT_EQ(a.Get("SELECT group_concat(v) FROM t"), "'a,b'");
  EXPECT_EQ(a.Get("SELECT group_concat(x || v) FROM k"), "'a1,b2'");
  a.Get(
      "DELETE FROM t WHERE rowid IN (SELECT rowid FROM t('s') WHERE id = 2);"
      "UPDATE t SET v = (SELECT v || '!' FROM t('s') AS o WHERE o.id = t.id);"
      "DELETE FROM k WHERE x = 'b';");
  EXPECT_EQ(a.Get("SELECT * FROM t"), "1|'a!'");
  EXPECT_EQ(a.Get("SELECT x FROM k"), "'a'");
}

// sqlite3_interrupt stops long functions between two steps.
TEST_F(SnapshotsTest, FunctionsCanBeInterrupted) {
  TestConnection a(Path("a.db"));
  a.Get(kTables);
  a.Get("INSERT INTO t VALUES(1, 'a'); SELECT nori_flush()");
  sqlite3_create_function(
      a.db(), "interrupt", 0, SQLITE_UTF8, a.db(),
      [](sqlite3_context* context, int, sqlite3_value**) {
        sqlite3_interrupt(static_cast<sqlite3*>(sqlite3_user_data(context)));
      },
      nullptr, nullptr);
  for (const char* call : {"nori_verify()", "nori_verify('t')",
                           "nori_compact()", "nori_compact('t')"}) {
    const SqlResult result = a.Run(std::string("SELECT interrupt(), ") + call);
    EXPECT_EQ(result.code, SQLITE_INTERRUPT) << call << result.message;
    EXPECT_EQ(a.Get(std::string("SELECT ") + call), "'ok'");
  }
}

TEST_F(SnapshotsTest, TruncateIsAStatementLikeOthers) {
  TestConnection a(Path("a.db")), b(Path("a.db"));
  a.Get(kTables);
  a.Get("INSERT INTO t VALUES(1, 'a'), (2, 'b')");
  // Waits for another writer as any does.
  b.Get("BEGIN; INSERT INTO t VALUES(3, 'c')");
  EXPECT_EQ(a.Run("SELECT nori_truncate('t')").code & 0xff, SQLITE_BUSY);
  EXPECT_EQ(a.Get("SELECT count(*) FROM t"), "2");
  b.Get("COMMIT");
  // What has read an older state may not go on to write.
  a.Get("BEGIN; SELECT count(*) FROM t");
  b.Get("INSERT INTO t VALUES(4, 'd')");
  EXPECT_EQ(a.Run("SELECT nori_truncate('t')").code, SQLITE_BUSY_SNAPSHOT);
  a.Get("ROLLBACK");
  // An open reader goes on.
  sqlite3_stmt* statement = nullptr;
  sqlite3_prepare_v2(a.db(), "SELECT id FROM t", -1, &statement, nullptr);
  ASSERT_EQ(sqlite3_step(statement), SQLITE_ROW);
  b.Get("SELECT nori_truncate('t')");
  for (int id = 2; id <= 4; ++id) {
    EXPECT_EQ(sqlite3_step(statement), SQLITE_ROW);
    EXPECT_EQ(sqlite3_column_int(statement, 0), id);
  }
  sqlite3_finalize(statement);
  EXPECT_EQ(a.Get("SELECT count(*) FROM t"), "0");
  NORI_SKIP_IN_VFS_NORI("opens a file");
  // A read-only connection may not.
  sqlite3* reader = nullptr;
  ASSERT_EQ(sqlite3_open_v2(Path("a.db").c_str(), &reader, SQLITE_OPEN_READONLY,
                            nullptr),
            SQLITE_OK);
  for (const char* sql :
       {"SELECT nori_truncate('t')", "SELECT nori_snapshot('s')"}) {
    EXPECT_EQ(sqlite3_exec(reader, sql, nullptr, nullptr, nullptr),
              SQLITE_READONLY)
        << sqlite3_errmsg(reader);
  }
  sqlite3_close(reader);
}

// The only way that SQLite gives to protect a table by its name: beside a
// virtual table whose name its own begins with.
TEST_F(SnapshotsTest, DefensiveModeProtectsTheStateBesideATableCalledNori) {
  {
    TestConnection a(Path("a.db"));
    a.Get("CREATE VIRTUAL TABLE nori USING nori(id INTEGER PRIMARY KEY, v)");
  }
  TestConnection a(Path("a.db"));
  sqlite3_db_config(a.db(), SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  EXPECT_EQ(a.Run("DELETE FROM nori_state").message,
            "table nori_state may not be modified");
  EXPECT_EQ(a.Run("DROP TABLE nori_state").message,
            "table nori_state may not be dropped");
  a.Get(
      "CREATE VIRTUAL TABLE t USING nori(a); INSERT INTO t VALUES(1);"
      "BEGIN; INSERT INTO nori VALUES(1, 2); INSERT INTO t VALUES(2); COMMIT;"
      "ALTER TABLE t RENAME TO u; SELECT nori_truncate('nori');"
      "SELECT nori_snapshot('s'); DROP TABLE u; CREATE VIRTUAL TABLE u USING "
      "nori(b); INSERT INTO u VALUES(3)");
  EXPECT_EQ(a.Get("SELECT count(*), (SELECT b FROM u) FROM nori"), "0|3");
}

}  // namespace
}  // namespace nori
