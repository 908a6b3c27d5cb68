// Connections to a database in the VFS `nori`, on real files.

#ifndef NORI_TESTS_SQLITE_VFS_PAGE_FIXTURE_H_
#define NORI_TESTS_SQLITE_VFS_PAGE_FIXTURE_H_

#include <sqlite3.h>

#include <memory>
#include <string>

#include "tests/vtab/module_fixture.h"

namespace nori {

class PageVfsTest : public ModuleTest {
 protected:
  // Of app.db; `more` are further parameters, each with its '&'.
  std::string Uri(const std::string& more = "") const {
    return UriOf("app.db", more);
  }
  std::string UriOf(const std::string& name,
                    const std::string& more = "") const {
    return "file:" + Path(name) + "?vfs=nori" + more;
  }
  std::unique_ptr<TestConnection> Open(const std::string& more = "") const {
    return std::make_unique<TestConnection>(Uri(more));
  }

  // The result of opening and reading.
  static int CodeOfRead(const std::string& uri, int flags) {
    sqlite3* db = nullptr;
    int code =
        sqlite3_open_v2(uri.c_str(), &db, flags | SQLITE_OPEN_URI, nullptr);
    if (code == SQLITE_OK) {
      code = sqlite3_exec(db, "SELECT * FROM sqlite_schema", nullptr, nullptr,
                          nullptr);
    }
    sqlite3_close(db);
    return code;
  }

  // Adds rows to a table of kTable's columns.
  static std::string Fill(int rows) {
    return "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n WHERE "
           "x<" +
           std::to_string(rows) +
           ") INSERT INTO t SELECT x, hex(zeroblob(20)) || x FROM n;";
  }
  static constexpr char kTable[] =
      "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT UNIQUE);";

  // As a program has it: a connection that loads comes first.
  TestConnection loader_{":memory:"};
};

}  // namespace nori

#endif  // NORI_TESTS_SQLITE_VFS_PAGE_FIXTURE_H_
