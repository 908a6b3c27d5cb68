#include "engine/core/write_set.h"

#include <algorithm>

#include "absl/base/macros.h"
#include "absl/strings/str_cat.h"
#include "engine/core/commit_record.h"
#include "engine/format/checksum.h"
#include "engine/format/status_macros.h"
#include "engine/iterators/merging_iterator.h"

namespace nori {

WriteSet::~WriteSet() {
  if (!owns_tables_) return;
  for (const SpilledTable& spilled : tables_spilled_) {
    tables_->MarkObsolete(spilled.table->meta.number);
  }
}

uint64_t WriteSet::live_changes() const {
  uint64_t live = last_;
  for (const auto& [first, last] : hidden_) live -= last - first + 1;
  return live;
}

std::vector<WriteSet::Interval>::const_iterator WriteSet::HiddenInterval(
    SequenceNumber n) const {
  const auto it = std::partition_point(
      hidden_.begin(), hidden_.end(),
      [n](const Interval& interval) { return interval.second < n; });
  return it != hidden_.end() && it->first <= n ? it : hidden_.end();
}

bool WriteSet::Hidden(SequenceNumber n) const {
  return HiddenInterval(n) != hidden_.end();
}

absl::Status WriteSet::Put(std::string_view key, std::string_view value) {
  NORI_RETURN_IF_ERROR(CheckKeySize(key));
  NORI_RETURN_IF_ERROR(CheckValueSize(value));
  memtable_->Add(++last_, EntryKind::kPut, key, value, &hint_);
  return AfterChange();
}

absl::Status WriteSet::Delete(std::string_view key) {
  NORI_RETURN_IF_ERROR(CheckKeySize(key));
  memtable_->Add(++last_, EntryKind::kDelete, key, {}, &hint_);
  return AfterChange();
}

absl::Status WriteSet::DeleteRange(std::string_view begin,
                                   std::string_view end) {
  NORI_RETURN_IF_ERROR(CheckKeySize(begin));
  NORI_RETURN_IF_ERROR(CheckKeySize(end));
  if (begin >= end) return absl::OkStatus();
  ranges_.push_back({std::string(begin), std::string(end), ++last_});
  range_set_ = std::make_shared<RangeTombstoneSet>(ranges_);
  return absl::OkStatus();
}

absl::Status WriteSet::AfterChange() {
  if (memtable_->MemoryUsage() < options_.transaction_spill_bytes) {
    return absl::OkStatus();
  }
  return SpillMemtable();
}

absl::Status WriteSet::RollbackTo(uint64_t mark) {
  ABSL_ASSERT(mark <= last_);
  if (mark == last_) return absl::OkStatus();
  while (!tables_spilled_.empty() && tables_spilled_.back().first > mark) {
    tables_->MarkObsolete(tables_spilled_.back().table->meta.number);
    tables_spilled_.pop_back();
  }
  if (!tables_spilled_.empty() && tables_spilled_.back().last > mark) {
    NORI_RETURN_IF_ERROR(RewriteSpilled(tables_spilled_.size() - 1, mark));
  }
  while (!hidden_.empty() && hidden_.back().first > mark) hidden_.pop_back();
  if (!hidden_.empty() && hidden_.back().second >= mark) {
    hidden_.back().second = last_;
  } else {
    hidden_.emplace_back(mark + 1, last_);
  }
  if (std::erase_if(ranges_, [mark](const RangeTombstone& t) {
        return t.sequence > mark;
      }) > 0) {
    range_set_ = std::make_shared<RangeTombstoneSet>(ranges_);
  }
  return absl::OkStatus();
}

absl::Status WriteSet::LookUpTables(std::string_view key,
                                    PointLookup* result) const {
  const uint64_t hash = HashKey(key);
  for (auto it = tables_spilled_.rbegin(); it != tables_spilled_.rend(); ++it) {
    NORI_RETURN_IF_ERROR(
        it->table->reader->Get(key, hash, kMaxSequence, result));
    if (result->found) break;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<WriteSet::Verdict>> WriteSet::Get(
    std::string_view key, PointLookup* result) const {
  const SequenceNumber covered =
      ranges_.empty() ? 0 : range_set_->Covering(key, kMaxSequence);
  *result = memtable_->Get(key, kMaxSequence);
  while (result->found) {
    const auto interval = HiddenInterval(TrailerSequence(result->trailer));
    if (interval == hidden_.end()) break;
    *result = memtable_->Get(key, interval->first - 1);
  }
  if (!result->found && !tables_spilled_.empty()) {
    NORI_RETURN_IF_ERROR(LookUpTables(key, result));
  }
  if (!result->found) {
    if (covered == 0) return std::nullopt;
    return Verdict::kDeleted;
  }
  const bool live = TrailerKind(result->trailer) == EntryKind::kPut &&
                    TrailerSequence(result->trailer) > covered;
  return live ? Verdict::kPut : Verdict::kDeleted;
}

std::vector<TombstoneLayer> WriteSet::Layers() const {
  if (ranges_.empty()) return {};
  return {{range_set_, KeyRange{}}};
}

std::unique_ptr<Iterator> WriteSet::NewIterator(std::unique_ptr<Iterator> base,
                                                const KeyRange& bounds) const {
  struct KeepAlive {
    std::shared_ptr<Memtable> memtable;
    std::vector<TableRef> tables;
  };
  auto keep = std::make_shared<KeepAlive>();
  keep->memtable = memtable_;
  std::vector<std::unique_ptr<EntryIterator>> parts;
  parts.push_back(memtable_->NewIterator());
  for (auto it = tables_spilled_.rbegin(); it != tables_spilled_.rend(); ++it) {
    parts.push_back(it->table->reader->NewIterator());
    keep->tables.push_back(it->table);
  }
  return NewOverlayIterator(NewMergingIterator(std::move(parts)), Layers(),
                            last_, hidden_, std::move(base), bounds,
                            std::move(keep));
}

absl::StatusOr<std::string> WriteSet::EncodeChanges() const {
  ABSL_ASSERT(!spilled());
  std::string changes;
  for (const RangeTombstone& range : ranges_) {
    EncodeDeleteRange(&changes, range.begin, range.end);
  }
  const std::unique_ptr<EntryIterator> it = memtable_->NewIterator();
  // Views into a memtable stay valid, so the key needs no copy.
  std::string_view decided;
  bool any = false;
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    const SequenceNumber n = TrailerSequence(it->trailer());
    if ((any && it->user_key() == decided) || Hidden(n)) continue;
    decided = it->user_key();
    any = true;
    // Range deletes come first in the list, so what they cover has to go here.
    if (!ranges_.empty() && range_set_->Covering(decided, kMaxSequence) > n) {
      continue;
    }
    if (TrailerKind(it->trailer()) == EntryKind::kPut) {
      EncodePut(&changes, decided, it->value());
    } else {
      EncodeDelete(&changes, decided);
    }
  }
  NORI_RETURN_IF_ERROR(it->status());
  return changes;
}

absl::StatusOr<TableMeta> WriteSet::WriteTable(
    std::unique_ptr<EntryIterator> entries, SequenceNumber first,
    SequenceNumber last) {
  NORI_ASSIGN_OR_RETURN(auto file, tables_->NewFile());
  const uint64_t number = file.first;
  const TableWriterOptions table_options = TableStore::WriterOptions(options_);
  const auto write = [&]() -> absl::StatusOr<TableProperties> {
    const auto writer =
        TableWriter::Create(table_options, std::move(file.second));
    for (entries->SeekToFirst(); entries->Valid(); entries->Next()) {
      const SequenceNumber n = TrailerSequence(entries->trailer());
      if (n < first || n > last || Hidden(n)) continue;
      NORI_RETURN_IF_ERROR(writer->Add(entries->user_key(), entries->trailer(),
                                       entries->value()));
    }
    NORI_RETURN_IF_ERROR(entries->status());
    for (const RangeTombstone& range : ranges_) {
      if (range.sequence < first || range.sequence > last) continue;
      NORI_RETURN_IF_ERROR(writer->AddRangeTombstone(range));
    }
    return writer->Finish();
  };
  absl::StatusOr<TableProperties> properties = write();
  if (!properties.ok()) {
    tables_->Discard(number);
    return properties.status();
  }
  return MetaFromProperties(number, *properties, options_.compression);
}

absl::Status WriteSet::SpillMemtable() {
  const SequenceNumber first = memtable_first_;
  NORI_ASSIGN_OR_RETURN(const TableMeta meta,
                        WriteTable(memtable_->NewIterator(), first, last_));
  if (meta.entries + meta.range_deletions > 0) {
    NORI_ASSIGN_OR_RETURN(TableRef table, tables_->Open(meta));
    tables_spilled_.push_back({std::move(table), first, last_});
  } else {
    tables_->Discard(meta.number);
  }
  memtable_ = std::make_shared<Memtable>();
  hint_ = Memtable::Hint();
  memtable_first_ = last_ + 1;
  return absl::OkStatus();
}

absl::Status WriteSet::RewriteSpilled(size_t index, SequenceNumber mark) {
  SpilledTable& spilled = tables_spilled_[index];
  NORI_ASSIGN_OR_RETURN(
      const TableMeta meta,
      WriteTable(spilled.table->reader->NewIterator(), spilled.first, mark));
  const uint64_t old_number = spilled.table->meta.number;
  if (meta.entries + meta.range_deletions > 0) {
    NORI_ASSIGN_OR_RETURN(spilled.table, tables_->Open(meta));
    spilled.last = mark;
  } else {
    tables_->Discard(meta.number);
    tables_spilled_.erase(tables_spilled_.begin() +
                          static_cast<ptrdiff_t>(index));
  }
  tables_->MarkObsolete(old_number);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<TableMeta>> WriteSet::SpillAll() {
  if (last_ >= memtable_first_) NORI_RETURN_IF_ERROR(SpillMemtable());
  std::vector<TableMeta> metas;
  for (const SpilledTable& spilled : tables_spilled_) {
    metas.push_back(spilled.table->meta);
  }
  return metas;
}

}  // namespace nori
