// The files of every format version are read for ever: tests/golden/ has what
// tests/golden/make.sh made when the version was new.

#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>

#include "absl/strings/str_format.h"
#include "engine/format/checksum.h"
#include "engine/format/coding.h"
#include "gmock/gmock.h"
#include "tests/vtab/module_fixture.h"

namespace nori {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class GoldenTest : public ModuleTest {
 protected:
  GoldenTest() {
    std::filesystem::copy(std::string(NORI_SOURCE_PATH) + "/tests/golden/v1",
                          Path("v1"), std::filesystem::copy_options::recursive);
  }

  std::string File(const std::string& name) const { return Path("v1/" + name); }
  std::string Read(const std::string& name) const {
    std::ifstream file(File(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void Write(const std::string& name, const std::string& bytes) const {
    std::ofstream(File(name), std::ios::binary) << bytes;
  }
  // The message with which the nori tables are refused.
  std::string Refusal() const {
    TestConnection a(File("tables.db"));
    const SqlResult result = a.Run("SELECT * FROM people");
    EXPECT_NE(result.code, SQLITE_OK);
    return result.message;
  }
};

TEST_F(GoldenTest, RowsOfTables) {
  TestConnection a(File("tables.db"));
  EXPECT_EQ(a.Get("SELECT nori_verify()"), "'ok'");
  for (const char* table : {"people", "visits", "log"}) {
    EXPECT_EQ(a.Get(std::string("SELECT nori_verify('") + table + "')"),
              "'ok'");
  }
  a.Get(
      "CREATE TEMP TABLE expected AS WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL"
      " SELECT i + 1 FROM c WHERE i < 60) SELECT i AS id, 'Name' || (i % 7) AS "
      "name, i / 4.0 AS score, CASE i % 3 WHEN 0 THEN NULL WHEN 1 THEN x'00ff' "
      "ELSE 'n' || i END AS note FROM c");
  EXPECT_EQ(a.Get("SELECT count(*) FROM people WHERE nori_snapshot = 'first'"),
            "60");
  EXPECT_EQ(a.Get("SELECT * FROM expected EXCEPT SELECT * FROM people WHERE "
                  "nori_snapshot = 'first'"),
            "");
  a.Get("DELETE FROM expected WHERE id BETWEEN 11 AND 20");
  a.Get("UPDATE expected SET score = -score WHERE id = 5");
  EXPECT_EQ(a.Get("SELECT count(*) FROM people"), "50");
  EXPECT_EQ(a.Get("SELECT * FROM expected EXCEPT SELECT * FROM people"), "");
  EXPECT_THAT(
      a.Run("SELECT place, day, n FROM visits ORDER BY place, day DESC").rows,
      ElementsAre("''|0|NULL", "'attic'|2|2.5!", "'Attic'|1|1!",
                  "'Cellar'|9223372036854775807|1.0000000000000001e+300!",
                  "'Cellar'|-9223372036854775808|-0.5!"));
  EXPECT_THAT(a.Run("SELECT rowid, line FROM log ORDER BY rowid").rows,
              ElementsAre("2|'two'", "3|NULL", "4|NULL", "5|'three'",
                          "6|'with a plain row'"));
  EXPECT_EQ(a.Get("SELECT a FROM plain"), "'with a nori row'");
}

TEST_F(GoldenTest, IndexesAndSnapshotsOfTables) {
  TestConnection a(File("tables.db"));
  EXPECT_THAT(
      a.Run("SELECT tbl, name, is_unique, definition FROM nori_indexes "
            "ORDER BY 1, 2")
          .rows,
      ElementsAre(
          "'log'|'nori_autoindex_1'|1|'CONSTRAINT \"nori_autoindex_1\" "
          "UNIQUE(\"line\")'",
          "'people'|'by_name'|0|'INDEX \"by_name\"(\"name\", \"score\" DESC)'",
          "'visits'|'by_n'|0|'INDEX \"by_n\"(\"n\")'"));
  const std::string by_name =
      "SELECT id FROM people WHERE name = 'NAME3' ORDER BY score DESC";
  EXPECT_THAT(a.Get("EXPLAIN QUERY PLAN " + by_name), HasSubstr("by_name"));
  EXPECT_THAT(a.Run(by_name).rows,
              ElementsAre("59", "52", "45", "38", "31", "24", "10", "3"));
  EXPECT_EQ(a.Get("SELECT day FROM visits WHERE n = 2.5"), "2");
  EXPECT_EQ(a.Get("SELECT rowid FROM log WHERE line = 'three'"), "5");
  EXPECT_EQ(a.Run("INSERT INTO log VALUES ('two')").code,
            SQLITE_CONSTRAINT_UNIQUE);
  EXPECT_EQ(a.Get("SELECT name FROM nori_snapshots"), "'first'");
  EXPECT_EQ(a.Get("SELECT value FROM nori_options WHERE name = 'block_bytes'"),
            "'1024'");
  a.Get("INSERT INTO log VALUES ('four')");
  EXPECT_EQ(a.Get("SELECT max(rowid) FROM log"), "7");
}

TEST_F(GoldenTest, PagesInTheEngine) {
  TestConnection loader(":memory:");
  const std::string uri = "file:" + File("pages.db") + "?vfs=nori";
  {
    TestConnection old(uri + "&nori_snapshot=first");
    EXPECT_EQ(old.Get("SELECT count(*), sum(a) FROM plain"), "20|210");
  }
  TestConnection a(uri);
  EXPECT_EQ(a.Get("PRAGMA integrity_check"), "'ok'");
  EXPECT_EQ(a.Get("PRAGMA nori_verify"), "'ok'");
  EXPECT_EQ(a.Get("SELECT count(*), sum(a) FROM plain"), "16|220");
  EXPECT_EQ(a.Get("SELECT a FROM plain WHERE b = 'last'"), "100");
}

TEST_F(GoldenTest, NewerCurrentIsRefused) {
  std::string current = Read("tables.db-nori/CURRENT");
  ASSERT_EQ(current.substr(0, 7), "nori 1 ");
  current[5] = '2';
  current.resize(current.rfind(' ') + 1);
  Write("tables.db-nori/CURRENT",
        current + absl::StrFormat("%016x\n", Checksum(current)));
  EXPECT_THAT(Refusal(), HasSubstr("CURRENT: written in format version 2, this "
                                   "program reads up to 1: open it with a "
                                   "newer program"));
}

TEST_F(GoldenTest, NewerManifestIsRefused) {
  const std::string name = "tables.db-nori/MANIFEST-000002";
  std::string bytes = Read(name);
  ASSERT_GT(bytes.size(), 32u);
  EncodeFixed<uint32_t>(bytes.data() + 8, 2);
  EncodeFixed<uint64_t>(bytes.data() + 24,
                        Checksum(std::string_view(bytes).substr(0, 24)));
  Write(name, bytes);
  EXPECT_THAT(Refusal(), HasSubstr("MANIFEST-000002: written in format version "
                                   "2, this program reads up to 1: open it "
                                   "with a newer program"));
}

TEST_F(GoldenTest, NewerStateIsRefused) {
  {
    TestConnection plain(File("tables.db"), /*load=*/false);
    plain.Get(
        "UPDATE nori_state SET state = CAST(substr(state, 1, 4) || x'02000000' "
        "|| substr(state, 9) AS BLOB) WHERE id = 0");
  }
  EXPECT_THAT(Refusal(),
              HasSubstr("nori_state has format 2, this build reads 1"));
}

TEST_F(GoldenTest, NewerMarkerIsRefused) {
  TestConnection loader(":memory:");
  std::string marker = Read("pages.db");
  const size_t at = marker.find("format 1\n");
  ASSERT_NE(at, std::string::npos);
  marker[at + 7] = '2';
  Write("pages.db", marker);
  sqlite3* db = nullptr;
  const std::string uri = "file:" + File("pages.db") + "?vfs=nori";
  EXPECT_NE(sqlite3_open_v2(uri.c_str(), &db,
                            SQLITE_OPEN_READWRITE | SQLITE_OPEN_URI, nullptr),
            SQLITE_OK);
  sqlite3_close(db);
}

}  // namespace
}  // namespace nori
