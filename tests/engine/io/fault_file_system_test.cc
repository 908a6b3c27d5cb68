#include "engine/io/fault_file_system.h"

#include <bit>
#include <string>
#include <vector>

#include "engine/io/memory_file_system.h"
#include "gmock/gmock.h"
#include "tests/engine/io/test_util.h"

namespace nori {
namespace {

using ::testing::HasSubstr;
using enum IoOperation;

class FaultFileSystemTest : public ::testing::Test {
 protected:
  const uint64_t seed_ = TestSeed();
  MemoryFileSystem base_;
  FaultFileSystem fs_{&base_, seed_};
};

int DifferentBits(std::string_view a, std::string_view b) {
  EXPECT_EQ(a.size(), b.size());
  int n = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    n += std::popcount(static_cast<uint8_t>(a[i] ^ b[i]));
  }
  return n;
}

TEST_F(FaultFileSystemTest, EveryOperationCanFailOnce) {
  ASSERT_OK(base_.CreateDirectory("/d"));
  ASSERT_OK(WriteNewFile(&base_, "/f", "content", true));
  const std::vector<std::pair<IoOperation, std::function<absl::Status()>>>
      cases = {
          {kOpen, [&] { return fs_.OpenRandomAccess("/f").status(); }},
          {kOpen, [&] { return fs_.OpenReadWrite("/f", false).status(); }},
          {kOpen, [&] { return fs_.ReadFile("/f").status(); }},
          {kRead, [&] { return fs_.ReadFile("/f").status(); }},
          {kCreate, [&] { return fs_.CreateWritable("/n").status(); }},
          {kCreate, [&] { return fs_.OpenReadWrite("/n", true).status(); }},
          {kWrite, [&] { return WriteNewFile(&fs_, "/w", "x", true); }},
          {kSync, [&] { return WriteNewFile(&fs_, "/w", "x", true); }},
          {kClose, [&] { return WriteNewFile(&fs_, "/w", "x", true); }},
          {kTruncate,
           [&] { return Get(fs_.OpenReadWrite("/w", true))->Truncate(1); }},
          {kStat,
           [&] { return Get(fs_.OpenReadWrite("/w", true))->Size().status(); }},
          {kStat, [&] { return fs_.FileSize("/f").status(); }},
          {kStat, [&] { return fs_.Identity("/f").status(); }},
          {kStat, [&] { return fs_.IsDirectory("/f").status(); }},
          {kList, [&] { return fs_.ListDirectory("/").status(); }},
          {kMakeDirectory, [&] { return fs_.CreateDirectory("/e"); }},
          {kDelete, [&] { return fs_.RemoveDirectory("/e"); }},
          {kLink, [&] { return fs_.LinkFile("/f", "/g"); }},
          {kRename, [&] { return fs_.RenameFile("/g", "/h"); }},
          {kDelete, [&] { return fs_.RemoveFile("/h"); }},
          {kSyncDirectory, [&] { return fs_.SyncDirectory("/"); }},
          {kLock, [&] { return fs_.LockDirectory("/LOCK").status(); }},
      };
  uint64_t hits = 0;
  for (const auto& [operation, call] : cases) {
    fs_.AddFault({.operations = {operation},
                  .code = absl::StatusCode::kPermissionDenied,
                  .cause = "the dog ate it"});
    const absl::Status s = call();
    EXPECT_EQ(s.code(), absl::StatusCode::kPermissionDenied)
        << IoOperationName(operation);
    EXPECT_EQ(IoOperationOf(s), operation);
    EXPECT_THAT(std::string(s.message()), HasSubstr("the dog ate it"));
    EXPECT_EQ(fs_.hits(), ++hits);
    EXPECT_OK(call()) << IoOperationName(operation);
    fs_.ClearFaults();
  }
}

TEST_F(FaultFileSystemTest, NthCallAndFromThenOn) {
  ASSERT_OK(WriteNewFile(&base_, "/a", "x", true));
  ASSERT_OK(WriteNewFile(&base_, "/b", "x", true));
  fs_.AddFault({.operations = {kStat}, .path_contains = "a", .nth = 3});
  for (int i = 1; i <= 5; ++i) {
    EXPECT_EQ(fs_.FileSize("/a").ok(), i != 3);
    EXPECT_TRUE(fs_.FileSize("/b").ok());
  }
  fs_.ClearFaults();
  fs_.AddFault(
      {.operations = IoOperationSet::All(), .nth = 2, .from_then_on = true});
  for (int i = 1; i <= 5; ++i) EXPECT_EQ(fs_.FileSize("/a").ok(), i < 2);
  fs_.ClearFaults();
  EXPECT_TRUE(fs_.FileSize("/a").ok());
  EXPECT_EQ(fs_.Calls({kStat}), 16u);
  EXPECT_EQ(fs_.Calls(IoOperationSet::All()), 16u);
  EXPECT_EQ(fs_.Calls(IoOperationSet::Changes()), 0u);
}

TEST_F(FaultFileSystemTest, RenameIsFoundByEitherPath) {
  ASSERT_OK(WriteNewFile(&base_, "/a", "x", true));
  fs_.AddFault({.operations = {kRename}, .path_contains = "target"});
  EXPECT_FALSE(fs_.RenameFile("/a", "/target").ok());
  EXPECT_TRUE(base_.Exists("/a"));
  EXPECT_TRUE(fs_.RenameFile("/a", "/b").ok());
}

TEST_F(FaultFileSystemTest, FailedSyncIsStickyAndMakesNothingDurable) {
  auto log = Get(fs_.OpenReadWrite("/log", true));
  auto table = Get(fs_.CreateWritable("/table"));
  ASSERT_OK(base_.SyncDirectory("/"));
  ASSERT_OK(log->WriteAt(0, "data"));
  ASSERT_OK(table->Append("data"));
  fs_.AddFault({.operations = {kSync}, .path_contains = "log"});
  fs_.AddFault({.operations = {kSync}, .path_contains = "table"});
  const absl::Status log_failure = log->Sync();
  const absl::Status table_failure = table->Sync();
  EXPECT_FALSE(log_failure.ok());
  EXPECT_FALSE(table_failure.ok());
  EXPECT_EQ(fs_.hits(), 2u);
  EXPECT_EQ(log->Sync(), log_failure);
  EXPECT_EQ(table->Sync(), table_failure);
  EXPECT_EQ(table->Append("more"), table_failure);
  EXPECT_EQ(table->Close(), table_failure);
  EXPECT_OK(log->WriteAt(4, "still writes"));
  base_.CrashDroppingUnsynced();
  EXPECT_EQ(Get(base_.ReadFile("/log")), "");
  EXPECT_EQ(Get(base_.ReadFile("/table")), "");
}

TEST_F(FaultFileSystemTest, FailedWritesAreTorn) {
  const std::string data(1000, 'x');
  bool nothing = false, part = false;
  for (int i = 0; i < 100; ++i) {
    auto file = Get(fs_.OpenReadWrite("/f" + std::to_string(i), true));
    fs_.AddFault({.operations = {kWrite}});
    EXPECT_FALSE(file->WriteAt(0, data).ok());
    const uint64_t size = Get(file->Size());
    ASSERT_LT(size, data.size());
    nothing |= size == 0;
    part |= size > 0;
    fs_.ClearFaults();
  }
  EXPECT_TRUE(nothing && part);
}

TEST_F(FaultFileSystemTest, SpaceRunsOutAndComesBack) {
  fs_.SetSpace(1000);
  auto log = Get(fs_.OpenReadWrite("/log", true));
  ASSERT_OK(log->WriteAt(0, std::string(600, 'a')));
  const absl::Status s = log->WriteAt(600, std::string(600, 'b'));
  EXPECT_EQ(s.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(IoOperationOf(s), kWrite);
  EXPECT_EQ(Get(log->Size()), 1000u);
  EXPECT_FALSE(log->WriteAt(0, "x").ok());
  EXPECT_OK(log->Sync());
  auto table = Get(fs_.CreateWritable("/table"));
  EXPECT_TRUE(absl::IsResourceExhausted(table->Append("x")));
  fs_.SetSpace(std::nullopt);
  EXPECT_OK(log->WriteAt(600, std::string(600, 'b')));
  EXPECT_TRUE(absl::IsResourceExhausted(table->Append("x")));
  EXPECT_OK(WriteNewFile(&fs_, "/other", "x", true));
}

TEST_F(FaultFileSystemTest, BitsFlipInReadsOnly) {
  Random random(seed_);
  const std::string content = RandomBytes(&random, 3000);
  ASSERT_OK(WriteNewFile(&fs_, "/f", content, true));
  fs_.AddFault({.operations = {kRead},
                .from_then_on = true,
                .effect = Fault::Effect::kFlipBit});
  auto reader = Get(fs_.OpenRandomAccess("/f"));
  auto both = Get(fs_.OpenReadWrite("/f", false));
  EXPECT_TRUE(reader->Mapped().empty());
  std::string scratch(3000, '\0');
  std::string_view result;
  for (int i = 0; i < 50; ++i) {
    ASSERT_OK(reader->Read(100, 500, scratch.data(), &result));
    EXPECT_EQ(DifferentBits(result, content.substr(100, 500)), 1);
    ASSERT_OK(both->ReadAt(2900, 500, scratch.data(), &result));
    EXPECT_EQ(DifferentBits(result, content.substr(2900)), 1);
    EXPECT_EQ(DifferentBits(Get(fs_.ReadFile("/f")), content), 1);
  }
  ASSERT_OK(reader->Read(0, 0, scratch.data(), &result));
  EXPECT_EQ(Get(base_.ReadFile("/f")), content);
}

TEST_F(FaultFileSystemTest, ShortReads) {
  ASSERT_OK(WriteNewFile(&fs_, "/f", "0123456789", true));
  fs_.AddFault({.operations = {kRead},
                .from_then_on = true,
                .effect = Fault::Effect::kShortRead});
  auto reader = Get(fs_.OpenRandomAccess("/f"));
  auto both = Get(fs_.OpenReadWrite("/f", false));
  char scratch[10];
  std::string_view result;
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(absl::IsDataLoss(reader->Read(0, 10, scratch, &result)));
    ASSERT_OK(both->ReadAt(0, 10, scratch, &result));
    EXPECT_LT(result.size(), 10u);
    EXPECT_EQ(result, std::string("0123456789").substr(0, result.size()));
    EXPECT_LT(Get(fs_.ReadFile("/f")).size(), 10u);
  }
}

TEST_F(FaultFileSystemTest, ObserverSeesEveryStepBeforeItHappens) {
  std::vector<std::string> seen;
  std::vector<std::unique_ptr<MemoryFileSystem>> pictures;
  fs_.SetObserver([&](IoOperation operation, std::string_view path) {
    seen.push_back(std::string(IoOperationName(operation)) + " " +
                   std::string(path));
    pictures.push_back(base_.Clone());
  });
  ASSERT_OK(WriteNewFile(&fs_, "/f", "x", true));
  ASSERT_OK(fs_.SyncDirectory("/"));
  fs_.SetObserver(nullptr);
  ASSERT_OK(fs_.SyncDirectory("/"));
  EXPECT_THAT(seen, ::testing::ElementsAre("create /f", "write /f", "fsync /f",
                                           "close /f", "fsync directory /"));
  ASSERT_EQ(pictures.size(), 5u);
  EXPECT_FALSE(pictures[0]->Exists("/f"));
  EXPECT_EQ(Get(pictures[2]->ReadFile("/f")), "");
  EXPECT_EQ(Get(pictures[3]->ReadFile("/f")), "x");
  pictures[4]->CrashDroppingUnsynced();
  EXPECT_FALSE(pictures[4]->Exists("/f"));
}

}  // namespace
}  // namespace nori
