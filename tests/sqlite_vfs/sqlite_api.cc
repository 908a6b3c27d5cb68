#include <sqlite3ext.h>

#include "tests/sqlite_vfs/memory_pages.h"

SQLITE_EXTENSION_INIT1

namespace nori {

int TakeSqliteRoutines(sqlite3*, char**, const sqlite3_api_routines* api) {
  SQLITE_EXTENSION_INIT2(api);
  return SQLITE_OK;
}

}  // namespace nori
