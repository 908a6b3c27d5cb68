// Failing devices, full disks and damaged files.

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/io/fault_file_system.h"
#include "engine/io/memory_file_system.h"
#include "engine/manifest/manifest.h"
#include "engine/wal/log.h"
#include "tests/engine/core/engine_fixture.h"

namespace nori {
namespace {

Options ManualOptions(FileSystem* fs) {
  Options options = TinyOptions(fs);
  options.background = BackgroundMode::kManual;
  options.memtable_bytes = 16 << 10;
  options.stall_timeout_ms = 1;
  return options;
}

std::string NumberedKey(uint64_t n) { return absl::StrCat("k", n); }

// Writes until `count` commits were tried; remembers which were acknowledged.
std::vector<bool> WriteSome(Engine* engine, uint64_t first, uint64_t count) {
  std::vector<bool> acknowledged;
  for (uint64_t n = first; n < first + count; ++n) {
    const absl::Status status =
        engine->Put({}, NumberedKey(n), std::string(300, 'v'));
    acknowledged.push_back(status.ok());
    if (n % 7 == 0) (void)engine->RunBackgroundWork(3);
  }
  return acknowledged;
}

// Every acknowledged commit is there; a refused one may or may not be.
void ExpectAcknowledged(Engine* engine, uint64_t first,
                        const std::vector<bool>& acknowledged) {
  for (size_t i = 0; i < acknowledged.size(); ++i) {
    if (!acknowledged[i]) continue;
    ASSERT_EQ(GetOr(engine, NumberedKey(first + i)).substr(0, 1), "v")
        << NumberedKey(first + i);
  }
}

struct FaultCase {
  const char* name;
  IoOperationSet operations;
  absl::StatusCode code;
};

class EngineFault : public ::testing::TestWithParam<FaultCase> {};

// The nth operation of a kind fails, once or for good. Nothing acknowledged is
// lost, reads go on, and when the cause is gone, so do writes.
TEST_P(EngineFault, EveryNthOperationFails) {
  for (const bool for_good : {false, true}) {
    for (uint64_t nth = 1; nth < 400; nth += 1 + nth / 8) {
      MemoryFileSystem disk;
      FaultFileSystem faults(&disk, nth);
      auto opened = Engine::Open(ManualOptions(&faults), "/db");
      ASSERT_TRUE(opened.ok()) << opened.status();
      std::unique_ptr<Engine> engine = *std::move(opened);
      const auto before = WriteSome(engine.get(), 0, 40);
      Fault fault;
      fault.operations = GetParam().operations;
      fault.nth = nth;
      fault.from_then_on = for_good;
      fault.code = GetParam().code;
      faults.AddFault(fault);
      const auto during = WriteSome(engine.get(), 100, 150);
      ExpectAcknowledged(engine.get(), 0, before);
      ExpectAcknowledged(engine.get(), 100, during);
      if (nth <= 20) {
        EXPECT_GT(faults.hits(), 0) << GetParam().name << " " << nth;
      }
      faults.ClearFaults();
      const auto after = WriteSome(engine.get(), 300, 40);
      // Whatever happened, the engine is whole again by itself.
      EXPECT_TRUE(after.back())
          << GetParam().name << " " << nth << " " << for_good;
      ExpectAcknowledged(engine.get(), 300, after);
      engine.reset();
      opened = Engine::Open(ManualOptions(&disk), "/db");
      ASSERT_TRUE(opened.ok()) << opened.status() << " nth " << nth;
      ExpectAcknowledged(opened->get(), 0, before);
      ExpectAcknowledged(opened->get(), 100, during);
      ExpectAcknowledged(opened->get(), 300, after);
      NORI_ASSERT_OK((*opened)->Verify());
      if (::testing::Test::HasFailure()) FAIL() << "nth " << nth;
    }
  }
}

using enum IoOperation;
INSTANTIATE_TEST_SUITE_P(
    Kinds, EngineFault,
    ::testing::Values(
        FaultCase{
            "NoSpace", {kWrite, kCreate}, absl::StatusCode::kResourceExhausted},
        FaultCase{"WriteError", {kWrite}, absl::StatusCode::kInternal},
        FaultCase{
            "SyncError", {kSync, kSyncDirectory}, absl::StatusCode::kInternal},
        FaultCase{"Anything", IoOperationSet::Changes(),
                  absl::StatusCode::kInternal}),
    [](const auto& param_info) { return param_info.param.name; });

// The first commit of a log fails, so that there is nothing to flush when the
// next one starts a new log.
TEST(EngineFault, FirstCommitOfALogFails) {
  for (const IoOperation operation : {kWrite, kSync}) {
    MemoryFileSystem disk;
    FaultFileSystem faults(&disk, 1);
    auto opened = Engine::Open(ManualOptions(&faults), "/db");
    ASSERT_TRUE(opened.ok()) << opened.status();
    std::unique_ptr<Engine> engine = *std::move(opened);
    Fault fault;
    fault.operations = {operation};
    fault.nth = 1;
    fault.code = absl::StatusCode::kInternal;
    faults.AddFault(fault);
    EXPECT_FALSE(engine->Put({}, "refused", "v").ok());
    faults.ClearFaults();
    NORI_ASSERT_OK(engine->Put({}, "k", "v"));
    engine.reset();
    opened = Engine::Open(ManualOptions(&disk), "/db");
    ASSERT_TRUE(opened.ok()) << opened.status();
    EXPECT_EQ(GetOr(opened->get(), "k"), "v");
    NORI_ASSERT_OK((*opened)->Verify());
  }
}

// A prepare that counts as committed unless an abort follows is rolled back
// while the disk is full or broken, and writing goes on afterwards.
TEST(EngineFault, AbortThatCannotBeLogged) {
  for (const absl::StatusCode code :
       {absl::StatusCode::kResourceExhausted, absl::StatusCode::kInternal}) {
    for (const size_t value_bytes : {10, 100000}) {  // the latter is spilled
      MemoryFileSystem disk;
      FaultFileSystem faults(&disk, 1);
      auto opened = Engine::Open(ManualOptions(&faults), "/db");
      ASSERT_TRUE(opened.ok()) << opened.status();
      std::unique_ptr<Engine> engine = *std::move(opened);
      auto begun = engine->BeginTransaction({});
      ASSERT_TRUE(begun.ok()) << begun.status();
      NORI_ASSERT_OK((*begun)->Put("vetoed", std::string(value_bytes, 'x')));
      NORI_ASSERT_OK((*begun)->Prepare(PrepareMode::kCommitsUnlessAborted, 0,
                                       Durability::kSync));
      Fault fault;
      fault.operations = {kWrite, kCreate};
      fault.nth = 1;
      fault.from_then_on = true;
      fault.code = code;
      faults.AddFault(fault);
      EXPECT_FALSE((*begun)->Rollback().ok());
      faults.ClearFaults();
      begun->reset();
      NORI_ASSERT_OK(engine->Put({}, "k", "v"));
      engine.reset();
      opened = Engine::Open(ManualOptions(&disk), "/db");
      ASSERT_TRUE(opened.ok()) << opened.status();
      EXPECT_EQ(GetOr(opened->get(), "k"), "v");
      EXPECT_EQ(GetOr(opened->get(), "vetoed"), "<none>");
    }
  }
}

// A transaction that was spilled and prepared is committed by a disk that does
// nothing any more; one whose tables cannot be opened is not prepared.
TEST(EngineFault, SpilledTablesAreOpenedAsTheyArePrepared) {
  MemoryFileSystem disk;
  FaultFileSystem faults(&disk, 1);
  auto opened = Engine::Open(ManualOptions(&faults), "/db");
  ASSERT_TRUE(opened.ok()) << opened.status();
  std::unique_ptr<Engine> engine = *std::move(opened);
  const auto prepare = [&](Transaction* transaction, const std::string& key) {
    for (int i = 0; i < 10; ++i) {
      const absl::Status status =
          transaction->Put(absl::StrCat(key, i), std::string(30000, 'x'));
      if (!status.ok()) return status;
    }
    return transaction->Prepare(PrepareMode::kCommitsUnlessAborted, 0,
                                Durability::kSync);
  };
  auto begun = engine->BeginTransaction({});
  ASSERT_TRUE(begun.ok()) << begun.status();
  NORI_ASSERT_OK(prepare(begun->get(), "whole"));
  Fault fault;
  fault.from_then_on = true;
  faults.AddFault(fault);
  NORI_EXPECT_OK((*begun)->Commit(Durability::kSync));
  faults.ClearFaults();
  EXPECT_EQ(GetOr(engine.get(), "whole9"), std::string(30000, 'x'));

  // Each table is opened when it is written, to be read, and once more here.
  uint64_t nth = 1;
  for (;; ++nth) {
    begun = engine->BeginTransaction({});
    ASSERT_TRUE(begun.ok()) << begun.status();
    fault.operations = {IoOperation::kOpen};
    fault.nth = nth;
    fault.from_then_on = false;
    const uint64_t hits = faults.hits();
    faults.AddFault(fault);
    const absl::Status status = prepare(begun->get(), absl::StrCat("n", nth));
    faults.ClearFaults();
    if (faults.hits() == hits) break;
    EXPECT_FALSE(status.ok()) << nth;
    NORI_EXPECT_OK((*begun)->Rollback());
    NORI_ASSERT_OK(engine->Put({}, "later", absl::StrCat(nth)));
    EXPECT_EQ(GetOr(engine.get(), absl::StrCat("n", nth, 0)), "<none>");
  }
  EXPECT_GT(nth, 1u);
  begun->reset();
  engine.reset();
  opened = Engine::Open(ManualOptions(&disk), "/db");
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(GetOr(opened->get(), "whole9"), std::string(30000, 'x'));
  EXPECT_EQ(GetOr(opened->get(), "n10"), "<none>");
  NORI_ASSERT_OK((*opened)->Verify());
}

// A database with tables, log and manifest, closed.
void MakeDatabase(MemoryFileSystem* disk) {
  auto opened = Engine::Open(ManualOptions(disk), "/db");
  ASSERT_TRUE(opened.ok()) << opened.status();
  WriteSome(opened->get(), 0, 100);
  NORI_ASSERT_OK((*opened)->Flush());
  NORI_ASSERT_OK((*opened)->CompactRange({}));
  WriteSome(opened->get(), 100, 20);
}

// Opens a damaged copy: an error is fine, and so is an engine whose answers are
// right; a wrong answer is not.
void ExpectNoWrongAnswer(MemoryFileSystem* disk, const std::string& what) {
  auto opened = Engine::Open(ManualOptions(disk), "/db");
  if (!opened.ok()) {
    EXPECT_TRUE(absl::IsDataLoss(opened.status()) ||
                absl::IsFailedPrecondition(opened.status()) ||
                absl::IsNotFound(opened.status()))
        << what << ": " << opened.status();
    EXPECT_FALSE(opened.status().message().empty());
    return;
  }
  for (uint64_t n = 0; n < 120; ++n) {
    const std::string got = GetOr(opened->get(), NumberedKey(n));
    if (got[0] == '<') continue;
    EXPECT_EQ(got, std::string(300, 'v')) << what;
  }
}

TEST(EngineDamage, FlippedAndTruncatedFiles) {
  MemoryFileSystem disk;
  MakeDatabase(&disk);
  Random random(TestSeed(5));
  const auto names = disk.ListDirectory("/db");
  ASSERT_TRUE(names.ok());
  for (const std::string& name : *names) {
    const std::string path = JoinPath("/db", name);
    const auto size = disk.FileSize(path);
    ASSERT_TRUE(size.ok());
    if (*size == 0) continue;
    for (int round = 0; round < 40; ++round) {
      const auto copy = disk.Clone();
      auto file = copy->OpenReadWrite(path, false);
      ASSERT_TRUE(file.ok());
      const uint64_t offset = random.Uniform(std::min<uint64_t>(*size, 40000));
      if (round % 2 == 0) {
        NORI_ASSERT_OK((*file)->Truncate(offset));
      } else {
        char byte;
        std::string_view read;
        NORI_ASSERT_OK((*file)->ReadAt(offset, 1, &byte, &read));
        byte = static_cast<char>(read[0] ^ (1 << random.Uniform(8)));
        NORI_ASSERT_OK((*file)->WriteAt(offset, {&byte, 1}));
      }
      file->reset();
      ExpectNoWrongAnswer(copy.get(), absl::StrCat(name, " at ", offset));
    }
  }
}

TEST(EngineDamage, FileWhereTheDirectoryShouldBe) {
  MemoryFileSystem disk;
  ASSERT_TRUE(disk.OpenReadWrite("/db", true).ok());
  const auto opened = Engine::Open(ManualOptions(&disk), "/db");
  EXPECT_TRUE(absl::IsFailedPrecondition(opened.status())) << opened.status();
  EXPECT_NE(opened.status().message().find("/db"), absl::string_view::npos);
}

TEST(EngineDamage, ManifestLostIsNotTakenForEmpty) {
  MemoryFileSystem disk;
  MakeDatabase(&disk);
  NORI_ASSERT_OK(disk.RemoveFile(JoinPath("/db", kCurrentFileName)));
  const auto opened = Engine::Open(ManualOptions(&disk), "/db");
  EXPECT_TRUE(absl::IsDataLoss(opened.status())) << opened.status();
}

TEST(EngineOpen, SecondOpenIsRefused) {
  MemoryFileSystem disk;
  auto first = Engine::Open(ManualOptions(&disk), "/db");
  ASSERT_TRUE(first.ok());
  EXPECT_TRUE(
      absl::IsUnavailable(Engine::Open(ManualOptions(&disk), "/db").status()));
}

TEST(EngineOpen, MissingAndExisting) {
  MemoryFileSystem disk;
  Options options = ManualOptions(&disk);
  options.create_if_missing = false;
  EXPECT_TRUE(absl::IsNotFound(Engine::Open(options, "/db").status()));
  options.create_if_missing = true;
  EXPECT_TRUE(Engine::Open(options, "/db").ok());
  options.error_if_exists = true;
  EXPECT_TRUE(absl::IsAlreadyExists(Engine::Open(options, "/db").status()));
}

TEST(EngineOpen, StoredOptionsComeBack) {
  MemoryFileSystem disk;
  Options options = ManualOptions(&disk);
  options.l0_trigger = 3;
  options.block_cache_bytes = 0;
  { ASSERT_TRUE(Engine::Open(options, "/db").ok()); }
  Options other = ManualOptions(&disk);
  other.prefer_stored_options = true;
  auto opened = Engine::Open(other, "/db");
  ASSERT_TRUE(opened.ok());
  EXPECT_EQ((*opened)->options().l0_trigger, 3);
  // Also what is made before the manifest is read.
  NORI_ASSERT_OK((*opened)->Put({}, "key", "value"));
  NORI_ASSERT_OK((*opened)->Flush());
  EXPECT_EQ(GetOr(opened->get(), "key"), "value");
  EXPECT_EQ((*opened)->GetStats().cache_bytes, 0u);
}

TEST(EngineLimits, KeysAndValues) {
  MemoryFileSystem disk;
  auto opened = Engine::Open(ManualOptions(&disk), "/db");
  ASSERT_TRUE(opened.ok());
  Engine* engine = opened->get();
  const std::string longest(kMaxKeyBytes, 'k');
  NORI_EXPECT_OK(engine->Put({}, longest, "v"));
  EXPECT_TRUE(absl::IsOutOfRange(engine->Put({}, longest + "k", "v")));
  EXPECT_EQ(GetOr(engine, longest), "v");
  NORI_EXPECT_OK(engine->Put({}, "", "empty key"));
  EXPECT_EQ(GetOr(engine, ""), "empty key");
  const std::string big(100 << 20, 'b');
  NORI_ASSERT_OK(engine->Put({}, "big", big));
  NORI_ASSERT_OK(engine->Flush());
  EXPECT_TRUE(GetOr(engine, "big") == big);
  NORI_ASSERT_OK(engine->CompactRange({}));
  EXPECT_TRUE(GetOr(engine, "big") == big);
}

}  // namespace
}  // namespace nori
