#include "vtab/cursor.h"

#include <algorithm>
#include <utility>

#include "engine/format/status_macros.h"
#include "vtab/error_map.h"
#include "vtab/key_codec.h"
#include "vtab/sqlite_value.h"
#include "vtab/virtual_table.h"

namespace nori {
namespace {

// Values at least this long are not read for an UPDATE that leaves them alone:
// fetching the old row is then cheaper than carrying them through SQLite.
constexpr size_t kCarriedBytes = 256;

// Of one table, closed: a join of a table with itself has several at once.
constexpr size_t kSpareCursors = 4;
// A spare does not keep a key longer than this.
constexpr size_t kKeptKeyBytes = 4096;

// Keys to look up one by one: more of them, made of several lists, are walked
// instead, since of the products of lists most may not be there.
constexpr size_t kMaxProducts = 64;

// Rows that are stepped over before a seek past those like one.
constexpr int kPrefixSteps = 4;

}  // namespace

absl::StatusOr<Cursor*> VirtualTable::OpenCursor() {
  std::unique_ptr<Cursor> cursor;
  if (spare_cursors_.empty()) {
    cursor = std::make_unique<Cursor>(this);
  } else {
    cursor = std::move(spare_cursors_.back());
    spare_cursors_.pop_back();
  }
  NORI_RETURN_IF_ERROR(cursor->Open());
  return cursor.release();
}

void VirtualTable::CloseCursor(Cursor* cursor) {
  std::unique_ptr<Cursor> owned(cursor);
  owned->Close();
  if (spare_cursors_.size() < kSpareCursors) {
    spare_cursors_.push_back(std::move(owned));
  }
}

Cursor::Cursor(VirtualTable* table)
    : sqlite3_vtab_cursor{}, table_(table), row_(&table->layout) {}

void Cursor::Close() {
  iterator_.reset();
  reusable_ = scanned_before_ = false;
  row_iterator_.reset();
  pinned_.Set({}, nullptr, nullptr);
  row_value_.Set({}, nullptr, nullptr);
  view_.reset();
  as_of_.reset();
  sorted_.clear();
  if (walk_.begin().capacity() > kKeptKeyBytes) walk_ = KeyWalk();
  eof_ = true;
  entry_parsed_ = row_parsed_ = false;
  if (opened_) {
    FlushReport();
    table_->database->ReleaseView();
    table_->database->connection()->last_scan().CursorClosed();
  }
  plan_ = nullptr;
  opened_ = false;
}

absl::Status Cursor::Open() {
  NORI_RETURN_IF_ERROR(table_->EnsureOpen());
  NORI_ASSIGN_OR_RETURN(view_, table_->database->AcquireView());
  number_ = table_->database->connection()->last_scan().CursorOpened();
  opened_ = true;
  return absl::OkStatus();
}

void Cursor::FlushReport() {
  if (plan_ == nullptr) return;
  report_.cursor = number_;
  report_.table = table_->name;
  report_.plan = plan_->text;
  table_->database->connection()->last_scan().Add(report_);
  report_.filters = report_.rows = report_.lookups = 0;
  report_.read = ReadCounters();
}

Changes* Cursor::transaction() const {
  return as_of_ != nullptr ? nullptr : table_->database->transaction();
}

bool Cursor::HasOwnChanges() const {
  return transaction() != nullptr && !transaction()->empty();
}

absl::StatusOr<bool> Cursor::BindSnapshot(sqlite3_value* name) {
  const Value value = ValueOfSqlite(name);
  if (value.type == ValueType::kNull) return plan_->null_is_now;
  // SQLite has given it the column's affinity, but not to a blob.
  if (value.type != ValueType::kText) return false;
  as_of_name_ = value.bytes;
  absl::StatusOr<SnapshotRef> named =
      table_->database->engine()->NamedSnapshot(as_of_name_);
  if (!named.ok()) {
    return SqliteError(SQLITE_ERROR, std::string(named.status().message()));
  }
  as_of_ = *std::move(named);
  return true;
}

absl::Status Cursor::TakePath(uint32_t id) {
  path_ = table_->FindPath(id);
  if (path_ == nullptr) {
    return SqliteError(SQLITE_SCHEMA,
                       "an index that the statement uses was dropped");
  }
  if (path_->index == nullptr) {
    entry_.reset();
  } else {
    entry_.emplace(path_->index.get());
  }
  return absl::OkStatus();
}

absl::Status Cursor::Filter(int plan_number, sqlite3_value** argv) {
  const Plan* const plan = &table_->plans().Get(plan_number);
  if (!reusable_) iterator_.reset();
  row_iterator_.reset();
  sorted_.clear();
  entry_parsed_ = row_parsed_ = false;
  eof_ = true;
  if (plan != plan_) FlushReport();
  plan_ = nullptr;
  if (path_ == nullptr || path_ != table_->FindPath(plan->index)) {
    iterator_.reset();
    reusable_ = scanned_before_ = false;
    NORI_RETURN_IF_ERROR(TakePath(plan->index));
  }
  plan_ = plan;
  ++report_.filters;
  reverse_ = plan_->reverse;
  as_of_.reset();
  if (table_->truncating) return table_->Truncate();
  if (plan_->as_of != kNoArgument) {
    NORI_ASSIGN_OR_RETURN(const bool possible,
                          BindSnapshot(argv[plan_->as_of]));
    if (!possible) return absl::OkStatus();
  }
  table_->last_used_snapshot = as_of_ != nullptr;
  const BoundKind kind = walk_.Bind(*path_, *plan_, argv);
  if (kind == BoundKind::kEmpty) return absl::OkStatus();
  // Opened inside a write transaction that has ended since.
  if (view_ == nullptr && table_->database->transaction() == nullptr) {
    NORI_ASSIGN_OR_RETURN(view_, table_->database->AcquireView());
    table_->database->ReleaseView();
  }
  NORI_RETURN_IF_ERROR(Start(kind, argv));
  if (!eof_) ++report_.rows;
  return absl::OkStatus();
}

absl::Status Cursor::Start(BoundKind kind, sqlite3_value** argv) {
  if (entry_.has_value() && !plan_->covering && HasOwnChanges()) {
    IterateOptions options;
    options.bounds = {table_->layout.prefix, table_->layout.prefix_end};
    options.counters = &report_.read;
    row_iterator_ = table_->database->transaction()->NewIterator(options);
  }
  const bool points = kind == BoundKind::kPoint || kind == BoundKind::kPoints;
  const bool walk_points =
      kind == BoundKind::kPoints &&
      (HasOwnChanges() || walk_.CountsMoreThan(kMaxProducts));
  if (walk_points) walk_.TurnIntoRanges();
  walk_.Start(reverse_);
  if (points && !walk_points) {
    mode_ = Mode::kPoints;
    NORI_RETURN_IF_ERROR(FindPoint());
  } else if (walk_.widened() && !plan_->order.empty()) {
    mode_ = Mode::kSorted;
    NORI_RETURN_IF_ERROR(Gather());
  } else if (kind == BoundKind::kRange) {
    mode_ = Mode::kRange;
    NORI_RETURN_IF_ERROR(OpenIterator(walk_.begin(), walk_.end()));
    reverse_ ? iterator_->SeekToLast() : iterator_->SeekToFirst();
    NORI_RETURN_IF_ERROR(Settle());
  } else {
    mode_ = Mode::kRanges;
    const KeyRange hull = walk_.Hull();
    NORI_RETURN_IF_ERROR(OpenIterator(hull.begin, hull.end));
    walk_.Start(reverse_);
    reverse_ ? iterator_->SeekToLast() : iterator_->SeekToFirst();
    NORI_RETURN_IF_ERROR(Settle());
  }
  if (plan_->offset == kNoArgument) return absl::OkStatus();
  return Pass(argv[plan_->offset]);
}

bool Cursor::ReuseIterator(const std::string& begin, const std::string& end) {
  if (!reusable_ || transaction() != nullptr || as_of_ != nullptr ||
      !iterator_->Narrow(begin, end)) {
    return false;
  }
  table_->database->engine()->CountScan(begin);
  return true;
}

// The inner table of a join is scanned again and again: from the second time
// on, by one iterator.
absl::Status Cursor::OpenIterator(const std::string& begin,
                                  const std::string& end) {
  if (ReuseIterator(begin, end)) return absl::OkStatus();
  IterateOptions options;
  options.snapshot = snapshot();
  options.bounds = {begin, end};
  options.counters = &report_.read;
  reusable_ = scanned_before_ && transaction() == nullptr && as_of_ == nullptr;
  if (reusable_) options.bounds = {path_->prefix, path_->prefix_end};
  iterator_ = transaction() != nullptr
                  ? transaction()->NewIterator(options)
                  : table_->database->engine()->NewIterator(options);
  reusable_ = reusable_ && iterator_->Narrow(begin, end);
  scanned_before_ = true;
  return iterator_->status();
}

absl::StatusOr<bool> Cursor::Get(const std::string& key, PinnedValue* value) {
  ++report_.lookups;
  if (transaction() != nullptr) {
    return transaction()->Get(key, value, &report_.read);
  }
  return table_->database->engine()->Get(
      {.snapshot = snapshot(), .counters = &report_.read}, key, value);
}

absl::Status Cursor::FindPoint() {
  do {
    NORI_ASSIGN_OR_RETURN(const bool found, Get(walk_.begin(), &pinned_));
    eof_ = !found;
  } while (eof_ && walk_.Advance());
  return absl::OkStatus();
}

absl::Status Cursor::Settle() {
  entry_parsed_ = row_parsed_ = false;
  if (mode_ == Mode::kRanges) return SettleInRanges();
  eof_ = !iterator_->Valid();
  return eof_ ? iterator_->status() : absl::OkStatus();
}

void Cursor::SeekIntoRange() {
  if (!reverse_) {
    iterator_->Seek(walk_.begin());
    return;
  }
  iterator_->SeekForPrev(walk_.end());
  if (iterator_->Valid() && iterator_->key() == walk_.end()) iterator_->Prev();
}

absl::Status Cursor::SettleInRanges() {
  eof_ = true;
  while (iterator_->Valid()) {
    if (walk_.Contains(iterator_->key())) {
      const size_t misfit = walk_.Misfit(iterator_->key());
      if (misfit > 0) {
        PassPrefix(misfit, /*inside=*/true);
        continue;
      }
      eof_ = false;
      return absl::OkStatus();
    }
    if (!walk_.SkipTo(iterator_->key())) return absl::OkStatus();
    if (!walk_.Contains(iterator_->key())) SeekIntoRange();
  }
  return iterator_->status();
}

void Cursor::Step() {
  if (reverse_) {
    iterator_->Prev();
  } else {
    iterator_->Next();
  }
}

absl::Status Cursor::Next() {
  table_->last_used_snapshot = as_of_ != nullptr;
  switch (mode_) {
    case Mode::kPoints:
      entry_parsed_ = row_parsed_ = false;
      eof_ = !walk_.Advance();
      if (!eof_) NORI_RETURN_IF_ERROR(FindPoint());
      break;
    case Mode::kSorted:
      ++sorted_at_;
      NORI_RETURN_IF_ERROR(FindSorted());
      break;
    case Mode::kRange:
    case Mode::kRanges:
      if (plan_->distinct > 0) {
        NORI_RETURN_IF_ERROR(PassDuplicates());
      } else {
        Step();
      }
      NORI_RETURN_IF_ERROR(Settle());
      break;
  }
  if (!eof_) ++report_.rows;
  return absl::OkStatus();
}

// Leaves the entries that agree with the one at hand in the plan's first
// columns.
absl::Status Cursor::PassDuplicates() {
  std::string_view rest = iterator_->key().substr(path_->prefix.size());
  for (size_t i = 0; i < plan_->distinct; ++i) {
    NORI_RETURN_IF_ERROR(
        SkipKeyColumn(&rest, path_->columns[i].key.descending));
  }
  PassPrefix(iterator_->key().size() - rest.size(), /*inside=*/false);
  return absl::OkStatus();
}

// Leaves the entries that agree with the one at hand in so many bytes. With
// `inside` only those in the range at hand: in another one they may match.
void Cursor::PassPrefix(size_t bytes, bool inside) {
  prefix_.assign(iterator_->key().substr(0, bytes));
  const auto agrees = [this, inside] {
    return iterator_->Valid() && iterator_->key().starts_with(prefix_) &&
           (!inside || walk_.Contains(iterator_->key()));
  };
  for (int i = 0; i < kPrefixSteps && agrees(); ++i) Step();
  if (!agrees()) return;
  if (reverse_) {
    iterator_->SeekForPrev(inside ? std::max(prefix_, walk_.begin()) : prefix_);
    if (agrees()) iterator_->Prev();
    return;
  }
  const std::string end = PrefixSuccessor(prefix_);
  const bool ends_first = inside && !walk_.end().empty() && walk_.end() < end;
  iterator_->Seek(ends_first ? walk_.end() : end);
}

absl::Status Cursor::Gather() {
  reverse_ = false;
  mode_ = Mode::kRanges;
  const KeyRange hull = walk_.Hull();
  NORI_RETURN_IF_ERROR(OpenIterator(hull.begin, hull.end));
  walk_.Start(/*reverse=*/false);
  iterator_->SeekToFirst();
  std::vector<std::pair<std::string, std::string>> rows;
  NORI_RETURN_IF_ERROR(Settle());
  while (!eof_) {
    std::string order;
    for (const Plan::OrderTerm& term : plan_->order) {
      std::string_view rest = iterator_->key().substr(path_->prefix.size());
      std::string_view from = rest;
      for (size_t i = 0; i <= term.position && !rest.empty(); ++i) {
        from = rest;
        NORI_RETURN_IF_ERROR(
            SkipKeyColumn(&rest, path_->columns[i].key.descending));
      }
      for (const char c : from.substr(0, from.size() - rest.size())) {
        order.push_back(term.inverted ? static_cast<char>(~c) : c);
      }
    }
    rows.emplace_back(std::move(order), iterator_->key());
    iterator_->Next();
    NORI_RETURN_IF_ERROR(Settle());
  }
  std::sort(rows.begin(), rows.end());
  for (auto& [order, key] : rows) sorted_.push_back(std::move(key));
  sorted_at_ = 0;
  mode_ = Mode::kSorted;
  return FindSorted();
}

absl::Status Cursor::FindSorted() {
  entry_parsed_ = row_parsed_ = false;
  eof_ = sorted_at_ == sorted_.size();
  if (eof_) return absl::OkStatus();
  iterator_->Seek(sorted_[sorted_at_]);
  if (iterator_->Valid()) return absl::OkStatus();
  eof_ = true;
  return iterator_->status();
}

// Passes over the rows of an OFFSET.
absl::Status Cursor::Pass(sqlite3_value* count) {
  for (sqlite3_int64 left = sqlite3_value_int64(count); left > 0 && !eof_;
       --left) {
    NORI_RETURN_IF_ERROR(Next());
  }
  return absl::OkStatus();
}

absl::Status Cursor::ParseEntry() {
  if (entry_parsed_) return absl::OkStatus();
  NORI_RETURN_IF_ERROR(entry_->Reset(entry_key(), entry_value()));
  entry_parsed_ = true;
  return absl::OkStatus();
}

absl::Status Cursor::LookUpRow() {
  NORI_RETURN_IF_ERROR(ParseEntry());
  entry_->RowKey(&row_key_);
  if (row_iterator_ == nullptr) {
    NORI_ASSIGN_OR_RETURN(const bool found, Get(row_key_, &row_value_));
    if (found) return row_.Reset(row_key_, row_value_.view());
  } else {
    row_iterator_->Seek(row_key_);
    NORI_RETURN_IF_ERROR(row_iterator_->status());
    if (row_iterator_->Valid() && row_iterator_->key() == row_key_) {
      return row_.Reset(row_key_, row_iterator_->value());
    }
  }
  return absl::DataLossError(
      "an index has an entry of a row that is not in the table");
}

absl::Status Cursor::ParseRow() {
  if (row_parsed_) return absl::OkStatus();
  NORI_RETURN_IF_ERROR(entry_.has_value()
                           ? LookUpRow()
                           : row_.Reset(entry_key(), entry_value()));
  row_parsed_ = true;
  return absl::OkStatus();
}

absl::Status Cursor::Column(sqlite3_context* context, int column) {
  const TableSchema& schema = table_->layout.schema;
  if (column == schema.snapshot_column()) {
    if (as_of_ != nullptr) ResultOfValue(context, Value::Text(as_of_name_));
    return absl::OkStatus();
  }
  const bool is_key = column == schema.key_column();
  if (!is_key && table_->rereads_on_update() &&
      sqlite3_vtab_nochange(context)) {
    return absl::OkStatus();
  }
  if (is_key) table_->last_used_snapshot = as_of_ != nullptr;
  Value value;
  if (entry_.has_value() && (is_key || path_->index->Covers(column))) {
    NORI_RETURN_IF_ERROR(ParseEntry());
    if (is_key) {
      value = Value::Blob(entry_->row_key());
    } else {
      NORI_RETURN_IF_ERROR(entry_->Column(column, &value));
    }
  } else {
    NORI_RETURN_IF_ERROR(ParseRow());
    if (is_key) {
      value = Value::Blob(row_.key());
    } else {
      NORI_RETURN_IF_ERROR(row_.Column(column, &value));
    }
  }
  if (!is_key && value.bytes.size() >= kCarriedBytes &&
      sqlite3_vtab_nochange(context)) {
    return absl::OkStatus();
  }
  ResultOfValue(context, value);
  return absl::OkStatus();
}

absl::Status Cursor::Rowid(sqlite3_int64* rowid) {
  if (table_->layout.schema.identity == RowIdentity::kKey) {
    // SQLite looks for a rowid where DELETE or UPDATE with LIMIT is the first
    // statement on a table that it has not connected yet. Prepared anew, as it
    // is for this code, the statement uses the key.
    return SqliteError(SQLITE_SCHEMA, "a table with a key has no rowid");
  }
  table_->last_used_snapshot = as_of_ != nullptr;
  if (entry_.has_value()) {
    NORI_RETURN_IF_ERROR(ParseEntry());
    NORI_ASSIGN_OR_RETURN(*rowid, entry_->Rowid());
    return absl::OkStatus();
  }
  NORI_RETURN_IF_ERROR(ParseRow());
  NORI_ASSIGN_OR_RETURN(*rowid, row_.Rowid());
  return absl::OkStatus();
}

}  // namespace nori
