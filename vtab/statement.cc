#include "vtab/statement.h"

#include "absl/strings/str_cat.h"
#include "engine/format/status_macros.h"
#include "vtab/error_map.h"
#include "vtab/sql_tokenizer.h"

namespace nori {

absl::StatusOr<Statement> Statement::Prepare(sqlite3* db,
                                             const std::string& sql,
                                             const char* what) {
  sqlite3_stmt* raw = nullptr;
  const char* rest = nullptr;
  const int rc = sqlite3_prepare_v2(db, sql.data(),
                                    static_cast<int>(sql.size()), &raw, &rest);
  Statement statement(raw, what);
  NORI_RETURN_IF_ERROR(StatusOfSqlite(db, rc, what));
  const auto used = static_cast<size_t>(rest - sql.data());
  const std::string_view more = std::string_view(sql).substr(used);
  if (raw == nullptr || TokenizeSql(more).front().type != SqlTokenType::kEnd) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, ": this is not one statement"));
  }
  return statement;
}

void Statement::BindInteger(int i, int64_t value) {
  sqlite3_bind_int64(get(), i, value);
}

void Statement::BindText(int i, std::string_view text) {
  sqlite3_bind_text64(get(), i, text.data(), text.size(), SQLITE_STATIC,
                      SQLITE_UTF8);
}

void Statement::BindBlob(int i, std::string_view bytes) {
  sqlite3_bind_blob64(get(), i, bytes.data(), bytes.size(), SQLITE_STATIC);
}

absl::StatusOr<bool> Statement::Step() {
  const int rc = sqlite3_step(get());
  NORI_RETURN_IF_ERROR(StatusOfSqlite(sqlite3_db_handle(get()), rc, what_));
  return rc == SQLITE_ROW;
}

absl::Status Statement::Run() {
  const absl::Status status = Step().status();
  Reset();
  return status;
}

std::string_view Statement::Text(int i) const {
  const auto* text =
      reinterpret_cast<const char*>(sqlite3_column_text(get(), i));
  if (text == nullptr) return {};
  return {text, static_cast<size_t>(sqlite3_column_bytes(get(), i))};
}

std::string_view Statement::Blob(int i) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(get(), i));
  if (bytes == nullptr) return {};
  return {bytes, static_cast<size_t>(sqlite3_column_bytes(get(), i))};
}

absl::Status Execute(sqlite3* db, const std::string& sql, const char* what) {
  return StatusOfSqlite(
      db, sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), what);
}

absl::StatusOr<std::string> QueryText(sqlite3* db, const std::string& sql,
                                      const char* what) {
  NORI_ASSIGN_OR_RETURN(Statement statement, Statement::Prepare(db, sql, what));
  NORI_ASSIGN_OR_RETURN(const bool has_row, statement.Step());
  return has_row ? std::string(statement.Text(0)) : std::string();
}

}  // namespace nori
