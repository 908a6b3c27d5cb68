#include "vtab/key_bounds.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "vtab/key_codec.h"
#include "vtab/sqlite_value.h"

namespace nori {
namespace {

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

// Where the values of one type lie among the keys that begin with `prefix`.
KeyRange NumbersIn(const std::string& prefix, bool descending) {
  std::string edge = prefix;
  EncodeKeyColumn(Value::Text(""), Collation::kBinary, descending, &edge);
  if (!descending) return {prefix, std::move(edge)};
  return {PrefixSuccessor(edge), PrefixSuccessor(prefix)};
}

KeyRange TextsIn(const std::string& prefix, bool descending) {
  std::string text = prefix, blob = prefix;
  EncodeKeyColumn(Value::Text(""), Collation::kBinary, descending, &text);
  EncodeKeyColumn(Value::Blob(""), Collation::kBinary, descending, &blob);
  if (!descending) return {std::move(text), std::move(blob)};
  return {PrefixSuccessor(blob), PrefixSuccessor(text)};
}

bool IsNumber(const Value& value) {
  return value.type == ValueType::kInteger || value.type == ValueType::kReal;
}

Affinity AffinityOf(const TableSchema& schema, const KeyColumn& key) {
  return schema.columns[static_cast<size_t>(key.column)].affinity;
}

// The argument as the column's values compare with it if it has no affinity of
// its own. `*scratch` owns the bytes of a number that became text.
Value Convert(const Value& argument, Affinity affinity, std::string* scratch) {
  if (affinity == Affinity::kBlob) return argument;
  return ApplyAffinity(
      argument,
      affinity == Affinity::kText ? Affinity::kText : Affinity::kNumeric,
      scratch);
}

// An argument that comes from a column of another affinity makes SQLite convert
// the values of this column as well, so that values of the other type may
// match. SQLite checks those rows itself. Where the order of rows depends on
// the equality, that is left out.
bool Widens(const Plan& plan, const Value& argument, Affinity affinity) {
  if (!plan.mixed_affinities || plan.relies_on_equalities) return false;
  if (IsNumber(argument)) {
    return affinity == Affinity::kBlob || affinity == Affinity::kText;
  }
  if (affinity != Affinity::kBlob || argument.type != ValueType::kText) {
    return false;
  }
  std::string scratch;
  return IsNumber(ApplyAffinity(argument, Affinity::kNumeric, &scratch));
}

// Binds the arguments of a table with key columns.
class KeyBinder {
 public:
  KeyBinder(const RowLayout& layout, const Plan& plan)
      : schema_(layout.schema),
        plan_(plan),
        range_{layout.prefix, layout.prefix_end} {}

  KeyRanges Run(sqlite3_value** arguments) {
    for (int i = 0; i < plan_.equalities; ++i) {
      if (!BindEquality(i, ValueOfSqlite(*arguments++))) return {};
    }
    const bool whole = plan_.equalities == static_cast<int>(schema_.key.size());
    if (!whole && !BindRange(arguments)) return {};
    if (range_.begin < range_.end) others_.push_back(std::move(range_));
    return Join();
  }

 private:
  const KeyColumn& Key(int position) const {
    return schema_.key[static_cast<size_t>(position)];
  }

  bool BindEquality(int position, const Value& argument) {
    if (argument.type == ValueType::kNull) return false;
    const KeyColumn& key = Key(position);
    const Affinity affinity = AffinityOf(schema_, key);
    if (Widens(plan_, argument, affinity)) AddOthers(key, argument);
    EncodeKeyColumn(Convert(argument, affinity, &scratch_), key.collation,
                    key.descending, &range_.begin);
    range_.end = PrefixSuccessor(range_.begin);
    return true;
  }

  // Where values of the other type lie that may equal the argument.
  void AddOthers(const KeyColumn& key, const Value& argument) {
    const std::string& prefix = range_.begin;
    if (IsNumber(argument)) {
      others_.push_back(TextsIn(prefix, key.descending));
      return;
    }
    const Value number = ApplyAffinity(argument, Affinity::kNumeric, &scratch_);
    KeyRange range{prefix, ""};
    EncodeKeyColumn(number, key.collation, key.descending, &range.begin);
    range.end = PrefixSuccessor(range.begin);
    others_.push_back(std::move(range));
  }

