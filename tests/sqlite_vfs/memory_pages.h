// The VFS `nori` over files that a test provides: in memory, losing power,
// failing. It is linked into the test and has nothing of the loaded extension.

#ifndef NORI_TESTS_SQLITE_VFS_MEMORY_PAGES_H_
#define NORI_TESTS_SQLITE_VFS_MEMORY_PAGES_H_

#include <memory>
#include <string>

#include "engine/io/file_system.h"
#include "sqlite_vfs/page_store.h"

struct sqlite3;
struct sqlite3_vfs;
struct sqlite3_api_routines;

namespace nori {

// An extension's entry point, by which SQLite hands over its routines.
int TakeSqliteRoutines(sqlite3* db, char** error,
                       const sqlite3_api_routines* api);

// What the VFS has told SQLite's log last in this process.
std::string LastLogged();

// Registers the VFS while it lives; its connections must be closed before.
// Engines have tiny sizes and no threads: all they do is done within the calls
// of SQLite.
class MemoryPages {
 public:
  MemoryPages(FileSystem* files, uint64_t seed);
  ~MemoryPages();
  MemoryPages(const MemoryPages&) = delete;
  MemoryPages& operator=(const MemoryPages&) = delete;

  // The name by which connections open the database; `more` are further
  // parameters, each with its '&'.
  std::string Uri(const std::string& more = "") const;
  PageStores* stores() { return &stores_; }

  static constexpr char kPath[] = "/app.db";

 private:
  const std::string name_;
  PageStores stores_;
  sqlite3_vfs* vfs_;
};

}  // namespace nori

#endif  // NORI_TESTS_SQLITE_VFS_MEMORY_PAGES_H_
