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

void Cursor::Close() {
  iterator_.reset();
  pinned_.Set({}, nullptr, nullptr);
  view_.reset();
  ranges_.clear();
  if (point_key_.capacity() > kKeptKeyBytes) std::string().swap(point_key_);
  eof_ = true;
  row_parsed_ = false;
  if (opened_) table_->database->ReleaseView();
  opened_ = false;
}

absl::Status Cursor::Open() {
  NORI_RETURN_IF_ERROR(table_->EnsureOpen());
  NORI_ASSIGN_OR_RETURN(view_, table_->database->AcquireView());
  opened_ = true;
  return absl::OkStatus();
}

absl::Status Cursor::LookUp() {
  Database& database = *table_->database;
  absl::StatusOr<bool> found =
      database.transaction() != nullptr
          ? database.transaction()->Get(point_key_, &pinned_)
          : database.engine()->Get({.snapshot = view_}, point_key_, &pinned_);
  NORI_RETURN_IF_ERROR(found.status());
  eof_ = !*found;
  return absl::OkStatus();
}

absl::Status Cursor::Scan() {
  Database& database = *table_->database;
  IterateOptions options;
  options.snapshot = view_;
  options.bounds = ranges_[range_];
  iterator_ = database.transaction() != nullptr
                  ? database.transaction()->NewIterator(options)
                  : database.engine()->NewIterator(options);
  if (reverse_) {
    iterator_->SeekToLast();
  } else {
    iterator_->SeekToFirst();
  }
  return iterator_->status();
}

absl::Status Cursor::Filter(int plan_number, sqlite3_value** argv) {
  const Plan plan = Plan::Decode(plan_number);
  iterator_.reset();
  row_parsed_ = false;
  eof_ = true;
  reverse_ = plan.reverse;
  const BoundKind kind = BindPoint(table_->layout, plan, argv, &point_key_);
  point_ = kind == BoundKind::kPoint;
  if (kind == BoundKind::kEmpty) return absl::OkStatus();
  if (kind == BoundKind::kRange) {
    ranges_ = BindRanges(table_->layout, plan, argv);
    if (ranges_.empty()) return absl::OkStatus();
  }
  // Opened inside a write transaction that has ended since.
  if (view_ == nullptr && table_->database->transaction() == nullptr) {
    NORI_ASSIGN_OR_RETURN(view_, table_->database->AcquireView());
    table_->database->ReleaseView();
  }
  if (point_) return LookUp();
  range_ = reverse_ ? ranges_.size() - 1 : 0;
  NORI_RETURN_IF_ERROR(Scan());
  return Settle();
}

absl::Status Cursor::Settle() {
  row_parsed_ = false;
  while (!iterator_->Valid()) {
    NORI_RETURN_IF_ERROR(iterator_->status());
    eof_ = range_ == (reverse_ ? 0 : ranges_.size() - 1);
    if (eof_) return absl::OkStatus();
    range_ += reverse_ ? size_t{0} - 1 : 1;
    NORI_RETURN_IF_ERROR(Scan());
  }
  eof_ = false;
  return absl::OkStatus();
}

absl::Status Cursor::Next() {
  if (point_) {
    eof_ = true;
    return absl::OkStatus();
  }
  if (reverse_) {
    iterator_->Prev();
  } else {
    iterator_->Next();
  }
  return Settle();
}

absl::Status Cursor::ParseRow() {
  if (row_parsed_) return absl::OkStatus();
  NORI_RETURN_IF_ERROR(point_
                           ? row_.Reset(point_key_, pinned_.view())
                           : row_.Reset(iterator_->key(), iterator_->value()));
  row_parsed_ = true;
  return absl::OkStatus();
}

absl::Status Cursor::Column(sqlite3_context* context, int column) {
  NORI_RETURN_IF_ERROR(ParseRow());
  if (column == static_cast<int>(table_->layout.schema.columns.size())) {
    ResultOfValue(context, Value::Blob(row_.key()));
    return absl::OkStatus();
  }
  if (table_->rereads_on_update() && sqlite3_vtab_nochange(context)) {
    return absl::OkStatus();
  }
  Value value;
  NORI_RETURN_IF_ERROR(row_.Column(column, &value));
  if (value.bytes.size() >= kCarriedBytes && sqlite3_vtab_nochange(context)) {
    return absl::OkStatus();
  }
  ResultOfValue(context, value);
  return absl::OkStatus();
}

absl::Status Cursor::Rowid(sqlite3_int64* rowid) {
  NORI_RETURN_IF_ERROR(ParseRow());
  NORI_ASSIGN_OR_RETURN(const int64_t value, row_.Rowid());
  *rowid = value;
  return absl::OkStatus();
}

}  // namespace nori
