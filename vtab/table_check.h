// Whether a table's rows and the entries of its indexes say the same.

#ifndef NORI_VTAB_TABLE_CHECK_H_
#define NORI_VTAB_TABLE_CHECK_H_

#include "absl/status/status.h"
#include "vtab/virtual_table.h"

namespace nori {

// Reads all rows and entries as the connection sees them: every row must have
// its entry in each index, every index no other. kDataLoss names the index and
// the kind of difference. Uses memory for one row. Asks `go_on`, which is not
// null, now and then; its error ends the work.
absl::Status CheckIndexes(VirtualTable* table, const Engine::GoOn& go_on);

}  // namespace nori

#endif  // NORI_VTAB_TABLE_CHECK_H_
