#include "vtab/index_ddl.h"

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/format/status_macros.h"
#include "vtab/error_map.h"
#include "vtab/index.h"
#include "vtab/index_change.h"
#include "vtab/index_state.h"
#include "vtab/row_change.h"
#include "vtab/sql_tokenizer.h"
#include "vtab/sqlite_value.h"
#include "vtab/statement.h"
#include "vtab/text.h"
#include "vtab/virtual_table.h"

namespace nori {
namespace {

// A table as the first argument names it.
struct TableName {
  std::string schema;  // empty: wherever SQLite would find it
  std::string name;
};

// "t", "schema.t", each part in quotes or not; any other text is a name.
TableName ParseTableName(const std::string& text) {
  const std::vector<SqlToken> tokens = TokenizeSql(text);
  const auto is_name = [&tokens](size_t i) {
    return i < tokens.size() && (tokens[i].type == SqlTokenType::kWord ||
                                 tokens[i].type == SqlTokenType::kQuoted);
  };
  if (tokens.size() == 4 && is_name(0) && tokens[1].IsSymbol('.') &&
      is_name(2)) {
    return {DequoteSql(tokens[0].text), DequoteSql(tokens[2].text)};
  }
  if (tokens.size() == 2 && is_name(0)) return {"", DequoteSql(tokens[0].text)};
  return {"", text};
}

// The schemas of a connection in the order in which SQLite looks for a table.
absl::StatusOr<std::vector<std::string>> SchemasOf(sqlite3* db) {
  sqlite3_stmt* statement = nullptr;
  int rc =
      sqlite3_prepare_v2(db, "PRAGMA database_list", -1, &statement, nullptr);
  std::vector<std::string> schemas = {"temp", "main"};
  while (rc == SQLITE_OK || rc == SQLITE_ROW) {
    rc = sqlite3_step(statement);
    if (rc != SQLITE_ROW) break;
    const std::string name =
        reinterpret_cast<const char*>(sqlite3_column_text(statement, 1));
    if (name != "temp" && name != "main") schemas.push_back(name);
  }
  const absl::Status status = StatusOfSqlite(db, rc, "listing the schemas");
  sqlite3_finalize(statement);
  if (!status.ok()) return status;
  return schemas;
}

// A change of one table's indexes. Everything happens inside one savepoint.
class IndexDdl {
 public:
  explicit IndexDdl(Connection* connection) : connection_(connection) {}

  absl::Status Create(const std::string& table, const std::string& name,
                      const std::string& columns, bool unique) {
    NORI_RETURN_IF_ERROR(Find(table));
    return ChangeInSavepoint(
        [&] { return CreateInside(name, columns, unique); });
  }

  absl::Status Drop(const std::string& table, const std::string& name) {
    NORI_RETURN_IF_ERROR(Find(table));
    return ChangeInSavepoint([&] { return DropInside(name); });
  }

 private:
  // Finds the schema of the table: of one that is called so as a whole, dots
  // and quotes included, rather than of one whose name is a part.
  absl::Status Find(const std::string& text) {
    for (const TableName& wanted :
         {TableName{"", text}, ParseTableName(text)}) {
      NORI_ASSIGN_OR_RETURN(const bool found, Find(wanted));
      if (found) return absl::OkStatus();
    }
    return absl::InvalidArgumentError(
        absl::StrCat("there is no nori table called ", text));
  }

  absl::StatusOr<bool> Find(const TableName& wanted) {
    std::vector<std::string> schemas = {wanted.schema};
    if (wanted.schema.empty()) {
      NORI_ASSIGN_OR_RETURN(schemas, SchemasOf(connection_->db()));
    }
    for (const std::string& schema : schemas) {
      if (sqlite3_db_filename(connection_->db(), schema.c_str()) == nullptr) {
        continue;
      }
      std::shared_ptr<Database> database = connection_->GetDatabase(schema);
      NORI_ASSIGN_OR_RETURN(const bool exists,
                            database->state_table().Exists());
      if (!exists) continue;
      const auto found = database->state_table().FindTable(wanted.name);
      if (absl::IsNotFound(found.status())) continue;
      NORI_RETURN_IF_ERROR(found.status());
      database_ = std::move(database);
      name_ = wanted.name;
      return true;
    }
    return false;
  }

