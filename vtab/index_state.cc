#include "vtab/index_state.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "engine/format/status_macros.h"
#include "vtab/record.h"
#include "vtab/value.h"

namespace nori {
namespace {

constexpr int64_t kFormatVersion = 1;
constexpr size_t kFirstIndex = 2;  // place in the record

absl::Status Damaged() {
  return absl::DataLossError(
      "the indexes of a table in nori_state are damaged");
}

}  // namespace

absl::StatusOr<IndexState> ParseIndexState(const TableSchema& table,
                                           std::string_view encoded) {
  IndexState state;
  if (encoded.empty()) {
    state.indexes = table.indexes;
    for (const IndexSchema& index : state.indexes) {
      state.next_id = std::max(state.next_id, index.id + 1);
    }
    return state;
  }
  RecordReader record;
  NORI_RETURN_IF_ERROR(record.Reset(encoded));
  if (record.Get(0).integer != kFormatVersion || record.columns() % 2 != 0) {
    return Damaged();
  }
  state.next_id = static_cast<uint32_t>(record.Get(1).integer);
  for (size_t i = kFirstIndex; i < record.columns(); i += 2) {
    absl::StatusOr<IndexSchema> index =
        ParseIndex(table, record.Get(i + 1).bytes);
    if (!index.ok()) return Damaged();
    index->id = static_cast<uint32_t>(record.Get(i).integer);
    if (index->id == 0 || index->id >= state.next_id) return Damaged();
    state.indexes.push_back(*std::move(index));
  }
  return state;
}

std::string EncodeIndexState(const TableSchema& table,
                             const IndexState& state) {
  std::vector<std::string> definitions;
  definitions.reserve(state.indexes.size());
  std::vector<Value> values = {Value::Integer(kFormatVersion),
                               Value::Integer(state.next_id)};
  for (const IndexSchema& index : state.indexes) {
    definitions.push_back(IndexSql(table, index));
    values.push_back(Value::Integer(index.id));
    values.push_back(Value::Text(definitions.back()));
  }
  std::string encoded;
  EncodeRecord(values, &encoded);
  return encoded;
}

}  // namespace nori
