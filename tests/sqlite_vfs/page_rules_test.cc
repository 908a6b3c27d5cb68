// What the pager's protocol asks of a VFS beside the order of its calls: see
// page_protocol_test.cc for that.

#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/sqlite_vfs/page_fixture.h"
#include "tests/sqlite_vfs/trace_vfs.h"

namespace nori {
namespace {

class PageRules : public PageVfsTest {
 protected:
  PageRules() { Open()->Get(kTable + Fill(900)); }

  std::unique_ptr<TestConnection> OpenTraced(const std::string& more = "") {
    return std::make_unique<TestConnection>("file:" + Path("app.db") +
                                            "?vfs=trace" + more);
  }
  // The calls at which `call` comes, from the next on, give `code` instead;
  // only the first one with `once`.
  void Fail(const std::string& call, int code, bool once = true) {
    trace_.Before([=, failed = false](const std::string& name) mutable {
      if (name != call || (failed && once)) return SQLITE_OK;
      failed = true;
      return code;
    });
  }
  static sqlite3_file* FileOf(TestConnection* connection) {
    sqlite3_file* file = nullptr;
    EXPECT_EQ(sqlite3_file_control(connection->db(), "main",
                                   SQLITE_FCNTL_FILE_POINTER, &file),
              SQLITE_OK);
    return file;
  }
  std::vector<std::string> SuperJournals() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(Path(""))) {
      if (entry.path().filename().string().starts_with("app.db-mj")) {
        names.push_back(entry.path());
      }
    }
    return names;
  }
  static int Autocommit(TestConnection* connection) {
    return sqlite3_get_autocommit(connection->db());
  }
  static constexpr char kSum[] = "SELECT count(*), sum(length(b)) FROM t";
  static constexpr char kChangeAll[] = "UPDATE t SET b = b || 'x'";

  TraceVfs trace_{"nori"};
};

TEST_F(PageRules, OpeningReadsTheHeaderWithoutALock) {
  const auto db = OpenTraced();
  EXPECT_EQ(trace_.Take(), "open-main header BUSYHANDLER PDB");
  // The first lock of a pager, for the schema, has nothing to compare its cache
  // with.
  db->Get("SELECT 1 FROM sqlite_schema");
  EXPECT_EQ(trace_.Take(),
            "SHARED access-journal access-wal size unlock-NONE "
            "SHARED access-journal counter access-wal size unlock-NONE");
}

TEST_F(PageRules, AReadWithoutALockIsOfTheNewestCommit) {
  const auto db = Open();
  db->Get("SELECT * FROM t LIMIT 1");
  sqlite3_file* const file = FileOf(db.get());
  char before[100], after[100];
  ASSERT_EQ(file->pMethods->xRead(file, before, 100, 0), SQLITE_OK);
  Open()->Get("INSERT INTO t VALUES(1000, 'new')");
  ASSERT_EQ(file->pMethods->xRead(file, after, 100, 0), SQLITE_OK);
  // The counter of changes.
  EXPECT_NE(std::memcmp(before + 24, after + 24, 4), 0);
  EXPECT_EQ(std::memcmp(before, after, 24), 0);
}

TEST_F(PageRules, ASnapshotHasItsOwnSize) {
  const auto reader = Open();
  reader->Get("BEGIN");
  const std::string sum = reader->Get(kSum);
  const std::string pages = reader->Get("PRAGMA page_count");
  Open()->Get("DELETE FROM t; VACUUM");
  EXPECT_EQ(reader->Get("PRAGMA page_count"), pages);
  EXPECT_EQ(reader->Get("PRAGMA integrity_check"), "'ok'");
  EXPECT_EQ(reader->Get(kSum), sum);
  reader->Get("COMMIT");
  EXPECT_EQ(reader->Get(kSum), "0|NULL");
  EXPECT_NE(reader->Get("PRAGMA page_count"), pages);
}

struct BusyCalls {
  TestConnection* writer;
  int calls = 0;
};

