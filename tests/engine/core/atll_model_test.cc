// Slots that adapt, against absl::btree_map: splits by size, heat and boundary,
// joins, adoptions, merges and dropped ranges at random, with snapshots,
// reopening, kills and power losses in between, also in the middle of
// background work.
//
// NORI_TEST_OPS sets the number of operations of each run, NORI_TEST_SEED the
// seed.

#include <iterator>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "engine/io/fake_clock.h"
#include "engine/io/fault_file_system.h"
#include "engine/io/memory_file_system.h"
#include "tests/engine/core/model_fixture.h"

namespace nori {
namespace {

struct Config {
  const char* name;
  BackgroundMode background;
  const char* run_policy;
  const char* scheduler;
  Compression compression;
};

constexpr uint64_t kKeySpace = 20000;

class AtllModel : public ::testing::TestWithParam<Config> {
 protected:
  void SetUp() override {
    seed_ = TestSeed(20261124);
    random_ = std::make_unique<Random>(seed_);
    disk_ = std::make_unique<MemoryFileSystem>();
    options_.clock = manual() ? static_cast<Clock*>(&clock_) : SystemClock();
    options_.background = GetParam().background;
    options_.run_policy = GetParam().run_policy;
    options_.scheduler = GetParam().scheduler;
    options_.compression = GetParam().compression;
    options_.seed = seed_;
    options_.memtable_bytes = 16 << 10;
    options_.block_bytes = 256;
    options_.table_bytes = 8 << 10;
    options_.slot_bytes = 32 << 10;
    options_.max_slots = 128;
    options_.block_cache_bytes = 256 << 10;
    options_.heat_half_life_s = manual() ? 1 : 0.1;
    options_.event_listener = [this](const Event& event) {
      absl::MutexLock lock(&mutex_);
      const bool has_reason = event.kind == EventKind::kSlotSplit ||
                              event.kind == EventKind::kSlotJoin ||
                              event.kind == EventKind::kAdoption ||
                              event.kind == EventKind::kCompactionEnd;
      ++seen_[absl::StrCat(EventKindName(event.kind), " ",
                           has_reason ? event.detail : "")];
    };
    Open();
  }

  bool manual() const {
    return GetParam().background == BackgroundMode::kManual;
  }

  void Open() {
    faults_ = std::make_unique<FaultFileSystem>(disk_.get(), seed_);
    options_.file_system = faults_.get();
    auto opened = Engine::Open(options_, "/db");
    ASSERT_TRUE(opened.ok()) << opened.status();
    engine_ = *std::move(opened);
  }

  static std::string Key(uint64_t n) { return absl::StrFormat("key%06d", n); }

  // Mostly in the hot range of the present phase.
  uint64_t Pick(uint64_t begin, uint64_t width) {
    return random_->OneIn(20) ? random_->Uniform(kKeySpace)
                              : begin + random_->Uniform(width);
  }

  // What is hot changes: ranges of any width, for reads and writes apart.
  void NextPhase() {
    const auto range = [&](uint64_t* begin, uint64_t* width) {
      *width = uint64_t{1} << random_->Uniform(15);
      *begin = random_->Uniform(kKeySpace - *width);
    };
    range(&read_begin_, &read_width_);
    range(&write_begin_, &write_width_);
    writes_percent_ = random_->OneIn(3) ? 5 : 20 + random_->Uniform(70);
    deletes_percent_ = random_->OneIn(4) ? 70 : random_->Uniform(20);
  }

  void Write() {
    WriteBatch batch;
    const uint64_t changes = random_->OneIn(5) ? 1 + random_->Uniform(20) : 1;
    for (uint64_t i = 0; i < changes; ++i) {
      const uint64_t n = Pick(write_begin_, write_width_);
      const std::string key = Key(n);
      if (random_->OneIn(2000)) {
        const std::string end = Key(n + random_->Uniform(4000));
        batch.DeleteRange(key, end);
        EraseRange(&model_, key, end);
      } else if (random_->Uniform(100) < deletes_percent_) {
        batch.Delete(key);
        model_.erase(key);
      } else {
        std::string value = absl::StrCat(++counter_, ":");
        value.resize(value.size() + random_->Uniform(80), 'v');
        batch.Put(key, value);
        model_[key] = value;
      }
    }
    WriteOptions options;
    options.durability = Durability::kSync;
    NORI_ASSERT_OK(engine_->Write(options, batch));
  }