  // The first %w of `format` stands for the schema, the second for the table.
  absl::Status Execute(const char* format, const char* what) {
    char* sql =
        sqlite3_mprintf(format, database_->schema().c_str(), name_.c_str());
    if (sql == nullptr) return SqliteError(SQLITE_NOMEM, "out of memory");
    const int rc =
        sqlite3_exec(connection_->db(), sql, nullptr, nullptr, nullptr);
    sqlite3_free(sql);
    return StatusOfSqlite(connection_->db(), rc, what);
  }

  template <typename Body>
  absl::Status ChangeInSavepoint(Body&& body) {
    return InSavepoint(connection_->db(), "changing indexes",
                       [&]() -> absl::Status {
                         NORI_RETURN_IF_ERROR(Begin());
                         return std::forward<Body>(body)();
                       });
  }

  // Makes the table part of SQLite's transaction, and finds it.
  absl::Status Begin() {
    NORI_RETURN_IF_ERROR(
        Execute("DELETE FROM \"%w\".\"%w\" WHERE 0", "changing indexes"));
    NORI_ASSIGN_OR_RETURN(table_, database_->ConnectTable(name_));
    if (table_ == nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("there is no nori table called ", name_));
    }
    NORI_RETURN_IF_ERROR(table_->EnsureOpen());
    NORI_ASSIGN_OR_RETURN(transaction_, database_->WriteTransaction());
    NORI_ASSIGN_OR_RETURN(const TableState found,
                          database_->state_table().FindTable(name_));
    NORI_ASSIGN_OR_RETURN(
        state_, ParseIndexState(table_->layout.schema, found.indexes));
    return absl::OkStatus();
  }

  absl::Status CreateInside(const std::string& name, const std::string& columns,
                            bool unique) {
    if (name.empty()) {
      return absl::InvalidArgumentError("the index needs a name");
    }
    if (table_->layout.schema.FindIndex(name) != nullptr) {
      return absl::InvalidArgumentError(
          absl::StrCat("index ", name, " already exists"));
    }
    const std::string definition =
        Concat({unique ? "UNIQUE INDEX " : "INDEX ", QuoteSqlName(name), "(",
                columns, ")"});
    absl::StatusOr<IndexSchema> parsed =
        ParseIndex(table_->layout.schema, definition);
    // Worded as in CREATE VIRTUAL TABLE.
    if (!parsed.ok()) {
      return NativeError(SQLITE_ERROR, std::string(parsed.status().message()));
    }
    IndexSchema index = *std::move(parsed);
    index.id = state_.next_id++;
    state_.indexes.push_back(index);
    NORI_RETURN_IF_ERROR(Fill(index));
    database_->IndexCreated(table_->id, index.id);
    NORI_RETURN_IF_ERROR(Store());
    table_->layout.AddIndex(std::move(index));
    return absl::OkStatus();
  }

  // Writes the entries of all rows.
  absl::Status Fill(const IndexSchema& schema) {
    const RowLayout& layout = table_->layout;
    const IndexLayout index(layout.schema, schema, table_->id);
    StoredRow row(&layout);
    std::string key, value;
    uint64_t rows = 0;
    const std::unique_ptr<Iterator> it = transaction_->NewIterator(
        {.snapshot = nullptr, .bounds = {layout.prefix, layout.prefix_end}});
    for (it->SeekToFirst(); it->Valid(); it->Next(), ++rows) {
      NORI_RETURN_IF_ERROR(row.Reset(it->key(), it->value()));
      NORI_RETURN_IF_ERROR(row.LoadAll());
      key.clear();
      value.clear();
      const bool is_alone = index.AppendKey(row.values(), row.key(), &key);
      index.AppendValue(row.values(), row.key(), is_alone, &value);
      NORI_RETURN_IF_ERROR(transaction_->Put(key, value));
    }
    NORI_RETURN_IF_ERROR(it->status());
    return index.unique ? CheckUnique(index, schema, rows) : absl::OkStatus();
  }

  // Rows that may not be beside each other have written the same entry.
  absl::Status CheckUnique(const IndexLayout& index, const IndexSchema& schema,
                           uint64_t rows) {
    uint64_t entries = 0;
    const std::unique_ptr<Iterator> it = transaction_->NewIterator(
        {.snapshot = nullptr, .bounds = {index.prefix, index.prefix_end}});
    for (it->SeekToFirst(); it->Valid(); it->Next()) ++entries;
    NORI_RETURN_IF_ERROR(it->status());
    if (entries == rows) return absl::OkStatus();
    return UniqueError(*table_, schema.columns);
  }

