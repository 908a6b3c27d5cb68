// SQL over a database whose nori_state holds anything. Byte 0 is the id of the
// row, modulo 5, the rest its state.

#include <sqlite3.h>

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/hostile_database.h"

using namespace nori;  // NOLINT(google-build-using-namespace)

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const HostileDatabase database;
  sqlite3* db = nullptr;
  sqlite3_stmt* statement = nullptr;
  FuzzRequire(sqlite3_open(database.path().c_str(), &db) == SQLITE_OK &&
                  sqlite3_prepare_v2(
                      db, "UPDATE nori_state SET state = ?1 WHERE id = ?2", -1,
                      &statement, nullptr) == SQLITE_OK,
              "the database file can be opened");
  sqlite3_bind_blob(statement, 1, data + 1, static_cast<int>(size - 1),
                    SQLITE_STATIC);
  sqlite3_bind_int(statement, 2, data[0] % 5);
  FuzzRequire(sqlite3_step(statement) == SQLITE_DONE, "the state is written");
  sqlite3_finalize(statement);
  sqlite3_close(db);
  database.UseAll();
  return 0;
}