  void Read() {
    const std::string key = Key(Pick(read_begin_, read_width_));
    ExpectSameRead(engine_.get(), snapshots_.Pick(random_.get(), 20, model_),
                   key);
  }

  void Scan() {
    IterateOptions options;
    const ModelView view = snapshots_.Pick(random_.get(), 2, model_);
    options.snapshot = view.snapshot;
    options.bounds.begin = Key(Pick(read_begin_, read_width_));
    const auto it = engine_->NewIterator(options);
    it->SeekToFirst();
    auto expected = view.model->lower_bound(options.bounds.begin);
    for (int steps = 0; steps < 50; ++steps) {
      ASSERT_EQ(it->Valid(), expected != view.model->end()) << it->status();
      if (!it->Valid()) break;
      ASSERT_EQ(it->key(), expected->first);
      ASSERT_EQ(it->value(), expected->second);
      it->Next();
      ++expected;
    }
  }

  void CheckEngine(Engine* engine) {
    ExpectSame(engine->NewIterator({}).get(), model_);
    std::set<std::string> begins;
    for (const SlotInfo& slot : engine->GetSlots()) {
      begins.insert(slot.range.begin);
    }
    for (const std::string& guard : guards_) {
      ASSERT_TRUE(begins.contains(guard)) << guard;
    }
  }

  // Goes on from `disk`, where nothing may be missing: every write was synced.
  void ContinueOn(std::unique_ptr<MemoryFileSystem> disk) {
    snapshots_.Clear();
    engine_.reset();
    disk_ = std::move(disk);
    ASSERT_NO_FATAL_FAILURE(Open());
    CheckEngine(engine_.get());
  }

  // Background work that is photographed at some operation on the disk, as a
  // crash at that moment would leave it.
  void CrashInBackgroundWork() {
    const uint64_t stop = 1 + random_->Uniform(200);
    std::unique_ptr<MemoryFileSystem> photograph;
    uint64_t calls = 0;
    faults_->SetObserver([&](IoOperation, std::string_view) {
      if (++calls == stop) photograph = disk_->Clone();
    });
    NORI_ASSERT_OK(engine_->RunBackgroundWork(20).status());
    faults_->SetObserver(nullptr);
    if (photograph == nullptr) photograph = disk_->Clone();
    if (random_->OneIn(3)) {
      photograph->Kill();
    } else {
      photograph->Crash(random_.get());
    }
    ContinueOn(std::move(photograph));
  }

  void Rare() {
    switch (random_->Uniform(8)) {
      case 0:
        NORI_ASSERT_OK(engine_->Flush());
        break;
      case 1:
        NORI_ASSERT_OK(
            engine_->CompactRange({Key(random_->Uniform(kKeySpace)), ""}));
        break;
      case 2:
        if (guards_.size() < 8) {
          const std::string key = Key(random_->Uniform(kKeySpace));
          NORI_ASSERT_OK(engine_->AddGuards({key, ""}));
          guards_.insert(key);
        }
        break;
      case 3:
        NORI_ASSERT_OK(engine_->WaitForBackground());
        break;
      case 4:
        NORI_ASSERT_OK(engine_->Verify());
        break;
      case 5:
        if (manual()) {
          CrashInBackgroundWork();
        } else {
          auto photograph = disk_->Clone();
          photograph->Crash(random_.get());
          ContinueOn(std::move(photograph));
        }
        break;
      case 6:
        snapshots_.Clear();
        engine_.reset();
        Open();
        break;
      case 7:
        CheckEngine(engine_.get());
        break;
    }
  }

