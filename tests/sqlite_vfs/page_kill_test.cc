// Kills a process that writes ordinary tables in a database of the VFS `nori`
// at random moments, and looks at what it leaves behind. The writer is this
// program again.
//
// NORI_TEST_KILLS sets the number of kills, NORI_TEST_SEED the seed.

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <thread>

#include "tests/engine/core/engine_fixture.h"
#include "tests/sqlite_vfs/page_fixture.h"
#include "tests/vtab/child_process.h"

namespace nori {
namespace {

constexpr char kWriterUri[] = "NORI_PAGE_KILL_TEST_URI";
constexpr char kWriterSeed[] = "NORI_PAGE_KILL_TEST_SEED";

constexpr char kSchema[] =
    "PRAGMA auto_vacuum=INCREMENTAL;"
    "CREATE TABLE log(n INTEGER PRIMARY KEY, pad);"
    "CREATE TABLE rows(n INT, part INT, pad, PRIMARY KEY(n, part)) WITHOUT "
    "ROWID;"
    "CREATE INDEX pads ON rows(pad);"
    "CREATE TABLE cash(id INTEGER PRIMARY KEY, balance INT);"
    "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE i<20) "
    "INSERT INTO cash SELECT i, 1000 FROM c;";

void Must(TestConnection* connection, const std::string& sql) {
  const SqlResult result = connection->Run(sql);
  if (result.code == SQLITE_OK) return;
  std::fprintf(stderr, "%s: %s\n", sql.c_str(), result.message.c_str());
  _exit(4);
}

std::string Transaction(std::mt19937_64* random, uint64_t number) {
  const auto draw = [random](uint64_t n) {
    return std::to_string((*random)() % n);
  };
  const std::string n = std::to_string(number);
  std::string sql = "BEGIN;";
  if ((*random)() % 3 == 0) {
    sql +=
        "SAVEPOINT s; UPDATE rows SET pad = pad || 'x'; DELETE FROM log; "
        "ROLLBACK TO s; RELEASE s;";
  }
  const std::string amount = draw(100);
  sql += "UPDATE cash SET balance = balance - " + amount + " WHERE id = 1+" +
         draw(20) + "; UPDATE cash SET balance = balance + " + amount +
         " WHERE id = 1+" + draw(20) + "; INSERT INTO log VALUES(" + n +
         ", randomblob(" + draw(20000) + "));";
  for (int part = 1; part <= 3; ++part) {
    sql += "INSERT INTO rows VALUES(" + n + ", " + std::to_string(part) +
           ", hex(randomblob(" + draw(300) + ")));";
  }
  switch ((*random)() % 8) {
    case 0:
      sql += "DROP INDEX IF EXISTS other;";
      break;
    case 1:
      sql += "CREATE INDEX IF NOT EXISTS other ON rows(part, pad);";
      break;
    case 2:
      sql += "UPDATE log SET pad = NULL WHERE n < " + n + " - 50;";
      break;
    default:
      break;
  }
  return sql;
}

[[noreturn]] void RunWriter(const char* uri) {
  std::mt19937_64 random(NumberFromEnvironment(kWriterSeed, 0));
  TestConnection loader(":memory:");
  TestConnection connection(uri);
  Must(&connection, "PRAGMA cache_size=3");
  uint64_t number = std::strtoull(
      connection.Get("SELECT coalesce(max(n), 0) FROM log").c_str(), nullptr,
      10);
  for (;;) {
    if (random() % 50 == 0) Must(&connection, "VACUUM");
    if (random() % 10 == 0) Must(&connection, "PRAGMA incremental_vacuum(9)");
    if (random() % 20 == 0) Must(&connection, "PRAGMA nori_flush");
    if (random() % 4 == 0) {
      Must(&connection, Transaction(&random, number + 1) + "ROLLBACK");
    }
    Must(&connection, Transaction(&random, number + 1) + "COMMIT");
    const std::string line = std::to_string(++number) + "\n";
    if (write(STDOUT_FILENO, line.data(), line.size()) !=
        static_cast<ssize_t>(line.size())) {
      _exit(3);
    }
  }
}

// Takes the place of the tests in the processes that the test starts.
const bool page_kill_test_role = [] {
  if (const char* uri = std::getenv(kWriterUri)) RunWriter(uri);
  return false;
}();

class PageKillTest : public PageVfsTest {
 protected:
  // The last commit that the writer has reported. It is killed `micros` after
  // its first report or, so that recovery is hit too, after its start.
  uint64_t WriteUntilKilled(uint64_t seed, bool while_opening,
                            uint64_t micros) {
    const Child child =
        StartChild({std::string(kWriterUri) + "=" + Uri(),
                    std::string(kWriterSeed) + "=" + std::to_string(seed)});
    std::string reports;
    if (!while_opening) {
      reports.resize(1);
      EXPECT_EQ(read(child.output, reports.data(), 1), 1)
          << "the writer failed";
    }
    std::this_thread::sleep_for(std::chrono::microseconds(micros));
    kill(child.pid, SIGKILL);
    reports += ReadAll(child.output);
    int status = 0;
    EXPECT_EQ(waitpid(child.pid, &status, 0), child.pid);
    EXPECT_TRUE(WIFSIGNALED(status)) << "the writer ended itself: " << status;
    const size_t end = reports.rfind('\n');
    if (end == std::string::npos) return 0;
    const size_t line = reports.rfind('\n', end - 1);
    return std::strtoull(
        reports.c_str() + (line == std::string::npos ? 0 : line + 1), nullptr,
        10);
  }

