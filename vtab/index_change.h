// What one change of a row does to the indexes of its table.

#ifndef NORI_VTAB_INDEX_CHANGE_H_
#define NORI_VTAB_INDEX_CHANGE_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/engine.h"
#include "vtab/index.h"
#include "vtab/row.h"

namespace nori {

// A stored row. Not thread-safe.
class StoredRow {
 public:
  explicit StoredRow(const RowLayout* layout)
      : layout_(layout), view_(layout) {}

  // `key` is the row's engine key. Values are views into both arguments or into
  // this object, until the next Reset.
  absl::Status Reset(std::string_view key, std::string_view value) {
    return view_.Reset(key, value);
  }
  absl::Status Column(size_t column, Value* value) {
    return view_.Column(static_cast<int>(column), value);
  }
  // Reads all columns, a rowid alias included, for values().
  absl::Status LoadAll();
  absl::Span<const Value> values() const { return values_; }
  // The key without the table's prefix.
  std::string_view key() const { return view_.key(); }

 private:
  const RowLayout* const layout_;
  RowView view_;
  absl::InlinedVector<Value, 16> values_;
};

// The entries of one row, old and new, in all indexes. Prepare works them out,
// FindConflict asks whether a new one may be, Apply writes. Not thread-safe.
class IndexChange {
 public:
  IndexChange(const RowLayout* layout, Changes* transaction)
      : layout_(layout), transaction_(transaction) {}

  // `before` is null for a new row. `row_key`: the new row's key without the
  // table's prefix.
  void Prepare(const StoredRow* before, absl::Span<const Value> values,
               std::string_view row_key);
  // Whether another row has the new row's place in the unique index at `place`
  // of the layout's indexes: then *row_key is that row's key without the
  // table's prefix.
  absl::StatusOr<bool> FindConflict(size_t place, std::string* row_key) const;
  absl::Status Apply() const;

 private:
  struct Change {
    bool same = false;      // nothing to do
    bool same_key = false;  // only the value changes
    bool is_alone = false;  // see IndexLayout::AppendKey
    std::string old_key, key, value;
  };

  const RowLayout* const layout_;
  Changes* const transaction_;
  bool is_update_ = false;
  std::vector<Change> changes_;  // as layout_->indexes
};

// Deletes the row of `key`, an engine key, with its entries in all indexes.
// False if there is none. A table without indexes gets a blind deletion and
// true.
absl::StatusOr<bool> DeleteRow(const RowLayout& layout, std::string_view key,
                               Changes* transaction);

}  // namespace nori

#endif  // NORI_VTAB_INDEX_CHANGE_H_
