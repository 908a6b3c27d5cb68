#include "vtab/key_bounds.h"

#include <algorithm>
#include <utility>

#include "vtab/key_codec.h"
#include "vtab/sqlite_value.h"

namespace nori {
namespace {

bool IsNumber(const Value& value) {
  return value.type == ValueType::kInteger || value.type == ValueType::kReal;
}

// Comparisons with a column of numeric affinity do not depend on the other
// operand's.
bool IsNumeric(Affinity affinity) {
  return affinity != Affinity::kBlob && affinity != Affinity::kText;
}

void Encode(const PathColumn& column, const Value& value, std::string* dst) {
  EncodeKeyColumn(value, column.key.collation, column.key.descending, dst);
}

std::string Encoded(const PathColumn& column, const Value& value) {
  std::string bytes;
  Encode(column, value, &bytes);
  return bytes;
}

// The argument as the column's values compare with it if it has no affinity of
// its own. `*scratch` owns the bytes of a number that became text.
Value Convert(const PathColumn& column, const Value& argument,
              std::string* scratch) {
  if (column.affinity == Affinity::kBlob) return argument;
  return ApplyAffinity(
      argument,
      column.affinity == Affinity::kText ? Affinity::kText : Affinity::kNumeric,
      scratch);
}

// The values from `first` on and below `last`, neither folded nor stripped by a
// collation.
KeyRange Between(const PathColumn& column, const Value& first,
                 const Value& last) {
  std::string low = Encoded(column, first), high = Encoded(column, last);
  if (!column.key.descending) return {std::move(low), std::move(high)};
  return {PrefixSuccessor(high), PrefixSuccessor(low)};
}

// The values from `first` on.
KeyRange From(const PathColumn& column, const Value& first) {
  std::string edge = Encoded(column, first);
  if (!column.key.descending) return {std::move(edge), ""};
  return {"", PrefixSuccessor(edge)};
}

KeyRange Texts(const PathColumn& column) {
  return Between(column, Value::Text(""), Value::Blob(""));
}

// Texts that may be numbers begin with a space, a sign, a point or a digit.
KeyRange NumericTexts(const PathColumn& column) {
  return Between(column, Value::Text("\t"), Value::Text(":"));
}

KeyRange Numbers(const PathColumn& column) {
  // NULL, where it is not asked for, does no harm: SQLite checks these rows.
  std::string edge = Encoded(column, Value::Text(""));
  if (!column.key.descending) return {"", std::move(edge)};
  return {PrefixSuccessor(edge), ""};
}

KeyRange Same(std::string value) {
  std::string end = PrefixSuccessor(value);
  return {std::move(value), std::move(end)};
}

// All values but NULL.
KeyRange NotNull(const PathColumn& column) {
  if (!column.nullable) return {};
  std::string edge = Encoded(column, Value::Null());
  if (!column.key.descending) return {PrefixSuccessor(edge), ""};
  return {"", std::move(edge)};
}

}  // namespace

// An argument that comes from a column of another affinity makes SQLite convert
// the values of this column as well, so that values of the other type may
// match. SQLite checks those rows itself.
bool KeyWalk::Widens(size_t i, const Value& argument) const {
  const PathColumn& column = path_->columns[i];
  if (!plan_->prefix[i].mixed || IsNumeric(column.affinity)) return false;
  if (IsNumber(argument)) return true;
  if (column.affinity != Affinity::kBlob || argument.type != ValueType::kText) {
    return false;
  }
  std::string scratch;
  return IsNumber(ApplyAffinity(argument, Affinity::kNumeric, &scratch));
}

void KeyWalk::MatchNumericTexts(const PathColumn& column) {
  numeric_texts_ = NumericTexts(column);
  descending_ = column.key.descending;
}

// Where values of the other type lie that may equal the argument.
void KeyWalk::AddOthersOfEquality(const PathColumn& column,
                                  const Value& argument) {
  if (IsNumber(argument)) {
    MatchNumericTexts(column);
    return;
  }
  std::string scratch;
  Add(Same(
      Encoded(column, ApplyAffinity(argument, Affinity::kNumeric, &scratch))));
}

// Text that becomes a number is below all other text.
void KeyWalk::AddOthersOfRange(const PathColumn& column, const Value& argument,
                               bool is_lower) {
  if (!plan_->mixed_bounds || IsNumeric(column.affinity)) return;
  if (IsNumber(argument)) {
    if (is_lower || column.affinity == Affinity::kBlob) {
      Add(Texts(column));
    } else {
      MatchNumericTexts(column);
    }
  } else if (argument.type == ValueType::kText) {
    if (column.affinity == Affinity::kBlob) {
      Add(NumericTexts(column));
      Add(Numbers(column));
    } else if (!is_lower) {
      MatchNumericTexts(column);
    }
  }
}

BoundKind KeyWalk::Bind(const AccessPath& path, const Plan& plan,
                        sqlite3_value** arguments) {
  path_ = &path;
  plan_ = &plan;
  widened_ = has_null_ = false;
  lists_.clear();
  intervals_.clear();
  numeric_texts_.reset();
  base_.assign(path.prefix);
  bool is_list = false;
  for (size_t i = 0; i < plan.prefix.size() && !widened_; ++i) {
    sqlite3_value* const argument = arguments[plan.prefix[i].argument];
    is_list = is_list || plan.prefix[i].match == Match::kIn;
    const Bound bound = plan.prefix[i].match == Match::kIn
                            ? BindList(i, argument)
                            : BindColumn(i, argument);
    if (bound == Bound::kEmpty) return BoundKind::kEmpty;
    widened_ = bound == Bound::kWidened;
  }
  if (!widened_) {
    if (plan.prefix.size() == path.seek_columns &&
        (path.index == nullptr || !path.index->unique || !has_null_)) {
      return is_list ? BoundKind::kPoints : BoundKind::kPoint;
    }
    if (!BindIntervals(arguments)) return BoundKind::kEmpty;
  }
  JoinIntervals();
  AddNumericTexts();
  if (intervals_.empty()) return BoundKind::kEmpty;
  return lists_.empty() && intervals_.size() == 1 &&
                 !intervals_.front().only_numbers
             ? BoundKind::kRange
             : BoundKind::kRanges;
}

KeyWalk::Bound KeyWalk::BindColumn(size_t i, sqlite3_value* argument) {
  const PathColumn& column = path_->columns[i];
  const Value value = ValueOfSqlite(argument);
  if (value.type == ValueType::kNull) {
    if (plan_->prefix[i].match == Match::kEqual || !column.nullable) {
      return Bound::kEmpty;
    }
    has_null_ = true;
  }
  const Value converted = Convert(column, value, &scratch_);
  if (Widens(i, value)) {
    Add(Same(Encoded(column, converted)));
    AddOthersOfEquality(column, value);
    return Bound::kWidened;
  }
  if (lists_.empty()) {
    Encode(column, converted, &base_);
  } else {
    lists_.push_back({{Encoded(column, converted)}});
  }
  return Bound::kDone;
}

// False: the value is of a type that makes the list no list of single values.
bool KeyWalk::AddToList(size_t i, sqlite3_value* argument, List* list) {
  const PathColumn& column = path_->columns[i];
  const Value value = ValueOfSqlite(argument);
  if (value.type == ValueType::kNull) return true;
  list->values.push_back(Encoded(column, Convert(column, value, &scratch_)));
  if (!Widens(i, value)) return true;
  AddOthersOfEquality(column, value);
  return false;
}

KeyWalk::Bound KeyWalk::BindList(size_t i, sqlite3_value* argument) {
  List list;
  bool widens = false;
  sqlite3_value* value = nullptr;
  int rc = sqlite3_vtab_in_first(argument, &value);
  for (; rc == SQLITE_OK && value != nullptr;
       rc = sqlite3_vtab_in_next(argument, &value)) {
    if (!AddToList(i, value, &list)) widens = true;
  }
  if (rc == SQLITE_NOMEM) throw std::bad_alloc();
  if (list.values.empty()) return Bound::kEmpty;
  std::sort(list.values.begin(), list.values.end());
  list.values.erase(std::unique(list.values.begin(), list.values.end()),
                    list.values.end());
  if (widens) {
    for (std::string& one : list.values) {
      Add(Same(std::move(one)));
    }
    return Bound::kWidened;
  }
  if (lists_.empty()) first_list_ = i;
  lists_.push_back(std::move(list));
  return Bound::kDone;
}

bool KeyWalk::BindIntervals(sqlite3_value** arguments) {
  const size_t position = plan_->prefix.size();
  const bool has_lower = plan_->lower != kNoArgument;
  const bool has_upper = plan_->upper != kNoArgument;
  if (!has_lower && !has_upper) {
    intervals_.emplace_back();
    return true;
  }
  const PathColumn& column = path_->columns[position];
  KeyRange range = NotNull(column);
  KeyRange above;  // the lower bound
  for (const bool is_lower : {true, false}) {
    if (is_lower ? !has_lower : !has_upper) continue;
    const bool strict = is_lower ? plan_->lower_strict : plan_->upper_strict;
    const Value argument =
        ValueOfSqlite(arguments[is_lower ? plan_->lower : plan_->upper]);
    if (argument.type == ValueType::kNull) return false;
    AddOthersOfRange(column, argument, is_lower);
    std::string bound = Encoded(column, Convert(column, argument, &scratch_));
    // The keys of a value are those that begin with its encoding; a descending
    // column turns a lower bound into an upper one.
    if (is_lower != column.key.descending) {
      range.begin = strict ? PrefixSuccessor(bound) : std::move(bound);
    } else {
      range.end = strict ? std::move(bound) : PrefixSuccessor(bound);
    }
    // Text that becomes a number is not above other text.
    if (is_lower && !IsNumber(argument)) above = range;
  }
  if (numeric_texts_.has_value()) {
    if (numeric_texts_->Overlaps(above)) {
      numeric_texts_ = numeric_texts_->Intersect(above);
    } else {
      numeric_texts_.reset();
    }
  }
  if (plan_->blobs_too) Add(From(column, Value::Blob("")));
  if (!range.IsEmpty()) Add(std::move(range));
  return true;
}

// Sorts what was collected and joins what overlaps.
void KeyWalk::JoinIntervals() {
  std::sort(
      intervals_.begin(), intervals_.end(),
      [](const Interval& a, const Interval& b) { return a.begin < b.begin; });
  size_t last = 0;
  for (size_t i = 1; i < intervals_.size(); ++i) {
    Interval& into = intervals_[last];
    Interval& range = intervals_[i];
    if (!into.end.empty() && range.begin > into.end) {
      if (++last != i) intervals_[last] = std::move(range);
    } else if (range.end.empty() ||
               (!into.end.empty() && range.end > into.end)) {
      into.end = std::move(range.end);
    }
  }
  if (!intervals_.empty()) intervals_.resize(last + 1);
}

// What the other intervals leave of the numeric texts.
void KeyWalk::AddNumericTexts() {
  if (!numeric_texts_.has_value()) return;
  KeyRange left = *std::move(numeric_texts_);
  numeric_texts_.reset();
  std::vector<Interval> all;
  bool nothing_left = false;
  for (Interval& interval : intervals_) {
    if (interval.begin > left.begin) {
      KeyRange before = left;
      if (before.end.empty() || interval.begin < before.end) {
        before.end = interval.begin;
      }
      if (!before.IsEmpty()) all.push_back({std::move(before), true});
    }
    if (interval.end.empty()) {
      nothing_left = true;
    } else if (interval.end > left.begin) {
      left.begin = interval.end;
    }
    all.push_back(std::move(interval));
  }
  if (!nothing_left && !left.IsEmpty()) all.push_back({std::move(left), true});
  intervals_ = std::move(all);
}

// Puts the lists from number `lists` on, and the interval, at their near ends.
void KeyWalk::Restart(size_t lists) {
  for (size_t i = lists; i < lists_.size(); ++i) {
    lists_[i].at = reverse_ ? lists_[i].values.size() - 1 : 0;
  }
  interval_ =
      reverse_ && !intervals_.empty() ? intervals_.size() - 1 : size_t{0};
}

// Moves the last of the first `lists` lists that has a further value on to it.
bool KeyWalk::Carry(size_t lists) {
  while (lists > 0) {
    List& list = lists_[--lists];
    if (reverse_ ? list.at > 0 : list.at + 1 < list.values.size()) {
      list.at += reverse_ ? size_t{0} - 1 : 1;
      Restart(lists + 1);
      return true;
    }
  }
  return false;
}

// Builds the range at hand.
void KeyWalk::Make() {
  begin_.assign(base_);
  for (const List& list : lists_) begin_.append(list.values[list.at]);
  if (intervals_.empty()) return;  // points
  last_at_ = begin_.size();
  const Interval& interval = intervals_[interval_];
  if (interval.end.empty()) {
    end_ = PrefixSuccessor(begin_);
  } else {
    end_.assign(begin_);
    end_.append(interval.end);
  }
  begin_.append(interval.begin);
}

void KeyWalk::Start(bool reverse) {
  reverse_ = reverse;
  Restart(0);
  Make();
}

bool KeyWalk::Advance() {
  if (reverse_ ? interval_ > 0 : interval_ + 1 < intervals_.size()) {
    interval_ += reverse_ ? size_t{0} - 1 : 1;
  } else if (!Carry(lists_.size())) {
    return false;
  }
  Make();
  return true;
}

bool KeyWalk::SkipTo(std::string_view key) {
  std::string_view rest = key.substr(base_.size());
  for (size_t i = 0; i < lists_.size(); ++i) {
    List& list = lists_[i];
    const std::string_view from = rest;
    const bool descending = path_->columns[first_list_ + i].key.descending;
    if (!SkipKeyColumn(&rest, descending).ok()) return Advance();
    const std::string_view value = from.substr(0, from.size() - rest.size());
    auto it = std::lower_bound(list.values.begin(), list.values.end(), value);
    const bool found = it != list.values.end() && *it == value;
    if (!found && reverse_ && it == list.values.begin()) {
      if (!Carry(i)) return false;
      return Make(), true;
    }
    if (!found && !reverse_ && it == list.values.end()) {
      if (!Carry(i)) return false;
      return Make(), true;
    }
    if (!found && reverse_) --it;
    list.at = static_cast<size_t>(it - list.values.begin());
    if (!found) {
      Restart(i + 1);
      return Make(), true;
    }
  }
  Restart(lists_.size());
  const auto passed = [&](const Interval& interval) {
    return reverse_ ? interval.begin > rest
                    : !interval.end.empty() && interval.end <= rest;
  };
  while (passed(intervals_[interval_])) {
    if (!Advance()) return false;
    // Another value of a list: its intervals are all ahead.
    if (interval_ == (reverse_ ? intervals_.size() - 1 : 0)) return true;
  }
  return Make(), true;
}

size_t KeyWalk::Misfit(std::string_view key) const {
  if (!only_numbers()) return 0;
  const size_t length = NoNumberPrefix(key.substr(last_at_), descending_);
  return length == 0 ? 0 : last_at_ + length;
}

KeyRange KeyWalk::Hull() {
  const bool reverse = reverse_;
  KeyRange hull;
  Start(/*reverse=*/true);
  hull.end = intervals_.empty() ? PrefixSuccessor(begin_) : end_;
  Start(/*reverse=*/false);
  hull.begin = begin_;
  if (reverse) Start(reverse);
  return hull;
}

bool KeyWalk::CountsMoreThan(size_t limit) const {
  size_t count = 1;
  int lists = 0;
  for (const List& list : lists_) {
    if (list.values.size() > 1) ++lists;
    count *= list.values.size();
    if (lists > 1 && count > limit) return true;
  }
  return false;
}

}  // namespace nori
