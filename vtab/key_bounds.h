// From the arguments of a scan to the engine keys that it must visit.

#ifndef NORI_VTAB_KEY_BOUNDS_H_
#define NORI_VTAB_KEY_BOUNDS_H_

#include <string>

#include "absl/container/inlined_vector.h"
#include "engine/slots/version.h"
#include "vtab/plan.h"
#include "vtab/row.h"
#include "vtab/sqlite.h"

namespace nori {

// What the arguments of a scan come to.
enum class BoundKind {
  kPoint,  // the whole key of the only row that can match
  kEmpty,  // no row can match
  kRange,  // something else
};

// Binds the arguments of a lookup by key: for kPoint, `*key` is that key. The
// arguments are BindRanges' and stay usable. Does not allocate if `*key` has
// the room.
BoundKind BindPoint(const RowLayout& layout, const Plan& plan,
                    sqlite3_value** arguments, std::string* key);

// Ascending and disjoint. Empty: no row can match.
using KeyRanges = absl::InlinedVector<KeyRange, 2>;

// `arguments` are xFilter's, as `plan` orders them. The ranges hold every row
// that can satisfy the plan's constraints; where the planner has told SQLite
// not to check a constraint again, no other row.
KeyRanges BindRanges(const RowLayout& layout, const Plan& plan,
                     sqlite3_value** arguments);

}  // namespace nori

#endif  // NORI_VTAB_KEY_BOUNDS_H_