// The third time, the writer is done.
int WhenBusy(void* context, int) {
  auto* const busy = static_cast<BusyCalls*>(context);
  if (++busy->calls == 3) busy->writer->Get("COMMIT");
  return 1;
}

TEST_F(PageRules, TheBusyHandlerWaitsForAWriter) {
  const auto writer = Open();
  writer->Get("BEGIN IMMEDIATE; DELETE FROM t WHERE a = 1");
  const auto db = Open();
  EXPECT_EQ(db->Run("BEGIN IMMEDIATE").code, SQLITE_BUSY);
  BusyCalls busy{writer.get()};
  sqlite3_busy_handler(db->db(), WhenBusy, &busy);
  db->Get("BEGIN IMMEDIATE; DELETE FROM t WHERE a = 2; COMMIT");
  EXPECT_EQ(busy.calls, 3);
  EXPECT_EQ(Open()->Get("SELECT count(*) FROM t"), "898");
}

TEST_F(PageRules, AReaderWhoseStateHasPassedIsNotMadeToWait) {
  const auto db = Open();
  BusyCalls busy{nullptr};
  sqlite3_busy_handler(db->db(), WhenBusy, &busy);
  db->Get("BEGIN");
  db->Get(kSum);
  Open()->Get(kChangeAll);
  EXPECT_EQ(db->Run("DELETE FROM t").code, SQLITE_BUSY_SNAPSHOT);
  EXPECT_EQ(db->Run("DELETE FROM t").code, SQLITE_BUSY_SNAPSHOT);
  EXPECT_EQ(busy.calls, 0);
  db->Get("ROLLBACK");
  db->Get("DELETE FROM t");
}

// Between the lock for reading and the one for writing another connection
// commits: BEGIN IMMEDIATE asks the busy handler and begins anew.
TEST_F(PageRules, ACommitInTheWindowOfBeginImmediateIsRetried) {
  const auto db = OpenTraced();
  const auto other = Open();
  db->Get("PRAGMA busy_timeout=10000");
  int commits = 0;
  trace_.Before([&](const std::string& call) {
    if (call == "RESERVED" && commits++ == 0) other->Get(kChangeAll);
    return SQLITE_OK;
  });
  db->Get("BEGIN IMMEDIATE");
  EXPECT_EQ(commits, 2);
  db->Get("DELETE FROM t WHERE a = 1; COMMIT");
  EXPECT_EQ(db->Get(kSum), other->Get(kSum));
}

// Statements of one connection that are still running see its commit.
TEST_F(PageRules, ACommitBesideAStatementThatReads) {
  const auto db = Open();
  sqlite3_stmt* reading = nullptr;
  ASSERT_EQ(
      sqlite3_prepare_v2(db->db(), "SELECT a FROM t", -1, &reading, nullptr),
      SQLITE_OK);
  ASSERT_EQ(sqlite3_step(reading), SQLITE_ROW);
  db->Get("DELETE FROM t WHERE a % 2 = 0");
  int rows = 1;
  while (sqlite3_step(reading) == SQLITE_ROW) ++rows;
  sqlite3_finalize(reading);
  EXPECT_EQ(rows, 450);
  db->Get("INSERT INTO t VALUES(5000, 'new')");
  EXPECT_EQ(Open()->Get("SELECT count(*) FROM t"), "451");
}

TEST_F(PageRules, ClosingInATransactionUndoesIt) {
  {
    const auto db = Open();
    db->Get("PRAGMA cache_size=2; BEGIN; DELETE FROM t");
  }
  Open()->Get("INSERT INTO t VALUES(1000, 'new')");
  EXPECT_EQ(Open()->Get("SELECT count(*) FROM t"), "901");
}

