#include <utility>

#include "engine/format/status_macros.h"
#include "vtab/error_map.h"
#include "vtab/key_codec.h"
#include "vtab/virtual_table.h"

namespace nori {
namespace {

// Values at least this long are not read for an UPDATE that leaves them alone:
// fetching the old row is then cheaper than carrying them through SQLite.
constexpr size_t kCarriedBytes = 256;

}  // namespace

Cursor::~Cursor() {
  iterator_.reset();
  if (opened_) table_->database->ReleaseView();
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
          ? database.transaction()->Get(bounds_.ranges[0].begin, &pinned_)
          : database.engine()->Get({.snapshot = view_}, bounds_.ranges[0].begin,
                                   &pinned_);
  NORI_RETURN_IF_ERROR(found.status());
  eof_ = !*found;
  return absl::OkStatus();
}

absl::Status Cursor::Scan() {
  Database& database = *table_->database;
  IterateOptions options;
  options.snapshot = view_;
  options.bounds = bounds_.ranges[range_];
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
  bounds_ = BindArguments(table_->layout, plan, argv);
  if (bounds_.ranges.empty()) return absl::OkStatus();
  // Opened inside a write transaction that has ended since.
  if (view_ == nullptr && table_->database->transaction() == nullptr) {
    NORI_ASSIGN_OR_RETURN(view_, table_->database->AcquireView());
    table_->database->ReleaseView();
  }
  if (bounds_.point) return LookUp();
  range_ = reverse_ ? bounds_.ranges.size() - 1 : 0;
  NORI_RETURN_IF_ERROR(Scan());
  return Settle();
}

absl::Status Cursor::Settle() {
  row_parsed_ = false;
  while (!iterator_->Valid()) {
    NORI_RETURN_IF_ERROR(iterator_->status());
    eof_ = range_ == (reverse_ ? 0 : bounds_.ranges.size() - 1);
    if (eof_) return absl::OkStatus();
    range_ += reverse_ ? size_t{0} - 1 : 1;
    NORI_RETURN_IF_ERROR(Scan());
  }
  eof_ = false;
  return absl::OkStatus();
}

absl::Status Cursor::Next() {
  if (bounds_.point) {
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
  NORI_RETURN_IF_ERROR(bounds_.point
                           ? row_.Reset(bounds_.ranges[0].begin, pinned_.view())
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
  NORI_ASSIGN_OR_RETURN(const Value value, row_.Column(column));
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
