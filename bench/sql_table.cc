#include "bench/sql_table.h"

#include "bench/measure.h"

namespace nori::bench {
namespace {

std::string CreateSql(TableKind kind, const SqlTableOptions& options) {
  const std::string columns = "(k BLOB PRIMARY KEY, v BLOB";
  switch (kind) {
    case TableKind::kWithoutRowid:
      return "CREATE TABLE t" + columns + ") WITHOUT ROWID";
    case TableKind::kRowid:
      return "CREATE TABLE t" + columns + ")";
    case TableKind::kNoriNone:
    case TableKind::kNoriLz4:
      break;
  }
  return "CREATE VIRTUAL TABLE t USING " + options.module + columns +
         ", compression=" + (kind == TableKind::kNoriLz4 ? "lz4" : "none") +
         ", block_cache_bytes=" + std::to_string(options.cache_bytes) +
         ", memtable_bytes=" + std::to_string(options.write_buffer_bytes) + ")";
}

}  // namespace

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

SqlTable::SqlTable(TableKind kind, const SqlTableOptions& options)
    : directory_(options.directory) {
  sqlite3* db = nullptr;
  const int rc = sqlite3_open((directory_ + "/bench.db").c_str(), &db);
  db_.reset(db);
  Check(rc == SQLITE_OK);
  if (kind == TableKind::kNoriNone || kind == TableKind::kNoriLz4) {
    LoadExtension(options.extension);
  }
  Execute("PRAGMA journal_mode=WAL");
  Execute("PRAGMA synchronous=NORMAL");
  Execute("PRAGMA cache_size=-" + std::to_string(options.cache_bytes >> 10));
  Execute(CreateSql(kind, options));
  insert_ = Prepare("INSERT INTO t(k, v) VALUES(?, ?)");
  replace_ = Prepare("REPLACE INTO t(k, v) VALUES(?, ?)");
  update_ = Prepare("UPDATE t SET v = ? WHERE k = ?");
  get_ = Prepare("SELECT v FROM t WHERE k = ?");
  scan100_ = Prepare("SELECT k, v FROM t WHERE k >= ? ORDER BY k LIMIT 100");
  scan_full_ = Prepare("SELECT k, v FROM t");
}

void SqlTable::Check(bool ok) {
  if (!ok) Fail(std::string("SQLite: ") + sqlite3_errmsg(db_.get()));
}

void SqlTable::LoadExtension(const std::string& extension) {
  Check(sqlite3_enable_load_extension(db_.get(), 1) == SQLITE_OK);
  char* message = nullptr;
  if (sqlite3_load_extension(db_.get(), extension.c_str(), nullptr, &message) !=
      SQLITE_OK) {
    Fail("cannot load " + extension + ": " +
         (message != nullptr ? message : sqlite3_errmsg(db_.get())));
  }
}

SqlTable::Statement SqlTable::Prepare(const std::string& sql) {
  sqlite3_stmt* statement = nullptr;
  Check(sqlite3_prepare_v3(db_.get(), sql.c_str(), -1,
                           SQLITE_PREPARE_PERSISTENT, &statement,
                           nullptr) == SQLITE_OK);
  return Statement(statement);
}

void SqlTable::Execute(const std::string& sql) {
  Check(sqlite3_exec(db_.get(), sql.c_str(), nullptr, nullptr, nullptr) ==
        SQLITE_OK);
}

void SqlTable::Bind(sqlite3_stmt* statement, int index, std::string_view blob) {
  // The bytes outlive the step, and the statement is bound anew before the
  // next one.
  sqlite3_bind_blob(statement, index, blob.data(),
                    static_cast<int>(blob.size()), SQLITE_STATIC);
}

void SqlTable::Write(sqlite3_stmt* statement, std::string_view first,
                     std::string_view second) {
  Bind(statement, 1, first);
  Bind(statement, 2, second);
  const int rc = sqlite3_step(statement);
  if (rc != SQLITE_DONE) Check(false);
  Check(sqlite3_reset(statement) == SQLITE_OK);
}

bool SqlTable::Get(std::string_view key, uint64_t* bytes) {
  Bind(get_.get(), 1, key);
  const int rc = sqlite3_step(get_.get());
  if (rc == SQLITE_ROW) {
    *bytes += sqlite3_column_blob(get_.get(), 0) != nullptr
                  ? static_cast<uint64_t>(sqlite3_column_bytes(get_.get(), 0))
                  : 0;
  } else if (rc != SQLITE_DONE) {
    Check(false);
  }
  Check(sqlite3_reset(get_.get()) == SQLITE_OK);
  return rc == SQLITE_ROW;
}

uint64_t SqlTable::ReadRows(sqlite3_stmt* statement, uint64_t* bytes) {
  uint64_t rows = 0;
  int rc;
  while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
    ++rows;
    for (int column = 0; column < 2; ++column) {
      if (sqlite3_column_blob(statement, column) == nullptr) continue;
      *bytes += static_cast<uint64_t>(sqlite3_column_bytes(statement, column));
    }
  }
  if (rc != SQLITE_DONE) Check(false);
  Check(sqlite3_reset(statement) == SQLITE_OK);
  return rows;
}

uint64_t SqlTable::Scan100(std::string_view from, uint64_t* bytes) {
  Bind(scan100_.get(), 1, from);
  return ReadRows(scan100_.get(), bytes);
}

uint64_t SqlTable::ScanFull(uint64_t* bytes) {
  return ReadRows(scan_full_.get(), bytes);
}

void SqlTable::Settle() {
  Execute("PRAGMA wal_checkpoint(TRUNCATE)");
  WaitUntilStill(directory_);
}

}  // namespace nori::bench
