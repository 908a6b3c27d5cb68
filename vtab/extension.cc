// The entry points of nori_lsm.so.

#include <string_view>

#include "absl/base/call_once.h"
#include "sqlite_vfs/page_vfs.h"
#include "vtab/connection.h"
#include "vtab/copy_watch.h"
#include "vtab/error_map.h"
#include "vtab/index_ddl.h"
#include "vtab/introspection.h"
#include "vtab/other_copy.h"
#include "vtab/read_guard.h"
#include "vtab/virtual_table.h"

SQLITE_EXTENSION_INIT1

namespace nori {
namespace {

// sqlite3_vtab_in, sqlite3_vtab_distinct and sqlite3_vtab_rhs_value.
constexpr int kOldestSqlite = 3038000;

int Register(sqlite3* db) noexcept {
  return Guarded([db] {
    // Registering twice would replace a module that has tables.
    if (Connection::IsKnown(db)) return SQLITE_OK;
    auto* connection = new Connection(db);
    // From here the module owns the connection's state, also if it fails.
    int rc = RegisterModule(db, connection);
    if (rc == SQLITE_OK) rc = RegisterReadGuard(db, connection);
    if (rc == SQLITE_OK) rc = RegisterIntrospection(db, connection);
    if (rc == SQLITE_OK) rc = RegisterFunctions(db, connection);
    if (rc == SQLITE_OK) rc = RegisterIndexFunctions(db, connection);
    return rc;
  });
}

// Whether the main database of `db` has a shared cache: SQLite then compiles
// locks of tables into statements.
bool HasSharedCache(sqlite3* db) {
  sqlite3_stmt* statement = nullptr;
  bool found = false;
  if (sqlite3_prepare_v2(db, "EXPLAIN SELECT 1 FROM main.sqlite_schema", -1,
                         &statement, nullptr) == SQLITE_OK) {
    while (!found && sqlite3_step(statement) == SQLITE_ROW) {
      const auto* const opcode =
          reinterpret_cast<const char*>(sqlite3_column_text(statement, 1));
      found = opcode != nullptr && std::string_view(opcode) == "TableLock";
    }
  }
  sqlite3_finalize(statement);
  return found;
}

int RegisterInNewConnection(sqlite3* db, char**, const sqlite3_api_routines*) {
  return Register(db);
}

int Load(sqlite3* db, char** error, const sqlite3_api_routines* api) {
  // Only once: other threads are using it when a connection loads again.
  static absl::once_flag once;
  absl::call_once(once, [api] { SQLITE_EXTENSION_INIT2(api); });
  // A program may bring a SQLite of its own beside the system's. The one must
  // not be given connections of the other.
  if (sqlite3_api != api) {
    *error = sqlite3_mprintf(
        "nori was loaded by another copy of the SQLite library in this process "
        "and can only serve that one");
    return SQLITE_ERROR;
  }
  if (sqlite3_libversion_number() < kOldestSqlite) {
    *error = sqlite3_mprintf("nori needs SQLite 3.38 or newer, this is %s",
                             sqlite3_libversion());
    return SQLITE_ERROR;
  }
  if (AnotherCopyIsLoaded()) {
    *error = sqlite3_mprintf(
        "another copy of nori, from another file, is loaded in this process; "
        "use that one");
    return SQLITE_ERROR;
  }
  int rc = Register(db);
  if (rc == SQLITE_OK) {
    // A shared cache is shared by the connections of one VFS: those that this
    // program opens after this one would not find its data.
    static const int watching =
        RegisterCopyVfs(WatchCopyTo, /*as_default=*/!HasSharedCache(db));
    rc = watching;
  }
  if (rc == SQLITE_OK) {
    static const int page_vfs = RegisterPageVfs();
    rc = page_vfs;
  }
  if (rc == SQLITE_OK) {
    rc = sqlite3_auto_extension(
        reinterpret_cast<void (*)()>(RegisterInNewConnection));
  }
  // The engines have threads: the code must stay when this connection closes.
  return rc == SQLITE_OK ? SQLITE_OK_LOAD_PERMANENTLY : rc;
}

}  // namespace
}  // namespace nori

extern "C" {

__attribute__((visibility("default"))) int sqlite3_norilsm_init(
    sqlite3* db, char** error, const sqlite3_api_routines* api) {
  return nori::Load(db, error, api);
}

__attribute__((visibility("default"))) int sqlite3_extension_init(
    sqlite3* db, char** error, const sqlite3_api_routines* api) {
  return nori::Load(db, error, api);
}

}  // extern "C"
