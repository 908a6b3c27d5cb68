// The whole engine against absl::btree_map: random operations with snapshots,
// transactions, reopening, kills, flushes, compactions and guards in between.
//
// NORI_TEST_OPS sets the number of operations of each run, NORI_TEST_SEED the
// seed.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "engine/io/fake_clock.h"
#include "engine/io/memory_file_system.h"
#include "tests/engine/core/model_fixture.h"

namespace nori {
namespace {

struct Config {
  const char* name;
  BackgroundMode background;
  const char* run_policy;
  Compression compression;
  bool mixed_durability;
};

class EngineModel : public ::testing::TestWithParam<Config> {
 protected:
  void SetUp() override {
    seed_ = TestSeed(20240611);
    random_ = std::make_unique<Random>(seed_);
    // Without threads nothing depends on real time, so that a seed replays.
    const bool manual = GetParam().background == BackgroundMode::kManual;
    options_ = TinyOptions(&fs_, manual ? &clock_ : SystemClock());
    options_.background = GetParam().background;
    options_.run_policy = GetParam().run_policy;
    options_.compression = GetParam().compression;
    options_.seed = seed_;
    Open();
  }

  void Open() {
    auto opened = Engine::Open(options_, "/db");
    ASSERT_TRUE(opened.ok()) << opened.status();
    engine_ = *std::move(opened);
  }

  std::string Key() {
    // Short and long keys, shared prefixes, and now and then odd bytes.
    const uint64_t n = random_->Uniform(3000);
    if (n % 97 == 0) return std::string(1 + n % 5, static_cast<char>(n));
    if (n % 89 == 0) return "";
    return absl::StrFormat("key%05d", n);
  }

  std::string Value() {
    const size_t size =
        random_->OneIn(50) ? random_->Uniform(5000) : random_->Uniform(100);
    std::string value = absl::StrCat(++counter_, ":");
    value.resize(std::max(value.size(), size), 'v');
    return value;
  }

  WriteOptions Durable() {
    WriteOptions options;
    options.durability = Durability::kSync;
    if (GetParam().mixed_durability) {
      options.durability = static_cast<Durability>(random_->Uniform(3));
    }
    return options;
  }

  void Write() {
    WriteBatch batch;
    const uint64_t changes = random_->OneIn(3) ? 1 + random_->Uniform(30) : 1;
    for (uint64_t i = 0; i < changes; ++i) {
      const std::string key = Key();
      if (random_->OneIn(200)) {
        const std::string end = Key();
        batch.DeleteRange(key, end);
        EraseRange(&model_, key, end);
      } else if (random_->OneIn(4)) {
        batch.Delete(key);
        model_.erase(key);
      } else {
        const std::string value = Value();
        batch.Put(key, value);
        model_[key] = value;
      }
    }
    NORI_ASSERT_OK(engine_->Write(Durable(), batch));
  }

  void Read() {
    const std::string key = Key();
    ExpectSameRead(engine_.get(), snapshots_.Pick(random_.get(), 2, model_),
                   key);
  }

  // Walks both ways with turns, from a random place, inside random bounds.
  void Scan(Iterator* it, const Model& model, const KeyRange& bounds) {
    const auto begin = model.lower_bound(bounds.begin);
    const auto end =
        bounds.end.empty() ? model.end() : model.lower_bound(bounds.end);
    if (!bounds.end.empty() && bounds.begin >= bounds.end) return;
    const std::string start = Key();
    auto at = model.lower_bound(std::max(start, bounds.begin));
    if (!bounds.end.empty() && start >= bounds.end) at = end;
    it->Seek(start);
    for (int steps = 0; steps < 40; ++steps) {
      ASSERT_TRUE(it->status().ok()) << it->status();
      ASSERT_EQ(it->Valid(), at != end) << start;
      if (!it->Valid()) break;
      ASSERT_EQ(it->key(), at->first);
      ASSERT_EQ(it->value(), at->second);
      if (random_->OneIn(4) && at != begin) {
        --at;
        it->Prev();
      } else {
        ++at;
        it->Next();
      }
    }
    if (random_->OneIn(2)) {
      it->SeekToLast();
      ASSERT_EQ(it->Valid(), begin != end) << it->status();
      if (it->Valid()) {
        ASSERT_EQ(it->key(), std::prev(end)->first);
      }
    }
  }

