// nori_backup: whole copies at one instant, in the place of earlier ones.

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "tests/vtab/balances.h"

namespace nori {
namespace {

using ::testing::HasSubstr;

class BackupTest : public BalancesTest {
 protected:
  std::string Backup(TestConnection& a, const std::string& name) {
    return a.Get("SELECT nori_backup('" + Path(name) + "')");
  }
  SqlResult TryBackup(TestConnection& a, const std::string& name) {
    return a.Run("SELECT nori_backup('" + Path(name) + "')");
  }
  std::vector<std::string> Files() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(Path(""))) {
      names.push_back(entry.path().filename());
    }
    std::sort(names.begin(), names.end());
    return names;
  }
};

TEST_F(BackupTest, HoldsEverythingAndNothingElse) {
  for (const char* mode : {"wal", "delete", "truncate", "persist"}) {
    TestConnection a(Path(std::string(mode) + ".db"));
    MakeDatabase(a, mode);
    a.Get(
        "SELECT nori_flush(), nori_snapshot('old'); UPDATE far SET balance "
        "= balance - 1 WHERE id = 1; UPDATE near SET balance = balance + 1 "
        "WHERE id = 1");
    const std::string copy = std::string(mode) + ".copy";
    EXPECT_THAT(Backup(a, copy), HasSubstr("tables_linked"));
    a.Get("DELETE FROM far; DELETE FROM near");
    ExpectWhole(copy);
    TestConnection b(Path(copy));
    EXPECT_EQ(b.Get("SELECT balance FROM far WHERE id = 1"), "99");
    EXPECT_EQ(b.Get("SELECT balance FROM far('old') WHERE id = 1"), "100");
    // It is a database like any other.
    b.Get("UPDATE far SET balance = 0");
    EXPECT_EQ(a.Get("SELECT count(*) FROM far"), "0");
  }
}

TEST_F(BackupTest, ReplacesAnEarlierOne) {
  TestConnection a(Path("a.db"));
  MakeDatabase(a, "wal");
  Backup(a, "copy.db");
  ExpectWhole("copy.db");
  a.Get(
      "BEGIN; UPDATE far SET balance = balance - 7; UPDATE near SET balance "
      "= balance + 7; COMMIT");
  Backup(a, "copy.db");
  ExpectWhole("copy.db");
  TestConnection b(Path("copy.db"));
  EXPECT_EQ(b.Get("SELECT min(balance) FROM far"), "93");
  // While that one is in use it stays.
  const SqlResult busy = TryBackup(a, "copy.db");
  EXPECT_EQ(busy.code, SQLITE_BUSY);
  EXPECT_THAT(busy.message, HasSubstr("is in use"));
  EXPECT_EQ(b.Get(kBalances), "20000");
  EXPECT_EQ(b.Close(), SQLITE_OK);
  Backup(a, "copy.db");
  ExpectWhole("copy.db");
  EXPECT_FALSE(std::filesystem::exists(Path("copy.db-nori.next")));
  EXPECT_FALSE(std::filesystem::exists(Path("copy.db-nori.prev")));
}

TEST_F(BackupTest, OfDatabasesInMemory) {
  TestConnection a(":memory:");
  MakeDatabase(a, "memory");
  Backup(a, "copy.db");
  ExpectWhole("copy.db");
  a.Get("CREATE VIRTUAL TABLE temp.t USING nori(v); INSERT INTO t VALUES (1)");
  a.Get("SELECT nori_backup('" + Path("temp.db") + "', 'temp')");
  TestConnection b(Path("temp.db"));
  EXPECT_EQ(b.Get("SELECT v FROM t"), "1");
}

TEST_F(BackupTest, ToAnotherFileSystemItCopiesOnceWhatStaysTheSame) {
  std::string directory = "/dev/shm/nori_backup_XXXXXX";
  if (mkdtemp(directory.data()) == nullptr) {
    GTEST_SKIP() << "there is no second file system here";
  }
  TestConnection a(Path("a.db"));
  MakeDatabase(a, "wal");
  a.Get("SELECT nori_flush()");
  const std::string target = directory + "/copy.db";
  const std::string backup = "SELECT nori_backup('" + target + "') ->> '$.";
  EXPECT_EQ(a.Get(backup + "tables_copied'"), "1");
  a.Get(
      "UPDATE far SET balance = balance - 1; UPDATE near SET balance = "
      "balance + 1; SELECT nori_flush()");
  EXPECT_EQ(a.Get(backup + "tables_copied'"), "1");
  EXPECT_EQ(a.Get(backup + "tables_reused'"), "2");
  // A file of the same number that holds something else is not taken.
  for (const auto& entry :
       std::filesystem::directory_iterator(target + "-nori")) {
    if (entry.path().extension() != ".sst") continue;
    std::fstream file(entry.path());
    file.seekp(40);
    file.put('!');
  }
  EXPECT_EQ(a.Get(backup + "tables_copied'"), "2");
  {
    TestConnection b(target);
    EXPECT_EQ(b.Get(kBalances), "20000");
    EXPECT_EQ(b.Get("SELECT nori_verify()"), "'ok'");
  }
  std::filesystem::remove_all(directory);
}

