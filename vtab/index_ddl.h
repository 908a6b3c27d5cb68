// nori_create_index and nori_drop_index: indexes of a table that has rows.
//
//   SELECT nori_create_index('t', 'by_c', 'c DESC, d COLLATE NOCASE');
//   SELECT nori_create_index('aux.t', 'only_d', 'd', 'unique');
//   SELECT nori_drop_index('t', 'by_c');
//
// Both are part of the transaction that they run in and undone with it. Other
// connections read on meanwhile. The list of indexes is written to nori_state,
// and the schema's version is raised in the same transaction, so that every
// connection connects the table anew before its next statement.

#ifndef NORI_VTAB_INDEX_DDL_H_
#define NORI_VTAB_INDEX_DDL_H_

#include "vtab/connection.h"
#include "vtab/sqlite.h"

namespace nori {

// `connection` must outlive the registration.
int RegisterIndexFunctions(sqlite3* db, Connection* connection);

}  // namespace nori

#endif  // NORI_VTAB_INDEX_DDL_H_
