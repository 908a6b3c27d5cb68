// Scans over what others delete and put at the same time. Meant for
// ThreadSanitizer, too.
//
// NORI_TEST_OPS scales the work.

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_format.h"
#include "engine/io/fake_clock.h"
#include "engine/io/memory_file_system.h"
#include "tests/engine/core/engine_fixture.h"
#include "tests/engine/core/model_fixture.h"

namespace nori {
namespace {

std::string Place(uint64_t i) { return absl::StrFormat("place%06d", i); }

uint64_t Jumps(Engine* engine) {
  for (const auto& [name, value] : engine->GetStats().counters) {
    if (name == "dead_range_jumps") return value;
  }
  return 0;
}

// A few tokens wander over many places. Each move, a delete and a put, is one
// commit: whoever looks sees every token once.
class WanderingTokens : public ::testing::Test {
 protected:
  static constexpr int kWriters = 2;
  static constexpr uint64_t kTokens = 4;  // of each writer
  static constexpr uint64_t kPlaces = 3000;

  void SetUp() override {
    auto opened = Engine::Open(TinyOptions(&fs_), "/db");
    ASSERT_TRUE(opened.ok()) << opened.status();
    engine_ = *std::move(opened);
    for (uint64_t i = 0; i < kWriters * kTokens; ++i) {
      NORI_ASSERT_OK(engine_->Put({Durability::kNone}, Place(i), "token"));
    }
  }

  // Places are shared out among the writers by their remainder.
  void Move(uint64_t writer, uint64_t moves) {
    Random random(writer + 1);
    std::vector<uint64_t> tokens;
    for (uint64_t i = 0; i < kTokens; ++i) {
      tokens.push_back(i * kWriters + writer);
    }
    for (uint64_t i = 0; i < moves; ++i) {
      uint64_t& token = tokens[random.Uniform(kTokens)];
      uint64_t to = 0;
      bool taken = true;
      while (taken) {
        // Mostly near, as a queue grows; at times anywhere.
        to = random.OneIn(8) ? random.Uniform(kPlaces)
                             : token + random.Uniform(20) * kWriters;
        to = (to - to % kWriters + writer) % kPlaces;
        taken = std::find(tokens.begin(), tokens.end(), to) != tokens.end();
      }
      WriteBatch batch;
      batch.Delete(Place(token));
      batch.Put(Place(to), "token");
      if (random.OneIn(4)) {
        MoveInTransaction(token, to);
      } else {
        NORI_ASSERT_OK(engine_->Write({Durability::kNone}, batch));
      }
      token = to;
    }
  }

  void MoveInTransaction(uint64_t from, uint64_t to) {
    TransactionOptions options;
    options.lock_timeout = absl::Seconds(60);
    auto txn = engine_->BeginTransaction(options);
    ASSERT_TRUE(txn.ok()) << txn.status();
    NORI_ASSERT_OK((*txn)->Delete(Place(from)));
    NORI_ASSERT_OK((*txn)->Put(Place(to), "token"));
    NORI_ASSERT_OK((*txn)->Commit(Durability::kNone));
  }

  void Look(uint64_t seed) {
    Random random(seed);
    while (!done_) {
      IterateOptions options;
      if (random.OneIn(3)) options.snapshot = engine_->GetSnapshot();
      const bool forward = random.OneIn(2);
      const auto it = engine_->NewIterator(options);
      uint64_t seen = 0;
      forward ? it->SeekToFirst() : it->SeekToLast();
      for (; it->Valid(); forward ? it->Next() : it->Prev()) ++seen;
      ASSERT_TRUE(it->status().ok()) << it->status();
      ASSERT_EQ(seen, kWriters * kTokens) << forward;
      ++looks_;
    }
  }

