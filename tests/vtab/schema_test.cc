#include "vtab/schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "tests/vtab/schema_fixture.h"
#include "vtab/sql_tokenizer.h"
#include "vtab/text.h"

namespace nori {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Affinity ProbeAffinity(SqliteDatabase& db, const std::string& column) {
  const std::string types =
      db.Query("SELECT typeof(" + column + "), group_concat(typeof(" + column +
               ")) FROM t")[0][1];
  static const std::map<std::string, Affinity> kByTypes = {
      {"text,integer,real", Affinity::kBlob},
      {"text,text,text", Affinity::kText},
      {"integer,integer,real", Affinity::kInteger},
      {"real,real,real", Affinity::kReal}};
  return kByTypes.at(types);
}

// Definitions that both take, without NOT NULL outside keys (a row of NULLs
// tells the alias).
const char* const kAccepted[] = {
    "a",
    "a, b",
    "a INTEGER, b TEXT, c REAL, d BLOB, e NUMERIC, f",
    "\"a b\" INT, `c``d` TEXT, [e\"f] REAL, 'g''h' BLOB",
    "\"\" TEXT, b",
    "id INTEGER PRIMARY KEY, b",
    "id integer primary key, b",
    "id InTeGeR PRIMARY KEY ASC, b",
    "id INTEGER PRIMARY KEY DESC, b",
    "id 'INTEGER' PRIMARY KEY, b",
    "id \"integer\" PRIMARY KEY, b",
    "id [INTEGER] PRIMARY KEY, b",
    "id INTEGER(4) PRIMARY KEY, b",
    "id INTEGER NULL PRIMARY KEY, b",
    "id INTEGER COLLATE NOCASE PRIMARY KEY, b",
    "id INTEGER PRIMARY KEY COLLATE RTRIM, b",
    "id INTEGER PRIMARY KEY NOT NULL, b",
    "id INTEGER/*c*/PRIMARY/**/KEY, b",
    "id INTEGER -- the key\n PRIMARY KEY, b",
    "id BIG INTEGER PRIMARY KEY, b",
    "id UNSIGNED INTEGER PRIMARY KEY, b",
    "id 'INTEGER' x PRIMARY KEY, b",
    "id 'INTEGER' (4) PRIMARY KEY, b",
    "id INTEGER GENERATED ALWAYS PRIMARY KEY, b",
    "id INT PRIMARY KEY, b",
    "id BIGINT PRIMARY KEY, b",
    "id PRIMARY KEY, b",
    "id TEXT PRIMARY KEY, b",
    "id TEXT PRIMARY KEY DESC, b",
    "id TEXT PRIMARY KEY ON CONFLICT ABORT, b",
    "id TEXT PRIMARY KEY COLLATE NOCASE, b",
    "id TEXT COLLATE NOCASE PRIMARY KEY, b",
    "id INTEGER, b, PRIMARY KEY(id)",
    "id INTEGER, b, PRIMARY KEY(id ASC)",
    "id INTEGER, b, PRIMARY KEY(id DESC)",
    "id INTEGER, b, PRIMARY KEY('id')",
    "id INTEGER, b, PRIMARY KEY(\"ID\")",
    "id INTEGER, b, PRIMARY KEY(((id)))",
    "id INTEGER, b, PRIMARY KEY(id COLLATE NOCASE)",
    "id INTEGER, b, PRIMARY KEY(id,id)",
    "id INTEGER, b, PRIMARY KEY(id,b)",
    "id INTEGER, b, PRIMARY KEY(id) ON CONFLICT ABORT",
    "id INT, b, PRIMARY KEY(id)",
    "a, b, c, PRIMARY KEY(a, b DESC, c COLLATE NOCASE)",
    "a, b, c, PRIMARY KEY(c, a)",
    "a COLLATE NOCASE, b COLLATE rtrim, PRIMARY KEY(b, a COLLATE BINARY)",
    "a, b, PRIMARY KEY(b, b COLLATE NOCASE)",
    "a, b, PRIMARY KEY(b, b COLLATE BINARY)",
    "a, b, PRIMARY KEY(b COLLATE NOCASE DESC, a, b COLLATE NOCASE)",
    "a, b, PRIMARY KEY((a COLLATE NOCASE) COLLATE RTRIM DESC)",
    "a COLLATE NOCASE COLLATE RTRIM, b",
    "a COLLATE 'nocase', b COLLATE [BINARY], c COLLATE \"RTRIM\"",
    "a CONSTRAINT x COLLATE NOCASE CONSTRAINT y, b",
    "a CONSTRAINT x PRIMARY KEY, b",
    "a INTEGER CONSTRAINT x PRIMARY KEY CONSTRAINT y, b",
    "a, b, CONSTRAINT pk PRIMARY KEY(a)",
    "a, b, CONSTRAINT pk, PRIMARY KEY(a)",
    "a, b, CONSTRAINT p CONSTRAINT q PRIMARY KEY(a) CONSTRAINT r",
    "a, b, CONSTRAINT c",
    "a CONSTRAINT left, b",
    "id INTEGER PRIMARY KEY, b, WITHOUT ROWID",
    "id INTEGER PRIMARY KEY DESC, b, WITHOUT ROWID",
    "id INTEGER, b, PRIMARY KEY(id DESC), WITHOUT ROWID",
    "id INTEGER, b, PRIMARY KEY(id COLLATE NOCASE), WITHOUT ROWID",
    "id INTEGER COLLATE RTRIM, b, PRIMARY KEY(id), WITHOUT ROWID",
    "id TEXT COLLATE RTRIM, b, PRIMARY KEY(id COLLATE NOCASE), WITHOUT ROWID",
    "a, b, PRIMARY KEY(b, a), WITHOUT ROWID",
    "a NOT NULL, b, PRIMARY KEY(b)",
    "a NULL, b NULL ON CONFLICT ABORT, PRIMARY KEY(b)",
    "a TEXT NOT NULL ON CONFLICT ABORT, b, PRIMARY KEY(b)",
    "a VARCHAR(10), b DECIMAL(10,5), c DOUBLE PRECISION, d FLOAT",
    "a int(0x10), b x(1e3,.5), c y(+1,-2), d z( 7 , 8 )",
    "a CHARINT, b BLOBINT, c XBLOB, d REALBLOB, e DOUBLE BLOB TEXT",
    "a FLOATING POINT, b STRING, c BOOLEAN, d DATETIME, e NATIVE CHARACTER(70)",
    "a ANY, b clob, c nvarchar(100), d TINYINT, e int2, f UNSIGNED BIG INT",
    "a 'x' y (3), b \"DOUBLE\", c [varchar (5)], d 'int' text",
    "a foo /*char*/ bar, b foo /*int*/",
    "a \"primary key\", b 'it''s', c \"a\"\"b\"",
    "a int generated always, b generated, c always",
    "key key key, action, desc asc, left text, replace",
    "temp TEMP, row ROWS, without x, strict TEXT, rowid, oid, _rowid_ int",
    "\"strict\", \"without\" rowid, c",
    "a$b \xc3\xa9, \xc3\xa9\xc3\xa8 \xff, _x",
    "a\tint\n,\r\n b\ftext",
    "a int,, b text",
    "a xx/*hiddenx*/, b ahidden, c hidden2",
};

TEST_F(SchemaTest, AcceptsWhatSqliteAccepts) {
  for (const char* definition : kAccepted) {
    SCOPED_TRACE(definition);
    EXPECT_EQ(CreateVirtual(definition), "");
    if (!capture_.schema.ok()) continue;
    const TableSchema& schema = *capture_.schema;
    std::string native = definition;
    if (native == "a int,, b text") native = "a int, b text";
    EXPECT_EQ(CreateNative(native, schema.identity == RowIdentity::kKey), "");
    ExpectSameTable(schema);
  }
}

TEST_F(SchemaTest, AffinityIsSqlites) {
  for (const char* definition : kAccepted) {
    const std::string text = definition;
    if (ToUpperAscii(text).find("PRIMARY") != std::string::npos ||
        text == "a int,, b text") {
      continue;
    }
    SCOPED_TRACE(definition);
    ASSERT_EQ(CreateVirtual(text), "");
    ASSERT_EQ(CreateNative(text, false), "");
    const TableSchema& schema = *capture_.schema;
    for (const char* value : {"'12'", "3", "4.5"}) {
      std::string row = value;
      for (size_t i = 1; i < schema.columns.size(); ++i) {
        row += std::string(",") + value;
      }
      ASSERT_EQ(native_.Execute("INSERT INTO t VALUES(" + row + ")"), "");
    }
    for (const Column& column : schema.columns) {
      Affinity got = column.affinity;
      // The probes do not tell NUMERIC from INTEGER: only CAST does.
      if (got == Affinity::kNumeric) got = Affinity::kInteger;
      EXPECT_EQ(ProbeAffinity(native_, QuoteSqlName(column.name)), got)
          << column.name << " " << column.declared_type;
    }
  }
  EXPECT_EQ(AffinityOfType("DECIMAL(10,5)"), Affinity::kNumeric);
  EXPECT_EQ(AffinityOfType("in"), Affinity::kNumeric);
  EXPECT_EQ(AffinityOfType("INT"), Affinity::kInteger);
  EXPECT_EQ(AffinityOfType("int"), Affinity::kInteger);
  EXPECT_EQ(AffinityOfType(""), Affinity::kBlob);
}

// Refused by both, ours with the given words.
const std::pair<const char*, const char*> kRefused[] = {
    {"a, A", "duplicate column name: A"},
    {"a, \"a\"", "duplicate column name: a"},
    {"a PRIMARY KEY, b PRIMARY KEY", "more than one primary key"},
    {"a PRIMARY KEY, b, PRIMARY KEY(b)", "more than one primary key"},
    {"a PRIMARY KEY PRIMARY KEY", "more than one primary key"},
    {"a, b, PRIMARY KEY(a) PRIMARY KEY(b)", "more than one primary key"},
    {"a, b, PRIMARY KEY(a), PRIMARY KEY(a)", "more than one primary key"},
    {"a, b, PRIMARY KEY(c)", "no such column: c"},
    {"a, b, PRIMARY KEY(rowid)", "no such column: rowid"},
    {"a, b, PRIMARY KEY(nosuch, a)", "no such column: nosuch"},
    {"a, b, PRIMARY KEY(left)", "no such column: left"},
    {"a, b, PRIMARY KEY()", "near \")\": syntax error"},
    {"a, b, PRIMARY KEY(a, )", "near \")\": syntax error"},
    {"a, b, PRIMARY KEY(a+1)", "expressions prohibited"},
    {"a, b, PRIMARY KEY(+a)", "expressions prohibited"},
    {"a, b, PRIMARY KEY(a || b)", "expressions prohibited"},
    {"a, b, PRIMARY KEY(lower(a))", "expressions prohibited"},
    {"a, b, PRIMARY KEY(t.a)", "expressions prohibited"},
    {"a, b, PRIMARY KEY(1)", "expressions prohibited"},
    {"a, b, PRIMARY KEY(NULL)", "expressions prohibited"},
    {"a, b, PRIMARY KEY(a NULLS FIRST)", "unsupported use of NULLS FIRST"},
    {"a, b, PRIMARY KEY(a DESC nulls last)", "unsupported use of NULLS LAST"},
    {"a, b, PRIMARY KEY((a DESC))", "near \"DESC\": syntax error"},
    {"a, b, PRIMARY KEY((a)", ""},
    {"a, b, PRIMARY KEY(a ASC DESC)", "near \"DESC\": syntax error"},
    {"a, b, PRIMARY KEY(a b)", "near \"b\": syntax error"},
    {"a, b, PRIMARY KEY a", "near \"a\": syntax error"},
    {"a, b, PRIMARY", "incomplete definition"},
    {"a, b, PRIMARY KEY", "incomplete definition"},
    {"a, b, PRIMARY KEY(a) ON", "incomplete definition"},
    {"a, b, PRIMARY KEY(a) ON CONFLICT", "incomplete definition"},
    {"a, b, PRIMARY KEY(a) ON CONFLICT foo", "near \"foo\": syntax error"},
    {"a, b, PRIMARY KEY(a) foo", "near \"foo\": syntax error"},
    {"a, b PRIMARY KEY(b)", "near \"(\": syntax error"},
    {"a, PRIMARY KEY(a), b", "near \"b\": syntax error"},
    {"a, CONSTRAINT c, b", "near \"b\": syntax error"},
    {"PRIMARY KEY(a)", "near \"PRIMARY\": syntax error"},
    {"PRIMARY KEY(a), a", "near \"PRIMARY\": syntax error"},
    {"CONSTRAINT x", "near \"CONSTRAINT\": syntax error"},
    {"UNIQUE(a)", "near \"UNIQUE\": syntax error"},
    {"", "at least one column"},
    {"a int(x)", "near \"x\": syntax error"},
    {"a int()", "near \")\": syntax error"},
    {"a int(1,2,3)", "near \",\": syntax error"},
    {"a int(1", ""},
    {"a int(1) (2)", "near \"(\": syntax error"},
    {"a int(1) unsigned", "near \"unsigned\": syntax error"},
    {"a (1)", "near \"(\": syntax error"},
    {"a int(--1\n)", "near \")\": syntax error"},
    {"a b.c", "near \".\": syntax error"},
    {"a 1", "near \"1\": syntax error"},
    {"1", "near \"1\": syntax error"},
    {"1a", ""},
    {"(a)", "near \"(\": syntax error"},
    {"a.b", "near \".\": syntax error"},
    {"a COLLATE", "incomplete definition"},
    {"a COLLATE left", "near \"left\": syntax error"},
    {"a COLLATE 7", "near \"7\": syntax error"},
    {"a COLLATE nosuch", "no such collation sequence: nosuch"},
    {"a COLLATE \"no such\"", "no such collation sequence: no such"},
    {"a, PRIMARY KEY(a COLLATE nosuch)", "no such collation sequence: nosuch"},
    {"a COLLATE nosuch, PRIMARY KEY(a COLLATE BINARY)", "no such collation"},
    {"a NOT", "incomplete definition"},
    {"a NOT 5", "near \"5\": syntax error"},
    {"a NOT NULL ON CONFLICT", "incomplete definition"},
    {"a NOT NULL CONFLICT", "near \"CONFLICT\": syntax error"},
    {"a CONSTRAINT", "incomplete definition"},
    {"a CONSTRAINT 5", "near \"5\": syntax error"},
    {"a PRIMARY", "incomplete definition"},
    {"a PRIMARY b", "near \"b\": syntax error"},
    {"a PRIMARY KEY ASC DESC", "near \"DESC\": syntax error"},
    {"a PRIMARY KEY ON CONFLICT ABORT ASC", "near \"ASC\": syntax error"},
    {"a PRIMARY KEY WITHOUT ROWID", "near \"WITHOUT\": syntax error"},
    {"select", "near \"select\": syntax error"},
    {"a, table", "near \"table\": syntax error"},
    {"a left", "near \"left\": syntax error"},
    {"a select", "near \"select\": syntax error"},
    {"a int where", "near \"where\": syntax error"},
    {"a, b, WITHOUT ROWID", "PRIMARY KEY missing"},
    {"x'00' a", ""},
    {"a x'00'", ""},
    {"a \"unterminated", ""},
    {"a [unterminated", ""},
    {"a 12ab", ""},
    {"a ?1", ""},
    {"a -b", "near \"-\": syntax error"},
    {"a;b", ""},
};

TEST_F(SchemaTest, RefusesWhatSqliteRefuses) {
  for (const auto& [definition, words] : kRefused) {
    SCOPED_TRACE(definition);
    EXPECT_NE(CreateNative(definition, false), "");
    const std::string error = CreateVirtual(definition);
    EXPECT_NE(error, "");
    EXPECT_THAT(error, HasSubstr(words));
    EXPECT_FALSE(capture_.schema.ok());
  }
}

// Taken by SQLite, not by this.
const std::pair<const char*, const char*> kUnsupported[] = {
    {"a, b AS (a + 1)", "GENERATED"},
    {"a, b INT GENERATED ALWAYS AS (a) STORED", "GENERATED ALWAYS"},
    {"a INTEGER PRIMARY KEY AUTOINCREMENT", "AUTOINCREMENT"},
    {"a INTEGER, PRIMARY KEY(a AUTOINCREMENT)", "AUTOINCREMENT"},
    {"a PRIMARY KEY ON CONFLICT REPLACE", "ON CONFLICT REPLACE"},
    {"a NOT NULL ON CONFLICT IGNORE", "ON CONFLICT IGNORE"},
    {"a NULL ON CONFLICT FAIL", "ON CONFLICT FAIL"},
    {"a, CHECK(a > 0) ON CONFLICT FAIL", "ON CONFLICT FAIL"},
    {"a UNIQUE ON CONFLICT IGNORE", "ON CONFLICT IGNORE"},
    {"a, UNIQUE(a) ON CONFLICT REPLACE", "ON CONFLICT REPLACE"},
    {"a, PRIMARY KEY(a) ON CONFLICT ROLLBACK", "ON CONFLICT ROLLBACK"},
    {"a, nori_key", "nori_key is reserved"},
    {"\"NORI_KEY\"", "NORI_KEY is reserved"},
    {"a, Nori_Snapshot TEXT", "Nori_Snapshot is reserved"},
    {"a hidden", "HIDDEN"},
    {"a INT HIDDEN", "HIDDEN"},
    {"a 'x hidden y'", "HIDDEN"},
};

TEST_F(SchemaTest, NamesWhatItDoesNotSupport) {
  for (const auto& [definition, words] : kUnsupported) {
    SCOPED_TRACE(definition);
    EXPECT_EQ(CreateNative(definition, false), "");
    EXPECT_THAT(CreateVirtual(definition), HasSubstr(words));
    EXPECT_EQ(capture_.schema.status().code(),
              absl::StatusCode::kUnimplemented);
  }
  EXPECT_THAT(CreateVirtual("a, WITHOUT ROWID, b"), HasSubstr("near \"b\""));
}

TEST_F(SchemaTest, RegisteredCollationIsNamedAsUnsupported) {
  EXPECT_THAT(CreateVirtual("a COLLATE my_order"),
              HasSubstr("no such collation sequence: my_order (BINARY"));
}

TEST_F(SchemaTest, Options) {
  EXPECT_EQ(CreateVirtual("a, b, PRIMARY KEY(a), WITHOUT ROWID, Mode = 'x''y', "
                          "size=64, neg = -1.5, w=a b, \"q\"=\"v\", e=''"),
            "");
  const std::map<std::string, std::string> expected = {
      {"mode", "x'y"}, {"size", "64"}, {"neg", "-1.5"},
      {"w", "a b"},    {"q", "v"},     {"e", ""}};
  EXPECT_EQ(capture_.schema->options, expected);
  EXPECT_EQ(CreateVirtual("size=1, a"), "");
  EXPECT_EQ(capture_.schema->columns.size(), 1u);
  EXPECT_THAT(CreateVirtual("a, size=1, SIZE=2"),
              HasSubstr("duplicate option: size"));
  EXPECT_THAT(CreateVirtual("a, size="), HasSubstr("has no value"));
  EXPECT_THAT(CreateVirtual("size=1"), HasSubstr("at least one column"));
}

TEST_F(SchemaTest, NumberOfColumnsIsLimited) {
  std::vector<std::string> arguments;
  for (size_t i = 0; i < kMaxColumns; ++i) {
    arguments.push_back("c" + std::to_string(i));
  }
  arguments[0] = "c0 PRIMARY KEY";
  const auto schema = ParseSchema(arguments);
  ASSERT_TRUE(schema.ok());
  EXPECT_EQ(native_.Execute(schema->DeclarationSql()), "");
  arguments.push_back("last");
  EXPECT_EQ(ParseSchema(arguments).status().message(), "too many columns");
}

TEST_F(SchemaTest, FindColumn) {
  ASSERT_EQ(CreateVirtual("Alpha, \"be ta\""), "");
  EXPECT_EQ(capture_.schema->FindColumn("ALPHA"), 0);
  EXPECT_EQ(capture_.schema->FindColumn("be ta"), 1);
  EXPECT_EQ(capture_.schema->FindColumn("alph"), -1);
}

TEST_F(SchemaTest, DeclarationsLeaveTheDatabaseSound) {
  for (const char* definition : kAccepted) {
    SCOPED_TRACE(definition);
    ASSERT_EQ(CreateVirtual(definition), "");
    EXPECT_THAT(virtual_.Query("PRAGMA integrity_check"),
                ElementsAre(ElementsAre("ok")));
  }
}

}  // namespace
}  // namespace nori
