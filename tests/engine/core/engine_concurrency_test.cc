// Several threads on one engine. Meant for ThreadSanitizer, too.
//
// NORI_TEST_OPS scales the work.

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "engine/io/memory_file_system.h"
#include "tests/engine/core/engine_fixture.h"

namespace nori {
namespace {

constexpr int kAccounts = 400;
constexpr int64_t kStart = 1000;

std::string Account(uint64_t i) { return absl::StrFormat("account%04d", i); }

class EngineConcurrency : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = Engine::Open(TinyOptions(&fs_), "/db");
    ASSERT_TRUE(opened.ok()) << opened.status();
    engine_ = *std::move(opened);
    rounds_ = EnvOr("NORI_TEST_OPS", 200000) / 100;
  }

  // Sum over all accounts as one snapshot sees them.
  int64_t Total(const SnapshotRef& snapshot, bool backward) {
    IterateOptions options;
    options.snapshot = snapshot;
    options.bounds = {"account", "accounu"};
    const auto it = engine_->NewIterator(options);
    int64_t total = 0;
    int seen = 0;
    backward ? it->SeekToLast() : it->SeekToFirst();
    while (it->Valid()) {
      total += std::stoll(std::string(it->value()));
      ++seen;
      backward ? it->Prev() : it->Next();
    }
    EXPECT_TRUE(it->status().ok()) << it->status();
    EXPECT_EQ(seen, kAccounts);
    return total;
  }

  // Moves money between accounts in transactions; the sum never changes.
  void Transfer(uint64_t seed) {
    Random random(seed);
    for (uint64_t i = 0; i < rounds_; ++i) {
      TransactionOptions options;
      options.lock_timeout = absl::Seconds(60);
      auto txn = engine_->BeginTransaction(options);
      ASSERT_TRUE(txn.ok()) << txn.status();
      const std::string from = Account(random.Uniform(kAccounts));
      const std::string to = Account(random.Uniform(kAccounts));
      if (from == to) continue;
      PinnedValue a, b;
      ASSERT_TRUE(*(*txn)->Get(from, &a));
      ASSERT_TRUE(*(*txn)->Get(to, &b));
      const auto amount = static_cast<int64_t>(random.Uniform(10));
      const int64_t left = std::stoll(std::string(a.view())) - amount;
      const int64_t right = std::stoll(std::string(b.view())) + amount;
      NORI_ASSERT_OK((*txn)->Put(from, absl::StrCat(left)));
      NORI_ASSERT_OK((*txn)->Put(to, absl::StrCat(right)));
      if (random.OneIn(10)) {
        NORI_ASSERT_OK((*txn)->Rollback());
      } else {
        NORI_ASSERT_OK((*txn)->Commit(Durability::kNone));
      }
    }
  }

  // Plain batches beside the transactions; every one writes its number twice.
  void WritePairs(uint64_t thread) {
    Random random(thread);
    for (uint64_t i = 0; i < rounds_; ++i) {
      WriteBatch batch;
      const std::string value =
          absl::StrCat(thread, ".", i, std::string(random.Uniform(200), '.'));
      batch.Put(absl::StrCat("pair", thread, "a"), value);
      batch.Put(absl::StrCat("filler", random.Uniform(5000)), value);
      batch.Put(absl::StrCat("pair", thread, "b"), value);
      WriteOptions options;
      options.durability = i % 64 == 0 ? Durability::kSync : Durability::kNone;
      NORI_ASSERT_OK(engine_->Write(options, batch));
    }
  }

  void ReadAll(uint64_t seed) {
    Random random(seed);
    while (!done_) {
      const SnapshotRef snapshot = engine_->GetSnapshot();
      ASSERT_EQ(Total(snapshot, random.OneIn(2)), kAccounts * kStart);
      for (int thread = 0; thread < 2; ++thread) {
        ASSERT_EQ(
            GetOr(engine_.get(), absl::StrCat("pair", thread, "a"), snapshot),
            GetOr(engine_.get(), absl::StrCat("pair", thread, "b"), snapshot));
      }
      ASSERT_EQ(Total(snapshot, random.OneIn(2)), kAccounts * kStart);
    }
  }

