// What one way into a table makes of a query.

#ifndef NORI_VTAB_PATH_PLANNER_H_
#define NORI_VTAB_PATH_PLANNER_H_

#include <optional>
#include <string>
#include <vector>

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

// The share of a table's rows that some constraints with known values leave.
struct KnownShare {
  absl::InlinedVector<const Constraint*, 4> constraints;
  double share = 1;
};

// What the planning of one query has to go by.
struct PlanContext {
  const TableSchema* schema;
  sqlite3_index_info* info;
  const Constraints* constraints;
  Engine* engine;        // null: not open, nothing is estimated
  Changes* transaction;  // null: none is open
  TableStatistics* statistics;
  // By the table's paths, those of more constraints first.
  std::vector<KnownShare> shares;
};

// What the path's statistics tell of constraints that it could use; of none if
// it could use none, or none of a value that SQLite knows.
KnownShare MeasureShare(const PlanContext& context, const AccessPath& path);

Candidate PlanPath(const PlanContext& context, const AccessPath& path);

}  // namespace nori

#endif  // NORI_VTAB_PATH_PLANNER_H_
