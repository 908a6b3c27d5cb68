// The power fails, or the process is killed, while ordinary tables in a
// database of the VFS `nori` change: after each crash the database is sound and
// holds what one of its commits left, none earlier than the last that was
// acknowledged as durable.
//
// NORI_TEST_CRASHES sets the number of random crashes, NORI_TEST_CRASH_STRIDE
// every how many-th operation the enumeration takes.

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/io/fault_file_system.h"
#include "engine/io/memory_file_system.h"
#include "tests/engine/core/engine_fixture.h"
#include "tests/sqlite_vfs/memory_pages.h"
#include "tests/sqlite_vfs/workload.h"

namespace nori {
namespace {

// What was on the disk at one moment, and what had been promised then.
struct Photograph {
  std::unique_ptr<MemoryFileSystem> disk;
  uint64_t operation = 0;
  uint64_t promised = 0;   // commits that must be there
  uint64_t attempted = 0;  // commits that may be there
};

class CrashRun {
 public:
  CrashRun(uint64_t seed, uint64_t transactions)
      : seed_(seed),
        transactions_(transactions),
        workload_(seed),
        random_(seed),
        faults_(&disk_, seed) {}

  // Takes a photograph before each operation on the disk that `take` chooses.
  void Run(const std::function<bool(uint64_t operation)>& take) {
    faults_.SetObserver([&](IoOperation, std::string_view) {
      ++operations_;
      if (!take(operations_)) return;
      photographs_.push_back(
          {disk_.Clone(), operations_, promised_, attempted_});
    });
    MemoryPages pages(&faults_, seed_);
    TestConnection connection(pages.Uri(), /*load=*/false);
    for (const std::string& sql : workload_.Setup()) Both(&connection, sql);
    states_.push_back(ContentOf(&model_));
    promised_ = 1;
    connection.Get(workload_.Settings());
    bool durable = true;
    while (attempted_ < transactions_ && !testing::Test::HasFailure()) {
      if (workload_.OneIn(6)) {
        durable = !workload_.OneIn(3);
        connection.Get(durable              ? "PRAGMA synchronous=FULL"
                       : workload_.OneIn(2) ? "PRAGMA synchronous=NORMAL"
                                            : "PRAGMA synchronous=OFF");
      }
      if (workload_.OneIn(4)) Both(&connection, workload_.Upkeep());
      if (workload_.OneIn(5)) {
        for (const std::string& sql : workload_.RolledBack(states_.size())) {
          Both(&connection, sql);
        }
      }
      Commit(&connection, durable);
    }
    EXPECT_EQ(ContentOf(&connection), states_.back());
    faults_.SetObserver(nullptr);
  }

  // Each in three ways, or one of them as `random` has it.
  void CheckAll(bool one_way) {
    for (const Photograph& photograph : photographs_) {
      for (size_t way = 0; way < 3; ++way) {
        if (one_way && way != photograph.operation % 3) continue;
        Check(photograph, way);
        if (testing::Test::HasFailure()) {
          ADD_FAILURE() << "NORI_TEST_SEED=" << seed_ << ", operation "
                        << photograph.operation << ", way " << way
                        << ", SQLite's log: " << LastLogged();
          return;
        }
      }
    }
  }

  uint64_t operations() const { return operations_; }
  size_t photographs() const { return photographs_.size(); }

 private:
  // Runs it in the database and in its model, with the same result.
  void Both(TestConnection* connection, const std::string& sql) {
    const SqlResult wanted = model_.Run(sql);
    const SqlResult found = connection->Run(sql);
    EXPECT_EQ(found.code, wanted.code) << sql << ": " << found.message;
  }

  void Commit(TestConnection* connection, bool durable) {
    const std::vector<std::string> sql = workload_.Transaction(states_.size());
    for (const std::string& statement : sql) {
      if (statement != "COMMIT") Both(connection, statement);
    }
    model_.Get("COMMIT");
    states_.push_back(ContentOf(&model_));
    ++attempted_;
    connection->Get("COMMIT");
    // Commits are one sequence: a durable one is a promise for all before it.
    if (durable) promised_ = states_.size();
  }

