// PRAGMA synchronous in the VFS `nori`: what a commit waits for, and what a
// crash may take.

#include <cstdlib>
#include <memory>
#include <string>

#include "engine/io/memory_file_system.h"
#include "gtest/gtest.h"
#include "sqlite_vfs/page_pragmas.h"
#include "tests/sqlite_vfs/memory_pages.h"
#include "tests/vtab/module_fixture.h"

namespace nori {
namespace {

class PageSynchronous : public ::testing::Test {
 protected:
  PageSynchronous() { db_->Get("CREATE TABLE t(a)"); }

  // Syncs of the log by one commit.
  uint64_t SyncsOfACommit() {
    const uint64_t before = Syncs();
    db_->Get("INSERT INTO t VALUES(1)");
    return Syncs() - before;
  }
  // Rows on a copy of the disk to which `crash` has happened.
  std::string RowsAfter(void (*crash)(MemoryFileSystem*)) const {
    const std::unique_ptr<MemoryFileSystem> copy = disk_.Clone();
    crash(copy.get());
    MemoryPages pages(copy.get(), 2);
    TestConnection db(pages.Uri(), /*load=*/false);
    EXPECT_EQ(db.Get("PRAGMA integrity_check"), "'ok'");
    return db.Get("SELECT count(*) FROM t");
  }

  MemoryFileSystem disk_;
  MemoryPages pages_{&disk_, 1};
  std::unique_ptr<TestConnection> db_ =
      std::make_unique<TestConnection>(pages_.Uri(), /*load=*/false);

 private:
  uint64_t Syncs() {
    const std::string quoted = db_->Get("PRAGMA nori_metrics = log_syncs");
    return std::strtoull(quoted.c_str() + 1, nullptr, 10);
  }
};

TEST_F(PageSynchronous, FullAndTheDefaultSyncEachCommit) {
  EXPECT_GE(SyncsOfACommit(), 1U);
  for (const char* level : {"FULL", "2", "extra", "3", "'full'"}) {
    db_->Get("PRAGMA synchronous=NORMAL");
    db_->Get(std::string("PRAGMA synchronous=") + level);
    EXPECT_GE(SyncsOfACommit(), 1U) << level;
  }
}

TEST_F(PageSynchronous, NormalAndOffDoNot) {
  for (const char* level : {"NORMAL", "1", "on", "Yes", "OFF", "0"}) {
    db_->Get("PRAGMA synchronous=FULL");
    db_->Get(std::string("PRAGMA main.synchronous=") + level);
    EXPECT_EQ(SyncsOfACommit(), 0U) << level;
  }
}

TEST_F(PageSynchronous, AskingChangesNothing) {
  db_->Get("PRAGMA synchronous=NORMAL");
  EXPECT_EQ(db_->Get("PRAGMA synchronous"), "1");
  EXPECT_EQ(SyncsOfACommit(), 0U);
}

TEST_F(PageSynchronous, IsRefusedInsideATransaction) {
  db_->Get("BEGIN");
  EXPECT_NE(db_->Run("PRAGMA synchronous=NORMAL").code, SQLITE_OK);
  db_->Get("COMMIT");
  EXPECT_EQ(db_->Get("PRAGMA synchronous"), "2");
  EXPECT_GE(SyncsOfACommit(), 1U);
}

TEST_F(PageSynchronous, AKillTakesNothingAndAPowerLossWholeCommits) {
  db_->Get("PRAGMA synchronous=FULL; INSERT INTO t VALUES(1)");
  db_->Get("PRAGMA synchronous=NORMAL");
  db_->Get("INSERT INTO t VALUES(2); INSERT INTO t VALUES(3)");
  EXPECT_EQ(RowsAfter([](MemoryFileSystem* disk) { disk->Kill(); }), "3");
  EXPECT_EQ(
      RowsAfter([](MemoryFileSystem* disk) { disk->CrashDroppingUnsynced(); }),
      "1");
  db_->Get("PRAGMA synchronous=FULL; INSERT INTO t VALUES(4)");
  EXPECT_EQ(
      RowsAfter([](MemoryFileSystem* disk) { disk->CrashDroppingUnsynced(); }),
      "4");
}

TEST(AsksForNormalTest, AsSqliteReadsIt) {
  for (const char* text : {"normal", "NORMAL", "1", "9", "on", "true", "yes"}) {
    EXPECT_TRUE(AsksForNormal(text)) << text;
  }
  for (const char* text :
       {"full", "extra", "off", "no", "false", "0", "2", "3", "7", ""}) {
    EXPECT_FALSE(AsksForNormal(text)) << text;
  }
}

}  // namespace
}  // namespace nori
