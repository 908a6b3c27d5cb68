#include "vtab/sqlite_value.h"

#include <new>
#include <string_view>

namespace nori {

Value ValueOfSqlite(sqlite3_value* argument) {
  switch (sqlite3_value_type(argument)) {
    case SQLITE_INTEGER:
      return Value::Integer(sqlite3_value_int64(argument));
    case SQLITE_FLOAT:
      return Value::Real(sqlite3_value_double(argument));
    case SQLITE_TEXT: {
      const auto* text =
          reinterpret_cast<const char*>(sqlite3_value_text(argument));
      // Out of memory while converting from UTF-16; there is no row to store.
      if (text == nullptr) throw std::bad_alloc();
      return Value::Text(
          {text, static_cast<size_t>(sqlite3_value_bytes(argument))});
    }
    case SQLITE_BLOB: {
      const auto* blob = static_cast<const char*>(sqlite3_value_blob(argument));
      const auto size = static_cast<size_t>(sqlite3_value_bytes(argument));
      if (blob == nullptr && size > 0) throw std::bad_alloc();
      return Value::Blob(size == 0 ? std::string_view("")
                                   : std::string_view(blob, size));
    }
    default:
      return Value::Null();
  }
}

void ResultOfValue(sqlite3_context* context, const Value& value) {
  // SQLite keeps results in registers beyond the next row (max() does, and
  // DISTINCT), and does not copy what it was told is static: so it copies here,
  // into a buffer that the register reuses.
  switch (value.type) {
    case ValueType::kNull:
      sqlite3_result_null(context);
      break;
    case ValueType::kInteger:
      sqlite3_result_int64(context, value.integer);
      break;
    case ValueType::kReal:
      sqlite3_result_double(context, value.real);
      break;
    case ValueType::kText:
      sqlite3_result_text64(context, value.bytes.data(), value.bytes.size(),
                            SQLITE_TRANSIENT, SQLITE_UTF8);
      break;
    case ValueType::kBlob:
      if (value.bytes.empty()) {
        sqlite3_result_zeroblob(context, 0);
      } else {
        sqlite3_result_blob64(context, value.bytes.data(), value.bytes.size(),
                              SQLITE_TRANSIENT);
      }
      break;
  }
}

}  // namespace nori