// An error at the end of phase one: SQLite plays its journal back, syncs again
// and gives the error. From phase two: its cache is dropped.
TEST_F(PageRules, ErrorsOfACommitUndoIt) {
  const auto db = OpenTraced();
  const std::string before = db->Get(kSum);
  for (const char* locking : {"NORMAL", "EXCLUSIVE"}) {
    db->Get(std::string("PRAGMA locking_mode=") + locking);
    for (const char* cache : {"2", "2000"}) {
      db->Get(std::string("PRAGMA cache_size=") + cache);
      for (const auto& [call, code] :
           {std::pair("SYNC", SQLITE_FULL), std::pair("sync", SQLITE_IOERR),
            std::pair("PHASETWO", SQLITE_IOERR),
            std::pair("PHASETWO", SQLITE_FULL)}) {
        SCOPED_TRACE(std::string(call) + " " + locking + " " + cache);
        Fail(call, code);
        EXPECT_EQ(db->Run(kChangeAll).code & 0xff, code);
        trace_.Before(nullptr);
        EXPECT_EQ(Autocommit(db.get()), 1);
        EXPECT_EQ(db->Get(kSum), before);
        EXPECT_EQ(Open()->Get(kSum), before);
        Fail(call, code);
        EXPECT_EQ(
            db->Run(std::string("BEGIN; ") + kChangeAll + "; COMMIT").code &
                0xff,
            code);
        trace_.Before(nullptr);
        EXPECT_EQ(Autocommit(db.get()), 1);
        db->Get(
            "INSERT INTO t VALUES(1000, 'new'); DELETE FROM t WHERE "
            "a = 1000");
        EXPECT_EQ(Open()->Get(kSum), before);
        EXPECT_EQ(db->Get("PRAGMA integrity_check"), "'ok'");
      }
    }
  }
}

// The sync after the playback fails, too.
TEST_F(PageRules, ErrorsOfARollbackUndoItAllTheSame) {
  const auto db = OpenTraced();
  const std::string before = db->Get(kSum);
  for (const char* locking : {"NORMAL", "EXCLUSIVE"}) {
    db->Get(std::string("PRAGMA cache_size=2; PRAGMA locking_mode=") + locking);
    for (const char* call : {"SYNC", "sync"}) {
      SCOPED_TRACE(std::string(call) + " " + locking);
      Fail(call, SQLITE_IOERR, /*once=*/false);
      EXPECT_EQ(db->Run(kChangeAll).code & 0xff, SQLITE_IOERR);
      db->Run(std::string("BEGIN; ") + kChangeAll + "; ROLLBACK");
      trace_.Before(nullptr);
      EXPECT_EQ(db->Get(kSum), before);
      db->Get(
          "INSERT INTO t VALUES(1000, 'new'); DELETE FROM t WHERE "
          "a = 1000");
      EXPECT_EQ(db->Get("PRAGMA integrity_check"), "'ok'");
      EXPECT_EQ(Open()->Get(kSum), before);
    }
  }
}

TEST_F(PageRules, ExclusiveLockingKeepsWhatIsCommittedOnly) {
  for (const char* journal : {"MEMORY", "DELETE", "OFF"}) {
    for (const char* cache : {"2", "2000"}) {
      SCOPED_TRACE(std::string(journal) + " " + cache);
      trace_.HidePragmas();
      const auto db = OpenTraced();
      db->Get(std::string("PRAGMA locking_mode=EXCLUSIVE; PRAGMA cache_size=") +
              cache + "; PRAGMA journal_mode=" + journal);
      const std::string before = db->Get(kSum);
      db->Get("DELETE FROM t WHERE a = 1; INSERT INTO t VALUES(1, '" +
              std::string(20 * 2, '0') + "1')");
      // In mode OFF a rollback may only give up the connection's view.
      db->Run(std::string("BEGIN; ") + kChangeAll + "; ROLLBACK");
      db->Run("ROLLBACK");
      EXPECT_EQ(db->Get(kSum), before);
      EXPECT_EQ(Open()->Get(kSum), before);
      EXPECT_EQ(Open()->Run("DELETE FROM t").code, SQLITE_BUSY);
      db->Get("INSERT INTO t VALUES(2000, 'new')");
      db->Get("DELETE FROM t WHERE a = 2000");
      EXPECT_EQ(db->Get("PRAGMA integrity_check"), "'ok'");
      EXPECT_EQ(Open()->Get("PRAGMA integrity_check"), "'ok'");
    }
  }
}

