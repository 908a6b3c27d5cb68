#include "tests/vtab/differences.h"

#include <cstdio>

namespace nori {
namespace {

constexpr DocumentedDifference kDifferences[] = {
    {Difference::kLimits,
     "what the section Limits names is refused, by SQLite for every virtual "
     "table (upsert, CREATE INDEX, triggers, ...) or by nori (generated "
     "columns, ...)",
     "SQLite's interface has no place for it", "beside the limits above", false,
     "CREATE TABLE t(a PRIMARY KEY) WITHOUT ROWID;"
     "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING",
     "CREATE VIRTUAL TABLE t USING nori(a PRIMARY KEY);"
     "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING"},
    {Difference::kUpdateReadsFirst,
     "UPDATE computes all rows before it changes the first: one with OR IGNORE "
     "or REPLACE of a key, or with a subquery on the table itself",
     "SQLite gathers the rows of a virtual table before it calls xUpdate",
     "`UPDATE` reads all rows and computes all new values first", false,
     "CREATE TABLE t(k INTEGER PRIMARY KEY, v);"
     "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c');"
     "UPDATE OR REPLACE t SET k = k + 1; SELECT * FROM t",
     "CREATE VIRTUAL TABLE t USING nori(k INTEGER PRIMARY KEY, v);"
     "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c');"
     "UPDATE OR REPLACE t SET k = k + 1; SELECT * FROM t"},
    {Difference::kDefaultForNull,
     "DEFAULT is applied where a NOT NULL column is given NULL, and nowhere "
     "else",
     "SQLite passes NULL for a column that INSERT leaves out",
     "`DEFAULT` is applied where a `NOT NULL` column is given NULL", false,
     "CREATE TABLE t(a, b DEFAULT 5);"
     "INSERT INTO t(a) VALUES (1); SELECT b FROM t",
     "CREATE VIRTUAL TABLE t USING nori(a, b DEFAULT 5);"
     "INSERT INTO t(a) VALUES (1); SELECT b FROM t"},
    {Difference::kWrongTypeUnderOr,
     "a value of a wrong type in a STRICT table gives SQLITE_MISMATCH under "
     "OR IGNORE, FAIL, ROLLBACK and REPLACE",
     "SQLite would obey the clause for any constraint of a virtual table",
     "a value of a wrong type gives `SQLITE_MISMATCH`", false,
     "CREATE TABLE t(a INT) STRICT; INSERT OR IGNORE INTO t VALUES ('x')",
     "CREATE VIRTUAL TABLE t USING nori(a INT, STRICT);"
     "INSERT OR IGNORE INTO t VALUES ('x')"},
    {Difference::kReturning,
     "INSERT ... RETURNING gives the values as they were supplied: no new "
     "rowid, no DEFAULT, and rows that OR IGNORE left out",
     "SQLite does not ask a virtual table what it stored",
     "`INSERT ... RETURNING` gives the values as they were supplied", true,
     "CREATE TABLE t(a INTEGER PRIMARY KEY, b);"
     "INSERT INTO t(b) VALUES (1) RETURNING a",
     "CREATE VIRTUAL TABLE t USING nori(a INTEGER PRIMARY KEY, b);"
     "INSERT INTO t(b) VALUES (1) RETURNING a"},
    {Difference::kChanges,
     "changes() and total_changes() see the rows of nori_state that CREATE, "
     "DROP, RENAME and the functions for indexes write, and changes() the "
     "first read of an explicit transaction",
     "a module has no way to hide its own statements",
     "`changes()` and `total_changes()` are disturbed", true,
     "CREATE TABLE t(a); SELECT total_changes()",
     "CREATE VIRTUAL TABLE t USING nori(a); SELECT total_changes()"},
    {Difference::kIndexFunctions,
     "indexes are made and dropped by functions, which return a row and have "
     "messages of their own but for constraints",
     "SQLite refuses CREATE INDEX on virtual tables",
     "Functions stand in for `CREATE INDEX`", true,
     "CREATE TABLE t(a); CREATE INDEX i ON t(a)",
     "CREATE VIRTUAL TABLE t USING nori(a);"
     "SELECT nori_create_index('t', 'i', 'a')"},
    {Difference::kRealRowids,
     "a rowid at the end of the range compares exactly with a real number",
     "SQLite rounds there for an ordinary table's rowid",
     "Integers and reals compare exactly", false,
     "CREATE TABLE t(k INTEGER PRIMARY KEY);"
     "INSERT INTO t VALUES (-9223372036854775808);"
     "SELECT count(*) FROM t WHERE k = -9223372036854775808.0",
     "CREATE VIRTUAL TABLE t USING nori(k INTEGER PRIMARY KEY);"
     "INSERT INTO t VALUES (-9223372036854775808);"
     "SELECT count(*) FROM t WHERE k = -9223372036854775808.0"},
    {Difference::kRowValueIn,
     "(a, b) IN (SELECT ...) compares a TEXT column with a number as text",
     "SQLite does so for every virtual table",
     "compares a `TEXT` column with the number in its row as text", false,
     "CREATE TABLE t(a TEXT, b, PRIMARY KEY(a, b)) WITHOUT ROWID;"
     "INSERT INTO t VALUES ('05', 1);"
     "CREATE TABLE n(x INTEGER, y INTEGER); INSERT INTO n VALUES (5, 1);"
     "SELECT count(*) FROM t WHERE (a, b) IN (SELECT x, y FROM n)",
     "CREATE VIRTUAL TABLE t USING nori(a TEXT, b, PRIMARY KEY(a, b));"
     "INSERT INTO t VALUES ('05', 1);"
     "CREATE TABLE n(x INTEGER, y INTEGER); INSERT INTO n VALUES (5, 1);"
     "SELECT count(*) FROM t WHERE (a, b) IN (SELECT x, y FROM n)"},
    {Difference::kTimeInCheck,
     "a CHECK that asks for the time is refused by CREATE",
     "an ordinary table refuses every INSERT later",
     "A `CHECK` that asks for the time", false,
     "CREATE TABLE t(a CHECK(a < date('now')))",
     "CREATE VIRTUAL TABLE t USING nori(a CHECK(a < date('now')))"},
    {Difference::kCheckAfterRename,
     "a CHECK without a name that names its table keeps its text at RENAME",
     "SQLite does not rewrite a module's arguments",
     "keeps its text when the table is renamed", false,
     "CREATE TABLE t(a CHECK(t.a > 0)); ALTER TABLE t RENAME TO u;"
     "INSERT INTO u VALUES (0)",
     "CREATE VIRTUAL TABLE t USING nori(a CHECK(t.a > 0));"
     "ALTER TABLE t RENAME TO u; INSERT INTO u VALUES (0)"},
};

constexpr const char* kForSqlite[] = {
    "automatic indexes: they miss rows of RTRIM columns",
    "STRICT tables without another check, and INSERT OR ... of a rowid of a "
    "wrong type: no statement journal is opened, the statement stays half done",
    "NOT IN of a subquery with NULLs",
    "(a, b) IN (SELECT ...) with columns of two types, or NULLs, where an "
    "index has them in another order, or with the rowid's alias, where an "
    "index "
    "has it behind another column",
    "column = number, and the column = text elsewhere: the text is compared "
    "with "
    "that of the number in the query, if the join is taken for an inner one",
    "column = value OR column = value COLLATE ...: all is looked up in an "
    "index "
    "by the column's collation",
    "column = CAST(...): taken for constant although values of two types may "
    "be equal",
    "outer joins with LIKE or GLOB on an indexed column in the ON clause or in "
    "a subquery that is merged with the join",
    "RIGHT and FULL JOIN with (a, b) IN (SELECT ...) in an OR, or with IS "
    "between columns, of which an index has one, in the WHERE clause",
    "DISTINCT, GROUP BY, ORDER BY and windows of a join: a column is taken for "
    "constant that equals one of another table",
    "which of two equal values min(), max(), DISTINCT and GROUP BY show, and "
    "which of several rows a failing UPDATE comes to first: the plan decides",
};

}  // namespace

std::span<const DocumentedDifference> DocumentedDifferences() {
  return kDifferences;
}

std::span<const char* const> LeftOutForSqlite() { return kForSqlite; }

void ExcusedDifferences::Print() const {
  std::printf("Documented differences from an ordinary table:\n");
  for (const DocumentedDifference& one : kDifferences) {
    std::printf("- %s. Why: %s. ", one.what, one.reason);
    if (one.excused) {
      std::printf("Excused %llu times.\n",
                  static_cast<unsigned long long>(
                      counts_[static_cast<size_t>(one.difference)]));
    } else {
      std::printf("Left out.\n");
    }
  }
  std::printf("Left out, since SQLite 3.40.1 itself errs or may choose:\n");
  for (const char* one : kForSqlite) std::printf("- %s\n", one);
}

}  // namespace nori
