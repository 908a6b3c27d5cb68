// Files in the format of sqllogictest: records of statements and queries.

#ifndef NORI_TESTS_SQLLOGIC_SCRIPT_H_
#define NORI_TESTS_SQLLOGIC_SCRIPT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace nori::sqllogic {

enum class RecordKind : uint8_t { kStatement, kQuery, kHashThreshold, kHalt };
enum class SortMode : uint8_t { kNone, kRows, kValues };

// `skipif NAME` or `onlyif NAME` before a record.
struct Condition {
  bool only = false;
  std::string name;
};

struct Record {
  RecordKind kind = RecordKind::kStatement;
  size_t line = 0;  // of its first line, counted from 1
  std::vector<Condition> conditions;
  std::string sql;  // statements and queries; lines joined by '\n'

  // Statements.
  bool expect_error = false;
  // What the error's message must contain: the rest of the line
  // `statement error`; empty: any error will do.
  std::string error_text;

  // Queries.
  std::string types;  // one of I, T, R for each column
  SortMode sort = SortMode::kNone;
  std::string label;         // queries with the same label give the same result
  bool has_results = false;  // there is a line `----`
  std::vector<std::string> results;
  // Lines of the file, counted from 0, that hold them: [begin, end).
  size_t results_begin = 0, results_end = 0;

  size_t threshold = 0;  // kHashThreshold
};

// Splits `text` into records. Errors say the line.
absl::StatusOr<std::vector<Record>> ParseScript(std::string_view text);

// The lines of a query's result.
using Results = std::vector<std::string>;

// `text` with the results of its queries replaced: `results[i]`, if there is
// one, belongs to the i-th record of ParseScript, a query. One that has no
// results in the text gets its line `----`.
std::string WithResults(std::string_view text,
                        const std::vector<Record>& records,
                        const std::vector<std::optional<Results>>& results);

}  // namespace nori::sqllogic

#endif  // NORI_TESTS_SQLLOGIC_SCRIPT_H_
