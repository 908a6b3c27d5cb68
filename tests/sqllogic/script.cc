#include "tests/sqllogic/script.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "engine/format/status_macros.h"

namespace nori::sqllogic {
namespace {

using Words = std::vector<std::string>;

class ScriptParser {
 public:
  explicit ScriptParser(const std::string& text)
      : lines_(absl::StrSplit(text, '\n')) {
    for (std::string& line : lines_) {
      if (line.ends_with('\r')) line.pop_back();
    }
  }

  absl::StatusOr<std::vector<Record>> Run() {
    std::vector<Record> records;
    std::vector<Condition> conditions;
    while (next_ < lines_.size()) {
      const std::string& line = lines_[next_++];
      const Words words =
          absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
      if (words.empty() || words[0].starts_with('#')) continue;
      if (words[0] == "skipif" || words[0] == "onlyif") {
        if (words.size() < 2) return Error("a name is missing");
        conditions.push_back({words[0] == "onlyif", words[1]});
        continue;
      }
      Record record;
      record.line = next_;
      record.conditions = std::move(conditions);
      conditions.clear();
      NORI_RETURN_IF_ERROR(Parse(words, &record));
      records.push_back(std::move(record));
    }
    if (!conditions.empty()) return Error("a condition without a record");
    return records;
  }

 private:
  absl::Status Error(const std::string& what) const {
    return absl::InvalidArgumentError(absl::StrCat("line ", next_, ": ", what));
  }

  bool AtBlank() const {
    return next_ == lines_.size() ||
           absl::StripAsciiWhitespace(lines_[next_]).empty();
  }

  absl::Status Parse(const Words& words, Record* record) {
    if (words[0] == "statement") return Statement(words, record);
    if (words[0] == "query") return Query(words, record);
    if (words[0] == "halt") {
      record->kind = RecordKind::kHalt;
      return absl::OkStatus();
    }
    if (words[0] == "hash-threshold") {
      record->kind = RecordKind::kHashThreshold;
      if (words.size() != 2 ||
          !absl::SimpleAtoi(words[1], &record->threshold)) {
        return Error("hash-threshold needs a number");
      }
      return absl::OkStatus();
    }
    return Error(absl::StrCat("no such record: ", words[0]));
  }

  absl::Status Sql(Record* record) {
    Words lines;
    while (!AtBlank() && lines_[next_] != "----") {
      lines.push_back(lines_[next_++]);
    }
    record->sql = absl::StrJoin(lines, "\n");
    return lines.empty() ? Error("SQL is missing") : absl::OkStatus();
  }

  absl::Status Statement(const Words& words, Record* record) {
    record->kind = RecordKind::kStatement;
    if (words.size() < 2 || (words[1] != "ok" && words[1] != "error")) {
      return Error("statement needs ok or error");
    }
    record->expect_error = words[1] == "error";
    if (record->expect_error && words.size() > 2) {
      const std::string& line = lines_[next_ - 1];
      record->error_text = line.substr(line.find(words[1]) + words[1].size());
      absl::StripAsciiWhitespace(&record->error_text);
    }
    NORI_RETURN_IF_ERROR(Sql(record));
    return AtBlank() ? absl::OkStatus() : Error("a statement has no results");
  }

  absl::Status Query(const Words& words, Record* record) {
    record->kind = RecordKind::kQuery;
    if (words.size() < 2 ||
        words[1].find_first_not_of("ITR") != std::string_view::npos) {
      return Error("query needs the types I, T or R of its columns");
    }
    record->types = words[1];
    if (words.size() > 2) {
      if (words[2] == "rowsort") {
        record->sort = SortMode::kRows;
      } else if (words[2] == "valuesort") {
        record->sort = SortMode::kValues;
      } else if (words[2] != "nosort") {
        return Error(absl::StrCat("no such sort mode: ", words[2]));
      }
    }
    if (words.size() > 3) record->label = words[3];
    NORI_RETURN_IF_ERROR(Sql(record));
    record->has_results = !AtBlank();
    if (record->has_results) ++next_;
    record->results_begin = next_;
    while (record->has_results && !AtBlank()) {
      record->results.push_back(lines_[next_++]);
    }
    record->results_end = next_;
    return absl::OkStatus();
  }

  Words lines_;
  size_t next_ = 0;
};

}  // namespace

absl::StatusOr<std::vector<Record>> ParseScript(std::string_view text) {
  return ScriptParser(std::string(text)).Run();
}

std::string WithResults(std::string_view text,
                        const std::vector<Record>& records,
                        const std::vector<std::optional<Results>>& results) {
  const std::vector<std::string> lines =
      absl::StrSplit(std::string(text), '\n');
  std::vector<std::string> changed;
  size_t next = 0;
  const auto copy_to = [&](size_t end) {
    while (next < end) changed.push_back(lines[next++]);
  };
  for (size_t i = 0; i < records.size(); ++i) {
    if (!results[i]) continue;
    copy_to(records[i].results_begin);
    if (!records[i].has_results) changed.emplace_back("----");
    changed.insert(changed.end(), results[i]->begin(), results[i]->end());
    next = records[i].results_end;
  }
  copy_to(lines.size());
  return absl::StrJoin(changed, "\n");
}

}  // namespace nori::sqllogic