  absl::Status DropInside(const std::string& name) {
    const IndexSchema* const index = table_->layout.schema.FindIndex(name);
    if (index == nullptr) {
      return absl::InvalidArgumentError(absl::StrCat("no such index: ", name));
    }
    if (index->constraint) {
      return NativeError(SQLITE_ERROR,
                         "index associated with UNIQUE or PRIMARY KEY "
                         "constraint cannot be dropped");
    }
    // One of this connection's own statements may be reading it.
    if (table_->nRef > 0) {
      return NativeError(SQLITE_LOCKED, "database table is locked");
    }
    const uint32_t id = index->id;
    std::erase_if(state_.indexes,
                  [id](const auto& one) { return one.id == id; });
    KeyRange range;
    for (const auto& layout : table_->layout.indexes) {
      if (layout->id == id) range = {layout->prefix, layout->prefix_end};
    }
    NORI_RETURN_IF_ERROR(database_->DeleteForGood(std::move(range)));
    NORI_RETURN_IF_ERROR(Store());
    table_->layout.RemoveIndex(id);
    return absl::OkStatus();
  }

  absl::Status Store() {
    NORI_RETURN_IF_ERROR(database_->state_table().WriteIndexes(
        table_->id, EncodeIndexState(table_->layout.schema, state_)));
    // A view has no pages, so that making and dropping one does nothing but
    // raise the version of the schema.
    NORI_RETURN_IF_ERROR(
        Execute("CREATE VIEW \"%w\".nori_schema_changed AS SELECT 1",
                "raising the schema's version"));
    return Execute("DROP VIEW \"%w\".nori_schema_changed",
                   "raising the schema's version");
  }

  Connection* const connection_;
  std::shared_ptr<Database> database_;
  std::string name_;
  VirtualTable* table_ = nullptr;
  Transaction* transaction_ = nullptr;
  IndexState state_;
};

std::string TextOf(sqlite3_value* argument) {
  const Value value = ValueOfSqlite(argument);
  return value.type == ValueType::kText ? std::string(value.bytes)
                                        : std::string();
}

template <typename Body>
void Answer(sqlite3_context* context, Body&& body) noexcept {
  const int rc = Guarded([&] {
    const absl::Status status =
        body(IndexDdl(static_cast<Connection*>(sqlite3_user_data(context))));
    if (status.ok()) {
      sqlite3_result_text(context, "ok", -1, SQLITE_STATIC);
    } else {
      ReportStatus(context, status);
    }
    return SQLITE_OK;
  });
  if (rc != SQLITE_OK) sqlite3_result_error_code(context, rc);
}

void CreateIndex(sqlite3_context* context, int argc,
                 sqlite3_value** argv) noexcept {
  Answer(context, [&](IndexDdl ddl) -> absl::Status {
    const std::string kind = argc > 3 ? TextOf(argv[3]) : "";
    if (argc > 3 && !EqualsIgnoreCase(kind, "unique")) {
      return absl::InvalidArgumentError(
          "the fourth argument of nori_create_index, if there is one, is "
          "'unique'");
    }
    return ddl.Create(TextOf(argv[0]), TextOf(argv[1]), TextOf(argv[2]),
                      argc > 3);
  });
}

void DropIndex(sqlite3_context* context, int, sqlite3_value** argv) noexcept {
  Answer(context, [&](IndexDdl ddl) {
    return ddl.Drop(TextOf(argv[0]), TextOf(argv[1]));
  });
}

}  // namespace

int RegisterIndexFunctions(sqlite3* db, Connection* connection) {
  constexpr int kFlags = SQLITE_UTF8 | SQLITE_DIRECTONLY;
  int rc = SQLITE_OK;
  for (const int arguments : {3, 4}) {
    if (rc != SQLITE_OK) return rc;
    rc = sqlite3_create_function_v2(db, "nori_create_index", arguments, kFlags,
                                    connection, CreateIndex, nullptr, nullptr,
                                    nullptr);
  }
  if (rc != SQLITE_OK) return rc;
  return sqlite3_create_function_v2(db, "nori_drop_index", 2, kFlags,
                                    connection, DropIndex, nullptr, nullptr,
                                    nullptr);
}

}  // namespace nori
