// How a row of a table becomes an engine entry and back.
//
// The engine key is the table's prefix and then the rowid or the key columns.
// The engine value is a record with one place per column, a rowid alias left
// out; a key column that the key gives back exactly is NULL in it.

#ifndef NORI_VTAB_ROW_H_
#define NORI_VTAB_ROW_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "vtab/record.h"
#include "vtab/schema.h"
#include "vtab/value.h"

namespace nori {

struct IndexLayout;

// A table's schema with what coding its rows needs. Immutable but for the
// prefixes, which are set once the table's id is known, and for the indexes,
// which come and go.
struct RowLayout {
  explicit RowLayout(TableSchema table_schema);

  // Takes the place of the indexes of the schema. REQUIRES: the table's id is
  // not set.
  void SetIndexes(std::vector<IndexSchema> indexes);
  // Sets the prefixes of the table and its indexes.
  void SetTableId(uint64_t table_id);
  // Indexes that are made or dropped later. REQUIRES: the table's id is set,
  // and AddIndex: a new id; RemoveIndex: one of schema.indexes.
  void AddIndex(IndexSchema index);
  void RemoveIndex(uint32_t id);

  // Encodes the key of a row, without the prefix. `values` has one value per
  // column. REQUIRES: the table has no rowids.
  void AppendKey(absl::Span<const Value> values, std::string* dst) const;
  void AppendRecord(absl::Span<const Value> values, std::string* dst) const;

  TableSchema schema;
  std::string prefix;             // of every engine key of the table
  std::string prefix_end;         // the smallest string above all of them
  std::vector<int> key_position;  // by column; -1: not in the key
  // As schema.indexes; a scan may hold one that is dropped meanwhile.
  std::vector<std::shared_ptr<const IndexLayout>> indexes;

 private:
  void LayOutIndexes();

  uint64_t table_id_ = 0;
};

// One stored row. Reusable without allocation. Not thread-safe.
class RowView {
 public:
  explicit RowView(const RowLayout* layout) : layout_(layout) {}

  // `key` is a whole engine key of the table. Both must outlive reads.
  absl::Status Reset(std::string_view key, std::string_view value);
  // Views point into the row or into this object, until the next Reset.
  absl::Status Column(int column, Value* value);
  // REQUIRES: the table has rowids.
  absl::StatusOr<int64_t> Rowid() const;
  // The key without the table's prefix.
  std::string_view key() const { return key_; }

 private:
  // A key column as the key gives it. SQLite asks for one twice where it checks
  // a constraint again.
  struct Decoded {
    uint64_t row = UINT64_MAX;  // the number of the row that it is of
    Value value;
    std::string scratch;
  };

  absl::Status DecodeKey(size_t position, Decoded* decoded);

  const RowLayout* const layout_;
  std::string_view key_;
  RecordReader record_;
  uint64_t row_ = 0;
  std::vector<Decoded> decoded_;  // by key position; empty before first use
  // The key from column `rest_at_` on: columns are mostly asked for in order.
  std::string_view rest_;
  size_t rest_at_ = 0;
};

}  // namespace nori

#endif  // NORI_VTAB_ROW_H_
