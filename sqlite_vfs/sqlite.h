// SQLite's C interface, called through the routines that the host passed in.

#ifndef NORI_SQLITE_VFS_SQLITE_H_
#define NORI_SQLITE_VFS_SQLITE_H_

#include <sqlite3ext.h>

SQLITE_EXTENSION_INIT3

#endif  // NORI_SQLITE_VFS_SQLITE_H_
