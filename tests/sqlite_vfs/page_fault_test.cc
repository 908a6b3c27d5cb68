// Every call on the disk fails once, or from then on, or finds no space: the
// statement gives SQLITE_FULL or an error of I/O, the database is as it was
// before the transaction, can be read, and takes the next one.
//
// NORI_TEST_CRASH_STRIDE: every how many-th call is tried.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/io/fault_file_system.h"
#include "engine/io/memory_file_system.h"
#include "tests/engine/core/engine_fixture.h"
#include "tests/sqlite_vfs/memory_pages.h"
#include "tests/sqlite_vfs/workload.h"

namespace nori {
namespace {

struct FaultCase {
  const char* name;
  IoOperationSet operations;
  absl::StatusCode code;
  bool from_then_on;
  int result;  // primary code of what SQLite reports
};

class FaultRun {
 public:
  FaultRun(const FaultCase& kind, uint64_t nth, uint64_t seed)
      : kind_(kind),
        nth_(nth),
        seed_(seed),
        workload_(seed),
        faults_(&disk_, nth) {}

  // False if the fault hit nothing.
  bool Run() {
    {
      MemoryPages pages(&faults_, seed_);
      TestConnection connection(pages.Uri(), /*load=*/false);
      for (const std::string& sql : workload_.Setup()) {
        EXPECT_EQ(connection.Run(sql).code, model_.Run(sql).code);
      }
      connection.Get(workload_.Settings());
      // So that there is something to read from files.
      connection.Get("PRAGMA nori_flush");
      Fault fault;
      fault.operations = kind_.operations;
      fault.nth = nth_;
      fault.from_then_on = kind_.from_then_on;
      fault.code = kind_.code;
      faults_.AddFault(fault);
      for (uint64_t n = 1; n <= kTransactions; ++n) {
        if (workload_.OneIn(4)) Upkeep(&connection);
        Transaction(&connection, workload_.Transaction(n));
      }
      hits_ = faults_.hits();
      faults_.ClearFaults();
      ExpectSame(&connection);
      Transaction(&connection, workload_.Transaction(kTransactions + 1));
      EXPECT_FALSE(last_failed_) << "after the fault";
      ExpectSame(&connection);
    }
    // What failed has not happened later, either.
    disk_.CrashDroppingUnsynced();
    MemoryPages pages(&disk_, seed_);
    TestConnection connection(pages.Uri(), /*load=*/false);
    ExpectSame(&connection);
    return hits_ > 0;
  }

  bool has_reported() const { return reported_; }

 private:
  static constexpr uint64_t kTransactions = 8;

  void ExpectSame(TestConnection* connection) {
    EXPECT_EQ(ContentOf(connection), ContentOf(&model_));
    EXPECT_EQ(connection->Get("PRAGMA integrity_check"), "'ok'");
  }

  // Whether it failed as the disk does.
  bool IsFault(const std::string& sql, const SqlResult& found) {
    if (found.code == SQLITE_OK || (found.code & 0xff) == SQLITE_CONSTRAINT ||
        (found.code & 0xff) == SQLITE_ERROR) {
      return false;
    }
    EXPECT_EQ(found.code & 0xff, kind_.result)
        << sql << ": " << found.code << ", " << found.message;
    reported_ = true;
    return true;
  }

  void Upkeep(TestConnection* connection) {
    const std::string sql = workload_.Upkeep();
    IsFault(sql, connection->Run(sql));
  }

  void Transaction(TestConnection* connection,
                   const std::vector<std::string>& statements) {
    last_failed_ = false;
    for (const std::string& sql : statements) {
      const SqlResult found = connection->Run(sql);
      if (IsFault(sql, found)) {
        last_failed_ = true;
        if (sqlite3_get_autocommit(connection->db()) == 0) {
          connection->Run("ROLLBACK");
        }
        if (sqlite3_get_autocommit(model_.db()) == 0) model_.Get("ROLLBACK");
        return;
      }
      EXPECT_EQ(found.code, model_.Run(sql).code) << sql;
    }
  }

  const FaultCase& kind_;
  const uint64_t nth_, seed_;
  Workload workload_;
  MemoryFileSystem disk_;
  FaultFileSystem faults_;
  TestConnection model_{":memory:", /*load=*/false};
  bool last_failed_ = false;
  bool reported_ = false;
  uint64_t hits_ = 0;
};

class PageFault : public ::testing::TestWithParam<FaultCase> {};

TEST_P(PageFault, EachCallOnce) {
  const uint64_t stride = EnvOr("NORI_TEST_CRASH_STRIDE", 9);
  uint64_t tried = 0;
  uint64_t reported = 0;
  // The seeds differ in page size, cache and locking mode.
  for (const uint64_t seed : {1, 2, 3}) {
    for (uint64_t nth = 1;; nth += nth < 20 ? 1 : stride) {
      FaultRun run(GetParam(), nth, seed);
      const bool hit = run.Run();
      if (testing::Test::HasFailure()) {
        FAIL() << "call " << nth << ", seed " << seed
               << ", SQLite's log: " << LastLogged();
      }
      if (!hit) break;
      ++tried;
      if (run.has_reported()) ++reported;
    }
  }
  std::printf("%llu calls failed, %llu of them statements\n",
              static_cast<unsigned long long>(tried),
              static_cast<unsigned long long>(reported));
  EXPECT_GT(reported, 0u);
}

using enum IoOperation;
const FaultCase kCases[] = {
    {"NoSpaceOnce",
     {kWrite, kCreate},
     absl::StatusCode::kResourceExhausted,
     false,
     SQLITE_FULL},
    {"NoSpace",
     {kWrite, kCreate},
     absl::StatusCode::kResourceExhausted,
     true,
     SQLITE_FULL},
    {"ChangeOnce", IoOperationSet::Changes(), absl::StatusCode::kInternal,
     false, SQLITE_IOERR},
    {"Changes", IoOperationSet::Changes(), absl::StatusCode::kInternal, true,
     SQLITE_IOERR},
    {"ReadOnce",
     {kRead, kOpen},
     absl::StatusCode::kInternal,
     false,
     SQLITE_IOERR},
    {"SyncOnce",
     {kSync, kSyncDirectory},
     absl::StatusCode::kInternal,
     false,
     SQLITE_IOERR},
};

INSTANTIATE_TEST_SUITE_P(Kinds, PageFault, ::testing::ValuesIn(kCases),
                         [](const auto& param_info) {
                           return param_info.param.name;
                         });

}  // namespace
}  // namespace nori
