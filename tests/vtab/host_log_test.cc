#include "vtab/host_log.h"

#include "engine/io/fault_file_system.h"
#include "engine/io/memory_file_system.h"
#include "gtest/gtest.h"

namespace nori {
namespace {

class HostLogTest : public ::testing::Test {
 protected:
  HostLogTest() {
    EXPECT_TRUE(disk_.CreateDirectory("/d").ok());
    EXPECT_TRUE(disk_.SyncDirectory("/").ok());
    faults_.SetObserver([this](IoOperation operation, std::string_view) {
      if (operation == IoOperation::kSync) ++syncs_;
    });
  }
  void WriteJournal(const std::string& path) {
    auto file = disk_.OpenReadWrite(path, /*create=*/true);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE((*file)->WriteAt(0, "frames").ok());
  }

  MemoryFileSystem disk_;
  FaultFileSystem faults_{&disk_, 1};
  int syncs_ = 0;
  HostLog log_{&faults_, "/d/app.db"};
};

TEST_F(HostLogTest, SyncsWhatIsThereOnceForAllBefore) {
  EXPECT_TRUE(log_.Sync().ok());  // no journal: all is in the database file
  WriteJournal("/d/app.db-wal");
  log_.MarkUnsynced();
  log_.MarkUnsynced();
  EXPECT_TRUE(log_.Sync().ok());
  EXPECT_EQ(syncs_, 1);
  EXPECT_TRUE(log_.Sync().ok());
  EXPECT_EQ(syncs_, 1);
  disk_.CrashDroppingUnsynced();
  EXPECT_EQ(*disk_.ReadFile("/d/app.db-wal"), "frames");
}

TEST_F(HostLogTest, FirstSyncTrustsNoEarlierProcess) {
  WriteJournal("/d/app.db-wal");
  EXPECT_TRUE(log_.Sync().ok());
  EXPECT_EQ(syncs_, 1);
}

TEST_F(HostLogTest, FailedDeviceIsNotAskedAgain) {
  WriteJournal("/d/app.db-journal");
  Fault fault;
  fault.operations = {IoOperation::kSync};
  fault.nth = 1;
  fault.code = absl::StatusCode::kInternal;
  faults_.AddFault(fault);
  EXPECT_TRUE(absl::IsInternal(log_.Sync()));
  EXPECT_TRUE(absl::IsInternal(log_.Sync()));
  EXPECT_EQ(faults_.hits(), 1);
}

TEST_F(HostLogTest, JournalThatCannotBeOpenedIsTriedAgain) {
  WriteJournal("/d/app.db-wal");
  Fault fault;
  fault.operations = {IoOperation::kOpen};
  fault.nth = 1;
  fault.code = absl::StatusCode::kResourceExhausted;
  faults_.AddFault(fault);
  EXPECT_FALSE(log_.Sync().ok());
  EXPECT_TRUE(log_.Sync().ok());
  EXPECT_EQ(syncs_, 1);
}

TEST_F(HostLogTest, DatabaseWithoutFilesNeedsNone) {
  HostLog memory(&faults_, "");
  EXPECT_TRUE(memory.Sync().ok());
}

}  // namespace
}  // namespace nori