  // The commits found, which must be whole.
  uint64_t Check() {
    const auto db = Open();
    EXPECT_EQ(db->Get("PRAGMA integrity_check"), "'ok'");
    EXPECT_EQ(db->Get("SELECT sum(balance) FROM cash"), "20000");
    EXPECT_EQ(db->Get("SELECT coalesce(max(n), 0) = count(*) FROM log"), "1");
    EXPECT_EQ(db->Get("SELECT count(*) FROM (SELECT n, count(*) AS parts FROM "
                      "rows GROUP BY n) WHERE parts <> 3"),
              "0");
    EXPECT_EQ(db->Get("SELECT count(DISTINCT n) FROM rows"),
              db->Get("SELECT count(*) FROM log"));
    const uint64_t found =
        std::strtoull(db->Get("SELECT count(*) FROM log").c_str(), nullptr, 10);
    // Kept small, so that thousands of kills stay quick.
    if (found > 2000) {
      db->Get("BEGIN; DELETE FROM log; DELETE FROM rows; COMMIT; VACUUM");
    }
    return found;
  }
};

TEST_F(PageKillTest, AcknowledgedCommitsAreThereAndWhole) {
  const uint64_t seed = TestSeed(5);
  const uint64_t kills = EnvOr("NORI_TEST_KILLS", 8);
  std::mt19937_64 random(seed);
  Open()->Get(kSchema);
  uint64_t before = 0;
  uint64_t commits = 0;
  for (uint64_t i = 0; i < kills && !HasFailure(); ++i) {
    SCOPED_TRACE("kill " + std::to_string(i));
    const bool while_opening = random() % 4 == 0;
    const uint64_t reported = WriteUntilKilled(
        random(), while_opening, random() % (while_opening ? 40000 : 200000));
    const uint64_t found = Check();
    // One more may have been committed and not yet reported.
    EXPECT_GE(found, std::max(before, reported));
    EXPECT_LE(found, std::max(before, reported) + 1);
    commits += found - before;
    before = found > 2000 ? 0 : found;
  }
  std::printf("%llu kills, %llu commits\n",
              static_cast<unsigned long long>(kills),
              static_cast<unsigned long long>(commits));
  EXPECT_GT(commits, 0u);
}

}  // namespace
}  // namespace nori
