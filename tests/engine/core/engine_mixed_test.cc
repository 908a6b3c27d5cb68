// Transactions whose fate a host database decides.

#include <map>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "engine/io/memory_file_system.h"
#include "tests/engine/core/engine_fixture.h"

namespace nori {
namespace {

class EngineMixed : public ::testing::Test {
 protected:
  std::unique_ptr<Engine> Open(FileSystem* fs, uint64_t host,
                               uint64_t known = 0) {
    Options options = TinyOptions(fs);
    options.background = BackgroundMode::kManual;
    OpenContext context;
    context.host_mixed_number = [this, host]() -> absl::StatusOr<uint64_t> {
      ++asked_;
      return host;
    };
    context.known_mixed = known;
    context.sync_host = [this] {
      ++syncs_;
      return host_sync_;
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
  int syncs_ = 0;
  absl::Status host_sync_;  // what syncing the host gives
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
  const auto engine = Open(&fs_, 1, /*known=*/1);
  EXPECT_EQ(asked_, 0);
  EXPECT_EQ(engine->LastMixed(), 1);
}

// What a table or a copy holds cannot be taken back, so the host is durable
// first; if it cannot be, nothing moves.
TEST_F(EngineMixed, HostIsSyncedBeforeATableOrACopy) {
  const auto engine = Open(&fs_, 0);
  NORI_ASSERT_OK(engine->Put({}, "alone", "x"));
  NORI_ASSERT_OK(engine->Flush());
  EXPECT_EQ(syncs_, 0);
  Mixed(engine.get(), 1, true);
  host_sync_ = absl::InternalError("the host's disk is gone");
  EXPECT_TRUE(absl::IsInternal(engine->Flush()));
  EXPECT_EQ(engine->FlushedMixed(), 0);
  EXPECT_TRUE(absl::IsInternal(engine->Checkpoint("/copy").status()));
  EXPECT_FALSE(fs_.Exists("/copy"));
  EXPECT_EQ(GetOr(engine.get(), "m1"), "x");
  host_sync_ = absl::OkStatus();
  syncs_ = 0;
  NORI_ASSERT_OK(engine->Checkpoint("/copy").status());
  EXPECT_EQ(syncs_, 1);
  NORI_ASSERT_OK(engine->Flush());
  EXPECT_EQ(syncs_, 2);
  EXPECT_EQ(engine->FlushedMixed(), 1);
}

// Every part of a spilled transaction waits for the host, not only the last.
TEST_F(EngineMixed, HostIsSyncedBeforeAnyPartOfASpilledOne) {
  const auto engine = Open(&fs_, 0);
  auto txn = engine->BeginTransaction({});
  for (int i = 0; i < 2000; ++i) {
    NORI_ASSERT_OK((*txn)->Put(absl::StrCat("key", i), std::string(200, 'x')));
  }
  NORI_ASSERT_OK(
      (*txn)->Prepare(PrepareMode::kHostDecides, 1, Durability::kSync));
  NORI_ASSERT_OK((*txn)->Commit(Durability::kSync));
  host_sync_ = absl::InternalError("the host's disk is gone");
  const size_t before = engine->GetTables().size();
  EXPECT_FALSE(engine->Flush().ok());
  EXPECT_EQ(engine->GetTables().size(), before);
  host_sync_ = absl::OkStatus();
  NORI_ASSERT_OK(engine->Flush());
  EXPECT_EQ(engine->FlushedMixed(), 1);
}

// After a kill the host's word comes from the page cache.
TEST_F(EngineMixed, RecoverySyncsTheHostBeforeItDecides) {
  {
    const auto engine = Open(&fs_, 0);
    Mixed(engine.get(), 1, true);
  }
  const auto disk = fs_.Clone();
  syncs_ = 0;
  ASSERT_NE(Open(&fs_, 1), nullptr);
  EXPECT_EQ(syncs_, 1);
  host_sync_ = absl::InternalError("the host's disk is gone");
  OpenContext context;
  context.host_mixed_number = [] { return absl::StatusOr<uint64_t>(1); };
  context.sync_host = [this] { return host_sync_; };
  Options options = TinyOptions(disk.get());
  EXPECT_TRUE(absl::IsInternal(Engine::Open(options, "/db", context).status()));
  host_sync_ = absl::OkStatus();
  EXPECT_EQ(GetOr(Open(disk.get(), 0).get(), "m1"), "<none>");
}

// A refusal leaves every file as it was: the right database may come back.
TEST_F(EngineMixed, RefusedEngineIsNotTouched) {
  std::string identity;
  {
    const auto engine = Open(&fs_, 0);
    identity = engine->identity();
    Mixed(engine.get(), 1, true);
    NORI_ASSERT_OK(engine->Flush());
    Mixed(engine.get(), 2, true);
    NORI_ASSERT_OK(engine->Put({}, "last", "x"));
  }
  const auto files = [this] {
    std::map<std::string, std::string> all;
    const auto names = fs_.ListDirectory("/db");
    for (const std::string& name : *names) {
      all[name] = *fs_.ReadFile("/db/" + name);
    }
    return all;
  };
  const auto before = files();
  const auto refused = [&](const std::string& wanted, uint64_t host) {
    OpenContext context;
    context.identity = wanted;
    context.host_mixed_number = [host] {
      return absl::StatusOr<uint64_t>(host);
    };
    const auto opened = Engine::Open(TinyOptions(&fs_), "/db", context);
    EXPECT_TRUE(absl::IsFailedPrecondition(opened.status())) << opened.status();
    EXPECT_EQ(files(), before);
    return std::string(opened.status().message());
  };
  EXPECT_NE(refused("0123456789abcdef", 2).find("another database"),
            std::string::npos);
  EXPECT_NE(refused(identity, 0).find("older"), std::string::npos);
  const auto engine = Open(&fs_, 2, /*known=*/2);
  EXPECT_EQ(GetOr(engine.get(), "m2"), "x");
  EXPECT_EQ(GetOr(engine.get(), "last"), "x");
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
