// Tests of the runner itself.

#include <sqlite3.h>

#include <optional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/sqllogic/dialect.h"
#include "tests/sqllogic/results.h"
#include "tests/sqllogic/script.h"
#include "tests/sqllogic/session.h"

namespace nori::sqllogic {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kScript[] = R"(# a comment
hash-threshold 8

statement ok
CREATE TABLE t(a,
  b)

skipif mysql
onlyif nori # with a reason
statement error no such  column
SELECT c FROM t

query ITR rowsort label-1
SELECT 1, 'x', 2.5
----
1
x
2.500

query I
SELECT 1

halt
)";

std::vector<Record> Parsed(std::string_view text) {
  absl::StatusOr<std::vector<Record>> records = ParseScript(text);
  EXPECT_TRUE(records.ok()) << records.status();
  return records.ok() ? *records : std::vector<Record>();
}

TEST(ScriptTest, ReadsEveryKindOfRecord) {
  const std::vector<Record> records = Parsed(kScript);
  ASSERT_EQ(records.size(), 6u);
  EXPECT_EQ(records[0].kind, RecordKind::kHashThreshold);
  EXPECT_EQ(records[0].threshold, 8u);
  EXPECT_EQ(records[1].sql, "CREATE TABLE t(a,\n  b)");
  EXPECT_EQ(records[1].line, 4u);
  EXPECT_FALSE(records[1].expect_error);
  EXPECT_TRUE(records[2].expect_error);
  EXPECT_EQ(records[2].error_text, "no such  column");
  ASSERT_EQ(records[2].conditions.size(), 2u);
  EXPECT_FALSE(records[2].conditions[0].only);
  EXPECT_EQ(records[2].conditions[1].name, "nori");
  EXPECT_EQ(records[3].types, "ITR");
  EXPECT_EQ(records[3].sort, SortMode::kRows);
  EXPECT_EQ(records[3].label, "label-1");
  EXPECT_THAT(records[3].results, ElementsAre("1", "x", "2.500"));
  EXPECT_FALSE(records[4].has_results);
  EXPECT_EQ(records[5].kind, RecordKind::kHalt);
}

TEST(ScriptTest, LineEndsOfWindows) {
  const std::vector<Record> records =
      Parsed("query I\r\nSELECT 1\r\n----\r\n1\r\n\r\nhalt\r\n");
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].sql, "SELECT 1");
  EXPECT_THAT(records[0].results, ElementsAre("1"));
}

TEST(ScriptTest, RefusesWhatIsNoRecord) {
  for (const char* text :
       {"statment ok\nSELECT 1\n", "statement maybe\nSELECT 1\n",
        "query X\nSELECT 1\n", "query I sideways\nSELECT 1\n",
        "statement ok\n\n", "statement ok\nSELECT 1\n----\n1\n",
        "hash-threshold many\n", "skipif\n", "skipif nori\n"}) {
    EXPECT_FALSE(ParseScript(text).ok()) << text;
  }
  EXPECT_THAT(std::string(ParseScript("\n\nquery\n").status().message()),
              HasSubstr("line 3"));
}

TEST(ScriptTest, ResultsAreReplaced) {
  const std::string text =
      "query I\nSELECT 1\n----\nold\nolder\n\nquery I\nSELECT 2\n\nhalt\n";
  EXPECT_EQ(WithResults(text, Parsed(text),
                        {Results{"1"}, Results{"2"}, std::nullopt}),
            "query I\nSELECT 1\n----\n1\n\nquery I\nSELECT 2\n----\n2\n\n"
            "halt\n");
  EXPECT_EQ(WithResults(text, Parsed(text),
                        {std::nullopt, std::nullopt, std::nullopt}),
            text);
}

