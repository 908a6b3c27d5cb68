// Runs one sqllogictest file.
//
//   sqllogic_runner [--update] ordinary|nori|small-nori EXTENSION FILE
//
// The database is a file in an empty folder, which is removed afterwards. With
// NORI_SQLLOGIC_URI in the environment it is what that names instead, with PATH
// replaced by that file: file:PATH?vfs=name. --update writes the results into
// FILE. Exits with 0 only if everything was as the file says.

#include <sqlite3.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_replace.h"
#include "tests/sqllogic/script.h"
#include "tests/sqllogic/session.h"

namespace nori::sqllogic {
namespace {

std::optional<Tables> TablesOfName(const std::string& name) {
  if (name == "ordinary") return Tables::kOrdinary;
  if (name == "nori") return Tables::kNori;
  if (name == "small-nori") return Tables::kSmallNori;
  return std::nullopt;
}

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name =
        (std::filesystem::temp_directory_path() / "nori_sqllogic_XXXXXX")
            .string();
    if (mkdtemp(name.data()) == nullptr) {
      std::perror("mkdtemp");
      std::exit(2);
    }
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

[[noreturn]] void Stop(const std::string& what) {
  std::cerr << what << '\n';
  std::exit(2);
}

sqlite3* OpenDatabase(const std::string& uri) {
  sqlite3* db = nullptr;
  if (sqlite3_open_v2(
          uri.c_str(), &db,
          SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI,
          nullptr) != SQLITE_OK) {
    Stop(uri + ": " + sqlite3_errmsg(db));
  }
  return db;
}

// In a connection of its own, so that the VFS that the extension may bring is
// there when the database is opened. Later connections have the module.
sqlite3* LoadExtension(const std::string& path) {
  sqlite3* db = OpenDatabase(":memory:");
  sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, nullptr);
  char* error = nullptr;
  if (sqlite3_load_extension(db, path.c_str(), nullptr, &error) != SQLITE_OK) {
    Stop(error == nullptr ? "the extension could not be loaded" : error);
  }
  return db;
}

int RunFile(bool update, Tables tables, const std::string& extension,
            const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(in)), {});
  if (!in) Stop(file + " cannot be read");
  const absl::StatusOr<std::vector<Record>> records = ParseScript(text);
  if (!records.ok()) {
    Stop(file + ": " + std::string(records.status().message()));
  }

  const TemporaryFolder folder;
  const char* uri = std::getenv("NORI_SQLLOGIC_URI");
  sqlite3* loader = LoadExtension(extension);
  sqlite3* db = OpenDatabase(
      absl::StrReplaceAll(uri == nullptr ? "PATH" : uri,
                          {{"PATH", (folder.path() / "test.db").string()}}));
  std::vector<Record> to_run = *records;
  if (update) {
    for (Record& record : to_run) record.has_results = false;
  }
  const Report report = Session(db, tables).Run(to_run);
  sqlite3_close(db);
  sqlite3_close(loader);

  for (const std::string& failure : report.failures) {
    std::cout << file << ": " << failure << '\n';
  }
  if (update) {
    std::ofstream(file, std::ios::binary)
        << WithResults(text, *records, report.results);
  }
  std::cout << file << ": " << report.run << " run, " << report.skipped
            << " skipped, " << report.failures.size() << " failed\n";
  return report.failures.empty() && report.run > 0 ? 0 : 1;
}

}  // namespace
}  // namespace nori::sqllogic

int main(int argc, char** argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  const bool update = !arguments.empty() && arguments[0] == "--update";
  if (update) arguments.erase(arguments.begin());
  const auto tables = arguments.size() == 3
                          ? nori::sqllogic::TablesOfName(arguments[0])
                          : std::nullopt;
  if (!tables) {
    nori::sqllogic::Stop(
        "usage: sqllogic_runner [--update] ordinary|nori|small-nori EXTENSION "
        "FILE");
  }
  return nori::sqllogic::RunFile(update, *tables, arguments[1], arguments[2]);
}
