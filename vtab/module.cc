// The module `nori`: creating, connecting and dropping tables, and its cursors'
// way in.

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/format/status_macros.h"
#include "vtab/error_map.h"
#include "vtab/index_state.h"
#include "vtab/key_codec.h"
#include "vtab/module_callbacks.h"
#include "vtab/virtual_table.h"

namespace nori {

VirtualTable::VirtualTable(std::shared_ptr<Database> db,
                           TableSchema table_schema, std::string table_name)
    : sqlite3_vtab{},
      database(std::move(db)),
      name(std::move(table_name)),
      layout(std::move(table_schema)) {
  database->tables.push_back(this);
}

RowExpressions& VirtualTable::expressions() {
  if (expressions_ == nullptr) {
    expressions_ = std::make_unique<RowExpressions>(
        database->connection()->db(), &layout.schema, name);
  }
  return *expressions_;
}

VirtualTable::~VirtualTable() { database->TableDisconnected(this); }

void VirtualTable::SetId(uint64_t table_id) {
  id = table_id;
  layout.SetTableId(id);
}

absl::Status VirtualTable::EnsureOpen() {
  NORI_RETURN_IF_ERROR(database->EnsureOpen());
  if (id != 0) return absl::OkStatus();
  const absl::StatusOr<TableState> found =
      database->state_table().FindTable(name);
  // Not a missing file, which kNotFound would be taken for.
  if (absl::IsNotFound(found.status())) {
    return absl::DataLossError(found.status().message());
  }
  NORI_RETURN_IF_ERROR(found.status());
  if (!found->indexes.empty()) {
    NORI_ASSIGN_OR_RETURN(IndexState state,
                          ParseIndexState(layout.schema, found->indexes));
    layout.SetIndexes(std::move(state.indexes));
  }
  SetId(found->id);
  return absl::OkStatus();
}

const std::vector<std::shared_ptr<const AccessPath>>& VirtualTable::paths() {
  bool known = paths_id_ == id && paths_.size() == layout.indexes.size() + 1;
  for (size_t i = 0; known && i < layout.indexes.size(); ++i) {
    known = paths_[i + 1]->index == layout.indexes[i];
  }
  if (!known) {
    paths_ = ListAccessPaths(layout);
    paths_id_ = id;
  }
  return paths_;
}

std::shared_ptr<const AccessPath> VirtualTable::FindPath(uint32_t id_of_path) {
  for (const auto& path : paths()) {
    if (path->id == id_of_path) return path;
  }
  return nullptr;
}

namespace {

VirtualTable* TableOf(sqlite3_vtab* base) {
  return static_cast<VirtualTable*>(base);
}

// What xCreate and xConnect have in common. On failure `*error` says why.
absl::StatusOr<std::unique_ptr<VirtualTable>> Declare(sqlite3* db, void* aux,
                                                      int argc,
                                                      const char* const* argv) {
  auto* connection = static_cast<Connection*>(aux);
  const std::vector<std::string> arguments(argv + 3, argv + argc);
  NORI_ASSIGN_OR_RETURN(TableSchema schema, ParseSchema(arguments));
  const int rc = sqlite3_declare_vtab(db, schema.DeclarationSql().c_str());
  NORI_RETURN_IF_ERROR(StatusOfSqlite(db, rc, "declaring the table"));
  sqlite3_vtab_config(db, SQLITE_VTAB_CONSTRAINT_SUPPORT, 1);
  // Rows like others: triggers and views may use them, whoever wrote those.
  sqlite3_vtab_config(db, SQLITE_VTAB_INNOCUOUS);
  std::shared_ptr<Database> database = connection->GetDatabase(argv[1]);
  database->SchemaWasRead();
  return std::make_unique<VirtualTable>(std::move(database), std::move(schema),
                                        argv[2]);
}

int Fail(const absl::Status& status, char** error) {
  *error = sqlite3_mprintf("%s", std::string(status.message()).c_str());
  return SqliteCodeOfStatus(status);
}

int Create(sqlite3* db, void* aux, int argc, const char* const* argv,
           sqlite3_vtab** result, char** error) noexcept {
  return Guarded([&] {
    if (sqlite3_stricmp(argv[2], kStateTableName) == 0) {
      *error = sqlite3_mprintf(
          "nori: the table name %s is reserved for nori's own state",
          kStateTableName);
      return SQLITE_ERROR;
    }
    auto table = Declare(db, aux, argc, argv);
    if (!table.ok()) return Fail(table.status(), error);
    const TableSchema& schema = (*table)->layout.schema;
    if (schema.needs_check) {
      const absl::Status checked = CheckDefinition(db, schema, argv[2]);
      if (!checked.ok()) return Fail(checked, error);
    }
    Database& database = *(*table)->database;
    absl::Status opened = database.CheckEncoding();
    if (opened.ok()) opened = database.EnsureOpenForCreate(schema.options);
    if (!opened.ok()) return Fail(opened, error);
    const absl::StatusOr<uint64_t> id = database.CreateTable(argv[2], schema);
    if (!id.ok()) return Fail(id.status(), error);
    (*table)->SetId(*id);
    *result = table->release();
    return SQLITE_OK;
  });
}

int Connect(sqlite3* db, void* aux, int argc, const char* const* argv,
            sqlite3_vtab** result, char** error) noexcept {
  return Guarded([&] {
    auto table = Declare(db, aux, argc, argv);
    if (!table.ok()) return Fail(table.status(), error);
    static_cast<Connection*>(aux)->PrepareGuard();
    *result = table->release();
    return SQLITE_OK;
  });
}

int Disconnect(sqlite3_vtab* base) noexcept {
  return Guarded([&] {
    delete TableOf(base);
    return SQLITE_OK;
  });
}

int Destroy(sqlite3_vtab* base) noexcept {
  return Guarded([&] {
    VirtualTable* table = TableOf(base);
    const absl::Status status = table->database->DropTable(table->name);
    if (!status.ok()) return ReportStatus(table, status);
    delete table;
    return SQLITE_OK;
  });
}

int Rename(sqlite3_vtab* base, const char* name) noexcept {
  return Guarded([&] {
    VirtualTable* table = TableOf(base);
    return ReportStatus(table, table->database->RenameTable(table->name, name));
  });
}

// Protects nori_state where SQLite can: beside a table called "nori".
int ShadowName(const char* suffix) noexcept {
  return sqlite3_stricmp(suffix, "state") == 0;
}

int Open(sqlite3_vtab* base, sqlite3_vtab_cursor** result) noexcept {
  return Guarded([&] {
    const absl::StatusOr<Cursor*> cursor = TableOf(base)->OpenCursor();
    if (!cursor.ok()) return ReportStatus(base, cursor.status());
    *result = *cursor;
    return SQLITE_OK;
  });
}

int Close(sqlite3_vtab_cursor* cursor) noexcept {
  return Guarded([&] {
    TableOf(cursor->pVtab)->CloseCursor(static_cast<Cursor*>(cursor));
    return SQLITE_OK;
  });
}

int Filter(sqlite3_vtab_cursor* cursor, int plan, const char*, int,
           sqlite3_value** argv) noexcept {
  return Guarded([&] {
    return ReportStatus(cursor->pVtab,
                        static_cast<Cursor*>(cursor)->Filter(plan, argv));
  });
}

int Next(sqlite3_vtab_cursor* cursor) noexcept {
  return Guarded([&] {
    return ReportStatus(cursor->pVtab, static_cast<Cursor*>(cursor)->Next());
  });
}

int Eof(sqlite3_vtab_cursor* cursor) noexcept {
  return static_cast<Cursor*>(cursor)->Eof();
}

int Column(sqlite3_vtab_cursor* cursor, sqlite3_context* context,
           int column) noexcept {
  return Guarded([&] {
    return ReportStatus(cursor->pVtab,
                        static_cast<Cursor*>(cursor)->Column(context, column));
  });
}

int Rowid(sqlite3_vtab_cursor* cursor, sqlite3_int64* rowid) noexcept {
  return Guarded([&] {
    return ReportStatus(cursor->pVtab,
                        static_cast<Cursor*>(cursor)->Rowid(rowid));
  });
}

sqlite3_module MakeModule() {
  sqlite3_module module = {};
  module.iVersion = 3;
  module.xCreate = Create;
  module.xConnect = Connect;
  module.xBestIndex = BestIndex;
  module.xDisconnect = Disconnect;
  module.xDestroy = Destroy;
  module.xOpen = Open;
  module.xClose = Close;
  module.xFilter = Filter;
  module.xNext = Next;
  module.xEof = Eof;
  module.xColumn = Column;
  module.xRowid = Rowid;
  module.xUpdate = Update;
  module.xRename = Rename;
  module.xShadowName = ShadowName;
  SetTransactionCallbacks(&module);
  return module;
}

}  // namespace

int RegisterModule(sqlite3* db, Connection* connection) {
  static const sqlite3_module module = MakeModule();
  return sqlite3_create_module_v2(
      db, "nori", &module, connection,
      [](void* owned) { delete static_cast<Connection*>(owned); });
}

}  // namespace nori