TEST(ResultsTest, Md5) {
  EXPECT_EQ(Md5(""), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(Md5("abc"), "900150983cd24fb0d6963f7d28e17f72");
}

TEST(ResultsTest, Sorting) {
  Results rows = {"2", "a", "10", "b", "1", "c"};
  Results values = rows;
  SortResults(SortMode::kRows, 2, &rows);
  EXPECT_THAT(rows, ElementsAre("1", "c", "10", "b", "2", "a"));
  SortResults(SortMode::kValues, 2, &values);
  EXPECT_THAT(values, ElementsAre("1", "10", "2", "a", "b", "c"));
}

class SessionTest : public ::testing::Test {
 protected:
  SessionTest() { EXPECT_EQ(sqlite3_open(":memory:", &db_), SQLITE_OK); }
  ~SessionTest() override { sqlite3_close(db_); }

  Report Run(std::string_view text, Tables tables = Tables::kOrdinary) {
    return Session(db_, tables).Run(Parsed(text));
  }
  std::string Nori(std::string_view sql, std::string_view more = "") {
    return ToNori(db_, sql, more);
  }

  sqlite3* db_ = nullptr;
};

TEST_F(SessionTest, ShowsValues) {
  const Report report =
      Run("query ITRTTT\nSELECT '12x', 12, 1, '', NULL, 'a'||char(10)||'é'\n");
  EXPECT_TRUE(report.failures.empty());
  EXPECT_THAT(*report.results[0],
              ElementsAre("12", "12", "1.000", "(empty)", "NULL", "a@@@"));
}

TEST_F(SessionTest, FindsWhatIsWrong) {
  const Report report =
      Run("statement ok\nCREATE TABLE t(a UNIQUE)\n\n"
          "statement ok\nSELECT * FROM absent\n\n"
          "statement error\nSELECT 1\n\n"
          "statement error syntax\nSELECT * FROM absent\n\n"
          "query I\nSELECT 1\n----\n2\n\n"
          "query II\nSELECT 1\n----\n1\n\n"
          "statement ok\nSELECT 1; SELECT 2\n\n"
          "query I nosort same\nSELECT 1\n\n"
          "query I nosort same\nSELECT 2\n\n"
          "query I\nSELECT 1\n----\n1 values hashing to 0\n\n");
  EXPECT_EQ(report.run, 10u);
  EXPECT_EQ(report.failures.size(), 8u);
}

TEST_F(SessionTest, TakesWhatIsRight) {
  const Report report =
      Run("hash-threshold 2\n\n"
          "statement error no such table: absent\nSELECT * FROM absent\n\n"
          "query I nosort same\nSELECT 1 UNION ALL SELECT 2\n----\n1\n2\n\n"
          "query I valuesort same\nSELECT 2 UNION ALL SELECT 1\n----\n1\n2\n\n"
          "query I\nSELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3\n----\n"
          "3 values hashing to c0710d6b4f15dfa88f600b0e6b624077\n\n"
          "onlyif nori\nstatement ok\nnonsense\n\n"
          "skipif sqlite\nstatement ok\nnonsense\n\n"
          "onlyif sqlite\nhalt\n\n"
          "statement ok\nnonsense\n");
  EXPECT_THAT(report.failures, ElementsAre());
  EXPECT_EQ(report.run, 4u);
  EXPECT_EQ(report.skipped, 2u);
  EXPECT_EQ(*report.results[4], Results{"3 values hashing to "
                                        "c0710d6b4f15dfa88f600b0e6b624077"});
}

TEST_F(SessionTest, ConditionsKnowTheTables) {
  constexpr char kSql[] =
      "onlyif ordinary\nstatement ok\nSELECT 1\n\n"
      "onlyif nori\nstatement ok\nSELECT 1\n\n"
      "onlyif nori\nskipif small-nori\nstatement ok\nSELECT 1\n\n"
      "onlyif small-nori\nstatement ok\nSELECT 1\n\n"
      "onlyif small-nori\nstatement ok\nSELECT 1\n\n"
      "onlyif small-nori\nstatement ok\nSELECT 1\n";
  EXPECT_EQ(Run(kSql, Tables::kOrdinary).run, 1u);
  EXPECT_EQ(Run(kSql, Tables::kNori).run, 2u);
  EXPECT_EQ(Run(kSql, Tables::kSmallNori).run, 4u);
}

TEST_F(SessionTest, PlansAreShownWithoutTheirNumber) {
  const Report report =
      Run("query T\nEXPLAIN QUERY PLAN SELECT * FROM json_each('[]') ORDER BY "
          "value\n\n"
          "query ITII\nEXPLAIN SELECT 1\n");
  ASSERT_EQ(report.failures.size(), 1u);
  EXPECT_THAT(report.failures[0], HasSubstr("has 8 columns"));
  EXPECT_THAT(*report.results[0],
              ElementsAre("SCAN json_each VIRTUAL TABLE INDEX n:",
                          "USE TEMP B-TREE FOR ORDER BY"));
}

TEST_F(SessionTest, IndexesOfVirtualTablesBecomeCalls) {
  for (const char* sql : {"CREATE TABLE o(a)",
                          "CREATE VIRTUAL TABLE v USING "
                          "fts5(a, b)"}) {
    ASSERT_EQ(sqlite3_exec(db_, sql, nullptr, nullptr, nullptr), SQLITE_OK);
  }
  EXPECT_EQ(Nori("CREATE INDEX o_a ON o(a)"), "CREATE INDEX o_a ON o(a)");
  EXPECT_EQ(Nori("CREATE INDEX IF NOT EXISTS \"it's\" ON v(a DESC, b)"),
            "SELECT nori_create_index('v', 'it''s', 'a DESC, b')");
  EXPECT_EQ(Nori("CREATE UNIQUE INDEX main.u ON V(b COLLATE NOCASE)"),
            "SELECT nori_create_index('main.V', 'u', 'b COLLATE NOCASE', "
            "'unique')");
  // There is no nori_indexes here.
  EXPECT_EQ(Nori("DROP INDEX u"), "DROP INDEX u");
}

TEST_F(SessionTest, TablesBecomeNoriTables) {
  EXPECT_EQ(Nori("CREATE TABLE t(a DECIMAL(4,2), b, PRIMARY KEY(a, b))"),
            "CREATE VIRTUAL TABLE t USING nori(a DECIMAL(4,2), b, PRIMARY "
            "KEY(a, b))");
  EXPECT_EQ(Nori("create temp table if not exists \"t t\" (a) -- end"),
            "CREATE VIRTUAL TABLE IF NOT EXISTS temp.\"t t\" USING nori(a)");
  EXPECT_EQ(Nori("CREATE TABLE main . t(a PRIMARY KEY) WITHOUT ROWID, STRICT",
                 ", block_bytes = 256"),
            "CREATE VIRTUAL TABLE main . t USING nori(a PRIMARY KEY, WITHOUT "
            "ROWID, STRICT, block_bytes = 256)");
  for (const char* as_it_is :
       {"CREATE TABLE t AS SELECT 1", "CREATE TABLE t(a", "SELECT 1",
        "CREATE VIEW v AS SELECT 1", "CREATE VIRTUAL TABLE t USING fts5(a)"}) {
    EXPECT_EQ(Nori(as_it_is), as_it_is);
  }
}

}  // namespace
}  // namespace nori::sqllogic
