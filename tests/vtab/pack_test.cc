// nori_pack and nori_unpack: nori tables as rows of an ordinary table, and
// back.

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "tests/vtab/balances.h"

namespace nori {
namespace {

using ::testing::HasSubstr;

class PackTest : public BalancesTest {
 protected:
  // Tables of all kinds, with values that are hard to keep.
  static void MakeTables(TestConnection& a) {
    a.Get(
        "CREATE VIRTUAL TABLE people USING nori(id INTEGER PRIMARY KEY, "
        "email TEXT UNIQUE COLLATE NOCASE, name TEXT DEFAULT 'a, (b)', "
        "INDEX by_name(name DESC, id), memtable_bytes = '16KiB');"
        "CREATE VIRTUAL TABLE pairs USING nori(a TEXT, b ANY, "
        "PRIMARY KEY(a, b DESC), STRICT);"
        "CREATE VIRTUAL TABLE loose USING nori(v -- any, of course\n"
        ", CHECK(v <> 7));"
        "CREATE VIRTUAL TABLE empty USING nori(v, UNIQUE(v));"
        "CREATE VIRTUAL TABLE \"odd ' \"\" name\" USING nori(\"c ' \"\" d\" "
        "INTEGER PRIMARY KEY, WITHOUT ROWID);"
        "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE "
        "i < 3000) INSERT INTO people SELECT i, 'User' || i, hex(i * i) FROM c;"
        "SELECT nori_create_index('people', 'late', 'name, email', 'unique');"
        "SELECT nori_drop_index('people', 'by_name');"
        "SELECT nori_create_index('people', 'later', 'name DESC');"
        "INSERT INTO pairs VALUES ('x', 1), ('x', 2.0), ('y', x'00ff'), "
        "('', 'text');"
        "INSERT INTO loose VALUES (1), (NULL), (2.5), (x''), ('q');"
        "DELETE FROM loose WHERE v IS NULL;"
        "INSERT INTO loose VALUES (zeroblob(3000000)), "
        "(randomblob(1200000));"
        "INSERT INTO \"odd ' \"\" name\" VALUES (-1), (9223372036854775807);"
        "DELETE FROM people WHERE id % 3 = 0");
  }
  static constexpr const char* kTables[] = {"people", "pairs", "loose", "empty",
                                            "\"odd ' \"\" name\""};

