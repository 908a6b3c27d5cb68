// What applications do with a database, in the VFS `nori`.

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "gmock/gmock.h"
#include "tests/sqlite_vfs/page_fixture.h"

namespace nori {
namespace {

using ::testing::HasSubstr;

class PageBehaviour : public PageVfsTest {
 protected:
  static uint64_t Metric(TestConnection* db, const std::string& name) {
    const std::string quoted = db->Get("PRAGMA nori_metrics = " + name);
    return std::strtoull(quoted.c_str() + 1, nullptr, 10);
  }
  std::string Content(const std::string& name) const {
    std::ifstream in(Path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
};

using Setting = std::tuple<const char*, const char*, const char*, int>;

class PageSettings : public PageBehaviour,
                     public ::testing::WithParamInterface<Setting> {};

// Each as a default database does it.
TEST_P(PageSettings, AreAnsweredAsByAPlainDatabase) {
  const auto [level, locking, vacuum, page_size] = GetParam();
  const std::string settings =
      std::string("PRAGMA page_size=") + std::to_string(page_size) +
      "; PRAGMA auto_vacuum=" + vacuum + "; PRAGMA synchronous=" + level +
      "; PRAGMA locking_mode=" + locking + ";";
  const auto nori = Open();
  TestConnection plain(Path("plain.db"));
  std::vector<std::string> answers;
  for (TestConnection* db : {nori.get(), &plain}) {
    db->Get(settings + kTable + Fill(2000));
    db->Get("PRAGMA cache_size=3");
    std::string answer;
    for (const char* sql : {"PRAGMA page_size",
                            "PRAGMA auto_vacuum",
                            "PRAGMA synchronous",
                            "PRAGMA locking_mode",
                            "PRAGMA page_count",
                            "DELETE FROM t WHERE a % 3",
                            "PRAGMA freelist_count",
                            "PRAGMA page_count",
                            "PRAGMA incremental_vacuum(5)",
                            "PRAGMA page_count",
                            "BEGIN; UPDATE t SET b = 'y' || b; ROLLBACK",
                            "UPDATE t SET b = 'x' || b",
                            "SELECT count(*), sum(length(b)) FROM t",
                            "VACUUM",
                            "PRAGMA page_count",
                            "PRAGMA integrity_check",
                            "PRAGMA user_version = 7",
                            "PRAGMA user_version",
                            "PRAGMA application_id = 5",
                            "PRAGMA application_id",
                            "PRAGMA quick_check",
                            "PRAGMA foreign_key_check",
                            "PRAGMA data_version",
                            "PRAGMA encoding"}) {
      answer += std::string(sql) + ": " + db->Get(sql) + "\n";
    }
    answers.push_back(answer);
  }
  EXPECT_EQ(answers[0], answers[1]);
}

INSTANTIATE_TEST_SUITE_P(
    All, PageSettings,
    ::testing::Combine(::testing::Values("OFF", "NORMAL", "FULL", "EXTRA"),
                       ::testing::Values("NORMAL", "EXCLUSIVE"),
                       ::testing::Values("NONE", "FULL", "INCREMENTAL"),
                       ::testing::Values(512, 4096, 65536)),
    [](const auto& param_info) {
      return std::string("Sync") + std::get<0>(param_info.param) + "Locking" +
             std::get<1>(param_info.param) + "Vacuum" +
             std::get<2>(param_info.param) + "Page" +
             std::to_string(std::get<3>(param_info.param));
    });

TEST_F(PageBehaviour, SavepointsAndStatementsRollBackInASpilledTransaction) {
  const auto db = Open();
  db->Get(kTable + Fill(3000));
  db->Get("PRAGMA cache_size=2; BEGIN; SAVEPOINT a; DELETE FROM t WHERE a % 2");
  db->Get("SAVEPOINT b; UPDATE t SET b = 'x' || b; SAVEPOINT c; DELETE FROM t");
  db->Get("ROLLBACK TO c; RELEASE c");
  EXPECT_EQ(db->Get("SELECT count(*), sum(b LIKE 'x%') FROM t"), "1500|1500");
  EXPECT_EQ(db->Run("UPDATE t SET b = iif(a < 2900, 'y' || b, 'same')").code,
            SQLITE_CONSTRAINT_UNIQUE);
  EXPECT_EQ(db->Get("SELECT count(*), sum(b LIKE 'x%') FROM t"), "1500|1500");
  db->Get("ROLLBACK TO b");
  EXPECT_EQ(db->Get("SELECT count(*), sum(b LIKE 'x%') FROM t"), "1500|0");
  db->Get("ROLLBACK TO a; DELETE FROM t WHERE a > 10; COMMIT");
  EXPECT_EQ(Open()->Get("SELECT count(*) FROM t"), "10");
  EXPECT_EQ(Open()->Get("PRAGMA integrity_check"), "'ok'");
}

TEST_F(PageBehaviour, IncrementalBlobs) {
  const auto db = Open();
  constexpr int kBytes = 300000;
  db->Get("CREATE TABLE b(x); INSERT INTO b VALUES(zeroblob(" +
          std::to_string(kBytes) + "))");
  db->Get("PRAGMA cache_size=5");
  sqlite3_blob* blob = nullptr;
  ASSERT_EQ(sqlite3_blob_open(db->db(), "main", "b", "x", 1, 1, &blob),
            SQLITE_OK);
  std::string piece(1000, '\0');
  for (int at = 0; at < kBytes; at += 1000) {
    std::memset(piece.data(), 'a' + at / 1000 % 26, piece.size());
    ASSERT_EQ(sqlite3_blob_write(blob, piece.data(), 1000, at), SQLITE_OK);
  }
  EXPECT_EQ(Open()->Get("SELECT x = zeroblob(300000) FROM b"), "1");
  ASSERT_EQ(sqlite3_blob_close(blob), SQLITE_OK);
  EXPECT_EQ(Open()->Get("SELECT substr(x, 299001, 2), length(x) FROM b"),
            "x'nn'|300000");
  const auto reader = Open();
  ASSERT_EQ(sqlite3_blob_open(reader->db(), "main", "b", "x", 1, 0, &blob),
            SQLITE_OK);
  db->Get("DELETE FROM b; VACUUM");
  // The reader's state stays.
  ASSERT_EQ(sqlite3_blob_read(blob, piece.data(), 1000, 1000), SQLITE_OK);
  EXPECT_EQ(piece, std::string(1000, 'b'));
  ASSERT_EQ(sqlite3_blob_close(blob), SQLITE_OK);
}

TEST_F(PageBehaviour, SeveralDatabasesInOneConnection) {
  const auto db = Open();
  db->Get("ATTACH '" + UriOf("two.db") + "' AS two; ATTACH '" + Path("three") +
          "' AS three; ATTACH 'file:" + Path("plain.db") +
          "?vfs=unix' AS plain; ATTACH ':memory:' AS memory");
  for (const char* name : {"main", "two", "three", "plain", "memory"}) {
    db->Get(std::string("CREATE TABLE ") + name + "." + name +
            "_t(a INTEGER PRIMARY KEY)");
  }
  db->Get("CREATE TEMP TABLE temp_t(a); BEGIN");
  for (const char* name : {"main", "two", "three", "plain", "memory", "temp"}) {
    db->Get(std::string("INSERT INTO ") + name + "_t VALUES(1), (2)");
  }
  const std::string count =
      "SELECT (SELECT count(*) FROM main_t), (SELECT count(*) FROM two_t), "
      "(SELECT count(*) FROM three_t), (SELECT count(*) FROM plain_t), "
      "(SELECT count(*) FROM memory_t), (SELECT count(*) FROM temp_t)";
  EXPECT_EQ(db->Get(count), "2|2|2|2|2|2");
  db->Get("ROLLBACK");
  EXPECT_EQ(db->Get(count), "0|0|0|0|0|0");
  db->Get(
      "INSERT INTO two_t VALUES(1); BEGIN; INSERT INTO main_t SELECT a "
      "FROM two_t; INSERT INTO plain_t SELECT a FROM main_t; COMMIT");
  EXPECT_EQ(db->Get(count), "1|1|0|1|0|0");
  // By the VFS of the main database, where none is said.
  EXPECT_THAT(Content("three"), HasSubstr("nori database"));
  EXPECT_THAT(Content("plain.db"), HasSubstr("SQLite format 3"));
  db->Get("DETACH two");
  EXPECT_EQ(TestConnection(UriOf("two.db")).Get("SELECT a FROM two_t"), "1");
  EXPECT_EQ(db->Run("ATTACH '" + Path("plain.db") + "' AS again").code,
            SQLITE_CANTOPEN);
}

TEST_F(PageBehaviour, AnyEncodingAndSharedCaches) {
  {
    TestConnection db(UriOf("utf16.db"));
    db.Get(
        "PRAGMA encoding='UTF-16'; CREATE TABLE t(a); INSERT INTO t "
        "VALUES('\xc3\xa4')");
  }
  EXPECT_EQ(
      TestConnection(UriOf("utf16.db")).Get("SELECT a = '\xc3\xa4' FROM t"),
      "1");
  Open()->Get(kTable + Fill(10));
  const auto one = Open("&cache=shared");
  const auto two = Open("&cache=shared");
  one->Get("BEGIN; DELETE FROM t WHERE a = 1");
  EXPECT_EQ(two->Run("SELECT count(*) FROM t").code & 0xff, SQLITE_LOCKED);
  EXPECT_EQ(Open()->Get("SELECT count(*) FROM t"), "10");
  one->Get("COMMIT");
  EXPECT_EQ(two->Get("SELECT count(*) FROM t"), "9");
}

TEST_F(PageBehaviour, CopiesInMemoryAndByVacuumInto) {
  const auto db = Open();
  db->Get(kTable + Fill(500));
  sqlite3_int64 size = 0;
  unsigned char* const image = sqlite3_serialize(db->db(), "main", &size, 0);
  ASSERT_NE(image, nullptr);
  TestConnection memory(":memory:");
  ASSERT_EQ(sqlite3_deserialize(memory.db(), "main", image, size, size,
                                SQLITE_DESERIALIZE_FREEONCLOSE),
            SQLITE_OK);
  EXPECT_EQ(memory.Get("SELECT count(*) FROM t; PRAGMA integrity_check"),
            "500\n'ok'");
  db->Get("VACUUM INTO '" + Path("same.db") + "'");
  db->Get("VACUUM INTO 'file:" + Path("plain.db") + "?vfs=unix'");
  EXPECT_EQ(TestConnection(UriOf("same.db")).Get("SELECT count(*) FROM t"),
            "500");
  EXPECT_EQ(TestConnection(Path("plain.db")).Get("SELECT count(*) FROM t"),
            "500");
  EXPECT_EQ(db->Run("VACUUM INTO '" + Path("same.db") + "'").code,
            SQLITE_ERROR);
}

TEST_F(PageBehaviour, ThreadsReadAndWriteAtOnce) {
  Open()->Get(
      "CREATE TABLE cash(id INTEGER PRIMARY KEY, balance INT); WITH RECURSIVE "
      "c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE i<50) INSERT INTO "
      "cash SELECT i, 100 FROM c; CREATE INDEX b ON cash(balance)");
  constexpr int kTransactions = 60;
  const auto write = [this](int thread) {
    const auto db = Open();
    db->Get("PRAGMA busy_timeout=60000; PRAGMA synchronous=OFF");
    for (int i = 0; i < kTransactions; ++i) {
      const std::string from = std::to_string(1 + (i * 7 + thread) % 50);
      const std::string to = std::to_string(1 + (i * 3 + thread * 11) % 50);
      db->Get(
          "BEGIN IMMEDIATE; UPDATE cash SET balance = balance - 5 WHERE "
          "id = " +
          from + "; UPDATE cash SET balance = balance + 5 WHERE id = " + to +
          "; INSERT INTO cash VALUES(NULL, 0); COMMIT");
    }
  };
  const auto read = [this] {
    const auto db = Open();
    for (int i = 0; i < kTransactions; ++i) {
      EXPECT_EQ(db->Get("SELECT sum(balance) FROM cash"), "5000");
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) threads.emplace_back(write, i);
  for (int i = 0; i < 3; ++i) threads.emplace_back(read);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Open()->Get("SELECT count(*), sum(balance) FROM cash"),
            std::to_string(50 + 3 * kTransactions) + "|5000");
  EXPECT_EQ(Open()->Get("PRAGMA integrity_check"), "'ok'");
}

TEST_F(PageBehaviour, ReadOnlyOpens) {
  EXPECT_EQ(CodeOfRead(UriOf("none.db", "&mode=ro"), SQLITE_OPEN_READONLY),
            SQLITE_CANTOPEN);
  EXPECT_EQ(CodeOfRead(UriOf("none.db", "&mode=rw"), SQLITE_OPEN_READWRITE),
            SQLITE_CANTOPEN);
  EXPECT_FALSE(std::filesystem::exists(Path("none.db")));
  const auto writer = Open();
  writer->Get(kTable + Fill(10));
  for (const char* how : {"&mode=ro", "&mode=ro&nolock=1", "&immutable=1"}) {
    SCOPED_TRACE(how);
    const auto db = Open(how);
    EXPECT_EQ(sqlite3_db_readonly(db->db(), "main"), 1);
    const std::string count = db->Get("SELECT count(*) FROM t");
    EXPECT_EQ(db->Run("DELETE FROM t").code, SQLITE_READONLY);
    EXPECT_EQ(db->Run("VACUUM").code & 0xff, SQLITE_READONLY);
    for (const char* pragma :
         {"flush", "compact", "snapshot = s", "release = s"}) {
      EXPECT_EQ(db->Run(std::string("PRAGMA nori_") + pragma).code,
                SQLITE_READONLY);
    }
    writer->Get(std::string("INSERT INTO t(b) VALUES('") + how + "')");
    const bool sees_new = std::string(how) == "&mode=ro";
    EXPECT_EQ(db->Get("SELECT count(*) FROM t") != count, sees_new);
    EXPECT_EQ(db->Get("PRAGMA integrity_check"), "'ok'");
  }
  EXPECT_EQ(CodeOfRead(Uri("&nolock=1"), SQLITE_OPEN_READWRITE),
            SQLITE_CANTOPEN);
}

TEST_F(PageBehaviour, OneDatabaseUnderSeveralNames) {
  const auto db = Open();
  db->Get(kTable + Fill(10));
  std::filesystem::create_symlink(Path("app.db"), Path("link.db"));
  TestConnection link(UriOf("link.db"));
  EXPECT_EQ(link.Get("SELECT count(*) FROM t"), "10");
  link.Get("BEGIN IMMEDIATE");
  EXPECT_EQ(db->Run("DELETE FROM t").code, SQLITE_BUSY);
  link.Get("DELETE FROM t; COMMIT");
  EXPECT_EQ(db->Get("SELECT count(*) FROM t"), "0");
}

TEST_F(PageBehaviour, ADatabaseMovesWithItsDirectory) {
  Open()->Get(kTable + Fill(10));
  std::filesystem::rename(Path("app.db"), Path("new name.db"));
  std::filesystem::rename(Path("app.db-nori"), Path("new name.db-nori"));
  EXPECT_EQ(TestConnection(UriOf("new%20name.db"))
                .Get("SELECT count(*) "
                     "FROM t"),
            "10");
}

TEST_F(PageBehaviour, AChildAfterForkIsRefused) {
  const auto db = Open();
  db->Get(kTable + Fill(10));
  db->Get("BEGIN; DELETE FROM t WHERE a = 1");
  const auto reader = Open();
  reader->Get("BEGIN; SELECT * FROM t");
  const pid_t child = fork();
  if (child == 0) {
    int wrong = 0;
    // What is in the connection's own memory it may change.
    db->Run("INSERT INTO t VALUES(99, 'x')");
    if ((db->Run("COMMIT").code & 0xff) == SQLITE_OK) wrong |= 2;
    if ((reader->Run("COMMIT; BEGIN; SELECT * FROM t").code & 0xff) !=
        SQLITE_IOERR) {
      wrong |= 4;
    }
    reader->Close();
    // The parent has it.
    if (CodeOfRead(Uri(), SQLITE_OPEN_READWRITE) != SQLITE_BUSY) wrong |= 8;
    TestConnection own(UriOf("own.db"));
    if (own.Run("CREATE TABLE t(a)").code != SQLITE_OK) wrong |= 16;
    _exit(wrong);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(reader->Get("SELECT count(*) FROM t"), "10");
  db->Get("COMMIT");
  EXPECT_EQ(Open()->Get("SELECT count(*) FROM t"), "9");
  EXPECT_EQ(Open()->Get("PRAGMA integrity_check"), "'ok'");
}

TEST_F(PageBehaviour, ASecondProcessIsToldWhoHasIt) {
  const auto db = Open();
  db->Get(kTable + Fill(10));
  InAnotherProcess(":memory: '.log " + Path("log") + "' \".open '" + Uri() +
                   "'\" 'SELECT count(*) FROM t' > " + Path("out") + " 2>&1");
  EXPECT_THAT(Content("log"), HasSubstr(std::to_string(getpid())));
  EXPECT_THAT(Content("log"), HasSubstr("(5)"));
  EXPECT_THAT(Content("out"), HasSubstr("database is locked"));
}

// While one reads, thousands of commits go by; when it is done, what only it
// needed is given back.
TEST_F(PageBehaviour, ALongReaderKeepsItsStateAndNoLonger) {
  const auto writer = Open();
  writer->Get(
      "PRAGMA synchronous=OFF; CREATE TABLE t(a INTEGER PRIMARY KEY, "
      "b)");
  writer->Get(
      "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n "
      "WHERE x<200) INSERT INTO t SELECT x, randomblob(3000) FROM n");
  const auto bytes = [&] {
    writer->Get("PRAGMA nori_flush; PRAGMA nori_compact");
    return Metric(writer.get(), "table_bytes");
  };
  const auto reader = Open();
  reader->Get("BEGIN");
  const std::string sum =
      reader->Get("SELECT count(*), sum(unicode(hex(b))) FROM t");
  const uint64_t at_first = bytes();
  for (int i = 0; i < 3000; ++i) {
    writer->Get("UPDATE t SET b = randomblob(3000) WHERE a = " +
                std::to_string(1 + i % 200));
    if (i % 500 == 0) {
      EXPECT_EQ(reader->Get("SELECT count(*), sum(unicode(hex(b))) FROM t"),
                sum);
    }
  }
  EXPECT_GT(Metric(writer.get(), "commits"), 3000u);
  const uint64_t with_reader = bytes();
  EXPECT_EQ(reader->Get("SELECT count(*), sum(unicode(hex(b))) FROM t"), sum);
  EXPECT_EQ(reader->Get("PRAGMA integrity_check"), "'ok'");
  reader->Get("COMMIT");
  const uint64_t afterwards = bytes();
  // Both states, and then one.
  EXPECT_GT(with_reader, at_first * 3 / 2);
  EXPECT_LT(with_reader, at_first * 4);
  EXPECT_LT(afterwards, at_first * 5 / 4);
}

TEST_F(PageBehaviour, VersionAndMetrics) {
  const auto db = Open();
  db->Get(kTable);
  EXPECT_EQ(db->Get("PRAGMA nori_version"), db->Get("SELECT nori_version()"));
  const std::string metrics = db->Get("PRAGMA nori_metrics");
  EXPECT_THAT(metrics, HasSubstr("\ncommits="));
  EXPECT_THAT(metrics, HasSubstr("memtable_bytes="));
  const uint64_t before = Metric(db.get(), "commits");
  db->Get("INSERT INTO t VALUES(1, 'one')");
  EXPECT_EQ(Metric(db.get(), "commits"), before + 1);
  const SqlResult wrong = db->Run("PRAGMA nori_metrics = none_such");
  EXPECT_EQ(wrong.code, SQLITE_ERROR);
  EXPECT_EQ(wrong.message, "there is no metric none_such");
}

TEST_F(PageBehaviour, VerifyNamesFileAndOffsetOfDamage) {
  auto db = Open();
  db->Get(kTable + Fill(5000) + "PRAGMA nori_flush");
  EXPECT_EQ(db->Get("PRAGMA nori_verify"), "'ok'");
  std::string damaged;
  for (const auto& entry :
       std::filesystem::directory_iterator(Path("app.db-nori"))) {
    if (entry.path().extension() != ".sst") continue;
    damaged = entry.path().filename();
    std::fstream file(entry.path(), std::ios::in | std::ios::out);
    file.seekp(5000);
    file.write("damage", 6);
  }
  ASSERT_NE(damaged, "");
  for (const char* sql : {"PRAGMA nori_verify", "PRAGMA integrity_check"}) {
    const SqlResult result = db->Run(sql);
    EXPECT_EQ(result.code & 0xff, SQLITE_CORRUPT) << sql;
    EXPECT_THAT(result.message, HasSubstr(damaged)) << sql;
    EXPECT_THAT(result.message, ::testing::ContainsRegex("offset [0-9]+"))
        << sql;
  }
  // Without what is in memory, the rows cannot be read either.
  db = nullptr;
  EXPECT_EQ(Open()->Run("SELECT sum(length(b)) FROM t NOT INDEXED").code & 0xff,
            SQLITE_CORRUPT);
}

}  // namespace
}  // namespace nori
