// What a schema of a connection is stored in.

#ifndef NORI_VTAB_SCHEMA_FILE_H_
#define NORI_VTAB_SCHEMA_FILE_H_

#include <string>

#include "vtab/sqlite.h"

namespace nori {

// The path of the database file; empty if there is none: memory, temp, memdb.
std::string DatabasePathOf(sqlite3* db, const std::string& schema);

// The file object that the schema's pager has as long as it lives; null if it
// has none yet.
sqlite3_file* FileOf(sqlite3* db, const std::string& schema);

// Equal for the connections that share one database in memory, and for those
// alone.
std::string MemoryHostOf(sqlite3* db, const std::string& schema);

}  // namespace nori

#endif  // NORI_VTAB_SCHEMA_FILE_H_
