// Checkpoints with options: of an earlier state, in another file system, with
// another identity, beside an earlier copy, on disks that fail.

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "engine/engine.h"
#include "engine/io/fault_file_system.h"
#include "engine/io/memory_file_system.h"
#include "gtest/gtest.h"
#include "tests/engine/core/engine_fixture.h"

namespace nori {
namespace {

class EngineCheckpoint : public ::testing::Test {
 protected:
  EngineCheckpoint() {
    Options options = TinyOptions(&disk_);
    options.background = BackgroundMode::kManual;
    auto opened = Engine::Open(options, "/db");
    EXPECT_TRUE(opened.ok()) << opened.status();
    engine_ = *std::move(opened);
  }

  void Put(const std::string& key, const std::string& value) {
    NORI_ASSERT_OK(engine_->Put({Durability::kNone}, key, value));
  }
  void PutMany(const std::string& value) {
    for (int i = 0; i < 2000; ++i) Put(absl::StrCat("k", 10000 + i), value);
  }
  static std::string Read(FileSystem* files, const std::string& directory,
                          const std::string& key) {
    auto copy = Engine::Open(TinyOptions(files), directory);
    if (!copy.ok()) return "<error " + copy.status().ToString() + ">";
    NORI_EXPECT_OK((*copy)->Verify());
    return GetOr(copy->get(), key);
  }

