#include "vtab/state_table.h"

#include <cstring>
#include <memory>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "engine/format/coding.h"
#include "engine/format/status_macros.h"
#include "vtab/error_map.h"
#include "vtab/page_copy.h"

namespace nori {
namespace {

constexpr std::string_view kMagic = "nori";
constexpr uint32_t kFormatVersion = 1;
constexpr int kIdentityOffset = 8;
constexpr int kIdentityBytes = 16;
constexpr int kLastMixedOffset = kIdentityOffset + kIdentityBytes;
constexpr int kNextTableIdOffset = kLastMixedOffset + 8;
constexpr int kStateBytes = kNextTableIdOffset + 8;

struct FinalizeStatement {
  void operator()(sqlite3_stmt* statement) const {
    sqlite3_finalize(statement);
  }
};
using StatementPtr = std::unique_ptr<sqlite3_stmt, FinalizeStatement>;

std::string EncodeState(const DatabaseState& state) {
  std::string bytes(kMagic);
  PutFixed32(&bytes, kFormatVersion);
  bytes.append(state.identity);
  PutFixed64(&bytes, state.last_mixed);
  PutFixed64(&bytes, state.next_table_id);
  return bytes;
}

absl::StatusOr<DatabaseState> DecodeState(std::string_view bytes) {
  if (bytes.size() != kStateBytes || !bytes.starts_with(kMagic)) {
    return absl::DataLossError(
        absl::StrCat("row 0 of ", kStateTableName, " is damaged"));
  }
  const auto version = DecodeFixed<uint32_t>(bytes.data() + kMagic.size());
  if (version != kFormatVersion) {
    return absl::DataLossError(absl::StrCat(kStateTableName, " has format ",
                                            version, ", this build reads ",
                                            kFormatVersion));
  }
  DatabaseState state;
  state.identity = bytes.substr(kIdentityOffset, kIdentityBytes);
  state.last_mixed = DecodeFixed<uint64_t>(bytes.data() + kLastMixedOffset);
  state.next_table_id =
      DecodeFixed<uint64_t>(bytes.data() + kNextTableIdOffset);
  return state;
}

// Steps a statement that selects the state of row 0.
absl::StatusOr<DatabaseState> StepState(sqlite3* db, sqlite3_stmt* statement) {
  const int rc = sqlite3_step(statement);
  if (rc == SQLITE_DONE) {
    return absl::DataLossError(
        absl::StrCat(kStateTableName, " has lost its row 0"));
  }
  if (rc != SQLITE_ROW) return StatusOfSqlite(db, rc, "reading nori_state");
  const void* data = sqlite3_column_blob(statement, 0);
  const auto size = static_cast<size_t>(sqlite3_column_bytes(statement, 0));
  return DecodeState({static_cast<const char*>(data), data ? size : 0});
}

}  // namespace

StateTable::StateTable(sqlite3* db, std::string schema)
    : db_(db), schema_(std::move(schema)) {}

void StateTable::FinalizeStatements() {
  sqlite3_finalize(read_);
  read_ = nullptr;
}

absl::StatusOr<sqlite3_stmt*> StateTable::Prepare(const char* sql) {
  char* text = sqlite3_mprintf(sql, schema_.c_str());
  if (text == nullptr) return SqliteError(SQLITE_NOMEM, "out of memory");
  sqlite3_stmt* statement = nullptr;
  const int rc = sqlite3_prepare_v2(db_, text, -1, &statement, nullptr);
  sqlite3_free(text);
  if (rc != SQLITE_OK) return StatusOfSqlite(db_, rc, "using nori_state");
  return statement;
}

absl::StatusOr<bool> StateTable::Exists() {
  NORI_ASSIGN_OR_RETURN(
      sqlite3_stmt* const raw,
      Prepare(schema_ == "temp"
                  ? "SELECT 1 FROM \"%w\".sqlite_temp_schema WHERE "
                    "lower(name)='nori_state'"
                  : "SELECT 1 FROM \"%w\".sqlite_schema WHERE "
                    "lower(name)='nori_state'"));
  const StatementPtr statement(raw);
  const int rc = sqlite3_step(raw);
  NORI_RETURN_IF_ERROR(StatusOfSqlite(db_, rc, "looking for nori_state"));
  if (rc != SQLITE_ROW) return false;
  const absl::StatusOr<sqlite3_stmt*> columns =
      Prepare("SELECT id, name, state FROM \"%w\".nori_state");
  if (columns.ok()) {
    sqlite3_finalize(*columns);
    return true;
  }
  if (SqliteCodeOfStatus(columns.status()) != SQLITE_ERROR) {
    return columns.status();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "nori keeps its state in the table ", kStateTableName,
      ", and what has that name in this database is not it: rename yours"));
}