  bool BindRange(sqlite3_value** arguments) {
    if (!plan_.has_lower && !plan_.has_upper) return true;
    const KeyColumn& key = Key(plan_.equalities);
    const Affinity affinity = AffinityOf(schema_, key);
    const std::string prefix = range_.begin;
    for (const bool is_lower : {true, false}) {
      if (is_lower ? !plan_.has_lower : !plan_.has_upper) continue;
      const bool strict = is_lower ? plan_.lower_strict : plan_.upper_strict;
      const Value argument = ValueOfSqlite(*arguments++);
      if (argument.type == ValueType::kNull) return false;
      // The order stays as it is: the other types are where they belong.
      if (plan_.mixed_affinities && IsNumber(argument) &&
          (affinity == Affinity::kBlob || affinity == Affinity::kText)) {
        others_.push_back(TextsIn(prefix, key.descending));
      }
      if (plan_.mixed_affinities && affinity == Affinity::kBlob &&
          argument.type == ValueType::kText) {
        others_.push_back(NumbersIn(prefix, key.descending));
      }
      std::string bound = prefix;
      EncodeKeyColumn(Convert(argument, affinity, &scratch_), key.collation,
                      key.descending, &bound);
      // The keys of a value are those that begin with its encoding; a
      // descending column turns a lower bound into an upper one.
      if (is_lower != key.descending) {
        range_.begin = strict ? PrefixSuccessor(bound) : std::move(bound);
      } else {
        range_.end = strict ? std::move(bound) : PrefixSuccessor(bound);
      }
    }
    return range_.begin < range_.end || !others_.empty();
  }

  // Sorts what was collected and joins what overlaps.
  KeyRanges Join() {
    KeyRanges ranges;
    std::sort(
        others_.begin(), others_.end(),
        [](const KeyRange& a, const KeyRange& b) { return a.begin < b.begin; });
    for (KeyRange& range : others_) {
      if (!ranges.empty() && range.begin <= ranges.back().end) {
        std::string& end = ranges.back().end;
        end = std::max(end, range.end);
      } else {
        ranges.push_back(std::move(range));
      }
    }
    return ranges;
  }

  const TableSchema& schema_;
  const Plan& plan_;
  KeyRange range_;
  KeyRanges others_;
  std::string scratch_;
};

KeyRanges BindRowids(const RowLayout& layout, const Plan& plan,
                     sqlite3_value** arguments) {
  RowidRange rowids;
  if (plan.has_lower) {
    rowids.Restrict(ValueOfSqlite(*arguments++), true, false,
                    plan.lower_strict);
  }
  if (plan.has_upper) {
    rowids.Restrict(ValueOfSqlite(*arguments), false, true, plan.upper_strict);
  }
  if (rowids.empty || rowids.first > rowids.last) return {};
  KeyRange range{layout.prefix, layout.prefix_end};
  EncodeRowid(rowids.first, &range.begin);
  if (rowids.last != kMaxRowid) {
    range.end = layout.prefix;
    EncodeRowid(rowids.last + 1, &range.end);
  }
  return {std::move(range)};
}

}  // namespace

BoundKind BindPoint(const RowLayout& layout, const Plan& plan,
                    sqlite3_value** arguments, std::string* key) {
  key->assign(layout.prefix);
  if (layout.schema.identity != RowIdentity::kKey) {
    if (plan.equalities == 0) return BoundKind::kRange;
    RowidRange rowids;
    rowids.Restrict(ValueOfSqlite(*arguments), true, true, false);
    if (rowids.empty || rowids.first > rowids.last) return BoundKind::kEmpty;
    EncodeRowid(rowids.first, key);
    return BoundKind::kPoint;
  }
  if (plan.equalities < static_cast<int>(layout.schema.key.size())) {
    return BoundKind::kRange;
  }
  std::string scratch;
  for (const KeyColumn& column : layout.schema.key) {
    const Value argument = ValueOfSqlite(*arguments++);
    if (argument.type == ValueType::kNull) return BoundKind::kEmpty;
    const Affinity affinity = AffinityOf(layout.schema, column);
    if (Widens(plan, argument, affinity)) return BoundKind::kRange;
    EncodeKeyColumn(Convert(argument, affinity, &scratch), column.collation,
                    column.descending, key);
  }
  return BoundKind::kPoint;
}

KeyRanges BindRanges(const RowLayout& layout, const Plan& plan,
                     sqlite3_value** arguments) {
  return layout.schema.identity == RowIdentity::kKey
             ? KeyBinder(layout, plan).Run(arguments)
             : BindRowids(layout, plan, arguments);
}

}  // namespace nori