  void RandomScan() {
    IterateOptions options;
    const ModelView view = snapshots_.Pick(random_.get(), 2, model_);
    options.snapshot = view.snapshot;
    if (random_->OneIn(2)) options.bounds.begin = Key();
    if (random_->OneIn(2)) options.bounds.end = Key();
    const auto it = engine_->NewIterator(options);
    Scan(it.get(), *view.model, options.bounds);
  }

  void RandomTransaction() {
    auto begun = engine_->BeginTransaction({});
    ASSERT_TRUE(begun.ok()) << begun.status();
    Transaction& txn = **begun;
    Model own = model_;
    std::vector<std::pair<uint64_t, Model>> marks;
    const uint64_t steps = random_->OneIn(20) ? 1500 : random_->Uniform(60);
    for (uint64_t i = 0; i < steps; ++i) {
      ChangeInTransaction(&txn, &own);
      if (random_->OneIn(10)) marks.emplace_back(txn.Mark(), own);
      if (!marks.empty() && random_->OneIn(30)) {
        const size_t to = random_->Uniform(marks.size());
        NORI_ASSERT_OK(txn.RollbackTo(marks[to].first));
        own = marks[to].second;
        marks.resize(to + 1);
      }
      if (random_->OneIn(5)) {
        const std::string key = Key();
        PinnedValue value;
        const auto found = txn.Get(key, &value);
        ASSERT_TRUE(found.ok()) << found.status();
        const auto it = own.find(key);
        ASSERT_EQ(*found, it != own.end()) << key;
        if (*found) {
          ASSERT_EQ(value.view(), it->second);
        }
      }
      if (random_->OneIn(25)) {
        IterateOptions options;
        if (random_->OneIn(2)) options.bounds.begin = Key();
        const auto it = txn.NewIterator(options);
        Scan(it.get(), own, options.bounds);
      }
    }
    const uint64_t how = random_->Uniform(4);
    if (how == 0) {
      NORI_ASSERT_OK(txn.Rollback());
      return;
    }
    const Durability durability = Durable().durability;
    if (how == 1) {
      NORI_ASSERT_OK(txn.Prepare(PrepareMode::kNeedsOutcome, 0, durability));
    } else if (how == 2) {
      NORI_ASSERT_OK(
          txn.Prepare(PrepareMode::kCommitsUnlessAborted, 0, durability));
      if (random_->OneIn(3)) {
        NORI_ASSERT_OK(txn.Rollback());
        return;
      }
    }
    NORI_ASSERT_OK(txn.Commit(durability));
    model_ = std::move(own);
  }

  void ChangeInTransaction(Transaction* txn, Model* own) {
    const std::string key = Key();
    if (random_->OneIn(100)) {
      const std::string end = Key();
      NORI_ASSERT_OK(txn->DeleteRange(key, end));
      EraseRange(own, key, end);
    } else if (random_->OneIn(4)) {
      NORI_ASSERT_OK(txn->Delete(key));
      own->erase(key);
    } else {
      const std::string value = Value();
      NORI_ASSERT_OK(txn->Put(key, value));
      (*own)[key] = value;
    }
  }

  void Reopen(bool kill) {
    snapshots_.Clear();
    if (kill) {
      // The state that a killed process leaves: a copy of the disk while the
      // engine runs. Then the engine goes on, to be closed in order.
      const auto killed = fs_.Clone();
      Options options = options_;
      options.file_system = killed.get();
      auto opened = Engine::Open(options, "/db");
      ASSERT_TRUE(opened.ok()) << opened.status();
      ExpectSame((*opened)->NewIterator({}).get(), model_);
      names_.Check(opened->get());
    } else {
      engine_.reset();
      Open();
    }
  }

