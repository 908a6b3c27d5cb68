// The transaction callbacks that nori tables and the guard table share in kind.

#ifndef NORI_VTAB_MODULE_CALLBACKS_H_
#define NORI_VTAB_MODULE_CALLBACKS_H_

#include "vtab/sqlite.h"

namespace nori {

// Fills in xBegin to xRollbackTo of the module `nori`.
void SetTransactionCallbacks(sqlite3_module* module);

}  // namespace nori

#endif  // NORI_VTAB_MODULE_CALLBACKS_H_
