// What programs do with a connection beside running statements one after the
// other.

#include <dlfcn.h>
#include <sqlite3.h>

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/vtab/module_fixture.h"

namespace nori {
namespace {

using ::testing::HasSubstr;

class ClientsTest : public ModuleTest {
 protected:
  // t is a nori table, o an ordinary one, with the same `rows` rows (i, i).
  static void MakeTables(TestConnection* connection, int rows) {
    connection->Get("PRAGMA journal_mode = WAL");
    connection->Get(
        "CREATE VIRTUAL TABLE t USING nori(a INTEGER PRIMARY KEY, b);"
        "CREATE TABLE o(a INTEGER PRIMARY KEY, b)");
    connection->Get(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
        "LIMIT " +
        std::to_string(rows) + ") INSERT INTO t SELECT i, i FROM n");
    connection->Get("INSERT INTO o SELECT * FROM t");
  }
};

// A statement that is stepped by hand.
class OpenStatement {
 public:
  OpenStatement(const TestConnection& connection, const std::string& sql) {
    EXPECT_EQ(sqlite3_prepare_v2(connection.db(), sql.c_str(), -1, &statement_,
                                 nullptr),
              SQLITE_OK)
        << sqlite3_errmsg(connection.db());
  }
  ~OpenStatement() { sqlite3_finalize(statement_); }
  OpenStatement(const OpenStatement&) = delete;
  OpenStatement& operator=(const OpenStatement&) = delete;

  int Step() { return sqlite3_step(statement_); }
  int Reset() { return sqlite3_reset(statement_); }
  // Steps to the end; how many rows, and what ended it, as text.
  std::string Rest() {
    int rows = 0;
    int code;
    while ((code = Step()) == SQLITE_ROW) ++rows;
    return std::to_string(rows) + " rows, then " + std::to_string(code);
  }

 private:
  sqlite3_stmt* statement_ = nullptr;
};

constexpr char kOption[] =
    "SELECT value FROM nori_options WHERE name = 'block_bytes'";

TEST_F(ClientsTest, OptionsComeBack) {
  {
    TestConnection a(Path("a.db"));
    a.Get("CREATE VIRTUAL TABLE t USING nori(k, block_bytes = 512)");
    EXPECT_EQ(a.Get(kOption), "'512'");
    // The schema is read anew, and with it the engine opened.
    a.Get("ALTER TABLE t RENAME TO u");
    a.Get("SELECT * FROM u");
    EXPECT_EQ(a.Get(kOption), "'512'");
  }
  TestConnection a(Path("a.db"));
  EXPECT_EQ(a.Get(kOption), "'512'");
  a.Get("CREATE VIRTUAL TABLE v USING nori(k, block_bytes = 512)");
  EXPECT_THAT(
      a.Run("CREATE VIRTUAL TABLE w USING nori(k, block_bytes = 1024)").message,
      HasSubstr("made with block_bytes=512"));
}

}  // namespace
}  // namespace nori
