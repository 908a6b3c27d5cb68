#include "tests/sqlite_vfs/workload.h"

namespace nori {

std::string ContentOf(TestConnection* connection) {
  std::string content = connection->Get(
      "SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE "
      "'sqlite_stat%' ORDER BY 1, 2");
  const SqlResult tables = connection->Run(
      "SELECT format('SELECT %Q, * FROM %w ORDER BY 2', name, name) FROM "
      "sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_stat%' "
      "ORDER BY name");
  EXPECT_EQ(tables.code, SQLITE_OK) << tables.message;
  for (const std::string& quoted : tables.rows) {
    content += "\n" + connection->Get(quoted.substr(1, quoted.size() - 2));
  }
  return content;
}

std::vector<std::string> Workload::Setup() {
  static constexpr const char* kVacuums[] = {"NONE", "FULL", "INCREMENTAL"};
  return {"PRAGMA page_size=" + std::to_string(512 << Uniform(5)),
          std::string("PRAGMA auto_vacuum=") + kVacuums[Uniform(3)],
          "CREATE TABLE log(n INTEGER PRIMARY KEY)",
          "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT, c INT, UNIQUE(b))",
          "CREATE TABLE u(a TEXT PRIMARY KEY, b, c INT) WITHOUT ROWID",
          "CREATE INDEX tc ON t(c, b)"};
}

std::string Workload::Settings() {
  return "PRAGMA temp_store=MEMORY; PRAGMA cache_size=" +
         std::to_string(1 + Uniform(20)) +
         "; PRAGMA locking_mode=" + (OneIn(4) ? "EXCLUSIVE" : "NORMAL");
}

std::string Workload::Insert() {
  const std::string table = Table();
  // Some rows take several pages.
  const std::string width = OneIn(6) ? "9000" : "300";
  return "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n WHERE "
         "x<" +
         std::to_string(1 + Uniform(60)) + ") INSERT OR " +
         (OneIn(2) ? "IGNORE" : "REPLACE") + " INTO " + table + " SELECT (x*" +
         Number(97) + "+" + Number(400) + ")%400, " +
         "substr(hex(zeroblob(4500)), 1, x*" + Number(999) + "%" + width +
         ")||x*" + Number(9) + ", x%" + std::to_string(1 + Uniform(9)) +
         " FROM n";
}

std::string Workload::Change() {
  const std::string where =
      " WHERE c%" + std::to_string(1 + Uniform(9)) + "=" + Number(4);
  switch (Uniform(6)) {
    case 0:
      return "DELETE FROM " + Table() + where;
    case 1:
      return "UPDATE " + Table() + " SET c=c+" + Number(5) + where;
    case 2:
      // May violate a constraint after some rows.
      return "UPDATE t SET b=substr(b, 1, length(b)-1), a=a+1000" + where;
    case 3:
      return "UPDATE " + Table() + " SET b=b||'" + Number(1000) + "'" + where;
    default:
      return Insert();
  }
}

std::string Workload::Schema() {
  switch (Uniform(6)) {
    case 0:
      return "CREATE TABLE IF NOT EXISTS v AS SELECT * FROM t";
    case 1:
      return "DROP TABLE IF EXISTS v";
    case 2:
      return "CREATE INDEX IF NOT EXISTS ub ON u(b, c DESC)";
    case 3:
      return "DROP INDEX IF EXISTS ub";
    case 4:
      return "REINDEX";
    default:
      return "ALTER TABLE v ADD COLUMN more DEFAULT 'more'";
  }
}

std::vector<std::string> Workload::Transaction(uint64_t number) {
  std::vector<std::string> sql = RolledBack(number);
  sql.back() = "COMMIT";
  return sql;
}

std::vector<std::string> Workload::RolledBack(uint64_t number) {
  std::vector<std::string> sql{OneIn(2) ? "BEGIN" : "BEGIN IMMEDIATE"};
  sql.push_back("INSERT INTO log VALUES(" + std::to_string(number) + ")");
  for (size_t changes = Uniform(5); changes > 0; --changes) {
    sql.push_back(OneIn(8) ? Schema() : Change());
    if (OneIn(5)) {
      sql.emplace_back("SAVEPOINT s");
      sql.push_back(Change());
      sql.push_back(Change());
      if (OneIn(2)) sql.emplace_back("ROLLBACK TO s");
      sql.emplace_back("RELEASE s");
    }
  }
  sql.emplace_back("ROLLBACK");
  return sql;
}

std::string Workload::Upkeep() {
  switch (Uniform(4)) {
    case 0:
      return "VACUUM";
    case 1:
      return "ANALYZE";
    case 2:
      return "REINDEX";
    default:
      return "PRAGMA incremental_vacuum(" + Number(20) + ")";
  }
}

}  // namespace nori
