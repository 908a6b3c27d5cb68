// nori_export and nori_import: into and out of plain SQLite databases.

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "tests/vtab/balances.h"

namespace nori {
namespace {

using ::testing::HasSubstr;

class PlainCopyTest : public BalancesTest {
 protected:
  // What the stock shell, which knows no nori, says of a file.
  std::string Ask(const std::string& name, const std::string& sql) {
    const std::string out = Path("answer");
    EXPECT_EQ(std::system(("sqlite3 -batch '" + Path(name) + "' \"" + sql +
                           "\" > '" + out + "' 2>&1")
                              .c_str()),
              0)
        << sql;
    std::ifstream file(out);
    std::string text((std::istreambuf_iterator<char>(file)),
                     std::istreambuf_iterator<char>());
    if (!text.empty()) text.pop_back();
    return text;
  }
  std::string Export(TestConnection& a, const std::string& name) {
    return a.Get("SELECT nori_export('" + Path(name) + "')");
  }
  SqlResult TryExport(TestConnection& a, const std::string& name) {
    return a.Run("SELECT nori_export('" + Path(name) + "')");
  }
  SqlResult Import(TestConnection& a, const std::string& name) {
    return a.Run("SELECT nori_import('" + Path(name) + "')");
  }
  std::string Uri(const std::string& name) {
    return "file:" + Path(name) + "?vfs=nori";
  }
  void ExpectNothing(const std::string& name) {
    for (const char* suffix : {"", "-nori", "-nori.next", "-wal", "-journal"}) {
      EXPECT_FALSE(std::filesystem::exists(Path(name) + suffix))
          << name << suffix;
    }
  }
};

TEST_F(PlainCopyTest, TheExportNeedsNoNori) {
  for (const char* mode : {"wal", "delete"}) {
    const std::string name = std::string(mode) + ".db";
    TestConnection a(Path(name));
    a.Get("PRAGMA user_version = 42; PRAGMA application_id = 77");
    MakeDatabase(a, mode);
    a.Get(
        "CREATE VIRTUAL TABLE t USING nori(id INTEGER PRIMARY KEY, email TEXT "
        "UNIQUE COLLATE NOCASE, n INT NOT NULL DEFAULT 3, CHECK(n < 100), "
        "INDEX by_n(n DESC), UNIQUE INDEX both(email, n));"
        "CREATE VIRTUAL TABLE u USING nori(oid, rowid TEXT, v, INDEX by_n(v), "
        "INDEX (v COLLATE NOCASE));"
        "CREATE VIRTUAL TABLE k USING nori(a TEXT, b ANY, PRIMARY KEY(a, b "
        "DESC), STRICT);"
        "CREATE TABLE child(id REFERENCES t);"
        "CREATE VIEW seen AS SELECT * FROM t;"
        "CREATE INDEX near_balance ON near(balance);"
        "CREATE TRIGGER tr AFTER INSERT ON near BEGIN UPDATE t SET n = n + 1; "
        "END;"
        "INSERT INTO t(email) VALUES ('a'), ('B'), ('c');"
        "INSERT INTO u VALUES (1, 'r', 2.5), (2, NULL, x'00'), (3, 's', '');"
        "DELETE FROM u WHERE oid = 2;"
        "INSERT INTO k VALUES ('x', 1), ('x', 2.0), ('', x'ff')");
    const std::string out = std::string(mode) + ".plain";
    EXPECT_THAT(Export(a, out), HasSubstr("\"tables\":4,\"rows\":108"));
    EXPECT_FALSE(std::filesystem::exists(Path(out) + "-nori.next"));
    EXPECT_EQ(Ask(out,
                  "PRAGMA integrity_check; PRAGMA journal_mode; PRAGMA "
                  "user_version; PRAGMA application_id"),
              "ok\n" + std::string(mode) + "\n42\n77");
    EXPECT_EQ(Ask(out, kBalances), "20000");
    EXPECT_EQ(Ask(out, "SELECT * FROM seen; SELECT quote(a), quote(b) FROM k"),
              "1|a|3\n2|B|3\n3|c|3\n''|X'FF'\n'x'|2.0\n'x'|1");
    EXPECT_EQ(Ask(out, "SELECT _rowid_, oid, quote(rowid), quote(v) FROM u"),
              "1|1|'r'|2.5\n3|3|'s'|''");
    EXPECT_EQ(Ask(out,
                  "SELECT count(*) FROM sqlite_schema WHERE sql LIKE "
                  "'%VIRTUAL%' OR name LIKE 'nori_state'"),
              "0");
    // Names of indexes are a schema's, not a table's.
    EXPECT_EQ(
        Ask(out,
            "SELECT tbl_name, name FROM sqlite_schema WHERE type = "
            "'index' AND sql IS NOT NULL ORDER BY 1, 2"),
        "near|near_balance\nt|both\nt|by_n\nu|nori_autoindex_2\nu|u_by_n");
    // Constraints, and an ordinary table's reference to what was a nori table.
    EXPECT_EQ(Ask(out,
                  "INSERT OR IGNORE INTO t(email) VALUES ('b'); INSERT OR "
                  "IGNORE INTO t(email, n) VALUES ('d', 100); SELECT "
                  "count(*) FROM t; PRAGMA foreign_keys = ON; INSERT INTO "
                  "child VALUES (1); SELECT count(*) FROM child"),
              "3\n1");
  }
}

TEST_F(PlainCopyTest, OfEveryKindOfDatabase) {
  TestConnection memory(":memory:");
  MakeDatabase(memory, "memory");
  Export(memory, "memory.plain");
  EXPECT_EQ(Ask("memory.plain", kBalances), "20000");
  memory.Get("ATTACH '" + Path("aux.db") +
             "' AS aux; CREATE TABLE aux.t(v); "
             "INSERT INTO aux.t VALUES (1); SELECT nori_export('" +
             Path("aux.plain") + "', 'AUX')");
  EXPECT_EQ(Ask("aux.plain", "SELECT v FROM t"), "1");
  TestConnection empty(Path("empty.db"));
  Export(empty, "empty.plain");
  EXPECT_EQ(Ask("empty.plain", "SELECT count(*) FROM sqlite_schema"), "0");
  EXPECT_THAT(memory.Run("SELECT nori_export('x', 'nosuch')").message,
              HasSubstr("no schema called nosuch"));
}

TEST_F(PlainCopyTest, OnlyToWhereNothingIs) {
  TestConnection a(Path("a.db"));
  MakeDatabase(a, "wal");
  std::ofstream(Path("text")) << "precious";
  std::filesystem::create_directory(Path("folder"));
  std::filesystem::create_directory(Path("loose.db-nori"));
  std::ofstream(Path("orphan.db-wal")) << "old";
  TestConnection(Path("other.db")).Get("CREATE TABLE precious(v)");
  for (const char* name :
       {"text", "folder", "loose.db", "orphan.db", "other.db", "a.db"}) {
    const SqlResult result = TryExport(a, name);
    EXPECT_EQ(result.code, SQLITE_ERROR) << name;
    EXPECT_THAT(result.message, HasSubstr("is there")) << name;
    EXPECT_FALSE(std::filesystem::exists(Path(name) + "-nori.next")) << name;
  }
  EXPECT_EQ(TryExport(a, "nowhere/x.db").code, SQLITE_CANTOPEN);
  std::ofstream(Path("nothing.db")).close();
  Export(a, "nothing.db");
  EXPECT_EQ(Ask("nothing.db", kBalances), "20000");
  a.Get("BEGIN; UPDATE far SET balance = 0");
  EXPECT_THAT(TryExport(a, "x.db").message,
              HasSubstr("transaction that has written"));
  a.Get("ROLLBACK; BEGIN; SELECT count(*) FROM near");
  Export(a, "within.db");
  a.Get("COMMIT");
  EXPECT_EQ(Ask("within.db", kBalances), "20000");
  ExpectNothing("x.db");
}

TEST_F(PlainCopyTest, BesideAWriterItIsOfOneState) {
  for (const char* mode : {"wal", "delete"}) {
    const std::string name = std::string(mode) + ".db";
    TestConnection a(Path(name));
    MakeDatabase(a, mode);
    sqlite3_busy_timeout(a.db(), 20000);
    const Writer writer(Path(name));
    for (int i = 0; i < 10; ++i) {
      const std::string out = std::string(mode) + std::to_string(i) + ".plain";
      Export(a, out);
      EXPECT_EQ(Ask(out, kBalances), "20000");
    }
  }
}

TEST_F(PlainCopyTest, CanBeInterrupted) {
  TestConnection a(Path("a.db"));
  MakeDatabase(a, "wal");
  const auto stop = [](void*) { return 1; };
  sqlite3_progress_handler(a.db(), 1000, stop, nullptr);
  EXPECT_EQ(TryExport(a, "x.db").code, SQLITE_INTERRUPT);
  sqlite3_progress_handler(a.db(), 0, nullptr, nullptr);
  ExpectNothing("x.db");
  Export(a, "plain.db");
  TestConnection to(Uri("app.db"));
  sqlite3_progress_handler(to.db(), 1000, stop, nullptr);
  EXPECT_EQ(Import(to, "plain.db").code, SQLITE_INTERRUPT);
  sqlite3_progress_handler(to.db(), 0, nullptr, nullptr);
  EXPECT_EQ(to.Get("SELECT count(*) FROM sqlite_schema"), "0");
  EXPECT_EQ(Import(to, "plain.db").code, SQLITE_OK);
  EXPECT_EQ(to.Get(kBalances), "20000");
}

TEST_F(PlainCopyTest, ImportsOldDatabases) {
  for (const char* mode : {"wal", "delete"}) {
    for (const char* page_size : {"512", "4096", "65536"}) {
      const std::string name = std::string(mode) + page_size;
      {
        TestConnection old(Path(name));
        old.Get("PRAGMA page_size = " + std::string(page_size) +
                "; PRAGMA journal_mode = " + mode);
        old.Get(
            "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT UNIQUE);"
            "CREATE INDEX tb ON t(b DESC); CREATE VIEW v AS SELECT a FROM t;"
            "CREATE TABLE log(n);"
            "CREATE TRIGGER tr AFTER INSERT ON t BEGIN INSERT INTO log VALUES "
            "(new.a); END;"
            "CREATE VIRTUAL TABLE f USING fts5(x);"
            "INSERT INTO t VALUES (1, 'one'), (2, 'two');"
            "INSERT INTO f VALUES ('some words')");
        TestConnection a(Uri(name + ".nori"));
        const SqlResult imported = Import(a, name);
        EXPECT_EQ(imported.code, SQLITE_OK) << name << imported.message;
        a.Get("INSERT INTO t VALUES (3, 'three')");
        EXPECT_EQ(old.Get("SELECT count(*) FROM t"), "2");
      }
      TestConnection a(Uri(name + ".nori"));
      EXPECT_EQ(a.Get("SELECT count(*) FROM v; SELECT count(*) FROM log; "
                      "SELECT x FROM f('words'); PRAGMA integrity_check"),
                "3\n3\n'some words'\n'ok'");
      Export(a, name + ".plain");
      EXPECT_EQ(Ask(name + ".plain", "SELECT b FROM t; PRAGMA integrity_check"),
                "one\ntwo\nthree\nok");
    }
  }
}

TEST_F(PlainCopyTest, WhatCannotBeImportedLeavesNothing) {
  {
    TestConnection a(Path("nori.db"));
    MakeDatabase(a, "delete");
    TestConnection(Path("plain.db")).Get("CREATE TABLE t(a)");
    std::ofstream(Path("text")) << std::string(5000, 'x');
    TestConnection damaged(Path("damaged.db"));
    damaged.Get(
        "CREATE TABLE t(a); CREATE INDEX i ON t(a); INSERT INTO t "
        "VALUES (1), (2)");
  }
  {
    std::fstream file(Path("damaged.db"));
    file.seekp(4096 + 3);
    file.write("\xff\xff", 2);
  }
  TestConnection a(Uri("app.db"));
  struct Case {
    const char* name;
    int code;
    const char* message;
  };
  for (const Case& c : std::vector<Case>{
           {"nori.db", SQLITE_ERROR, "nori_export"},
           {"text", SQLITE_NOTADB, "not a database"},
           {"missing.db", SQLITE_CANTOPEN, "unable to open"},
           {"damaged.db", SQLITE_CORRUPT, "checking what is imported"}}) {
    const SqlResult result = Import(a, c.name);
    EXPECT_EQ(result.code & 0xff, c.code) << c.name;
    EXPECT_THAT(result.message, HasSubstr(c.message)) << c.name;
    EXPECT_EQ(a.Get("SELECT count(*) FROM sqlite_schema"), "0") << c.name;
  }
  EXPECT_FALSE(std::filesystem::exists(Path("missing.db")));
  a.Get("BEGIN");
  EXPECT_THAT(Import(a, "plain.db").message, HasSubstr("within a transaction"));
  a.Get("COMMIT; CREATE TABLE mine(v)");
  EXPECT_THAT(Import(a, "plain.db").message, HasSubstr("it has mine"));
  TestConnection ordinary(Path("ordinary.db"));
  EXPECT_THAT(Import(ordinary, "plain.db").message, HasSubstr("vfs=nori"));
}

}  // namespace
}  // namespace nori
