// Named snapshots: what they keep, for how long, and what survives a crash.

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/io/fault_file_system.h"
#include "engine/io/memory_file_system.h"
#include "tests/engine/core/engine_fixture.h"

namespace nori {
namespace {

class EngineSnapshots : public ::testing::Test {
 protected:
  EngineSnapshots() {
    options_ = TinyOptions(&fs_);
    options_.background = BackgroundMode::kManual;
    Open();
  }

  void Open(const std::string& directory = "/db",
            const OpenContext& context = {}) {
    engine_.reset();
    auto opened = Engine::Open(options_, directory, context);
    ASSERT_TRUE(opened.ok()) << opened.status();
    engine_ = *std::move(opened);
  }
  // What a process that is killed now leaves, opened again.
  void Kill() {
    std::unique_ptr<MemoryFileSystem> disk = fs_.Clone();
    engine_.reset();
    killed_.push_back(std::move(disk));
    options_.file_system = killed_.back().get();
    Open();
  }

  void Put(const std::string& key, const std::string& value) {
    NORI_ASSERT_OK(engine_->Put({}, key, value));
  }
  void Take(const std::string& name) {
    NORI_ASSERT_OK(engine_->CreateNamedSnapshot(name, nullptr));
  }
  std::string AsOf(const std::string& name, const std::string& key) {
    const auto snapshot = engine_->NamedSnapshot(name);
    if (!snapshot.ok()) return std::string(snapshot.status().message());
    return GetOr(engine_.get(), key, *snapshot);
  }
  void Merge() {
    NORI_ASSERT_OK(engine_->Flush());
    NORI_ASSERT_OK(engine_->CompactRange({}));
  }
  uint64_t StoredEntries() {
    uint64_t entries = 0;
    for (const TableInfo& table : engine_->GetTables()) {
      entries += table.meta.entries;
    }
    return entries;
  }

