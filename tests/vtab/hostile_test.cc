// What a hostile or unlucky application does: names that are nori's own,
// databases that change under open statements, two copies of the extension.

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "tests/vtab/module_fixture.h"

namespace nori {
namespace {

using ::testing::HasSubstr;

using HostileTest = ModuleTest;

constexpr char kCreate[] =
    "CREATE VIRTUAL TABLE t USING nori(id INTEGER PRIMARY KEY, v)";

TEST_F(HostileTest, AnotherCopyOfTheExtensionIsRefused) {
  TestConnection a(Path("a.db"));
  a.Get(kCreate);
  for (const char* name : {"nori_lsm.so", "another_name.so"}) {
    const std::string copy = Path(name);
    std::filesystem::copy_file(NORI_EXTENSION_PATH, copy);
    char* error = nullptr;
    EXPECT_NE(sqlite3_load_extension(a.db(), copy.c_str(),
                                     "sqlite3_norilsm_init", &error),
              SQLITE_OK);
    EXPECT_THAT(std::string(error == nullptr ? "" : error),
                HasSubstr("another copy of nori"));
    sqlite3_free(error);
  }
  TestConnection b(Path("a.db"), /*load=*/false);
  b.Get("INSERT INTO t VALUES(1, 'one')");
  EXPECT_EQ(a.Get("SELECT * FROM t"), "1|'one'");
}

TEST_F(HostileTest, TableThatIsCalledLikeTheGuardKeepsItsRows) {
  TestConnection a(Path("a.db"));
  a.Get(
      "CREATE TEMP TABLE nori_guard(x); INSERT INTO nori_guard VALUES(1), (2)");
  const SqlResult refused = a.Run(kCreate);
  EXPECT_EQ(refused.code, SQLITE_ERROR);
  EXPECT_THAT(refused.message, HasSubstr("temp.nori_guard is not nori's own"));
  {
    TestConnection b(Path("a.db"));
    b.Get(kCreate);
    b.Get("INSERT INTO t VALUES(1, 'one')");
  }
  a.Get("BEGIN");
  EXPECT_EQ(a.Get("SELECT * FROM t"), "1|'one'");
  a.Get("COMMIT");
  EXPECT_EQ(a.Get("SELECT count(*) FROM nori_guard"), "2");
  a.Get("ALTER TABLE nori_guard RENAME TO mine; DROP TABLE t");
  EXPECT_EQ(a.Get("SELECT count(*) FROM mine"), "2");
}

TEST_F(HostileTest, AnotherNoriStateIsNamedAsTheReason) {
  const std::string reason = "keeps its state in the table nori_state";
  for (const char* own :
       {"CREATE TABLE nori_state(mine)", "CREATE VIEW Nori_State AS SELECT 1",
        "CREATE TABLE x(a); CREATE VIEW nori_state AS SELECT a FROM x"}) {
    const std::string path =
        Path("a" + std::to_string(std::strlen(own)) + ".db");
    TestConnection a(path);
    a.Get(own);
    for (const char* sql :
         {kCreate, "SELECT nori_verify()", "SELECT nori_flush()",
          "SELECT nori_estimate('t')", "SELECT * FROM nori_slots"}) {
      const SqlResult result = a.Run(sql);
      EXPECT_NE(result.code, SQLITE_OK) << own << ": " << sql;
      EXPECT_THAT(result.message, HasSubstr(reason)) << own << ": " << sql;
    }
  }
  TestConnection a(Path("b.db"));
  const SqlResult reserved =
      a.Run("CREATE VIRTUAL TABLE Nori_state USING nori(a)");
  EXPECT_THAT(reserved.message, HasSubstr("reserved"));
  a.Get(kCreate);
  a.Get("INSERT INTO t VALUES(1, 'one')");
  // In the place of nori's own: DROP is the way out, as where it is missing.
  a.Get("DROP TABLE nori_state; CREATE TABLE nori_state(mine)");
  ASSERT_EQ(a.Close(), SQLITE_OK);
  TestConnection b(Path("b.db"));
  EXPECT_THAT(b.Run("SELECT * FROM t").message, HasSubstr(reason));
  b.Get("DROP TABLE t");
  EXPECT_EQ(b.Get("SELECT count(*) FROM nori_state"), "0");
}

// The image of a database, as sqlite3_deserialize wants it.
void Deserialize(TestConnection* to, TestConnection* from) {
  sqlite3_int64 size = 0;
  unsigned char* image = sqlite3_serialize(from->db(), "main", &size, 0);
  ASSERT_NE(image, nullptr);
  ASSERT_EQ(sqlite3_deserialize(
                to->db(), "main", image, size, size,
                SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_RESIZEABLE),
            SQLITE_OK);
}

// An image has the schema and no rows of nori tables.
TEST_F(HostileTest, DeserializedDatabaseHasNoRowsOfTheFileBefore) {
  {
    TestConnection a(Path("a.db")), b(Path("b.db"));
    for (TestConnection* one : {&a, &b}) {
      one->Get(kCreate);
      one->Get("INSERT INTO t VALUES(1, 'one')");
    }
    // The image of another database, then its own.
    for (TestConnection* from : {&b, &a}) {
      TestConnection c(Path("a.db"));
      sqlite3_stmt* compiled = nullptr;
      sqlite3_prepare_v2(c.db(), "SELECT v FROM t", -1, &compiled, nullptr);
      EXPECT_EQ(sqlite3_step(compiled), SQLITE_ROW);
      sqlite3_reset(compiled);
      Deserialize(&c, from);
      EXPECT_NE(sqlite3_step(compiled), SQLITE_ROW);
      EXPECT_THAT(sqlite3_errmsg(c.db()), HasSubstr("are not in this memory"));
      sqlite3_finalize(compiled);
      EXPECT_THAT(c.Run("INSERT INTO t VALUES(2, 'two')").message,
                  HasSubstr("are not in this memory"));
      c.Get("DROP TABLE t");
    }
  }
  TestConnection a(Path("a.db"));
  EXPECT_EQ(a.Get("SELECT * FROM t"), "1|'one'");
  EXPECT_EQ(a.Get("SELECT nori_verify()"), "'ok'");
}

// Databases in memory: a copy is another database, a shared cache is the same.
TEST_F(HostileTest, CopyOfADatabaseInMemoryDoesNotShareItsRows) {
  TestConnection a(":memory:"), b(":memory:");
  a.Get(kCreate);
  a.Get("INSERT INTO t VALUES(1, 'one')");
  Deserialize(&b, &a);
  EXPECT_THAT(b.Run("SELECT * FROM t").message,
              HasSubstr("are not in this memory"));
  b.Get("DROP TABLE t");
  b.Get(kCreate);
  b.Get("INSERT INTO t VALUES(2, 'two')");
  EXPECT_EQ(a.Get("SELECT * FROM t"), "1|'one'");
  EXPECT_EQ(b.Get("SELECT * FROM t"), "2|'two'");
  // Its own image: what was written since is not in it.
  Deserialize(&a, &a);
  EXPECT_THAT(a.Run("SELECT * FROM t").message,
              HasSubstr("are not in this memory"));
  for (const char* uri :
       {"file:c?mode=memory&cache=shared", "file:/hostile?vfs=memdb"}) {
    TestConnection c(uri), d(uri);
    c.Get(kCreate);
    c.Get("INSERT INTO t VALUES(3, 'three')");
    EXPECT_EQ(d.Get("SELECT * FROM t"), "3|'three'") << uri;
  }
}

// Which key was read last says nothing of the row that is deleted.
TEST_F(HostileTest, SubqueryOverASnapshotMayDecideADelete) {
  TestConnection a(Path("a.db"));
  a.Get(
      "CREATE VIRTUAL TABLE t USING nori(id INTEGER PRIMARY KEY, v);"
      "CREATE VIRTUAL TABLE k USING nori(id TEXT PRIMARY KEY, v);"
      "INSERT INTO t VALUES(1, 1), (2, 2), (3, 3);"
      "INSERT INTO k SELECT * FROM t; SELECT nori_snapshot('s');"
      "UPDATE t SET v = v + 10; UPDATE k SET v = v + 10");
  for (const std::string table : {"t", "k"}) {
    const std::string key = table == "t" ? "rowid" : "nori_key";
    // The last row reads a key of the snapshot and stays.
    const std::string where = " WHERE (SELECT o." + key + " FROM " + table +
                              "('s') AS o WHERE o.v <> " + table +
                              ".v LIMIT 1) = " + table + "." + key;
    a.Get("BEGIN; UPDATE " + table + " SET v = 0" + where);
    EXPECT_EQ(a.Get("SELECT changes()"), "1") << table;
    a.Get("ROLLBACK");
    a.Get("BEGIN; DELETE FROM " + table + where);
    EXPECT_EQ(a.Get("SELECT changes()"), "1") << table;
    a.Get("ROLLBACK");
    // The other way round: a present row is read last, a row of the snapshot is
    // what would be changed.
    for (const std::string change : {"DELETE FROM ", "UPDATE "}) {
      const SqlResult result =
          a.Run(change + table + (change == "UPDATE " ? " SET v = 0" : "") +
                " WHERE nori_snapshot = 's' AND (SELECT max(o." + key +
                ") FROM " + table + " AS o WHERE o.v > 11) IS NOT NULL");
      EXPECT_EQ(result.code, SQLITE_READONLY) << change << table;
      EXPECT_EQ(a.Get("SELECT sum(v) FROM " + table), "36");
    }
  }
}

TEST_F(HostileTest, IndexFunctionsTakeNamesWithDots) {
  TestConnection a(Path("a.db"));
  a.Get(
      "CREATE VIRTUAL TABLE \"a.b\" USING nori(x, y);"
      "CREATE VIRTUAL TABLE \"main.t\" USING nori(x, y);"
      "SELECT nori_create_index('a.b', 'i', 'y');"
      "SELECT nori_create_index('main.t', 'j', 'y')");
  EXPECT_EQ(a.Get("SELECT tbl, name FROM nori_indexes"),
            "'a.b'|'i'\n'main.t'|'j'");
}

// Ends a statement at its `left`th step.
int CountDown(void* left) { return --*static_cast<int*>(left) < 0 ? 1 : 0; }

// Whatever moment a statement is ended at, SQLite says "interrupted" and the
// rows are those before it.
TEST_F(HostileTest, StatementsEndedAtAnyStepLeaveNothing) {
  TestConnection a(Path("a.db"));
  a.Get(
      "CREATE VIRTUAL TABLE t USING nori(id INTEGER PRIMARY KEY, v, INDEX(v));"
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 50)"
      "INSERT INTO t SELECT i, i % 7 FROM n");
  const std::string rows = a.Get("SELECT * FROM t");
  for (const char* sql :
       {"UPDATE t SET v = v + 1", "DELETE FROM t WHERE v > 2",
        "INSERT INTO t(v) SELECT v FROM t",
        "REPLACE INTO t SELECT id, 0 FROM t", "SELECT sum(v) FROM t"}) {
    for (int steps = 0;; steps += 1 + steps / 8) {
      int left = steps;
      a.Get("SAVEPOINT s");
      sqlite3_progress_handler(a.db(), 1, CountDown, &left);
      const SqlResult result = a.Run(sql);
      sqlite3_progress_handler(a.db(), 0, nullptr, nullptr);
      if (result.code == SQLITE_OK) {
        a.Get("ROLLBACK TO s; RELEASE s");
        break;
      }
      EXPECT_EQ(result.code, SQLITE_INTERRUPT) << sql << " after " << steps;
      EXPECT_EQ(result.message, "interrupted") << sql << " after " << steps;
      if (sqlite3_get_autocommit(a.db()) == 0) a.Get("ROLLBACK");
      ASSERT_EQ(a.Get("SELECT * FROM t"), rows) << sql << " after " << steps;
    }
  }
  EXPECT_EQ(a.Get("SELECT nori_verify('t')"), "'ok'");
}

TEST_F(HostileTest, InterruptEndsFlushAndVerify) {
  TestConnection a(Path("a.db"));
  a.Get(
      "CREATE VIRTUAL TABLE t USING nori(id INTEGER PRIMARY KEY, v, INDEX(v));"
      "INSERT INTO t VALUES(1, 1)");
  sqlite3_create_function_v2(
      a.db(), "interrupt", 0, SQLITE_UTF8, nullptr,
      [](sqlite3_context* context, int, sqlite3_value**) {
        sqlite3_interrupt(sqlite3_context_db_handle(context));
      },
      nullptr, nullptr, nullptr);
  for (const char* sql : {"SELECT coalesce(interrupt(), nori_flush())",
                          "SELECT coalesce(interrupt(), nori_verify())",
                          "SELECT coalesce(interrupt(), nori_verify('t'))",
                          "SELECT coalesce(interrupt(), nori_compact())"}) {
    const SqlResult result = a.Run(sql);
    EXPECT_EQ(result.code, SQLITE_INTERRUPT) << sql;
    EXPECT_EQ(result.message, "interrupted") << sql;
  }
  EXPECT_EQ(a.Get("SELECT nori_flush(), nori_verify('t')"), "'ok'|'ok'");
}

}  // namespace
}  // namespace nori
