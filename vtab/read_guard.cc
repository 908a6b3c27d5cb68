#include "vtab/read_guard.h"

#include <memory>

#include "vtab/database.h"
#include "vtab/error_map.h"

namespace nori {
namespace {

struct GuardTable : sqlite3_vtab {
  explicit GuardTable(Connection* c) : sqlite3_vtab{}, connection(c) {
    connection->GuardConnected();
  }
  ~GuardTable() { connection->GuardDisconnected(); }
  Connection* const connection;
};

Connection* ConnectionOf(sqlite3_vtab* table) {
  return static_cast<GuardTable*>(table)->connection;
}

// Runs `body` for every database of the connection; the first error counts.
template <typename Body>
int ForEachDatabase(sqlite3_vtab* table, Body&& body) noexcept {
  return Guarded([&] {
    absl::Status result;
    for (const auto& database : ConnectionOf(table)->Databases()) {
      result.Update(body(*database));
    }
    return ReportStatus(table, result);
  });
}

int Connect(sqlite3* db, void* aux, int, const char* const* argv,
            sqlite3_vtab** table, char** error) noexcept {
  return Guarded([&] {
    if (sqlite3_stricmp(argv[1], "temp") != 0) {
      *error = sqlite3_mprintf(
          "nori_guard is the module's own; it lives in the temp schema");
      return SQLITE_ERROR;
    }
    const int rc = sqlite3_declare_vtab(db, "CREATE TABLE x(unused)");
    if (rc != SQLITE_OK) return rc;
    sqlite3_vtab_config(db, SQLITE_VTAB_DIRECTONLY);
    *table = new GuardTable(static_cast<Connection*>(aux));
    return SQLITE_OK;
  });
}

// Create and connect must differ, else the table would be eponymous.
int Create(sqlite3* db, void* aux, int argc, const char* const* argv,
           sqlite3_vtab** table, char** error) noexcept {
  return Connect(db, aux, argc, argv, table, error);
}

int Disconnect(sqlite3_vtab* table) noexcept {
  delete static_cast<GuardTable*>(table);
  return SQLITE_OK;
}

int BestIndex(sqlite3_vtab*, sqlite3_index_info* info) noexcept {
  info->estimatedCost = 1;
  info->estimatedRows = 0;
  return SQLITE_OK;
}

int Open(sqlite3_vtab*, sqlite3_vtab_cursor** cursor) noexcept {
  return Guarded([&] {
    *cursor = new sqlite3_vtab_cursor{};
    return SQLITE_OK;
  });
}

int Close(sqlite3_vtab_cursor* cursor) noexcept {
  delete cursor;
  return SQLITE_OK;
}

int Filter(sqlite3_vtab_cursor*, int, const char*, int,
           sqlite3_value**) noexcept {
  return SQLITE_OK;
}

int Next(sqlite3_vtab_cursor*) noexcept { return SQLITE_OK; }
int Eof(sqlite3_vtab_cursor*) noexcept { return 1; }
int Column(sqlite3_vtab_cursor*, sqlite3_context*, int) noexcept {
  return SQLITE_OK;
}
int Rowid(sqlite3_vtab_cursor*, sqlite3_int64*) noexcept { return SQLITE_OK; }

int Update(sqlite3_vtab* table, int, sqlite3_value**, sqlite3_int64*) noexcept {
  return Guarded([&] {
    return ReportMessage(table, SQLITE_READONLY, "nori_guard holds no rows");
  });
}

int Begin(sqlite3_vtab* table) noexcept {
  ConnectionOf(table)->GuardBegun();
  return ForEachDatabase(table, [table](Database& database) {
    database.Joins(table);
    return absl::OkStatus();
  });
}

int Sync(sqlite3_vtab* table) noexcept {
  return ForEachDatabase(table,
                         [](Database& database) { return database.Sync(); });
}

int Commit(sqlite3_vtab* table) noexcept {
  ConnectionOf(table)->GuardEnded();
  return ForEachDatabase(table,
                         [](Database& database) { return database.Commit(); });
}

int Rollback(sqlite3_vtab* table) noexcept {
  ConnectionOf(table)->GuardEnded();
  return ForEachDatabase(
      table, [](Database& database) { return database.Rollback(); });
}

int Savepoint(sqlite3_vtab* table, int number) noexcept {
  return ForEachDatabase(table, [number, table](Database& database) {
    database.Savepoint(number, table);
    return absl::OkStatus();
  });
}

int Release(sqlite3_vtab* table, int number) noexcept {
  return ForEachDatabase(table, [number](Database& database) {
    database.Release(number);
    return absl::OkStatus();
  });
}

int RollbackTo(sqlite3_vtab* table, int number) noexcept {
  return ForEachDatabase(table, [number](Database& database) {
    return database.RollbackTo(number);
  });
}

sqlite3_module MakeModule() {
  sqlite3_module module = {};
  module.iVersion = 2;
  module.xCreate = Create;
  module.xConnect = Connect;
  module.xBestIndex = BestIndex;
  module.xDisconnect = Disconnect;
  module.xDestroy = Disconnect;
  module.xOpen = Open;
  module.xClose = Close;
  module.xFilter = Filter;
  module.xNext = Next;
  module.xEof = Eof;
  module.xColumn = Column;
  module.xRowid = Rowid;
  module.xUpdate = Update;
  module.xBegin = Begin;
  module.xSync = Sync;
  module.xCommit = Commit;
  module.xRollback = Rollback;
  module.xSavepoint = Savepoint;
  module.xRelease = Release;
  module.xRollbackTo = RollbackTo;
  return module;
}

}  // namespace

int RegisterReadGuard(sqlite3* db, Connection* connection) {
  static const sqlite3_module module = MakeModule();
  return sqlite3_create_module_v2(db, "nori_guard", &module, connection,
                                  nullptr);
}

}  // namespace nori
