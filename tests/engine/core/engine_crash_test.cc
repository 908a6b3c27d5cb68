// Power loss and kills at every write: what was promised is there, and nothing
// else than a prefix of the commits.
//
// NORI_TEST_CRASHES sets the number of simulated crashes.

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/io/fault_file_system.h"
#include "engine/io/memory_file_system.h"
#include "tests/engine/core/engine_fixture.h"

namespace nori {
namespace {

// Every commit writes the same number into several keys, so that a torn one
// shows.
constexpr int kKeysPerCommit = 5;

std::string KeyOf(int i) { return absl::StrCat("key", i); }

WriteBatch CommitNumber(uint64_t n) {
  WriteBatch batch;
  for (int i = 0; i < kKeysPerCommit; ++i) {
    batch.Put(KeyOf(i), absl::StrCat(n));
  }
  batch.Put(absl::StrCat("log", n), std::string(200 + n % 300, 'x'));
  return batch;
}

// The number of the last whole commit found; fails the test if commits are torn
// or a hole is in their sequence.
uint64_t CheckState(Engine* engine) {
  const std::string first = GetOr(engine, KeyOf(0));
  for (int i = 1; i < kKeysPerCommit; ++i) {
    EXPECT_EQ(GetOr(engine, KeyOf(i)), first) << "torn commit";
  }
  const uint64_t last = first == "<none>" ? 0 : std::stoull(first);
  for (uint64_t n = 1; n <= last; ++n) {
    EXPECT_NE(GetOr(engine, absl::StrCat("log", n)), "<none>")
        << "hole at " << n;
  }
  EXPECT_EQ(GetOr(engine, absl::StrCat("log", last + 1)), "<none>");
  return last;
}

// Runs commits on a file system that is photographed at a random operation,
// then loses power on the photograph.
class Crash {
 public:
  explicit Crash(uint64_t seed) : random_(seed), faults_(&disk_, seed) {
    options_ = TinyOptions(&faults_);
    options_.background = BackgroundMode::kManual;
    options_.memtable_bytes = 16 << 10;
    options_.seed = seed;
  }

  void Run() {
    const uint64_t stop = 1 + random_.Uniform(1500);
    uint64_t calls = 0;
    uint64_t promised_then = 0;
    faults_.SetObserver([&](IoOperation, std::string_view) {
      if (++calls != stop) return;
      photograph_ = disk_.Clone();
      promised_then = promised_;
    });
    Work();
    faults_.SetObserver(nullptr);
    if (photograph_ == nullptr) {
      photograph_ = disk_.Clone();
      promised_then = promised_;
    }
    const uint64_t attempted = attempted_;
    if (random_.OneIn(4)) {
      photograph_->CrashDroppingUnsynced();
    } else {
      photograph_->Crash(&random_);
    }
    CheckPhotograph(promised_then, attempted);
  }

 private:
  void Work() {
    auto opened = Engine::Open(options_, "/db");
    ASSERT_TRUE(opened.ok()) << opened.status();
    std::unique_ptr<Engine> engine = *std::move(opened);
    const uint64_t commits = 20 + random_.Uniform(200);
    for (uint64_t i = 0; i < commits; ++i) {
      const uint64_t n = ++attempted_;
      WriteOptions write;
      write.durability =
          random_.OneIn(3) ? Durability::kNone : Durability::kSync;
      if (random_.OneIn(4)) {
        InTransaction(engine.get(), n, write.durability);
      } else {
        NORI_ASSERT_OK(engine->Write(write, CommitNumber(n)));
      }
      if (write.durability == Durability::kSync) promised_ = n;
      if (random_.OneIn(10)) {
        NORI_ASSERT_OK(engine->RunBackgroundWork(2).status());
      }
      if (random_.OneIn(60)) {
        NORI_ASSERT_OK(engine->Flush());
        promised_ = n;
      }
      if (random_.OneIn(80)) {
        engine.reset();
        opened = Engine::Open(options_, "/db");
        ASSERT_TRUE(opened.ok()) << opened.status();
        engine = *std::move(opened);
        ASSERT_EQ(CheckState(engine.get()), n);
        promised_ = n;
      }
    }
  }

  static void InTransaction(Engine* engine, uint64_t n, Durability durability) {
    auto txn = engine->BeginTransaction({});
    ASSERT_TRUE(txn.ok()) << txn.status();
    for (int i = 0; i < kKeysPerCommit; ++i) {
      NORI_ASSERT_OK((*txn)->Put(KeyOf(i), absl::StrCat(n)));
    }
    NORI_ASSERT_OK((*txn)->Put(absl::StrCat("log", n), std::string(90, 'y')));
    NORI_ASSERT_OK((*txn)->Prepare(n % 2 == 0
                                       ? PrepareMode::kNeedsOutcome
                                       : PrepareMode::kCommitsUnlessAborted,
                                   0, durability));
    NORI_ASSERT_OK((*txn)->Commit(durability));
  }