// EXCLUSIVE is the only way to WAL mode without shared memory.
TEST_F(PageRules, ThereIsNoWayIntoWalMode) {
  {
    const auto db = Open();
    db->Get("PRAGMA locking_mode=EXCLUSIVE");
    EXPECT_EQ(db->Get("PRAGMA journal_mode=WAL"), "'memory'");
    EXPECT_EQ(db->Get("PRAGMA main.journal_mode=WAL"), "'memory'");
    db->Get("INSERT INTO t VALUES(1000, 'new')");
  }
  EXPECT_EQ(Open()->Get("SELECT count(*) FROM t"), "901");
  // Where another VFS answers for it, the connection cannot go on, and the
  // database is unharmed.
  {
    TestConnection plain(Path("plain.db"));
    plain.Get("ATTACH '" + Uri() + "' AS n");
    plain.Get("PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL");
    for (const char* sql :
         {"INSERT INTO t VALUES(1001, 'new')", "SELECT * FROM t"}) {
      EXPECT_EQ(plain.Run(sql).code, SQLITE_CANTOPEN);
    }
  }
  EXPECT_EQ(Open()->Get("SELECT count(*) FROM t"), "901");
  EXPECT_FALSE(std::filesystem::exists(Path("app.db-wal")));
  EXPECT_EQ(Open()->Get("PRAGMA integrity_check"), "'ok'");
  sqlite3_vfs* const vfs = sqlite3_vfs_find("nori");
  std::string memory(static_cast<size_t>(vfs->szOsFile), '\0');
  EXPECT_EQ(
      vfs->xOpen(vfs, Path("app.db-wal").c_str(),
                 reinterpret_cast<sqlite3_file*>(memory.data()),
                 SQLITE_OPEN_WAL | SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                 nullptr),
      SQLITE_CANTOPEN);
}

TEST_F(PageRules, TheConnectionThatABackupFromWalFilledGoesOn) {
  TestConnection wal(Path("wal.db"));
  wal.Get("PRAGMA journal_mode=WAL;" + (kTable + Fill(50)));
  const auto db = Open();
  const auto other = Open();
  other->Get(kSum);
  sqlite3_backup* const backup =
      sqlite3_backup_init(db->db(), "main", wal.db(), "main");
  ASSERT_NE(backup, nullptr);
  while (sqlite3_backup_step(backup, 1) == SQLITE_OK) {
    EXPECT_EQ(other->Get("SELECT count(*) FROM t"), "900");
  }
  EXPECT_EQ(sqlite3_backup_finish(backup), SQLITE_OK);
  const auto next = Open();
  for (TestConnection* connection : {db.get(), other.get(), next.get()}) {
    EXPECT_EQ(connection->Get("SELECT count(*) FROM t"), "50");
    EXPECT_EQ(connection->Get("PRAGMA integrity_check"), "'ok'");
  }
  db->Get("DELETE FROM t WHERE a > 10");
  EXPECT_EQ(other->Get("SELECT count(*) FROM t"), "10");
}

TEST_F(PageRules, ThePageSizeOfADatabaseStays) {
  const auto db = Open();
  const std::string sum = db->Get(kSum);
  db->Get("PRAGMA page_size=8192; VACUUM");
  EXPECT_EQ(db->Get("PRAGMA page_size"), "4096");
  EXPECT_EQ(db->Get(kSum), sum);
  TestConnection other(Path("other.db"));
  other.Get("PRAGMA page_size=1024;" + (kTable + Fill(10)));
  sqlite3_backup* const backup =
      sqlite3_backup_init(db->db(), "main", other.db(), "main");
  EXPECT_EQ(sqlite3_backup_step(backup, -1), SQLITE_READONLY);
  EXPECT_EQ(sqlite3_backup_finish(backup), SQLITE_READONLY);
  EXPECT_EQ(db->Get(kSum), sum);
  EXPECT_EQ(Open()->Get("PRAGMA integrity_check"), "'ok'");
}

