// What is left, and what must not be left, when tables or engines go.

#include <filesystem>
#include <string>

#include "tests/vtab/module_fixture.h"

namespace nori {
namespace {

using ModuleDropTest = ModuleTest;

constexpr char kCreate[] =
    "CREATE VIRTUAL TABLE t USING nori(id INTEGER PRIMARY KEY, v)";

TEST_F(ModuleDropTest, CreateStartsAnewAfterTheLastTableOfALostEngine) {
  NORI_SKIP_IN_VFS_NORI("the directory is the database");
  for (const bool foreign : {false, true}) {
    const std::string name = foreign ? "foreign.db" : "missing.db";
    {
      TestConnection a(Path(name));
      a.Get(kCreate);
      a.Get("CREATE VIRTUAL TABLE u USING nori(x)");
      a.Get("BEGIN; INSERT INTO t VALUES(1, 'one'); COMMIT");
    }
    std::filesystem::remove_all(Path(name + "-nori"));
    if (foreign) {
      {
        TestConnection b(Path("b.db"));
        b.Get(kCreate);
        b.Get("INSERT INTO t VALUES(1, 'of b')");
      }
      std::filesystem::rename(Path("b.db-nori"), Path(name + "-nori"));
    }
    {
      TestConnection a(Path(name));
      a.Get("DROP TABLE t");
      // The other one's rows may still come back.
      EXPECT_NE(a.Run(kCreate).code, SQLITE_OK);
      a.Get("DROP TABLE u");
      a.Get(std::string("BEGIN; ") + kCreate + "; ROLLBACK");
      a.Get(kCreate);
      a.Get("BEGIN; INSERT INTO t VALUES(2, 'two'); COMMIT");
    }
    // What was there under somebody else's identity is kept.
    EXPECT_EQ(std::filesystem::exists(Path(name + "-nori.old-1")), foreign);
    TestConnection a(Path(name));
    EXPECT_EQ(a.Get("SELECT * FROM t"), "2|'two'");
    EXPECT_EQ(a.Get("PRAGMA integrity_check"), "'ok'");
  }
}

TEST_F(ModuleDropTest, DropThatIsTakenBackLosesNothing) {
  TestConnection a(Path("a.db"));
  a.Get(kCreate);
  a.Get(
      "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i "
      "< 5000) INSERT INTO t SELECT i, randomblob(100) FROM c");
  a.Get("SELECT nori_flush()");
  a.Get("BEGIN; DROP TABLE t; ROLLBACK");
  a.Get(
      "BEGIN; SAVEPOINT s; DROP TABLE t; ROLLBACK TO s; INSERT INTO t(v) "
      "VALUES(1); COMMIT");
  a.Get("SELECT nori_compact()");
  EXPECT_EQ(a.Get("SELECT count(*) FROM t"), "5001");
  // The schema's last table takes its rows along, too.
  a.Get("DROP TABLE t");
  EXPECT_EQ(a.Get("SELECT nori_verify()"), "'ok'");
  a.Get("CREATE VIRTUAL TABLE t USING nori(x)");
  EXPECT_EQ(a.Get("SELECT count(*) FROM t"), "0");
  EXPECT_EQ(a.Get("SELECT nori_verify()"), "'ok'");
}

TEST_F(ModuleDropTest, NamedMemoryDatabaseTouchesNoDisk) {
  const std::string uri = "file:" + Path("memory") + "?vfs=memdb";
  TestConnection a(uri), b(uri);
  a.Get(kCreate);
  a.Get("INSERT INTO t VALUES(1, 'one')");
  EXPECT_EQ(b.Get("SELECT * FROM t"), "1|'one'");
  EXPECT_FALSE(std::filesystem::exists(Path("memory-nori")));
}

}  // namespace
}  // namespace nori