  void Maintain() {
    Random random(99);
    while (!done_) {
      switch (random.Uniform(5)) {
        case 0:
          NORI_ASSERT_OK(engine_->Flush());
          break;
        case 1:
          NORI_ASSERT_OK(engine_->CompactRange({}));
          break;
        case 2:
          NORI_ASSERT_OK(
              engine_->AddGuards({Account(random.Uniform(kAccounts)), "pair"}));
          break;
        case 3: {
          const std::string target = absl::StrCat("/copy", ++copies_);
          const auto result = engine_->Checkpoint(target);
          ASSERT_TRUE(result.ok()) << result.status();
          break;
        }
        case 4:
          engine_->GetStats();
          engine_->GetSlots();
          engine_->GetTables();
          engine_->Estimate({Account(3), Account(300)});
          break;
      }
      absl::SleepFor(absl::Milliseconds(5));
    }
  }

  MemoryFileSystem fs_;
  std::unique_ptr<Engine> engine_;
  std::atomic<bool> done_{false};
  uint64_t rounds_ = 0;
  int copies_ = 0;
};

TEST_F(EngineConcurrency, ReadersWritersAndMaintenance) {
  WriteBatch batch;
  for (int i = 0; i < kAccounts; ++i) {
    batch.Put(Account(i), absl::StrCat(kStart));
  }
  NORI_ASSERT_OK(engine_->Write({}, batch));

  std::vector<std::thread> writers;
  for (uint64_t i = 0; i < 2; ++i) {
    writers.emplace_back([this, i] { Transfer(i + 1); });
    writers.emplace_back([this, i] { WritePairs(i); });
  }
  std::vector<std::thread> others;
  others.emplace_back([this] { ReadAll(11); });
  others.emplace_back([this] { ReadAll(12); });
  others.emplace_back([this] { Maintain(); });
  for (std::thread& thread : writers) thread.join();
  done_ = true;
  for (std::thread& thread : others) thread.join();
  EXPECT_EQ(Total(engine_->GetSnapshot(), false), kAccounts * kStart);
  NORI_EXPECT_OK(engine_->WaitForBackground());
  NORI_EXPECT_OK(engine_->Verify());

  // Every checkpoint is whole.
  for (int i = 1; i <= copies_; ++i) {
    auto copy = Engine::Open(TinyOptions(&fs_), absl::StrCat("/copy", i));
    ASSERT_TRUE(copy.ok()) << copy.status();
    engine_ = *std::move(copy);
    EXPECT_EQ(Total(nullptr, i % 2 == 0), kAccounts * kStart);
  }
}

TEST_F(EngineConcurrency, TransactionsExcludeEachOther) {
  auto first = engine_->BeginTransaction({});
  ASSERT_TRUE(first.ok());
  auto second = engine_->BeginTransaction({});
  EXPECT_TRUE(absl::IsUnavailable(second.status())) << second.status();
  TransactionOptions wait;
  wait.lock_timeout = absl::Seconds(30);
  std::thread other([&] {
    auto txn = engine_->BeginTransaction(wait);
    ASSERT_TRUE(txn.ok()) << txn.status();
    EXPECT_EQ(GetOr(engine_.get(), "a"), "1");
  });
  NORI_EXPECT_OK((*first)->Put("a", "1"));
  NORI_EXPECT_OK((*first)->Commit(Durability::kSync));
  other.join();
}

TEST_F(EngineConcurrency, StaleUpgradeIsRefused) {
  const SnapshotRef old = engine_->GetSnapshot();
  NORI_ASSERT_OK(engine_->Put({}, "a", "1"));
  TransactionOptions options;
  options.read_snapshot = old;
  EXPECT_TRUE(absl::IsAborted(engine_->BeginTransaction(options).status()));
  options.read_snapshot = engine_->GetSnapshot();
  EXPECT_TRUE(engine_->BeginTransaction(options).ok());
}

// A write beside a prepared transaction waits for its outcome: nothing may come
// between the two in the log.
TEST_F(EngineConcurrency, WritesWaitForPreparedTransactions) {
  auto txn = engine_->BeginTransaction({});
  ASSERT_TRUE(txn.ok());
  NORI_ASSERT_OK((*txn)->Put("a", "txn"));
  NORI_ASSERT_OK(
      (*txn)->Prepare(PrepareMode::kNeedsOutcome, 0, Durability::kNone));
  std::atomic<bool> written{false};
  std::thread other([&] {
    NORI_EXPECT_OK(engine_->Put({}, "a", "write"));
    written = true;
  });
  absl::SleepFor(absl::Milliseconds(20));
  EXPECT_FALSE(written);
  EXPECT_EQ(GetOr(engine_.get(), "a"), "<none>");
  NORI_ASSERT_OK((*txn)->Commit(Durability::kNone));
  other.join();
  EXPECT_EQ(GetOr(engine_.get(), "a"), "write");
}

}  // namespace
}  // namespace nori
