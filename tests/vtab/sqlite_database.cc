#include "tests/vtab/sqlite_database.h"

#include <bit>
#include <cstdio>
#include <cstdlib>

namespace nori {
namespace {

void Require(bool condition, sqlite3* db, const std::string& what) {
  if (condition) return;
  std::fprintf(stderr, "%s: %s\n", what.c_str(), sqlite3_errmsg(db));
  std::abort();
}

}  // namespace

SqliteStatement::SqliteStatement(sqlite3* db, const std::string& sql) {
  const int rc = sqlite3_prepare_v2(db, sql.c_str(), -1, &statement_, nullptr);
  Require(rc == SQLITE_OK, db, sql);
}

void SqliteStatement::Bind(int i, const Value& value) {
  const char* bytes = value.bytes.empty() ? "" : value.bytes.data();
  const int size = static_cast<int>(value.bytes.size());
  int rc = SQLITE_OK;
  switch (value.type) {
    case ValueType::kNull:
      rc = sqlite3_bind_null(statement_, i);
      break;
    case ValueType::kInteger:
      rc = sqlite3_bind_int64(statement_, i, value.integer);
      break;
    case ValueType::kReal:
      rc = sqlite3_bind_double(statement_, i, value.real);
      break;
    case ValueType::kText:
      rc = sqlite3_bind_text(statement_, i, bytes, size, SQLITE_TRANSIENT);
      break;
    case ValueType::kBlob:
      rc = sqlite3_bind_blob(statement_, i, bytes, size, SQLITE_TRANSIENT);
      break;
  }
  Require(rc == SQLITE_OK, sqlite3_db_handle(statement_), "bind");
}

bool SqliteStatement::Step() {
  const int rc = sqlite3_step(statement_);
  ok_ = rc == SQLITE_ROW || rc == SQLITE_DONE;
  return rc == SQLITE_ROW;
}

void SqliteStatement::Reset() { sqlite3_reset(statement_); }

Value SqliteStatement::Get(int i) const {
  switch (sqlite3_column_type(statement_, i)) {
    case SQLITE_INTEGER:
      return Value::Integer(sqlite3_column_int64(statement_, i));
    case SQLITE_FLOAT:
      return Value::Real(sqlite3_column_double(statement_, i));
    case SQLITE_NULL:
      return Value::Null();
    default:
      break;
  }
  const bool is_text = sqlite3_column_type(statement_, i) == SQLITE_TEXT;
  const auto* p = static_cast<const char*>(sqlite3_column_blob(statement_, i));
  const auto n = static_cast<size_t>(sqlite3_column_bytes(statement_, i));
  const std::string_view bytes(n == 0 ? "" : p, n);
  return is_text ? Value::Text(bytes) : Value::Blob(bytes);
}

std::string SqliteStatement::Text(int i) const {
  const unsigned char* p = sqlite3_column_text(statement_, i);
  return p == nullptr ? "" : reinterpret_cast<const char*>(p);
}

SqliteDatabase::SqliteDatabase() {
  Require(sqlite3_open(":memory:", &db_) == SQLITE_OK, db_, "open");
}

std::string SqliteDatabase::Execute(const std::string& sql) {
  char* message = nullptr;
  const int rc = sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, &message);
  std::string error;
  if (rc != SQLITE_OK) error = message == nullptr ? "error" : message;
  sqlite3_free(message);
  return error;
}

std::vector<std::vector<std::string>> SqliteDatabase::Query(
    const std::string& sql) {
  std::vector<std::vector<std::string>> rows;
  sqlite3_stmt* statement = nullptr;
  Require(sqlite3_prepare_v2(db_, sql.c_str(), -1, &statement, nullptr) ==
              SQLITE_OK,
          db_, sql);
  while (sqlite3_step(statement) == SQLITE_ROW) {
    std::vector<std::string>& row = rows.emplace_back();
    for (int i = 0; i < sqlite3_column_count(statement); ++i) {
      const unsigned char* p = sqlite3_column_text(statement, i);
      row.push_back(p == nullptr ? "" : reinterpret_cast<const char*>(p));
    }
  }
  sqlite3_finalize(statement);
  return rows;
}

std::string Describe(const Value& value) {
  char number[64];
  switch (value.type) {
    case ValueType::kNull:
      return "NULL";
    case ValueType::kInteger:
      return "INTEGER " + std::to_string(value.integer);
    case ValueType::kReal:
      std::snprintf(number, sizeof(number), "REAL %.17g", value.real);
      return number;
    default:
      break;
  }
  std::string text = value.type == ValueType::kText ? "TEXT \"" : "BLOB \"";
  for (const char c : value.bytes) {
    if (c >= 0x20 && c < 0x7f) {
      text.push_back(c);
    } else {
      std::snprintf(number, sizeof(number), "\\x%02x",
                    static_cast<unsigned>(static_cast<unsigned char>(c)));
      text.append(number);
    }
  }
  return text + "\"";
}

bool Identical(const Value& a, const Value& b) {
  return a.type == b.type && a.integer == b.integer &&
         std::bit_cast<uint64_t>(a.real) == std::bit_cast<uint64_t>(b.real) &&
         a.bytes == b.bytes;
}

}  // namespace nori
