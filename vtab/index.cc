#include "vtab/index.h"

#include <algorithm>

#include "absl/container/inlined_vector.h"
#include "engine/format/coding.h"
#include "engine/format/status_macros.h"
#include "vtab/key_codec.h"

namespace nori {
namespace {

absl::Status Damaged() {
  return absl::DataLossError("a stored index entry is damaged");
}

}  // namespace

IndexLayout::IndexLayout(const TableSchema& table, const IndexSchema& index,
                         uint64_t table_id)
    : id(index.id),
      name(index.name),
      unique(index.unique),
      has_rowid(table.identity != RowIdentity::kKey),
      columns(index.columns),
      own_columns(index.columns.size()),
      position(table.columns.size(), -1) {
  if (has_rowid) {
    columns.push_back({.column = table.rowid_column});
  } else {
    columns.insert(columns.end(), table.key.begin(), table.key.end());
  }
  seek_columns = unique ? own_columns : columns.size();
  for (size_t i = columns.size(); i-- > 0;) {
    if (columns[i].column != kHiddenRowid) {
      position[Place(columns[i].column)] = static_cast<int>(i);
    }
  }
  // A rowid is cheapest where it is exact.
  if (table.rowid_column >= 0) {
    position[Place(table.rowid_column)] = static_cast<int>(columns.size()) - 1;
  }
  if (table_id == 0) return;
  EncodeIndexPrefix(table_id, id, &prefix);
  prefix_end = PrefixSuccessor(prefix);
  EncodeIndexPrefix(table_id, /*index_id=*/0, &table_prefix);
}

bool IndexLayout::AppendKey(absl::Span<const Value> values,
                            std::string_view row_key, std::string* dst) const {
  dst->append(prefix);
  bool is_alone = unique;
  for (size_t i = 0; i < own_columns; ++i) {
    const KeyColumn& column = columns[i];
    const Value& value = values[Place(column.column)];
    if (value.type == ValueType::kNull) is_alone = false;
    EncodeKeyColumn(value, column.collation, column.descending, dst);
  }
  if (!is_alone) dst->append(row_key);
  return is_alone;
}

void IndexLayout::AppendValue(absl::Span<const Value> values,
                              std::string_view row_key, bool is_alone,
                              std::string* dst) const {
  if (is_alone) {
    PutLengthPrefixed(dst, row_key);
  }
  absl::InlinedVector<Value, 16> stored(columns.size());
  bool is_exact = true;
  for (size_t i = 0; i < columns.size(); ++i) {
    // A rowid's bytes give it back.
    if (i >= own_columns && has_rowid) continue;
    const Value& value = values[Place(columns[i].column)];
    if (KeyEncodingIsExact(value, columns[i].collation)) continue;
    stored[i] = value;
    is_exact = false;
  }
  if (!is_exact) EncodeRecord(stored, dst);
}

IndexEntryView::IndexEntryView(const IndexLayout* layout) : layout_(layout) {}

absl::Status IndexEntryView::Reset(std::string_view key,
                                   std::string_view value) {
  ++entry_;
  std::string_view rest = key.substr(layout_->prefix.size());
  own_ = rest;
  for (size_t i = 0; i < layout_->own_columns; ++i) {
    NORI_RETURN_IF_ERROR(SkipKeyColumn(&rest, layout_->columns[i].descending));
  }
  own_.remove_suffix(rest.size());
  row_key_ = rest;
  if (rest.empty()) {
    if (!layout_->unique || !GetLengthPrefixed(&value, &row_key_) ||
        row_key_.empty()) {
      return Damaged();
    }
  }
  has_record_ = !value.empty();
  return has_record_ ? record_.Reset(value) : absl::OkStatus();
}

absl::StatusOr<int64_t> IndexEntryView::Rowid() const {
  std::string_view input = row_key_;
  int64_t rowid;
  if (!DecodeRowid(&input, &rowid)) return Damaged();
  return rowid;
}

void IndexEntryView::RowKey(std::string* key) const {
  key->assign(layout_->table_prefix);
  key->append(row_key_);
}

absl::Status IndexEntryView::Decode(size_t place, Decoded* decoded) const {
  const bool is_own = place < layout_->own_columns;
  std::string_view input = is_own ? own_ : row_key_;
  for (size_t i = is_own ? 0 : layout_->own_columns; i < place; ++i) {
    NORI_RETURN_IF_ERROR(SkipKeyColumn(&input, layout_->columns[i].descending));
  }
  const KeyColumn& column = layout_->columns[place];
  bool exact;
  NORI_RETURN_IF_ERROR(DecodeKeyColumn(&input, column.collation,
                                       column.descending, &decoded->value,
                                       &exact, &decoded->scratch));
  decoded->entry = entry_;
  return absl::OkStatus();
}

absl::Status IndexEntryView::Column(int column, Value* value) {
  const auto place =
      static_cast<size_t>(layout_->position[static_cast<size_t>(column)]);
  if (has_record_) {
    record_.Read(place, value);
    if (value->type != ValueType::kNull) return absl::OkStatus();
  }
  if (decoded_.empty()) decoded_.resize(layout_->columns.size());
  Decoded& decoded = decoded_[place];
  if (decoded.entry != entry_) {
    NORI_RETURN_IF_ERROR(Decode(place, &decoded));
  }
  *value = decoded.value;
  return absl::OkStatus();
}

}  // namespace nori
