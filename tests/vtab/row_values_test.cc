// IN with row values, where collations of columns and indexes differ: SQLite
// tells a virtual table the collation of the first column only. An ordinary
// table without index is the measure; with one, SQLite itself may miss rows or
// give them twice.

#include <algorithm>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/vtab/module_fixture.h"

namespace nori {
namespace {

using RowValuesTest = ModuleTest;

class RowValues {
 public:
  explicit RowValues(uint64_t seed) : random_(seed) {}

  // Ordinary table n, nori table v, both with the same rows, and list l.
  std::string Tables() {
    std::vector<std::string> columns, index;
    for (const char* name : {"a", "b", "c"}) {
      columns.push_back(absl::StrCat(name, " TEXT COLLATE ", Collation()));
    }
    for (const std::string& name : Columns(2 + random_() % 2)) {
      index.push_back(absl::StrCat(name, " COLLATE ", Collation(),
                                   random_() % 2 == 0 ? " DESC" : ""));
    }
    const std::string definition = absl::StrJoin(columns, ", ");
    std::string sql = absl::StrCat(
        "DROP TABLE IF EXISTS n; DROP TABLE IF EXISTS v; DROP TABLE IF EXISTS "
        "l; CREATE TABLE n(",
        definition, "); CREATE TABLE l(x TEXT, y TEXT, z TEXT COLLATE NOCASE);",
        "CREATE VIRTUAL TABLE v USING nori(", definition, ", INDEX i(",
        absl::StrJoin(index, ", "), "));");
    for (int i = 0; i < 48; ++i) {
      absl::StrAppend(&sql, "INSERT INTO ", i < 40 ? "n" : "l", " VALUES(",
                      Value(), ",", Value(), ",", Value(), ");");
    }
    return sql + "INSERT INTO v SELECT * FROM n";
  }

  // A query with %s for the table.
  std::string Query() {
    std::vector<std::string> left = Columns(2 + random_() % 2);
    const size_t width = left.size();
    // In other places than the first SQLite does not tell of it.
    if (random_() % 3 == 0) absl::StrAppend(&left[0], " COLLATE ", Collation());
    std::vector<std::string> right = Columns(width);
    const bool from_list = random_() % 2 == 0;
    if (from_list) {
      for (std::string& name : right) {
        name = std::string(1, static_cast<char>(name[0] + 'x' - 'a'));
      }
    }
    const char* const more[] = {"", "", " AND c IS NOT NULL", " AND a > 'A'"};
    return absl::StrCat("SELECT a, b, c FROM %s WHERE (",
                        absl::StrJoin(left, ", "), ")",
                        random_() % 4 == 0 ? " NOT" : "", " IN (SELECT ",
                        absl::StrJoin(right, ", "),
                        from_list ? " FROM l)" : " FROM n WHERE +rowid < 8)",
                        more[random_() % 4]);
  }

 private:
  std::string Collation() {
    const char* const all[] = {"BINARY", "NOCASE", "RTRIM"};
    return all[random_() % 3];
  }
  std::string Value() {
    const char* const all[] = {"'a'", "'A'",  "'a '", "'b'",   "'B '",
                               "'1'", "'2 '", "NULL", "x'61'", "''"};
    return all[random_() % 10];
  }
  std::vector<std::string> Columns(size_t count) {
    std::vector<std::string> names = {"a", "b", "c"};
    std::shuffle(names.begin(), names.end(), random_);
    names.resize(count);
    return names;
  }

  std::mt19937_64 random_;
};

TEST_F(RowValuesTest, InGivesTheRowsOfAScan) {
  const uint64_t seed = NumberFromEnvironment("NORI_TEST_SEED", 20240607);
  std::printf("NORI_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed));
  RowValues values(seed);
  TestConnection a(":memory:");
  for (int round = 0; round < 150; ++round) {
    const std::string tables = values.Tables();
    a.Get(tables);
    for (int i = 0; i < 12; ++i) {
      const std::string query = values.Query();
      std::vector<std::string> rows[2];
      for (int k = 0; k < 2; ++k) {
        std::string sql = query;
        sql.replace(sql.find("%s"), 2, k == 0 ? "n NOT INDEXED" : "v");
        const SqlResult result = a.Run(sql);
        ASSERT_EQ(result.code, SQLITE_OK) << sql << ": " << result.message;
        rows[k] = result.rows;
        std::sort(rows[k].begin(), rows[k].end());
      }
      ASSERT_EQ(rows[0], rows[1]) << query << "\n" << tables;
    }
  }
}

}  // namespace
}  // namespace nori
