// How xBestIndex tells xFilter what to do.

#ifndef NORI_VTAB_PLAN_H_
#define NORI_VTAB_PLAN_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/inlined_vector.h"

namespace nori {

// How a leading column of a path is matched.
enum class Match : uint8_t {
  kEqual,
  kIs,  // as kEqual, but NULL matches NULL
  kIn,  // the argument is a list, for sqlite3_vtab_in_first
};

inline constexpr int kNoArgument = -1;

// The arguments are places in xFilter's argv.
struct Plan {
  struct Column {
    Match match = Match::kEqual;
    int argument = 0;
    // The argument may come from a column of another affinity than this one,
    // which has none that is numeric: then SQLite compares converted values.
    bool mixed = false;
    friend bool operator==(const Column&, const Column&) = default;
  };
  struct OrderTerm {
    size_t position = 0;    // in the path's columns
    bool inverted = false;  // against the order of keys
    friend bool operator==(const OrderTerm&, const OrderTerm&) = default;
  };

  uint32_t index = 0;                            // the path's id
  absl::InlinedVector<Column, 4> prefix;         // leading columns of the path
  int lower = kNoArgument, upper = kNoArgument;  // of the column after them
  bool lower_strict = false, upper_strict = false;
  // The bounds were made from a LIKE or GLOB, which may match any BLOB as well.
  bool blobs_too = false;
  int offset = kNoArgument;  // rows to pass over
  // The name of the snapshot to read. NULL gives no row or, if `null_is_now`,
  // the present ones.
  int as_of = kNoArgument;
  bool null_is_now = false;
  bool reverse = false;
  bool covering = false;      // the path's entries hold all that is asked
  bool mixed_bounds = false;  // as Column::mixed, of lower and upper
  // Of rows that agree in so many leading columns one is enough; 0: all rows.
  size_t distinct = 0;
  // Not empty: ORDER BY was left to the scan because columns with equalities do
  // not vary in it. What it asks for, if they do vary.
  absl::InlinedVector<OrderTerm, 2> order;
  std::string text;  // for people: path and bounds

  friend bool operator==(const Plan&, const Plan&) = default;
};

// The plans that statements of one table were compiled to. idxNum names one.
// They live as long as the table, as their statements may.
class PlanList {
 public:
  // The number of a plan, a new one only if it was never seen.
  int Number(const Plan& plan) {
    for (size_t i = 0; i < plans_.size(); ++i) {
      if (*plans_[i] == plan) return static_cast<int>(i);
    }
    plans_.push_back(std::make_unique<const Plan>(plan));
    return static_cast<int>(plans_.size()) - 1;
  }
  const Plan& Get(int number) const {
    return *plans_[static_cast<size_t>(number)];
  }

 private:
  std::vector<std::unique_ptr<const Plan>> plans_;
};

}  // namespace nori

#endif  // NORI_VTAB_PLAN_H_
