// Copies by SQLite's own means: the backup API, VACUUM INTO, the shell, Python.

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "tests/vtab/balances.h"

namespace nori {
namespace {

using ::testing::HasSubstr;

// Copies main to main, `step` pages at a time. The last result code.
int BackUp(TestConnection& from, TestConnection& to, int step) {
  sqlite3_backup* const backup =
      sqlite3_backup_init(to.db(), "main", from.db(), "main");
  if (backup == nullptr) return sqlite3_errcode(to.db());
  int rc;
  int tries = 0;
  do {
    rc = sqlite3_backup_step(backup, step);
    if (rc == SQLITE_BUSY || rc == SQLITE_LOCKED) sqlite3_sleep(1);
  } while (rc == SQLITE_OK ||
           ((rc == SQLITE_BUSY || rc == SQLITE_LOCKED) && ++tries < 2000));
  const int finished = sqlite3_backup_finish(backup);
  return rc == SQLITE_DONE ? finished : rc;
}

class CopyTest : public BalancesTest {
 protected:
  CopyTest() {
    // From here on every connection goes through the watching VFS.
    TestConnection load(":memory:");
  }
  int CopyTo(TestConnection& from, const std::string& name, int step = -1) {
    TestConnection to(Path(name));
    return BackUp(from, to, step);
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
  EXPECT_EQ(BackUp(a, b, -1), SQLITE_OK);
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
      EXPECT_EQ(BackUp(from, a, -1) & 0xff, SQLITE_BUSY);
      EXPECT_THAT(LastError(), HasSubstr("is in use"));
      EXPECT_EQ(a.Get("SELECT count(*) FROM far"), "50");
    }
    ASSERT_EQ(BackUp(from, a, -1), SQLITE_OK);
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
  EXPECT_EQ(BackUp(from, to, -1) & 0xff, SQLITE_BUSY);
  EXPECT_EQ(sqlite3_step(cached), SQLITE_ROW);
  EXPECT_EQ(sqlite3_column_int(cached, 0), 2);
  sqlite3_finalize(cached);
  EXPECT_EQ(BackUp(from, to, -1), SQLITE_OK);
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
  ASSERT_EQ(BackUp(from, to, -1), SQLITE_OK);
  EXPECT_EQ(to.Get("SELECT count(*) FROM near"), "100");
  const SqlResult refused = to.Run("SELECT * FROM far");
  EXPECT_EQ(refused.code, SQLITE_CANTOPEN);
  EXPECT_THAT(refused.message, HasSubstr("cannot be copied into memory"));
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
  const uint64_t kills = NumberFromEnvironment("NORI_TEST_KILLS", 40);
  for (uint64_t i = 0; i < kills; ++i) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      TestConnection a(Path("a.db"));
      for (int n = 0;; ++n) {
        a.Get(
            "BEGIN; UPDATE far SET balance = balance - 1; UPDATE near SET "
            "balance = balance + 1; COMMIT");
        CopyTo(a, n % 2 == 0 ? "copy.db" : "new.db", 3);
      }
    }
    usleep(static_cast<useconds_t>(5000 + i * 7919 % 60000));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    ExpectWhole("a.db");
    ExpectWhole("copy.db");
    TestConnection fresh(Path("new.db"));
    if (fresh.Get("SELECT count(*) FROM sqlite_schema") != "0") {
      ExpectWhole("new.db");
    }
  }
}

// Every kind of source, method and destination, with and without a writer.
class BackupMatrix : public CopyTest {
 protected:
  enum Kind { kFunction, kApi, kVacuum };
  struct Method {
    const char* name;
    std::function<int(TestConnection& from, const std::string& to)> run;
    Kind kind;
  };
  struct Destination {
    const char* name;
    bool exists;
    bool wal;
    std::function<void(BackupMatrix*, const std::string& path)> make;
  };

