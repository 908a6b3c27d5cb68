#include "tests/vtab/schema_fixture.h"

#include "vtab/sql_tokenizer.h"
#include "vtab/text.h"

namespace nori {
namespace {

int CaptureCreate(sqlite3* db, void* aux, int argc, const char* const* argv,
                  sqlite3_vtab** table, char** error) {
  auto* capture = static_cast<Capture*>(aux);
  capture->schema =
      ParseSchema(std::vector<std::string>(argv + 3, argv + argc));
  if (!capture->schema.ok()) {
    *error = sqlite3_mprintf(
        "%s", std::string(capture->schema.status().message()).c_str());
    return SQLITE_ERROR;
  }
  const int rc =
      sqlite3_declare_vtab(db, capture->schema->DeclarationSql().c_str());
  if (rc == SQLITE_OK) *table = new sqlite3_vtab{};
  return rc;
}

int CaptureDestroy(sqlite3_vtab* table) {
  delete table;
  return SQLITE_OK;
}

int CaptureBestIndex(sqlite3_vtab*, sqlite3_index_info*) { return SQLITE_OK; }

int CaptureUpdate(sqlite3_vtab*, int, sqlite3_value**, sqlite3_int64*) {
  return SQLITE_READONLY;
}

}  // namespace

SchemaTest::SchemaTest() {
  module_.xCreate = CaptureCreate;
  module_.xConnect = CaptureCreate;
  module_.xDestroy = CaptureDestroy;
  module_.xDisconnect = CaptureDestroy;
  module_.xBestIndex = CaptureBestIndex;
  module_.xUpdate = CaptureUpdate;
  sqlite3_create_module(virtual_.handle(), "capture", &module_, &capture_);
}

void SchemaTest::ExpectSameTable(const TableSchema& schema) {
  const auto native = native_.Query("PRAGMA table_xinfo(t)");
  const auto declared = virtual_.Query("PRAGMA table_xinfo(v)");
  const bool is_key = schema.identity == RowIdentity::kKey;
  ASSERT_EQ(native.size(), schema.columns.size());
  ASSERT_EQ(declared.size(), native.size() + (is_key ? 2 : 1));
  EXPECT_EQ(declared[native.size()][1], kSnapshotColumnName);
  EXPECT_EQ(declared[native.size()][6], "1") << "hidden";
  for (size_t i = 0; i < native.size(); ++i) {
    ExpectSameColumn(schema, i, native[i], declared[i]);
  }
  if (is_key) {
    EXPECT_EQ(declared.back()[1], kKeyColumnName);
    EXPECT_EQ(declared.back()[6], "1") << "hidden";
    ExpectSameKey(schema);
  } else {
    EXPECT_TRUE(schema.key.empty());
    ExpectSameAlias(schema);
  }
}

void SchemaTest::ExpectSameColumn(const TableSchema& schema, size_t i,
                                  const std::vector<std::string>& native,
                                  const std::vector<std::string>& declared) {
  const Column& column = schema.columns[i];
  EXPECT_EQ(column.name, native[1]);
  EXPECT_EQ(declared[1], native[1]);
  EXPECT_TRUE(EqualsIgnoreCase(column.declared_type, native[2]))
      << column.declared_type << " " << native[2];
  EXPECT_TRUE(EqualsIgnoreCase(declared[2], native[2])) << declared[2];
  EXPECT_EQ(declared[6], "0") << "hidden";
  if (static_cast<int>(i) == schema.rowid_column) {
    EXPECT_FALSE(column.not_null);
    EXPECT_EQ(declared[5], "1");
  } else {
    EXPECT_EQ(column.not_null, native[3] == "1") << column.name;
    EXPECT_EQ(declared[3], native[3]);
    EXPECT_EQ(declared[5], "0");
  }
  ExpectSameCollation(column, native_, "t");
  ExpectSameCollation(column, virtual_, "v");
}

void SchemaTest::ExpectSameCollation(const Column& column, SqliteDatabase& db,
                                     const char* table) {
  const char* collation = nullptr;
  ASSERT_EQ(sqlite3_table_column_metadata(
                db.handle(), "main", table, column.name.c_str(), nullptr,
                &collation, nullptr, nullptr, nullptr),
            SQLITE_OK);
  EXPECT_TRUE(EqualsIgnoreCase(CollationName(column.collation), collation));
}

void SchemaTest::ExpectSameKey(const TableSchema& schema) {
  std::string index;
  for (const auto& row : native_.Query("PRAGMA index_list(t)")) {
    if (row[3] == "pk") index = row[1];
  }
  size_t n = 0;
  for (const auto& row : native_.Query("PRAGMA index_xinfo(" + index + ")")) {
    if (row[5] != "1") continue;
    ASSERT_LT(n, schema.key.size());
    EXPECT_EQ(std::to_string(schema.key[n].column), row[1]);
    EXPECT_EQ(schema.key[n].descending, row[3] == "1");
    EXPECT_TRUE(
        EqualsIgnoreCase(CollationName(schema.key[n].collation), row[4]));
    ++n;
  }
  EXPECT_EQ(n, schema.key.size());
}

// An alias is the column that is an integer in a row of NULLs.
void SchemaTest::ExpectSameAlias(const TableSchema& schema) {
  EXPECT_EQ(native_.Execute("INSERT INTO t DEFAULT VALUES"), "");
  int alias = -1;
  for (size_t i = 0; i < schema.columns.size(); ++i) {
    const std::string name = QuoteSqlName(schema.columns[i].name);
    if (native_.Query("SELECT typeof(" + name + ") FROM t")[0][0] ==
        "integer") {
      alias = static_cast<int>(i);
    }
  }
  EXPECT_EQ(alias, schema.rowid_column);
}

}  // namespace nori
