// Indexes in the arguments of CREATE VIRTUAL TABLE.

#include <gmock/gmock.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/vtab/schema_fixture.h"

namespace nori {
namespace {

using ::testing::HasSubstr;

// "name(column DESC COLLATION, ...)" of each index, UNIQUE in front.
std::string Show(const TableSchema& schema) {
  std::string text;
  for (const IndexSchema& index : schema.indexes) {
    absl::StrAppend(&text, text.empty() ? "" : "; ", index.id, " ",
                    index.unique ? "UNIQUE " : "", index.name, "(");
    const char* separator = "";
    for (const KeyColumn& column : index.columns) {
      absl::StrAppend(&text, separator,
                      schema.columns[static_cast<size_t>(column.column)].name,
                      column.descending ? " DESC" : "");
      if (column.collation != Collation::kBinary) {
        absl::StrAppend(&text, " ",
                        std::string(CollationName(column.collation)));
      }
      separator = ",";
    }
    absl::StrAppend(&text, ")");
  }
  return text;
}

class SchemaIndexTest : public SchemaTest {
 protected:
  std::string Parse(const std::string& arguments) {
    const std::string error = CreateVirtual(arguments);
    if (!capture_.schema.ok()) return error;
    return Show(*capture_.schema);
  }
};

TEST_F(SchemaIndexTest, Forms) {
  const std::pair<const char*, const char*> kForms[] = {
      {"a UNIQUE, b", "1 UNIQUE nori_autoindex_1(a)"},
      {"a COLLATE NOCASE UNIQUE, b", "1 UNIQUE nori_autoindex_1(a NOCASE)"},
      {"a UNIQUE COLLATE NOCASE, b", "1 UNIQUE nori_autoindex_1(a NOCASE)"},
      {"a CONSTRAINT only_one UNIQUE", "1 UNIQUE only_one(a)"},
      {"a, b, UNIQUE(a, b DESC)", "1 UNIQUE nori_autoindex_1(a,b DESC)"},
      {"a, b, CONSTRAINT ab UNIQUE(a COLLATE RTRIM, b)",
       "1 UNIQUE ab(a RTRIM,b)"},
      {"a, b, INDEX(b DESC, a COLLATE NOCASE)",
       "1 nori_autoindex_1(b DESC,a NOCASE)"},
      {"a COLLATE NOCASE, b, INDEX \"by a\"(a)", "1 by a(a NOCASE)"},
      {"a COLLATE NOCASE, b, INDEX i(a COLLATE BINARY)", "1 i(a)"},
      {"a, b, UNIQUE INDEX u(b), INDEX i(b)", "1 UNIQUE u(b); 2 i(b)"},
      {"a, UNIQUE INDEX(a)", "1 UNIQUE nori_autoindex_1(a)"},
      {"a, index i(a)", "1 i(a)"},
      {"a, b, INDEX nori_autoindex_2(a), INDEX(b)",
       "1 nori_autoindex_2(a); 2 nori_autoindex_2_(b)"},
      {"a CONSTRAINT x UNIQUE, b, CONSTRAINT x UNIQUE(b)",
       "1 UNIQUE x(a); 2 UNIQUE nori_autoindex_2(b)"},
      {"a, b, UNIQUE(a) UNIQUE(b)",
       "1 UNIQUE nori_autoindex_1(a); 2 UNIQUE nori_autoindex_2(b)"},
      {"a, INDEX i(a), INDEX j(a)", "1 i(a); 2 j(a)"},
  };
  for (const auto& [arguments, indexes] : kForms) {
    EXPECT_EQ(Parse(arguments), indexes) << arguments;
  }
}

// SQLite's own list of a table's automatic indexes is the truth.
TEST_F(SchemaIndexTest, RepeatedConstraintsMakeNoIndex) {
  for (const char* const arguments :
       {"a TEXT PRIMARY KEY UNIQUE, b", "a TEXT UNIQUE PRIMARY KEY, b",
        "a UNIQUE UNIQUE, b", "a UNIQUE, b, UNIQUE(a DESC)",
        "a, b, UNIQUE(a, b), UNIQUE(b, a), UNIQUE(a, b)",
        "a, b, UNIQUE(a), UNIQUE(a COLLATE NOCASE)",
        "a, b, PRIMARY KEY(a, b), UNIQUE(a, b)",
        "a, b, UNIQUE(a, b), PRIMARY KEY(a DESC, b)",
        "a, b, PRIMARY KEY(a, b), UNIQUE(b, a), UNIQUE(a)"}) {
    ASSERT_EQ(CreateNative(arguments, false), "") << arguments;
    ASSERT_EQ(CreateVirtual(arguments), "") << arguments;
    size_t native = 0;
    for (const auto& row : native_.Query("PRAGMA index_list(t)")) {
      native += row[3] == "u" ? 1 : 0;
    }
    EXPECT_EQ(capture_.schema->indexes.size(), native) << arguments;
  }
  // An alias has no index in SQLite; one more would say nothing new.
  EXPECT_EQ(Parse("a INTEGER PRIMARY KEY UNIQUE, b"), "");
  EXPECT_EQ(Parse("a INTEGER, b, UNIQUE(a), PRIMARY KEY(a)"), "");
  // An INDEX is one more, and made after all constraints.
  EXPECT_EQ(Parse("a, UNIQUE INDEX i(a), UNIQUE(a)"),
            "1 UNIQUE nori_autoindex_1(a); 2 UNIQUE i(a)");
}

TEST_F(SchemaIndexTest, KeyTakesTheDirectionsOfAnOlderConstraint) {
  for (const char* const arguments :
       {"a, b, UNIQUE(a, b DESC), PRIMARY KEY(a DESC, b)",
        "a, b, PRIMARY KEY(a DESC, b), UNIQUE(a, b DESC)",
        "a UNIQUE, b, UNIQUE(a DESC), PRIMARY KEY(a DESC)"}) {
    ASSERT_EQ(CreateNative(arguments, true), "") << arguments;
    ASSERT_EQ(CreateVirtual(arguments), "") << arguments;
    ExpectSameTable(*capture_.schema);
  }
}

// The order of PRAGMA index_list is that of checking.
TEST_F(SchemaIndexTest, OrderOfTheKeyAmongTheIndexes) {
  for (const char* const arguments :
       {"a TEXT PRIMARY KEY, b UNIQUE, c UNIQUE",
        "a TEXT, b UNIQUE, c UNIQUE, PRIMARY KEY(a)",
        "a TEXT, b UNIQUE, PRIMARY KEY(a), UNIQUE(c), c UNIQUE",
        "a TEXT, b UNIQUE, c, PRIMARY KEY(a), UNIQUE(c)",
        "a TEXT UNIQUE, b UNIQUE, c UNIQUE, PRIMARY KEY(a)",
        "a, b UNIQUE, c UNIQUE, UNIQUE(a), PRIMARY KEY(a)",
        "a INTEGER PRIMARY KEY, b UNIQUE, c UNIQUE, WITHOUT ROWID"}) {
    const std::string error = CreateVirtual(arguments);
    ASSERT_EQ(CreateNative(arguments, true) == "", error == "") << arguments;
    if (!error.empty()) continue;
    const auto list = native_.Query("PRAGMA index_list(t)");
    size_t place = 0;
    while (list[place][3] != "pk") ++place;
    EXPECT_EQ(capture_.schema->indexes_before_key, list.size() - 1 - place)
        << arguments;
  }
}

TEST_F(SchemaIndexTest, Refusals) {
  const std::pair<const char*, const char*> kRefused[] = {
      {"a, INDEX i(a), INDEX I(a)", "index I already exists"},
      {"a, INDEX i(b)", "no such column: b"},
      {"a, INDEX i", "incomplete definition"},
      {"a, INDEX i()", "syntax error"},
      {"a, UNIQUE i(a)", "near \"i\": syntax error"},
      {"a, UNIQUE INDEX u(a) ON CONFLICT ABORT", "near \"ON\""},
      {"a, UNIQUE(a + 1)", "expressions prohibited"},
      {"a, INDEX i(a) WHERE a > 0", "WHERE of an INDEX is not supported"},
      {"a, INDEX i(a COLLATE nosuch)", "no such collation sequence: nosuch"},
      {"a, UNIQUE(a NULLS LAST)", "unsupported use of NULLS LAST"},
      {"a INDEX", "near \"INDEX\": syntax error"},
      {"INDEX i(a), a", "near \"INDEX\": syntax error"},
      {"a, INDEX i(a), b", "near \"b\": syntax error"},
  };
  for (const auto& [arguments, words] : kRefused) {
    EXPECT_THAT(Parse(arguments), HasSubstr(words)) << arguments;
    EXPECT_FALSE(capture_.schema.ok()) << arguments;
  }
}

}  // namespace
}  // namespace nori
