#include "tests/fuzz/hostile_database.h"

#include <sqlite3.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/fuzz/fuzz.h"

namespace nori {
namespace {

constexpr const char* kStatements[] = {
    "SELECT * FROM people",
    "SELECT id FROM people WHERE name = 'name3' ORDER BY score DESC",
    "SELECT * FROM people WHERE id = 33",
    "SELECT * FROM people ORDER BY id DESC",
    "SELECT count(*), sum(score) FROM people WHERE nori_snapshot = 'first'",
    "SELECT * FROM visits ORDER BY place DESC, day",
    "SELECT * FROM visits WHERE n > 0",
    "SELECT * FROM log WHERE line = 'two'",
    "SELECT nori_verify()",
    "SELECT nori_verify('people')",
    "SELECT * FROM nori_tables, nori_slots, nori_sstables, nori_indexes",
    "INSERT INTO people(name) VALUES ('new'), ('newer')",
    "UPDATE people SET name = name || 'x', score = id WHERE id > 30",
    "DELETE FROM visits WHERE place = 'attic'",
    "BEGIN; INSERT INTO plain VALUES (1); INSERT INTO log VALUES ('a'); COMMIT",
    "ROLLBACK",
    "SELECT nori_flush()",
    "SELECT nori_compact()",
    "SELECT * FROM people, log",
    "SELECT nori_create_index('people', 'by_note', 'note')",
    "DROP TABLE log",
    "SELECT nori_verify()",
};

std::string NewDirectory() {
  std::string name =
      (std::filesystem::temp_directory_path() / "nori-fuzz-XXXXXX").string();
  FuzzRequire(::mkdtemp(name.data()) != nullptr, "a directory can be made");
  return name;
}

void Use(sqlite3* db, const char* sql) {
  char* error = nullptr;
  const int code = sqlite3_exec(
      db, sql, [](void*, int, char**, char**) { return 0; }, nullptr, &error);
  if (code == SQLITE_INTERNAL || code == SQLITE_MISUSE ||
      code == SQLITE_NOMEM) {
    std::fprintf(stderr, "%s: %d %s\n", sql, code, error);
    std::abort();
  }
  FuzzRequire(code == SQLITE_OK || error != nullptr, "an error says what is");
  sqlite3_free(error);
}

}  // namespace

HostileDatabase::HostileDatabase() : directory_(NewDirectory()) {
  std::filesystem::copy(std::string(NORI_SOURCE_PATH) + "/tests/golden/v1",
                        directory_, std::filesystem::copy_options::recursive);
}

HostileDatabase::~HostileDatabase() {
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void HostileDatabase::UseAll() const {
  sqlite3* db = nullptr;
  FuzzRequire(sqlite3_open(path().c_str(), &db) == SQLITE_OK,
              "the database file can be opened");
  sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, nullptr);
  FuzzRequire(sqlite3_load_extension(db, NORI_EXTENSION_PATH, nullptr,
                                     nullptr) == SQLITE_OK,
              "the extension loads");
  for (const char* sql : kStatements) Use(db, sql);
  FuzzRequire(sqlite3_close(db) == SQLITE_OK, "the connection closes");
}

std::string ReadBytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void WriteBytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

}  // namespace nori
