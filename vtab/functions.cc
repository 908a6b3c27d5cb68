// The SQL functions.

#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "engine/format/status_macros.h"
#include "vtab/database.h"
#include "vtab/error_map.h"
#include "vtab/introspection.h"
#include "vtab/key_codec.h"
#include "vtab/metric_samples.h"
#include "vtab/table_check.h"
#include "vtab/version.h"

namespace nori {
namespace {

void ShowVersion(sqlite3_context* context, int, sqlite3_value**) noexcept {
  sqlite3_result_text(context, kVersion, -1, SQLITE_STATIC);
}

// The open database that an optional schema argument names.
absl::StatusOr<std::shared_ptr<Database>> DatabaseOfArguments(
    sqlite3_context* context, int argc, sqlite3_value** argv) {
  auto* connection = static_cast<Connection*>(sqlite3_user_data(context));
  std::string schema = "main";
  if (argc > 0) {
    const auto* given =
        reinterpret_cast<const char*>(sqlite3_value_text(argv[0]));
    schema = given == nullptr ? "" : given;
  }
  if (sqlite3_db_filename(connection->db(), schema.c_str()) == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("there is no schema called ", schema));
  }
  std::shared_ptr<Database> database = connection->GetDatabase(schema);
  NORI_ASSIGN_OR_RETURN(const bool exists, database->state_table().Exists());
  if (!exists) {
    return absl::InvalidArgumentError(
        absl::StrCat("the schema ", schema, " has no nori tables"));
  }
  NORI_RETURN_IF_ERROR(database->EnsureOpen());
  return database;
}

// Runs `body` on the database of the arguments; its text is the result.
template <typename Body>
void OnDatabase(sqlite3_context* context, int argc, sqlite3_value** argv,
                Body&& body) noexcept {
  const int rc = Guarded([&] {
    const auto database = DatabaseOfArguments(context, argc, argv);
    absl::StatusOr<std::string> result =
        database.ok() ? body(**database) : database.status();
    if (!result.ok()) {
      ReportStatus(context, result.status());
    } else {
      sqlite3_result_text64(context, result->data(), result->size(),
                            SQLITE_TRANSIENT, SQLITE_UTF8);
    }
    return SQLITE_OK;
  });
  if (rc != SQLITE_OK) sqlite3_result_error_code(context, rc);
}

absl::StatusOr<std::string> FlushDatabase(Database& database) {
  database.shared().mixed().Tidy();
  NORI_RETURN_IF_ERROR(database.engine()->Flush());
  return "ok";
}

absl::StatusOr<std::string> CompactDatabase(Database& database) {
  database.shared().mixed().Tidy();
  NORI_RETURN_IF_ERROR(database.engine()->Flush());
  NORI_RETURN_IF_ERROR(database.engine()->CompactRange({}));
  return "ok";
}

// Table ids that the engine holds rows of and nori_state does not know. They
// do no harm; only a person can say whether they may go.
absl::StatusOr<std::string> UnknownTables(Database& database) {
  NORI_ASSIGN_OR_RETURN(const auto tables, database.state_table().ListTables());
  std::set<uint64_t> known;
  for (const auto& [id, name] : tables) known.insert(id);
  std::string unknown;
  const std::unique_ptr<Iterator> it = database.engine()->NewIterator({});
  it->SeekToFirst();
  while (it->Valid()) {
    std::string_view rest = it->key();
    uint64_t id;
    uint32_t index;
    if (!DecodeIndexPrefix(&rest, &id, &index)) {
      it->Next();
      continue;
    }
    if (!known.contains(id)) {
      absl::StrAppend(&unknown, unknown.empty() ? "" : ", ", id);
    }
    std::string next;
    EncodeIndexPrefix(id, index, &next);
    it->Seek(PrefixSuccessor(next));
  }
  NORI_RETURN_IF_ERROR(it->status());
  return unknown;
}

// Rows against index entries, of every table.
absl::Status VerifyIndexes(Database& database) {
  NORI_ASSIGN_OR_RETURN(const auto tables, database.state_table().ListTables());
  for (const auto& [id, name] : tables) {
    NORI_ASSIGN_OR_RETURN(VirtualTable* const table,
                          database.ConnectTable(name));
    if (table != nullptr) NORI_RETURN_IF_ERROR(CheckIndexes(table));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> VerifyDatabase(Database& database) {
  NORI_RETURN_IF_ERROR(database.engine()->Verify());
  NORI_RETURN_IF_ERROR(VerifyIndexes(database));
  NORI_ASSIGN_OR_RETURN(const std::string unknown, UnknownTables(database));
  if (unknown.empty()) return "ok";
  return absl::StrCat("ok; rows of tables that the schema does not know: ",
                      unknown);
}

absl::StatusOr<std::string> MetricsOfDatabase(Database& database) {
  return MetricsText(ListMetricSamples(database.engine()->GetStats()),
                     database.schema());
}

void Flush(sqlite3_context* context, int argc, sqlite3_value** argv) noexcept {
  OnDatabase(context, argc, argv, FlushDatabase);
}

void Compact(sqlite3_context* context, int argc,
             sqlite3_value** argv) noexcept {
  OnDatabase(context, argc, argv, CompactDatabase);
}

void Verify(sqlite3_context* context, int argc, sqlite3_value** argv) noexcept {
  OnDatabase(context, argc, argv, VerifyDatabase);
}

// Works also where the last statement left no database to ask for.
void ShowLastScan(sqlite3_context* context, int, sqlite3_value**) noexcept {
  const int rc = Guarded([&] {
    auto* connection = static_cast<Connection*>(sqlite3_user_data(context));
    const std::string json = connection->last_scan().Json();
    sqlite3_result_text64(context, json.data(), json.size(), SQLITE_TRANSIENT,
                          SQLITE_UTF8);
    return SQLITE_OK;
  });
  if (rc != SQLITE_OK) sqlite3_result_error_code(context, rc);
}

void ShowMetricsText(sqlite3_context* context, int argc,
                     sqlite3_value** argv) noexcept {
  OnDatabase(context, argc, argv, MetricsOfDatabase);
}

}  // namespace

int RegisterFunctions(sqlite3* db, Connection* connection) {
  using Function = void (*)(sqlite3_context*, int, sqlite3_value**);
  int rc = sqlite3_create_function_v2(
      db, "nori_version", 0,
      SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, nullptr,
      ShowVersion, nullptr, nullptr, nullptr);
  if (rc == SQLITE_OK) {
    rc = sqlite3_create_function_v2(db, "nori_last_scan", 0,
                                    SQLITE_UTF8 | SQLITE_DIRECTONLY, connection,
                                    ShowLastScan, nullptr, nullptr, nullptr);
  }
  const std::pair<const char*, Function> functions[] = {
      {"nori_flush", Flush},
      {"nori_compact", Compact},
      {"nori_verify", Verify},
      {"nori_metrics_text", ShowMetricsText}};
  for (const auto& [name, function] : functions) {
    for (const int arguments : {0, 1}) {
      if (rc != SQLITE_OK) return rc;
      // They work on files: not for a schema's triggers and views to call.
      rc = sqlite3_create_function_v2(
          db, name, arguments, SQLITE_UTF8 | SQLITE_DIRECTONLY, connection,
          function, nullptr, nullptr, nullptr);
    }
  }
  return rc;
}

}  // namespace nori