  void Check(const Photograph& photograph, size_t way) {
    const std::unique_ptr<MemoryFileSystem> disk = photograph.disk->Clone();
    Crash(disk.get(), way);
    std::string found;
    // Twice: what a recovery found must survive the next crash.
    for (int round = 0; round < 2; ++round) {
      {
        MemoryPages pages(disk.get(), seed_ + 1);
        TestConnection connection(pages.Uri(), /*load=*/false);
        const std::string content = ContentOf(&connection);
        if (round == 0) ExpectOneOf(photograph, content);
        if (round == 1) {
          EXPECT_EQ(content, found);
        }
        EXPECT_EQ(connection.Get("PRAGMA integrity_check"), "'ok'");
        connection.Get("CREATE TABLE IF NOT EXISTS after(x)");
        connection.Get("INSERT INTO after VALUES(hex(zeroblob(3000)))");
        found = ContentOf(&connection);
      }
      Crash(disk.get(), way);
    }
  }

  // The states are numbered from 1, that of an empty database is 0.
  void ExpectOneOf(const Photograph& photograph, const std::string& content) {
    bool is_state = photograph.promised == 0 && !HasLog(content);
    for (uint64_t n = std::max<uint64_t>(photograph.promised, 1);
         n <= std::min(photograph.attempted + 1, states_.size()); ++n) {
      is_state = is_state || states_[n - 1] == content;
    }
    EXPECT_TRUE(is_state) << "promised " << photograph.promised
                          << ", attempted " << photograph.attempted + 1
                          << ", found " << Nearest(content);
  }

  // Where `content` begins to differ from the state that is most like it.
  std::string Nearest(const std::string& content) const {
    size_t longest = 0;
    std::string text = "no state";
    for (const std::string& state : states_) {
      const auto [mine, other] = std::mismatch(content.begin(), content.end(),
                                               state.begin(), state.end());
      const auto same = static_cast<size_t>(mine - content.begin());
      if (same < longest) continue;
      longest = same;
      const size_t from = same < 200 ? 0 : same - 200;
      text = content.substr(from, 500) + "\ninstead of\n" +
             state.substr(from, 500);
    }
    return text;
  }

  // Whether the tables of the workload's start are there as a whole.
  static bool HasLog(const std::string& content) {
    return content.find("CREATE INDEX tc") != std::string::npos;
  }

  void Crash(MemoryFileSystem* disk, size_t way) {
    if (way == 0) disk->CrashDroppingUnsynced();
    if (way == 1) disk->Crash(&random_);
    if (way == 2) disk->Kill();
  }

  const uint64_t seed_, transactions_;
  Workload workload_;
  Random random_;
  MemoryFileSystem disk_;
  FaultFileSystem faults_;
  TestConnection model_{":memory:", /*load=*/false};
  std::vector<std::string> states_;
  std::vector<Photograph> photographs_;
  uint64_t operations_ = 0;
  uint64_t promised_ = 0;
  uint64_t attempted_ = 0;
};

TEST(PageCrash, EveryOperationOfAWorkload) {
  const uint64_t stride = EnvOr("NORI_TEST_CRASH_STRIDE", 7);
  CrashRun run(/*seed=*/3, /*transactions=*/150);
  run.Run([&](uint64_t operation) { return operation % stride == 0; });
  run.CheckAll(/*one_way=*/false);
  std::printf("%llu operations, %zu of them tried, three ways each\n",
              static_cast<unsigned long long>(run.operations()),
              run.photographs());
  EXPECT_GT(run.photographs(), 300 / stride);
}

TEST(PageCrash, RandomPowerLossesAndKills) {
  const uint64_t seed = TestSeed(11);
  const uint64_t crashes = EnvOr("NORI_TEST_CRASHES", 200);
  uint64_t done = 0;
  for (uint64_t i = 0; done < crashes; ++i) {
    Random random(seed + i);
    CrashRun run(seed + i, /*transactions=*/10 + random.Uniform(40));
    run.Run([&](uint64_t) { return random.OneIn(40); });
    run.CheckAll(/*one_way=*/true);
    done += run.photographs();
    if (testing::Test::HasFailure()) return;
  }
  std::printf("%llu crashes\n", static_cast<unsigned long long>(done));
}

}  // namespace
}  // namespace nori
