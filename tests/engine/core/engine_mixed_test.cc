// Transactions whose fate a host database decides.

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "engine/io/memory_file_system.h"
#include "tests/engine/core/engine_fixture.h"

namespace nori {
namespace {

class EngineMixed : public ::testing::Test {
 protected:
  std::unique_ptr<Engine> Open(FileSystem* fs, uint64_t host) {
    Options options = TinyOptions(fs);
    options.background = BackgroundMode::kManual;
    OpenContext context;
    context.host_mixed_number = [this, host]() -> absl::StatusOr<uint64_t> {
      ++asked_;
      return host;
    };
    auto opened = Engine::Open(options, "/db", context);
    EXPECT_TRUE(opened.ok()) << opened.status();
    return opened.ok() ? *std::move(opened) : nullptr;
  }

  // Prepares mixed transaction m; commits it if told so.
  static void Mixed(Engine* engine, uint64_t m, bool commit) {
    auto txn = engine->BeginTransaction({});
    ASSERT_TRUE(txn.ok());
    NORI_ASSERT_OK((*txn)->Put(absl::StrCat("m", m), "x"));
    NORI_ASSERT_OK(
        (*txn)->Prepare(PrepareMode::kHostDecides, m, Durability::kSync));
    if (commit) {
      NORI_ASSERT_OK((*txn)->Commit(Durability::kSync));
    } else {
      NORI_ASSERT_OK((*txn)->Rollback());
    }
  }

  MemoryFileSystem fs_;
  int asked_ = 0;
};

// The process dies between prepare and commit: the host alone knows.
TEST_F(EngineMixed, HostDecidesTheLastOne) {
  std::unique_ptr<MemoryFileSystem> disk;
  {
    const auto engine = Open(&fs_, 0);
    Mixed(engine.get(), 1, true);
    auto txn = engine->BeginTransaction({});
    NORI_ASSERT_OK((*txn)->Put("m2", "x"));
    NORI_ASSERT_OK(
        (*txn)->Prepare(PrepareMode::kHostDecides, 2, Durability::kSync));
    disk = fs_.Clone();
  }
  const auto other = disk->Clone();
  auto engine = Open(disk.get(), 2);
  EXPECT_EQ(GetOr(engine.get(), "m1"), "x");
  EXPECT_EQ(GetOr(engine.get(), "m2"), "x");
  EXPECT_EQ(engine->LastMixed(), 2);
  engine = Open(other.get(), 1);
  EXPECT_EQ(GetOr(engine.get(), "m1"), "x");
  EXPECT_EQ(GetOr(engine.get(), "m2"), "<none>");
  EXPECT_EQ(engine->LastMixed(), 1);
}

// A host that lost transaction 2 takes back all that came after it, too.
TEST_F(EngineMixed, LogIsCutAtTheFirstUnknown) {
  std::unique_ptr<MemoryFileSystem> disk;
  {
    const auto engine = Open(&fs_, 0);
    Mixed(engine.get(), 1, true);
    Mixed(engine.get(), 2, true);
    NORI_ASSERT_OK(engine->Put({}, "later", "x"));
    disk = fs_.Clone();
  }
  auto engine = Open(disk.get(), 1);
  EXPECT_EQ(GetOr(engine.get(), "m1"), "x");
  EXPECT_EQ(GetOr(engine.get(), "m2"), "<none>");
  EXPECT_EQ(GetOr(engine.get(), "later"), "<none>");
  // What was cut stays cut, and the number can be used again.
  Mixed(engine.get(), 2, true);
  engine.reset();
  engine = Open(disk.get(), 2);
  EXPECT_EQ(GetOr(engine.get(), "m2"), "x");
  EXPECT_EQ(GetOr(engine.get(), "later"), "<none>");
}

TEST_F(EngineMixed, AbortedNumberMayBeUsedAgain) {
  {
    const auto engine = Open(&fs_, 0);
    Mixed(engine.get(), 1, false);
    EXPECT_EQ(engine->LastMixed(), 0);
    auto txn = engine->BeginTransaction({});
    NORI_ASSERT_OK((*txn)->Put("second", "x"));
    NORI_ASSERT_OK(
        (*txn)->Prepare(PrepareMode::kHostDecides, 1, Durability::kSync));
    NORI_ASSERT_OK((*txn)->Commit(Durability::kSync));
  }
  const auto engine = Open(&fs_, 1);
  EXPECT_EQ(GetOr(engine.get(), "m1"), "<none>");
  EXPECT_EQ(GetOr(engine.get(), "second"), "x");
}

TEST_F(EngineMixed, NothingUndecidedIsVisibleWithoutTheHost) {
  {
    const auto engine = Open(&fs_, 0);
    Mixed(engine.get(), 1, true);
  }
  Options options = TinyOptions(&fs_);
  options.background = BackgroundMode::kManual;
  for (int i = 0; i < 3; ++i) {
    const auto opened = Engine::Open(options, "/db");
    EXPECT_TRUE(absl::IsFailedPrecondition(opened.status())) << opened.status();
  }
  const auto engine = Open(&fs_, 1);
  EXPECT_EQ(GetOr(engine.get(), "m1"), "x");
}

TEST_F(EngineMixed, FlushedOnesNeedNoHost) {
  {
    const auto engine = Open(&fs_, 0);
    Mixed(engine.get(), 1, true);
    NORI_ASSERT_OK(engine->Flush());
    EXPECT_EQ(engine->FlushedMixed(), 1);
  }
  asked_ = 0;
  const auto engine = Open(&fs_, 1);
  EXPECT_EQ(asked_, 0);
  EXPECT_EQ(engine->LastMixed(), 1);
}

// COMMIT may fail after xSync and be tried again with more in it.
TEST_F(EngineMixed, PrepareIsRepeatable) {
  std::unique_ptr<MemoryFileSystem> disk;
  {
    const auto engine = Open(&fs_, 0);
    auto txn = engine->BeginTransaction({});
    NORI_ASSERT_OK((*txn)->Put("a", "1"));
    NORI_ASSERT_OK(
        (*txn)->Prepare(PrepareMode::kNeedsOutcome, 0, Durability::kSync));
    NORI_ASSERT_OK((*txn)->Put("b", "2"));
    NORI_ASSERT_OK(
        (*txn)->Prepare(PrepareMode::kNeedsOutcome, 0, Durability::kSync));
    disk = fs_.Clone();
    NORI_ASSERT_OK((*txn)->Commit(Durability::kSync));
    EXPECT_EQ(GetOr(engine.get(), "b"), "2");
  }
  EXPECT_EQ(GetOr(Open(&fs_, 0).get(), "a"), "1");
  // Killed after the prepare: no outcome, nothing of it.
  EXPECT_EQ(GetOr(Open(disk.get(), 0).get(), "a"), "<none>");
}

}  // namespace
}  // namespace nori
