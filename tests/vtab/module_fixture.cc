#include "tests/vtab/module_fixture.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace nori {
namespace {

std::string Literal(sqlite3_value* value) {
  char buffer[64];
  switch (sqlite3_value_type(value)) {
    case SQLITE_INTEGER:
      return std::to_string(sqlite3_value_int64(value));
    case SQLITE_FLOAT:
      std::snprintf(buffer, sizeof(buffer), "%.17g!",
                    sqlite3_value_double(value));
      return buffer;
    case SQLITE_TEXT:
    case SQLITE_BLOB: {
      const bool text = sqlite3_value_type(value) == SQLITE_TEXT;
      const auto* bytes = static_cast<const char*>(sqlite3_value_blob(value));
      const std::string content(
          bytes == nullptr ? "" : bytes,
          static_cast<size_t>(sqlite3_value_bytes(value)));
      return (text ? "'" : "x'") + content + "'";
    }
    default:
      return "NULL";
  }
}

// A path that says nothing else is meant in the VFS that is tested.
std::string NameToOpen(const std::string& path) {
  return TestsVfsNori() && path.starts_with('/') ? InVfsNori(path) : path;
}

}  // namespace

bool TestsVfsNori() {
  const char* const vfs = std::getenv("NORI_TEST_VFS");
  return vfs != nullptr && std::string(vfs) == "nori";
}

std::string InVfsNori(const std::string& path) {
  // Loading registers it.
  static const TestConnection loader(":memory:");
  return "file:" + path + "?vfs=nori";
}

TestConnection::TestConnection(const std::string& path, bool load) {
  EXPECT_EQ(sqlite3_open_v2(
                NameToOpen(path).c_str(), &db_,
                SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI,
                nullptr),
            SQLITE_OK);
  sqlite3_extended_result_codes(db_, 1);
  sqlite3_db_config(db_, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, nullptr);
  if (!load) return;
  char* error = nullptr;
  EXPECT_EQ(sqlite3_load_extension(db_, NORI_EXTENSION_PATH, nullptr, &error),
            SQLITE_OK)
      << error;
  sqlite3_free(error);
}

TestConnection::~TestConnection() {
  if (db_ == nullptr) return;
  EXPECT_EQ(Close(), SQLITE_OK);
  if (db_ == nullptr) return;
  sqlite3_stmt* const left = sqlite3_next_stmt(db_, nullptr);
  ADD_FAILURE() << "a statement is left: "
                << (left == nullptr ? "none" : sqlite3_sql(left));
}

int TestConnection::Close() {
  const int code = sqlite3_close(db_);
  if (code == SQLITE_OK) db_ = nullptr;
  return code;
}

SqlResult TestConnection::Run(const std::string& sql) {
  SqlResult result;
  const char* rest = sql.c_str();
  while (result.code == SQLITE_OK && *rest != '\0') {
    sqlite3_stmt* statement = nullptr;
    result.code = sqlite3_prepare_v2(db_, rest, -1, &statement, &rest);
    if (statement == nullptr) continue;
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
      std::string row;
      for (int i = 0; i < sqlite3_column_count(statement); ++i) {
        if (i > 0) row += '|';
        row += Literal(sqlite3_column_value(statement, i));
      }
      result.rows.push_back(std::move(row));
    }
    if (code != SQLITE_DONE) {
      result.code = code;
      result.message = sqlite3_errmsg(db_);
    }
    sqlite3_finalize(statement);
  }
  if (result.code != SQLITE_OK && result.message.empty()) {
    result.message = sqlite3_errmsg(db_);
  }
  return result;
}

std::string TestConnection::Get(const std::string& sql) {
  const SqlResult result = Run(sql);
  EXPECT_EQ(result.code, SQLITE_OK) << sql << ": " << result.message;
  std::string text;
  for (const std::string& row : result.rows) {
    if (!text.empty()) text += '\n';
    text += row;
  }
  return text;
}

ModuleTest::ModuleTest() {
  std::string name =
      (std::filesystem::temp_directory_path() / "nori_vtab_XXXXXX").string();
  EXPECT_NE(mkdtemp(name.data()), nullptr);
  directory_ = name;
}

ModuleTest::~ModuleTest() {
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

uint64_t NumberFromEnvironment(const char* name, uint64_t fallback) {
  const char* text = std::getenv(name);
  return text == nullptr ? fallback : std::strtoull(text, nullptr, 10);
}

int InAnotherProcess(const std::string& arguments, const std::string& runner) {
#if defined(__SANITIZE_ADDRESS__)
  // The stock shell does not know the runtime that an instrumented extension
  // needs, and leaks of its own are not ours.
  const std::string before =
      "ASAN_OPTIONS=detect_leaks=0 LD_PRELOAD=$(gcc "
      "-print-file-name=libasan.so) ";
#elif defined(__SANITIZE_THREAD__)
  const std::string before = "LD_PRELOAD=$(gcc -print-file-name=libtsan.so) ";
#else
  const std::string before;
#endif
  const std::string command =
      before + runner +
      " sqlite3 -batch -cmd '.load " NORI_EXTENSION_PATH "' " + arguments;
  return std::system(command.c_str());
}

}  // namespace nori
