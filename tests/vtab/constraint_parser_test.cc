// CHECK, DEFAULT, REFERENCES and STRICT in the arguments of CREATE VIRTUAL
// TABLE. What they do is in tests/sql/constraints.sql.

#include "vtab/constraint_parser.h"

#include <gmock/gmock.h>

#include <string>
#include <utility>

#include "tests/vtab/schema_fixture.h"

namespace nori {
namespace {

using ::testing::HasSubstr;

class ConstraintParserTest : public SchemaTest {
 protected:
  const TableSchema& Parse(const std::string& arguments) {
    EXPECT_EQ(CreateVirtual(arguments), "") << arguments;
    return *capture_.schema;
  }
};

TEST_F(ConstraintParserTest, NamesOfChecksAreThoseOfSqlite) {
  // Both fail for a row of zeros.
  for (const char* const arguments :
       {"a CHECK(a > 0)", "a CHECK( a>0\n )", "a CHECK((a) > (0))",
        "a CONSTRAINT big CHECK(a > 0)", "a CONSTRAINT \"a b\" CHECK(a > 0)",
        "a CONSTRAINT x NOT NULL CHECK(a > 0)", "a CHECK(\"a\" > 0)",
        "a CHECK(/* why */ a > 0 -- so\n)", "a, CONSTRAINT c CHECK(a > 0)",
        "a, CONSTRAINT c UNIQUE(a) CHECK(a > 0)", "a CHECK(t.a > 0)",
        "a CONSTRAINT x CHECK(a = 0) CHECK(a > 0)", "a CHECK('x' = ')')"}) {
    ASSERT_EQ(CreateNative(arguments, false), "") << arguments;
    const std::string error = native_.Execute("INSERT INTO t(a) VALUES (0)");
    const Check& check = Parse(arguments).checks.back();
    EXPECT_EQ("CHECK constraint failed: " + check.name, error) << arguments;
  }
}

TEST_F(ConstraintParserTest, ChecksKnowTheirColumns) {
  const TableSchema& schema = Parse(
      "a, \"b c\", d INTEGER PRIMARY KEY, CHECK(v.A > 'd' AND [b c] IS NOT "
      "x'00'), CHECK(rowid > 1), CHECK(main.v.d > 0)");
  ASSERT_EQ(schema.checks.size(), 3U);
  EXPECT_EQ(schema.checks[0].columns, std::vector<bool>({true, true, true}));
  EXPECT_EQ(schema.checks[0].expression, "A > 'd' AND [b c] IS NOT x'00'");
  EXPECT_FALSE(schema.checks[0].rowid);
  EXPECT_TRUE(schema.checks[1].rowid);
  EXPECT_EQ(schema.checks[2].expression, "d > 0");
  EXPECT_EQ(schema.checks[2].columns, std::vector<bool>({false, false, true}));
}

// The expression gives what SQLite puts into a column that is left out.
TEST_F(ConstraintParserTest, DefaultsAreThoseOfSqlite) {
  for (const char* const definition : {"5",
                                       "-5",
                                       "+ 5",
                                       "1e3",
                                       "'it''s'",
                                       "x'00ff'",
                                       "NULL",
                                       "TRUE",
                                       "false",
                                       "abc",
                                       "\"a \"\"b\"",
                                       "[x y]",
                                       "- 'a'",
                                       "(1 + 2)",
                                       "( 'a' || ')' )",
                                       "(1 -- one\n)",
                                       "0x10",
                                       "-0x10",
                                       "match",
                                       "'x' NOT NULL"}) {
    const std::string arguments = std::string("a, b DEFAULT ") + definition;
    ASSERT_EQ(CreateNative(arguments, false), "") << arguments;
    ASSERT_EQ(native_.Execute("INSERT INTO t(a) VALUES (1)"), "");
    const TableSchema& schema = Parse(arguments);
    EXPECT_EQ(
        native_.Query("SELECT quote(b) FROM t"),
        native_.Query("SELECT quote(" + schema.columns[1].default_sql + "\n)"))
        << arguments;
  }
}

TEST_F(ConstraintParserTest, TakenAndRefusedAsBySqlite) {
  for (const char* const arguments :
       {"a REFERENCES b", "a REFERENCES b(c) ON DELETE CASCADE",
        "a REFERENCES b ON UPDATE SET DEFAULT MATCH simple NOT DEFERRABLE",
        "a REFERENCES b DEFERRABLE INITIALLY DEFERRED", "a NOT DEFERRABLE",
        "a, FOREIGN KEY(a) REFERENCES b(c) ON DELETE NO ACTION DEFERRABLE",
        "a, CONSTRAINT f FOREIGN KEY(a) REFERENCES b CHECK(a)",
        "a CHECK(a > 0) CHECK(a < 9) DEFAULT 3 REFERENCES b UNIQUE"}) {
    EXPECT_EQ(CreateNative(arguments, false), "") << arguments;
    EXPECT_EQ(CreateVirtual(arguments), "") << arguments;
  }
  for (const char* const arguments : {"a REFERENCES",
                                      "a REFERENCES b(",
                                      "a REFERENCES b() ",
                                      "a REFERENCES b ON",
                                      "a REFERENCES b ON DELETE",
                                      "a CHECK",
                                      "a CHECK()",
                                      "a CHECK(a",
                                      "a CHECK a",
                                      "a DEFAULT",
                                      "a DEFAULT -b",
                                      "a DEFAULT ()",
                                      "a DEFAULT (1",
                                      "a DEFAULT select",
                                      "a REFERENCES b ON DELETE SET",
                                      "a REFERENCES b ON DELETE NO",
                                      "a, FOREIGN KEY a",
                                      "a, FOREIGN KEY(a)",
                                      "a, FOREIGN (a)",
                                      "a DEFERRABLE INITIALLY",
                                      "a NOT",
                                      "a, DEFAULT 5",
                                      "a DEFAULT x'0'",
                                      "a DEFAULT x'zz'"}) {
    EXPECT_NE(CreateNative(arguments, false), "") << arguments;
    EXPECT_NE(CreateVirtual(arguments), "") << arguments;
    EXPECT_FALSE(capture_.schema.ok()) << arguments;
  }
}

TEST_F(ConstraintParserTest, Strict) {
  const TableSchema& schema = Parse("a ANY, b INT, STRICT");
  EXPECT_TRUE(schema.strict);
  EXPECT_EQ(schema.columns[0].affinity, Affinity::kBlob);
  EXPECT_EQ(schema.columns[1].affinity, Affinity::kInteger);
  EXPECT_THAT(schema.NativeSql("temp", "t"), HasSubstr("STRICT"));
  EXPECT_EQ(Parse("a ANY").columns[0].affinity, Affinity::kNumeric);
  EXPECT_FALSE(Parse("a, strict x").strict);
}

// What is wrong beyond the grammar is for SQLite to say.
TEST_F(ConstraintParserTest, NativeSqlIsWhatWasWritten) {
  const TableSchema& schema = Parse(
      "a TEXT -- first\n, b DEFAULT (1), PRIMARY KEY(a), "
      "block_bytes = 4096, UNIQUE(b), INDEX i(b), WITHOUT ROWID");
  EXPECT_EQ(native_.Execute("DROP TABLE IF EXISTS t"), "");
  EXPECT_EQ(native_.Execute(schema.NativeSql("main", "t")), "");
  EXPECT_EQ(native_.Query("PRAGMA table_xinfo(t)").size(), 2U);
  EXPECT_EQ(native_.Query("PRAGMA index_list(t)").size(), 2U);
}

}  // namespace
}  // namespace nori