  void CheckPhotograph(uint64_t promised, uint64_t attempted) {
    Options options = options_;
    options.file_system = photograph_.get();
    uint64_t found = 0;
    // Twice: what a recovery found must survive the next one.
    for (int round = 0; round < 2; ++round) {
      auto opened = Engine::Open(options, "/db");
      ASSERT_TRUE(opened.ok()) << opened.status();
      const uint64_t last = CheckState(opened->get());
      ASSERT_GE(last, promised);
      ASSERT_LE(last, attempted);
      if (round == 1) {
        ASSERT_EQ(last, found);
      }
      found = last;
      NORI_ASSERT_OK((*opened)->Verify());
      opened->reset();
      if (round == 0) photograph_->Crash(&random_);
    }
  }

  Random random_;
  MemoryFileSystem disk_;
  FaultFileSystem faults_;
  Options options_;
  std::unique_ptr<MemoryFileSystem> photograph_;
  uint64_t attempted_ = 0;
  uint64_t promised_ = 0;
};

TEST(EngineCrash, PowerLossKeepsWhatWasPromised) {
  const uint64_t seed = TestSeed(7);
  const uint64_t crashes = EnvOr("NORI_TEST_CRASHES", 300);
  for (uint64_t i = 0; i < crashes; ++i) {
    Crash(seed + i).Run();
    if (::testing::Test::HasFailure()) FAIL() << "NORI_TEST_SEED=" << seed + i;
  }
}

// The sync of a later commit makes the records before it durable, too: then the
// tables that they name must be.
TEST(EngineCrash, ALaterSyncKeepsASpilledCommit) {
  MemoryFileSystem disk;
  Options options = TinyOptions(&disk);
  options.background = BackgroundMode::kManual;
  auto opened = Engine::Open(options, "/db");
  ASSERT_TRUE(opened.ok()) << opened.status();
  auto begun = (*opened)->BeginTransaction({});
  ASSERT_TRUE(begun.ok()) << begun.status();
  for (int i = 0; i < 10; ++i) {
    NORI_ASSERT_OK((*begun)->Put(KeyOf(i), std::string(30000, 'x')));
  }
  NORI_ASSERT_OK((*begun)->Commit(Durability::kNone));
  WriteOptions durable;
  durable.durability = Durability::kSync;
  NORI_ASSERT_OK((*opened)->Put(durable, "later", "v"));
  const auto left = disk.Clone();
  left->CrashDroppingUnsynced();
  options.file_system = left.get();
  auto again = Engine::Open(options, "/db");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(GetOr(again->get(), "later"), "v");
  EXPECT_EQ(GetOr(again->get(), KeyOf(9)), std::string(30000, 'x'));
}

// Tables of one transaction are flushed one by one, and the power fails between
// them: with what is left in the log it is whole, or it is absent.
TEST(EngineCrash, ASpilledCommitIsWholeHoweverMuchOfItIsFlushed) {
  for (int steps = 0; steps < 8; ++steps) {
    MemoryFileSystem disk;
    Options options = TinyOptions(&disk);
    options.background = BackgroundMode::kManual;
    auto opened = Engine::Open(options, "/db");
    ASSERT_TRUE(opened.ok()) << opened.status();
    NORI_ASSERT_OK((*opened)->Put({}, "before", "v"));
    auto begun = (*opened)->BeginTransaction({});
    ASSERT_TRUE(begun.ok()) << begun.status();
    for (int i = 0; i < 12; ++i) {
      NORI_ASSERT_OK((*begun)->Put(KeyOf(i), std::string(30000, 'x')));
    }
    NORI_ASSERT_OK((*begun)->Commit(Durability::kNone));
    ASSERT_TRUE((*opened)->RunBackgroundWork(steps).ok());
    const auto left = disk.Clone();
    left->CrashDroppingUnsynced();
    options.file_system = left.get();
    auto again = Engine::Open(options, "/db");
    ASSERT_TRUE(again.ok()) << again.status();
    const std::string first = GetOr(again->get(), KeyOf(0));
    for (int i = 1; i < 12; ++i) {
      EXPECT_EQ(GetOr(again->get(), KeyOf(i)), first)
          << "torn after " << steps << " steps";
    }
    EXPECT_EQ(GetOr(again->get(), "before"), "v");
  }
}

// A directory that was being created when the power went is either refused as
// empty or usable; here: it can be created again.
TEST(EngineCrash, CreationCanBeRepeated) {
  for (uint64_t stop = 1; stop < 60; ++stop) {
    MemoryFileSystem disk;
    FaultFileSystem faults(&disk, stop);
    std::unique_ptr<MemoryFileSystem> photograph;
    uint64_t calls = 0;
    faults.SetObserver([&](IoOperation, std::string_view) {
      if (++calls == stop) photograph = disk.Clone();
    });
    Options options = TinyOptions(&faults);
    options.background = BackgroundMode::kManual;
    {
      auto opened = Engine::Open(options, "/db");
      ASSERT_TRUE(opened.ok()) << opened.status();
    }
    faults.SetObserver(nullptr);
    if (photograph == nullptr) break;
    Random random(stop);
    photograph->Crash(&random);
    options.file_system = photograph.get();
    auto opened = Engine::Open(options, "/db");
    ASSERT_TRUE(opened.ok()) << opened.status() << " at operation " << stop;
    NORI_ASSERT_OK((*opened)->Put({}, "a", "b"));
  }
}

}  // namespace
}  // namespace nori