  MemoryFileSystem fs_;
  std::vector<std::unique_ptr<MemoryFileSystem>> killed_;
  Options options_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(EngineSnapshots, KeepsItsStateThroughMergesReopeningAndKills) {
  Put("a", "1");
  Put("b", "1");
  Take("first");
  Put("a", "2");
  NORI_ASSERT_OK(engine_->Delete({}, "b"));
  Put("c", "2");
  Take("second");
  Put("a", "3");
  const auto check = [&] {
    EXPECT_EQ(AsOf("first", "a"), "1");
    EXPECT_EQ(AsOf("first", "b"), "1");
    EXPECT_EQ(AsOf("first", "c"), "<none>");
    EXPECT_EQ(AsOf("second", "a"), "2");
    EXPECT_EQ(AsOf("second", "b"), "<none>");
    EXPECT_EQ(AsOf("second", "c"), "2");
    EXPECT_EQ(GetOr(engine_.get(), "a"), "3");
  };
  check();
  Kill();  // all of it comes from the log
  check();
  Merge();
  check();
  Open();
  check();
  Merge();
  Kill();
  check();
  Merge();
  check();
}

TEST_F(EngineSnapshots, ReleasedOnesKeepNothing) {
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 100; ++i) {
      Put(absl::StrCat("key", i), absl::StrCat(round));
    }
    Take(absl::StrCat("round ", round));
    if (round == 2) Open();
  }
  Merge();
  EXPECT_EQ(StoredEntries(), 500u);
  NORI_ASSERT_OK(engine_->ReleaseNamedSnapshot("round 1"));
  Merge();
  EXPECT_EQ(StoredEntries(), 400u);
  EXPECT_EQ(AsOf("round 0", "key7"), "0");
  EXPECT_EQ(AsOf("round 1", "key7"), "no such snapshot: round 1");
  EXPECT_EQ(AsOf("round 2", "key7"), "2");
  Open();
  for (const int round : {0, 2, 3, 4}) {
    NORI_ASSERT_OK(
        engine_->ReleaseNamedSnapshot(absl::StrCat("round ", round)));
  }
  Merge();
  EXPECT_EQ(StoredEntries(), 100u);
  Open();
  EXPECT_TRUE(engine_->ListNamedSnapshots().empty());
}

TEST_F(EngineSnapshots, AReaderOutlivesTheName) {
  Put("a", "old");
  Take("s");
  SnapshotRef reader = *engine_->NamedSnapshot("s");
  NORI_ASSERT_OK(engine_->ReleaseNamedSnapshot("s"));
  Put("a", "new");
  Merge();
  EXPECT_EQ(GetOr(engine_.get(), "a", reader), "old");
  reader.reset();
  Merge();
  EXPECT_EQ(StoredEntries(), 1u);
}

TEST_F(EngineSnapshots, NamesAnOlderSnapshotThatIsHeld) {
  Put("a", "1");
  SnapshotRef held = engine_->GetSnapshot();
  Put("a", "2");
  Merge();
  NORI_ASSERT_OK(engine_->CreateNamedSnapshot("old", held));
  held.reset();
  Put("a", "3");
  Merge();
  Kill();
  EXPECT_EQ(AsOf("old", "a"), "1");
}

TEST_F(EngineSnapshots, RefusesBadNames) {
  const auto code = [&](const std::string& name) {
    return engine_->CreateNamedSnapshot(name, nullptr).code();
  };
  EXPECT_EQ(code(""), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(std::string(256, 'x')), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(std::string(255, 'x')), absl::StatusCode::kOk);
  EXPECT_EQ(code("s"), absl::StatusCode::kOk);
  EXPECT_EQ(code("s"), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(code("S"), absl::StatusCode::kOk);
  const absl::Status missing = engine_->ReleaseNamedSnapshot("other");
  EXPECT_TRUE(absl::IsNotFound(missing));
  EXPECT_EQ(missing.message(), "no such snapshot: other");
  const std::string odd("\0'\xff", 3);
  EXPECT_EQ(code(odd), absl::StatusCode::kOk);
  Open();
  EXPECT_TRUE(engine_->NamedSnapshot(odd).ok());
  EXPECT_EQ(code("s"), absl::StatusCode::kAlreadyExists);
  NORI_ASSERT_OK(engine_->ReleaseNamedSnapshot("s"));
  EXPECT_EQ(code("s"), absl::StatusCode::kOk);
}

TEST_F(EngineSnapshots, ListsThemWithTheirTimes) {
  Put("a", "1");
  Take("z");
  Put("a", "2");
  Take("b");
  Take("a");
  const std::vector<SnapshotName> names = engine_->ListNamedSnapshots();
  ASSERT_EQ(names.size(), 3u);
  EXPECT_EQ(names[0].name, "z");
  EXPECT_EQ(names[1].name, "a");
  EXPECT_EQ(names[2].name, "b");
  EXPECT_EQ(names[0].sequence + 1, names[1].sequence);
  EXPECT_EQ(names[1].sequence, engine_->LastSequence());
  EXPECT_GT(names[0].wall_micros, 0u);
  Open();
  EXPECT_EQ(engine_->ListNamedSnapshots(), names);
}

TEST_F(EngineSnapshots, RangesThatAreDroppedAreKeptForThem) {
  for (int i = 0; i < 2000; ++i) {
    Put(absl::StrCat("t", 10000 + i), std::string(100, 'x'));
  }
  NORI_ASSERT_OK(engine_->AddGuards({"t", "u"}));
  Merge();
  Take("before");
  NORI_ASSERT_OK(engine_->DeleteRange({}, "t", "u"));
  engine_->DropRange({"t", "u"});
  for (int i = 0; i < 3; ++i) {
    NORI_ASSERT_OK(engine_->WaitForBackground());
    Merge();
    EXPECT_EQ(AsOf("before", "t10007"), std::string(100, 'x'));
    EXPECT_EQ(GetOr(engine_.get(), "t10007"), "<none>");
    Kill();
  }
  NORI_ASSERT_OK(engine_->ReleaseNamedSnapshot("before"));
  Merge();
  EXPECT_EQ(StoredEntries(), 0u);
}

TEST_F(EngineSnapshots, ACheckpointCarriesThem) {
  Put("a", "1");
  Take("flushed");
  NORI_ASSERT_OK(engine_->Flush());
  Put("a", "2");
  Take("in memory");
  Put("a", "3");
  NORI_ASSERT_OK(engine_->Checkpoint("/copy").status());
  Put("a", "4");
  Take("later");
  Open("/copy");
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(engine_->ListNamedSnapshots().size(), 2u);
    EXPECT_EQ(AsOf("flushed", "a"), "1");
    EXPECT_EQ(AsOf("in memory", "a"), "2");
    EXPECT_EQ(GetOr(engine_.get(), "a"), "3");
    Put("b", "1");
    Merge();
  }
}

// The power may fail at any operation while a name is given: either the name
// is not there, or it stands for exactly what it was given to.
TEST_F(EngineSnapshots, PowerLossAtEveryOperation) {
  uint64_t points = 0;
  int with_name = 0;
  for (uint64_t stop = 1;; ++stop) {
    MemoryFileSystem disk;
    FaultFileSystem faults(&disk, stop);
    Options options = options_;
    options.file_system = &faults;
    std::unique_ptr<MemoryFileSystem> photograph;
    bool promised = false;
    {
      auto opened = Engine::Open(options, "/db");
      ASSERT_TRUE(opened.ok()) << opened.status();
      Engine& engine = **opened;
      const WriteOptions unsynced{Durability::kNone};
      NORI_ASSERT_OK(engine.Put(unsynced, "a", "1"));
      uint64_t calls = 0;
      faults.SetObserver([&](IoOperation, std::string_view) {
        if (++calls == stop) photograph = disk.Clone();
      });
      NORI_ASSERT_OK(engine.CreateNamedSnapshot("s", nullptr));
      promised = photograph == nullptr;
      NORI_ASSERT_OK(engine.Put(unsynced, "a", "2"));
      NORI_ASSERT_OK(engine.Flush());
      NORI_ASSERT_OK(engine.Put(unsynced, "a", "3"));
      NORI_ASSERT_OK(engine.CompactRange({}));
      NORI_ASSERT_OK(engine.Put(unsynced, "b", "3"));
      faults.SetObserver(nullptr);
    }
    if (photograph == nullptr) break;
    points = stop;
    for (const bool all : {true, false}) {
      const auto left = photograph->Clone();
      Random random(stop);
      if (all) {
        left->CrashDroppingUnsynced();
      } else {
        left->Crash(&random);
      }
      options.file_system = left.get();
      for (int round = 0; round < 2; ++round) {
        auto opened = Engine::Open(options, "/db");
        ASSERT_TRUE(opened.ok()) << opened.status() << " at " << stop;
        Engine& engine = **opened;
        const auto snapshot = engine.NamedSnapshot("s");
        ASSERT_TRUE(snapshot.ok() || !promised) << stop;
        if (snapshot.ok()) {
          ++with_name;
          ASSERT_EQ(GetOr(&engine, "a", *snapshot), "1") << stop;
          ASSERT_EQ(GetOr(&engine, "b", *snapshot), "<none>") << stop;
        }
        // What comes now is not seen by the old name.
        NORI_ASSERT_OK(engine.Put({}, "a", "new"));
        NORI_ASSERT_OK(engine.Put({}, "b", "new"));
        if (snapshot.ok()) {
          ASSERT_EQ(GetOr(&engine, "a", *snapshot), "1") << stop;
          ASSERT_EQ(GetOr(&engine, "b", *snapshot), "<none>") << stop;
        }
        NORI_ASSERT_OK(engine.Verify());
      }
    }
  }
  std::printf("%llu operations\n", static_cast<unsigned long long>(points));
  EXPECT_GT(with_name, 0);
}

// A host that is older than what a name stands for does not fit: its word would
// cut the log below the name.
TEST_F(EngineSnapshots, AnOlderHostIsRefused) {
  int syncs = 0;
  OpenContext context;
  uint64_t host = 0;
  context.host_mixed_number = [&] { return absl::StatusOr<uint64_t>(host); };
  context.sync_host = [&] {
    ++syncs;
    return absl::OkStatus();
  };
  Open("/mixed", context);
  auto txn = *engine_->BeginTransaction({});
  NORI_ASSERT_OK(txn->Put("a", "1"));
  NORI_ASSERT_OK(txn->Prepare(PrepareMode::kHostDecides, 1, Durability::kNone));
  NORI_ASSERT_OK(txn->Commit(Durability::kNone));
  txn.reset();
  syncs = 0;
  Take("s");
  EXPECT_EQ(syncs, 1);
  EXPECT_EQ(engine_->FlushedMixed(), 1u);
  engine_.reset();
  EXPECT_TRUE(absl::IsFailedPrecondition(
      Engine::Open(options_, "/mixed", context).status()));
  host = 1;
  Open("/mixed", context);
  EXPECT_EQ(AsOf("s", "a"), "1");
}

// What cannot be made durable gets no name.
TEST_F(EngineSnapshots, FailureLeavesNoName) {
  MemoryFileSystem disk;
  FaultFileSystem faults(&disk, 1);
  options_.file_system = &faults;
  Open();
  NORI_ASSERT_OK(engine_->Put({Durability::kNone}, "a", "1"));
  for (const char* what : {".log", "MANIFEST"}) {
    Fault fault;
    fault.operations = {IoOperation::kSync};
    fault.path_contains = what;
    faults.AddFault(fault);
    EXPECT_FALSE(engine_->CreateNamedSnapshot("s", nullptr).ok()) << what;
    faults.ClearFaults();
    EXPECT_TRUE(absl::IsNotFound(engine_->NamedSnapshot("s").status()));
    NORI_ASSERT_OK(engine_->Put({}, "a", "2"));
    // The log is a new one after it failed.
    NORI_ASSERT_OK(engine_->Flush());
  }
  Take("s");
  Put("a", "3");
  Open();
  EXPECT_EQ(AsOf("s", "a"), "2");
  engine_.reset();  // marks its end in files that are gone sooner
}

TEST_F(EngineSnapshots, TenThousandAreFine) {
  constexpr int kNames = 10000;
  const auto name = [](int i) { return absl::StrCat("snapshot number ", i); };
  for (int i = 0; i < kNames; ++i) {
    Put(absl::StrCat("key", i % 100), absl::StrCat(i));
    Take(name(i));
  }
  EXPECT_TRUE(
      absl::IsAlreadyExists(engine_->CreateNamedSnapshot(name(17), nullptr)));
  Merge();
  EXPECT_EQ(StoredEntries(), static_cast<uint64_t>(kNames));
  Open();
  Merge();
  ASSERT_EQ(engine_->ListNamedSnapshots().size(), static_cast<size_t>(kNames));
  for (int i = 150; i < kNames; i += 997) {
    EXPECT_EQ(AsOf(name(i), absl::StrCat("key", i % 100)), absl::StrCat(i));
    EXPECT_EQ(AsOf(name(i), absl::StrCat("key", (i + 1) % 100)),
              absl::StrCat(i - 99));
  }
  for (int i = 0; i < kNames; ++i) {
    if (i % 1000 == 999) continue;
    NORI_ASSERT_OK(engine_->ReleaseNamedSnapshot(name(i)));
  }
  Merge();
  // Ten states, of which the last is the present one, differ in every key.
  EXPECT_EQ(StoredEntries(), 1000u);
}

TEST_F(EngineSnapshots, ThreadsTakeReadAndReleaseThem) {
  options_.background = BackgroundMode::kThreads;
  Open();
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) {
      WriteBatch batch;
      batch.Put("a", absl::StrCat(i));
      batch.Put("b", absl::StrCat(i));
      NORI_EXPECT_OK(engine_->Write({Durability::kNone}, batch));
    }
  });
  std::vector<std::thread> takers;
  takers.reserve(3);
  for (int t = 0; t < 3; ++t) {
    takers.emplace_back([&, t] {
      for (int i = 0; i < 60; ++i) {
        // Two of them want the same names.
        const std::string name = absl::StrCat("s", t / 2, " ", i);
        const absl::Status taken = engine_->CreateNamedSnapshot(name, nullptr);
        if (absl::IsAlreadyExists(taken)) continue;
        EXPECT_TRUE(taken.ok()) << taken;
        const auto snapshot = engine_->NamedSnapshot(name);
        ASSERT_TRUE(snapshot.ok());
        EXPECT_EQ(GetOr(engine_.get(), "a", *snapshot),
                  GetOr(engine_.get(), "b", *snapshot));
        if (i % 20 == 0) NORI_EXPECT_OK(engine_->Flush());
        NORI_EXPECT_OK(engine_->ReleaseNamedSnapshot(name));
      }
    });
  }
  for (std::thread& taker : takers) taker.join();
  stop = true;
  writer.join();
  EXPECT_TRUE(engine_->ListNamedSnapshots().empty());
}

TEST_F(EngineSnapshots, EventsTellOfThem) {
  Take("s");
  NORI_ASSERT_OK(engine_->ReleaseNamedSnapshot("s"));
  std::vector<std::string> seen;
  for (const Event& event : engine_->GetEvents()) {
    if (event.kind == EventKind::kSnapshotTaken ||
        event.kind == EventKind::kSnapshotReleased) {
      seen.push_back(
          absl::StrCat(EventKindName(event.kind), " ", event.detail));
    }
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"snapshot_taken s",
                                            "snapshot_released s"}));
}

}  // namespace
}  // namespace nori
