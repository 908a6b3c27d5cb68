// INSERT and UPDATE of one row, with all that depends on it.

#ifndef NORI_VTAB_ROW_CHANGE_H_
#define NORI_VTAB_ROW_CHANGE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "vtab/index_change.h"
#include "vtab/virtual_table.h"

namespace nori {

// One call of xUpdate that leaves a row behind. Everything is checked before
// anything is changed, so that an error leaves no trace.
class RowChange {
 public:
  // `argv` as xUpdate gets it.
  RowChange(VirtualTable* table, Changes* transaction, sqlite3_value** argv);

  // Sets *rowid in a table that has rowids.
  absl::Status Run(sqlite3_int64* rowid);

 private:
  absl::Status LoadOldRow();
  absl::Status LoadValues();
  absl::Status CheckHiddenKey() const;
  absl::StatusOr<int64_t> RowidOf(sqlite3_value* argument) const;
  absl::Status ChooseRowid();
  absl::Status CheckNotNull();
  // STRICT.
  absl::Status CheckTypes() const;
  absl::Status CheckChecks();
  void MakeKey();
  // Finds the rows that stand in the way, in SQLite's order: an error, or for
  // REPLACE their keys in victims_.
  absl::Status CheckUnique();
  absl::Status CheckKey();
  absl::Status CheckIndexesFrom(size_t first, size_t end);
  absl::Status KeyError() const;
  void AddVictim(std::string_view row_key);
  absl::Status Apply();
  absl::Status Write();
  void NoteRowids() const;

  bool has_rowid() const { return table_->has_rowid(); }
  std::string_view row_key() const {
    return std::string_view(key_).substr(layout_.prefix.size());
  }
  std::string_view old_row_key() const {
    return std::string_view(old_key_).substr(layout_.prefix.size());
  }

  VirtualTable* const table_;
  const RowLayout& layout_;
  Changes* const transaction_;
  sqlite3_value** const argv_;
  const size_t columns_;
  const bool is_update_;
  const bool has_indexes_;
  const int on_conflict_;  // of sqlite3_vtab_on_conflict
  const bool is_replace_;  // OR REPLACE
  bool row_exists_ = true;
  bool moved_ = true;  // the key is new
  bool fresh_rowid_ = false;
  int64_t rowid_ = 0;
  int64_t old_rowid_ = 0;
  std::optional<int64_t> highest_;  // rowid, where a new one was asked for
  std::string old_key_, key_, record_;
  PinnedValue old_value_;
  StoredRow old_row_;  // where the table rereads on update, or values need it
  IndexChange index_change_;
  std::vector<std::string> victims_;  // keys without the table's prefix
  absl::InlinedVector<Value, 16> values_;
  absl::InlinedVector<std::string, 16> scratch_;
};

// SQLITE_CONSTRAINT_UNIQUE for these columns of the table.
absl::Status UniqueError(const VirtualTable& table,
                         const std::vector<KeyColumn>& columns);

}  // namespace nori

#endif  // NORI_VTAB_ROW_CHANGE_H_
