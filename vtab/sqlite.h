// SQLite's C interface as a loadable extension sees it: every call goes through
// the table of routines that the host application passed in at load.

#ifndef NORI_VTAB_SQLITE_H_
#define NORI_VTAB_SQLITE_H_

#include <sqlite3ext.h>

SQLITE_EXTENSION_INIT3

#endif  // NORI_VTAB_SQLITE_H_
