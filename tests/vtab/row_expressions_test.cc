// CHECK and DEFAULT in an application: its own functions, its statements, the
// end of its connection.

#include <string>

#include "gmock/gmock.h"
#include "tests/vtab/module_fixture.h"

namespace nori {
namespace {

class RowExpressionsTest : public ModuleTest {};

// Whether its argument is even.
void IsEven(sqlite3_context* context, int, sqlite3_value** argv) {
  sqlite3_result_int(context, sqlite3_value_int(argv[0]) % 2 == 0);
}

// Inserts into the table that is being inserted into.
void InsertMore(sqlite3_context* context, int, sqlite3_value**) {
  const int rc =
      sqlite3_exec(sqlite3_context_db_handle(context),
                   "INSERT INTO t VALUES(2)", nullptr, nullptr, nullptr);
  sqlite3_result_int(context, rc == SQLITE_OK ? 1 : 0);
}

void AddFunction(TestConnection* connection, const char* name, int arguments,
                 void (*function)(sqlite3_context*, int, sqlite3_value**)) {
  ASSERT_EQ(
      sqlite3_create_function_v2(connection->db(), name, arguments, SQLITE_UTF8,
                                 nullptr, function, nullptr, nullptr, nullptr),
      SQLITE_OK);
}

TEST_F(RowExpressionsTest, FunctionsOfTheApplication) {
  {
    TestConnection a(Path("a.db"));
    AddFunction(&a, "is_even", 1, IsEven);
    a.Get("CREATE VIRTUAL TABLE t USING nori(a CHECK(is_even(a)))");
    a.Get("INSERT INTO t VALUES(2)");
    EXPECT_EQ(a.Run("INSERT INTO t VALUES(3)").message,
              "CHECK constraint failed: is_even(a)");
  }
  // Rows can be read where the function is not there, and not be added.
  TestConnection a(Path("a.db"));
  EXPECT_EQ(a.Get("SELECT a FROM t"), "2");
  EXPECT_EQ(a.Run("INSERT INTO t VALUES(4)").message,
            "no such function: is_even");
  AddFunction(&a, "is_even", 1, IsEven);
  a.Get("INSERT INTO t VALUES(4)");
  EXPECT_EQ(a.Get("SELECT count(*) FROM t"), "2");
}

TEST_F(RowExpressionsTest, StatementsDoNotKeepAConnectionOpen) {
  TestConnection a(Path("a.db"));
  a.Get(
      "CREATE VIRTUAL TABLE t USING nori(a CHECK(a > 0), b NOT NULL DEFAULT "
      "3)");
  a.Get("INSERT INTO t(a) VALUES(1)");
  // Another connection's change makes this one read the schema anew.
  TestConnection b(Path("a.db"));
  b.Get("CREATE TABLE other(x)");
  EXPECT_EQ(b.Run("INSERT INTO t(a) VALUES(0)").code, SQLITE_CONSTRAINT_CHECK);
  a.Get("INSERT INTO t(a) VALUES(2)");
  EXPECT_EQ(a.Run("INSERT INTO t(a) VALUES(0)").code, SQLITE_CONSTRAINT_CHECK);
  a.Get("ALTER TABLE t RENAME TO u");
  EXPECT_EQ(a.Run("INSERT INTO u(a) VALUES(0)").code, SQLITE_CONSTRAINT_CHECK);
  EXPECT_EQ(a.Get("SELECT * FROM u"), "1|3\n2|3");
  a.Get("CREATE VIRTUAL TABLE v USING nori(a CHECK(a > 0))");
  a.Get("INSERT INTO v VALUES(1)");
  a.Get("DROP TABLE v");
  EXPECT_EQ(b.Close(), SQLITE_OK);
  EXPECT_EQ(a.Close(), SQLITE_OK);
}

TEST_F(RowExpressionsTest, ACheckThatWritesToItsOwnTable) {
  TestConnection a(Path("a.db"));
  AddFunction(&a, "insert_more", 0, InsertMore);
  a.Get("CREATE VIRTUAL TABLE t USING nori(a CHECK(insert_more() OR a = 1))");
  // The inner INSERT is refused, the outer one goes on.
  EXPECT_EQ(a.Run("INSERT INTO t VALUES(1)").code, SQLITE_OK);
  EXPECT_EQ(a.Get("SELECT a FROM t"), "1");
}

TEST_F(RowExpressionsTest, NoSuchRowOutsideAnInsert) {
  TestConnection a(Path("a.db"));
  a.Get("CREATE VIRTUAL TABLE t USING nori(a CHECK(a > 0))");
  a.Get("INSERT INTO t VALUES(1)");
  const std::string module =
      a.Get("SELECT name FROM pragma_module_list WHERE name GLOB 'nori_row_*'");
  ASSERT_NE(module, "");
  EXPECT_EQ(
      a.Get("SELECT count(*) FROM " + module.substr(1, module.size() - 2)),
      "0");
  a.Get("DROP TABLE t");
  EXPECT_EQ(a.Get("SELECT count(*) FROM pragma_module_list WHERE name GLOB "
                  "'nori_row_*'"),
            "0");
}

}  // namespace
}  // namespace nori