absl::Status StateTable::Create(const DatabaseState& state) {
  char* sql = sqlite3_mprintf(
      "CREATE TABLE \"%w\".nori_state(id INTEGER PRIMARY KEY,"
      " name TEXT COLLATE NOCASE UNIQUE, state BLOB)",
      schema_.c_str());
  if (sql == nullptr) return SqliteError(SQLITE_NOMEM, "out of memory");
  const int rc = sqlite3_exec(db_, sql, nullptr, nullptr, nullptr);
  sqlite3_free(sql);
  NORI_RETURN_IF_ERROR(StatusOfSqlite(db_, rc, "creating nori_state"));
  return Reset(state);
}

absl::Status StateTable::Reset(const DatabaseState& state) {
  const sqlite3_int64 last_rowid = sqlite3_last_insert_rowid(db_);
  NORI_ASSIGN_OR_RETURN(
      sqlite3_stmt* const raw,
      Prepare("REPLACE INTO \"%w\".nori_state VALUES(0, NULL, ?1)"));
  const StatementPtr statement(raw);
  const std::string bytes = EncodeState(state);
  sqlite3_bind_blob(raw, 1, bytes.data(), static_cast<int>(bytes.size()),
                    SQLITE_STATIC);
  const int rc = sqlite3_step(raw);
  sqlite3_set_last_insert_rowid(db_, last_rowid);
  return StatusOfSqlite(db_, rc, "filling nori_state");
}

absl::StatusOr<DatabaseState> StateTable::Read() {
  if (read_ == nullptr) {
    NORI_ASSIGN_OR_RETURN(
        read_, Prepare("SELECT state FROM \"%w\".nori_state WHERE id=0"));
  }
  absl::StatusOr<DatabaseState> state = StepState(db_, read_);
  sqlite3_reset(read_);
  return state;
}

absl::Status StateTable::WriteAt(int offset, uint64_t value) {
  sqlite3_blob* blob = nullptr;
  int rc = sqlite3_blob_open(db_, schema_.c_str(), kStateTableName, "state", 0,
                             /*flags=*/1, &blob);
  absl::Status status = StatusOfSqlite(db_, rc, "opening nori_state");
  if (status.ok()) {
    char bytes[8];
    EncodeFixed(bytes, value);
    rc = sqlite3_blob_write(blob, bytes, sizeof(bytes), offset);
    status = StatusOfSqlite(db_, rc, "writing nori_state");
  }
  sqlite3_blob_close(blob);
  return status;
}

absl::Status StateTable::WriteLastMixed(uint64_t number) {
  return WriteAt(kLastMixedOffset, number);
}

absl::Status StateTable::WriteNextTableId(uint64_t id) {
  return WriteAt(kNextTableIdOffset, id);
}

absl::Status StateTable::Run(const char* sql, uint64_t id,
                             const std::string* name, const char* what,
                             bool is_blob) {
  const sqlite3_int64 last_rowid = sqlite3_last_insert_rowid(db_);
  NORI_ASSIGN_OR_RETURN(sqlite3_stmt* const raw, Prepare(sql));
  const StatementPtr statement(raw);
  sqlite3_bind_int64(raw, 1, static_cast<sqlite3_int64>(id));
  if (is_blob) {
    sqlite3_bind_blob(raw, 2, name->data(), static_cast<int>(name->size()),
                      SQLITE_STATIC);
  } else if (name != nullptr) {
    sqlite3_bind_text(raw, 2, name->data(), static_cast<int>(name->size()),
                      SQLITE_STATIC);
  }
  const int rc = sqlite3_step(raw);
  sqlite3_set_last_insert_rowid(db_, last_rowid);
  return StatusOfSqlite(db_, rc, what);
}

