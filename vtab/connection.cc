#include "vtab/connection.h"

#include <cstdlib>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/synchronization/mutex.h"
#include "engine/format/status_macros.h"
#include "vtab/database.h"
#include "vtab/error_map.h"

namespace nori {

namespace {

// Never destroyed: connections may outlive static destructors.
struct KnownConnections {
  absl::Mutex mutex;
  absl::flat_hash_map<sqlite3*, std::thread::id> all ABSL_GUARDED_BY(mutex);
};

KnownConnections& Known() {
  static KnownConnections* const known = new KnownConnections;
  return *known;
}

}  // namespace

Connection::Connection(sqlite3* db) : db_(db) {
  absl::MutexLock lock(&Known().mutex);
  Known().all[db] = std::this_thread::get_id();
}

Connection::~Connection() {
  FinalizeStatements();
  absl::MutexLock lock(&Known().mutex);
  Known().all.erase(db_);
}

bool Connection::IsKnown(sqlite3* db) {
  absl::MutexLock lock(&Known().mutex);
  return Known().all.contains(db);
}

void Connection::ForEachKnown(absl::FunctionRef<void(sqlite3*, bool)> body) {
  absl::MutexLock lock(&Known().mutex);
  for (const auto& [db, thread] : Known().all) {
    body(db, thread == std::this_thread::get_id());
  }
}

void Connection::FinalizeStatements() {
  sqlite3_finalize(guard_statement_);
  guard_statement_ = nullptr;
}

std::shared_ptr<Database> Connection::GetDatabase(const std::string& schema) {
  const std::string name = absl::AsciiStrToLower(schema);
  std::weak_ptr<Database>& known = databases_[name];
  if (std::shared_ptr<Database> database = known.lock()) {
    if (database->StillAttached()) return database;
  }
  auto database = std::make_shared<Database>(this, name);
  known = database;
  in_memory_.erase(name);
  if (database->in_memory()) in_memory_[name] = database;
  return database;
}

void Connection::HoldInTransaction(std::shared_ptr<Database> database) {
  in_transaction_.push_back(std::move(database));
}

void Connection::TransactionEnded(Database* database) {
  std::erase_if(in_transaction_, [database](const auto& held) {
    return held.get() == database;
  });
}

std::vector<std::shared_ptr<Database>> Connection::Databases() {
  std::vector<std::shared_ptr<Database>> all;
  for (auto& [name, known] : databases_) {
    if (std::shared_ptr<Database> database = known.lock()) {
      all.push_back(std::move(database));
    }
  }
  return all;
}

absl::StatusOr<std::string> Connection::PragmaText(const std::string& schema,
                                                   const std::string& name) {
  char* sql = sqlite3_mprintf("PRAGMA \"%w\".%s", schema.c_str(), name.c_str());
  if (sql == nullptr) return SqliteError(SQLITE_NOMEM, "out of memory");
  sqlite3_stmt* statement = nullptr;
  int rc = sqlite3_prepare_v2(db_, sql, -1, &statement, nullptr);
  sqlite3_free(sql);
  std::string text;
  if (rc == SQLITE_OK) rc = sqlite3_step(statement);
  if (rc == SQLITE_ROW) {
    const auto* bytes =
        reinterpret_cast<const char*>(sqlite3_column_text(statement, 0));
    if (bytes != nullptr) text = bytes;
  }
  absl::Status status = StatusOfSqlite(db_, rc, name.c_str());
  sqlite3_finalize(statement);
  if (!status.ok()) return status;
  return text;
}

absl::StatusOr<int64_t> Connection::PragmaInteger(const std::string& schema,
                                                  const std::string& name) {
  NORI_ASSIGN_OR_RETURN(const std::string text, PragmaText(schema, name));
  return std::strtoll(text.c_str(), nullptr, 10);
}

absl::StatusOr<std::vector<std::string>> Connection::Schemas() {
  sqlite3_stmt* statement = nullptr;
  int rc =
      sqlite3_prepare_v2(db_, "PRAGMA database_list", -1, &statement, nullptr);
  std::vector<std::string> names{"temp"};
  while (rc == SQLITE_OK || rc == SQLITE_ROW) {
    rc = sqlite3_step(statement);
    if (rc != SQLITE_ROW) break;
    const auto* name =
        reinterpret_cast<const char*>(sqlite3_column_text(statement, 1));
    // temp is not listed before it is used.
    if (name != nullptr && names.front() != name) names.emplace_back(name);
  }
  const absl::Status status = StatusOfSqlite(db_, rc, "listing schemas");
  sqlite3_finalize(statement);
  if (!status.ok()) return status;
  return names;
}

bool Connection::IsInterrupted() {
  // SQLite 3.40 tells it only to a statement, which runs long enough for a
  // progress handler to be asked.
  return sqlite3_exec(db_,
                      "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 "
                      "FROM c WHERE i < 100) SELECT max(i) FROM c",
                      nullptr, nullptr, nullptr) == SQLITE_INTERRUPT;
}

void Connection::PrepareGuard() {
  if (guard_tables_ > 0 || making_guard_ || !sqlite3_get_autocommit(db_)) {
    return;
  }
  making_guard_ = true;
  // Where it is refused, EnlistGuard will say so to whom it concerns.
  sqlite3_exec(db_,
               "CREATE VIRTUAL TABLE IF NOT EXISTS temp.nori_guard USING "
               "nori_guard",
               nullptr, nullptr, nullptr);
  making_guard_ = false;
}

absl::Status Connection::EnlistGuard() {
  if (guard_enlisted_) return absl::OkStatus();
  int rc = SQLITE_OK;
  if (guard_tables_ == 0) {
    FinalizeStatements();
    rc = sqlite3_exec(db_,
                      "CREATE VIRTUAL TABLE IF NOT EXISTS temp.nori_guard "
                      "USING nori_guard",
                      nullptr, nullptr, nullptr);
    NORI_RETURN_IF_ERROR(StatusOfSqlite(db_, rc, "making temp.nori_guard"));
  }
  if (guard_statement_ == nullptr) {
    rc = sqlite3_prepare_v3(db_, "DELETE FROM temp.nori_guard", -1,
                            SQLITE_PREPARE_PERSISTENT, &guard_statement_,
                            nullptr);
    NORI_RETURN_IF_ERROR(StatusOfSqlite(db_, rc, "using temp.nori_guard"));
    // Compiling has connected the table, if it is the module's. Somebody else's
    // rows must not be deleted.
    if (guard_tables_ == 0) {
      FinalizeStatements();
      return SqliteError(SQLITE_ERROR,
                         "temp.nori_guard is not nori's own table: rename it");
    }
  }
  sqlite3_step(guard_statement_);
  rc = sqlite3_reset(guard_statement_);
  return StatusOfSqlite(db_, rc, "using temp.nori_guard");
}

void Connection::GuardDisconnected() {
  --guard_tables_;
  guard_enlisted_ = false;
}

}  // namespace nori
