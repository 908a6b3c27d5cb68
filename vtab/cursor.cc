#include <algorithm>
#include <cmath>
#include <limits>
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

constexpr int64_t kMinRowid = std::numeric_limits<int64_t>::min();
constexpr int64_t kMaxRowid = std::numeric_limits<int64_t>::max();
constexpr double kTwoTo63 = 9223372036854775808.0;

// The rowids that satisfy a condition, both ends included.
struct RowidRange {
  int64_t first = kMinRowid;
  int64_t last = kMaxRowid;
  bool empty = false;

  void AtLeast(int64_t rowid) { first = std::max(first, rowid); }
  void AtMost(int64_t rowid) { last = std::min(last, rowid); }

  void RestrictToReal(double v, bool lower, bool upper, bool strict) {
    if (lower) {
      const double bound = strict ? std::floor(v) + 1 : std::ceil(v);
      // From 2^53 on, floor(v) + 1 may be v itself; such a v is an integer.
      if (v >= kTwoTo63) {
        empty = true;
      } else if (v >= -kTwoTo63) {
        if (strict && std::floor(v) == v) {
          After(static_cast<int64_t>(v));
        } else if (bound >= kTwoTo63) {
          empty = true;
        } else {
          AtLeast(static_cast<int64_t>(bound));
        }
      }
    }
    if (upper) {
      if (v < -kTwoTo63) {
        empty = true;
      } else if (v < kTwoTo63) {
        if (strict && std::floor(v) == v) {
          Before(static_cast<int64_t>(v));
        } else {
          AtMost(static_cast<int64_t>(std::floor(v)));
        }
      }
    }
    if (lower && upper && std::floor(v) != v) empty = true;
  }

  void After(int64_t rowid) {
    if (rowid == kMaxRowid) {
      empty = true;
    } else {
      AtLeast(rowid + 1);
    }
  }
  void Before(int64_t rowid) {
    if (rowid == kMinRowid) {
      empty = true;
    } else {
      AtMost(rowid - 1);
    }
  }

  // Applies one comparison; lower and upper both: equality.
  void Restrict(const Value& argument, bool lower, bool upper, bool strict) {
    std::string scratch;
    const Value v = ApplyAffinity(argument, Affinity::kNumeric, &scratch);
    switch (v.type) {
      case ValueType::kNull:
        empty = true;
        break;
      case ValueType::kInteger:
        if (lower) strict ? After(v.integer) : AtLeast(v.integer);
        if (upper) strict ? Before(v.integer) : AtMost(v.integer);
        break;
      case ValueType::kReal:
        RestrictToReal(v.real, lower, upper, strict);
        break;
      case ValueType::kText:  // above all numbers
      case ValueType::kBlob:
        if (lower) empty = true;
        break;
    }
  }
};

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

bool Cursor::BindRowid(const Plan& plan, sqlite3_value** argv) {
  RowidRange range;
  if (plan.equalities > 0) {
    range.Restrict(ValueOfSqlite(argv[0]), true, true, false);
  } else {
    if (plan.has_lower) {
      range.Restrict(ValueOfSqlite(*argv++), true, false, plan.lower_strict);
    }
    if (plan.has_upper) {
      range.Restrict(ValueOfSqlite(*argv), false, true, plan.upper_strict);
    }
  }
  if (range.empty || range.first > range.last) return false;
  EncodeRowid(range.first, &bounds_.begin);
  if (range.last == kMaxRowid) {
    bounds_.end = table_->layout.prefix_end;
  } else {
    bounds_.end = table_->layout.prefix;
    EncodeRowid(range.last + 1, &bounds_.end);
  }
  point_ = range.first == range.last;
  return true;
}