  static std::vector<Method> Methods() {
    const auto api = [](int step) {
      return [step](TestConnection& from, const std::string& to) {
        TestConnection target(to);
        return BackUp(from, target, step);
      };
    };
    const auto sql = [](const char* before, const char* after) {
      return [=](TestConnection& from, const std::string& to) {
        return from.Run(before + to + after).code;
      };
    };
    return {{"nori_backup", sql("SELECT nori_backup('", "')"), kFunction},
            {"backup API, one step", api(-1), kApi},
            {"backup API, 3 pages a step", api(3), kApi},
            {"VACUUM INTO", sql("VACUUM INTO '", "'"), kVacuum}};
  }
  static std::vector<Destination> Destinations() {
    return {{"new", false, false, nullptr},
            {"earlier copy", true, false,
             [](BackupMatrix* test, const std::string& path) {
               TestConnection other(test->Path("other.db"));
               if (other.Get("SELECT count(*) FROM sqlite_schema") == "0") {
                 MakeDatabase(other, "delete");
               }
               TestConnection target(path);
               EXPECT_EQ(BackUp(other, target, -1), SQLITE_OK);
             }},
            {"ordinary, 512-byte pages", true, false,
             [](BackupMatrix*, const std::string& path) {
               TestConnection(path).Get(
                   "PRAGMA page_size = 512; CREATE TABLE old(v)");
             }},
            {"ordinary, WAL", true, true,
             [](BackupMatrix*, const std::string& path) {
               TestConnection(path).Get(
                   "PRAGMA journal_mode = wal; CREATE TABLE old(v)");
             }}};
  }

  // "whole", "refused" with the code, or what is wrong.
  std::string Cell(TestConnection& from, const Method& method,
                   const Destination& destination, const std::string& path) {
    if (destination.make) destination.make(this, path);
    // Under a writer a copy may be told to try again.
    int code = SQLITE_BUSY;
    for (int i = 0; i < 200 && (code & 0xff) == SQLITE_BUSY; ++i) {
      code = method.run(from, path);
    }
    TestConnection copy(path);
    if (code != SQLITE_OK) {
      const bool left = copy.Run("SELECT 1 FROM far").code == SQLITE_OK &&
                        copy.Get(kBalances) != "20000";
      return (left ? "HALF, code " : "refused, code ") +
             std::to_string(code & 0xff);
    }
    const SqlResult sum = copy.Run(kBalances);
    if (sum.code != SQLITE_OK) return "LOST: " + sum.message;
    if (sum.rows.front() != "20000") return "TORN: " + sum.rows.front();
    const bool sound =
        copy.Get("SELECT count(*), nori_verify() FROM far") == "100|'ok'" &&
        copy.Get("PRAGMA integrity_check") == "'ok'";
    return sound ? "whole" : "DAMAGED";
  }
};

TEST_F(BackupMatrix, IsWholeOrRefused) {
  std::string second = "/dev/shm/nori_copy_XXXXXX";
  const bool has_second = mkdtemp(second.data()) != nullptr;
  std::printf("%-8s %-7s %-27s %-25s %s\n", "source", "writer", "method",
              "destination", "result");
  int n = 0;
  for (const char* mode : {"wal", "delete", "memory"}) {
    const bool in_memory = std::string(mode) == "memory";
    const std::string source =
        in_memory ? ":memory:" : Path(std::string(mode) + ".source");
    TestConnection from(source);
    sqlite3_busy_timeout(from.db(), 20000);
    MakeDatabase(from, mode);
    for (const bool busy : {false, true}) {
      if (busy && in_memory) continue;  // nobody else can write
      std::unique_ptr<Writer> writer;
      if (busy) writer = std::make_unique<Writer>(source);
      for (const Method& method : Methods()) {
        for (const Destination& destination : Destinations()) {
          for (const bool far_away : {false, true}) {
            if (far_away && (!has_second || destination.exists)) continue;
            const std::string name = "copy" + std::to_string(++n) + ".db";
            const std::string result =
                Cell(from, method, destination,
                     far_away ? second + "/" + name : Path(name));
            std::printf("%-8s %-7s %-27s %-25s %s\n", mode, busy ? "yes" : "no",
                        method.name,
                        far_away ? "new, other file system" : destination.name,
                        result.c_str());
            const bool earlier =
                destination.name == std::string("earlier copy");
            const bool refused = destination.exists &&
                                 (method.kind == kVacuum || destination.wal ||
                                  (method.kind == kFunction && !earlier));
            EXPECT_THAT(result,
                        refused ? HasSubstr("refused") : HasSubstr("whole"))
                << mode << " " << method.name << " " << destination.name;
          }
        }
      }
    }
  }
  if (has_second) std::filesystem::remove_all(second);
}

}  // namespace
}  // namespace nori
