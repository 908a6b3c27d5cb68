// From the arguments of a scan to the engine keys that it must visit.

#ifndef NORI_VTAB_KEY_BOUNDS_H_
#define NORI_VTAB_KEY_BOUNDS_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/slots/version.h"
#include "vtab/access_path.h"
#include "vtab/plan.h"
#include "vtab/sqlite.h"

namespace nori {

// What the arguments of a scan come to.
enum class BoundKind {
  kEmpty,   // no row can match
  kPoint,   // one engine key, where the only row that can match is
  kPoints,  // several, of an IN
  kRange,   // one range
  kRanges,  // several
};

// The key ranges of a scan in key order, disjoint, made one at a time: the
// values of several IN lists are never multiplied out. Reusable; a scan of one
// range or point allocates nothing where the strings have room.
class KeyWalk {
 public:
  // Binds xFilter's arguments, as `plan` orders them. The ranges hold every row
  // that can satisfy the plan's constraints; where the planner has told SQLite
  // not to check a constraint again, no other row. `path` and `plan` must
  // outlive the walk. Throws std::bad_alloc.
  BoundKind Bind(const AccessPath& path, const Plan& plan,
                 sqlite3_value** arguments);

  // An argument brought in values of other types than the plan's bounds are
  // for: columns with equalities vary in what the ranges hold.
  bool widened() const { return widened_; }

  // Goes to the first range, or to the last. REQUIRES: not kEmpty.
  void Start(bool reverse);
  // Goes on to the next range in that direction; false: there is none.
  bool Advance();
  // Goes on to the first range that does not end at or before `key` (in
  // reverse: that does not begin after it), which may be the one at hand;
  // false: there is none. REQUIRES: `key` is a key of the path inside hull().
  bool SkipTo(std::string_view key);

  // The range at hand, for kPoint and kPoints the key as its begin.
  const std::string& begin() const { return begin_; }
  const std::string& end() const { return end_; }
  bool Contains(std::string_view key) const {
    return key >= begin_ && (end_.empty() || key < end_);
  }
  // Whether texts that are no numbers do not match in the range at hand.
  bool only_numbers() const {
    return !intervals_.empty() && intervals_[interval_].only_numbers;
  }
  // How many bytes of `key`, which lies in the range at hand, all keys have
  // that cannot match either, if it cannot; 0: it may match. Some ranges are
  // there for texts that are numbers, which lie scattered among others.
  size_t Misfit(std::string_view key) const;
  // From the begin of the first range to the end of the last.
  KeyRange Hull();
  // Whether there are more than `limit` points, made of more than one list.
  bool CountsMoreThan(size_t limit) const;
  // Makes points ranges of one key each. REQUIRES: kPoint or kPoints.
  void TurnIntoRanges() { intervals_.emplace_back(); }

 private:
  // Of the last column, relative to the columns before it. Empty end: no end.
  struct Interval : KeyRange {
    bool only_numbers = false;  // other texts in it do not match
  };
  // Values of one column, encoded, ascending and distinct.
  struct List {
    std::vector<std::string> values;
    size_t at = 0;
  };
  enum class Bound { kDone, kEmpty, kWidened };

  Bound BindColumn(size_t i, sqlite3_value* argument);
  Bound BindList(size_t i, sqlite3_value* argument);
  bool AddToList(size_t i, sqlite3_value* argument, List* list);
  bool BindIntervals(sqlite3_value** arguments);
  void JoinIntervals();
  void Add(KeyRange interval) { intervals_.push_back({std::move(interval)}); }
  void MatchNumericTexts(const PathColumn& column);
  void AddNumericTexts();
  void AddOthersOfEquality(const PathColumn& column, const Value& argument);
  void AddOthersOfRange(const PathColumn& column, const Value& argument,
                        bool is_lower);
  // Whether the argument of prefix column `i` does.
  bool Widens(size_t i, const Value& argument) const;
  void Make();
  bool Carry(size_t lists);
  void Restart(size_t lists);

  const AccessPath* path_ = nullptr;
  const Plan* plan_ = nullptr;
  bool reverse_ = false;
  bool widened_ = false;
  bool has_null_ = false;
  size_t first_list_ = 0;    // the column of lists_[0]
  std::string base_;         // columns before the first list
  std::vector<List> lists_;  // of the columns after them
  std::vector<Interval> intervals_;
  // Where texts match that are numbers, until they become intervals.
  std::optional<KeyRange> numeric_texts_;
  bool descending_ = false;  // their column
  size_t last_at_ = 0;       // where it begins in keys of the range at hand
  size_t interval_ = 0;
  std::string begin_, end_;
  std::string scratch_;
};

}  // namespace nori

#endif  // NORI_VTAB_KEY_BOUNDS_H_
