// Transactions over several connections and threads: DDL, busy handlers, lost
// updates.

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "tests/vtab/module_fixture.h"

namespace nori {
namespace {

using TransactionsTest = ModuleTest;

constexpr char kTables[] =
    "PRAGMA journal_mode = wal;"
    "CREATE VIRTUAL TABLE t USING nori(id INTEGER PRIMARY KEY, v);"
    "CREATE TABLE c(id INTEGER PRIMARY KEY, v);"
    "INSERT INTO t VALUES(1, 0); INSERT INTO c VALUES(1, 0)";

// Counts its calls and always says "try again".
int TryAgain(void* calls, int) {
  ++*static_cast<std::atomic<int>*>(calls);
  std::this_thread::sleep_for(std::chrono::microseconds(100));
  return 1;
}

// With a busy handler of its own a program gets SQLITE_BUSY only where SQLite
// gives it without asking: never from the moment between a commit in SQLite and
// the one in the engine.
TEST_F(TransactionsTest, BusyHandlerOfTheProgramIsEnough) {
  constexpr int kThreads = 3, kRounds = 100;
  for (const std::string mode : {"wal", "delete"}) {
    const std::string path = Path(mode + ".db");
    TestConnection keeper(path);
    keeper.Get(kTables);
    keeper.Get("PRAGMA journal_mode = " + mode);
    std::vector<std::thread> threads;
    threads.reserve(kThreads);
    std::atomic<int> calls{0};
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&] {
        TestConnection w(path);
        sqlite3_busy_handler(w.db(), TryAgain, &calls);
        // Synced, so that a commit takes long enough for others to come.
        w.Get("PRAGMA synchronous = full");
        for (int round = 0; round < kRounds; ++round) {
          w.Get(round % 2 == 0 ? "UPDATE t SET v = v + 1"
                               : "BEGIN IMMEDIATE; UPDATE t SET v = v + 1;"
                                 "UPDATE c SET v = v + 1; COMMIT");
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(keeper.Get("SELECT v FROM t"),
              std::to_string(kThreads * kRounds));
    EXPECT_EQ(keeper.Get("SELECT v FROM c"),
              std::to_string(kThreads * kRounds / 2));
    std::printf("%s: the handler was called %d times\n", mode.c_str(),
                calls.load());
  }
}

// Read, then write what was read plus one, in every kind of transaction: who
// meets somebody else's commit is told so.
TEST_F(TransactionsTest, NoUpdateIsLost) {
  constexpr int kThreads = 3, kRounds = 60;
  for (const std::string mode : {"wal", "delete"}) {
    const std::string path = Path(mode + ".db");
    TestConnection keeper(path);
    keeper.Get(kTables);
    keeper.Get("PRAGMA journal_mode = " + mode);
    std::atomic<int> refused{0};
    std::vector<std::thread> threads;
    threads.reserve(kThreads);
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&] {
        TestConnection w(path);
        w.Get("PRAGMA busy_timeout = 60000; PRAGMA synchronous = off");
        for (int round = 0; round < kRounds;) {
          if (w.Run("BEGIN").code != SQLITE_OK) continue;
          const SqlResult read = w.Run("SELECT v + 1 FROM t WHERE id = 1");
          const bool done =
              read.code == SQLITE_OK &&
              w.Run("UPDATE t SET v = " + read.rows[0] + " WHERE id = 1")
                      .code == SQLITE_OK &&
              w.Run("COMMIT").code == SQLITE_OK;
          if (done) {
            ++round;
          } else {
            ++refused;
            w.Run("ROLLBACK");
          }
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(keeper.Get("SELECT v FROM t"), std::to_string(kThreads * kRounds))
        << mode;
    std::printf("%s: %d transactions refused\n", mode.c_str(), refused.load());
  }
}

TEST_F(TransactionsTest, BusyWithoutATimeoutComesAtOnce) {
  TestConnection a(Path("a.db")), b(Path("a.db"));
  a.Get(kTables);
  a.Get("BEGIN; UPDATE t SET v = 1");
  EXPECT_EQ(b.Run("UPDATE t SET v = 2").code, SQLITE_BUSY);
  EXPECT_EQ(b.Run("BEGIN IMMEDIATE").code, SQLITE_BUSY);
  EXPECT_EQ(b.Get("SELECT v FROM t"), "0");
  std::atomic<int> calls{0};
  sqlite3_busy_handler(
      b.db(),
      [](void* counter, int n) {
        ++*static_cast<std::atomic<int>*>(counter);
        return n < 3 ? 1 : 0;
      },
      &calls);
  EXPECT_EQ(b.Run("UPDATE t SET v = 2").code, SQLITE_BUSY);
  EXPECT_EQ(calls, 4);
  a.Get("COMMIT");
  b.Get("UPDATE t SET v = v + 2");
  EXPECT_EQ(a.Get("SELECT v FROM t"), "3");
}

// What one connection drops, renames and makes, another sees after the commit
// and not before, with the rows that belong to it.
TEST_F(TransactionsTest, OtherConnectionsSeeSchemaChangesWhole) {
  TestConnection a(Path("a.db")), b(Path("a.db"));
  a.Get(kTables);
  a.Get(
      "CREATE VIRTUAL TABLE u USING nori(id INTEGER PRIMARY KEY, v);"
      "INSERT INTO u VALUES(1, 'of u')");
  EXPECT_EQ(b.Get("SELECT v FROM t"), "0");
  // Two tables change names; a third takes the name of one.
  a.Get(
      "BEGIN; ALTER TABLE t RENAME TO x; ALTER TABLE u RENAME TO t;"
      "ALTER TABLE x RENAME TO u; INSERT INTO t VALUES(2, 'new')");
  EXPECT_EQ(b.Get("SELECT v FROM t"), "0");
  EXPECT_EQ(b.Get("SELECT v FROM u"), "'of u'");
  a.Get("COMMIT");
  EXPECT_EQ(b.Get("SELECT v FROM t"), "'of u'\n'new'");
  EXPECT_EQ(b.Get("SELECT v FROM u"), "0");
  a.Get(
      "BEGIN; DROP TABLE t; CREATE VIRTUAL TABLE t USING nori(other);"
      "INSERT INTO t VALUES('made anew')");
  EXPECT_EQ(b.Get("SELECT count(*) FROM t"), "2");
  a.Get("ROLLBACK");
  EXPECT_EQ(a.Get("SELECT v FROM t"), "'of u'\n'new'");
  a.Get(
      "BEGIN; DROP TABLE t; CREATE VIRTUAL TABLE t USING nori(other);"
      "INSERT INTO t VALUES('made anew'); COMMIT");
  EXPECT_EQ(b.Get("SELECT * FROM t"), "'made anew'");
  // A reader that is under way when its table goes keeps its rows.
  sqlite3_stmt* statement = nullptr;
  b.Get("INSERT INTO u VALUES(2, 'second')");
  sqlite3_prepare_v2(b.db(), "SELECT id FROM u", -1, &statement, nullptr);
  ASSERT_EQ(sqlite3_step(statement), SQLITE_ROW);
  a.Get("DROP TABLE u; SELECT nori_compact()");
  EXPECT_EQ(sqlite3_step(statement), SQLITE_ROW);
  EXPECT_EQ(sqlite3_column_int(statement, 0), 2);
  EXPECT_EQ(sqlite3_step(statement), SQLITE_DONE);
  sqlite3_finalize(statement);
  EXPECT_EQ(b.Run("SELECT * FROM u").message, "no such table: u");
  EXPECT_EQ(a.Get("SELECT nori_verify()"), "'ok'");
}

// Names that change, tables that come and go between savepoints: each ROLLBACK
// TO gives back the tables as they were, with their rows.
TEST_F(TransactionsTest, SchemaChangesRollBackToSavepoints) {
  TestConnection a(Path("a.db"));
  a.Get(kTables);
  a.Get(
      "BEGIN; INSERT INTO t VALUES(2, 'before'); SAVEPOINT s1;"
      "ALTER TABLE t RENAME TO u; INSERT INTO u VALUES(3, 'renamed');"
      "SAVEPOINT s2; DROP TABLE u; CREATE VIRTUAL TABLE u USING nori(a);"
      "INSERT INTO u VALUES('young')");
  EXPECT_EQ(a.Get("SELECT * FROM u"), "'young'");
  a.Get("ROLLBACK TO s2");
  EXPECT_EQ(a.Get("SELECT count(*) FROM u"), "3");
  a.Get("ROLLBACK TO s1");
  EXPECT_EQ(a.Get("SELECT group_concat(v) FROM t"), "'0,before'");
  a.Get(
      "ALTER TABLE t RENAME TO w; SELECT nori_truncate('w');"
      "INSERT INTO w VALUES(9, 'nine'); COMMIT");
  EXPECT_EQ(a.Get("SELECT * FROM w"), "9|'nine'");
  ASSERT_EQ(a.Close(), SQLITE_OK);
  TestConnection b(Path("a.db"));
  EXPECT_EQ(b.Get("SELECT * FROM w"), "9|'nine'");
  EXPECT_EQ(b.Get("SELECT nori_verify()"), "'ok'");
  EXPECT_EQ(b.Get("PRAGMA integrity_check"), "'ok'");
}

// The engine may be opened by a connection that lets nobody else read the file.
TEST_F(TransactionsTest, TheEngineIsOpenedInsideAnExclusiveTransaction) {
  for (const std::string mode : {"delete", "wal"}) {
    const std::string path = Path("exclusive-" + mode + ".db");
    {
      TestConnection c(path);
      c.Get(kTables);
      c.Get("PRAGMA journal_mode = " + mode);
      c.Get(
          "BEGIN; INSERT INTO t VALUES(2, 2); INSERT INTO c VALUES(2, 2);"
          "COMMIT");
    }
    TestConnection c(path);
    c.Get(
        "BEGIN EXCLUSIVE; INSERT INTO t VALUES(3, 3);"
        "INSERT INTO c VALUES(3, 3); COMMIT");
    EXPECT_EQ(c.Get("SELECT group_concat(id) FROM t"), "'1,2,3'");
    EXPECT_EQ(c.Get("SELECT group_concat(id) FROM c"), "'1,2,3'");
  }
}

// A table that joins a transaction under way is told only of the innermost
// savepoint, which may be older than what other tables have changed.
TEST_F(TransactionsTest, TablesThatJoinLateLeaveSavepointsWhereTheyWere) {
  TestConnection c(Path("late.db"));
  c.Get(
      "CREATE VIRTUAL TABLE t USING nori(id INTEGER PRIMARY KEY, v);"
      "CREATE VIRTUAL TABLE u USING nori(id INTEGER PRIMARY KEY, v);"
      "INSERT INTO t(v) VALUES(1), (2)");
  const std::string counts =
      "SELECT (SELECT count(*) FROM t) * 10 + (SELECT count(*) FROM u)";
  // One row takes no savepoint of its own, several do.
  for (const std::string first :
       {"INSERT INTO t(v) VALUES(3)", "INSERT INTO t(v) VALUES(3), (4)",
        "DELETE FROM t", "SELECT * FROM t; INSERT INTO t(v) VALUES(3), (4)"}) {
    for (const std::string then :
         {"INSERT INTO u(v) VALUES(1)", "INSERT INTO u(v) VALUES(1), (2)",
          "DELETE FROM u", "SELECT * FROM u",
          "ALTER TABLE t RENAME TO w; INSERT INTO w(v) VALUES(5)",
          "SELECT * FROM u; INSERT INTO u(v) VALUES(1)"}) {
      SCOPED_TRACE(first + "; " + then);
      c.Get("SAVEPOINT a; SAVEPOINT b; " + first + ";" + then);
      c.Get("ROLLBACK TO b");
      EXPECT_EQ(c.Get(counts), "20");
      c.Get(first + ";" + then + "; ROLLBACK TO a");
      EXPECT_EQ(c.Get(counts), "20");
      // One that is newer than changes stays that.
      c.Get("INSERT INTO t(v) VALUES(8); SAVEPOINT b;" + first + ";" + then +
            "; ROLLBACK TO b");
      EXPECT_EQ(c.Get(counts), "30");
      c.Get("RELEASE b; SAVEPOINT d; " + then + "; ROLLBACK TO d");
      EXPECT_EQ(c.Get(counts), "30");
      c.Get("ROLLBACK TO a; RELEASE a");
      EXPECT_EQ(c.Get(counts), "20");
    }
  }
}

// One transaction over main, temp, memory and an attached file.
TEST_F(TransactionsTest, AllKindsOfSchemasTogether) {
  {
    TestConnection a(Path("a.db"));
    a.Get(kTables);
    a.Get("ATTACH '" + Path("b.db") + "' AS f; ATTACH ':memory:' AS m");
    const std::string all =
        "SELECT (SELECT group_concat(v) FROM t), (SELECT group_concat(v) FROM "
        "f.t2), (SELECT group_concat(v) FROM m.t3), (SELECT group_concat(v) "
        "FROM temp.t4), (SELECT group_concat(v) FROM f.c2)";
    a.Get(
        "CREATE VIRTUAL TABLE f.t2 USING nori(v);"
        "CREATE TABLE f.c2(v);"
        "CREATE VIRTUAL TABLE m.t3 USING nori(v);"
        "CREATE VIRTUAL TABLE temp.t4 USING nori(v)");
    const std::string insert =
        "INSERT INTO t(v) VALUES('x'); INSERT INTO t2 VALUES('x');"
        "INSERT INTO t3 VALUES('x'); INSERT INTO t4 VALUES('x');"
        "INSERT INTO c2 VALUES('x');";
    a.Get("BEGIN;" + insert + "ROLLBACK");
    EXPECT_EQ(a.Get(all), "'0'|NULL|NULL|NULL|NULL");
    a.Get("BEGIN;" + insert + "SAVEPOINT s;" + insert +
          "DROP TABLE t3; SELECT nori_truncate('t4'); ROLLBACK TO s; COMMIT");
    EXPECT_EQ(a.Get(all), "'0,x'|'x'|'x'|'x'|'x'");
    // A statement that fails half-way, in one of them.
    EXPECT_NE(a.Run("INSERT INTO t SELECT 5 - id * 2, v FROM t").code,
              SQLITE_OK);
    EXPECT_EQ(a.Get(all), "'0,x'|'x'|'x'|'x'|'x'");
  }
  TestConnection b(Path("b.db"));
  EXPECT_EQ(b.Get("SELECT * FROM t2"), "'x'");
}

}  // namespace
}  // namespace nori
