// From the arguments of a scan to the engine keys that it must visit.

#ifndef NORI_VTAB_KEY_BOUNDS_H_
#define NORI_VTAB_KEY_BOUNDS_H_

#include "absl/container/inlined_vector.h"
#include "engine/slots/version.h"
#include "vtab/plan.h"
#include "vtab/row.h"
#include "vtab/sqlite.h"

namespace nori {

struct KeyBounds {
  // Ascending and disjoint. Empty: no row can match.
  absl::InlinedVector<KeyRange, 2> ranges;
  // The only range's begin is the whole key of the only row that can match.
  bool point = false;
};

// `arguments` are xFilter's, as `plan` orders them. The ranges hold every row
// that can satisfy the plan's constraints; where the planner has told SQLite
// not to check a constraint again, no other row.
KeyBounds BindArguments(const RowLayout& layout, const Plan& plan,
                        sqlite3_value** arguments);

}  // namespace nori

#endif  // NORI_VTAB_KEY_BOUNDS_H_
