// The transaction callbacks of the module `nori`. Every table of a schema gets
// them; Database makes one transaction of it.

#include "vtab/error_map.h"
#include "vtab/module_callbacks.h"
#include "vtab/virtual_table.h"

namespace nori {
namespace {

// Runs `body` with the table's database.
template <typename Body>
int WithDatabase(sqlite3_vtab* base, Body&& body) noexcept {
  return Guarded([&] {
    auto* table = static_cast<VirtualTable*>(base);
    return ReportStatus(table, body(*table->database));
  });
}

int Begin(sqlite3_vtab* base) noexcept {
  return WithDatabase(
      base, [base](Database& database) { return database.Join(base); });
}

int Sync(sqlite3_vtab* base) noexcept {
  return WithDatabase(base, [](Database& database) { return database.Sync(); });
}

int Commit(sqlite3_vtab* base) noexcept {
  return WithDatabase(base,
                      [](Database& database) { return database.Commit(); });
}

int Rollback(sqlite3_vtab* base) noexcept {
  return WithDatabase(base,
                      [](Database& database) { return database.Rollback(); });
}

int Savepoint(sqlite3_vtab* base, int number) noexcept {
  return WithDatabase(base, [number, base](Database& database) {
    database.Savepoint(number, base);
    return absl::OkStatus();
  });
}

int Release(sqlite3_vtab* base, int number) noexcept {
  return WithDatabase(base, [number](Database& database) {
    database.Release(number);
    return absl::OkStatus();
  });
}

int RollbackTo(sqlite3_vtab* base, int number) noexcept {
  return WithDatabase(base, [number](Database& database) {
    return database.RollbackTo(number);
  });
}

}  // namespace

void SetTransactionCallbacks(sqlite3_module* module) {
  module->xBegin = Begin;
  module->xSync = Sync;
  module->xCommit = Commit;
  module->xRollback = Rollback;
  module->xSavepoint = Savepoint;
  module->xRelease = Release;
  module->xRollbackTo = RollbackTo;
}

}  // namespace nori