  MemoryFileSystem fs_;
  std::unique_ptr<Engine> engine_;
  std::atomic<bool> done_{false};
  std::atomic<uint64_t> looks_{0};
};

TEST_F(WanderingTokens, EveryLookSeesEachOnce) {
  const uint64_t moves = EnvOr("NORI_TEST_OPS", 200000) / 4;
  std::vector<std::thread> writers, readers;
  for (uint64_t i = 0; i < 3; ++i) {
    readers.emplace_back([this, i] { Look(i + 100); });
  }
  for (uint64_t i = 0; i < kWriters; ++i) {
    writers.emplace_back([this, i, moves] { Move(i, moves); });
  }
  for (std::thread& thread : writers) thread.join();
  done_ = true;
  for (std::thread& thread : readers) thread.join();
  EXPECT_GT(looks_, 10u);
  EXPECT_GT(Jumps(engine_.get()), 10u);
}

// The same with one thread, against a model: few live keys among many deleted
// ones, snapshots, transactions, flushes and reopening in between.
TEST(DeadRangesModel, SparseKeys) {
  const uint64_t seed = TestSeed(7);
  Random random(seed);
  MemoryFileSystem fs;
  FakeClock clock;
  Options options = TinyOptions(&fs, &clock);
  options.background = BackgroundMode::kManual;
  options.seed = seed;
  Model model;
  ModelSnapshots snapshots;
  auto engine = *Engine::Open(options, "/db");
  const auto key = [&random] { return Place(random.Uniform(500)); };
  const auto scan = [&](Iterator* it, const Model& expected) {
    const std::string start = key();
    if (random.OneIn(2)) {
      auto at = expected.lower_bound(start);
      for (it->Seek(start); it->Valid(); it->Next(), ++at) {
        ASSERT_NE(at, expected.end());
        ASSERT_EQ(it->key(), at->first);
      }
      ASSERT_EQ(at, expected.end());
    } else {
      auto at = expected.upper_bound(start);
      for (it->SeekForPrev(start); it->Valid(); it->Prev()) {
        ASSERT_NE(at, expected.begin());
        ASSERT_EQ(it->key(), (--at)->first);
      }
      ASSERT_EQ(at, expected.begin());
    }
    NORI_ASSERT_OK(it->status());
  };
  uint64_t jumps = 0;
  for (uint64_t i = 0; i < EnvOr("NORI_TEST_OPS", 200000); ++i) {
    const uint64_t what = random.Uniform(100);
    if (what < 20) {
      const std::string k = key();
      NORI_ASSERT_OK(engine->Put({Durability::kNone}, k, k));
      model[k] = k;
    } else if (what < 60) {
      const std::string k = key();
      NORI_ASSERT_OK(engine->Delete({Durability::kNone}, k));
      model.erase(k);
    } else if (what < 62) {
      const std::string begin = key(), end = key();
      NORI_ASSERT_OK(engine->DeleteRange({Durability::kNone}, begin, end));
      EraseRange(&model, begin, end);
    } else if (what < 90) {
      const ModelView view = snapshots.Pick(&random, 4, model);
      IterateOptions read;
      read.snapshot = view.snapshot;
      scan(engine->NewIterator(read).get(), *view.model);
    } else if (what < 94) {
      auto txn = *engine->BeginTransaction({});
      Model changed = model;
      for (int n = 0; n < 5; ++n) {
        const std::string k = key();
        if (random.OneIn(3)) {
          NORI_ASSERT_OK(txn->Put(k, "t"));
          changed[k] = "t";
        } else {
          NORI_ASSERT_OK(txn->Delete(k));
          changed.erase(k);
        }
        scan(txn->NewIterator({}).get(), changed);
      }
      if (random.OneIn(3)) {
        NORI_ASSERT_OK(txn->Rollback());
      } else {
        NORI_ASSERT_OK(txn->Commit(Durability::kNone));
        model = std::move(changed);
      }
    } else if (what < 96) {
      if (snapshots.size() > 5) snapshots.Erase(random.Uniform(5));
      snapshots.Take(engine.get(), model);
    } else if (what < 99) {
      ASSERT_TRUE(engine->RunBackgroundWork(1).ok());
    } else if (random.OneIn(10)) {
      NORI_ASSERT_OK(engine->Flush());
    } else if (random.OneIn(50)) {
      jumps += Jumps(engine.get());
      snapshots.Clear();
      engine.reset();
      engine = *Engine::Open(options, "/db");
    }
    if (::testing::Test::HasFatalFailure()) return;
  }
  jumps += Jumps(engine.get());
  snapshots.Clear();
  EXPECT_GT(jumps, 1000u);
}

}  // namespace
}  // namespace nori
