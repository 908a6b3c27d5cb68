#include <algorithm>

#include "tests/vtab/hostile_values.h"
#include "tests/vtab/schema_fixture.h"
#include "vtab/sql_tokenizer.h"

namespace nori {
namespace {

bool HasNotNullOutsideKey(const TableSchema& schema) {
  return schema.identity != RowIdentity::kKey &&
         std::any_of(schema.columns.begin(), schema.columns.end(),
                     [](const Column& column) { return column.not_null; });
}

bool EmptyArgument(std::string_view text) {
  const std::vector<SqlToken> tokens = TokenizeSql(text);
  for (size_t i = 1; i < tokens.size(); ++i) {
    if (tokens[i - 1].IsSymbol(',') &&
        (tokens[i].IsSymbol(',') || tokens[i].type == SqlTokenType::kEnd)) {
      return true;
    }
  }
  return false;
}

// Random sentences over the words of the grammar: whatever SQLite takes is
// taken with the same meaning or named as unsupported, what it refuses is
// refused.
TEST_F(SchemaTest, RandomDefinitions) {
  constexpr std::string_view kWords[] = {"a",
                                         "b",
                                         "c",
                                         "d",
                                         "\"a b\"",
                                         "'b'",
                                         "[c]",
                                         "INTEGER",
                                         "INT",
                                         "TEXT",
                                         "REAL",
                                         "varchar",
                                         "(10)",
                                         "(1,2)",
                                         "(-1)",
                                         "PRIMARY KEY",
                                         "PRIMARY KEY",
                                         "PRIMARY KEY(a)",
                                         "PRIMARY KEY(b DESC, a)",
                                         "PRIMARY KEY(a DESC)",
                                         "PRIMARY KEY('b' COLLATE NOCASE, (c))",
                                         "PRIMARY KEY (",
                                         ")",
                                         "(",
                                         "DESC",
                                         "ASC",
                                         "NOT NULL",
                                         "NULL",
                                         "NOT",
                                         "COLLATE NOCASE",
                                         "COLLATE rtrim",
                                         "COLLATE",
                                         "CONSTRAINT x",
                                         "UNIQUE",
                                         "UNIQUE(a)",
                                         "UNIQUE(b, a DESC)",
                                         "CHECK(1)",
                                         "CHECK (length('(a') > 0 /*)*/)",
                                         "DEFAULT 'x'",
                                         "DEFAULT b",
                                         "DEFAULT (x'00' || 'y')",
                                         "REFERENCES b(c)",
                                         "REFERENCES d ON DELETE SET NULL",
                                         "FOREIGN KEY(a) REFERENCES b",
                                         "MATCH full",
                                         "ON UPDATE NO ACTION",
                                         "DEFERRABLE INITIALLY DEFERRED",
                                         "DEFERRABLE",
                                         "CONSTRAINT",
                                         "ON CONFLICT ABORT",
                                         "ON CONFLICT",
                                         "KEY",
                                         "ON",
                                         "generated always",
                                         "left",
                                         "5",
                                         "/*x*/",
                                         "--x\n",
                                         "+",
                                         "\"INTEGER\"",
                                         ",",
                                         ",",
                                         ",",
                                         ",",
                                         ",",
                                         ",",
                                         ",",
                                         ","};
  HostileValues random(TestSeed());
  int accepted = 0;
  for (int i = 0; i < 30000; ++i) {
    std::string text = "a";
    for (size_t n = random.NextBits() % 14; n > 0; --n) {
      text += " ";
      text += kWords[random.NextBits() % std::size(kWords)];
    }
    if (text.ends_with(",")) continue;  // drops the empty argument
    SCOPED_TRACE(text);
    const bool without_rowid = random.OneIn(4);
    CreateVirtual(without_rowid ? text + ", WITHOUT ROWID" : text);
    const absl::StatusCode code = capture_.schema.status().code();
    const bool is_key =
        capture_.schema.ok() && capture_.schema->identity == RowIdentity::kKey;
    const std::string native = CreateNative(
        text, without_rowid || (code == absl::StatusCode::kOk && is_key));
    if (code == absl::StatusCode::kOk) {
      // The empty argument between two commas never reaches a module.
      if (EmptyArgument(text)) continue;
      ASSERT_EQ(native, "");
      ++accepted;
      if (HasNotNullOutsideKey(*capture_.schema)) continue;
      ExpectSameTable(*capture_.schema);
    } else if (code != absl::StatusCode::kUnimplemented) {
      ASSERT_NE(native, "") << capture_.schema.status();
    }
    if (HasFailure()) return;
  }
  EXPECT_GT(accepted, 1000);
}

}  // namespace
}  // namespace nori
