// Rowids for new rows, and what is known of the highest.

#ifndef NORI_VTAB_NEW_ROWID_H_
#define NORI_VTAB_NEW_ROWID_H_

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "engine/engine.h"
#include "vtab/virtual_table.h"

namespace nori {

struct NewRowid {
  int64_t rowid = 0;
  bool fresh = false;              // above all others: cannot be taken
  std::optional<int64_t> highest;  // of the table before, if known
};

// The rowid that SQLite gives a row without one: the highest in the table and
// one, or a random free one if the highest is the last there is. SQLITE_FULL if
// none is found.
absl::StatusOr<NewRowid> ChooseNewRowid(const VirtualTable& table,
                                        Changes* transaction);

// Tells the table's database that a row now has `rowid`. `highest`: what was
// known before, if the caller knows it.
void NoteRowid(const VirtualTable& table, std::optional<int64_t> highest,
               int64_t rowid);
// Tells it that no row has `rowid` any more.
void ForgetRowid(const VirtualTable& table, int64_t rowid);

}  // namespace nori

#endif  // NORI_VTAB_NEW_ROWID_H_
