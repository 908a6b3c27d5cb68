// A database file as the pager's calls see it, below SQLite.

#include "sqlite_vfs/page_file.h"

#include <sqlite3.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>

#include "engine/io/fault_file_system.h"
#include "engine/io/memory_file_system.h"
#include "tests/engine/core/engine_fixture.h"
#include "tests/sqlite_vfs/memory_pages.h"

namespace nori {
namespace {

class PageFileTest : public ::testing::Test {
 protected:
  std::unique_ptr<PageFile> Open() {
    auto store = pages_.stores()->Open(MemoryPages::kPath, /*create=*/true);
    EXPECT_TRUE(store.ok()) << store.status();
    return std::make_unique<PageFile>(*std::move(store), nullptr);
  }

  // `size` bytes at `offset`, with those beyond the end as '?' so that they
  // show.
  static std::string Read(PageFile* file, uint64_t offset, size_t size) {
    std::string buffer(size, 'x');
    const auto inside = file->Read(offset, size, buffer.data());
    EXPECT_TRUE(inside.ok()) << inside.status();
    for (size_t i = *inside; i < size; ++i) {
      EXPECT_EQ(buffer[i], '\0') << "a short read is filled with zeros";
      buffer[i] = '?';
    }
    return buffer;
  }
  static uint64_t Size(PageFile* file) {
    const auto size = file->Size();
    EXPECT_TRUE(size.ok()) << size.status();
    return *size;
  }
  static void Commit(PageFile* file) {
    NORI_EXPECT_OK(file->BeginSync(/*is_part=*/false));
    NORI_EXPECT_OK(file->Sync());
    NORI_EXPECT_OK(file->CommitPhaseTwo());
    file->Unlock(SQLITE_LOCK_NONE);
  }
  static void Begin(PageFile* file) {
    NORI_EXPECT_OK(file->Lock(SQLITE_LOCK_SHARED));
    NORI_EXPECT_OK(file->Lock(SQLITE_LOCK_RESERVED));
    NORI_EXPECT_OK(file->Lock(SQLITE_LOCK_EXCLUSIVE));
  }

  // Of all that changes the disk the next call fails, or all from then on.
  void Fail(bool from_then_on = false) {
    Fault fault;
    fault.operations = IoOperationSet::Changes();
    fault.from_then_on = from_then_on;
    fault.code = absl::StatusCode::kResourceExhausted;
    faults_.AddFault(fault);
  }