  MemoryFileSystem disk_;
  std::unique_ptr<Engine> engine_;
};

TEST_F(EngineCheckpoint, OfAPinnedState) {
  PutMany("old");
  NORI_ASSERT_OK(engine_->Flush());
  Put("k10000", "pinned");
  CheckpointOptions options;
  auto pinned = engine_->PinState();
  NORI_ASSERT_OK(pinned.status());
  options.state = *pinned;
  PutMany("new");
  NORI_ASSERT_OK(engine_->Flush());
  NORI_ASSERT_OK(engine_->CompactRange({}));
  const auto result = engine_->Checkpoint("/copy", options);
  NORI_ASSERT_OK(result.status());
  EXPECT_EQ(result->sequence, (*pinned)->sequence());
  EXPECT_EQ(result->files_written, 1u);
  EXPECT_EQ(Read(&disk_, "/copy", "k10000"), "pinned");
  EXPECT_EQ(Read(&disk_, "/copy", "k10001"), "old");
  EXPECT_EQ(GetOr(engine_.get(), "k10000"), "new");
}

// A transaction that is prepared may wait for the one who makes the copy.
TEST_F(EngineCheckpoint, OfTheDecidedStateBesideAPreparedTransaction) {
  Put("a", "1");
  auto transaction = engine_->BeginTransaction({});
  NORI_ASSERT_OK(transaction.status());
  NORI_ASSERT_OK((*transaction)->Put("a", "2"));
  NORI_ASSERT_OK(
      (*transaction)->Prepare(PrepareMode::kHostDecides, 1, Durability::kNone));
  CheckpointOptions options;
  auto pinned = engine_->PinDecidedState();
  NORI_ASSERT_OK(pinned.status());
  options.state = *pinned;
  EXPECT_EQ((*pinned)->last_mixed(), 0u);
  NORI_ASSERT_OK((*transaction)->Commit(Durability::kNone));
  NORI_ASSERT_OK(engine_->Checkpoint("/before", options).status());
  EXPECT_EQ(Read(&disk_, "/before", "a"), "1");
  pinned = engine_->PinDecidedState();
  NORI_ASSERT_OK(pinned.status());
  EXPECT_EQ((*pinned)->last_mixed(), 1u);
}

TEST_F(EngineCheckpoint, InAnotherFileSystemWithAnotherIdentity) {
  PutMany("v");
  NORI_ASSERT_OK(engine_->Flush());
  MemoryFileSystem other;
  CheckpointOptions options;
  options.file_system = &other;
  options.identity = Engine::NewIdentity();
  const auto result = engine_->Checkpoint("/copy", options);
  NORI_ASSERT_OK(result.status());
  EXPECT_EQ(result->files_linked, 0u);
  EXPECT_GT(result->files_copied, 0u);
  EXPECT_EQ(result->bytes, result->bytes_written);
  EXPECT_EQ(Read(&other, "/copy", "k10000"), "v");
  const auto identity = Engine::ReadIdentity(&other, "/copy");
  NORI_ASSERT_OK(identity.status());
  EXPECT_EQ(*identity, options.identity);
  EXPECT_NE(*identity, engine_->identity());
  EXPECT_TRUE(
      absl::IsNotFound(Engine::ReadIdentity(&other, "/nowhere").status()));
}

TEST_F(EngineCheckpoint, BesideAnEarlierCopy) {
  PutMany("v");
  NORI_ASSERT_OK(engine_->Flush());
  MemoryFileSystem other;
  CheckpointOptions options;
  options.file_system = &other;
  const auto first = engine_->Checkpoint("/first", options);
  NORI_ASSERT_OK(first.status());
  PutMany("w");
  NORI_ASSERT_OK(engine_->Flush());
  options.previous = "/first";
  const auto second = engine_->Checkpoint("/second", options);
  NORI_ASSERT_OK(second.status());
  EXPECT_EQ(second->files_reused, first->files_copied);
  EXPECT_EQ(Read(&other, "/second", "k11999"), "w");
  EXPECT_EQ(Read(&other, "/first", "k11999"), "v");
}

TEST_F(EngineCheckpoint, StopsWhereItIsTold) {
  PutMany("v");
  int calls = 0;
  CheckpointOptions options;
  options.go_on = [&calls] {
    return ++calls == 2 ? absl::CancelledError("enough") : absl::OkStatus();
  };
  EXPECT_TRUE(
      absl::IsCancelled(engine_->Checkpoint("/copy", options).status()));
  EXPECT_FALSE(disk_.Exists("/copy"));
}

TEST_F(EngineCheckpoint, DoesNotMixWithAnotherEngine) {
  Put("a", "1");
  NORI_ASSERT_OK(engine_->Checkpoint("/copy").status());
  EXPECT_TRUE(absl::IsAlreadyExists(engine_->Checkpoint("/copy").status()));
  EXPECT_EQ(Read(&disk_, "/copy", "a"), "1");
}

// Every operation on the copy's disk fails once, or the disk is full from some
// byte on: nothing is left and the engine goes on.
TEST_F(EngineCheckpoint, OnAFailingDisk) {
  PutMany("v");
  NORI_ASSERT_OK(engine_->Flush());
  Put("a", "1");
  int failed = 0;
  for (uint64_t point = 1;; ++point) {
    MemoryFileSystem other;
    FaultFileSystem faults(&other, point);
    Fault fault;
    fault.operations = IoOperationSet::All();
    fault.nth = point;
    faults.AddFault(fault);
    CheckpointOptions options;
    options.file_system = &faults;
    const auto result = engine_->Checkpoint("/copy", options);
    if (faults.hits() == 0) {
      NORI_ASSERT_OK(result.status());
      break;
    }
    if (result.ok()) {
      EXPECT_EQ(Read(&other, "/copy", "a"), "1");
      continue;
    }
    ++failed;
    EXPECT_FALSE(other.Exists("/copy/CURRENT")) << result.status();
  }
  EXPECT_GT(failed, 10);
  for (uint64_t space = 0; space < 20000; space += 997) {
    MemoryFileSystem other;
    FaultFileSystem faults(&other, space);
    faults.SetSpace(space);
    CheckpointOptions options;
    options.file_system = &faults;
    const auto result = engine_->Checkpoint("/copy", options);
    if (result.ok()) continue;
    EXPECT_TRUE(absl::IsResourceExhausted(result.status())) << result.status();
    EXPECT_FALSE(other.Exists("/copy"));
  }
  EXPECT_EQ(GetOr(engine_.get(), "a"), "1");
}

}  // namespace
}  // namespace nori
