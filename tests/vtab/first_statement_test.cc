// Statements that SQLite prepares before it has connected their table.

#include <string>

#include "tests/vtab/module_fixture.h"

namespace nori {
namespace {

using FirstStatementTest = ModuleTest;

TEST_F(FirstStatementTest, DeleteAndUpdateWithLimitUseTheKey) {
  if (TestConnection(":memory:")
          .Run("CREATE TABLE o(a); DELETE FROM o LIMIT 0")
          .code == SQLITE_ERROR) {
    GTEST_SKIP() << "this SQLite has no DELETE with LIMIT";
  }
  const std::string path = Path("a.db");
  TestConnection(path).Get(
      "CREATE VIRTUAL TABLE t USING nori(a, b INT, PRIMARY KEY(b));"
      "INSERT INTO t VALUES (1, 2), (2, 3), (3, 4)");
  TestConnection(path).Get(
      "DELETE FROM t WHERE b >= 0 ORDER BY b DESC LIMIT 1");
  EXPECT_EQ(TestConnection(path).Get("SELECT * FROM t"), "1|2\n2|3");
  TestConnection(path).Get(
      "BEGIN; UPDATE t SET a = 7 WHERE b >= 0 ORDER BY b LIMIT 1; COMMIT");
  EXPECT_EQ(TestConnection(path).Get("SELECT * FROM t"), "7|2\n2|3");
}

}  // namespace
}  // namespace nori