absl::Status StateTable::AddTable(uint64_t id, const std::string& name) {
  // A row of this name can only be left over from a table that was dropped
  // while the extension was not loaded; its id stays unused.
  return Run("REPLACE INTO \"%w\".nori_state VALUES(?1, ?2, NULL)", id, &name,
             "adding to nori_state");
}

absl::Status StateTable::RemoveTable(uint64_t id) {
  return Run("DELETE FROM \"%w\".nori_state WHERE id=?1", id, nullptr,
             "removing from nori_state");
}

absl::Status StateTable::RenameTable(uint64_t id, const std::string& name) {
  return Run("UPDATE OR REPLACE \"%w\".nori_state SET name=?2 WHERE id=?1", id,
             &name, "renaming in nori_state");
}

absl::Status StateTable::WriteIndexes(uint64_t id, const std::string& indexes) {
  return Run("UPDATE \"%w\".nori_state SET state=?2 WHERE id=?1", id, &indexes,
             "writing nori_state", /*is_blob=*/true);
}

absl::StatusOr<TableState> StateTable::FindTable(const std::string& name) {
  NORI_ASSIGN_OR_RETURN(sqlite3_stmt* const raw,
                        Prepare("SELECT id, state FROM \"%w\".nori_state "
                                "WHERE name=?1 AND id>0"));
  const StatementPtr statement(raw);
  sqlite3_bind_text(raw, 1, name.data(), static_cast<int>(name.size()),
                    SQLITE_STATIC);
  const int rc = sqlite3_step(raw);
  if (rc == SQLITE_ROW) {
    TableState state;
    state.id = static_cast<uint64_t>(sqlite3_column_int64(raw, 0));
    if (sqlite3_column_type(raw, 1) == SQLITE_BLOB) {
      const auto* bytes = static_cast<const char*>(sqlite3_column_blob(raw, 1));
      const auto size = static_cast<size_t>(sqlite3_column_bytes(raw, 1));
      if (bytes != nullptr) state.indexes.assign(bytes, size);
    }
    return state;
  }
  NORI_RETURN_IF_ERROR(StatusOfSqlite(db_, rc, "reading nori_state"));
  return absl::NotFoundError(
      absl::StrCat(kStateTableName, " does not know the table ", name,
                   ": it was made or renamed without the extension"));
}

absl::StatusOr<std::vector<std::pair<uint64_t, std::string>>>
StateTable::ListTables() {
  NORI_ASSIGN_OR_RETURN(
      sqlite3_stmt* const raw,
      Prepare("SELECT id, name FROM \"%w\".nori_state WHERE id>0 ORDER BY id"));
  const StatementPtr statement(raw);
  std::vector<std::pair<uint64_t, std::string>> tables;
  int rc;
  while ((rc = sqlite3_step(raw)) == SQLITE_ROW) {
    const auto* name =
        reinterpret_cast<const char*>(sqlite3_column_text(raw, 1));
    tables.emplace_back(static_cast<uint64_t>(sqlite3_column_int64(raw, 0)),
                        name == nullptr ? "" : name);
  }
  NORI_RETURN_IF_ERROR(StatusOfSqlite(db_, rc, "reading nori_state"));
  return tables;
}

absl::StatusOr<DatabaseState> StateTable::ReadCommitted() {
  const char* const path = sqlite3_db_filename(db_, schema_.c_str());
  sqlite3_vfs* vfs = nullptr;
  sqlite3_file_control(db_, schema_.c_str(), SQLITE_FCNTL_VFS_POINTER, &vfs);
  return ReadFile(path, vfs == nullptr ? nullptr : vfs->zName);
}

absl::StatusOr<DatabaseState> StateTable::ReadFile(const char* path,
                                                   const char* vfs) {
  NORI_ASSIGN_OR_RETURN(
      const ConnectionPtr other,
      OpenFile(path, SQLITE_OPEN_READONLY, vfs, /*timeout_ms=*/1000));
  StateTable newest(other.get(), "main");
  return newest.Read();
}

}  // namespace nori
