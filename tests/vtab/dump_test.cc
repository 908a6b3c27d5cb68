// sql/dump.sh: a restored dump is the same database.

#include <cstdlib>
#include <string>

#include "tests/vtab/module_fixture.h"

namespace nori {
namespace {

using DumpTest = ModuleTest;

constexpr char kSchema[] = R"sql(
CREATE VIRTUAL TABLE "t ""1'" USING nori(a, "b ""c" TEXT UNIQUE,
  d NOT NULL DEFAULT 'it''s', e CHECK(e > 0), INDEX one(a DESC),
  UNIQUE INDEX two(a), UNIQUE(d, a), INDEX "three ' "(d));
SELECT nori_create_index('t "1''', 'it''s x', '"b ""c" COLLATE NOCASE DESC, a',
  'unique');
SELECT nori_drop_index('t "1''', 'one');
SELECT nori_drop_index('t "1''', 'two');
SELECT nori_create_index('t "1''', 'one', 'e, a');
INSERT INTO "t ""1'" VALUES (1, 'x', 2, 3), (9e999, NULL, x'00', 5),
  (1, 'x' || char(10) || char(0) || 'y', '9', 4);
CREATE VIRTUAL TABLE k USING nori(a TEXT COLLATE NOCASE, b INT, v ANY,
  PRIMARY KEY(a DESC, b), INDEX i(v), STRICT);
SELECT nori_drop_index('k', 'i');
INSERT INTO k VALUES ('A', 1, 2);
CREATE VIRTUAL TABLE plain USING nori(k PRIMARY KEY, v, INDEX i(v));
INSERT INTO plain VALUES (1, 2);
)sql";

std::string Content(TestConnection* db) {
  return db->Get(
      "SELECT tbl, name, is_unique, definition FROM nori_indexes "
      "ORDER BY tbl, name; SELECT rowid, * FROM \"t \"\"1'\"; "
      "SELECT * FROM k; SELECT * FROM plain; SELECT sql FROM sqlite_schema "
      "WHERE sql LIKE 'CREATE VIRTUAL%' ORDER BY name");
}

TEST_F(DumpTest, IndexesMadeAndDroppedByFunctionsGoAlong) {
  NORI_SKIP_IN_VFS_NORI("the script opens a file");
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the stock shell has no sanitizer";
#endif
  std::string content;
  {
    TestConnection db(Path("a.db"));
    db.Get(kSchema);
    content = Content(&db);
  }
  const std::string command =
      "bash '" NORI_SOURCE_PATH "/sql/dump.sh' '" + Path("a.db") +
      "' '" NORI_EXTENSION_PATH "' > '" + Path("a.sql") +
      "' && sqlite3 -bail '" + Path("b.db") +
      "' '.load " NORI_EXTENSION_PATH "' '.read " + Path("a.sql") + "'";
  ASSERT_EQ(std::system(command.c_str()), 0);
  TestConnection copy(Path("b.db"));
  EXPECT_EQ(Content(&copy), content);
  // With the checks, defaults and constraints that they had.
  EXPECT_EQ(copy.Run("INSERT INTO \"t \"\"1'\"(e) VALUES (0)").code,
            SQLITE_CONSTRAINT_CHECK);
  EXPECT_EQ(
      copy.Run("INSERT INTO \"t \"\"1'\"(a, \"b \"\"c\") VALUES (1, 'X')").code,
      SQLITE_CONSTRAINT_UNIQUE);
  EXPECT_EQ(copy.Run("INSERT INTO k VALUES ('b', 'c', 1)").code,
            SQLITE_CONSTRAINT_DATATYPE);
  EXPECT_EQ(copy.Get("INSERT INTO \"t \"\"1'\"(e) VALUES (9); "
                     "SELECT d FROM \"t \"\"1'\" WHERE e = 9"),
            "'it's'");
  EXPECT_EQ(copy.Get("SELECT nori_verify()"), "'ok'");
}

}  // namespace
}  // namespace nori
