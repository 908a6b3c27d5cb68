#include "vtab/new_rowid.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <string>
#include <string_view>

#include "engine/format/status_macros.h"
#include "vtab/error_map.h"
#include "vtab/key_codec.h"

namespace nori {
namespace {

constexpr int kRandomRowidTries = 100;

// The highest rowid in the table, 0 if it is empty.
absl::StatusOr<int64_t> FindHighest(const RowLayout& layout,
                                    Changes* transaction) {
  const std::unique_ptr<Iterator> last = transaction->NewIterator(
      {.snapshot = nullptr, .bounds = {layout.prefix, layout.prefix_end}});
  last->SeekToLast();
  NORI_RETURN_IF_ERROR(last->status());
  if (!last->Valid()) return 0;
  std::string_view key = last->key().substr(layout.prefix.size());
  int64_t rowid;
  if (!DecodeRowid(&key, &rowid)) {
    return absl::DataLossError("a stored rowid is damaged");
  }
  return rowid;
}

absl::StatusOr<int64_t> FindFree(const RowLayout& layout,
                                 Changes* transaction) {
  for (int i = 0; i < kRandomRowidTries; ++i) {
    uint64_t random;
    sqlite3_randomness(sizeof(random), &random);
    const int64_t rowid =
        static_cast<int64_t>(random &
                             (std::numeric_limits<uint64_t>::max() >> 2)) +
        1;
    std::string key = layout.prefix;
    EncodeRowid(rowid, &key);
    PinnedValue ignored;
    NORI_ASSIGN_OR_RETURN(const bool taken, transaction->Get(key, &ignored));
    if (!taken) return rowid;
  }
  return NativeError(SQLITE_FULL, "database or disk is full");
}

}  // namespace

absl::StatusOr<NewRowid> ChooseNewRowid(const VirtualTable& table,
                                        Changes* transaction) {
  NewRowid chosen;
  chosen.highest = table.database->MaxRowid(table.id);
  if (!chosen.highest) {
    NORI_ASSIGN_OR_RETURN(chosen.highest,
                          FindHighest(table.layout, transaction));
  }
  if (*chosen.highest < std::numeric_limits<int64_t>::max()) {
    chosen.rowid = *chosen.highest + 1;
    chosen.fresh = true;
    return chosen;
  }
  NORI_ASSIGN_OR_RETURN(chosen.rowid, FindFree(table.layout, transaction));
  return chosen;
}

void NoteRowid(const VirtualTable& table, std::optional<int64_t> highest,
               int64_t rowid) {
  if (!highest) highest = table.database->MaxRowid(table.id);
  if (!highest) return;
  table.database->SetMaxRowid(table.id, std::max(*highest, rowid));
}

void ForgetRowid(const VirtualTable& table, int64_t rowid) {
  if (table.database->MaxRowid(table.id) == rowid) {
    table.database->SetMaxRowid(table.id, std::nullopt);
  }
}

}  // namespace nori
