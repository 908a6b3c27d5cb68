// What SQLite does to a module, and what its users may do to a table, that
// other tests do not pin: rowids by all their names, cursors that are open
// while their transaction changes, pragmas, modes of the file.

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "tests/vtab/module_fixture.h"

namespace nori {
namespace {

using ::testing::HasSubstr;

using ProtocolTest = ModuleTest;

constexpr char kCreate[] =
    "CREATE VIRTUAL TABLE t USING nori(id INTEGER PRIMARY KEY, v)";

// Runs each statement on t, of which one connection has an ordinary one.
void ExpectAlike(TestConnection* native, TestConnection* nori,
                 const std::vector<std::string>& statements) {
  for (const std::string& sql : statements) {
    const SqlResult expected = native->Run(sql);
    const SqlResult actual = nori->Run(sql);
    EXPECT_EQ(actual.code, expected.code) << sql << ": " << actual.message;
    EXPECT_EQ(actual.message, expected.message) << sql;
    EXPECT_EQ(actual.rows, expected.rows) << sql;
    EXPECT_EQ(sqlite3_last_insert_rowid(nori->db()),
              sqlite3_last_insert_rowid(native->db()))
        << sql;
  }
}

TEST_F(ProtocolTest, RowidByAllItsNames) {
  TestConnection native(":memory:"), nori(":memory:");
  native.Get("CREATE TABLE t(id INTEGER PRIMARY KEY, v)");
  nori.Get(kCreate);
  ExpectAlike(
      &native, &nori,
      {"INSERT INTO t(rowid, v) VALUES(1, 'a')",
       "INSERT INTO t(oid, v) VALUES('2', 'b')",
       "INSERT INTO t(_rowid_, v) VALUES(3.0, 'c')",
       "INSERT INTO t(rowid, v) VALUES('x', 'd')",
       "INSERT INTO t(rowid, v) VALUES(4.5, 'd')",
       "INSERT INTO t(rowid, v) VALUES(NULL, 'd')",
       "INSERT INTO t(rowid, v) VALUES(1, 'again')",
       "INSERT OR IGNORE INTO t(rowid, v) VALUES(1, 'again')",
       "INSERT OR REPLACE INTO t(rowid, v) VALUES(1, 'again')",
       "SELECT rowid, oid, _rowid_, id, v FROM t",
       "UPDATE t SET rowid = 10 WHERE id = 1",
       "UPDATE t SET oid = oid + 20 WHERE oid = 2",
       "UPDATE t SET _rowid_ = 'x' WHERE id = 3",
       "UPDATE t SET rowid = NULL WHERE id = 3",
       "UPDATE t SET rowid = 10 WHERE id = 3",
       "UPDATE OR REPLACE t SET rowid = 10 WHERE id = 3",
       "SELECT rowid, v FROM t",
       "BEGIN",
       "INSERT INTO t(v) VALUES('e'), ('f')",
       "DELETE FROM t WHERE id = (SELECT max(id) FROM t)",
       "INSERT INTO t(v) VALUES('g')",
       "COMMIT",
       "SELECT id, v FROM t",
       "INSERT INTO t VALUES(json('[1, 2]'), zeroblob(3))",
       "INSERT INTO t VALUES(NULL, json('[1, 2]'))",
       "INSERT INTO t VALUES(NULL, zeroblob(3))",
       "SELECT id, typeof(v), json_type(json_array(v)), length(v) FROM t"});
}

// SQLite does not tell which was named last, as it would go by.
TEST_F(ProtocolTest, AliasCountsBesideTheRowid) {
  TestConnection a(":memory:");
  a.Get(kCreate);
  a.Get(
      "INSERT INTO t(rowid, id) VALUES(1, 2); INSERT INTO t(id, rowid) "
      "VALUES(3, 4); INSERT INTO t(rowid, id) VALUES(NULL, 9);"
      "INSERT INTO t(rowid, id) VALUES(20, NULL)");
  EXPECT_EQ(a.Get("SELECT id FROM t"), "2\n3\n9\n20");
  a.Get("UPDATE t SET rowid = 50, id = 51 WHERE id = 2");
  a.Get("UPDATE t SET id = 61, rowid = 60 WHERE id = 3");
  EXPECT_EQ(a.Get("SELECT id FROM t"), "9\n20\n51\n61");
}

TEST_F(ProtocolTest, RollbackToUnderAnOpenCursor) {
  TestConnection a(Path("a.db"));
  a.Get(kCreate);
  a.Get("INSERT INTO t VALUES(1, 1), (2, 2), (3, 3)");
  for (const char* order : {"id", "id DESC", "v"}) {
    a.Get("BEGIN; UPDATE t SET v = v + 10; SAVEPOINT s");
    a.Get("INSERT INTO t SELECT id + 3, v FROM t; DELETE FROM t WHERE id = 2");
    sqlite3_stmt* open = nullptr;
    const std::string sql = std::string("SELECT id FROM t ORDER BY ") + order;
    ASSERT_EQ(sqlite3_prepare_v2(a.db(), sql.c_str(), -1, &open, nullptr),
              SQLITE_OK);
    ASSERT_EQ(sqlite3_step(open), SQLITE_ROW);
    a.Get("ROLLBACK TO s");
    // Rows that are gone or an error, as with an ordinary table; nothing worse.
    int code = SQLITE_ROW;
    for (int i = 0; code == SQLITE_ROW && i < 10; ++i) {
      code = sqlite3_step(open);
    }
    EXPECT_NE(code, SQLITE_ROW) << order;
    sqlite3_finalize(open);
    EXPECT_EQ(a.Get("SELECT * FROM t"), "1|11\n2|12\n3|13") << order;
    a.Get("ROLLBACK");
  }
  EXPECT_EQ(a.Get("SELECT * FROM t"), "1|1\n2|2\n3|3");
}

TEST_F(ProtocolTest, SchemaCitizenship) {
  TestConnection a(Path("a.db"));
  EXPECT_EQ(a.Run("SELECT * FROM nori").message, "no such table: nori");
  a.Get(kCreate);
  a.Get(
      "CREATE VIRTUAL TABLE k USING nori(a TEXT NOT NULL, b, PRIMARY KEY(a, "
      "b), UNIQUE(b))");
  EXPECT_EQ(a.Get("SELECT type, wr, strict FROM pragma_table_list('t')"),
            "'virtual'|0|0");
  EXPECT_EQ(a.Get("SELECT name, type, \"notnull\", pk FROM "
                  "pragma_table_info('t')"),
            "'id'|'INTEGER'|0|1\n'v'|''|0|0");
  EXPECT_EQ(a.Get("SELECT name, \"notnull\", hidden FROM "
                  "pragma_table_xinfo('k') WHERE hidden = 0"),
            "'a'|1|0\n'b'|1|0");
  // The hidden key is all that SQLite is told of.
  EXPECT_EQ(a.Get("SELECT count(*) FROM pragma_index_list('t')"), "0");
  EXPECT_EQ(a.Get("SELECT origin FROM pragma_index_list('k')"), "'pk'");
  a.Get("INSERT INTO t VALUES(1, 'one'); REINDEX; ANALYZE");
  EXPECT_EQ(a.Get("PRAGMA integrity_check; PRAGMA quick_check"), "'ok'\n'ok'");
  EXPECT_NE(a.Run("INSERT INTO t(t) VALUES('integrity-check')").code,
            SQLITE_OK);
  // Rows may be used by whoever wrote the schema, what works on files not.
  a.Get(
      "CREATE VIEW rows AS SELECT * FROM t;"
      "CREATE VIEW inside AS SELECT * FROM nori_tables;"
      "CREATE VIEW file AS SELECT nori_flush()");
  for (const char* trusted : {"ON", "OFF"}) {
    a.Get(std::string("PRAGMA trusted_schema = ") + trusted);
    EXPECT_EQ(a.Get("SELECT * FROM rows"), "1|'one'");
    EXPECT_THAT(a.Run("SELECT * FROM inside").message, HasSubstr("unsafe use"));
    EXPECT_THAT(a.Run("SELECT * FROM file").message, HasSubstr("unsafe use"));
  }
}

TEST_F(ProtocolTest, ModesOfTheFile) {
  TestConnection a(Path("a.db"));
  a.Get(std::string("PRAGMA auto_vacuum = FULL;") + kCreate);
  a.Get("CREATE TABLE c(x)");
  int id = 0;
  const auto change = [&](const std::string& with) {
    const std::string value = std::to_string(++id);
    a.Get("INSERT INTO t VALUES(" + value + ", 0)");
    a.Get("BEGIN IMMEDIATE; UPDATE t SET v = v + 1; INSERT INTO c VALUES(" +
          value + "); COMMIT");
    a.Get("BEGIN EXCLUSIVE; DELETE FROM t; DELETE FROM c WHERE x < 0");
    // Without a journal SQLite cannot take its own part back.
    a.Get("ROLLBACK");
    EXPECT_EQ(a.Get("SELECT count(*), max(v) FROM t"), value + "|" + value)
        << with;
    EXPECT_EQ(a.Get("SELECT count(*) FROM c"), value) << with;
    EXPECT_EQ(a.Get("SELECT nori_verify(); PRAGMA integrity_check"),
              "'ok'\n'ok'")
        << with;
  };
  for (const char* locking : {"EXCLUSIVE", "NORMAL"}) {
    for (const char* journal :
         {"DELETE", "TRUNCATE", "PERSIST", "MEMORY", "WAL", "OFF"}) {
      a.Get(std::string("PRAGMA locking_mode = ") + locking +
            "; PRAGMA journal_mode = " + journal);
      change(std::string(locking) + " " + journal);
    }
    a.Get("PRAGMA page_size = 8192; VACUUM; PRAGMA incremental_vacuum");
    change(std::string("VACUUM ") + locking);
  }
  ASSERT_EQ(a.Close(), SQLITE_OK);
  TestConnection b(Path("a.db"));
  EXPECT_EQ(b.Get("SELECT count(*) FROM t"), std::to_string(id));
}

TEST_F(ProtocolTest, TriggersAndViewsOverTables) {
  TestConnection native(":memory:"), nori(":memory:");
  native.Get("CREATE TABLE t(id INTEGER PRIMARY KEY, v)");
  nori.Get(kCreate);
  ExpectAlike(&native, &nori,
              {"CREATE TABLE o(id INTEGER PRIMARY KEY, x)",
               "CREATE VIEW w AS SELECT id, v FROM t",
               "CREATE TRIGGER wi INSTEAD OF INSERT ON w BEGIN "
               "INSERT INTO t VALUES(new.id, new.v); END",
               "CREATE TRIGGER wu INSTEAD OF UPDATE ON w BEGIN "
               "UPDATE t SET id = new.id, v = new.v WHERE id = old.id; END",
               "CREATE TRIGGER wd INSTEAD OF DELETE ON w BEGIN "
               "DELETE FROM t WHERE id = old.id; END",
               "INSERT INTO w VALUES(1, 'a'), (2, 'b'), (3, 'c')",
               "UPDATE w SET id = id + 10, v = v || '!'",
               "DELETE FROM w WHERE id > 12",
               "INSERT INTO w SELECT id + 1, v FROM w WHERE id = 12",
               "INSERT INTO w VALUES(11, 'twice')",
               "SELECT * FROM t",
               "PRAGMA recursive_triggers = ON",
               "CREATE TRIGGER r AFTER INSERT ON o WHEN new.id < 100 BEGIN "
               "INSERT INTO t VALUES(new.id * 1000, new.x); "
               "INSERT INTO o VALUES(new.id * 3, new.x); "
               "UPDATE t SET v = v || new.id WHERE id <= new.id * 1000; END",
               "INSERT INTO o VALUES(5, 'x')",
               "SELECT * FROM t",
               "SELECT * FROM o",
               "INSERT INTO o VALUES(7, 'y'), (5, 'again')",
               "SELECT * FROM o",
               "CREATE TRIGGER d AFTER DELETE ON o BEGIN "
               "INSERT INTO t VALUES(11, 'in use'); END",
               "DELETE FROM o",
               "SELECT count(*) FROM o",
               "SELECT * FROM t"});
}

TEST_F(ProtocolTest, ForeignKeysToATable) {
  TestConnection a(Path("a.db"));
  a.Get(kCreate);
  a.Get("INSERT INTO t VALUES(1, 'one'); CREATE TABLE c(x REFERENCES t(id))");
  a.Get("INSERT INTO c VALUES(7)");
  a.Get("PRAGMA foreign_keys = ON");
  EXPECT_EQ(a.Run("INSERT INTO c VALUES(1)").message,
            "foreign key mismatch - \"c\" referencing \"t\"");
  a.Get("DELETE FROM t; PRAGMA foreign_keys = OFF; INSERT INTO c VALUES(8)");
  EXPECT_EQ(a.Get("SELECT count(*) FROM c"), "2");
}

TEST_F(ProtocolTest, ReadUncommittedSeesWhatIsCommitted) {
  const std::string uri = "file:" + Path("a.db") + "?cache=shared";
  TestConnection a(uri), b(uri);
  a.Get(kCreate);
  a.Get("INSERT INTO t VALUES(1, 'one')");
  b.Get("PRAGMA read_uncommitted = ON");
  a.Get("BEGIN; INSERT INTO t VALUES(2, 'two')");
  EXPECT_EQ(b.Get("SELECT count(*) FROM t"), "1");
  EXPECT_EQ(b.Run("INSERT INTO t VALUES(3, 'three')").code & 0xff,
            SQLITE_LOCKED);
  a.Get("COMMIT");
  b.Get("INSERT INTO t VALUES(3, 'three')");
  EXPECT_EQ(a.Get("SELECT count(*) FROM t"), "3");
}

// sqlite3_close_v2 leaves the connection to its last statement.
TEST_F(ProtocolTest, ConnectionThatIsClosedUnderAStatement) {
  NORI_SKIP_IN_VFS_NORI("opens a file");
  sqlite3* db = nullptr;
  sqlite3_stmt* open = nullptr;
  {
    TestConnection first(Path("a.db"));
    first.Get(kCreate);
    first.Get("INSERT INTO t VALUES(1, 'one'), (2, 'two')");
    ASSERT_EQ(sqlite3_open(Path("a.db").c_str(), &db), SQLITE_OK);
    ASSERT_EQ(sqlite3_prepare_v2(db, "SELECT id FROM t", -1, &open, nullptr),
              SQLITE_OK);
    ASSERT_EQ(sqlite3_step(open), SQLITE_ROW);
  }
  EXPECT_EQ(sqlite3_close(db), SQLITE_BUSY);
  EXPECT_EQ(sqlite3_close_v2(db), SQLITE_OK);
  EXPECT_EQ(sqlite3_step(open), SQLITE_ROW);
  EXPECT_EQ(sqlite3_column_int(open, 0), 2);
  EXPECT_EQ(sqlite3_step(open), SQLITE_DONE);
  EXPECT_EQ(sqlite3_finalize(open), SQLITE_OK);
  // Closed with it, so that another process may have the database.
  EXPECT_EQ(InAnotherProcess(Path("a.db") + " 'SELECT * FROM t' > /dev/null"),
            0);
}

}  // namespace
}  // namespace nori
