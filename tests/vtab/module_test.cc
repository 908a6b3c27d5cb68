// The module as applications use it: several connections, threads, processes,
// and files that are not where they should be.

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "tests/vtab/module_fixture.h"

namespace nori {
namespace {

using ::testing::HasSubstr;

constexpr char kCreate[] =
    "CREATE VIRTUAL TABLE t USING nori(id INTEGER PRIMARY KEY, v)";

TEST_F(ModuleTest, ReopensWithItsRows) {
  {
    TestConnection a(Path("a.db"));
    a.Get(kCreate);
    a.Get("INSERT INTO t VALUES(1, 'one'), (2, 'two')");
  }
  TestConnection a(Path("a.db"));
  EXPECT_EQ(a.Get("SELECT * FROM t"), "1|'one'\n2|'two'");
  EXPECT_EQ(a.Get("PRAGMA integrity_check"), "'ok'");
}

TEST_F(ModuleTest, LoadingTwiceChangesNothing) {
  TestConnection a(Path("a.db"));
  a.Get(kCreate);
  a.Get("INSERT INTO t VALUES(1, 'one')");
  ASSERT_EQ(
      sqlite3_load_extension(a.db(), NORI_EXTENSION_PATH, nullptr, nullptr),
      SQLITE_OK);
  EXPECT_EQ(a.Get("SELECT * FROM t"), "1|'one'");
}

TEST_F(ModuleTest, LaterConnectionsHaveTheModule) {
  TestConnection a(Path("a.db"));
  TestConnection b(Path("b.db"), /*load=*/false);
  b.Get(kCreate);
  EXPECT_EQ(b.Get("SELECT count(*) FROM t"), "0");
}

TEST_F(ModuleTest, ConnectionsShareAnEngine) {
  TestConnection a(Path("a.db")), b(Path("a.db"));
  a.Get(kCreate);
  a.Get("INSERT INTO t VALUES(1, 'one')");
  EXPECT_EQ(b.Get("SELECT * FROM t"), "1|'one'");
  b.Get("INSERT INTO t(v) VALUES('two')");
  EXPECT_EQ(a.Get("SELECT * FROM t"), "1|'one'\n2|'two'");
  // Neither knows of the other's rowids by itself.
  a.Get("INSERT INTO t(v) VALUES('three')");
  b.Get("DELETE FROM t WHERE id = 3");
  a.Get("INSERT INTO t(v) VALUES('again three')");
  EXPECT_EQ(b.Get("SELECT max(id), count(*) FROM t"), "3|3");
}

TEST_F(ModuleTest, ReadTransactionKeepsItsView) {
  TestConnection a(Path("a.db")), b(Path("a.db"));
  a.Get("PRAGMA journal_mode = wal");
  a.Get(kCreate);
  a.Get("CREATE VIRTUAL TABLE u USING nori(x PRIMARY KEY)");
  a.Get("INSERT INTO t VALUES(1, 'one')");
  b.Get("BEGIN");
  EXPECT_EQ(b.Get("SELECT count(*) FROM t"), "1");
  a.Get("INSERT INTO t VALUES(2, 'two')");
  a.Get("INSERT INTO u VALUES('later')");
  EXPECT_EQ(b.Get("SELECT count(*) FROM t"), "1");
  EXPECT_EQ(b.Get("SELECT count(*) FROM u"), "0");
  b.Get("COMMIT");
  EXPECT_EQ(b.Get("SELECT count(*) FROM t"), "2");
  b.Get("BEGIN");
  EXPECT_EQ(b.Get("SELECT count(*) FROM u"), "1");
  b.Get("ROLLBACK");
}

TEST_F(ModuleTest, StaleReaderMayNotWrite) {
  TestConnection a(Path("a.db")), b(Path("a.db"));
  a.Get("PRAGMA journal_mode = wal");
  a.Get(kCreate);
  a.Get("INSERT INTO t VALUES(1, 10)");
  b.Get("BEGIN");
  EXPECT_EQ(b.Get("SELECT v FROM t"), "10");
  a.Get("UPDATE t SET v = v + 1");
  const SqlResult result = b.Run("UPDATE t SET v = v + 1");
  EXPECT_EQ(result.code, SQLITE_BUSY_SNAPSHOT) << result.message;
  b.Get("ROLLBACK");
  b.Get("UPDATE t SET v = v + 1");
  EXPECT_EQ(a.Get("SELECT v FROM t"), "12");
}

TEST_F(ModuleTest, OpenSelectBesideIncrementsLosesNone) {
  TestConnection a(Path("a.db"));
  a.Get("PRAGMA synchronous = off");
  a.Get(kCreate);
  a.Get("INSERT INTO t VALUES(1, 0), (2, 0), (3, 0)");
  sqlite3_stmt* open = nullptr;
  ASSERT_EQ(sqlite3_prepare_v2(a.db(), "SELECT * FROM t", -1, &open, nullptr),
            SQLITE_OK);
  ASSERT_EQ(sqlite3_step(open), SQLITE_ROW);
  for (int i = 0; i < 1000; ++i) a.Get("UPDATE t SET v = v + 1 WHERE id = 2");
  EXPECT_EQ(a.Get("SELECT v FROM t WHERE id = 2"), "1000");
  ASSERT_EQ(sqlite3_step(open), SQLITE_ROW);
  EXPECT_EQ(sqlite3_column_int(open, 1), 0);  // its own view
  sqlite3_finalize(open);
}

TEST_F(ModuleTest, ScanMayChangeWhatItScans) {
  TestConnection a(Path("a.db"));
  a.Get(kCreate);
  a.Get("INSERT INTO t VALUES(1, 0), (2, 0), (3, 0)");
  a.Get("INSERT INTO t SELECT id + 3, v FROM t");
  a.Get("UPDATE t SET id = id + 100");
  EXPECT_EQ(a.Get("SELECT count(*), min(id), max(id) FROM t"), "6|101|106");
  a.Get("DELETE FROM t WHERE id IN (SELECT id FROM t WHERE id > 103)");
  EXPECT_EQ(a.Get("SELECT count(*) FROM t"), "3");
}

TEST_F(ModuleTest, ResultsOutliveTheRow) {
  TestConnection a(Path("a.db"));
  a.Get("CREATE VIRTUAL TABLE k USING nori(k TEXT PRIMARY KEY, v)");
  a.Get(
      "INSERT INTO k VALUES('a', 'zzzzzzzzzzzzzzzzzzzzzzzz'), "
      "('b', 'aaaaaaaaaaaaaaaaaaaaaaaa'), ('c', 'bbbbbbbbbbbbbbbbbbbbbbbb')");
  EXPECT_EQ(a.Get("SELECT max(v), min(v), max(k) FROM k"),
            "'zzzzzzzzzzzzzzzzzzzzzzzz'|'aaaaaaaaaaaaaaaaaaaaaaaa'|'c'");
  EXPECT_EQ(a.Get("SELECT DISTINCT substr(k, 1, 0) FROM k"), "''");
}

TEST_F(ModuleTest, MissingDirectoryIsNoEmptyTable) {
  NORI_SKIP_IN_VFS_NORI("the directory is the database");
  {
    TestConnection a(Path("a.db"));
    a.Get(kCreate);
    a.Get("INSERT INTO t VALUES(1, 'one')");
  }
  std::filesystem::rename(Path("a.db-nori"), Path("elsewhere"));
  {
    TestConnection a(Path("a.db"));
    const SqlResult result = a.Run("SELECT * FROM t");
    EXPECT_EQ(result.code, SQLITE_CANTOPEN);
    EXPECT_THAT(result.message, HasSubstr("is missing"));
    EXPECT_EQ(a.Run("INSERT INTO t VALUES(2, 'two')").code, SQLITE_CANTOPEN);
    EXPECT_FALSE(std::filesystem::exists(Path("a.db-nori")));
  }
  std::filesystem::rename(Path("elsewhere"), Path("a.db-nori"));
  {
    TestConnection a(Path("a.db"));
    EXPECT_EQ(a.Get("SELECT * FROM t"), "1|'one'");
  }
  std::filesystem::remove_all(Path("a.db-nori"));
  TestConnection a(Path("a.db"));
  a.Get("DROP TABLE t");
}

TEST_F(ModuleTest, ForeignDirectoryIsRefused) {
  NORI_SKIP_IN_VFS_NORI("the directory is the database");
  for (const char* name : {"a.db", "b.db"}) {
    TestConnection c(Path(name));
    c.Get(kCreate);
    c.Get("INSERT INTO t VALUES(1, '" + std::string(name) + "')");
  }
  std::filesystem::remove_all(Path("a.db-nori"));
  std::filesystem::copy(Path("b.db-nori"), Path("a.db-nori"),
                        std::filesystem::copy_options::recursive);
  TestConnection a(Path("a.db"));
  const SqlResult result = a.Run("SELECT * FROM t");
  EXPECT_NE(result.code, SQLITE_OK);
  EXPECT_THAT(result.message, HasSubstr("belongs to another database"));
}

TEST_F(ModuleTest, OlderDatabaseFileIsRefused) {
  NORI_SKIP_IN_VFS_NORI("the directory is the database");
  {
    TestConnection a(Path("a.db"));
    a.Get(kCreate);
    a.Get("INSERT INTO t VALUES(1, 'one')");
  }
  std::filesystem::copy(Path("a.db"), Path("old.db"));
  {
    TestConnection a(Path("a.db"));
    a.Get("BEGIN; INSERT INTO t VALUES(2, 'two'); COMMIT");
    a.Get("SELECT nori_flush()");
  }
  std::filesystem::remove(Path("a.db"));
  std::filesystem::rename(Path("old.db"), Path("a.db"));
  TestConnection a(Path("a.db"));
  const SqlResult result = a.Run("SELECT * FROM t");
  EXPECT_NE(result.code, SQLITE_OK);
  EXPECT_THAT(result.message, HasSubstr("is older"));
}

TEST_F(ModuleTest, LeftOverDirectoryIsSetAside) {
  {
    TestConnection a(Path("a.db"));
    a.Get(kCreate);
    a.Get("INSERT INTO t VALUES(1, 'one')");
  }
  std::filesystem::remove(Path("a.db"));
  TestConnection a(Path("a.db"));
  a.Get(kCreate);
  EXPECT_EQ(a.Get("SELECT count(*) FROM t"), "0");
  EXPECT_TRUE(std::filesystem::exists(Path("a.db-nori.old-1")));
}

TEST_F(ModuleTest, SecondProcessIsRefusedByName) {
  NORI_SKIP_IN_VFS_NORI("a second process cannot open the file");
  TestConnection a(Path("a.db"));
  a.Get(kCreate);
  a.Get("INSERT INTO t VALUES(1, 'one')");
  const std::string output = Path("output");
  EXPECT_NE(InAnotherProcess(Path("a.db") + " 'SELECT * FROM t' > " + output +
                             " 2>&1"),
            0);
  std::FILE* file = std::fopen(output.c_str(), "r");
  ASSERT_NE(file, nullptr);
  char text[1000] = "";
  const size_t size = std::fread(text, 1, sizeof(text) - 1, file);
  std::fclose(file);
  EXPECT_THAT(std::string(text, size), HasSubstr(std::to_string(getpid())));
  ASSERT_EQ(a.Close(), SQLITE_OK);
  EXPECT_EQ(InAnotherProcess(Path("a.db") + " 'SELECT * FROM t' > " + output),
            0);
}

TEST_F(ModuleTest, ForkedChildGetsAnError) {
  TestConnection a(Path("a.db"));
  a.Get(kCreate);
  a.Get("INSERT INTO t VALUES(1, 'one')");
  const pid_t child = fork();
  if (child == 0) {
    const SqlResult result = a.Run("SELECT * FROM t");
    // The pages' file says so first.
    const bool refused = TestsVfsNori() ? result.code != SQLITE_OK
                                        : result.code == SQLITE_MISUSE;
    _exit(refused ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(a.Get("SELECT * FROM t"), "1|'one'");
}

// Runs `body` in a forked child, which must leave without any destructor.
template <typename Body>
int InForkedChild(Body&& body) {
  const pid_t child = fork();
  if (child == 0) _exit(body() ? 0 : 1);
  int status = -1;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return status;
}

TEST_F(ModuleTest, ForkedChildDoesNotShareTheEngine) {
  NORI_SKIP_IN_VFS_NORI("a child opens nothing after a fork");
  TestConnection a(Path("a.db"));
  a.Get(kCreate);
  a.Get("INSERT INTO t VALUES(1, 'one')");
  const int status = InForkedChild([&] {
    auto* own = new TestConnection(Path("a.db"));
    const SqlResult result = own->Run("INSERT INTO t VALUES(2, 'two')");
    return result.code == SQLITE_BUSY &&
           result.message.find(std::to_string(getppid())) != std::string::npos;
  });
  EXPECT_EQ(status, 0);
  a.Get("INSERT INTO t VALUES(3, 'three')");
  ASSERT_EQ(a.Close(), SQLITE_OK);
  TestConnection b(Path("a.db"));
  EXPECT_EQ(b.Get("SELECT id FROM t"), "1\n3");
}

TEST_F(ModuleTest, ForkedChildEndsNoTransactionOfItsParent) {
  NORI_SKIP_IN_VFS_NORI(
      "the engine is the whole database's, which has its own options");
  TestConnection a(Path("a.db"));
  a.Get(
      "CREATE VIRTUAL TABLE t USING nori(id INTEGER PRIMARY KEY, v,"
      " transaction_spill_bytes=65536)");
  // So much that it was moved to files, which the parent still needs.
  a.Get(
      "BEGIN; WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c"
      " WHERE i < 500) INSERT INTO t SELECT i, randomblob(1000) FROM c");
  const int status = InForkedChild([&] {
    return a.Run("ROLLBACK").code == SQLITE_OK && a.Close() == SQLITE_OK;
  });
  EXPECT_EQ(status, 0);
  a.Get("COMMIT");
  ASSERT_EQ(a.Close(), SQLITE_OK);
  TestConnection b(Path("a.db"));
  EXPECT_EQ(b.Get("SELECT count(*), sum(length(v)) FROM t"), "500|500000");
  EXPECT_EQ(b.Get("SELECT nori_verify()"), "'ok'");
}

TEST_F(ModuleTest, WritersOfSeveralThreadsLoseNothing) {
  constexpr int kThreads = 3, kRounds = 100;
  {
    TestConnection a(Path("a.db"));
    a.Get("PRAGMA journal_mode = wal");
    a.Get(kCreate);
    a.Get("INSERT INTO t VALUES(1, 0)");
    a.Get("CREATE TABLE c(n)");
    a.Get("INSERT INTO c VALUES(0)");
  }
  TestConnection keeper(Path("a.db"));
  keeper.Get("SELECT * FROM t");
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      TestConnection w(Path("a.db"));
      w.Get("PRAGMA busy_timeout = 60000");
      w.Get("PRAGMA synchronous = off");
      for (int round = 0; round < kRounds; ++round) {
        if ((round + i) % 2 == 0) {
          w.Get(
              "BEGIN IMMEDIATE; UPDATE t SET v = v + 1; "
              "UPDATE c SET n = n + 1; COMMIT");
        } else {
          w.Get("INSERT INTO t(v) VALUES('x')");
        }
      }
    });
  }
  // A reader over both kinds of table must see one state of both.
  std::thread reader([&] {
    TestConnection r(Path("a.db"));
    r.Get("PRAGMA busy_timeout = 60000");
    int torn = 0;
    while (!stop) {
      const SqlResult result =
          r.Run("SELECT (SELECT n FROM c) - v FROM t WHERE id = 1");
      if (result.code == SQLITE_OK &&
          result.rows != std::vector<std::string>{"0"}) {
        ++torn;
      }
      r.Run("BEGIN");
      const SqlResult host = r.Run("SELECT n FROM c");
      const SqlResult engine = r.Run("SELECT v FROM t WHERE id = 1");
      r.Run("COMMIT");
      if (host.code == SQLITE_OK && engine.code == SQLITE_OK &&
          host.rows != engine.rows) {
        ++torn;
      }
    }
    EXPECT_EQ(torn, 0);
  });
  for (std::thread& thread : threads) thread.join();
  stop = true;
  reader.join();
  EXPECT_EQ(keeper.Get("SELECT v FROM t WHERE id = 1"),
            std::to_string(kThreads * kRounds / 2));
  EXPECT_EQ(keeper.Get("SELECT n FROM c"),
            std::to_string(kThreads * kRounds / 2));
  EXPECT_EQ(keeper.Get("SELECT count(*) FROM t"),
            std::to_string(1 + kThreads * kRounds / 2));
}

TEST_F(ModuleTest, CommitThatIsBusyCanBeRepeatedOrUndone) {
  NORI_SKIP_IN_VFS_NORI("readers never stop a commit");
  TestConnection a(Path("a.db")), b(Path("a.db"));
  a.Get(kCreate);  // rollback journal: a reader blocks the commit
  a.Get("CREATE TABLE c(x)");
  b.Get("BEGIN; SELECT * FROM c");
  a.Get("BEGIN; INSERT INTO t VALUES(1, 'one')");
  EXPECT_EQ(a.Run("COMMIT").code, SQLITE_BUSY);
  a.Get("INSERT INTO t VALUES(2, 'two')");
  EXPECT_EQ(a.Run("COMMIT").code, SQLITE_BUSY);
  a.Get("ROLLBACK");
  EXPECT_EQ(a.Get("SELECT count(*) FROM t"), "0");
  a.Get("BEGIN; INSERT INTO t VALUES(3, 'three')");
  EXPECT_EQ(a.Run("COMMIT").code, SQLITE_BUSY);
  b.Get("COMMIT");
  a.Get("INSERT INTO t VALUES(4, 'four')");
  a.Get("COMMIT");
  EXPECT_EQ(b.Get("SELECT id FROM t"), "3\n4");
}

TEST_F(ModuleTest, FlushBesideARefusedCommitGivesUp) {
  NORI_SKIP_IN_VFS_NORI("readers never stop a commit");
  TestConnection a(Path("a.db")), b(Path("a.db"));
  a.Get(
      "CREATE VIRTUAL TABLE t USING nori(id INTEGER PRIMARY KEY, v,"
      " stall_timeout_ms=50)");
  a.Get("CREATE TABLE c(x)");
  b.Get("BEGIN; SELECT * FROM c");
  a.Get("BEGIN; INSERT INTO t VALUES(1, 'one')");
  EXPECT_EQ(a.Run("COMMIT").code, SQLITE_BUSY);
  // On the connection whose transaction is in the way, and beside it.
  EXPECT_EQ(a.Run("SELECT nori_flush()").code, SQLITE_BUSY);
  EXPECT_EQ(b.Run("SELECT nori_flush()").code, SQLITE_BUSY);
  b.Get("COMMIT");
  a.Get("COMMIT; SELECT nori_flush()");
  EXPECT_EQ(b.Get("SELECT id FROM t"), "1");
}

TEST_F(ModuleTest, DropIsTheWayOutOfADamagedState) {
  for (const char* damage :
       {"DROP TABLE nori_state", "DELETE FROM nori_state",
        "UPDATE nori_state SET state = zeroblob(40) WHERE id = 0"}) {
    const std::string path =
        Path(std::to_string(damage[0]) + damage[2] + ".db");
    {
      TestConnection a(path);
      a.Get(kCreate);
      a.Get(damage);
    }
    TestConnection a(path);
    EXPECT_NE(a.Run("SELECT * FROM t").code, SQLITE_OK) << damage;
    EXPECT_EQ(a.Run("DROP TABLE t").code, SQLITE_OK) << damage;
  }
}

TEST_F(ModuleTest, FileInTheDirectorysPlace) {
  NORI_SKIP_IN_VFS_NORI("the directory is the database");
  std::ofstream(Path("a.db-nori")) << "not a directory";
  TestConnection a(Path("a.db"));
  const SqlResult result = a.Run(kCreate);
  EXPECT_NE(result.code, SQLITE_OK);
  EXPECT_NE(result.message.find("is a file"), std::string::npos)
      << result.message;
  EXPECT_EQ(a.Get("SELECT count(*) FROM sqlite_schema"), "0");
}

TEST_F(ModuleTest, CommitHookCanVeto) {
  TestConnection a(Path("a.db"));
  a.Get("PRAGMA journal_mode = wal");
  a.Get(kCreate);
  sqlite3_commit_hook(
      a.db(), [](void*) { return 1; }, nullptr);
  EXPECT_NE(a.Run("INSERT INTO t VALUES(1, 'one')").code, SQLITE_OK);
  sqlite3_commit_hook(a.db(), nullptr, nullptr);
  EXPECT_EQ(a.Get("SELECT count(*) FROM t"), "0");
  a.Get("INSERT INTO t VALUES(1, 'one')");
  ASSERT_EQ(a.Close(), SQLITE_OK);
  TestConnection b(Path("a.db"));
  EXPECT_EQ(b.Get("SELECT count(*) FROM t"), "1");
}

TEST_F(ModuleTest, MixedCommitsSurviveReopening) {
  for (const char* mode : {"wal", "delete", "persist"}) {
    const std::string path = Path(std::string(mode) + ".db");
    {
      TestConnection a(path);
      a.Get(std::string("PRAGMA journal_mode = ") + mode);
      a.Get(kCreate);
      a.Get("CREATE TABLE c(x)");
      a.Get(
          "BEGIN; INSERT INTO t VALUES(1, 1); INSERT INTO c VALUES(1); COMMIT");
      a.Get("INSERT INTO t VALUES(2, 2)");
      a.Get(
          "BEGIN; INSERT INTO t VALUES(3, 3); INSERT INTO c VALUES(3); "
          "ROLLBACK");
      a.Get(
          "BEGIN; INSERT INTO t VALUES(4, 4); INSERT INTO c VALUES(4); COMMIT");
    }
    TestConnection a(path);
    EXPECT_EQ(a.Get("SELECT id FROM t"), "1\n2\n4");
    EXPECT_EQ(a.Get("SELECT x FROM c"), "1\n4");
  }
}

TEST_F(ModuleTest, AttachedDatabasesHaveTheirOwnEngines) {
  NORI_SKIP_IN_VFS_NORI("the shell opens a file");
  TestConnection a(Path("a.db"));
  a.Get(kCreate);
  a.Get("ATTACH '" + Path("b.db") + "' AS b");
  a.Get("CREATE VIRTUAL TABLE b.t USING nori(id INTEGER PRIMARY KEY, v)");
  a.Get(
      "BEGIN; INSERT INTO main.t VALUES(1, 'a'); "
      "INSERT INTO b.t VALUES(1, 'b'); COMMIT");
  EXPECT_EQ(a.Get("SELECT main.t.v, b.t.v FROM main.t, b.t"), "'a'|'b'");
  a.Get("DETACH b");
  // SQLite disconnects the tables with the next statement.
  a.Get("SELECT 1");
  EXPECT_EQ(InAnotherProcess(Path("b.db") + " 'SELECT * FROM t' > /dev/null"),
            0);
}

TEST_F(ModuleTest, SharedMemoryDatabase) {
  const std::string uri = "file:shared?mode=memory&cache=shared";
  TestConnection a(uri), b(uri);
  a.Get(kCreate);
  a.Get("INSERT INTO t VALUES(1, 'one')");
  EXPECT_EQ(b.Get("SELECT * FROM t"), "1|'one'");
}

TEST_F(ModuleTest, HostileArguments) {
  TestConnection a(Path("a.db"));
  for (const char* arguments :
       {"", "id", "id INTEGER PRIMARY KEY, id", "a PRIMARY KEY, b PRIMARY KEY",
        "a, PRIMARY KEY(b)", "a, b=c", "a, block_bytes=-1",
        "a, memtable_bytes=99999999999999999999", "'unterminated",
        "a CHECK(b > 0)", "a DEFAULT (b)", "a GENERATED ALWAYS AS (1)",
        "a COLLATE nope PRIMARY KEY", "nori_key", "PRIMARY KEY(a)"}) {
    const SqlResult result = a.Run(
        std::string("CREATE VIRTUAL TABLE x USING nori(") + arguments + ")");
    if (std::string(arguments) != "id") {
      EXPECT_NE(result.code, SQLITE_OK) << arguments;
    }
    a.Run("DROP TABLE IF EXISTS x");
  }
  a.Get(kCreate);
  EXPECT_NE(a.Run("SELECT nori_flush('nowhere')").code, SQLITE_OK);
  EXPECT_NE(a.Run("INSERT INTO temp.nori_guard VALUES(1)").code, SQLITE_OK);
  EXPECT_NE(a.Run("CREATE VIRTUAL TABLE g USING nori_guard").code, SQLITE_OK);
  a.Get("UPDATE nori_state SET state = x'00' WHERE id = 0");
  ASSERT_EQ(a.Close(), SQLITE_OK);
  TestConnection b(Path("a.db"));
  const SqlResult damaged = b.Run("SELECT * FROM t");
  EXPECT_EQ(damaged.code, SQLITE_CORRUPT_VTAB) << damaged.message;
}

}  // namespace
}  // namespace nori