  MemoryFileSystem disk_;
  FaultFileSystem faults_{&disk_, 1};
  MemoryPages pages_{&faults_, 1};
};

// What a file of bytes does, for writes and cuts of any place and length.
TEST_F(PageFileTest, AnyBytesCanBeWrittenAndCut) {
  Random random(TestSeed(3));
  const auto file = Open();
  const auto other = Open();
  std::string committed;
  for (int round = 0; round < 300 && !HasFailure(); ++round) {
    std::string wanted = committed;
    Begin(file.get());
    if (round == 0) {
      wanted = std::string(1024, 'a');
      NORI_ASSERT_OK(file->Write(0, wanted));
    }
    for (uint64_t changes = random.Uniform(6); changes > 0; --changes) {
      const uint64_t at = random.Uniform(20000);
      if (random.OneIn(4)) {
        wanted.resize(at);
        NORI_ASSERT_OK(file->Truncate(at));
      } else {
        const std::string data(
            1 + random.Uniform(5000),
            random.OneIn(3) ? '\0' : static_cast<char>('a' + round % 26));
        wanted.resize(std::max(wanted.size(), at + data.size()));
        wanted.replace(at, data.size(), data);
        NORI_ASSERT_OK(file->Write(at, data));
      }
    }
    EXPECT_EQ(Size(file.get()), wanted.size());
    EXPECT_EQ(Read(file.get(), 0, wanted.size()), wanted);
    // Unlocked reads of another file are of the newest commit.
    EXPECT_EQ(Size(other.get()), committed.size());
    EXPECT_EQ(Read(other.get(), 0, committed.size()), committed);
    if (random.OneIn(3)) {
      file->Unlock(SQLITE_LOCK_NONE);
    } else {
      Commit(file.get());
      committed = wanted;
    }
    const uint64_t at = random.Uniform(committed.size() + 1);
    EXPECT_EQ(Read(file.get(), at, 50),
              (committed.substr(at, 50) + std::string(50, '?')).substr(0, 50));
  }
  EXPECT_EQ(Read(Open().get(), 0, committed.size()), committed);
}

// SQLite never reads or writes the page with this byte, but counts it.
TEST_F(PageFileTest, ThePageThatSqliteSkipsCounts) {
  constexpr uint64_t kSkipped = 0x40000000;
  for (const uint64_t page : {512, 4096, 65536}) {
    const auto file = Open();
    Begin(file.get());
    NORI_ASSERT_OK(file->Truncate(0));
    const std::string data(page, 'p');
    NORI_ASSERT_OK(file->Write(0, data));
    NORI_ASSERT_OK(file->Write(kSkipped - page, data));
    NORI_ASSERT_OK(file->Write(kSkipped + page, data));
    Commit(file.get());
    EXPECT_EQ(Size(file.get()), kSkipped + 2 * page);
    EXPECT_EQ(Read(file.get(), kSkipped - page, page), data);
    EXPECT_EQ(Read(file.get(), kSkipped, page), std::string(page, '\0'));
    EXPECT_EQ(Read(file.get(), kSkipped + page, page), data);
    EXPECT_EQ(Read(file.get(), kSkipped / 2, page), std::string(page, '\0'));
    Begin(file.get());
    NORI_ASSERT_OK(file->Truncate(kSkipped));
    Commit(file.get());
    EXPECT_EQ(Read(file.get(), kSkipped - page, page), data);
    EXPECT_EQ(Size(file.get()), kSkipped);
  }
}

TEST_F(PageFileTest, OnlyPhaseTwoCommits) {
  const auto file = Open();
  Begin(file.get());
  NORI_ASSERT_OK(file->Write(0, std::string(512, 'a')));
  Commit(file.get());

  Begin(file.get());
  NORI_ASSERT_OK(file->Write(0, std::string(512, 'b')));
  NORI_ASSERT_OK(file->BeginSync(false));
  NORI_ASSERT_OK(file->Sync());
  file->Unlock(SQLITE_LOCK_SHARED);
  EXPECT_EQ(Read(file.get(), 0, 1), "a");
  file->Unlock(SQLITE_LOCK_NONE);

  // Without any change.
  Begin(file.get());
  NORI_ASSERT_OK(file->CommitPhaseTwo());
  file->Unlock(SQLITE_LOCK_NONE);
  EXPECT_EQ(Read(file.get(), 0, 1), "a");
  EXPECT_EQ(Read(Open().get(), 0, 1), "a");
}

TEST_F(PageFileTest, ACommitIsSeenByItsOwnFileAtOnce) {
  const auto file = Open();
  const auto other = Open();
  Begin(file.get());
  NORI_ASSERT_OK(file->Write(0, std::string(1024, 'a')));
  NORI_ASSERT_OK(other->Lock(SQLITE_LOCK_SHARED));
  NORI_ASSERT_OK(file->CommitPhaseTwo());
  file->Unlock(SQLITE_LOCK_SHARED);
  EXPECT_EQ(Size(file.get()), 1024u);
  EXPECT_EQ(Read(file.get(), 0, 1), "a");
  EXPECT_EQ(Size(other.get()), 0u);
  EXPECT_TRUE(absl::IsAborted(other->Lock(SQLITE_LOCK_RESERVED)));
  EXPECT_EQ(other->level(), SQLITE_LOCK_SHARED);
  other->Unlock(SQLITE_LOCK_NONE);
  Begin(other.get());
  EXPECT_TRUE(absl::IsUnavailable(file->Lock(SQLITE_LOCK_RESERVED)));
  // The pager goes on below its shared lock after that.
  EXPECT_EQ(file->level(), SQLITE_LOCK_SHARED);
}

TEST_F(PageFileTest, LettingAFileGoUndoesItsChanges) {
  auto file = Open();
  Begin(file.get());
  NORI_ASSERT_OK(file->Write(0, std::string(1024, 'a')));
  NORI_ASSERT_OK(file->Sync());
  file.reset();
  const auto next = Open();
  EXPECT_EQ(Size(next.get()), 0u);
  Begin(next.get());
}

TEST_F(PageFileTest, AWriteWithoutALockIsRefused) {
  const auto file = Open();
  EXPECT_TRUE(absl::IsFailedPrecondition(file->Write(0, "a")));
  NORI_ASSERT_OK(file->Lock(SQLITE_LOCK_SHARED));
  EXPECT_TRUE(absl::IsFailedPrecondition(file->Write(0, "a")));
  EXPECT_TRUE(absl::IsFailedPrecondition(file->Truncate(0)));
}

// Under locking_mode=EXCLUSIVE and journal_mode=OFF nothing but the read of the
// counter tells that a transaction was given up.
TEST_F(PageFileTest, AReadOfTheCounterEndsWhatWasGivenUp) {
  const auto file = Open();
  Begin(file.get());
  NORI_ASSERT_OK(file->Write(0, std::string(1024, 'a')));
  NORI_ASSERT_OK(file->Sync());
  NORI_ASSERT_OK(file->CommitPhaseTwo());
  NORI_ASSERT_OK(file->Write(0, std::string(1024, 'b')));
  EXPECT_EQ(Read(file.get(), 24, 16), std::string(16, 'a'));
  NORI_ASSERT_OK(file->Write(512, std::string(512, 'c')));
  NORI_ASSERT_OK(file->Sync());
  NORI_ASSERT_OK(file->CommitPhaseTwo());
  EXPECT_EQ(Read(Open().get(), 511, 2), "ac");
}

// As above, where it was given up because its sync failed: the next commit is
// not taken for a part of what SQLite plays back then.
TEST_F(PageFileTest, ACommitAfterAFailedSyncIsNotLost) {
  const auto file = Open();
  Begin(file.get());
  NORI_ASSERT_OK(file->Write(0, std::string(1024, 'a')));
  Fail();
  EXPECT_TRUE(absl::IsResourceExhausted(file->Sync()));
  EXPECT_EQ(Read(file.get(), 24, 1), "?");
  EXPECT_EQ(Read(file.get(), 24, 16), std::string(16, '?'));
  NORI_ASSERT_OK(file->Write(0, std::string(1024, 'b')));
  NORI_ASSERT_OK(file->Sync());
  NORI_ASSERT_OK(file->CommitPhaseTwo());
  EXPECT_EQ(Read(Open().get(), 0, 1), "b");
}

// What is written back after a failed sync is not kept: it is the old state.
TEST_F(PageFileTest, ThePlaybackAfterAFailedSync) {
  const auto file = Open();
  Begin(file.get());
  NORI_ASSERT_OK(file->Write(0, std::string(1024, 'a')));
  Fail();
  EXPECT_FALSE(file->Sync().ok());
  Fail(/*from_then_on=*/true);
  NORI_ASSERT_OK(file->Write(0, std::string(1024, '\0')));
  NORI_ASSERT_OK(file->Truncate(0));
  NORI_ASSERT_OK(file->BeginSync(/*is_part=*/false));
  NORI_ASSERT_OK(file->Sync());
  file->Unlock(SQLITE_LOCK_NONE);
  EXPECT_EQ(Size(file.get()), 0u);
}

// SQLite ignores errors of the second phase where several files commit.
TEST_F(PageFileTest, APartOfACommitFailsBeforeTheSecondPhase) {
  const auto file = Open();
  Begin(file.get());
  NORI_ASSERT_OK(file->Write(0, std::string(1024, 'a')));
  Fail();
  EXPECT_TRUE(absl::IsResourceExhausted(file->BeginSync(/*is_part=*/true)));
  file->Unlock(SQLITE_LOCK_NONE);
  EXPECT_EQ(Size(file.get()), 0u);
  Begin(file.get());
  NORI_ASSERT_OK(file->Write(0, std::string(1024, 'b')));
  NORI_ASSERT_OK(file->BeginSync(/*is_part=*/true));
  Fail(/*from_then_on=*/true);
  NORI_EXPECT_OK(file->CommitPhaseTwo());
  EXPECT_EQ(Read(Open().get(), 0, 1), "b");
}

TEST_F(PageFileTest, ADatabaseInWalModeIsTakenOutOfIt) {
  std::string page(512, '\0');
  page[18] = page[19] = 2;
  page[27] = static_cast<char>(0xff);
  const auto file = Open();
  Begin(file.get());
  NORI_ASSERT_OK(file->Write(0, page));
  Commit(file.get());
  EXPECT_EQ(Read(file.get(), 18, 2), "\1\1");
  // Both counters go on, with their carry.
  EXPECT_EQ(Read(file.get(), 24, 4), std::string("\0\0\1\0", 4));
  EXPECT_EQ(Read(file.get(), 92, 4), std::string("\0\0\0\1", 4));
}

}  // namespace
}  // namespace nori
