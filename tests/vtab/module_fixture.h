// Connections with the extension loaded, as an application has them.

#ifndef NORI_TESTS_VTAB_MODULE_FIXTURE_H_
#define NORI_TESTS_VTAB_MODULE_FIXTURE_H_

#include <sqlite3.h>

#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace nori {

// What one statement gave.
struct SqlResult {
  int code = SQLITE_OK;  // extended
  std::string message;   // empty if code is SQLITE_OK
  // Values as SQL literals, columns joined by '|'.
  std::vector<std::string> rows;
};

// Whether databases in files are to be in the VFS nori: NORI_TEST_VFS=nori.
bool TestsVfsNori();
// The name by which SQLite opens `path` in the VFS nori.
std::string InVfsNori(const std::string& path);

// For a test of what a database of the VFS nori does not have.
#define NORI_SKIP_IN_VFS_NORI(reason) \
  if (TestsVfsNori()) GTEST_SKIP() << (reason)

// A connection. Not thread-safe.
class TestConnection {
 public:
  // Opens `path` and loads the extension, or only opens it. A path that begins
  // with '/' is opened in the VFS nori if that is tested.
  explicit TestConnection(const std::string& path, bool load = true);
  ~TestConnection();
  TestConnection(const TestConnection&) = delete;
  TestConnection& operator=(const TestConnection&) = delete;

  sqlite3* db() const { return db_; }
  // Runs the statements of `sql`; stops at the first error.
  SqlResult Run(const std::string& sql);
  // Run, which must succeed; the rows joined by newlines.
  std::string Get(const std::string& sql);
  // sqlite3_close; the connection is unusable if it gives SQLITE_OK.
  int Close();

 private:
  sqlite3* db_ = nullptr;
};

// A directory of its own for each test, removed afterwards.
class ModuleTest : public ::testing::Test {
 protected:
  ModuleTest();
  ~ModuleTest() override;

  std::string Path(const std::string& name) const {
    return directory_ + "/" + name;
  }

 private:
  std::string directory_;
};

// Runs the stock shell with the extension loaded: `arguments` are the database,
// statements and redirections. `runner`: a command that runs a command. Gives
// what std::system gives.
int InAnotherProcess(const std::string& arguments,
                     const std::string& runner = "");

// The value of an environment variable as a number, or `fallback`.
uint64_t NumberFromEnvironment(const char* name, uint64_t fallback);

}  // namespace nori

#endif  // NORI_TESTS_VTAB_MODULE_FIXTURE_H_
