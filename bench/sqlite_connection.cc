#include "bench/sqlite_connection.h"

#include "bench/measure.h"

namespace nori::bench {

std::string ExtensionError(const std::string& extension) {
  sqlite3* db = nullptr;
  char* message = nullptr;
  std::string error;
  if (sqlite3_open(":memory:", &db) != SQLITE_OK ||
      sqlite3_enable_load_extension(db, 1) != SQLITE_OK) {
    error = sqlite3_errmsg(db);
  } else if (sqlite3_load_extension(db, extension.c_str(), nullptr, &message) !=
             SQLITE_OK) {
    error = message != nullptr ? message : sqlite3_errmsg(db);
  }
  sqlite3_free(message);
  sqlite3_close(db);
  return error;
}

void SqliteStatement::Check(bool ok) const {
  if (ok) return;
  Fail(std::string("SQLite: ") +
       sqlite3_errmsg(sqlite3_db_handle(statement_.get())) + " in " +
       sqlite3_sql(statement_.get()));
}

void SqliteStatement::BindBlob(int place, std::string_view blob) {
  Check(sqlite3_bind_blob(statement_.get(), place, blob.data(),
                          static_cast<int>(blob.size()),
                          SQLITE_STATIC) == SQLITE_OK);
}

void SqliteStatement::Bind(int place, std::string_view text) {
  Check(sqlite3_bind_text(statement_.get(), place, text.data(),
                          static_cast<int>(text.size()),
                          SQLITE_STATIC) == SQLITE_OK);
}

void SqliteStatement::Bind(int place, int64_t value) {
  Check(sqlite3_bind_int64(statement_.get(), place, value) == SQLITE_OK);
}

bool SqliteStatement::Step() {
  const int rc = sqlite3_step(statement_.get());
  if (rc == SQLITE_ROW) return true;
  Check(rc == SQLITE_DONE);
  Reset();
  return false;
}

uint64_t SqliteStatement::Run() {
  uint64_t rows = 0;
  while (Step()) ++rows;
  return rows;
}

void SqliteStatement::Reset() {
  Check(sqlite3_reset(statement_.get()) == SQLITE_OK);
}

std::string_view SqliteStatement::Bytes(int column) const {
  const void* const data = sqlite3_column_blob(statement_.get(), column);
  if (data == nullptr) return {};
  return {static_cast<const char*>(data),
          static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

SqliteConnection::SqliteConnection(const std::string& name) {
  sqlite3* db = nullptr;
  const int rc = sqlite3_open_v2(
      name.c_str(), &db,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI, nullptr);
  db_.reset(db);
  Check(rc == SQLITE_OK);
}

void SqliteConnection::Check(bool ok) const {
  if (!ok) Fail(std::string("SQLite: ") + sqlite3_errmsg(db_.get()));
}

void SqliteConnection::LoadExtension(const std::string& extension) {
  Check(sqlite3_enable_load_extension(db_.get(), 1) == SQLITE_OK);
  char* message = nullptr;
  if (sqlite3_load_extension(db_.get(), extension.c_str(), nullptr, &message) !=
      SQLITE_OK) {
    Fail("cannot load " + extension + ": " +
         (message != nullptr ? message : sqlite3_errmsg(db_.get())));
  }
}

void SqliteConnection::Execute(const std::string& sql) {
  Check(sqlite3_exec(db_.get(), sql.c_str(), nullptr, nullptr, nullptr) ==
        SQLITE_OK);
}

SqliteStatement SqliteConnection::Prepare(const std::string& sql) {
  sqlite3_stmt* statement = nullptr;
  Check(sqlite3_prepare_v3(db_.get(), sql.c_str(), -1,
                           SQLITE_PREPARE_PERSISTENT, &statement,
                           nullptr) == SQLITE_OK);
  return SqliteStatement(statement);
}

int64_t SqliteConnection::Integer(const std::string& sql) {
  SqliteStatement statement = Prepare(sql);
  if (!statement.Step()) Fail("SQLite: no row from " + sql);
  return statement.Integer(0);
}

}  // namespace nori::bench
