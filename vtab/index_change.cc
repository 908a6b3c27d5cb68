#include "vtab/index_change.h"

#include "engine/format/status_macros.h"

namespace nori {

absl::Status StoredRow::LoadAll() {
  values_.resize(layout_->schema.columns.size());
  for (size_t i = 0; i < values_.size(); ++i) {
    NORI_RETURN_IF_ERROR(Column(i, &values_[i]));
  }
  return absl::OkStatus();
}

void IndexChange::Prepare(const StoredRow* before,
                          absl::Span<const Value> values,
                          std::string_view row_key) {
  is_update_ = before != nullptr;
  changes_.resize(layout_->indexes.size());
  std::string old_value;
  for (size_t i = 0; i < changes_.size(); ++i) {
    const IndexLayout& index = *layout_->indexes[i];
    Change& change = changes_[i];
    change.is_alone = index.AppendKey(values, row_key, &change.key);
    index.AppendValue(values, row_key, change.is_alone, &change.value);
    if (!is_update_) continue;
    const bool was_alone =
        index.AppendKey(before->values(), before->key(), &change.old_key);
    old_value.clear();
    index.AppendValue(before->values(), before->key(), was_alone, &old_value);
    change.same_key = change.key == change.old_key;
    change.same = change.same_key && change.value == old_value;
  }
}

absl::StatusOr<bool> IndexChange::FindConflict(size_t place,
                                               std::string* row_key) const {
  const Change& change = changes_[place];
  if (!change.is_alone || change.same_key) return false;
  PinnedValue found;
  NORI_ASSIGN_OR_RETURN(const bool taken,
                        transaction_->Get(change.key, &found));
  if (!taken) return false;
  IndexEntryView entry(layout_->indexes[place].get());
  NORI_RETURN_IF_ERROR(entry.Reset(change.key, found.view()));
  row_key->assign(entry.row_key());
  return true;
}

absl::Status IndexChange::Apply() const {
  for (const Change& change : changes_) {
    if (change.same) continue;
    if (is_update_ && !change.same_key) {
      NORI_RETURN_IF_ERROR(transaction_->Delete(change.old_key));
    }
  }
  for (const Change& change : changes_) {
    if (change.same) continue;
    NORI_RETURN_IF_ERROR(transaction_->Put(change.key, change.value));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> DeleteRow(const RowLayout& layout, std::string_view key,
                               Changes* transaction) {
  if (!layout.indexes.empty()) {
    PinnedValue value;
    NORI_ASSIGN_OR_RETURN(const bool found, transaction->Get(key, &value));
    if (!found) return false;
    StoredRow row(&layout);
    NORI_RETURN_IF_ERROR(row.Reset(key, value.view()));
    NORI_RETURN_IF_ERROR(row.LoadAll());
    std::string entry;
    for (const auto& index : layout.indexes) {
      entry.clear();
      index->AppendKey(row.values(), row.key(), &entry);
      NORI_RETURN_IF_ERROR(transaction->Delete(entry));
    }
  }
  NORI_RETURN_IF_ERROR(transaction->Delete(key));
  return true;
}

}  // namespace nori
