#include "vtab/row.h"

#include <new>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/status/statusor.h"
#include "engine/format/status_macros.h"
#include "vtab/key_codec.h"

namespace nori {

RowLayout::RowLayout(TableSchema table_schema)
    : schema(std::move(table_schema)), key_position(schema.columns.size(), -1) {
  for (size_t i = 0; i < schema.key.size(); ++i) {
    key_position[static_cast<size_t>(schema.key[i].column)] =
        static_cast<int>(i);
  }
}

void RowLayout::AppendKey(absl::Span<const Value> values,
                          std::string* dst) const {
  for (const KeyColumn& column : schema.key) {
    EncodeKeyColumn(values[static_cast<size_t>(column.column)],
                    column.collation, column.descending, dst);
  }
}

void RowLayout::AppendRecord(absl::Span<const Value> values,
                             std::string* dst) const {
  // Rows of usual width need no allocation.
  absl::InlinedVector<Value, 16> stored;
  stored.reserve(values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    if (static_cast<int>(i) == schema.rowid_column) continue;
    const int position = key_position[i];
    const bool in_key =
        position >= 0 &&
        KeyEncodingIsExact(values[i],
                           schema.key[static_cast<size_t>(position)].collation);
    stored.push_back(in_key ? Value::Null() : values[i]);
  }
  EncodeRecord(stored, dst);
}

absl::Status RowView::Reset(std::string_view key, std::string_view value) {
  key_ = key.substr(layout_->prefix.size());
  ++row_;
  return record_.Reset(value);
}

absl::StatusOr<int64_t> RowView::Rowid() const {
  std::string_view input = key_;
  int64_t rowid;
  if (!DecodeRowid(&input, &rowid)) {
    return absl::DataLossError("a stored rowid is damaged");
  }
  return rowid;
}

absl::Status RowView::DecodeKey(size_t position, Decoded* decoded) const {
  const std::vector<KeyColumn>& columns = layout_->schema.key;
  std::string_view input = key_;
  for (size_t i = 0; i < position; ++i) {
    NORI_RETURN_IF_ERROR(SkipKeyColumn(&input, columns[i].descending));
  }
  bool exact;
  NORI_RETURN_IF_ERROR(DecodeKeyColumn(
      &input, columns[position].collation, columns[position].descending,
      &decoded->value, &exact, &decoded->scratch));
  decoded->row = row_;
  return absl::OkStatus();
}

absl::Status RowView::Column(int column, Value* value) {
  const TableSchema& schema = layout_->schema;
  if (column == schema.rowid_column) {
    NORI_ASSIGN_OR_RETURN(const int64_t rowid, Rowid());
    *value = Value::Integer(rowid);
    return absl::OkStatus();
  }
  const bool after_alias =
      schema.rowid_column >= 0 && column > schema.rowid_column;
  record_.Read(static_cast<size_t>(after_alias ? column - 1 : column), value);
  const int position = layout_->key_position[static_cast<size_t>(column)];
  if (position < 0 || value->type != ValueType::kNull) return absl::OkStatus();
  if (decoded_.empty()) decoded_.resize(schema.key.size());
  Decoded& decoded = decoded_[static_cast<size_t>(position)];
  if (decoded.row != row_) {
    NORI_RETURN_IF_ERROR(DecodeKey(static_cast<size_t>(position), &decoded));
  }
  *value = decoded.value;
  return absl::OkStatus();
}

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
