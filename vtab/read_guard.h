// nori_guard: a private table in the temp schema, always empty, that is told
// when a transaction ends.
//
// SQLite tells a module nothing about the end of a transaction in which it only
// read, and nothing about the fate of a DROP TABLE. It does tell every virtual
// table that took part in writing; so the first read of an explicit
// transaction, and every CREATE and DROP, run a DELETE on this table, which
// deletes nothing.

#ifndef NORI_VTAB_READ_GUARD_H_
#define NORI_VTAB_READ_GUARD_H_

#include "vtab/connection.h"
#include "vtab/sqlite.h"

namespace nori {

// Makes the module `nori_guard` known to a connection. `connection` must
// outlive it there.
int RegisterReadGuard(sqlite3* db, Connection* connection);

}  // namespace nori

#endif  // NORI_VTAB_READ_GUARD_H_
