// What programs do with a connection beside running statements one after the
// other.

#include <dlfcn.h>
#include <sqlite3.h>

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/vtab/module_fixture.h"

namespace nori {
namespace {

using ::testing::HasSubstr;

class ClientsTest : public ModuleTest {
 protected:
  // t is a nori table, o an ordinary one, with the same `rows` rows (i, i).
  static void MakeTables(TestConnection* connection, int rows) {
    connection->Get("PRAGMA journal_mode = WAL");
    connection->Get(
        "CREATE VIRTUAL TABLE t USING nori(a INTEGER PRIMARY KEY, b);"
        "CREATE TABLE o(a INTEGER PRIMARY KEY, b)");
    connection->Get(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
        "LIMIT " +
        std::to_string(rows) + ") INSERT INTO t SELECT i, i FROM n");
    connection->Get("INSERT INTO o SELECT * FROM t");
  }
};

// A statement that is stepped by hand.
class OpenStatement {
 public:
  OpenStatement(const TestConnection& connection, const std::string& sql) {
    EXPECT_EQ(sqlite3_prepare_v2(connection.db(), sql.c_str(), -1, &statement_,
                                 nullptr),
              SQLITE_OK)
        << sqlite3_errmsg(connection.db());
  }
  ~OpenStatement() { sqlite3_finalize(statement_); }
  OpenStatement(const OpenStatement&) = delete;
  OpenStatement& operator=(const OpenStatement&) = delete;

  int Step() { return sqlite3_step(statement_); }
  int Reset() { return sqlite3_reset(statement_); }
  // Steps to the end; how many rows, and what ended it, as text.
  std::string Rest() {
    int rows = 0;
    int code;
    while ((code = Step()) == SQLITE_ROW) ++rows;
    return std::to_string(rows) + " rows, then " + std::to_string(code);
  }

