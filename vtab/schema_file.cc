#include "vtab/schema_file.h"

#include <cstdint>

#include "absl/strings/str_cat.h"

namespace nori {

std::string VfsNameOf(sqlite3* db, const std::string& schema) {
  char* vfs = nullptr;
  sqlite3_file_control(db, schema.c_str(), SQLITE_FCNTL_VFSNAME, &vfs);
  std::string name = vfs == nullptr ? "" : vfs;
  sqlite3_free(vfs);
  return name;
}

namespace {

// The file object that the schema's pager has as long as it lives; null if it
// has none yet.
sqlite3_file* FileOf(sqlite3* db, const std::string& schema) {
  sqlite3_file* file = nullptr;
  sqlite3_file_control(db, schema.c_str(), SQLITE_FCNTL_FILE_POINTER, &file);
  return file;
}

bool IsOfMemdb(sqlite3* db, const std::string& schema) {
  return VfsNameOf(db, schema).starts_with("memdb(");
}

}  // namespace

std::string DatabasePathOf(sqlite3* db, const std::string& schema) {
  const char* path = sqlite3_db_filename(db, schema.c_str());
  // memdb takes a name for its databases in memory, which is none of a file.
  return path == nullptr || IsOfMemdb(db, schema) ? "" : path;
}

std::string MemoryHostOf(sqlite3* db, const std::string& schema) {
  const char* const name = sqlite3_db_filename(db, schema.c_str());
  // memdb's databases with such names are shared.
  if (name != nullptr && name[0] == '/') return name;
  return absl::StrCat(
      IsOfMemdb(db, schema) ? "memdb " : "",
      absl::Hex(reinterpret_cast<uintptr_t>(FileOf(db, schema))));
}

bool SchemaFile::IsReplaced() {
  sqlite3_file* const file = FileOf(db_, schema_);
  const sqlite3_io_methods* const methods =
      file == nullptr ? nullptr : file->pMethods;
  if (file_ == nullptr) {
    file_ = file;
    methods_ = methods;
  }
  if (file != file_) return true;
  if (methods == methods_) return false;
  // A temporary database gets its methods when it first needs a file; an image
  // may have been put in at the place of what was there before.
  if (IsOfMemdb(db_, schema_)) return true;
  methods_ = methods;
  return false;
}

}  // namespace nori
