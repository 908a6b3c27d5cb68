// A check of a table's rows, beyond what checksums tell.

#ifndef NORI_VTAB_ROW_CHECK_H_
#define NORI_VTAB_ROW_CHECK_H_

#include "absl/status/status.h"
#include "engine/engine.h"
#include "vtab/virtual_table.h"

namespace nori {

// Decodes every column of every row of `table`, as a SELECT that starts now
// would see them, and checks that the key is the one that its columns give and
// that no NOT NULL column holds NULL. kDataLoss names the first row that is
// wrong; an error of `go_on`, which is asked now and then, is returned.
absl::Status CheckRows(VirtualTable* table, const Engine::GoOn& go_on);

}  // namespace nori

#endif  // NORI_VTAB_ROW_CHECK_H_