bool Cursor::BindKey(const Plan& plan, sqlite3_value** argv) {
  const TableSchema& schema = table_->layout.schema;
  std::string scratch;
  for (int i = 0; i < plan.equalities; ++i) {
    const KeyColumn& key = schema.key[static_cast<size_t>(i)];
    const Affinity affinity =
        schema.columns[static_cast<size_t>(key.column)].affinity;
    Value value = ValueOfSqlite(argv[i]);
    if (value.type == ValueType::kNull) return false;
    const bool number =
        value.type == ValueType::kInteger || value.type == ValueType::kReal;
    if (affinity == Affinity::kText) {
      // The number may come from a numeric column, and then the comparison is
      // one of numbers: any text could match, and SQLite will look.
      if (number && !plan.relies_on_equalities) {
        bounds_.end = PrefixSuccessor(bounds_.begin);
        return true;
      }
      value = ApplyAffinity(value, Affinity::kText, &scratch);
    } else if (affinity != Affinity::kBlob) {
      value = ApplyAffinity(value, Affinity::kNumeric, &scratch);
    }
    EncodeKeyColumn(value, key.collation, key.descending, &bounds_.begin);
  }
  bounds_.end = PrefixSuccessor(bounds_.begin);
  point_ = plan.equalities == static_cast<int>(schema.key.size());
  return point_ || BindRange(plan, argv + plan.equalities);
}

bool Cursor::BindRange(const Plan& plan, sqlite3_value** argv) {
  if (!plan.has_lower && !plan.has_upper) return true;
  const TableSchema& schema = table_->layout.schema;
  const KeyColumn& key = schema.key[static_cast<size_t>(plan.equalities)];
  const Affinity affinity =
      schema.columns[static_cast<size_t>(key.column)].affinity;
  const std::string prefix = bounds_.begin;
  std::string scratch;
  for (const bool is_lower : {true, false}) {
    if (is_lower ? !plan.has_lower : !plan.has_upper) continue;
    const bool strict = is_lower ? plan.lower_strict : plan.upper_strict;
    Value value = ValueOfSqlite(*argv++);
    if (value.type == ValueType::kNull) return false;
    if (affinity == Affinity::kText) {
      if (value.type == ValueType::kInteger || value.type == ValueType::kReal) {
        continue;  // as for equality
      }
    } else if (affinity != Affinity::kBlob) {
      value = ApplyAffinity(value, Affinity::kNumeric, &scratch);
    }
    std::string bound = prefix;
    EncodeKeyColumn(value, key.collation, key.descending, &bound);
    // The keys of a value are those that begin with its encoding; a descending
    // column turns a lower bound into an upper one.
    const bool begins = is_lower != key.descending;
    if (begins) {
      bounds_.begin = strict ? PrefixSuccessor(bound) : std::move(bound);
    } else {
      bounds_.end = strict ? std::move(bound) : PrefixSuccessor(bound);
    }
  }
  return bounds_.begin < bounds_.end;
}

absl::Status Cursor::LookUp() {
  Database& database = *table_->database;
  absl::StatusOr<bool> found =
      database.transaction() != nullptr
          ? database.transaction()->Get(bounds_.begin, &pinned_)
          : database.engine()->Get({.snapshot = view_}, bounds_.begin,
                                   &pinned_);
  NORI_RETURN_IF_ERROR(found.status());
  eof_ = !*found;
  return absl::OkStatus();
}

absl::Status Cursor::Scan() {
  Database& database = *table_->database;
  IterateOptions options;
  options.snapshot = view_;
  options.bounds = bounds_;
  iterator_ = database.transaction() != nullptr
                  ? database.transaction()->NewIterator(options)
                  : database.engine()->NewIterator(options);
  if (reverse_) {
    iterator_->SeekToLast();
  } else {
    iterator_->SeekToFirst();
  }
  return Settle();
}

absl::Status Cursor::Filter(int plan_number, int argc, sqlite3_value** argv) {
  static_cast<void>(argc);
  const Plan plan = Plan::Decode(plan_number);
  iterator_.reset();
  row_parsed_ = false;
  point_ = false;
  eof_ = true;
  reverse_ = plan.reverse;
  bounds_.begin = table_->layout.prefix;
  bounds_.end = table_->layout.prefix_end;
  const bool possible = table_->has_rowid() ? BindRowid(plan, argv)
                                            : BindKey(plan, argv);
  if (!possible) return absl::OkStatus();
  // Opened inside a write transaction that has ended since.
  if (view_ == nullptr && table_->database->transaction() == nullptr) {
    NORI_ASSIGN_OR_RETURN(view_, table_->database->AcquireView());
    table_->database->ReleaseView();
  }
  return point_ ? LookUp() : Scan();
}

absl::Status Cursor::Settle() {
  row_parsed_ = false;
  eof_ = !iterator_->Valid();
  return eof_ ? iterator_->status() : absl::OkStatus();
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
  NORI_RETURN_IF_ERROR(
      point_ ? row_.Reset(bounds_.begin, pinned_.view())
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
