// Copies by SQLite's own means: the backup API, VACUUM INTO, the shell, Python.

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "tests/vtab/balances.h"

namespace nori {
namespace {

using ::testing::HasSubstr;

class CopyTest : public BalancesTest {
 protected:
  CopyTest() {
    // From here on every connection goes through the watching VFS.
    TestConnection load(":memory:");
  }
  int CopyTo(TestConnection& from, const std::string& name, int step = -1) {
    TestConnection to(Path(name));
    return CopyPages(from, to, step);
  }
  std::string LastError() {
    TestConnection a(":memory:");
    return a.Get("SELECT nori_copy_error()");
  }
};

TEST_F(CopyTest, OrdinaryFilesKeepTheirAbilities) {
  TestConnection a(Path("a.db"));
  EXPECT_EQ(a.Get("PRAGMA journal_mode = wal"), "'wal'");
  EXPECT_EQ(a.Get("PRAGMA mmap_size = 1000000"), "1000000");
  char* name = nullptr;
  sqlite3_file_control(a.db(), "main", SQLITE_FCNTL_VFSNAME, &name);
  EXPECT_STREQ(name, "nori_copy/unix");
  sqlite3_free(name);
  a.Get("CREATE TABLE t(v); INSERT INTO t VALUES (1)");
  TestConnection reader(Path("a.db"));
  EXPECT_EQ(reader.Get("BEGIN; SELECT v FROM t"), "1");
  a.Get("UPDATE t SET v = 2");
  EXPECT_EQ(reader.Get("SELECT v FROM t; COMMIT; SELECT v FROM t"), "1\n2");
  EXPECT_EQ(a.Get("PRAGMA wal_checkpoint(TRUNCATE)"), "0|0|0");
  // Copies without nori tables, into a write-ahead log, too.
  TestConnection b(Path("b.db"));
  b.Get("PRAGMA journal_mode = wal; CREATE TABLE u(v)");
  EXPECT_EQ(CopyPages(a, b, -1), SQLITE_OK);
  EXPECT_EQ(b.Get("SELECT v FROM t"), "2");
}

TEST_F(CopyTest, TheCopyIsADatabaseOfItsOwn) {
  TestConnection a(Path("a.db"));
  MakeDatabase(a, "wal");
  ASSERT_EQ(CopyTo(a, "b.db"), SQLITE_OK);
  ExpectWhole("b.db");
  TestConnection b(Path("b.db"));
  b.Get("UPDATE far SET balance = 0");
  EXPECT_EQ(a.Get(kBalances), "20000");
  // A copy of the copy, beside both.
  ASSERT_EQ(CopyTo(b, "c.db"), SQLITE_OK);
  TestConnection c(Path("c.db"));
  EXPECT_EQ(c.Get("SELECT max(balance), count(*) FROM far"), "0|100");
  EXPECT_EQ(a.Get(kBalances), "20000");
}

TEST_F(CopyTest, BackAgain) {
  {
    TestConnection a(Path("a.db"));
    MakeDatabase(a, "delete");
    ASSERT_EQ(CopyTo(a, "b.db"), SQLITE_OK);
    a.Get("DELETE FROM far WHERE id > 50; DELETE FROM near");
    // While another connection uses the engine, it cannot be replaced.
    TestConnection from(Path("b.db"));
    {
      TestConnection other(Path("a.db"));
      other.Get("SELECT count(*) FROM far");
      EXPECT_EQ(CopyPages(from, a, -1) & 0xff, SQLITE_BUSY);
      EXPECT_THAT(LastError(), HasSubstr("is in use"));
      EXPECT_EQ(a.Get("SELECT count(*) FROM far"), "50");
    }
    ASSERT_EQ(CopyPages(from, a, -1), SQLITE_OK);
    EXPECT_EQ(a.Get(kBalances), "20000");
    a.Get("DELETE FROM far");
  }
  TestConnection from(Path("b.db"));
  ASSERT_EQ(CopyTo(from, "a.db"), SQLITE_OK);
  ExpectWhole("a.db");
}

TEST_F(CopyTest, OverADatabaseThatHasStatements) {
  TestConnection from(Path("from.db"));
  from.Get("CREATE VIRTUAL TABLE t USING nori(a); INSERT INTO t VALUES (1)");
  TestConnection to(Path("to.db"));
  to.Get("CREATE VIRTUAL TABLE t USING nori(a); INSERT INTO t VALUES (2)");
  sqlite3_stmt* cached = nullptr;
  ASSERT_EQ(
      sqlite3_prepare_v2(to.db(), "SELECT a FROM t", -1, &cached, nullptr),
      SQLITE_OK);
  EXPECT_EQ(sqlite3_step(cached), SQLITE_ROW);
  EXPECT_EQ(sqlite3_reset(cached), SQLITE_OK);
  // It holds the table, and with it the engine.
  EXPECT_EQ(CopyPages(from, to, -1) & 0xff, SQLITE_BUSY);
  EXPECT_EQ(sqlite3_step(cached), SQLITE_ROW);
  EXPECT_EQ(sqlite3_column_int(cached, 0), 2);
  sqlite3_finalize(cached);
  EXPECT_EQ(CopyPages(from, to, -1), SQLITE_OK);
  to.Get("UPDATE t SET a = 3");
  EXPECT_EQ(from.Get("SELECT a FROM t"), "1");
  EXPECT_EQ(to.Get("SELECT a FROM t; SELECT nori_verify()"), "3\n'ok'");
}

TEST_F(CopyTest, OfAndToMemory) {
  TestConnection a(":memory:");
  MakeDatabase(a, "memory");
  ASSERT_EQ(CopyTo(a, "b.db"), SQLITE_OK);
  ExpectWhole("b.db");
  TestConnection from(Path("b.db"));
  TestConnection to(":memory:");
  ASSERT_EQ(CopyPages(from, to, -1), SQLITE_OK);
  EXPECT_EQ(to.Get("SELECT count(*) FROM near"), "100");
  const SqlResult refused = to.Run("SELECT * FROM far");
  EXPECT_EQ(refused.code, SQLITE_CANTOPEN);
  EXPECT_THAT(refused.message, HasSubstr("cannot be copied into memory"));
}

TEST_F(CopyTest, IntoAWriteAheadLog) {
  TestConnection a(Path("a.db"));
  MakeDatabase(a, "delete");
  TestConnection b(Path("b.db"));
  b.Get("PRAGMA journal_mode = wal; CREATE TABLE old(v)");
  TestConnection reader(Path("b.db"));
  reader.Get("BEGIN; SELECT * FROM old");
  for (int i = 0; i < 3; ++i) {
    a.Get(
        "BEGIN; UPDATE far SET balance = balance - 1; UPDATE near SET balance "
        "= balance + 1; COMMIT");
    ASSERT_EQ(CopyPages(a, b, i == 0 ? -1 : 3), SQLITE_OK) << LastError();
    EXPECT_EQ(b.Get("SELECT max(balance) FROM far; PRAGMA journal_mode"),
              std::to_string(99 - i) + "\n'wal'");
    // What is written to it stays its own, and is not in the way.
    b.Get("UPDATE far SET balance = 0");
    EXPECT_EQ(a.Get(kBalances), "20000");
  }
  EXPECT_EQ(reader.Get("SELECT * FROM old; COMMIT; SELECT count(*) FROM near"),
            "100");
  // A log of more than one generation, and a copy that is rolled back.
  ASSERT_EQ(CopyPages(a, b, 3), SQLITE_OK);
  b.Get("PRAGMA wal_checkpoint(TRUNCATE)");
  sqlite3_backup* const half =
      sqlite3_backup_init(b.db(), "main", a.db(), "main");
  EXPECT_EQ(sqlite3_backup_step(half, 2), SQLITE_OK);
  EXPECT_EQ(sqlite3_backup_finish(half), SQLITE_OK);
  EXPECT_EQ(b.Get(kBalances), "20000");
  EXPECT_EQ(reader.Close(), SQLITE_OK);
  EXPECT_EQ(b.Close(), SQLITE_OK);
  ExpectWhole("b.db");
  // A cache that is too small for the copy writes pages of it before the end.
  a.Get(
      "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i "
      "< 3000) INSERT INTO near SELECT i + 1000, randomblob(500) FROM c;"
      "UPDATE near SET balance = 0 WHERE id > 1000");
  TestConnection small(Path("b.db"));
  small.Get("PRAGMA cache_size = 5");
  ASSERT_EQ(CopyPages(a, small, 50), SQLITE_OK) << LastError();
  EXPECT_EQ(small.Get(kBalances), "20000");
  EXPECT_EQ(small.Get("PRAGMA integrity_check; SELECT nori_verify()"),
            "'ok'\n'ok'");
}

// File and directory together, copied by other means, are the same database to
// nori.
TEST_F(CopyTest, OverACopyOfFileAndDirectory) {
  for (const char* mode : {"delete", "wal"}) {
    const std::string name = mode;
    {
      TestConnection a(Path(name));
      MakeDatabase(a, mode);
    }
    std::filesystem::copy_file(Path(name), Path(name + "2"));
    std::filesystem::copy(Path(name + "-nori"), Path(name + "2-nori"),
                          std::filesystem::copy_options::recursive);
    TestConnection a(Path(name));
    a.Get(
        "BEGIN; UPDATE far SET balance = balance - 1; UPDATE near SET balance "
        "= balance + 1; COMMIT");
    int code = SQLITE_BUSY;
    for (int i = 0; i < 2 && (code & 0xff) == SQLITE_BUSY; ++i) {
      code = CopyTo(a, name + "2");
    }
    EXPECT_EQ(code, SQLITE_OK) << LastError();
    ExpectWhole(name + "2");
    TestConnection b(Path(name + "2"));
    EXPECT_EQ(b.Get("SELECT max(balance) FROM far"), "99");
    b.Get("DELETE FROM far; DELETE FROM near");
    EXPECT_EQ(a.Get(kBalances), "20000");
  }
}

TEST_F(CopyTest, ADestinationThatKeepsItsCacheIsRefused) {
  TestConnection a(Path("a.db"));
  MakeDatabase(a, "delete");
  for (const char* mode : {"delete", "wal"}) {
    for (const char* before : {"", "SELECT * FROM old",
                               "INSERT INTO old "
                               "VALUES (1)"}) {
      const std::string name = Path(std::string("b") + mode);
      std::filesystem::remove(name);
      TestConnection b(name);
      b.Get("PRAGMA journal_mode = " + std::string(mode) +
            "; CREATE TABLE old(v); PRAGMA locking_mode = exclusive");
      b.Get(before);
      EXPECT_EQ(CopyPages(a, b, -1), SQLITE_READONLY) << mode << before;
      EXPECT_THAT(LastError(), HasSubstr("locking_mode = NORMAL"));
      EXPECT_EQ(b.Get("SELECT count(*) > 1 FROM old; PRAGMA integrity_check"),
                "0\n'ok'");
      EXPECT_FALSE(std::filesystem::exists(name + "-nori"));
      b.Get("PRAGMA locking_mode = normal; SELECT * FROM old");
      EXPECT_EQ(CopyPages(a, b, -1), SQLITE_OK) << mode << before;
      EXPECT_EQ(b.Get(kBalances), "20000");
      EXPECT_EQ(b.Close(), SQLITE_OK);
      std::filesystem::remove_all(name + "-nori");
    }
  }
  // Attached: what the pragma says without a schema counts for all.
  TestConnection c(Path("c.db"));
  c.Get("PRAGMA locking_mode = exclusive; ATTACH '" + Path("d.db") + "' AS d");
  sqlite3_backup* const backup =
      sqlite3_backup_init(c.db(), "d", a.db(), "main");
  EXPECT_EQ(sqlite3_backup_step(backup, -1), SQLITE_READONLY);
  sqlite3_backup_finish(backup);
  // Without nori tables nothing is in its way.
  TestConnection ordinary(Path("ordinary.db"));
  ordinary.Get("CREATE TABLE t(v)");
  EXPECT_EQ(CopyPages(ordinary, c, -1), SQLITE_OK);
}

// SQLite says only that it cannot open such files: the reason is in its log.
TEST_F(CopyTest, DatabasesOfThePageVfsSayHowToOpenThem) {
  const std::string uri = "file:" + Path("app.db") + "?vfs=nori";
  TestConnection(uri).Get("CREATE TABLE t(a)");
  std::filesystem::copy_file(Path("app.db"), Path("alone.db"));
  const auto log_of = [&](const std::string& name) {
    InAnotherProcess(":memory: '.log stdout' \".open '" + name +
                     "'\" 'SELECT * FROM t' > '" + Path("log") + "' 2>&1");
    std::ifstream file(Path("log"));
    return std::string((std::istreambuf_iterator<char>(file)),
                       std::istreambuf_iterator<char>());
  };
  EXPECT_THAT(log_of(Path("app.db")),
              HasSubstr("open it as 'file:" + Path("app.db") + "?vfs=nori'"));
  EXPECT_THAT(log_of("file:" + Path("alone.db") + "?vfs=nori"),
              HasSubstr("alone.db-nori is missing"));
}

TEST_F(CopyTest, FailuresLeaveNoHalfCopy) {
  TestConnection a(Path("a.db"));
  MakeDatabase(a, "delete");
  ASSERT_EQ(CopyTo(a, "b.db"), SQLITE_OK);
  a.Get("UPDATE far SET balance = 1");
  // The engine's copy cannot be made.
  std::ofstream(Path("c.db-nori.next")) << "in the way";
  EXPECT_NE(CopyTo(a, "c.db"), SQLITE_OK);
  EXPECT_THAT(LastError(), HasSubstr("c.db-nori.next"));
  EXPECT_EQ(std::filesystem::file_size(Path("c.db")), 0u);
  EXPECT_FALSE(std::filesystem::exists(Path("c.db-nori")));
  std::ofstream(Path("b.db-nori.next")) << "in the way";
  EXPECT_NE(CopyTo(a, "b.db"), SQLITE_OK);
  std::filesystem::remove(Path("b.db-nori.next"));
  ExpectWhole("b.db");
  // A source that has lost its engine.
  std::filesystem::copy_file(Path("a.db"), Path("lost.db"));
  TestConnection lost(Path("lost.db"));
  EXPECT_EQ(CopyTo(lost, "d.db"), SQLITE_CANTOPEN);
  EXPECT_THAT(LastError(), HasSubstr("directory is missing"));
  EXPECT_EQ(std::filesystem::file_size(Path("d.db")), 0u);
}

TEST_F(CopyTest, ByTheShellAndByPython) {
  {
    TestConnection a(Path("a.db"));
    MakeDatabase(a, "wal");
  }
  const auto quoted = [&](const std::string& name) {
    return "'" + Path(name) + "'";
  };
  for (const char* command : {".backup ", ".backup --async ", ".save "}) {
    const std::string name = "copy" + std::string(command + 1, 4) + ".db";
    EXPECT_EQ(
        InAnotherProcess(quoted("a.db") + " \"" + command + Path(name) + "\""),
        0)
        << command;
    ExpectWhole(name);
  }
  // .restore into a connection that was opened after loading.
  EXPECT_EQ(InAnotherProcess(":memory: '.open " + Path("restored.db") +
                             "' '.restore " + Path("copysave.db") + "'"),
            0);
  ExpectWhole("restored.db");
  const std::string script =
      "import sqlite3\n"
      "a = sqlite3.connect(" +
      quoted("a.db") +
      ")\n"
      "a.enable_load_extension(True)\n"
      "a.load_extension('" NORI_EXTENSION_PATH
      "')\n"
      "calls = []\n"
      "b = sqlite3.connect(" +
      quoted("python.db") +
      ")\n"
      "a.backup(b, pages=2, progress=lambda *left: calls.append(left))\n"
      "assert len(calls) > 1\n";
  std::ofstream(Path("copy.py")) << script;
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  EXPECT_EQ(std::system(("/usr/bin/python3 " + Path("copy.py")).c_str()), 0);
  ExpectWhole("python.db");
#endif
}

// An ordinary transaction that names another database's engine is no copy: a
// file that lost its directory is not given one.
TEST_F(CopyTest, AFileThatLostItsDirectoryStaysRefused) {
  TestConnection a(Path("a.db"));
  MakeDatabase(a, "delete");
  std::filesystem::copy_file(Path("a.db"), Path("b.db"));
  TestConnection b(Path("b.db"));
  a.Get("BEGIN; SELECT * FROM far");
  b.Get("UPDATE near SET balance = 0; VACUUM");
  EXPECT_EQ(b.Run("SELECT * FROM far").code, SQLITE_CANTOPEN);
  EXPECT_FALSE(std::filesystem::exists(Path("b.db-nori")));
  a.Get("COMMIT; VACUUM");
  EXPECT_EQ(a.Get(kBalances), "20000");
}

TEST_F(CopyTest, Killed) {
  {
    TestConnection a(Path("a.db"));
    MakeDatabase(a, "wal");
    ASSERT_EQ(CopyTo(a, "copy.db"), SQLITE_OK);
  }
  KillCopies([this](TestConnection& a,
                    const std::string& name) { CopyTo(a, name, 3); },
             [this] {
               TestConnection fresh(Path("new.db"));
               if (fresh.Get("SELECT count(*) FROM sqlite_schema") != "0") {
                 ExpectWhole("new.db");
               }
             });
}

}  // namespace
}  // namespace nori
