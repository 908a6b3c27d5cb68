// What one way into a table makes of a query.

#ifndef NORI_VTAB_PATH_PLANNER_H_
#define NORI_VTAB_PATH_PLANNER_H_

#include <optional>
#include <string>

#include "absl/container/inlined_vector.h"
#include "engine/engine.h"
#include "vtab/access_path.h"
#include "vtab/constraints.h"
#include "vtab/plan.h"
#include "vtab/sqlite.h"
#include "vtab/statistics.h"

namespace nori {

// A plan by one path, and what it costs.
struct Candidate {
  struct Use {
    const Constraint* constraint;
    bool omit;  // SQLite need not check it again
  };

  Plan plan;
  absl::InlinedVector<Use, 6> uses;  // argument i is that of uses[i]
  bool order_consumed = false;
  bool one_row = false;  // at most, whatever the arguments
  bool useful = true;    // false: another path is as good without question
  double rows = 1;       // that come out
  double cost = 1;       // in SQLite's unit, about one row of a scan
  double sort_cost = 0;  // that SQLite adds if the order is not consumed
  // What the keys visited lie in, where every argument is known.
  std::optional<KeyRange> range;
};

// What the planning of one query has to go by.
struct PlanContext {
  const TableSchema* schema;
  sqlite3_index_info* info;
  const Constraints* constraints;
  Engine* engine;  // null: not open, nothing is estimated
  TableStatistics* statistics;
};

Candidate PlanPath(const PlanContext& context, const AccessPath& path);

}  // namespace nori

#endif  // NORI_VTAB_PATH_PLANNER_H_
