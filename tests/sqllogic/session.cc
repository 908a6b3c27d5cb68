#include "tests/sqllogic/session.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/sqllogic/dialect.h"
#include "tests/sqllogic/results.h"

namespace nori::sqllogic {
namespace {

// Rows of a table of a few hundred rows reach table files and several runs.
constexpr char kSmallEngine[] =
    ", memtable_bytes = 4096, block_bytes = 256, table_bytes = 8192, "
    "slot_bytes = 16384, transaction_spill_bytes = 4096";

std::string Show(const std::vector<std::string>& values) {
  constexpr size_t kShown = 40;
  const size_t shown = std::min(values.size(), kShown);
  std::string text = absl::StrJoin(
      values.begin(), values.begin() + static_cast<std::ptrdiff_t>(shown),
      "\n    ");
  if (shown < values.size()) absl::StrAppend(&text, "\n    ...");
  return text;
}

// What a row of EXPLAIN QUERY PLAN says, without the number of a virtual
// table's plan, which says nothing.
std::string StepOfPlan(sqlite3_stmt* statement) {
  constexpr int kDetail = 3;
  std::string text = FormatValue(statement, kDetail, 'T');
  constexpr std::string_view kNumber = "VIRTUAL TABLE INDEX ";
  const size_t begin = text.find(kNumber);
  if (begin == std::string::npos) return text;
  const size_t number = begin + kNumber.size();
  const size_t end = text.find_first_not_of("0123456789", number);
  return text.replace(number, std::min(end, text.size()) - number, "n");
}

}  // namespace

Session::Session(sqlite3* db, Tables tables) : db_(db), tables_(tables) {}

bool Session::Applies(const Record& record) const {
  return std::all_of(
      record.conditions.begin(), record.conditions.end(),
      [this](const Condition& condition) {
        const std::string name = absl::AsciiStrToLower(condition.name);
        const bool is_it =
            name == "sqlite" ||
            name == (tables_ == Tables::kOrdinary ? "ordinary" : "nori") ||
            (name == "small-nori" && tables_ == Tables::kSmallNori);
        return is_it == condition.only;
      });
}

Report Session::Run(const std::vector<Record>& records) {
  report_ = {};
  report_.results.resize(records.size());
  for (size_t i = 0; i < records.size(); ++i) {
    const Record& record = records[i];
    if (!Applies(record)) {
      ++report_.skipped;
      continue;
    }
    if (record.kind == RecordKind::kHalt) break;
    switch (record.kind) {
      case RecordKind::kStatement:
        RunStatement(record);
        break;
      case RecordKind::kQuery:
        RunQuery(record, &report_.results[i]);
        break;
      default:
        threshold_ = record.threshold;
        continue;
    }
    ++report_.run;
  }
  CheckDatabase();
  return report_;
}

Session::Outcome Session::Execute(const std::string& sql,
                                  const std::string& types) {
  Outcome outcome;
  const std::string actual =
      tables_ == Tables::kOrdinary
          ? sql
          : ToNori(db_, sql, tables_ == Tables::kSmallNori ? kSmallEngine : "");
  sqlite3_stmt* statement = nullptr;
  const char* tail = nullptr;
  int code = sqlite3_prepare_v2(db_, actual.c_str(), -1, &statement, &tail);
  const bool is_plan = types == "T" && sqlite3_stmt_isexplain(statement) == 2;
  const bool matches =
      types.empty() || code != SQLITE_OK || is_plan ||
      sqlite3_column_count(statement) == static_cast<int>(types.size());
  outcome.columns = types.size();
  if (code == SQLITE_OK && matches) {
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
      if (is_plan) outcome.values.push_back(StepOfPlan(statement));
      for (size_t i = 0; i < types.size() && !is_plan; ++i) {
        outcome.values.push_back(
            FormatValue(statement, static_cast<int>(i), types[i]));
      }
    }
  }
  if (!matches) {
    outcome.status = absl::InvalidArgumentError(
        absl::StrCat("the query has ", sqlite3_column_count(statement),
                     " columns, not ", types.size()));
  } else if (code != SQLITE_OK && code != SQLITE_DONE) {
    outcome.status = absl::UnknownError(sqlite3_errmsg(db_));
  } else if (!absl::StripAsciiWhitespace(tail).empty()) {
    outcome.status =
        absl::InvalidArgumentError("a record holds more than one statement");
  }
  sqlite3_finalize(statement);
  return outcome;
}

void Session::RunStatement(const Record& record) {
  const Outcome outcome = Execute(record.sql, "");
  if (!record.expect_error) {
    if (!outcome.status.ok()) {
      Fail(record, std::string(outcome.status.message()));
    }
  } else if (outcome.status.ok()) {
    Fail(record, "no error");
  } else if (!absl::StrContains(outcome.status.message(), record.error_text)) {
    Fail(record, absl::StrCat("another error: ", outcome.status.message()));
  }
}

void Session::RunQuery(const Record& record, std::optional<Results>* results) {
  Outcome outcome = Execute(record.sql, record.types);
  if (!outcome.status.ok()) {
    Fail(record, std::string(outcome.status.message()));
    return;
  }
  SortResults(record.sort, outcome.columns, &outcome.values);
  const std::string hash = HashOfResults(outcome.values);
  if (!record.label.empty()) {
    const auto [found, is_new] = labels_.emplace(record.label, hash);
    if (!is_new && found->second != hash) {
      Fail(record, absl::StrCat("another result than the query before with "
                                "the label ",
                                record.label, ":\n    ", Show(outcome.values)));
    }
  }
  *results = outcome.values;
  if (threshold_ > 0 && outcome.values.size() > threshold_)
    *results = Results{hash};
  // A file may hold a hash whatever the threshold is.
  const bool hash_expected =
      record.results.size() == 1 &&
      absl::StrContains(record.results[0], " values hashing to ");
  const bool equal = hash_expected ? record.results[0] == hash
                                   : record.results == outcome.values;
  if (record.has_results && !equal) {
    Fail(record,
         absl::StrCat("expected\n    ", Show(record.results),
                      "\n  but got\n    ", hash_expected ? hash + "\n    " : "",
                      Show(outcome.values)));
  }
}

void Session::Fail(const Record& record, const std::string& why) {
  report_.failures.push_back(
      absl::StrCat("line ", record.line, ": ", record.sql, "\n  ", why));
}

void Session::CheckDatabase() {
  Record check;
  check.sql = "ROLLBACK";
  if (!sqlite3_get_autocommit(db_)) RunStatement(check);
  check.kind = RecordKind::kQuery;
  check.types = "T";
  check.has_results = true;
  check.results = {"ok"};
  std::optional<Results> ignored;
  check.sql = "PRAGMA integrity_check";
  RunQuery(check, &ignored);
  if (tables_ == Tables::kOrdinary) return;
  check.sql =
      "SELECT count(*) > 0 FROM sqlite_schema WHERE name = 'nori_state'";
  check.results = {"1"};
  if (Execute(check.sql, "I").values != check.results) return;
  check.sql = "SELECT nori_verify()";
  check.results = {"ok"};
  RunQuery(check, &ignored);
}

}  // namespace nori::sqllogic
