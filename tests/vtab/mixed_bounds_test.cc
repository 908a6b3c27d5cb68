// Bounds that may come from a column of numbers: SQLite compares texts that are
// numbers as such then, and those lie scattered among the others.

#include <cstdio>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/vtab/module_fixture.h"
#include "tests/vtab/same_result.h"

namespace nori {
namespace {

class MixedBoundsTest : public ModuleTest {};

constexpr char kManyDays[] =
    "CREATE VIRTUAL TABLE days USING nori(id INTEGER PRIMARY KEY, day TEXT, "
    "INDEX by_day(day), INDEX by_day_down(day DESC, id));"
    "INSERT INTO days SELECT value, date('1992-01-01', '+' || (value % 2500) "
    "|| "
    "' days') FROM (WITH RECURSIVE s(value) AS (SELECT 1 UNION ALL SELECT "
    "value "
    "+ 1 FROM s WHERE value < 10000) SELECT value FROM s);";

// Of days that lie behind an upper bound that SQLite does not know, a few of
// each year are looked at.
TEST_F(MixedBoundsTest, TextsThatAreNoNumbersArePassedOver) {
  TestConnection db(Path("a.db"));
  db.Get(kManyDays);
  const std::string visited =
      "SELECT sum(value ->> 'blocks') < 40, max(value ->> 'rows') FROM "
      "json_each(nori_last_scan())";
  for (const char* order : {"", " ORDER BY day", " ORDER BY day DESC"}) {
    SCOPED_TRACE(order);
    EXPECT_EQ(db.Get(absl::StrCat(
                  "SELECT count(*) FROM (SELECT day FROM days WHERE day >= "
                  "'1993-05-01' AND day < date('1993-05-01', '+1 month')",
                  order, ")")),
              "124");
    EXPECT_EQ(db.Get(visited), "1|124");
  }
  // From below, the text bound keeps them out.
  EXPECT_EQ(db.Get("SELECT count(*) FROM days WHERE day > date('1998-11-01')"),
            "12");
  EXPECT_EQ(db.Get(visited), "1|12");
  EXPECT_EQ(db.Get("SELECT count(*) FROM days WHERE day = abs(-5)"), "0");
  EXPECT_EQ(db.Get(visited), "1|0");
}

std::string RandomText(std::mt19937_64* random) {
  static constexpr std::string_view kLetters = "0123456789.-+e aB/:\t";
  std::string text;
  for (auto n = (*random)() % 5; n > 0; --n) {
    text += kLetters[(*random)() % kLetters.size()];
  }
  return text;
}

TEST_F(MixedBoundsTest, RandomBoundsFindWhatOrdinaryTablesFind) {
  const uint64_t seed =
      NumberFromEnvironment("NORI_TEST_SEED", std::random_device{}());
  std::printf("NORI_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed);
  const auto pick = [&random](std::initializer_list<const char*> from) {
    return *(from.begin() + random() % from.size());
  };
  for (int round = 0; round < 20; ++round) {
    TestConnection native(":memory:", /*load=*/false), nori(":memory:");
    const std::string column =
        absl::StrCat("k", pick({" TEXT", " TEXT", ""}),
                     pick({"", " COLLATE NOCASE", " COLLATE RTRIM"}));
    const char* const down = pick({"", " DESC"});
    // SQLite 3.40.1 misses rows through automatic indexes on RTRIM columns.
    native.Get("PRAGMA automatic_index = off");
    nori.Get("PRAGMA automatic_index = off");
    native.Get(absl::StrCat("CREATE TABLE t(g INTEGER, ", column, ", v)"));
    nori.Get(absl::StrCat("CREATE VIRTUAL TABLE t USING nori(g INTEGER, ",
                          column, ", v, INDEX(k", down, "), INDEX(g, k", down,
                          "))"));
    std::string fill =
        "CREATE TABLE args(i INTEGER, r REAL, s TEXT, x);"
        "INSERT INTO args VALUES(5, 0.5, '5', 'a'), (-1, 1e3, '1-2', '7');"
        "INSERT INTO args VALUES('b', 'x', 12, 12), ('1-2', '+a', ' 3', -4);";
    for (int i = 0; i < 300; ++i) {
      absl::StrAppend(&fill, "INSERT INTO t VALUES(", random() % 2, ", '",
                      RandomText(&random), "', ", i, ");");
    }
    for (auto* db : {&native, &nori}) db->Get(fill);
    for (int i = 0; i < 60; ++i) {
      const auto bound = [&] {
        return absl::StrCat(
            "k", pick({" < ", " <= ", " > ", " >= ", " = "}),
            pick({"i", "r", "s", "x", "lower('1-5')", "abs(-7)", "'2'", "3"}));
      };
      std::string sql =
          absl::StrCat("SELECT k, v FROM args CROSS JOIN t WHERE ",
                       pick({"", "g = 1 AND "}), bound());
      if (random() % 2 == 0) absl::StrAppend(&sql, " AND ", bound());
      absl::StrAppend(&sql, " ORDER BY k", pick({"", " DESC"}));
      SqlResult expected = native.Run(sql), found = nori.Run(sql);
      ExpectSameResult(/*ordered=*/false, &expected, &found);
      ASSERT_FALSE(HasFailure()) << column << down << "\n" << sql;
      // By itself the scan's own order is what comes out.
      sql =
          absl::StrCat("SELECT k FROM t WHERE k < lower('", RandomText(&random),
                       "') AND k >= '", RandomText(&random), "' ORDER BY k",
                       pick({"", " DESC"}), ", v");
      expected = native.Run(sql), found = nori.Run(sql);
      ExpectSameResult(/*ordered=*/true, &expected, &found);
      ASSERT_FALSE(HasFailure()) << column << down << "\n" << sql;
    }
  }
}

}  // namespace
}  // namespace nori