TEST_F(BackupTest, RefusesWhatItMustNotReplace) {
  TestConnection a(Path("a.db"));
  MakeDatabase(a, "wal");
  TestConnection(Path("other.db")).Get("CREATE TABLE precious(v)");
  std::ofstream(Path("text")) << "precious";
  std::filesystem::create_directory(Path("folder"));
  std::filesystem::create_directory(Path("loose.db-nori"));
  std::ofstream(Path("orphan.db-wal")) << "old";
  std::filesystem::create_symlink(Path("a.db"), Path("link.db"));
  struct Case {
    const char* name;
    int code;
    const char* message;
  };
  for (const Case& c : std::vector<Case>{
           {"other.db", SQLITE_ERROR, "was not made by nori_backup"},
           {"text", SQLITE_ERROR, "was not made by nori_backup"},
           {"folder", SQLITE_ERROR, "was not made by nori_backup"},
           {"loose.db", SQLITE_ERROR, "was not made by nori_backup"},
           {"orphan.db", SQLITE_ERROR, "would be taken for a part"},
           {"a.db", SQLITE_ERROR, "is the database itself"},
           {"link.db", SQLITE_ERROR, "is the database itself"},
           {"nowhere/copy.db", SQLITE_CANTOPEN, "No such file"}}) {
    const std::vector<std::string> before = Files();
    const SqlResult result = TryBackup(a, c.name);
    EXPECT_EQ(result.code, c.code) << c.name;
    EXPECT_THAT(result.message, HasSubstr(c.message)) << c.name;
    EXPECT_EQ(Files(), before) << c.name;
  }
  for (const char* name :
       {"''", "':memory:'", "'file:x?mode=memory'", "NULL"}) {
    EXPECT_EQ(a.Run(std::string("SELECT nori_backup(") + name + ")").code,
              SQLITE_ERROR)
        << name;
  }
  EXPECT_EQ(TestConnection(Path("other.db")).Get("SELECT * FROM precious"), "");
  EXPECT_EQ(a.Get(kBalances), "20000");
}

TEST_F(BackupTest, OddNames) {
  TestConnection a(Path("a.db"));
  MakeDatabase(a, "delete");
  for (const char* name : {"a copy", "per%20cent?x=y#z", "d\xc3\xa9j\xc3\xa0",
                           "line\nbreak", "quote\"s", "-dash"}) {
    Backup(a, name);
    ExpectWhole(name);
  }
}

TEST_F(BackupTest, WithinTransactions) {
  TestConnection a(Path("a.db"));
  MakeDatabase(a, "wal");
  a.Get("BEGIN; SELECT count(*) FROM far");
  Backup(a, "copy.db");
  a.Get("UPDATE far SET balance = 0");
  const SqlResult within = TryBackup(a, "copy.db");
  EXPECT_EQ(within.code, SQLITE_ERROR);
  EXPECT_THAT(within.message, HasSubstr("transaction that has written"));
  TestConnection b(Path("a.db"));
  EXPECT_EQ(TryBackup(b, "copy.db").code, SQLITE_BUSY);
  a.Get("ROLLBACK");
  ExpectWhole("copy.db");
}

TEST_F(BackupTest, IsInterruptedByAProgressHandler) {
  TestConnection a(Path("a.db"));
  MakeDatabase(a, "wal");
  Backup(a, "copy.db");
  int calls = 0;
  sqlite3_progress_handler(
      a.db(), 100, [](void* n) { return ++*static_cast<int*>(n) > 5 ? 1 : 0; },
      &calls);
  EXPECT_EQ(TryBackup(a, "copy.db").code, SQLITE_INTERRUPT);
  EXPECT_GT(calls, 5);
  EXPECT_EQ(TryBackup(a, "new.db").code, SQLITE_INTERRUPT);
  sqlite3_progress_handler(a.db(), 0, nullptr, nullptr);
  EXPECT_FALSE(std::filesystem::exists(Path("new.db")));
  EXPECT_FALSE(std::filesystem::exists(Path("new.db-nori.next")));
  ExpectWhole("copy.db");
}

TEST_F(BackupTest, CopiesThatLostTheirDirectoryAreRefused) {
  TestConnection a(Path("a.db"));
  MakeDatabase(a, "delete");
  Backup(a, "copy.db");
  for (const char* from : {"a.db", "copy.db"}) {
    std::filesystem::copy_file(Path(from), Path("alone.db"));
    {
      TestConnection b(Path("alone.db"));
      const SqlResult result = b.Run("SELECT * FROM far");
      EXPECT_EQ(result.code, SQLITE_CANTOPEN);
      EXPECT_THAT(result.message, HasSubstr("nori_backup"));
      EXPECT_EQ(b.Get("SELECT count(*) FROM near"), "100");
    }
    std::filesystem::remove(Path("alone.db"));
  }
  // Nor does a file fit the directory of another backup of the same database.
  Backup(a, "second.db");
  std::filesystem::copy_file(Path("copy.db"), Path("second.db"),
                             std::filesystem::copy_options::overwrite_existing);
  TestConnection b(Path("second.db"));
  EXPECT_THAT(b.Run("SELECT * FROM far").message,
              HasSubstr("belongs to another database"));
}

TEST_F(BackupTest, BesideAWriterItIsOfOneMoment) {
  for (const char* mode : {"wal", "delete"}) {
    const std::string name = std::string(mode) + ".db";
    TestConnection a(Path(name));
    MakeDatabase(a, mode);
    sqlite3_busy_timeout(a.db(), 20000);
    const Writer writer(Path(name));
    for (int i = 0; i < 30; ++i) {
      const int before = writer.rounds();
      Backup(a, "copy.db");
      ExpectWhole("copy.db");
      while (writer.rounds() < before + 2) std::this_thread::yield();
    }
  }
}

// Killed at any moment, a backup leaves the source whole, and at its place the
// earlier backup, or the new one.
TEST_F(BackupTest, Killed) {
  {
    TestConnection a(Path("a.db"));
    MakeDatabase(a, "wal");
    Backup(a, "copy.db");
  }
  KillCopies(
      [this](TestConnection& a, const std::string& name) { Backup(a, name); },
      [this] {
        if (std::filesystem::exists(Path("new.db"))) ExpectWhole("new.db");
      });
}

}  // namespace
}  // namespace nori
