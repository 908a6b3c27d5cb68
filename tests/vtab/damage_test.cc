// Damaged files, files that may not be written, and values at the limits, as
// an application meets them.

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "tests/vtab/hostile_values.h"
#include "tests/vtab/module_fixture.h"

namespace nori {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

constexpr char kCreate[] =
    "CREATE VIRTUAL TABLE t USING nori(id INTEGER PRIMARY KEY, v)";
constexpr int kRows = 400;

class DamageTest : public ModuleTest {
 protected:
  // Rows in a table and, the later half, in the log.
  void MakeDatabase() {
    TestConnection a(Path("a.db"));
    a.Get(kCreate);
    const std::string fill =
        "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE "
        "i < 200) INSERT INTO t SELECT i + ";
    a.Get(fill + "0, 'value ' || i FROM c");
    a.Get("SELECT nori_flush()");
    a.Get(fill + "200, 'value ' || (i + 200) FROM c");
  }

  // A copy of the database, which the test may damage.
  void Copy() {
    std::filesystem::remove_all(Path("copy.db-nori"));
    std::filesystem::copy(Path("a.db-nori"), Path("copy.db-nori"),
                          std::filesystem::copy_options::recursive);
    std::filesystem::copy_file(
        Path("a.db"), Path("copy.db"),
        std::filesystem::copy_options::overwrite_existing);
  }

  std::vector<std::string> EngineFiles() const {
    std::vector<std::string> names;
    for (const auto& entry :
         std::filesystem::directory_iterator(Path("a.db-nori"))) {
      if (entry.file_size() > 0) names.push_back(entry.path().filename());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  // Refused, or every row that is shown is right and the rows are those of a
  // prefix of the commits.
  void ExpectNoWrongAnswer(const std::string& what) {
    TestConnection b(Path("copy.db"));
    const SqlResult scan = b.Run("SELECT id, v FROM t ORDER BY id");
    if (scan.code != SQLITE_OK) {
      EXPECT_THAT(scan.code & 0xff, AnyOf(SQLITE_CORRUPT, SQLITE_CANTOPEN))
          << what << ": " << scan.message;
      EXPECT_THAT(scan.message, HasSubstr("nori")) << what;
    } else {
      EXPECT_THAT(scan.rows.size(), AnyOf(kRows / 2, kRows)) << what;
    }
    for (size_t i = 0; i < scan.rows.size(); ++i) {
      const std::string id = std::to_string(i + 1);
      ASSERT_EQ(scan.rows[i], id + "|'value " + id + "'") << what;
    }
    const SqlResult point = b.Run("SELECT v FROM t WHERE id = 7");
    if (point.code == SQLITE_OK) {
      EXPECT_THAT(point.rows, ::testing::ElementsAre("'value 7'")) << what;
    }
  }
};

TEST_F(DamageTest, FlippedAndTruncatedFiles) {
  MakeDatabase();
  std::mt19937_64 random(TestSeed(std::random_device{}()));
  const std::vector<std::string> names = EngineFiles();
  ASSERT_GE(names.size(), 4u);  // manifest, CURRENT, a table, a log segment
  for (const std::string& name : names) {
    for (int round = 0; round < 12; ++round) {
      Copy();
      const std::string path = Path("copy.db-nori/" + name);
      const uint64_t size = std::filesystem::file_size(path);
      const uint64_t offset = random() % std::min<uint64_t>(size, 30000);
      if (round % 3 == 0) {
        std::filesystem::resize_file(path, offset);
      } else {
        std::fstream file(path,
                          std::ios::in | std::ios::out | std::ios::binary);
        file.seekg(static_cast<std::streamoff>(offset));
        const int byte = file.get() ^ (1 << (random() % 8));
        file.seekp(static_cast<std::streamoff>(offset));
        file.put(static_cast<char>(byte));
      }
      ExpectNoWrongAnswer(name + " of " + std::to_string(size) + " at " +
                          std::to_string(offset) + ", round " +
                          std::to_string(round));
      if (HasFatalFailure()) return;
    }
  }
}

TEST_F(DamageTest, DirectoryThatMayNotBeWritten) {
  MakeDatabase();
  // Root may write everywhere, so the shell runs as somebody else.
  ASSERT_EQ(::chmod(Path("a.db-nori").c_str(), 0555), 0);
  ASSERT_EQ(::chmod(Path("").c_str(), 0555), 0);
  ASSERT_EQ(::chmod(Path("a.db").c_str(), 0444), 0);
  const std::string runner =
      ::geteuid() == 0 ? "setpriv --reuid 65534 --clear-groups" : "";
  const std::string output =
      Path("../") + "nori-output-" +
      std::filesystem::path(Path("x")).parent_path().filename().string();
  for (const char* statement :
       {"SELECT * FROM t", "INSERT INTO t VALUES(1000, 1)"}) {
    EXPECT_NE(InAnotherProcess(
                  Path("a.db") + " \"" + statement + "\" > " + output + " 2>&1",
                  runner),
              0);
    std::ifstream file(output);
    const std::string text((std::istreambuf_iterator<char>(file)), {});
    EXPECT_THAT(text, AnyOf(HasSubstr("Permission denied"),
                            HasSubstr("readonly database")))
        << statement;
  }
  std::filesystem::remove(output);
  ASSERT_EQ(::chmod(Path("").c_str(), 0755), 0);
  ASSERT_EQ(::chmod(Path("a.db-nori").c_str(), 0755), 0);
  ASSERT_EQ(::chmod(Path("a.db").c_str(), 0644), 0);
  TestConnection a(Path("a.db"));
  EXPECT_EQ(a.Get("SELECT count(*) FROM t"), std::to_string(kRows));
}

TEST_F(DamageTest, HundredMegabytesInOneValue) {
  TestConnection a(Path("a.db"));
  a.Get(kCreate);
  a.Get("CREATE TABLE plain(v)");
  a.Get("INSERT INTO plain VALUES(randomblob(1000000))");
  a.Get(
      "UPDATE plain SET v = (SELECT group_concat(hex(v), '') FROM plain, "
      "(WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i "
      "< 50) SELECT i FROM c))");
  a.Get("INSERT INTO t SELECT 1, CAST(v AS BLOB) FROM plain");
  a.Get("SELECT nori_flush()");
  EXPECT_EQ(a.Get("SELECT length(t.v), t.v = CAST(plain.v AS BLOB), typeof(t.v)"
                  " FROM t, plain"),
            "100000000|1|'blob'");
  a.Get("UPDATE t SET id = 2");
  EXPECT_EQ(a.Get("SELECT id, length(v) FROM t"), "2|100000000");
}

TEST_F(DamageTest, KeysHaveALimit) {
  TestConnection a(Path("a.db"));
  a.Get("CREATE VIRTUAL TABLE k USING nori(k PRIMARY KEY)");
  a.Get("INSERT INTO k VALUES(zeroblob(1000)), ('short')");
  const SqlResult result = a.Run("INSERT INTO k VALUES(randomblob(1000000))");
  EXPECT_EQ(result.code, SQLITE_TOOBIG) << result.message;
  EXPECT_THAT(result.message, HasSubstr("key"));
  EXPECT_EQ(a.Get("SELECT count(*) FROM k"), "2");
}

}  // namespace
}  // namespace nori