TEST_F(PageRules, WhatTheDeviceSaysOfItself) {
  const auto db = Open();
  db->Get(kSum);
  sqlite3_file* const file = FileOf(db.get());
  EXPECT_EQ(file->pMethods->iVersion, 1);
  EXPECT_EQ(file->pMethods->xSectorSize(file), 512);
  EXPECT_EQ(file->pMethods->xDeviceCharacteristics(file),
            SQLITE_IOCAP_POWERSAFE_OVERWRITE | SQLITE_IOCAP_SAFE_APPEND |
                SQLITE_IOCAP_SEQUENTIAL);
  int unknown = 0;
  EXPECT_EQ(file->pMethods->xFileControl(file, 4711, &unknown),
            SQLITE_NOTFOUND);
  char* name = nullptr;
  EXPECT_EQ(sqlite3_file_control(db->db(), "main", SQLITE_FCNTL_VFSNAME, &name),
            SQLITE_OK);
  EXPECT_STREQ(name, "nori");
  sqlite3_free(name);
}

// Two files with journals on the disk make a super-journal, which the main
// database's VFS is asked for; the commit in the engine is written before its
// errors would be ignored.
TEST_F(PageRules, ASuperJournalIsAnOrdinaryFile) {
  for (const char* level : {"FULL", "OFF"}) {
    const auto db = OpenTraced();
    for (const char* name : {"one", "two"}) {
      db->Get("ATTACH 'file:" + Path(name) + "?vfs=unix' AS " + name);
      db->Get(std::string("CREATE TABLE IF NOT EXISTS ") + name + "." + name +
              "(a)");
    }
    db->Get(std::string("PRAGMA main.synchronous=") + level);
    const std::string sql =
        "BEGIN; INSERT INTO one VALUES(1); INSERT INTO two VALUES(1); "
        "INSERT INTO t(b) VALUES(hex(randomblob(9))); COMMIT";
    trace_.Take();
    size_t found = 0;
    trace_.Before([&](const std::string& call) {
      if (call == "SYNC-super") found = SuperJournals().size();
      return SQLITE_OK;
    });
    db->Get(sql);
    const std::string calls = trace_.Take();
    EXPECT_NE(calls.find("open-super super-write super-sync"),
              std::string::npos)
        << calls;
    EXPECT_NE(calls.find("SYNC-super"), std::string::npos) << calls;
    EXPECT_NE(calls.find("delete-super"), std::string::npos) << calls;
    EXPECT_EQ(found, 1u);
    EXPECT_TRUE(SuperJournals().empty());
    const std::string before = db->Get("SELECT count(*) FROM t");
    Fail("SYNC-super", SQLITE_FULL);
    EXPECT_EQ(db->Run(sql).code, SQLITE_FULL);
    trace_.Before(nullptr);
    EXPECT_EQ(db->Get("SELECT count(*) FROM t"), before);
    EXPECT_EQ(db->Get("SELECT count(*) FROM one"),
              db->Get("SELECT count(*) FROM two"));
    // What SQLite leaves of a commit that failed.
    for (const std::string& left : SuperJournals()) {
      std::filesystem::remove(left);
    }
  }
}

TEST_F(PageRules, TemporaryFilesAreOrdinaryOnes) {
  const auto db = OpenTraced();
  db->Get("PRAGMA temp_store=FILE; PRAGMA temp.cache_size=2");
  db->Get(
      "CREATE TEMP TABLE x AS SELECT a.a, b.b FROM t a, t b WHERE b.a < 40");
  EXPECT_NE(trace_.Take().find("temp-write"), std::string::npos);
  EXPECT_EQ(db->Get("SELECT count(*) FROM x"), "35100");
}

}  // namespace
}  // namespace nori