  void Checkpoint() {
    const std::string target = absl::StrCat("/copy", ++counter_);
    const auto result = engine_->Checkpoint(target);
    ASSERT_TRUE(result.ok()) << result.status();
    auto opened = Engine::Open(options_, target);
    ASSERT_TRUE(opened.ok()) << opened.status();
    ASSERT_EQ((*opened)->identity(), engine_->identity());
    ExpectSame((*opened)->NewIterator({}).get(), model_);
    names_.Check(opened->get());
    NORI_ASSERT_OK((*opened)->Verify());
  }

  void Rare() {
    switch (random_->Uniform(11)) {
      case 0:
        NORI_ASSERT_OK(engine_->Flush());
        break;
      case 1:
        NORI_ASSERT_OK(engine_->CompactRange({Key(), ""}));
        break;
      case 2:
        Reopen(/*kill=*/false);
        break;
      case 3:
        Reopen(/*kill=*/true);
        break;
      case 4:
        NORI_ASSERT_OK(engine_->AddGuards({Key(), Key()}));
        break;
      case 5:
        NORI_ASSERT_OK(engine_->WaitForBackground());
        break;
      case 6:
        NORI_ASSERT_OK(engine_->Verify());
        break;
      case 7:
        Checkpoint();
        break;
      case 8:
        ExpectSame(engine_->NewIterator({}).get(), model_);
        names_.Check(engine_.get());
        break;
      case 9:
        names_.Take(engine_.get(), absl::StrCat("name ", ++counter_),
                    snapshots_.Pick(random_.get(), 3, model_));
        break;
      case 10:
        if (names_.size() > 3) names_.ReleaseOne(engine_.get(), random_.get());
        break;
    }
  }

  void Step() {
    const uint64_t dice = random_->Uniform(1000);
    if (dice < 2) {
      Rare();
    } else if (dice < 8) {
      RandomTransaction();
    } else if (dice < 12) {
      if (snapshots_.size() < 4) {
        snapshots_.Take(engine_.get(), model_);
      } else {
        snapshots_.Erase(random_->Uniform(4));
      }
    } else if (dice < 30) {
      RandomScan();
    } else if (dice < 500) {
      Read();
    } else {
      Write();
    }
    clock_.Advance(absl::Milliseconds(1));
    if (options_.background == BackgroundMode::kManual && random_->OneIn(20)) {
      NORI_ASSERT_OK(engine_->RunBackgroundWork(1).status());
    }
  }

  MemoryFileSystem fs_;
  FakeClock clock_;
  Options options_;
  uint64_t seed_ = 0;
  uint64_t counter_ = 0;
  std::unique_ptr<Random> random_;
  std::unique_ptr<Engine> engine_;
  Model model_;
  ModelSnapshots snapshots_;
  ModelNames names_;
};

TEST_P(EngineModel, RandomOperations) {
  const uint64_t operations = EnvOr("NORI_TEST_OPS", 200000);
  for (uint64_t i = 0; i < operations; ++i) {
    ASSERT_NO_FATAL_FAILURE(Step()) << "operation " << i;
    if (HasFatalFailure()) FAIL() << "seed " << seed_ << ", operation " << i;
  }
  ExpectSame(engine_->NewIterator({}).get(), model_);
  names_.Check(engine_.get());
  NORI_ASSERT_OK(engine_->WaitForBackground());
  NORI_ASSERT_OK(engine_->Verify());
  snapshots_.Clear();
}

INSTANTIATE_TEST_SUITE_P(
    Configurations, EngineModel,
    ::testing::Values(Config{"ManualLz4", BackgroundMode::kManual, "heat",
                             Compression::kLz4, false},
                      Config{"ThreadsLz4", BackgroundMode::kThreads, "heat",
                             Compression::kLz4, true},
                      Config{"ManualNoneFixed1", BackgroundMode::kManual,
                             "fixed1", Compression::kNone, true},
                      Config{"ThreadsZstdFixed4", BackgroundMode::kThreads,
                             "fixed4", Compression::kZstd, true}),
    [](const auto& param_info) { return param_info.param.name; });

}  // namespace
}  // namespace nori
