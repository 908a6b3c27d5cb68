// An ordinary and a nori table whose balances add up to a constant, and a
// thread that moves money between them: what a copy of the database must be
// seen by.

#ifndef NORI_TESTS_VTAB_BALANCES_H_
#define NORI_TESTS_VTAB_BALANCES_H_

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <string>
#include <thread>

#include "tests/vtab/module_fixture.h"

namespace nori {

inline constexpr char kBalances[] =
    "SELECT (SELECT sum(balance) FROM near) + (SELECT sum(balance) FROM far)";

// Copies main to main by the backup API, `step` pages at a time. The last
// result code.
inline int CopyPages(TestConnection& from, TestConnection& to, int step) {
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

class BalancesTest : public ModuleTest {
 protected:
  // Two tables whose balances add up to 20000.
  static void MakeDatabase(TestConnection& a, const std::string& journal_mode) {
    a.Get("PRAGMA journal_mode = " + journal_mode);
    a.Get(
        "CREATE TABLE near(id INTEGER PRIMARY KEY, balance);"
        "CREATE VIRTUAL TABLE far USING nori(id INTEGER PRIMARY KEY, balance, "
        "memtable_bytes = '16KiB');"
        "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE "
        "i < 100) INSERT INTO near SELECT i, 100 FROM c;"
        "INSERT INTO far SELECT * FROM near");
  }
  // Everything of a copy.
  void ExpectWhole(const std::string& name) {
    TestConnection b(Path(name));
    EXPECT_EQ(b.Get(kBalances), "20000") << name;
    EXPECT_EQ(b.Get("SELECT count(*) FROM far"), "100") << name;
    EXPECT_EQ(b.Get("SELECT nori_verify()"), "'ok'") << name;
    EXPECT_EQ(b.Get("PRAGMA integrity_check"), "'ok'") << name;
  }
  // Kills processes that change a.db and copy it to copy.db and new.db in turn
  // by copy(connection, name), at any moment. Then a.db and the copy.db that
  // was there before are whole, and check() looks at new.db.
  template <typename Copy, typename Check>
  void KillCopies(Copy copy, Check check) {
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
          copy(a, n % 2 == 0 ? "copy.db" : "new.db");
        }
      }
      usleep(static_cast<useconds_t>(5000 + i * 7919 % 60000));
      kill(child, SIGKILL);
      waitpid(child, nullptr, 0);
      ExpectWhole("a.db");
      ExpectWhole("copy.db");
      check();
    }
  }
};

// Moves money between the tables, and within each, until it is stopped.
class Writer {
 public:
  explicit Writer(const std::string& path)
      : thread_([this, path] {
          TestConnection w(path);
          sqlite3_busy_timeout(w.db(), 20000);
          for (int i = 0; !stop_; ++i) {
            const std::string id = std::to_string(i % 100 + 1);
            w.Run(
                "BEGIN IMMEDIATE; UPDATE far SET balance = balance - 1 WHERE "
                "id = " +
                id +
                "; UPDATE near SET balance = balance + 1 "
                "WHERE id = " +
                id + "; COMMIT");
            w.Run(
                "UPDATE far SET balance = balance + (id = 1) - (id = 2) "
                "WHERE id < 3");
            ++rounds_;
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
          }
        }) {}
  ~Writer() {
    stop_ = true;
    thread_.join();
  }
  int rounds() const { return rounds_; }

 private:
  std::atomic<bool> stop_{false};
  std::atomic<int> rounds_{0};
  std::thread thread_;
};

}  // namespace nori

#endif  // NORI_TESTS_VTAB_BALANCES_H_
