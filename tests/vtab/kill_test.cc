// Kills a writing process at random moments and looks at what it leaves behind.
//
// The writer and the reader that checks its work are this program again, each
// in a fresh process (see KillTestRole). The writer moves money between an
// ordinary table and a nori table, adds rows to a nori table alone, and tells
// the parent of each commit that has returned. After some kills the power fails
// as well: see sync_recorder.h.

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"
#include "tests/vtab/child_process.h"
#include "tests/vtab/module_fixture.h"
#include "tests/vtab/sync_recorder.h"

namespace nori {
namespace {

constexpr char kWriterPath[] = "NORI_KILL_TEST_WRITER";
constexpr char kWriterSeed[] = "NORI_KILL_TEST_SEED";
constexpr char kWriterRecords[] = "NORI_KILL_TEST_RECORDS";
constexpr char kCheckerPath[] = "NORI_KILL_TEST_CHECKER";
constexpr int kAccounts = 20;
constexpr int kStartBalance = 1000;

// The highest commit of each kind that the writer has reported, or that the
// checker has found. Commits of a kind are numbered from 1 without gaps.
struct Commits {
  uint64_t alone = 0;
  uint64_t mixed = 0;
};

std::string Schema(const std::string& journal) {
  return "PRAGMA journal_mode=" + journal +
         ";"
         "CREATE TABLE cash(id INTEGER PRIMARY KEY, balance INT);"
         "CREATE TABLE cash_log(n INTEGER PRIMARY KEY);"
         "CREATE VIRTUAL TABLE bank USING nori(id INTEGER PRIMARY KEY, balance "
         "INT, INDEX(balance DESC), memtable_bytes=65536);"
         "CREATE VIRTUAL TABLE bank_log USING nori(n INTEGER PRIMARY KEY, pad);"
         "CREATE VIRTUAL TABLE alone USING nori(n INT, part INT, pad, PRIMARY "
         "KEY(n, part), UNIQUE(part, n), INDEX(pad));"
         "BEGIN;"
         "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE "
         "i<" +
         std::to_string(kAccounts) + ") INSERT INTO cash SELECT i, " +
         std::to_string(kStartBalance) +
         " FROM c; INSERT INTO bank SELECT id, balance FROM cash; COMMIT;";
}

// One line per commit, and the pipe has it before the next begins. With
// synchronous = FULL the kind is a capital.
void Report(char kind, bool full, uint64_t number) {
  const std::string line = static_cast<char>(full ? kind - 'a' + 'A' : kind) +
                           std::to_string(number) + "\n";
  if (write(STDOUT_FILENO, line.data(), line.size()) !=
      static_cast<ssize_t>(line.size())) {
    _exit(3);
  }
}

void Must(TestConnection* connection, const std::string& sql) {
  const SqlResult result = connection->Run(sql);
  if (result.code == SQLITE_OK) return;
  std::fprintf(stderr, "%s: %s\n", sql.c_str(), result.message.c_str());
  _exit(4);
}

uint64_t NumberOf(TestConnection* connection, const std::string& sql) {
  return std::strtoull(connection->Get(sql).c_str(), nullptr, 10);
}

// A commit in autocommit that makes three rows at once.
void CommitAlone(TestConnection* connection, std::mt19937_64* random, bool full,
                 uint64_t number) {
  const std::string n = std::to_string(number);
  Must(connection, "INSERT INTO alone SELECT " + n + ", value, randomblob(" +
                       std::to_string((*random)() % 600) +
                       ") FROM (SELECT 1 AS value UNION SELECT 2 UNION SELECT "
                       "3)");
  Report('a', full, number);
}

// A transaction over both kinds of table; every fourth is rolled back, others
// roll back to a savepoint on their way.
void CommitMixed(TestConnection* connection, std::mt19937_64* random, bool full,
                 uint64_t* number) {
  const std::string n = std::to_string(*number + 1);
  const std::string from = std::to_string((*random)() % kAccounts + 1);
  const std::string to = std::to_string((*random)() % kAccounts + 1);
  const std::string amount = std::to_string((*random)() % 100);
  Must(connection, "BEGIN");
  if ((*random)() % 3 == 0) {
    Must(connection,
         "SAVEPOINT s; UPDATE bank SET balance = balance + 7; UPDATE cash SET "
         "balance = balance + 9; ROLLBACK TO s; RELEASE s");
  }
  Must(connection, "UPDATE cash SET balance = balance - " + amount +
                       " WHERE id = " + from +
                       "; UPDATE bank SET balance = balance + " + amount +
                       " WHERE id = " + to);
  Must(connection, "INSERT INTO cash_log VALUES(" + n +
                       "); INSERT INTO bank_log VALUES(" + n +
                       ", randomblob(200))");
  // An index comes and goes.
  if ((*random)() % 4 == 0) {
    Must(connection,
         "SELECT CASE WHEN EXISTS(SELECT 1 FROM nori_indexes WHERE name = "
         "'toggled') THEN nori_drop_index('bank_log', 'toggled') ELSE "
         "nori_create_index('bank_log', 'toggled', 'pad DESC') END");
  }
  if ((*random)() % 4 == 0) {
    Must(connection, "ROLLBACK");
    return;
  }
  Must(connection, "COMMIT");
  Report('m', full, ++*number);
}

[[noreturn]] void RunWriter(const char* path) {
  std::mt19937_64 random(NumberFromEnvironment(kWriterSeed, 0));
  const char* const records = std::getenv(kWriterRecords);
  if (records != nullptr) StartRecording(records);
  // Every other one through nori_copy, which is the default VFS once nori is
  // loaded.
  std::optional<TestConnection> loader;
  if (random() % 2 == 0) loader.emplace(":memory:");
  TestConnection connection(path);
  Must(&connection,
       "PRAGMA synchronous=FULL; PRAGMA busy_timeout=10000;"
       "PRAGMA wal_autocheckpoint=" +
           std::to_string(10 + random() % 200));
  bool full = true;
  uint64_t alone =
      NumberOf(&connection, "SELECT coalesce(max(n), 0) FROM alone");
  uint64_t mixed =
      NumberOf(&connection, "SELECT coalesce(max(n), 0) FROM cash_log");
  for (;;) {
    if (records != nullptr && random() % 10 == 0) {
      full = random() % 8 == 0;
      Must(&connection,
           full ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
    }
    if (random() % 2 == 0) {
      CommitAlone(&connection, &random, full, ++alone);
    } else {
      CommitMixed(&connection, &random, full, &mixed);
    }
    if (random() % (records != nullptr ? 20 : 100) == 0) {
      Must(&connection, "SELECT nori_flush()");
    }
  }
}

// Prints what is wrong, or "ok <alone> <mixed>".
[[noreturn]] void RunChecker(const char* path) {
  {
    TestConnection connection(path);
    const auto check = [&](const char* sql, const std::string& wanted) {
      const std::string found = connection.Get(sql);
      if (found != wanted) {
        std::printf("%s gives %s instead of %s\n", sql, found.c_str(),
                    wanted.c_str());
      }
    };
    check(
        "SELECT count(*) FROM (SELECT n FROM alone GROUP BY n HAVING "
        "count(*) <> 3)",
        "0");
    check("SELECT coalesce(max(n), 0) * 3 = count(*) FROM alone", "1");
    check(
        "SELECT count(*) FROM (SELECT n FROM cash_log EXCEPT SELECT n FROM "
        "bank_log)",
        "0");
    check(
        "SELECT count(*) FROM (SELECT n FROM bank_log EXCEPT SELECT n FROM "
        "cash_log)",
        "0");
    check("SELECT coalesce(max(n), 0) = count(*) FROM cash_log", "1");
    check(
        "SELECT (SELECT sum(balance) FROM cash) + (SELECT sum(balance) FROM "
        "bank)",
        std::to_string(2 * kAccounts * kStartBalance));
    check("PRAGMA integrity_check", "'ok'");
    check("SELECT nori_verify()", "'ok'");
    std::printf(
        "ok %s %s\n",
        connection.Get("SELECT coalesce(max(n), 0) FROM alone").c_str(),
        connection.Get("SELECT coalesce(max(n), 0) FROM cash_log").c_str());
  }
  std::fflush(stdout);
  _exit(testing::Test::HasFailure() ? 5 : 0);
}

// Takes the place of the tests in the processes that the test starts.
const bool kill_test_role = [] {
  if (const char* path = std::getenv(kWriterPath)) RunWriter(path);
  if (const char* path = std::getenv(kCheckerPath)) RunChecker(path);
  return false;
}();

struct Reports {
  Commits all;
  Commits promised;  // up to the last one with FULL
};

// Kills after `micros`, counted from the first report or, so that recovery is
// hit too, from the start. Records in `records` if it is not empty.
Reports WriteUntilKilled(const std::string& path, const std::string& records,
                         uint64_t seed, bool while_opening, uint64_t micros) {
  std::vector<std::string> variables{
      std::string(kWriterPath) + "=" + path,
      std::string(kWriterSeed) + "=" + std::to_string(seed)};
  if (!records.empty()) {
    variables.push_back(std::string(kWriterRecords) + "=" + records);
  }
  const Child child = StartChild(variables);
  std::string first;
  if (!while_opening) {
    first.resize(1);
    EXPECT_EQ(read(child.output, first.data(), 1), 1) << "the writer failed";
  }
  std::this_thread::sleep_for(std::chrono::microseconds(micros));
  kill(child.pid, SIGKILL);
  int status = 0;
  EXPECT_EQ(waitpid(child.pid, &status, 0), child.pid);
  EXPECT_TRUE(WIFSIGNALED(status)) << "the writer ended by itself: " << status;
  const std::string reports = first + ReadAll(child.output);
  Reports commits;
  size_t begin = 0;
  for (size_t end; (end = reports.find('\n', begin)) != std::string::npos;
       begin = end + 1) {
    const char kind = reports[begin];
    const uint64_t number =
        std::strtoull(reports.c_str() + begin + 1, nullptr, 10);
    (kind == 'a' || kind == 'A' ? commits.all.alone : commits.all.mixed) =
        number;
    // Commits are one sequence: a promise is one for all before it.
    if (kind == 'A' || kind == 'M') commits.promised = commits.all;
  }
  return commits;
}

Commits Check(const std::string& path) {
  const Child child = StartChild({std::string(kCheckerPath) + "=" + path});
  const std::string said = ReadAll(child.output);
  int status = 0;
  EXPECT_EQ(waitpid(child.pid, &status, 0), child.pid);
  EXPECT_EQ(status, 0);
  Commits commits;
  EXPECT_EQ(said.rfind("ok ", 0), 0u) << said;
  char* rest = nullptr;
  if (said.size() > 3) {
    commits.alone = std::strtoull(said.c_str() + 3, &rest, 10);
    commits.mixed = std::strtoull(rest, nullptr, 10);
  }
  return commits;
}

class KillTest : public ModuleTest,
                 public ::testing::WithParamInterface<const char*> {};

TEST_P(KillTest, EveryAcknowledgedCommitIsWholeInBothStores) {
  const uint64_t seed = NumberFromEnvironment("NORI_TEST_SEED", time(nullptr));
  const uint64_t kills = NumberFromEnvironment("NORI_TEST_KILLS", 10);
  std::printf("NORI_TEST_SEED=%llu NORI_TEST_KILLS=%llu\n",
              static_cast<unsigned long long>(seed),
              static_cast<unsigned long long>(kills));
  std::mt19937_64 random(seed);
  const std::string path = Path("kill.db");
  {
    TestConnection connection(path);
    connection.Get(Schema(GetParam()));
  }
  Commits before;
  for (uint64_t i = 0; i < kills && !HasFailure(); ++i) {
    SCOPED_TRACE("kill " + std::to_string(i));
    const bool while_opening = random() % 4 == 0;
    const Commits reported =
        WriteUntilKilled(path, "", random(), while_opening,
                         random() % (while_opening ? 40000 : 300000))
            .all;
    const Commits found = Check(path);
    // One more of each kind may have been committed and not yet reported.
    EXPECT_GE(found.alone, std::max(before.alone, reported.alone));
    EXPECT_GE(found.mixed, std::max(before.mixed, reported.mixed));
    EXPECT_LE(found.alone + found.mixed,
              std::max(before.alone, reported.alone) +
                  std::max(before.mixed, reported.mixed) + 1);
    before = found;
  }
  std::printf("%llu commits of nori tables alone, %llu mixed\n",
              static_cast<unsigned long long>(before.alone),
              static_cast<unsigned long long>(before.mixed));
}

// Killed once or more, each time opened anew without a look at it, then the
// power fails: both stores agree, and what FULL promised is there.
TEST_P(KillTest, BothStoresAgreeAfterAPowerFailure) {
  const uint64_t seed = NumberFromEnvironment("NORI_TEST_SEED", time(nullptr));
  const uint64_t crashes =
      std::min<uint64_t>(NumberFromEnvironment("NORI_TEST_CRASHES", 20), 500);
  std::printf("NORI_TEST_SEED=%llu NORI_TEST_CRASHES=%llu\n",
              static_cast<unsigned long long>(seed),
              static_cast<unsigned long long>(crashes));
  std::mt19937_64 random(seed);
  const std::string directory = Path("store");
  const std::string records = Path("records");
  std::filesystem::create_directory(directory);
  const std::string path = directory + "/power.db";
  {
    TestConnection connection(path);
    connection.Get(Schema(GetParam()));
  }
  Commits before;
  uint64_t lost = 0;
  for (uint64_t i = 0; i < crashes && !HasFailure(); ++i) {
    SCOPED_TRACE("power failure " + std::to_string(i));
    RecordAsDurable(directory, records);
    Commits promised = before;
    Commits most = before;
    const uint64_t kills = 1 + random() % 3;
    for (uint64_t k = 0; k < kills; ++k) {
      const bool while_opening = random() % 3 == 0;
      const Reports reported = WriteUntilKilled(
          path, records, random(), while_opening, random() % 60000);
      promised.alone = std::max(promised.alone, reported.promised.alone);
      promised.mixed = std::max(promised.mixed, reported.promised.mixed);
      // One more may have been committed and not reported.
      most.alone = std::max(most.alone, reported.all.alone) + 1;
      most.mixed = std::max(most.mixed, reported.all.mixed) + 1;
    }
    LosePower(directory, records, &random);
    const Commits found = Check(path);
    EXPECT_GE(found.alone, promised.alone);
    EXPECT_GE(found.mixed, promised.mixed);
    EXPECT_LE(found.alone, most.alone);
    EXPECT_LE(found.mixed, most.mixed);
    if (found.alone + found.mixed + 2 * kills < most.alone + most.mixed) ++lost;
    before = found;
  }
  std::printf("%llu of %llu power failures lost commits\n",
              static_cast<unsigned long long>(lost),
              static_cast<unsigned long long>(crashes));
}

INSTANTIATE_TEST_SUITE_P(JournalModes, KillTest,
                         ::testing::Values("WAL", "DELETE"),
                         [](const auto& param_info) {
                           return param_info.param;
                         });

}  // namespace
}  // namespace nori
