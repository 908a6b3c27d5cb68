// Databases in the VFS `nori`, as applications use them.

#include <sqlite3.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>

#include "gtest/gtest.h"
#include "tests/sqlite_vfs/page_fixture.h"

namespace nori {
namespace {

TEST_F(PageVfsTest, EveryPageSizeIsFoundAgain) {
  for (int size = 512; size <= 65536; size *= 2) {
    const std::string uri = "file:" + Path(std::to_string(size)) + "?vfs=nori";
    {
      TestConnection db(uri);
      db.Get("PRAGMA page_size=" + std::to_string(size));
      db.Get(kTable + Fill(3000) + "DELETE FROM t WHERE a%7=0");
    }
    TestConnection db(uri);
    EXPECT_EQ(db.Get("PRAGMA page_size"), std::to_string(size));
    EXPECT_EQ(db.Get("SELECT count(*) FROM t"), "2572");
    EXPECT_EQ(db.Get("PRAGMA integrity_check"), "'ok'");
    EXPECT_FALSE(
        std::filesystem::exists(Path(std::to_string(size)) + "-journal"));
  }
}

TEST_F(PageVfsTest, JournalModeIsAlwaysMemory) {
  const auto db = Open();
  for (const char* mode : {"", "=WAL", "=DELETE", "=OFF", "=PERSIST"}) {
    EXPECT_EQ(db->Get(std::string("PRAGMA journal_mode") + mode), "'memory'");
  }
}

TEST_F(PageVfsTest, RollbackAfterASpillLeavesNothing) {
  for (const char* locking : {"NORMAL", "EXCLUSIVE"}) {
    const auto db = Open();
    db->Get(std::string("PRAGMA locking_mode=") + locking);
    db->Get("PRAGMA cache_size=1; DROP TABLE IF EXISTS t;");
    db->Get(kTable + Fill(5000));
    db->Get(
        "BEGIN; UPDATE t SET b='x'||b; DELETE FROM t WHERE a%3=0; "
        "SAVEPOINT s; DELETE FROM t; ROLLBACK TO s; ROLLBACK");
    EXPECT_EQ(db->Get("SELECT count(*), sum(b LIKE 'x%') FROM t"), "5000|0");
    // What was rolled back is not carried into the next commit.
    db->Get("INSERT INTO t VALUES(6000, 'last')");
    EXPECT_EQ(db->Run("INSERT INTO t SELECT a+9000, iif(a<4000, 'n'||a, "
                      "'last') FROM t")
                  .code,
              SQLITE_CONSTRAINT_UNIQUE);
    EXPECT_EQ(db->Get("SELECT count(*) FROM t"), "5001");
    EXPECT_EQ(db->Get("PRAGMA integrity_check"), "'ok'");
  }
  EXPECT_EQ(Open()->Get("SELECT count(*), sum(b LIKE 'x%') FROM t"), "5001|0");
}

// journal_mode of an attached database is set without asking its VFS.
TEST_F(PageVfsTest, JournalModesOfAnAttachedDatabaseLoseNothing) {
  TestConnection db(Path("plain.db"));
  db.Get("ATTACH '" + Uri() + "' AS n");
  db.Get("CREATE TABLE n.t(a INTEGER PRIMARY KEY, b TEXT)");
  db.Get(
      "PRAGMA cache_size=1; PRAGMA n.cache_size=1;"
      "PRAGMA locking_mode=EXCLUSIVE");
  db.Get(Fill(3000));
  for (const char* mode : {"DELETE", "PERSIST", "MEMORY", "OFF"}) {
    db.Get(std::string("PRAGMA journal_mode=") + mode);
    db.Run("BEGIN; UPDATE t SET b='x'||b; ROLLBACK");
    db.Run("ROLLBACK");
    EXPECT_EQ(db.Get("SELECT count(*), sum(b LIKE 'x%') FROM t"), "3000|0")
        << mode;
    db.Get("UPDATE t SET b=b||'y' WHERE a=1");
    EXPECT_EQ(db.Get("PRAGMA n.integrity_check"), "'ok'") << mode;
  }
}

TEST_F(PageVfsTest, ReadersAndTheWriterDoNotWait) {
  const auto writer = Open();
  writer->Get(kTable + Fill(10));
  const auto reader = Open();
  reader->Get("BEGIN");
  EXPECT_EQ(reader->Get("SELECT count(*) FROM t"), "10");
  for (int i = 11; i <= 300; ++i) {
    writer->Get("INSERT INTO t VALUES(" + std::to_string(i) + ", " +
                std::to_string(i) + ")");
  }
  writer->Get("BEGIN IMMEDIATE; DELETE FROM t WHERE a>200");
  EXPECT_EQ(reader->Get("SELECT count(*) FROM t"), "10");
  EXPECT_EQ(reader->Run("DELETE FROM t").code, SQLITE_BUSY);
  writer->Get("COMMIT");
  EXPECT_EQ(reader->Run("DELETE FROM t").code, SQLITE_BUSY_SNAPSHOT);
  EXPECT_EQ(reader->Get("SELECT count(*) FROM t"), "10");
  reader->Get("COMMIT");
  EXPECT_EQ(reader->Get("SELECT count(*) FROM t"), "200");
  reader->Get("DELETE FROM t WHERE a<=100");
  EXPECT_EQ(writer->Get("SELECT count(*) FROM t"), "100");
}

TEST_F(PageVfsTest, VacuumGivesPagesBack) {
  const auto db = Open();
  db->Get("PRAGMA auto_vacuum=INCREMENTAL");
  db->Get(kTable + Fill(20000));
  const int before = std::stoi(db->Get("PRAGMA page_count"));
  db->Get("DELETE FROM t WHERE a>10");
  db->Get("PRAGMA incremental_vacuum(100)");
  EXPECT_LT(std::stoi(db->Get("PRAGMA page_count")), before);
  db->Get("VACUUM");
  EXPECT_LT(std::stoi(db->Get("PRAGMA page_count")), 10);
  EXPECT_EQ(Open()->Get("SELECT count(*) FROM t"), "10");
  // What was cut off reads as zeros when the file grows again.
  db->Get("INSERT INTO t SELECT a+10, hex(zeroblob(90000)) || a FROM t");
  EXPECT_EQ(Open()->Get("PRAGMA integrity_check"), "'ok'");
}

TEST_F(PageVfsTest, FullTextAndRTreeWork) {
  const auto db = Open();
  db->Get(
      "CREATE VIRTUAL TABLE f USING fts5(x);"
      "CREATE VIRTUAL TABLE r USING rtree(id, a, b);"
      "INSERT INTO f VALUES('one two'); INSERT INTO r VALUES(1, 2, 3)");
  EXPECT_EQ(Open()->Get("SELECT x FROM f('two')"), "'one two'");
  EXPECT_EQ(Open()->Get("SELECT id FROM r WHERE a<2.5"), "1");
}

TEST_F(PageVfsTest, ANamedSnapshotIsOpenedReadOnly) {
  const auto db = Open();
  db->Get(kTable + Fill(10));
  db->Get("PRAGMA nori_snapshot='before'");
  db->Get("DELETE FROM t; VACUUM");
  const auto past = Open("&nori_snapshot=before");
  EXPECT_EQ(past->Get("SELECT count(*) FROM t"), "10");
  EXPECT_EQ(past->Run("DELETE FROM t").code, SQLITE_READONLY);
  EXPECT_EQ(CodeOfRead(Uri("&nori_snapshot=none"), SQLITE_OPEN_READONLY),
            SQLITE_CANTOPEN);
  db->Get("PRAGMA nori_release='before'");
  EXPECT_EQ(past->Get("SELECT count(*) FROM t"), "10");
}

TEST_F(PageVfsTest, PragmasReachTheEngine) {
  const auto db = Open();
  db->Get(kTable + Fill(1000));
  for (const char* name : {"flush", "compact", "verify"}) {
    EXPECT_EQ(db->Get(std::string("PRAGMA nori_") + name), "'ok'");
  }
  EXPECT_NE(db->Get("PRAGMA nori_options").find("memtable_bytes="),
            std::string::npos);
  EXPECT_EQ(db->Get("PRAGMA nori_nothing"), "");
}

TEST_F(PageVfsTest, IntegrityCheckFindsDamageBelow) {
  const auto db = Open();
  db->Get(kTable + Fill(5000) + "PRAGMA nori_flush");
  bool damaged = false;
  for (const auto& entry :
       std::filesystem::directory_iterator(Path("app.db-nori"))) {
    if (entry.path().extension() != ".sst") continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out);
    file.seekp(40);
    file.write("damage", 6);
    damaged = true;
  }
  ASSERT_TRUE(damaged);
  EXPECT_EQ(db->Run("PRAGMA integrity_check").code & 0xff, SQLITE_CORRUPT);
}

TEST_F(PageVfsTest, ACopyWithoutItsDirectoryIsRefused) {
  Open()->Get(kTable);
  std::filesystem::copy(Path("app.db"), Path("copy.db"));
  const std::string copy = "file:" + Path("copy.db") + "?vfs=nori";
  constexpr int kFlags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  EXPECT_EQ(CodeOfRead(copy, kFlags), SQLITE_CANTOPEN);
  TestConnection("file:" + Path("other.db") + "?vfs=nori").Get(kTable);
  std::filesystem::rename(Path("other.db-nori"), Path("copy.db-nori"));
  EXPECT_EQ(CodeOfRead(copy, kFlags), SQLITE_CANTOPEN);
  EXPECT_EQ(CodeOfRead(Uri(), kFlags), SQLITE_OK);
  EXPECT_EQ(CodeOfRead(Path("app.db"), kFlags), SQLITE_NOTADB);
  EXPECT_EQ(CodeOfRead("file:" + Path("none.db") + "?vfs=nori",
                       SQLITE_OPEN_READWRITE),
            SQLITE_CANTOPEN);
}

TEST_F(PageVfsTest, AnOrdinaryDatabaseIsRefusedAndLeftAlone) {
  TestConnection(Path("app.db")).Get(kTable + Fill(10));
  EXPECT_EQ(CodeOfRead(Uri(), SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE),
            SQLITE_CANTOPEN);
  EXPECT_EQ(TestConnection(Path("app.db")).Get("SELECT count(*) FROM t"), "10");
}

TEST_F(PageVfsTest, ALeftOverDirectoryIsSetAside) {
  Open()->Get(kTable);
  std::filesystem::remove(Path("app.db"));
  EXPECT_EQ(Open()->Get("SELECT count(*) FROM sqlite_schema"), "0");
  EXPECT_TRUE(std::filesystem::exists(Path("app.db-nori.old-1")));
}

TEST_F(PageVfsTest, DeletionRemovesBoth) {
  sqlite3_vfs* const vfs = sqlite3_vfs_find("nori");
  {
    const auto db = Open();
    db->Get(kTable);
    EXPECT_EQ(vfs->xDelete(vfs, Path("app.db").c_str(), 0), SQLITE_BUSY);
  }
  EXPECT_EQ(vfs->xDelete(vfs, Path("app.db").c_str(), 0), SQLITE_OK);
  EXPECT_FALSE(std::filesystem::exists(Path("app.db")));
  EXPECT_FALSE(std::filesystem::exists(Path("app.db-nori")));
}

TEST_F(PageVfsTest, ASecondProcessIsRefused) {
  const auto db = Open();
  db->Get(kTable);
  const std::string command = ":memory: \".open '" + Uri() +
                              "'\" 'SELECT count(*) FROM t' > " + Path("out") +
                              " 2>&1";
  EXPECT_NE(InAnotherProcess(command), 0);
  EXPECT_EQ(db->Get("SELECT count(*) FROM t"), "0");
}

TEST_F(PageVfsTest, BackupsGoBothWaysAlsoFromWal) {
  TestConnection plain(Path("plain.db"));
  plain.Get("PRAGMA journal_mode=WAL");
  plain.Get(kTable + Fill(1000));
  const auto copy = [](sqlite3* from, sqlite3* to) {
    sqlite3_backup* backup = sqlite3_backup_init(to, "main", from, "main");
    EXPECT_EQ(sqlite3_backup_step(backup, -1), SQLITE_DONE);
    EXPECT_EQ(sqlite3_backup_finish(backup), SQLITE_OK);
  };
  {
    const auto db = Open();
    copy(plain.db(), db->db());
  }
  const auto db = Open();
  EXPECT_EQ(db->Get("SELECT count(*) FROM t"), "1000");
  db->Get("DELETE FROM t WHERE a>10");
  TestConnection out(Path("out.db"));
  copy(db->db(), out.db());
  EXPECT_EQ(out.Get("SELECT count(*) FROM t"), "10");
  EXPECT_EQ(out.Get("PRAGMA integrity_check"), "'ok'");
}

}  // namespace
}  // namespace nori
