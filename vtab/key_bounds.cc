#include "vtab/key_bounds.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "vtab/key_codec.h"

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

// Binds the arguments of a table with key columns.
class KeyBinder {
 public:
  KeyBinder(const RowLayout& layout, const Plan& plan)
      : schema_(layout.schema),
        plan_(plan),
        range_{layout.prefix, layout.prefix_end} {}

  KeyBounds Run(sqlite3_value** arguments) {
    for (int i = 0; i < plan_.equalities; ++i) {
      if (!BindEquality(i, ValueOfSqlite(*arguments++))) return {};
    }
    const bool whole = plan_.equalities == static_cast<int>(schema_.key.size());
    if (!whole && !BindRange(arguments)) return {};
    KeyBounds bounds;
    bounds.point = whole && others_.empty();
    if (range_.begin < range_.end) others_.push_back(std::move(range_));
    Join(&bounds);
    return bounds;
  }

 private:
  const KeyColumn& Key(int position) const {
    return schema_.key[static_cast<size_t>(position)];
  }
  Affinity AffinityOf(const KeyColumn& key) const {
    return schema_.columns[static_cast<size_t>(key.column)].affinity;
  }

  // The argument as the column's values compare with it if it has no affinity
  // of its own.
  Value Convert(const Value& argument, Affinity affinity) {
    if (affinity == Affinity::kBlob) return argument;
    return ApplyAffinity(
        argument,
        affinity == Affinity::kText ? Affinity::kText : Affinity::kNumeric,
        &scratch_);
  }

  // An argument that comes from a column of another affinity makes SQLite
  // convert the values of this column as well, so that values of the other type
  // may match. SQLite checks the rows of `others_` itself. Where the order of
  // rows depends on the equality, that is left out.
  bool Widens() const {
    return plan_.mixed_affinities && !plan_.relies_on_equalities;
  }

  bool BindEquality(int position, const Value& argument) {
    if (argument.type == ValueType::kNull) return false;
    const KeyColumn& key = Key(position);
    const Affinity affinity = AffinityOf(key);
    const std::string prefix = range_.begin;
    const bool is_typeless = affinity == Affinity::kBlob;
    if (Widens() && IsNumber(argument) &&
        (is_typeless || affinity == Affinity::kText)) {
      others_.push_back(TextsIn(prefix, key.descending));
    }
    if (Widens() && is_typeless && argument.type == ValueType::kText) {
      const Value number =
          ApplyAffinity(argument, Affinity::kNumeric, &scratch_);
      if (IsNumber(number)) {
        KeyRange range{prefix, ""};
        EncodeKeyColumn(number, key.collation, key.descending, &range.begin);
        range.end = PrefixSuccessor(range.begin);
        others_.push_back(std::move(range));
      }
    }
    EncodeKeyColumn(Convert(argument, affinity), key.collation, key.descending,
                    &range_.begin);
    range_.end = PrefixSuccessor(range_.begin);
    return true;
  }

  bool BindRange(sqlite3_value** arguments) {
    if (!plan_.has_lower && !plan_.has_upper) return true;
    const KeyColumn& key = Key(plan_.equalities);
    const Affinity affinity = AffinityOf(key);
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
      EncodeKeyColumn(Convert(argument, affinity), key.collation,
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
  void Join(KeyBounds* bounds) {
    std::sort(
        others_.begin(), others_.end(),
        [](const KeyRange& a, const KeyRange& b) { return a.begin < b.begin; });
    for (KeyRange& range : others_) {
      if (!bounds->ranges.empty() && range.begin <= bounds->ranges.back().end) {
        std::string& end = bounds->ranges.back().end;
        end = std::max(end, range.end);
      } else {
        bounds->ranges.push_back(std::move(range));
      }
    }
  }

  const TableSchema& schema_;
  const Plan& plan_;
  KeyRange range_;
  absl::InlinedVector<KeyRange, 2> others_;
  std::string scratch_;
};

KeyBounds BindRowid(const RowLayout& layout, const Plan& plan,
                    sqlite3_value** arguments) {
  RowidRange rowids;
  if (plan.equalities > 0) {
    rowids.Restrict(ValueOfSqlite(*arguments), true, true, false);
  } else {
    if (plan.has_lower) {
      rowids.Restrict(ValueOfSqlite(*arguments++), true, false,
                      plan.lower_strict);
    }
    if (plan.has_upper) {
      rowids.Restrict(ValueOfSqlite(*arguments), false, true,
                      plan.upper_strict);
    }
  }
  KeyBounds bounds;
  if (rowids.empty || rowids.first > rowids.last) return bounds;
  KeyRange range{layout.prefix, layout.prefix_end};
  EncodeRowid(rowids.first, &range.begin);
  if (rowids.last != kMaxRowid) {
    range.end = layout.prefix;
    EncodeRowid(rowids.last + 1, &range.end);
  }
  bounds.ranges.push_back(std::move(range));
  bounds.point = rowids.first == rowids.last;
  return bounds;
}

}  // namespace

KeyBounds BindArguments(const RowLayout& layout, const Plan& plan,
                        sqlite3_value** arguments) {
  return layout.schema.identity == RowIdentity::kKey
             ? KeyBinder(layout, plan).Run(arguments)
             : BindRowid(layout, plan, arguments);
}

}  // namespace nori
