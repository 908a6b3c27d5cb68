// Nori tables in databases of the VFS `nori`: one state and one commit with the
// ordinary ones.

#include <sqlite3.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "gtest/gtest.h"
#include "tests/vtab/module_fixture.h"

namespace nori {
namespace {

// Two tables that are to hold the same rows.
constexpr char kTables[] =
    "CREATE TABLE o(id INTEGER PRIMARY KEY, v);"
    "CREATE VIRTUAL TABLE n USING nori(id INTEGER PRIMARY KEY, v, INDEX(v));";
constexpr char kDifference[] =
    "SELECT count(*) FROM (SELECT * FROM (SELECT * FROM o EXCEPT SELECT * FROM "
    "n) UNION ALL SELECT * FROM (SELECT * FROM n EXCEPT SELECT * FROM o))";

class NoriTablesTest : public ModuleTest {
 protected:
  std::string Uri(const std::string& name, const std::string& more = "") const {
    return InVfsNori(Path(name)) + more;
  }
  std::unique_ptr<TestConnection> Open(const std::string& more = "") const {
    return std::make_unique<TestConnection>(Uri("app.db", more));
  }
  static std::string InBoth(const std::string& rows) {
    return "INSERT INTO o " + rows + "; INSERT INTO n " + rows + ";";
  }
  static std::string Rows(int from, int to) {
    return "SELECT value, hex(zeroblob(40)) || value FROM "
           "json_each((SELECT json_group_array(x) FROM (WITH RECURSIVE c(x) AS "
           "(SELECT " +
           std::to_string(from) + " UNION ALL SELECT x + 1 FROM c WHERE x < " +
           std::to_string(to) + ") SELECT x FROM c)))";
  }
  static void ExpectSound(TestConnection* db, const std::string& rows) {
    EXPECT_EQ(db->Get("SELECT count(*) FROM o"), rows);
    EXPECT_EQ(db->Get("SELECT count(*) FROM n"), rows);
    EXPECT_EQ(db->Get(kDifference), "0");
    EXPECT_EQ(db->Get("SELECT nori_verify()"), "'ok'");
    EXPECT_EQ(db->Get("PRAGMA integrity_check"), "'ok'");
  }
  // Copies all pages by the backup API.
  static int CopyPages(TestConnection* from, TestConnection* to) {
    sqlite3_backup* const backup =
        sqlite3_backup_init(to->db(), "main", from->db(), "main");
    if (backup == nullptr) return sqlite3_errcode(to->db());
    int rc;
    while ((rc = sqlite3_backup_step(backup, 5)) == SQLITE_OK) {
    }
    sqlite3_backup_finish(backup);
    return rc;
  }
};

TEST_F(NoriTablesTest, BothKindsAreCommittedAndFoundAgain) {
  {
    const auto db = Open();
    db->Get(kTables);
    db->Get("BEGIN;" + InBoth(Rows(1, 500)) + "COMMIT");
    db->Get(
        "BEGIN; DELETE FROM o WHERE id > 400; DELETE FROM n WHERE id > 400;"
        "COMMIT; VACUUM");
    ExpectSound(db.get(), "400");
  }
  const auto db = Open();
  ExpectSound(db.get(), "400");
  db->Get("ALTER TABLE n RENAME TO m");
  EXPECT_EQ(Open()->Get("SELECT count(*) FROM m"), "400");
}

// The cache is so small that pages go to the file before the end.
TEST_F(NoriTablesTest, EachRollbackUndoesBothKinds) {
  for (const char* locking : {"NORMAL", "EXCLUSIVE"}) {
    SCOPED_TRACE(locking);
    {
      const auto db = Open();
      db->Get(std::string("PRAGMA cache_size = 1; PRAGMA locking_mode = ") +
              locking + "; DROP TABLE IF EXISTS o; DROP TABLE IF EXISTS n");
      db->Get(kTables);
      db->Get(InBoth(Rows(1, 300)));
      db->Get("BEGIN; UPDATE o SET v = 'x'; UPDATE n SET v = 'x';" +
              InBoth(Rows(301, 900)) + "ROLLBACK");
      ExpectSound(db.get(), "300");
      db->Get("BEGIN; SAVEPOINT a;" + InBoth(Rows(301, 400)) + "SAVEPOINT b;" +
              InBoth(Rows(401, 900)) +
              "DELETE FROM o WHERE id < 100; DELETE FROM n WHERE id < 100;"
              "ROLLBACK TO b; RELEASE a; COMMIT");
      ExpectSound(db.get(), "400");
      // A statement that fails half-way.
      db->Get("BEGIN; INSERT INTO o VALUES(1000, 1)");
      EXPECT_EQ(
          db->Run("INSERT INTO n " + Rows(500, 700) + " UNION ALL SELECT 1, 2")
              .code,
          SQLITE_CONSTRAINT_PRIMARYKEY);
      db->Get("INSERT INTO n VALUES(1000, 1); COMMIT");
      ExpectSound(db.get(), "401");
      // A COMMIT that is vetoed.
      sqlite3_commit_hook(
          db->db(), [](void*) { return 1; }, nullptr);
      EXPECT_EQ(db->Run("BEGIN;" + InBoth(Rows(2000, 2900)) + "COMMIT").code,
                SQLITE_CONSTRAINT_COMMITHOOK);
      EXPECT_EQ(db->Run("INSERT INTO n VALUES(5000, 1)").code,
                SQLITE_CONSTRAINT_COMMITHOOK);
      sqlite3_commit_hook(db->db(), nullptr, nullptr);
      ExpectSound(db.get(), "401");
      // Neither is carried into the next commit.
      db->Get("INSERT INTO o VALUES(6000, 1); INSERT INTO n VALUES(6000, 1)");
      ExpectSound(db.get(), "402");
    }
    const auto again = Open();
    ExpectSound(again.get(), "402");
  }
}

TEST_F(NoriTablesTest, CreateAndDropAreUndone) {
  const auto db = Open();
  db->Get(kTables);
  db->Get(InBoth(Rows(1, 10)));
  db->Get(
      "BEGIN; DROP TABLE n; CREATE VIRTUAL TABLE n USING nori(a);"
      "INSERT INTO n VALUES(1); CREATE VIRTUAL TABLE m USING nori(a);"
      "INSERT INTO m VALUES(2); ROLLBACK");
  ExpectSound(db.get(), "10");
  EXPECT_NE(db->Run("SELECT * FROM m").code, SQLITE_OK);
  db->Get("BEGIN; DROP TABLE n; CREATE VIRTUAL TABLE n USING nori(a); COMMIT");
  EXPECT_EQ(db->Get("SELECT count(*) FROM n"), "0");
}

TEST_F(NoriTablesTest, AReaderSeesOneStateOfBoth) {
  const auto writer = Open();
  writer->Get(kTables);
  writer->Get(InBoth(Rows(1, 50)));
  const auto reader = Open();
  reader->Get("BEGIN");
  EXPECT_EQ(reader->Get("SELECT count(*) FROM n"), "50");
  writer->Get("BEGIN;" + InBoth(Rows(51, 60)) + "COMMIT");
  // Nothing was read of o before the commit.
  ExpectSound(reader.get(), "50");
  EXPECT_EQ(reader->Run("INSERT INTO n VALUES(100, 1)").code,
            SQLITE_BUSY_SNAPSHOT);
  reader->Get("COMMIT");
  ExpectSound(reader.get(), "60");
  // A commit of rows alone is a change of the database.
  const std::string version = reader->Get("PRAGMA data_version");
  writer->Get("UPDATE n SET v = v WHERE id = 1");
  EXPECT_NE(reader->Get("PRAGMA data_version"), version);
  // A second writer waits for the first.
  writer->Get("BEGIN; INSERT INTO n VALUES(61, 1)");
  EXPECT_EQ(reader->Run("INSERT INTO n VALUES(62, 1)").code, SQLITE_BUSY);
  writer->Get("INSERT INTO o VALUES(61, 1); COMMIT");
  ExpectSound(reader.get(), "61");
}

// A cursor goes on over what it began with, whatever its connection commits or
// rolls back.
TEST_F(NoriTablesTest, OpenCursorsKeepTheirState) {
  const auto db = Open();
  db->Get(kTables);
  db->Get(InBoth(Rows(1, 200)));
  sqlite3_stmt* statement = nullptr;
  ASSERT_EQ(sqlite3_prepare_v2(db->db(), "SELECT id FROM n ORDER BY id", -1,
                               &statement, nullptr),
            SQLITE_OK);
  for (int id = 1; id <= 200; ++id) {
    ASSERT_EQ(sqlite3_step(statement), SQLITE_ROW);
    ASSERT_EQ(sqlite3_column_int(statement, 0), id);
    if (id == 50) db->Get("INSERT INTO n VALUES(1000, 1)");
    if (id == 60) {
      db->Get(
          "BEGIN; SAVEPOINT s; INSERT INTO n VALUES(1001, 1);"
          "ROLLBACK TO s; INSERT INTO n VALUES(1002, 1); COMMIT");
    }
  }
  EXPECT_EQ(sqlite3_step(statement), SQLITE_DONE);
  sqlite3_finalize(statement);
  EXPECT_EQ(db->Get("SELECT count(*) FROM n"), "202");
}

TEST_F(NoriTablesTest, TwoThreadsMoveMoneyBetweenTheKinds) {
  Open()->Get(
      "CREATE TABLE near(id INTEGER PRIMARY KEY, b);"
      "CREATE VIRTUAL TABLE far USING nori(id INTEGER PRIMARY KEY, b);"
      "INSERT INTO near VALUES(1, 1000), (2, 1000);"
      "INSERT INTO far VALUES(1, 1000), (2, 1000)");
  std::atomic<int> commits{0};
  const auto move = [&](int seed) {
    TestConnection db(Uri("app.db"));
    sqlite3_busy_timeout(db.db(), 20000);
    for (int i = 0; i < 200; ++i) {
      const std::string id = std::to_string((i + seed) % 2 + 1);
      const SqlResult result =
          db.Run("BEGIN IMMEDIATE; UPDATE far SET b = b - 1 WHERE id = " + id +
                 "; UPDATE near SET b = b + 1 WHERE id = " + id +
                 (i % 5 == 0 ? "; ROLLBACK" : "; COMMIT"));
      if (result.code != SQLITE_OK) {
        db.Run("ROLLBACK");
      } else if (i % 5 != 0) {
        ++commits;
      }
    }
  };
  std::thread first(move, 0), second(move, 1);
  const auto reader = Open();
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(reader->Get("SELECT (SELECT sum(b) FROM near) + "
                          "(SELECT sum(b) FROM far)"),
              "4000");
  }
  first.join();
  second.join();
  EXPECT_EQ(reader->Get("SELECT sum(b) FROM near"),
            std::to_string(2000 + commits));
  EXPECT_EQ(reader->Get("SELECT sum(b) FROM far"),
            std::to_string(2000 - commits));
}

TEST_F(NoriTablesTest, RowsOfADatabaseOfThePast) {
  const auto db = Open();
  db->Get(kTables);
  db->Get(InBoth(Rows(1, 20)));
  EXPECT_EQ(db->Get("SELECT nori_snapshot('s')"), "'ok'");
  db->Get("DELETE FROM o; DELETE FROM n");
  db->Get("DROP TABLE o");
  EXPECT_EQ(db->Get("SELECT count(*) FROM n('s')"), "20");
  {
    const auto past = Open("&nori_snapshot=s");
    EXPECT_EQ(past->Get(kDifference), "0");
    EXPECT_EQ(past->Get("SELECT count(*) FROM n"), "20");
    EXPECT_EQ(past->Run("DELETE FROM n").code, SQLITE_READONLY);
  }
  // Neither the function nor the PRAGMA names what is not committed.
  db->Get("BEGIN; CREATE TABLE p(a)");
  EXPECT_EQ(db->Run("SELECT nori_snapshot('t')").code, SQLITE_ERROR);
  db->Get("COMMIT; PRAGMA nori_snapshot = t");
  EXPECT_EQ(db->Get("SELECT name FROM nori_snapshots"), "'s'\n't'");
  db->Get("SELECT nori_release('s'); PRAGMA nori_release = t");
  EXPECT_EQ(db->Get("SELECT name FROM nori_snapshots"), "");
}

TEST_F(NoriTablesTest, ATransactionOverSeveralDatabases) {
  TestConnection db(Uri("app.db"));
  db.Get(kTables);
  db.Get("ATTACH '" + Path("plain.db") + "?vfs=unix' AS plain");
  db.Get("ATTACH 'file:" + Path("plain.db") + "?vfs=unix' AS p");
  db.Get("DETACH plain");
  db.Get("ATTACH '" + Uri("other.db") + "' AS q");
  db.Get(
      "CREATE VIRTUAL TABLE p.pn USING nori(a);"
      "CREATE VIRTUAL TABLE q.qn USING nori(a); CREATE TABLE q.qo(a)");
  for (const char* end : {"COMMIT", "ROLLBACK"}) {
    db.Get(
        "BEGIN; INSERT INTO pn VALUES(1); INSERT INTO qn VALUES(1);"
        "INSERT INTO qo VALUES(1);" +
        InBoth(end[0] == 'C' ? "VALUES(1, 1)" : "VALUES(2, 2)") + end);
    EXPECT_EQ(db.Get("SELECT (SELECT count(*) FROM pn), (SELECT count(*) FROM "
                     "qn), (SELECT count(*) FROM qo)"),
              "1|1|1");
    ExpectSound(&db, "1");
  }
}

TEST_F(NoriTablesTest, PagesWithoutTheirRowsAreRefused) {
  const auto db = Open();
  db->Get(kTables);
  db->Get(InBoth(Rows(1, 20)));
  // Another engine.
  TestConnection copy(Uri("copy.db"));
  ASSERT_EQ(CopyPages(db.get(), &copy), SQLITE_DONE);
  EXPECT_EQ(copy.Get("SELECT count(*) FROM o"), "20");
  const SqlResult read = copy.Run("SELECT count(*) FROM n");
  EXPECT_NE(read.code, SQLITE_OK);
  EXPECT_NE(read.message.find("without the rows"), std::string::npos)
      << read.message;
  copy.Get("DROP TABLE n; CREATE VIRTUAL TABLE n USING nori(a)");
  EXPECT_EQ(copy.Get("SELECT count(*) FROM n"), "0");
  // Put back while nothing has changed, the pages are those of the rows.
  // SQLite locks the connections in the order of the copy: another one for the
  // way back.
  {
    TestConnection kept(Uri("kept.db"));
    ASSERT_EQ(CopyPages(db.get(), &kept), SQLITE_DONE);
  }
  TestConnection kept(Uri("kept.db"));
  ASSERT_EQ(CopyPages(&kept, db.get()), SQLITE_DONE);
  ExpectSound(db.get(), "20");
  db->Get("DELETE FROM n WHERE id = 1");
  ASSERT_EQ(CopyPages(&kept, db.get()), SQLITE_DONE);
  const SqlResult older = db->Run("SELECT count(*) FROM n");
  EXPECT_NE(older.code, SQLITE_OK);
  EXPECT_NE(older.message.find("a copy of the pages alone"), std::string::npos)
      << older.message;
  EXPECT_EQ(db->Get("SELECT count(*) FROM o"), "20");
  // What the lost table left behind is in no new one.
  db->Get(
      "DROP TABLE n; CREATE VIRTUAL TABLE n USING nori(id INTEGER PRIMARY "
      "KEY, v, INDEX(v))");
  EXPECT_EQ(db->Get("SELECT count(*) FROM n"), "0");
  db->Get("INSERT INTO n SELECT * FROM o");
  ExpectSound(db.get(), "20");
}

TEST_F(NoriTablesTest, CopiesThatCannotCarryTheRowsFail) {
  const auto db = Open();
  db->Get(kTables);
  db->Get(InBoth(Rows(1, 20)));
  {
    TestConnection plain(Path("plain.db"));
    EXPECT_NE(CopyPages(db.get(), &plain), SQLITE_DONE);
    EXPECT_NE(plain.Get("SELECT nori_copy_error()").find("vfs=nori"),
              std::string::npos);
    EXPECT_EQ(plain.Get("SELECT count(*) FROM sqlite_schema"), "0");
  }
  const SqlResult backup =
      db->Run("SELECT nori_backup('" + Path("backup.db") + "')");
  EXPECT_NE(backup.code, SQLITE_OK);
  EXPECT_NE(backup.message.find("vfs=nori"), std::string::npos);
  db->Get("SELECT nori_export('" + Path("export.db") + "')");
  EXPECT_EQ(TestConnection(Path("export.db")).Get(kDifference), "0");
  // Without nori tables there is nothing to lose.
  db->Get("DROP TABLE n");
  TestConnection plain(Path("plain.db"));
  EXPECT_EQ(CopyPages(db.get(), &plain), SQLITE_DONE);
  EXPECT_EQ(plain.Get("SELECT count(*) FROM o"), "20");
  plain.Get("CREATE VIRTUAL TABLE n USING nori(id INTEGER PRIMARY KEY, v)");
  plain.Get("INSERT INTO n SELECT * FROM o");
  ExpectSound(&plain, "20");
}

// As sqlite3_stmt_readonly says: nothing is begun for a read.
TEST_F(NoriTablesTest, ReadOnlyConnections) {
  Open()->Get(kTables + InBoth(Rows(1, 20)));
  for (const char* more : {"&mode=ro", "&immutable=1", "&mode=ro&nolock=1"}) {
    const auto db = Open(more);
    EXPECT_EQ(db->Get("BEGIN; SELECT count(*) FROM n JOIN o USING(id); COMMIT"),
              "20")
        << more;
    EXPECT_EQ(db->Run("INSERT INTO n VALUES(100, 1)").code, SQLITE_READONLY);
  }
  const auto db = Open();
  db->Get("PRAGMA query_only = 1");
  EXPECT_EQ(db->Get("BEGIN; SELECT count(*) FROM n; COMMIT"), "20");
  EXPECT_EQ(db->Run("DELETE FROM n").code, SQLITE_READONLY);
}

}  // namespace
}  // namespace nori