  // A table is made and filled, or one is dropped and never written again.
  void MakeOrDropTable() {
    if (tables_.size() < 4 && random_->OneIn(2)) {
      const std::string begin = absl::StrFormat("table%04d", next_table_++);
      const std::string end = absl::StrFormat("table%04d", next_table_);
      NORI_ASSERT_OK(engine_->AddGuards({begin, end}));
      tables_.insert({begin, end});
    } else if (!tables_.empty()) {
      const auto it = std::next(
          tables_.begin(), static_cast<int>(random_->Uniform(tables_.size())));
      const auto [begin, end] = *it;
      tables_.erase(it);
      WriteBatch batch;
      batch.DeleteRange(begin, end);
      WriteOptions sync;
      sync.durability = Durability::kSync;
      NORI_ASSERT_OK(engine_->Write(sync, batch));
      EraseRange(&model_, begin, end);
      engine_->DropRange({begin, end});
    }
    for (const auto& [begin, end] : tables_) {
      WriteBatch batch;
      for (uint64_t n = random_->Uniform(200); n > 0; --n) {
        const std::string key =
            absl::StrFormat("%s.%05d", begin, random_->Uniform(2000));
        model_[key] = std::string(random_->Uniform(150), 't');
        batch.Put(key, model_[key]);
      }
      WriteOptions sync;
      sync.durability = Durability::kSync;
      NORI_ASSERT_OK(engine_->Write(sync, batch));
      // So much at once needs room in L0.
      if (manual()) NORI_ASSERT_OK(engine_->RunBackgroundWork(30).status());
    }
  }

  void Step(uint64_t i) {
    if (i % 4000 == 0) NextPhase();
    const uint64_t dice = random_->Uniform(10000);
    if (dice < 4) {
      Rare();
    } else if (dice < 8) {
      MakeOrDropTable();
    } else if (dice < 20) {
      if (snapshots_.size() < 3) {
        snapshots_.Take(engine_.get(), model_);
      } else {
        snapshots_.Clear();
      }
    } else if (dice < 200) {
      Scan();
    } else if (random_->Uniform(100) < writes_percent_) {
      Write();
    } else {
      Read();
    }
    clock_.Advance(absl::Milliseconds(2));
    if (manual() && random_->OneIn(50)) {
      NORI_ASSERT_OK(
          engine_->RunBackgroundWork(1 + random_->Uniform(10)).status());
    }
  }

  std::unique_ptr<MemoryFileSystem> disk_;
  std::unique_ptr<FaultFileSystem> faults_;
  FakeClock clock_;
  Options options_;
  uint64_t seed_ = 0;
  uint64_t counter_ = 0;
  std::unique_ptr<Random> random_;
  absl::Mutex mutex_;
  std::map<std::string, uint64_t> seen_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Engine> engine_;
  Model model_;
  std::set<std::string> guards_;
  std::map<std::string, std::string> tables_;  // their ranges
  int next_table_ = 0;
  ModelSnapshots snapshots_;
  uint64_t read_begin_ = 0, read_width_ = 1;
  uint64_t write_begin_ = 0, write_width_ = 1;
  uint64_t writes_percent_ = 50, deletes_percent_ = 10;
};

TEST_P(AtllModel, RandomOperations) {
  const uint64_t operations = EnvOr("NORI_TEST_OPS", 200000);
  for (uint64_t i = 0; i < operations; ++i) {
    ASSERT_NO_FATAL_FAILURE(Step(i)) << "seed " << seed_ << ", operation " << i;
    if (HasFatalFailure()) FAIL() << "seed " << seed_ << ", operation " << i;
  }
  CheckEngine(engine_.get());
  NORI_ASSERT_OK(engine_->WaitForBackground());
  NORI_ASSERT_OK(engine_->Verify());
  CheckEngine(engine_.get());
  absl::MutexLock lock(&mutex_);
  for (const auto& [what, count] : seen_) {
    std::cout << "  " << what << ": " << count << std::endl;
  }
  if (!manual() || operations < 100000) return;
  for (const char* what :
       {"slot_split size", "slot_split heat", "slot_split boundary",
        "slot_join cold", "adoption l0", "compaction_end space",
        "compaction_end dropped"}) {
    EXPECT_GT(seen_[what], 0u) << what;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Configurations, AtllModel,
    ::testing::Values(Config{"ManualHeatBandit", BackgroundMode::kManual,
                             "heat", "bandit", Compression::kLz4},
                      Config{"ManualCostGreedy", BackgroundMode::kManual,
                             "cost", "greedy", Compression::kNone},
                      Config{"ManualDocumentedRoundRobin",
                             BackgroundMode::kManual, "documented",
                             "round_robin", Compression::kLz4},
                      Config{"ThreadsCostBandit", BackgroundMode::kThreads,
                             "cost", "bandit", Compression::kLz4}),
    [](const auto& param_info) { return param_info.param.name; });

}  // namespace
}  // namespace nori
