#include "vtab/row.h"

#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/status/statusor.h"
#include "engine/format/status_macros.h"
#include "vtab/index.h"
#include "vtab/key_codec.h"

namespace nori {

RowLayout::RowLayout(TableSchema table_schema)
    : schema(std::move(table_schema)), key_position(schema.columns.size(), -1) {
  for (size_t i = 0; i < schema.key.size(); ++i) {
    key_position[static_cast<size_t>(schema.key[i].column)] =
        static_cast<int>(i);
  }
  LayOutIndexes();
}

void RowLayout::LayOutIndexes() {
  indexes.clear();
  for (const IndexSchema& index : schema.indexes) {
    indexes.push_back(
        std::make_shared<const IndexLayout>(schema, index, table_id_));
  }
}

void RowLayout::SetIndexes(std::vector<IndexSchema> new_indexes) {
  schema.indexes = std::move(new_indexes);
  LayOutIndexes();
}

void RowLayout::SetTableId(uint64_t table_id) {
  table_id_ = table_id;
  prefix.clear();
  EncodeIndexPrefix(table_id, /*index_id=*/0, &prefix);
  prefix_end = PrefixSuccessor(prefix);
  LayOutIndexes();
}

void RowLayout::AddIndex(IndexSchema index) {
  indexes.push_back(
      std::make_shared<const IndexLayout>(schema, index, table_id_));
  schema.indexes.push_back(std::move(index));
}

void RowLayout::RemoveIndex(uint32_t id) {
  std::erase_if(indexes, [id](const auto& index) { return index->id == id; });
  std::erase_if(schema.indexes,
                [id](const IndexSchema& index) { return index.id == id; });
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
  rest_ = key_;
  rest_at_ = 0;
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

absl::Status RowView::DecodeKey(size_t position, Decoded* decoded) {
  const std::vector<KeyColumn>& columns = layout_->schema.key;
  if (position < rest_at_) {
    rest_ = key_;
    rest_at_ = 0;
  }
  for (; rest_at_ < position; ++rest_at_) {
    NORI_RETURN_IF_ERROR(SkipKeyColumn(&rest_, columns[rest_at_].descending));
  }
  bool exact;
  NORI_RETURN_IF_ERROR(DecodeKeyColumn(
      &rest_, columns[position].collation, columns[position].descending,
      &decoded->value, &exact, &decoded->scratch));
  ++rest_at_;
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

}  // namespace nori
