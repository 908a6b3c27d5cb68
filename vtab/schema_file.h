// What a schema of a connection is stored in.

#ifndef NORI_VTAB_SCHEMA_FILE_H_
#define NORI_VTAB_SCHEMA_FILE_H_

#include <string>
#include <utility>

#include "vtab/sqlite.h"

namespace nori {

// The path of the database file; empty if there is none: memory, temp, memdb.
std::string DatabasePathOf(sqlite3* db, const std::string& schema);

// The name of the VFS of the schema's file, as it calls itself; empty if that
// is not known.
std::string VfsNameOf(sqlite3* db, const std::string& schema);

// Equal for the connections that share one database in memory, and for those
// alone.
std::string MemoryHostOf(sqlite3* db, const std::string& schema);

// Tells whether sqlite3_deserialize has put another database in the place of a
// schema's. Not thread-safe.
class SchemaFile {
 public:
  // What is there now, if it has a file object already, else at the first call.
  // Neither argument is owned.
  SchemaFile(sqlite3* db, std::string schema)
      : db_(db), schema_(std::move(schema)) {
    static_cast<void>(IsReplaced());
  }

  // Not seen where an image replaces an image and SQLite's allocator gives it
  // the same address.
  bool IsReplaced();

 private:
  sqlite3* const db_;
  const std::string schema_;
  sqlite3_file* file_ = nullptr;
  const sqlite3_io_methods* methods_ = nullptr;
};

}  // namespace nori

#endif  // NORI_VTAB_SCHEMA_FILE_H_
