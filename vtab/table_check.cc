#include "vtab/table_check.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "engine/format/status_macros.h"
#include "vtab/index.h"
#include "vtab/index_change.h"

namespace nori {
namespace {

constexpr uint64_t kStepsPerQuestion = 4096;

absl::Status Difference(const VirtualTable& table, const IndexLayout& index,
                        const char* what) {
  return absl::DataLossError(
      absl::StrCat("index ", index.name, " of table ", table.name, ": ", what));
}

// Whether each row has its entries; counts the rows.
absl::Status CheckRows(const VirtualTable& table, const SnapshotRef& view,
                       const Engine::GoOn& go_on, uint64_t* rows) {
  const RowLayout& layout = table.layout;
  const Database& database = *table.database;
  StoredRow row(&layout);
  PinnedValue found;
  std::string key, value;
  const auto it =
      database.NewIterator(view, {layout.prefix, layout.prefix_end});
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    if ((*rows)++ % kStepsPerQuestion == 0) NORI_RETURN_IF_ERROR(go_on());
    NORI_RETURN_IF_ERROR(row.Reset(it->key(), it->value()));
    NORI_RETURN_IF_ERROR(row.LoadAll());
    for (const auto& index : layout.indexes) {
      key.clear();
      value.clear();
      const bool is_alone = index->AppendKey(row.values(), row.key(), &key);
      index->AppendValue(row.values(), row.key(), is_alone, &value);
      NORI_ASSIGN_OR_RETURN(const bool exists, database.Get(view, key, &found));
      if (!exists) return Difference(table, *index, "a row has no entry");
      if (found.view() != value) {
        return Difference(table, *index, "an entry is not its row's");
      }
    }
  }
  return it->status();
}

}  // namespace

absl::Status CheckIndexes(VirtualTable* table, const Engine::GoOn& go_on) {
  NORI_RETURN_IF_ERROR(table->EnsureOpen());
  if (table->layout.indexes.empty()) return absl::OkStatus();
  Database& database = *table->database;
  NORI_ASSIGN_OR_RETURN(const SnapshotRef view, database.AcquireView());
  const auto release =
      absl::MakeCleanup([&database] { database.ReleaseView(); });
  uint64_t rows = 0;
  NORI_RETURN_IF_ERROR(CheckRows(*table, view, go_on, &rows));
  // Entries are different for different rows, so counting finds any other.
  for (const auto& index : table->layout.indexes) {
    uint64_t entries = 0;
    const auto it =
        database.NewIterator(view, {index->prefix, index->prefix_end});
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      if (entries++ % kStepsPerQuestion == 0) NORI_RETURN_IF_ERROR(go_on());
    }
    NORI_RETURN_IF_ERROR(it->status());
    if (entries != rows) return Difference(*table, *index, "too many entries");
  }
  return absl::OkStatus();
}

}  // namespace nori