  // The rows of all tables, and their indexes, in one text.
  static std::string ContentOf(TestConnection& a, const std::string& schema) {
    std::string text;
    for (const std::string table : kTables) {
      const std::string rowid =
          table == "people" || table == "loose" ? "rowid, " : "";
      text += table + "\n" +
              a.Get("SELECT " + rowid + "* FROM " + schema + "." + table +
                    " ORDER BY 1") +
              "\n";
    }
    return text + a.Get(
                      "SELECT tbl, name, is_unique, definition FROM "
                      "nori_indexes ORDER BY 1, 2");
  }
  static void DropTables(TestConnection& a) {
    for (const std::string table : kTables) a.Get("DROP TABLE main." + table);
  }
};

TEST_F(PackTest, GivesBackWhatWasPacked) {
  TestConnection a(Path("a.db"));
  MakeTables(a);
  const std::string before = ContentOf(a, "main");
  EXPECT_THAT(a.Get("SELECT nori_pack('main')"),
              HasSubstr("\"tables\":5,\"rows\":2012"));
  EXPECT_EQ(ContentOf(a, "main"), before);
  EXPECT_EQ(a.Get("SELECT max(length(content)) <= 1048600 FROM nori_pack"),
            "1");
  DropTables(a);
  EXPECT_THAT(a.Get("SELECT nori_unpack('nori_pack')"),
              HasSubstr("\"tables\":5,\"rows\":2012"));
  EXPECT_EQ(ContentOf(a, "main"), before);
  EXPECT_EQ(a.Get("SELECT nori_verify()"), "'ok'");
  // They are tables like any others.
  EXPECT_EQ(a.Run("INSERT INTO people(email) VALUES ('USER1')").code,
            SQLITE_CONSTRAINT_UNIQUE);
  EXPECT_EQ(a.Run("INSERT INTO loose VALUES (7)").code,
            SQLITE_CONSTRAINT_CHECK);
  EXPECT_EQ(a.Run("INSERT INTO pairs VALUES (1, 1), (NULL, 1)").code,
            SQLITE_CONSTRAINT_NOTNULL);
  a.Get("INSERT INTO people(email) VALUES ('new'); DELETE FROM people");
  EXPECT_EQ(a.Get("SELECT nori_verify()"), "'ok'");
  // Another connection knows the indexes.
  TestConnection b(Path("a.db"));
  EXPECT_EQ(b.Get("SELECT name FROM nori_indexes WHERE tbl = 'people' "
                  "ORDER BY 1"),
            "'late'\n'later'\n'nori_autoindex_1'");
}

TEST_F(PackTest, OneTableUnderItsNameOrAnother) {
  TestConnection a(Path("a.db"));
  MakeTables(a);
  a.Get("SELECT nori_pack('people'), nori_pack('main.pairs', 'kept pairs')");
  a.Get("SELECT nori_unpack('people_pack', 'PEOPLE', 'folk')");
  EXPECT_EQ(a.Get("SELECT count(*) FROM (SELECT * FROM people EXCEPT SELECT * "
                  "FROM folk); SELECT count(*) FROM folk"),
            "0\n2000");
  a.Get("ATTACH '" + Path("b.db") + "' AS b");
  a.Get("CREATE TABLE b.p AS SELECT * FROM \"kept pairs\"");
  a.Get("SELECT nori_unpack('b.p')");
  EXPECT_EQ(a.Get("SELECT count(*) FROM b.pairs"), "4");
  EXPECT_EQ(a.Get("SELECT nori_verify('b.pairs')"), "'ok'");
}

TEST_F(PackTest, WhatIsThereIsLeftAlone) {
  TestConnection a(Path("a.db"));
  MakeTables(a);
  a.Get("SELECT nori_pack('people', 'p'); CREATE TABLE plain(v)");
  struct Case {
    const char* sql;
    const char* message;
  };
  for (const Case& c : std::vector<Case>{
           {"SELECT nori_pack('people', 'p')", "already exists"},
           {"SELECT nori_pack('people', 'plain')", "already exists"},
           {"SELECT nori_pack('plain')", "no nori table called plain"},
           {"SELECT nori_pack(NULL)", "is NULL"},
           {"SELECT nori_unpack('p')", "already exists"},
           {"SELECT nori_unpack('p', 'people', 'plain')", "already exists"},
           {"SELECT nori_unpack('p', 'pairs')", "holds no table called pairs"},
           {"SELECT nori_unpack('plain')", "that nori_pack made"},
           {"SELECT nori_unpack('nothing')", "that nori_pack made"}}) {
    const std::string before = ContentOf(a, "main");
    const std::string schema = a.Get("SELECT name FROM sqlite_schema");
    const SqlResult result = a.Run(c.sql);
    EXPECT_EQ(result.code, SQLITE_ERROR) << c.sql;
    EXPECT_THAT(result.message, HasSubstr(c.message)) << c.sql;
    EXPECT_EQ(a.Get("SELECT name FROM sqlite_schema"), schema) << c.sql;
    EXPECT_EQ(ContentOf(a, "main"), before) << c.sql;
  }
}

TEST_F(PackTest, IsPartOfTheTransaction) {
  TestConnection a(Path("a.db"));
  MakeDatabase(a, "wal");
  TestConnection other(Path("a.db"));
  a.Get(
      "BEGIN; UPDATE far SET balance = 1; SELECT nori_pack('far'); SAVEPOINT "
      "s; SELECT nori_unpack('far_pack', 'far', 'again'); ROLLBACK TO s");
  EXPECT_EQ(other.Run("SELECT * FROM far_pack").code, SQLITE_ERROR);
  EXPECT_EQ(other.Run("SELECT nori_pack('far')").code, SQLITE_BUSY);
  a.Get("COMMIT");
  EXPECT_EQ(a.Run("SELECT * FROM again").code, SQLITE_ERROR);
  a.Get(
      "UPDATE far SET balance = 2; BEGIN; SELECT nori_unpack('far_pack', "
      "'far', 'again'); COMMIT");
  EXPECT_EQ(other.Get("SELECT min(balance), max(balance), count(*) FROM again"),
            "1|1|100");
  a.Get("BEGIN; SELECT nori_pack('far', 'gone'); ROLLBACK");
  EXPECT_EQ(a.Run("SELECT * FROM gone").code, SQLITE_ERROR);
}

TEST_F(PackTest, SurvivesADumpByTheStockShell) {
  std::string before;
  {
    TestConnection a(Path("a.db"));
    MakeTables(a);
    before = ContentOf(a, "main");
    a.Get("SELECT nori_pack('main')");
  }
  // Neither shell knows nori.
  const std::string dump =
      "sqlite3 '" + Path("a.db") + "' .dump | sqlite3 '" + Path("b.db") + "'";
  ASSERT_EQ(std::system(dump.c_str()), 0);
  TestConnection b(Path("b.db"));
  EXPECT_THAT(b.Run("SELECT * FROM people").message, HasSubstr("nori_unpack"));
  DropTables(b);
  b.Get("SELECT nori_unpack('nori_pack')");
  EXPECT_EQ(ContentOf(b, "main"), before);
  // The engine's options come along.
  EXPECT_EQ(b.Get("SELECT value FROM nori_options WHERE name = "
                  "'memtable_bytes'"),
            "'16384'");
}

TEST_F(PackTest, DamageIsFoundAndUndone) {
  TestConnection a(Path("a.db"));
  MakeTables(a);
  a.Get("SELECT nori_pack('loose', 'good')");
  for (const char* damage :
       {"DELETE FROM p WHERE part = 3", "DELETE FROM p WHERE part = 2",
        "DELETE FROM p WHERE part = (SELECT max(part) FROM p)",
        "UPDATE p SET content = content || x'00' WHERE part = 2",
        "UPDATE p SET content = x'00' WHERE part = 1",
        "UPDATE p SET content = NULL WHERE part = 3",
        "UPDATE p SET definition = definition || ' ' WHERE part = 1",
        "UPDATE p SET definition = 'v); DROP TABLE people; --' WHERE part = 1",
        "UPDATE p SET content = (SELECT content FROM good WHERE part = 3) "
        "WHERE part = 2",
        "UPDATE p SET content = substr(content, 1, 100) || x'ff' || "
        "substr(content, 102) WHERE part = (SELECT max(part) FROM p)"}) {
    a.Get("CREATE TABLE p AS SELECT * FROM good");
    a.Get(damage);
    const SqlResult result = a.Run("SELECT nori_unpack('p', 'loose', 'new')");
    EXPECT_EQ(result.code & 0xff, SQLITE_CORRUPT) << damage;
    EXPECT_THAT(result.message, HasSubstr("the pack is damaged")) << damage;
    EXPECT_EQ(a.Run("SELECT * FROM new").code, SQLITE_ERROR) << damage;
    EXPECT_EQ(a.Get("SELECT count(*) FROM people"), "2000");
    a.Get("DROP TABLE p");
  }
  a.Get("SELECT nori_unpack('good', 'loose', 'new')");
  EXPECT_EQ(a.Get("SELECT count(*) FROM new; SELECT nori_verify()"), "6\n'ok'");
}

TEST_F(PackTest, CanBeInterrupted) {
  TestConnection a(Path("a.db"));
  MakeTables(a);
  a.Get("SELECT nori_pack('main', 'p')");
  const auto stop = [](void*) { return 1; };
  for (const char* sql : {"SELECT nori_pack('main', 'q')",
                          "SELECT nori_unpack('p', 'people', 'q')"}) {
    sqlite3_progress_handler(a.db(), 1000, stop, nullptr);
    EXPECT_EQ(a.Run(sql).code, SQLITE_INTERRUPT) << sql;
    sqlite3_progress_handler(a.db(), 0, nullptr, nullptr);
    EXPECT_EQ(a.Run("SELECT * FROM q").code, SQLITE_ERROR) << sql;
  }
  EXPECT_EQ(a.Get("SELECT nori_verify()"), "'ok'");
}

TEST_F(PackTest, BesideAWriterItIsOfOneMoment) {
  TestConnection a(Path("a.db"));
  MakeDatabase(a, "wal");
  sqlite3_busy_timeout(a.db(), 20000);
  const Writer writer(Path("a.db"));
  for (int i = 0; i < 10; ++i) {
    a.Get(
        "BEGIN IMMEDIATE; SELECT nori_pack('far'); CREATE TABLE near_copy AS "
        "SELECT * FROM near; COMMIT; SELECT nori_unpack('far_pack', 'far', "
        "'far_copy')");
    EXPECT_EQ(a.Get("SELECT (SELECT sum(balance) FROM near_copy) + (SELECT "
                    "sum(balance) FROM far_copy)"),
              "20000");
    a.Get("DROP TABLE near_copy; DROP TABLE far_copy; DROP TABLE far_pack");
  }
}

}  // namespace
}  // namespace nori