 private:
  sqlite3_stmt* statement_ = nullptr;
};

constexpr char kOption[] =
    "SELECT value FROM nori_options WHERE name = 'block_bytes'";

TEST_F(ClientsTest, OptionsComeBack) {
  {
    TestConnection a(Path("a.db"));
    a.Get("CREATE VIRTUAL TABLE t USING nori(k, block_bytes = 512)");
    EXPECT_EQ(a.Get(kOption), "'512'");
    // The schema is read anew, and with it the engine opened.
    a.Get("ALTER TABLE t RENAME TO u");
    a.Get("SELECT * FROM u");
    EXPECT_EQ(a.Get(kOption), "'512'");
  }
  TestConnection a(Path("a.db"));
  EXPECT_EQ(a.Get(kOption), "'512'");
  a.Get("CREATE VIRTUAL TABLE v USING nori(k, block_bytes = 512)");
  EXPECT_THAT(
      a.Run("CREATE VIRTUAL TABLE w USING nori(k, block_bytes = 1024)").message,
      HasSubstr("made with block_bytes=512"));
}

TEST_F(ClientsTest, BlobHandlesAreForOrdinaryTables) {
  TestConnection a(Path("a.db"));
  MakeTables(&a, 1);
  sqlite3_blob* blob = nullptr;
  EXPECT_EQ(sqlite3_blob_open(a.db(), "main", "t", "b", 1, 0, &blob),
            SQLITE_ERROR);
  EXPECT_STREQ(sqlite3_errmsg(a.db()), "cannot open virtual table: t");
  EXPECT_EQ(blob, nullptr);
}

TEST_F(ClientsTest, ColumnMetadata) {
  TestConnection a(Path("a.db"));
  a.Get(
      "CREATE VIRTUAL TABLE t USING nori(id INTEGER PRIMARY KEY, "
      "name VARCHAR(9) COLLATE NOCASE NOT NULL)");
  const char *type, *collation;
  int not_null, key, automatic;
  ASSERT_EQ(
      sqlite3_table_column_metadata(a.db(), "main", "t", "name", &type,
                                    &collation, &not_null, &key, &automatic),
      SQLITE_OK);
  EXPECT_STREQ(type, "VARCHAR(9)");
  EXPECT_STREQ(collation, "NOCASE");
  EXPECT_TRUE(not_null && !key && !automatic);
  ASSERT_EQ(
      sqlite3_table_column_metadata(a.db(), nullptr, "t", "rowid", &type,
                                    &collation, &not_null, &key, &automatic),
      SQLITE_OK);
  EXPECT_STREQ(type, "INTEGER");
  EXPECT_TRUE(key);
  EXPECT_EQ(sqlite3_table_column_metadata(a.db(), nullptr, "t", "none", &type,
                                          nullptr, nullptr, nullptr, nullptr),
            SQLITE_ERROR);
}

// sqlite3_backup writes over a database whose engine is open, and that was
// opened past the VFS which would complete the copy.
TEST_F(ClientsTest, BackupOverAnOpenDatabase) {
  TestConnection from(Path("from.db"));
  from.Get("CREATE VIRTUAL TABLE t USING nori(a)");
  from.Get("INSERT INTO t VALUES('from')");
  {
    TestConnection to("file:" + Path("to.db") + "?vfs=unix");
    to.Get("CREATE VIRTUAL TABLE t USING nori(a)");
    to.Get("INSERT INTO t VALUES('to')");
    OpenStatement cached(to, "SELECT a FROM t");
    EXPECT_EQ(cached.Step(), SQLITE_ROW);
    EXPECT_EQ(cached.Reset(), SQLITE_OK);
    sqlite3_backup* backup =
        sqlite3_backup_init(to.db(), "main", from.db(), "main");
    ASSERT_NE(backup, nullptr);
    EXPECT_EQ(sqlite3_backup_step(backup, -1), SQLITE_DONE);
    EXPECT_EQ(sqlite3_backup_finish(backup), SQLITE_OK);
    // What is there now is the table of the other file, without its rows.
    for (const char* sql :
         {"SELECT a FROM t", "INSERT INTO t VALUES('lost')"}) {
      EXPECT_THAT(to.Run(sql).message, HasSubstr("another database")) << sql;
    }
    EXPECT_NE(cached.Step(), SQLITE_ROW);
  }
  {
    TestConnection to(Path("to.db"));
    EXPECT_THAT(to.Run("SELECT a FROM t").message,
                HasSubstr("belongs to another database"));
    to.Get("DROP TABLE t");
    to.Get("CREATE VIRTUAL TABLE t USING nori(a)");
    to.Get("INSERT INTO t VALUES('new')");
  }
  TestConnection to(Path("to.db"));
  EXPECT_EQ(to.Get("SELECT a FROM t"), "'new'");
  EXPECT_EQ(from.Get("SELECT a FROM t"), "'from'");
}

TEST_F(ClientsTest, DatabasesInUtf16AreRefused) {
  for (const std::string encoding : {"UTF-16le", "UTF-16be"}) {
    TestConnection a(Path(encoding + ".db"));
    a.Get("PRAGMA encoding = '" + encoding + "'");
    EXPECT_THAT(a.Run("CREATE VIRTUAL TABLE t USING nori(a)").message,
                HasSubstr("encoded in " + encoding));
    EXPECT_EQ(a.Get("SELECT count(*) FROM sqlite_schema"), "0");
  }
}

TEST_F(ClientsTest, AnotherSqliteIsRefused) {
  TestConnection a(Path("a.db"));
  a.Get("CREATE VIRTUAL TABLE t USING nori(a)");
  void* extension = dlopen(NORI_EXTENSION_PATH, RTLD_NOW);
  ASSERT_NE(extension, nullptr);
  using Entry = int (*)(sqlite3*, char**, const struct sqlite3_api_routines*);
  const auto entry =
      reinterpret_cast<Entry>(dlsym(extension, "sqlite3_extension_init"));
  ASSERT_NE(entry, nullptr);
  TestConnection b(Path("b.db"), /*load=*/false);
  // Stands for the table of functions of another copy of the library.
  static const char other[4096] = {};
  char* error = nullptr;
  EXPECT_EQ(entry(b.db(), &error,
                  reinterpret_cast<const sqlite3_api_routines*>(other)),
            SQLITE_ERROR);
  EXPECT_THAT(error, HasSubstr("another copy of the SQLite library"));
  sqlite3_free(error);
  a.Get("INSERT INTO t VALUES(1)");
  dlclose(extension);
}

int DenyPragmas(void*, int action, const char*, const char*, const char*,
                const char*) {
  return action == SQLITE_PRAGMA ? SQLITE_DENY : SQLITE_OK;
}

int DenyReading(void*, int action, const char* table, const char*, const char*,
                const char*) {
  return action == SQLITE_READ && table != nullptr &&
                 sqlite3_stricmp(table, "t") == 0
             ? SQLITE_DENY
             : SQLITE_OK;
}

int DenyWriting(void*, int action, const char*, const char*, const char*,
                const char*) {
  return action == SQLITE_INSERT || action == SQLITE_UPDATE ||
                 action == SQLITE_DELETE
             ? SQLITE_DENY
             : SQLITE_OK;
}

TEST_F(ClientsTest, Authorizers) {
  TestConnection a(Path("a.db"));
  MakeTables(&a, 3);
  // What nori asks for on its own behalf is refused, too.
  sqlite3_set_authorizer(a.db(), DenyPragmas, nullptr);
  a.Get("INSERT INTO t VALUES(10, 10)");
  a.Get("BEGIN; UPDATE t SET b = 0; INSERT INTO o VALUES(10, 10); COMMIT");
  EXPECT_EQ(a.Get("SELECT count(*), sum(b) FROM t"), "4|0");
  sqlite3_set_authorizer(a.db(), DenyReading, nullptr);
  EXPECT_EQ(a.Run("SELECT b FROM t").code, SQLITE_AUTH);
  EXPECT_EQ(a.Run("UPDATE t SET b = b + 1").code, SQLITE_AUTH);
  EXPECT_EQ(a.Get("SELECT count(*) FROM o"), "4");
  sqlite3_set_authorizer(a.db(), DenyWriting, nullptr);
  for (const char* sql :
       {"INSERT INTO t VALUES(11, 1)", "UPDATE t SET b = 1", "DELETE FROM t"}) {
    EXPECT_EQ(a.Run(sql).code, SQLITE_AUTH) << sql;
  }
  EXPECT_EQ(a.Get("BEGIN; SELECT count(*) FROM t; COMMIT"), "4");
  sqlite3_set_authorizer(a.db(), nullptr, nullptr);
  EXPECT_EQ(a.Get("SELECT count(*), sum(b) FROM t"), "4|0");
}

TEST_F(ClientsTest, StatementsOpenAcrossTheEndOfATransaction) {
  TestConnection a(Path("a.db"));
  MakeTables(&a, 100);
  for (const bool change : {false, true}) {
    for (const std::string end : {"COMMIT", "ROLLBACK"}) {
      std::vector<std::string> outcome;
      for (const std::string table : {"t", "o"}) {
        a.Get("BEGIN");
        if (change) a.Get("UPDATE " + table + " SET b = -1 WHERE a < 50");
        OpenStatement scan(a, "SELECT a, b FROM " + table + " ORDER BY a");
        EXPECT_EQ(scan.Step(), SQLITE_ROW);
        a.Get(end);
        outcome.push_back(scan.Rest());
        EXPECT_EQ(a.Get("SELECT count(*) FROM " + table), "100");
      }
      EXPECT_EQ(outcome[0], outcome[1]) << end << change;
    }
  }
  EXPECT_EQ(a.Get("SELECT a, b FROM t EXCEPT SELECT a, b FROM o"), "");
}

TEST_F(ClientsTest, StatementsOpenBesideDdl) {
  TestConnection a(Path("a.db"));
  MakeTables(&a, 100);
  OpenStatement scan(a, "SELECT a FROM t");
  EXPECT_EQ(scan.Step(), SQLITE_ROW);
  EXPECT_EQ(a.Run("DROP TABLE t").code, SQLITE_LOCKED);
  EXPECT_EQ(a.Run("VACUUM").code, SQLITE_ERROR);
  a.Get(
      "ATTACH ':memory:' AS m; CREATE VIRTUAL TABLE m.u USING nori(x);"
      "INSERT INTO m.u VALUES(1)");
  // As with an ordinary table there, which the open scan keeps locked.
  EXPECT_EQ(a.Run("DETACH m").message, "database m is locked");
  a.Get("CREATE VIRTUAL TABLE v USING nori(x)");
  EXPECT_EQ(scan.Rest(), "99 rows, then " + std::to_string(SQLITE_DONE));
  EXPECT_EQ(scan.Reset(), SQLITE_OK);
  a.Get("DETACH m");
  // Left in the middle.
  EXPECT_EQ(scan.Step(), SQLITE_ROW);
  EXPECT_EQ(scan.Reset(), SQLITE_OK);
  a.Get("DROP TABLE t");
  EXPECT_EQ(scan.Step(), SQLITE_ERROR);
}

TEST_F(ClientsTest, DetachWithAnOpenStatementIsRefused) {
  TestConnection a(Path("a.db"));
  a.Get("ATTACH '" + Path("b.db") + "' AS b");
  a.Get("CREATE VIRTUAL TABLE b.t USING nori(x)");
  a.Get("INSERT INTO b.t VALUES(1), (2)");
  {
    OpenStatement scan(a, "SELECT x FROM b.t");
    EXPECT_EQ(scan.Step(), SQLITE_ROW);
    EXPECT_EQ(a.Run("DETACH b").message, "database b is locked");
    EXPECT_EQ(scan.Step(), SQLITE_ROW);
  }
  a.Get("BEGIN; INSERT INTO b.t VALUES(3)");
  EXPECT_NE(a.Run("DETACH b").code, SQLITE_OK);
  a.Get("COMMIT; DETACH b");
  a.Get("ATTACH '" + Path("b.db") + "' AS c");
  EXPECT_EQ(a.Get("SELECT count(*) FROM c.t"), "3");
}

TEST_F(ClientsTest, SchemaChangedByAnotherConnection) {
  TestConnection a(Path("a.db")), b(Path("a.db"));
  MakeTables(&a, 3);
  OpenStatement prepared(b, "SELECT * FROM t");
  EXPECT_EQ(prepared.Step(), SQLITE_ROW);
  EXPECT_EQ(prepared.Reset(), SQLITE_OK);
  a.Get("DROP TABLE t; CREATE VIRTUAL TABLE t USING nori(x TEXT, y, z)");
  a.Get("INSERT INTO t VALUES('k', 1, 2)");
  EXPECT_EQ(prepared.Step(), SQLITE_ROW);
  EXPECT_EQ(prepared.Rest(), "0 rows, then " + std::to_string(SQLITE_DONE));
  EXPECT_EQ(prepared.Reset(), SQLITE_OK);
  b.Get("INSERT INTO t VALUES('l', 3, 4)");
  EXPECT_EQ(a.Get("SELECT * FROM t ORDER BY x"), "'k'|1|2\n'l'|3|4");
  a.Get("ALTER TABLE t RENAME TO u");
  EXPECT_EQ(prepared.Step(), SQLITE_ERROR);
  EXPECT_EQ(b.Run("SELECT * FROM t").message, "no such table: t");
  EXPECT_EQ(b.Get("SELECT count(*) FROM u"), "2");
}

int Expire(void* left) { return --*static_cast<int*>(left) < 0; }

TEST_F(ClientsTest, InterruptedStatementsLeaveNothing) {
  TestConnection a(Path("a.db"));
  MakeTables(&a, 2000);
  int left = 20;
  sqlite3_progress_handler(a.db(), 100, Expire, &left);
  EXPECT_EQ(a.Run("UPDATE t SET b = b + 1").code, SQLITE_INTERRUPT);
  left = 20;
  EXPECT_EQ(a.Run("DELETE FROM t WHERE a % 2").code, SQLITE_INTERRUPT);
  left = 20;
  EXPECT_EQ(a.Run("INSERT INTO t SELECT a + 5000, b FROM o").code,
            SQLITE_INTERRUPT);
  left = 20;
  EXPECT_EQ(a.Run("SELECT sum(b) FROM t").code, SQLITE_INTERRUPT);
  sqlite3_progress_handler(a.db(), 0, nullptr, nullptr);
  EXPECT_EQ(a.Get("SELECT count(*), sum(b) FROM t"),
            a.Get("SELECT count(*), sum(b) FROM o"));
  EXPECT_EQ(a.Get("SELECT nori_verify()"), "'ok'");
}

TEST_F(ClientsTest, ReadOnlyConnections) {
  {
    TestConnection a(Path("a.db"));
    MakeTables(&a, 3);
  }
  for (const char* how : {"?mode=ro", "?immutable=1"}) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open_v2(("file:" + Path("a.db") + how).c_str(), &db,
                              SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, nullptr),
              SQLITE_OK);
    {
      sqlite3_stmt* sum = nullptr;
      ASSERT_EQ(
          sqlite3_prepare_v2(db, "SELECT sum(b) FROM t", -1, &sum, nullptr),
          SQLITE_OK)
          << sqlite3_errmsg(db);
      EXPECT_EQ(sqlite3_step(sum), SQLITE_ROW);
      EXPECT_EQ(sqlite3_column_int64(sum, 0), 6);
      sqlite3_finalize(sum);
    }
    EXPECT_EQ(sqlite3_exec(db, "INSERT INTO t VALUES(9, 9)", nullptr, nullptr,
                           nullptr),
              SQLITE_READONLY);
    EXPECT_EQ(sqlite3_close(db), SQLITE_OK);
  }
  TestConnection a(Path("a.db"));
  a.Get("PRAGMA query_only = 1");
  EXPECT_EQ(a.Run("DELETE FROM t").code, SQLITE_READONLY);
  EXPECT_EQ(a.Get("BEGIN; SELECT count(*) FROM t; COMMIT"), "3");
}

