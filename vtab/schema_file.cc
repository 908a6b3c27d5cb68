#include "vtab/schema_file.h"

#include <cstdint>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace nori {

std::string DatabasePathOf(sqlite3* db, const std::string& schema) {
  const char* path = sqlite3_db_filename(db, schema.c_str());
  if (path == nullptr) return "";
  // memdb takes a name for its databases in memory, which is none of a file.
  char* vfs = nullptr;
  sqlite3_file_control(db, schema.c_str(), SQLITE_FCNTL_VFSNAME, &vfs);
  const bool in_memory =
      vfs != nullptr && std::string_view(vfs).starts_with("memdb(");
  sqlite3_free(vfs);
  return in_memory ? "" : path;
}

sqlite3_file* FileOf(sqlite3* db, const std::string& schema) {
  sqlite3_file* file = nullptr;
  sqlite3_file_control(db, schema.c_str(), SQLITE_FCNTL_FILE_POINTER, &file);
  return file;
}

std::string MemoryHostOf(sqlite3* db, const std::string& schema) {
  const char* const name = sqlite3_db_filename(db, schema.c_str());
  // memdb's databases with such names are shared.
  if (name != nullptr && name[0] == '/') return name;
  return absl::StrCat(
      absl::Hex(reinterpret_cast<uintptr_t>(FileOf(db, schema))));
}

}  // namespace nori
