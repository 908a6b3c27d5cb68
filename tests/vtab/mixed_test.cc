// Transactions over ordinary and nori tables that go wrong half-way.

#include <string>

#include "tests/vtab/module_fixture.h"

namespace nori {
namespace {

using MixedTest = ModuleTest;

constexpr char kTables[] =
    "CREATE VIRTUAL TABLE t USING nori(id INTEGER PRIMARY KEY, v);"
    "CREATE TABLE c(id INTEGER PRIMARY KEY)";
constexpr char kBoth[] =
    "SELECT (SELECT group_concat(id) FROM t), (SELECT group_concat(id) FROM c)";

TEST_F(MixedTest, VetoedCommitLeavesNeither) {
  for (const std::string mode : {"wal", "delete", "memory"}) {
    const std::string path = Path(mode + ".db");
    {
      TestConnection a(path);
      a.Get("PRAGMA journal_mode = " + mode);
      a.Get(kTables);
      sqlite3_commit_hook(
          a.db(), [](void*) { return 1; }, nullptr);
      EXPECT_NE(a.Run("BEGIN; INSERT INTO t VALUES(1, 1); INSERT INTO c "
                      "VALUES(1); COMMIT")
                    .code,
                SQLITE_OK);
      sqlite3_commit_hook(a.db(), nullptr, nullptr);
      EXPECT_EQ(a.Get(kBoth), "NULL|NULL") << mode;
      a.Get(
          "BEGIN; INSERT INTO t VALUES(2, 2); INSERT INTO c VALUES(2); COMMIT");
    }
    TestConnection a(path);
    EXPECT_EQ(a.Get(kBoth), "'2'|'2'") << mode;
  }
}

TEST_F(MixedTest, SavepointsRollBackBothKinds) {
  TestConnection a(Path("a.db"));
  a.Get("PRAGMA journal_mode = wal");
  a.Get(kTables);
  a.Get(
      "SAVEPOINT outer1; INSERT INTO c VALUES(1); INSERT INTO t VALUES(1, 1);"
      "SAVEPOINT inner1; INSERT INTO t VALUES(2, 2); INSERT INTO c VALUES(2);"
      "ROLLBACK TO inner1; INSERT INTO t VALUES(3, 3); RELEASE inner1;"
      "INSERT INTO c VALUES(3); RELEASE outer1");
  EXPECT_EQ(a.Get(kBoth), "'1,3'|'1,3'");
  a.Get(
      "SAVEPOINT s; INSERT INTO t VALUES(4, 4); ROLLBACK TO s;"
      "INSERT INTO c VALUES(5); INSERT INTO t VALUES(5, 5); RELEASE s");
  EXPECT_EQ(a.Get(kBoth), "'1,3,5'|'1,3,5'");
}

TEST_F(MixedTest, EveryJournalModeWithTheEngineOpen) {
  NORI_SKIP_IN_VFS_NORI("there is one journal mode");
  TestConnection a(Path("a.db")), b(Path("a.db"));
  a.Get(kTables);
  std::string ids;
  int id = 0;
  for (const std::string mode :
       {"delete", "truncate", "persist", "memory", "wal"}) {
    EXPECT_EQ(a.Get("PRAGMA journal_mode = " + mode), "'" + mode + "'");
    for (const char* level : {"OFF", "NORMAL", "FULL", "EXTRA"}) {
      const std::string n = std::to_string(++id);
      a.Get(std::string("PRAGMA synchronous = ") + level);
      a.Get("BEGIN; INSERT INTO t VALUES(" + n + ", 1); INSERT INTO c VALUES(" +
            n + "); COMMIT");
      ids += (ids.empty() ? "" : ",") + n;
      EXPECT_EQ(b.Get(kBoth), "'" + ids + "'|'" + ids + "'");
      a.Get("SELECT nori_flush()");
    }
  }
}

}  // namespace
}  // namespace nori
