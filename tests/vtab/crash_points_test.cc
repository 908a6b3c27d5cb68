// Stops a process at every point where it changes or syncs a file of the
// database or of its engine, and looks at what a kill, and what power failures
// at that moment, leave of transactions over both kinds of table.
//
// The writer is this program again. It runs the same steps every time and is
// killed before its n-th change of a file or directory (see sync_recorder.h),
// counted from the opening of the database; n goes from 1 until the steps
// end. After each the ordinary tables and the nori tables must together be as
// they were after one and the same step: the last one that was reported or the
// one after it; with synchronous = NORMAL and a power failure, an earlier one.
//
// NORI_TEST_CRASH_STRIDE=n takes only every n-th point.

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "gtest/gtest.h"
#include "tests/vtab/child_process.h"
#include "tests/vtab/module_fixture.h"
#include "tests/vtab/sync_recorder.h"

namespace nori {
namespace {

namespace fs = std::filesystem;

constexpr char kWriterPath[] = "NORI_CRASH_TEST_WRITER";
constexpr char kWriterRecords[] = "NORI_CRASH_TEST_RECORDS";
constexpr char kWriterStop[] = "NORI_CRASH_TEST_STOP";
constexpr char kWriterLevel[] = "NORI_CRASH_TEST_LEVEL";

// In the place of a journal mode: the VFS nori, where the options of the engine
// are not a table's to give.
constexpr char kPages[] = "nori";
constexpr char kTableInPages[] =
    "CREATE VIRTUAL TABLE t USING nori(id INTEGER PRIMARY KEY, v);";
constexpr char kTableWithOptions[] =
    "CREATE VIRTUAL TABLE t USING nori(id INTEGER PRIMARY KEY, v, "
    "memtable_bytes = 65536, transaction_spill_bytes = 4096, "
    "sync_interval_ms = 3600000);";
constexpr char kSetup[] =
    "CREATE TABLE c(id INTEGER PRIMARY KEY, v);"
    "CREATE VIRTUAL TABLE k USING nori(name TEXT PRIMARY KEY, v);"
    "CREATE VIRTUAL TABLE victim USING nori(a);"
    "INSERT INTO c VALUES(1, 'c1'), (2, 'c2');"
    "INSERT INTO t VALUES(1, 't1'), (2, 't2');"
    "INSERT INTO k VALUES('one', 1), ('two', 2);"
    "INSERT INTO victim VALUES('v1'), ('v2');"
    "SELECT nori_flush();"
    "INSERT INTO k VALUES('three', 3);";

// Steps that change only ordinary tables (a CREATE writes no row): how durable
// they are is SQLite's affair alone. With a rollback journal FULL does not wait
// for the journal's removal, which commits.
bool IsOfTheHostAlone(const std::string& step) {
  return step.rfind("CREATE", 0) == 0;
}

constexpr const char* kSteps[] = {
    "BEGIN; INSERT INTO c VALUES(10, 'a'); INSERT INTO t VALUES(10, 'a');"
    "UPDATE k SET v = v + 1; COMMIT",
    // nori tables alone
    "INSERT INTO t VALUES(11, 'alone')",
    "BEGIN; UPDATE t SET v = v || '+'; INSERT INTO c VALUES(12, 'b');"
    "SAVEPOINT s; DELETE FROM t; DELETE FROM c; ROLLBACK TO s;"
    "INSERT INTO t VALUES(12, 'b'); RELEASE s; SAVEPOINT s2;"
    "INSERT INTO k VALUES('lost', 0); ROLLBACK TO s2; COMMIT",
    "BEGIN; CREATE VIRTUAL TABLE made USING nori(a, b);"
    "INSERT INTO made VALUES(1, 2); CREATE TABLE made_plain(x);"
    "INSERT INTO made_plain VALUES(1); COMMIT",
    "CREATE VIRTUAL TABLE made_alone USING nori(a)",
    "BEGIN; ALTER TABLE made RENAME TO made2; INSERT INTO made2 VALUES(3, 4);"
    "ALTER TABLE made_plain RENAME TO made_plain2;"
    "INSERT INTO made_plain2 VALUES(2); COMMIT",
    "SELECT nori_snapshot('s')",
    "BEGIN; DROP TABLE victim; INSERT INTO c VALUES(13, 'c');"
    "INSERT INTO t VALUES(13, 'c'); COMMIT",
    "SELECT nori_flush()",
    "BEGIN; INSERT INTO c VALUES(14, 'd'); INSERT INTO t VALUES(14, 'd');"
    "DROP TABLE made2; CREATE VIRTUAL TABLE never USING nori(a); ROLLBACK",
    "DROP TABLE made_alone",
    // so large that the engine's part goes to tables of its own
    "BEGIN; WITH RECURSIVE i(n) AS (SELECT 100 UNION ALL SELECT n + 1 FROM i "
    "WHERE n < 120) INSERT INTO t SELECT n, hex(zeroblob(150)) FROM i;"
    "INSERT INTO c SELECT id, length(v) FROM t WHERE id > 110; COMMIT",
    "BEGIN; SELECT nori_truncate('k'); DELETE FROM c; COMMIT",
    // the trigger makes of one statement in autocommit one over both
    "CREATE TRIGGER tr AFTER INSERT ON c BEGIN INSERT INTO k "
    "VALUES(new.v, new.id); END",
    "INSERT INTO c VALUES(20, 'e')",
    "SELECT nori_release('s')",
    "BEGIN; UPDATE c SET v = 'last'; DELETE FROM t WHERE id < 118; COMMIT",
};

std::atomic<uint64_t> changes{0};
std::atomic<uint64_t> stop_at{0};  // 0: nowhere

int BeforeChange(const char*) {
  if (stop_at == 0 || ++changes != stop_at) return 0;
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

// What a store holds. Snapshots have a part of their own: they are durable at
// once, whatever transactions a power failure takes back.
struct Content {
  std::string tables;
  std::string snapshots;  // their names, and t as of each
};

std::string RowsOf(TestConnection* connection, const std::string& query) {
  const SqlResult rows = connection->Run("SELECT " + query);
  EXPECT_EQ(rows.code, SQLITE_OK) << query << ": " << rows.message;
  std::string text;
  for (const std::string& row : rows.rows) text += row + ";";
  return text;
}

Content ContentOf(TestConnection* connection) {
  Content content;
  const SqlResult names = connection->Run(
      "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> "
      "'nori_state' ORDER BY name");
  EXPECT_EQ(names.code, SQLITE_OK) << names.message;
  for (const std::string& quoted : names.rows) {
    const std::string name = quoted.substr(1, quoted.size() - 2);
    content.tables += name + ":" + RowsOf(connection, "* FROM " + name);
  }
  content.snapshots =
      RowsOf(connection, "name FROM nori_snapshots") +
      RowsOf(connection,
             "* FROM t WHERE nori_snapshot IN (SELECT name FROM "
             "nori_snapshots)");
  return content;
}

[[noreturn]] void RunWriter(const char* path) {
  SkipSyncs();
  StartRecording(std::getenv(kWriterRecords));
  SetBeforeChange(BeforeChange);
  const uint64_t stop = NumberFromEnvironment(kWriterStop, 0);
  stop_at = stop;
  {
    // Every other one through nori_copy, which is the default VFS once nori is
    // loaded, as the VFS `nori` is there then.
    std::optional<TestConnection> loader;
    if (stop % 2 == 1 || std::strncmp(path, "file:", 5) == 0) {
      loader.emplace(":memory:");
    }
    TestConnection connection(path);
    connection.Get(std::string("PRAGMA synchronous = ") +
                   std::getenv(kWriterLevel));
    for (const char* step : kSteps) {
      const SqlResult result = connection.Run(step);
      if (result.code != SQLITE_OK) {
        std::printf("%s: %s\n", step, result.message.c_str());
        std::fflush(stdout);
        _exit(4);
      }
      // A dry run tells what there is after each step.
      const Content content =
          stop == 0 ? ContentOf(&connection) : Content{"", ""};
      std::printf("%s\t%s\n", content.tables.c_str(),
                  content.snapshots.c_str());
      std::fflush(stdout);
    }
    if (stop != 0) stop_at = 0;
  }
  _exit(testing::Test::HasFailure() ? 5 : 0);
}

// Takes the place of the tests in the processes that the test starts.
const bool crash_test_role = [] {
  if (const char* path = std::getenv(kWriterPath)) RunWriter(path);
  return false;
}();

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  size_t begin = 0;
  for (size_t end; (end = text.find('\n', begin)) != std::string::npos;
       begin = end + 1) {
    lines.push_back(text.substr(begin, end - begin));
  }
  return lines;
}

// Journal mode and synchronous.
class CrashPoints : public ModuleTest,
                    public ::testing::WithParamInterface<
                        std::tuple<const char*, const char*>> {
 protected:
  CrashPoints() : base_(MakeBase()) {}
  ~CrashPoints() override { fs::remove_all(base_); }

  // In memory, where there is room for it: nothing here needs a disk.
  static std::string MakeBase() {
    std::error_code error;
    const fs::space_info space = fs::space("/dev/shm", error);
    const bool fits = !error && space.available > (uint64_t{256} << 20);
    std::string name =
        std::string(fits ? "/dev/shm" : fs::temp_directory_path().string()) +
        "/nori_crash_XXXXXX";
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    return name;
  }

  std::string In(const std::string& name) const { return base_ + "/" + name; }
  // The database in `directory`, as SQLite opens it.
  std::string Database(const std::string& directory) const {
    const std::string path = In(directory) + "/a.db";
    return IsInPages() ? InVfsNori(path) : path;
  }
  static bool IsInPages() {
    return std::get<0>(GetParam()) == std::string(kPages);
  }

  // What the writer printed; *status as waitpid gives it.
  std::string Write(uint64_t stop, int* status) {
    fs::remove_all(In("work"));
    fs::copy(In("pristine"), In("work"), fs::copy_options::recursive);
    RecordAsDurable(In("work"), In("records"));
    const Child child =
        StartChild({std::string(kWriterPath) + "=" + Database("work"),
                    std::string(kWriterRecords) + "=" + In("records"),
                    std::string(kWriterStop) + "=" + std::to_string(stop),
                    std::string(kWriterLevel) + "=" + std::get<1>(GetParam())});
    std::string printed = ReadAll(child.output);
    EXPECT_EQ(waitpid(child.pid, status, 0), child.pid);
    return printed;
  }

  // Opens the store in `directory`: its tables must be as in a state from
  // `first` on, its snapshots as in one from `reported` on, neither later than
  // the one after it. It must be sound, and take another transaction.
  void Check(const std::string& directory, const std::string& what,
             size_t first, size_t reported) {
    ++checks_;
    const auto is_in = [&](size_t from, std::string Content::*part,
                           const std::string& found) {
      const size_t end = std::min(reported + 2, states_.size());
      return std::any_of(
          states_.begin() + static_cast<ptrdiff_t>(from),
          states_.begin() + static_cast<ptrdiff_t>(end),
          [&](const Content& state) { return state.*part == found; });
    };
    {
      TestConnection connection(Database(directory));
      const Content found = ContentOf(&connection);
      EXPECT_TRUE(is_in(first, &Content::tables, found.tables))
          << what << ": " << found.tables;
      EXPECT_TRUE(is_in(reported, &Content::snapshots, found.snapshots))
          << what << ": " << found.snapshots;
      EXPECT_EQ(connection.Get("PRAGMA integrity_check"), "'ok'") << what;
      EXPECT_EQ(connection.Get("SELECT nori_verify()"), "'ok'") << what;
      connection.Get(
          "BEGIN; INSERT INTO c VALUES(9999, 'after'); INSERT INTO t "
          "VALUES(9999, 'after'); COMMIT");
    }
    TestConnection connection(Database(directory));
    EXPECT_EQ(connection.Get("SELECT c.id FROM c JOIN t ON t.id = c.id WHERE "
                             "t.v = 'after' AND c.v = 'after'"),
              "9999")
        << what;
  }

  // The state up to which a power failure may take back what was reported.
  static size_t FirstPromised(size_t reported) {
    const auto [journal, level] = GetParam();
    if (std::string(level) != "FULL") return 0;
    if (IsInPages()) return reported;
    size_t first = reported;
    while (std::string(journal) != "wal" && first > 0 &&
           IsOfTheHostAlone(kSteps[first - 1])) {
      --first;
    }
    return first;
  }

  void CheckPowerFailures(uint64_t point, size_t reported) {
    const auto is_host = [](const std::string& path) {
      return path.find("a.db-nori") == std::string::npos;
    };
    const std::string left = In("left");
    std::mt19937_64 random(point);
    const std::map<std::string,
                   std::function<Survives(const std::string& path)>>
        kinds{{"both lose what is unsynced",
               [](const std::string&) { return Survives::kSynced; }},
              {"the database loses what is unsynced",
               [&](const std::string& path) {
                 return is_host(path) ? Survives::kSynced : Survives::kWritten;
               }},
              {"the engine loses what is unsynced",
               [&](const std::string& path) {
                 return is_host(path) ? Survives::kWritten : Survives::kSynced;
               }},
              {"some blocks survive",
               [](const std::string&) { return Survives::kSome; }}};
    for (const auto& [what, survives] : kinds) {
      fs::remove_all(left);
      CopyAfterPowerLoss(In("work"), In("records"), left, survives, &random);
      Check("left", what, FirstPromised(reported), reported);
    }
  }

  uint64_t checks() const { return checks_; }

  std::vector<Content> states_;  // at first, and after each step

 private:
  const std::string base_;
  uint64_t checks_ = 0;
};

TEST_P(CrashPoints, BothStoresAgreeAfterEach) {
  const auto [journal, level] = GetParam();
  const uint64_t stride = NumberFromEnvironment("NORI_TEST_CRASH_STRIDE", 1);
  SkipSyncs();
  fs::create_directory(In("pristine"));
  {
    TestConnection connection(Database("pristine"));
    if (!IsInPages()) {
      connection.Get(std::string("PRAGMA journal_mode = ") + journal);
    }
    connection.Get(IsInPages() ? kTableInPages : kTableWithOptions);
    connection.Get(kSetup);
    states_.push_back(ContentOf(&connection));
  }
  int status = 0;
  const std::string dry_run = Write(/*stop=*/0, &status);
  ASSERT_EQ(status, 0) << dry_run;
  for (const std::string& state : Lines(dry_run)) {
    const size_t tab = state.find('\t');
    ASSERT_NE(tab, std::string::npos);
    states_.push_back({state.substr(0, tab), state.substr(tab + 1)});
  }
  ASSERT_EQ(states_.size(), std::size(kSteps) + 1);

  uint64_t points = 0;
  uint64_t done = 0;
  for (uint64_t point = 1; !HasFailure(); point += stride) {
    SCOPED_TRACE("point " + std::to_string(point));
    const size_t reported = Lines(Write(point, &status)).size();
    if (!WIFSIGNALED(status)) {
      ASSERT_EQ(status, 0);
      ASSERT_EQ(reported, std::size(kSteps));
      points = point - 1;
      break;
    }
    ++done;
    // The power failures first: they look at a copy.
    CheckPowerFailures(point, reported);
    fs::rename(In("work"), In("killed"));
    Check("killed", "kill", reported, reported);
    fs::remove_all(In("killed"));
  }
  std::printf("%s, %s: %llu points, %llu of them tried, %llu states checked\n",
              journal, level, static_cast<unsigned long long>(points),
              static_cast<unsigned long long>(done),
              static_cast<unsigned long long>(checks()));
  // In vfs=nori most commits are one write to the log.
  EXPECT_GT(points, std::size(kSteps) * (IsInPages() ? 1 : 3));
}

INSTANTIATE_TEST_SUITE_P(
    Modes, CrashPoints,
    ::testing::Combine(::testing::Values("delete", "truncate", "persist", "wal",
                                         kPages),
                       ::testing::Values("FULL", "NORMAL")),
    [](const auto& param_info) {
      return std::string(std::get<0>(param_info.param)) +
             std::get<1>(param_info.param);
    });

}  // namespace
}  // namespace nori
