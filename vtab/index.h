// How the entries of a secondary index are laid out, written and read.
//
// Each row has one entry in each index, also where the index's columns are
// NULL. Its engine key is the index's prefix, the index's columns as
// EncodeKeyColumn has them, and the row's key (the rowid or the key's columns)
// as in the row's own engine key. An entry of a unique index without NULL
// leaves the row's key to its value, so that one lookup of the index's columns
// finds a conflict, or the row:
//
//   prefix columns row-key  ->  record
//   prefix columns          ->  length of row-key (varint), row-key, record
//
// The record is empty if the bytes of the keys give all values back. Else it
// has a place for each column of the entry, NULL where they do.

#ifndef NORI_VTAB_INDEX_H_
#define NORI_VTAB_INDEX_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "vtab/record.h"
#include "vtab/schema.h"
#include "vtab/value.h"

namespace nori {

// KeyColumn::column of a rowid that is no column of the table.
inline constexpr int kHiddenRowid = -1;

// An index with what coding its entries needs. Immutable.
struct IndexLayout {
  // `table_id` 0: not known yet, the prefixes are empty.
  IndexLayout(const TableSchema& table, const IndexSchema& index,
              uint64_t table_id);

  // Appends the engine key of a row's entry. `values` has one value per column
  // of the table, a rowid alias included; `row_key` is the row's engine key
  // without its prefix. True if the entry leaves `row_key` to its value: then
  // no other row may have an entry of this key.
  bool AppendKey(absl::Span<const Value> values, std::string_view row_key,
                 std::string* dst) const;
  // Appends the value of that entry; `is_alone` is what AppendKey gave.
  void AppendValue(absl::Span<const Value> values, std::string_view row_key,
                   bool is_alone, std::string* dst) const;

  // Whether entries hold the table's column (kHiddenRowid: the rowid).
  bool Covers(int column) const {
    return column == kHiddenRowid ? has_rowid : position[Place(column)] >= 0;
  }

  uint32_t id = 0;
  std::string name;
  bool unique = false;
  bool has_rowid = false;
  // What an entry holds, in the order of entries: the index's own columns, then
  // the row's key (ascending rowid, or the key's columns). Entries of a unique
  // index are ordered so, too, but only its own columns can be sought by: see
  // seek_columns.
  std::vector<KeyColumn> columns;
  size_t own_columns = 0;
  // Leading columns that engine keys of entries can be searched by.
  size_t seek_columns = 0;
  std::vector<int> position;  // by table column: place in columns, or -1
  std::string prefix;         // of every engine key of the index
  std::string prefix_end;     // the smallest string above all of them
  std::string table_prefix;   // of the rows' engine keys

 private:
  static size_t Place(int column) { return static_cast<size_t>(column); }
};

// One stored entry. Reusable without allocation. Not thread-safe.
class IndexEntryView {
 public:
  explicit IndexEntryView(const IndexLayout* layout);

  // `key` is a whole engine key of the index. Both must outlive reads.
  // kDataLoss if they are malformed.
  absl::Status Reset(std::string_view key, std::string_view value);
  // REQUIRES: layout->Covers(column), and column is one of the table's. Views
  // point into the entry or into this object, until the next Reset.
  absl::Status Column(int column, Value* value);
  // REQUIRES: layout->has_rowid.
  absl::StatusOr<int64_t> Rowid() const;
  // The row's key without the table's prefix: what the hidden key column of a
  // table without rowids is. A view into the entry.
  std::string_view row_key() const { return row_key_; }
  // The row's engine key.
  void RowKey(std::string* key) const;
  // The entry's own columns, as encoded, without the prefix.
  std::string_view own_columns() const { return own_; }

 private:
  // A column as the keys give it.
  struct Decoded {
    uint64_t entry = UINT64_MAX;  // the number of the entry that it is of
    Value value;
    std::string scratch;
  };

  absl::Status Decode(size_t place, Decoded* decoded) const;

  const IndexLayout* const layout_;
  std::string_view own_, row_key_;
  bool has_record_ = false;
  RecordReader record_;
  uint64_t entry_ = 0;
  std::vector<Decoded> decoded_;  // by place in layout_->columns
};

}  // namespace nori

#endif  // NORI_VTAB_INDEX_H_
