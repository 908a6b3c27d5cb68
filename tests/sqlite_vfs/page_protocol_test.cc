// One test for each way in which a transaction of SQLite's goes, as the calls
// of its pager: which calls come, and when their effect is seen by others.

#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "tests/sqlite_vfs/page_fixture.h"
#include "tests/sqlite_vfs/trace_vfs.h"

namespace nori {
namespace {

struct Row {
  const char* name;
  const char* settings;
  const char* sql;
  const char* calls;
  bool commits;
};

void PrintTo(const Row& row, std::ostream* out) { *out << row.name; }

class PageProtocol : public PageVfsTest,
                     public ::testing::WithParamInterface<Row> {
 protected:
  PageProtocol() { trace_.HidePragmas(); }

  std::unique_ptr<TestConnection> OpenTraced(const std::string& more = "") {
    return std::make_unique<TestConnection>("file:" + Path("app.db") +
                                            "?vfs=trace" + more);
  }

  TraceVfs trace_{"nori"};
};

constexpr char kInsert[] = "INSERT INTO t VALUES(1000, 'new')";
constexpr Row kRows[] = {
    {"Memory", "journal_mode=MEMORY", kInsert,
     "SHARED access-journal counter access-wal size RESERVED EXCLUSIVE write "
     "SYNC sync PHASETWO unlock-SHARED unlock-NONE",
     true},
    {"MemorySynchronousOff", "journal_mode=MEMORY; PRAGMA synchronous=OFF",
     kInsert,
     "SHARED access-journal counter access-wal size RESERVED EXCLUSIVE write "
     "SYNC PHASETWO unlock-SHARED unlock-NONE",
     true},
    {"Delete", "journal_mode=DELETE", kInsert,
     "SHARED access-journal counter access-wal size RESERVED HAS_MOVED "
     "open-journal journal-write EXCLUSIVE journal-write write SYNC sync "
     "journal-close delete-journal PHASETWO unlock-SHARED unlock-NONE",
     true},
    {"DeleteSynchronousOff", "journal_mode=DELETE; PRAGMA synchronous=OFF",
     kInsert,
     "SHARED access-journal counter access-wal size RESERVED HAS_MOVED "
     "open-journal journal-write EXCLUSIVE journal-write write SYNC "
     "journal-close delete-journal PHASETWO unlock-SHARED unlock-NONE",
     true},
    {"Truncate", "journal_mode=TRUNCATE", kInsert,
     "SHARED access-journal counter access-wal size RESERVED HAS_MOVED "
     "open-journal journal-write EXCLUSIVE journal-write write SYNC sync "
     "journal-truncate journal-sync PHASETWO unlock-SHARED journal-close "
     "unlock-NONE",
     true},
    {"TruncateSynchronousOff", "journal_mode=TRUNCATE; PRAGMA synchronous=OFF",
     kInsert,
     "SHARED access-journal counter access-wal size RESERVED HAS_MOVED "
     "open-journal journal-write EXCLUSIVE journal-write write SYNC "
     "journal-truncate PHASETWO unlock-SHARED journal-close unlock-NONE",
     true},
    {"Persist", "journal_mode=PERSIST", kInsert,
     "SHARED access-journal counter access-wal size RESERVED HAS_MOVED "
     "open-journal journal-write EXCLUSIVE journal-write write SYNC sync "
     "journal-write journal-sync PHASETWO unlock-SHARED journal-close "
     "unlock-NONE",
     true},
    {"PersistSynchronousOff", "journal_mode=PERSIST; PRAGMA synchronous=OFF",
     kInsert,
     "SHARED access-journal counter access-wal size RESERVED HAS_MOVED "
     "open-journal journal-write EXCLUSIVE journal-write write SYNC "
     "journal-write PHASETWO unlock-SHARED journal-close unlock-NONE",
     true},
    {"Off", "journal_mode=OFF", kInsert,
     "SHARED access-journal counter access-wal size RESERVED EXCLUSIVE write "
     "SYNC sync PHASETWO unlock-SHARED unlock-NONE",
     true},
    {"OffSynchronousOff", "journal_mode=OFF; PRAGMA synchronous=OFF", kInsert,
     "SHARED access-journal counter access-wal size RESERVED EXCLUSIVE write "
     "SYNC PHASETWO unlock-SHARED unlock-NONE",
     true},
    {"Wal", "journal_mode=WAL", kInsert,
     "SHARED access-journal counter access-wal size RESERVED EXCLUSIVE write "
     "SYNC sync PHASETWO unlock-SHARED unlock-NONE",
     true},
    {"WalSynchronousOff", "journal_mode=WAL; PRAGMA synchronous=OFF", kInsert,
     "SHARED access-journal counter access-wal size RESERVED EXCLUSIVE write "
     "SYNC PHASETWO unlock-SHARED unlock-NONE",
     true},
    {"MemoryEmpty", "journal_mode=MEMORY", "BEGIN IMMEDIATE; COMMIT",
     "SHARED access-journal counter access-wal size RESERVED EXCLUSIVE "
     "PHASETWO unlock-SHARED unlock-NONE",
     false},
    {"MemoryNoRows", "journal_mode=MEMORY", "DELETE FROM t WHERE a < 0",
     "SHARED access-journal counter access-wal size RESERVED EXCLUSIVE "
     "PHASETWO unlock-SHARED unlock-NONE",
     false},
    {"MemoryRollback", "journal_mode=MEMORY; PRAGMA cache_size=2000",
     "BEGIN; UPDATE t SET b = 'x' || b WHERE a < 10; ROLLBACK",
     "SHARED access-journal counter access-wal size RESERVED unlock-SHARED "
     "unlock-NONE",
     false},
    {"MemoryRollbackAfterSpill", "journal_mode=MEMORY",
     "BEGIN; UPDATE t SET b = 'x' || b; ROLLBACK",
     "SHARED access-journal counter access-wal size RESERVED EXCLUSIVE write "
     "SIZE_HINT write size truncate write SYNC sync unlock-SHARED unlock-NONE",
     false},
    {"DeleteEmpty", "journal_mode=DELETE", "BEGIN IMMEDIATE; COMMIT",
     "SHARED access-journal counter access-wal size RESERVED EXCLUSIVE "
     "PHASETWO unlock-SHARED unlock-NONE",
     false},
    {"DeleteNoRows", "journal_mode=DELETE", "DELETE FROM t WHERE a < 0",
     "SHARED access-journal counter access-wal size RESERVED EXCLUSIVE "
     "PHASETWO unlock-SHARED unlock-NONE",
     false},
    {"DeleteRollback", "journal_mode=DELETE; PRAGMA cache_size=2000",
     "BEGIN; UPDATE t SET b = 'x' || b WHERE a < 10; ROLLBACK",
     "SHARED access-journal counter access-wal size RESERVED HAS_MOVED "
     "open-journal journal-write journal-size journal-read journal-close "
     "delete-journal unlock-SHARED unlock-NONE",
     false},
    {"DeleteRollbackAfterSpill", "journal_mode=DELETE",
     "BEGIN; UPDATE t SET b = 'x' || b; ROLLBACK",
     "SHARED access-journal counter access-wal size RESERVED HAS_MOVED "
     "open-journal journal-write EXCLUSIVE write journal-write SIZE_HINT write "
     "journal-write write SIZE_HINT write journal-write write journal-size "
     "journal-read size truncate journal-read write journal-size journal-read "
     "SYNC sync journal-close delete-journal unlock-SHARED unlock-NONE",
     false},
    {"OffEmpty", "journal_mode=OFF", "BEGIN IMMEDIATE; COMMIT",
     "SHARED access-journal counter access-wal size RESERVED EXCLUSIVE "
     "PHASETWO unlock-SHARED unlock-NONE",
     false},
    {"OffNoRows", "journal_mode=OFF", "DELETE FROM t WHERE a < 0",
     "SHARED access-journal counter access-wal size RESERVED EXCLUSIVE "
     "PHASETWO unlock-SHARED unlock-NONE",
     false},
    {"OffRollback", "journal_mode=OFF; PRAGMA cache_size=2000",
     "BEGIN; UPDATE t SET b = 'x' || b WHERE a < 10; ROLLBACK",
     "SHARED access-journal counter access-wal size RESERVED unlock-SHARED "
     "unlock-NONE",
     false},
    {"OffRollbackAfterSpill", "journal_mode=OFF",
     "BEGIN; UPDATE t SET b = 'x' || b; ROLLBACK",
     "SHARED access-journal counter access-wal size RESERVED EXCLUSIVE write "
     "SIZE_HINT write unlock-SHARED unlock-NONE",
     false},
    {"Spill", "journal_mode=MEMORY", "UPDATE t SET b = 'x' || b",
     "SHARED access-journal counter access-wal size RESERVED EXCLUSIVE write "
     "SIZE_HINT write SYNC sync PHASETWO unlock-SHARED unlock-NONE",
     true},
    {"Shrink", "journal_mode=MEMORY",
     "BEGIN; DELETE FROM t WHERE a > 100; PRAGMA incremental_vacuum; COMMIT",
     "SHARED access-journal counter access-wal size RESERVED EXCLUSIVE write "
     "PRAGMA write SYNC sync size truncate PHASETWO unlock-SHARED unlock-NONE",
     true},
    {"Vacuum", "journal_mode=MEMORY", "VACUUM",
     "SHARED access-journal counter access-wal size RESERVED EXCLUSIVE "
     "open-temp temp-SIZE_HINT temp-write temp-read OVERWRITE write SYNC sync "
     "size truncate PHASETWO unlock-SHARED unlock-NONE temp-SYNC temp-PHASETWO "
     "temp-close",
     false},
    {"Read", "journal_mode=MEMORY", "SELECT count(*) FROM t",
     "SHARED access-journal counter access-wal size unlock-NONE", false},
};

TEST_P(PageProtocol, CallsAndWhatOthersSee) {
  Open()->Get("PRAGMA auto_vacuum=INCREMENTAL;" + (kTable + Fill(900)));
  const auto db = OpenTraced();
  db->Get(std::string("PRAGMA cache_size=5; PRAGMA ") + GetParam().settings);
  db->Get("SELECT count(*) FROM sqlite_schema");
  const auto other = Open();
  const std::string content = "SELECT count(*), sum(length(b)) FROM t";
  const std::string before = other->Get(content);
  bool committed = false;
  trace_.Take();
  trace_.Before([&](const std::string& call) {
    EXPECT_EQ(other->Get(content) != before, committed) << "at " << call;
    if (call == "PHASETWO") committed = GetParam().commits;
    return SQLITE_OK;
  });
  db->Run(GetParam().sql);
  trace_.Before(nullptr);
  EXPECT_EQ(trace_.Take(), GetParam().calls);
  EXPECT_EQ(committed, GetParam().commits);
  EXPECT_EQ(other->Get(content) != before, GetParam().commits);
  EXPECT_EQ(db->Get("PRAGMA integrity_check"), "'ok'");
  EXPECT_EQ(db->Get(content), other->Get(content));
}

INSTANTIATE_TEST_SUITE_P(Rows, PageProtocol, ::testing::ValuesIn(kRows),
                         [](const auto& param_info) {
                           return param_info.param.name;
                         });

}  // namespace
}  // namespace nori