TEST_F(ClientsTest, LimitsOfTheConnection) {
  TestConnection a(Path("a.db"));
  a.Get("CREATE VIRTUAL TABLE t USING nori(k INTEGER PRIMARY KEY, v)");
  a.Get("INSERT INTO t VALUES(1, zeroblob(100000)), (2, 'short')");
  sqlite3_limit(a.db(), SQLITE_LIMIT_LENGTH, 5000);
  EXPECT_EQ(a.Run("SELECT v FROM t").code, SQLITE_TOOBIG);
  EXPECT_EQ(a.Get("SELECT v FROM t WHERE k = 2"), "'short'");
  EXPECT_EQ(a.Get("SELECT count(*) FROM t"), "2");
}

// SQLite counts the arguments of a module and three more against its limit of
// 2000 columns.
TEST_F(ClientsTest, MostColumns) {
  TestConnection a(Path("a.db"));
  std::string columns = "c0 INTEGER PRIMARY KEY";
  for (int i = 1; i < 1994; ++i) columns += ", c" + std::to_string(i);
  a.Get("CREATE VIRTUAL TABLE t USING nori(" + columns + ")");
  a.Get("INSERT INTO t(c0, c63, c64, c1993) VALUES(7, 63, 64, 'last')");
  a.Get("UPDATE t SET c1000 = c63 WHERE c1993 = 'last'");
  EXPECT_EQ(a.Get("SELECT c0, c62, c64, c1000, c1993 FROM t"),
            "7|NULL|64|63|'last'");
  EXPECT_EQ(a.Run("CREATE VIRTUAL TABLE u USING nori(" + columns + ", c1994)")
                .message,
            "too many columns on u");
}

TEST_F(ClientsTest, DeepSavepoints) {
  TestConnection a(Path("a.db"));
  a.Get("CREATE VIRTUAL TABLE t USING nori(k INTEGER PRIMARY KEY)");
  a.Get("BEGIN");
  for (int i = 0; i < 1000; ++i) {
    const std::string n = std::to_string(i);
    a.Get("SAVEPOINT s" + n + "; INSERT INTO t VALUES(" + n + ")");
  }
  a.Get("ROLLBACK TO s700");
  EXPECT_EQ(a.Get("SELECT max(k) FROM t"), "699");
  a.Get("RELEASE s300; ROLLBACK TO s299");
  EXPECT_EQ(a.Get("SELECT max(k) FROM t"), "298");
  a.Get("COMMIT");
  EXPECT_EQ(a.Get("SELECT count(*) FROM t"), "299");
}

}  // namespace
}  // namespace nori
