// Runs the records of a sqllogictest file in SQLite.

#ifndef NORI_TESTS_SQLLOGIC_SESSION_H_
#define NORI_TESTS_SQLLOGIC_SESSION_H_

#include <sqlite3.h>

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tests/sqllogic/script.h"

namespace nori::sqllogic {

// What CREATE TABLE in a file makes.
enum class Tables : uint8_t {
  kOrdinary,
  kNori,
  kSmallNori,  // nori tables whose rows leave memory at once
};

struct Report {
  size_t run = 0;
  size_t skipped = 0;
  std::vector<std::string> failures;
  // One for each record: of the queries that gave a result.
  std::vector<std::optional<Results>> results;
};

// Not thread-safe.
class Session {
 public:
  // `db` stays the caller's.
  Session(sqlite3* db, Tables tables);

  // Runs `records` in order. Conditions know the names "sqlite", which always
  // holds, "ordinary", "nori" and "small-nori", which is "nori", too.
  Report Run(const std::vector<Record>& records);

 private:
  struct Outcome {
    absl::Status status;  // its message is SQLite's
    size_t columns = 0;
    std::vector<std::string> values;
  };

  bool Applies(const Record& record) const;
  // Runs one statement and shows its values as `types` says; with empty
  // `types`, drops them. Of EXPLAIN QUERY PLAN, "T" is what it says.
  Outcome Execute(const std::string& sql, const std::string& types);
  void RunStatement(const Record& record);
  void RunQuery(const Record& record, std::optional<Results>* results);
  void Fail(const Record& record, const std::string& why);
  // Checks of the whole database after the last record.
  void CheckDatabase();

  sqlite3* const db_;
  const Tables tables_;
  size_t threshold_ = 0;  // more values than this are hashed; 0: none are
  std::map<std::string, std::string> labels_;  // to the hash of the result
  Report report_;
};

}  // namespace nori::sqllogic

#endif  // NORI_TESTS_SQLLOGIC_SESSION_H_
