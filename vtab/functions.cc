// The SQL functions.

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "engine/core/metric_samples.h"
#include "engine/format/status_macros.h"
#include "sqlite_vfs/page_blocks.h"
#include "sqlite_vfs/version.h"
#include "vtab/backup.h"
#include "vtab/copy_watch.h"
#include "vtab/database.h"
#include "vtab/error_map.h"
#include "vtab/function_target.h"
#include "vtab/introspection.h"
#include "vtab/key_codec.h"
#include "vtab/pack.h"
#include "vtab/plain_copy.h"
#include "vtab/row_check.h"
#include "vtab/sqlite_value.h"
#include "vtab/table_check.h"
#include "vtab/text.h"
#include "vtab/virtual_table.h"

namespace nori {
namespace {

// A call of a function, and its result.
class Call {
 public:
  Call(sqlite3_context* context, int argc, sqlite3_value** argv)
      : context_(context), argc_(argc), argv_(argv) {}

  Connection* connection() const {
    return static_cast<Connection*>(sqlite3_user_data(context_));
  }
  int argc() const { return argc_; }
  sqlite3_value* argument(int i) const { return argv_[i]; }

  // Argument i, which must not be NULL.
  absl::StatusOr<std::string> Text(int i, const char* what) const {
    const auto* text =
        reinterpret_cast<const char*>(sqlite3_value_text(argv_[i]));
    if (text == nullptr) {
      return absl::InvalidArgumentError(absl::StrCat(what, " is NULL"));
    }
    return std::string(text,
                       static_cast<size_t>(sqlite3_value_bytes(argv_[i])));
  }

  // What argument i names; without it the schema main.
  absl::StatusOr<FunctionTarget> Target(int i, TargetKind kind) const {
    std::string text = "main";
    if (i < argc_) {
      NORI_ASSIGN_OR_RETURN(text, Text(i, "the name"));
    }
    return FindTarget(connection(), text, kind);
  }

  // For long work to ask.
  Engine::GoOn GoOn() const {
    return [connection = connection()]() -> absl::Status {
      if (!connection->IsInterrupted()) return absl::OkStatus();
      return NativeError(SQLITE_INTERRUPT, "interrupted");
    };
  }

  void Return(const std::string& text) const {
    sqlite3_result_text64(context_, text.data(), text.size(), SQLITE_TRANSIENT,
                          SQLITE_UTF8);
  }
  void Return(uint64_t number) const {
    sqlite3_result_int64(context_, static_cast<sqlite3_int64>(number));
  }

 private:
  sqlite3_context* const context_;
  const int argc_;
  sqlite3_value** const argv_;
};

// The form in which SQLite calls a function.
template <absl::Status (*Body)(const Call&)>
void CallFunction(sqlite3_context* context, int argc,
                  sqlite3_value** argv) noexcept {
  const int rc = Guarded([&] {
    const absl::Status status = Body(Call(context, argc, argv));
    if (!status.ok()) ReportStatus(context, status);
    return SQLITE_OK;
  });
  if (rc != SQLITE_OK) sqlite3_result_error_code(context, rc);
}

absl::Status ShowVersion(const Call& call) {
  call.Return(std::string(kVersion));
  return absl::OkStatus();
}

absl::Status Flush(const Call& call) {
  NORI_ASSIGN_OR_RETURN(const FunctionTarget target,
                        call.Target(0, TargetKind::kSchema));
  target.database->shared().mixed().Tidy();
  NORI_RETURN_IF_ERROR(target.database->engine()->Flush(call.GoOn()));
  call.Return("ok");
  return absl::OkStatus();
}

// The rows whose first key column is from `low` to `high`, both included; NULL
// leaves that side open.
KeyRange RangeOfValues(const VirtualTable& table, sqlite3_value* low,
                       sqlite3_value* high) {
  const TableSchema& schema = table.layout.schema;
  const KeyColumn column = table.has_rowid() ? KeyColumn{} : schema.key.front();
  const Affinity affinity =
      table.has_rowid()
          ? Affinity::kInteger
          : schema.columns[static_cast<size_t>(column.column)].affinity;
  const auto encode = [&](sqlite3_value* given) {
    std::string key = table.layout.prefix;
    std::string scratch;
    const Value value = ApplyAffinity(ValueOfSqlite(given), affinity, &scratch);
    EncodeKeyColumn(value, column.collation, column.descending, &key);
    return key;
  };
  if (column.descending) std::swap(low, high);
  KeyRange range{table.layout.prefix, table.layout.prefix_end};
  if (sqlite3_value_type(low) != SQLITE_NULL) range.begin = encode(low);
  if (sqlite3_value_type(high) != SQLITE_NULL) {
    range.end = PrefixSuccessor(encode(high));
  }
  return range;
}

absl::Status Compact(const Call& call) {
  NORI_ASSIGN_OR_RETURN(const FunctionTarget target,
                        call.Target(0, call.argc() > 1 ? TargetKind::kTable
                                                       : TargetKind::kEither));
  KeyRange range;
  if (!target.table.empty()) {
    NORI_ASSIGN_OR_RETURN(const VirtualTable* const table,
                          ConnectTable(target));
    range = call.argc() == 1
                ? RangeOfTable(table->id)
                : RangeOfValues(*table, call.argument(1), call.argument(2));
  }
  target.database->shared().mixed().Tidy();
  if (!range.IsEmpty()) {
    NORI_RETURN_IF_ERROR(
        target.database->engine()->CompactRange(range, call.GoOn()));
  }
  call.Return("ok");
  return absl::OkStatus();
}

// Table ids that the engine holds rows of and nori_state does not know. They
// do no harm; only a person can say whether they may go.
absl::StatusOr<std::string> UnknownTables(Database& database,
                                          const Engine::GoOn& go_on) {
  NORI_ASSIGN_OR_RETURN(const auto tables, database.state_table().ListTables());
  std::set<uint64_t> known;
  for (const auto& [id, name] : tables) known.insert(id);
  std::string unknown;
  IterateOptions options;
  options.bounds.end = kPageKeyPrefix;  // pages are of no table
  const std::unique_ptr<Iterator> it = database.engine()->NewIterator(options);
  it->SeekToFirst();
  while (it->Valid()) {
    NORI_RETURN_IF_ERROR(go_on());
    std::string_view rest = it->key();
    uint64_t id;
    uint32_t index;
    if (!DecodeIndexPrefix(&rest, &id, &index)) {
      it->Next();
      continue;
    }
    // Once for its rows and all its indexes.
    if (known.insert(id).second) {
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
absl::Status VerifyIndexes(Database& database, const Engine::GoOn& go_on) {
  NORI_ASSIGN_OR_RETURN(const auto tables, database.state_table().ListTables());
  for (const auto& [id, name] : tables) {
    NORI_RETURN_IF_ERROR(go_on());
    NORI_ASSIGN_OR_RETURN(VirtualTable* const table,
                          database.ConnectTable(name));
    if (table != nullptr) NORI_RETURN_IF_ERROR(CheckIndexes(table, go_on));
  }
  return absl::OkStatus();
}

absl::Status VerifyTable(const Call& call, const FunctionTarget& target) {
  NORI_ASSIGN_OR_RETURN(VirtualTable* const table, ConnectTable(target));
  NORI_RETURN_IF_ERROR(CheckRows(table, call.GoOn()));
  NORI_RETURN_IF_ERROR(CheckIndexes(table, call.GoOn()));
  call.Return("ok");
  return absl::OkStatus();
}

absl::Status Verify(const Call& call) {
  NORI_ASSIGN_OR_RETURN(const FunctionTarget target,
                        call.Target(0, TargetKind::kEither));
  if (!target.table.empty()) return VerifyTable(call, target);
  Database& database = *target.database;
  NORI_RETURN_IF_ERROR(database.engine()->Verify(call.GoOn()));
  NORI_RETURN_IF_ERROR(VerifyIndexes(database, call.GoOn()));
  NORI_ASSIGN_OR_RETURN(const std::string unknown,
                        UnknownTables(database, call.GoOn()));
  call.Return(
      unknown.empty()
          ? "ok"
          : absl::StrCat("ok; rows of tables that the schema does not know: ",
                         unknown));
  return absl::OkStatus();
}

absl::Status ShowMetricsText(const Call& call) {
  NORI_ASSIGN_OR_RETURN(const FunctionTarget target,
                        call.Target(0, TargetKind::kSchema));
  const Database& database = *target.database;
  call.Return(MetricsText(ListMetricSamples(database.engine()->GetStats()),
                          database.schema()));
  return absl::OkStatus();
}

absl::Status Estimate(const Call& call) {
  NORI_ASSIGN_OR_RETURN(const FunctionTarget target,
                        call.Target(0, TargetKind::kTable));
  NORI_ASSIGN_OR_RETURN(const VirtualTable* const table, ConnectTable(target));
  call.Return(target.database->engine()
                  ->Estimate({table->layout.prefix, table->layout.prefix_end})
                  .entries);
  return absl::OkStatus();
}

// Works also where the last statement left no database to ask for.
absl::Status ShowLastScan(const Call& call) {
  call.Return(call.connection()->last_scan().Json());
  return absl::OkStatus();
}

absl::Status TakeSnapshot(const Call& call) {
  NORI_ASSIGN_OR_RETURN(const std::string name,
                        call.Text(0, "the snapshot's name"));
  NORI_ASSIGN_OR_RETURN(const FunctionTarget target,
                        call.Target(1, TargetKind::kSchema));
  NORI_RETURN_IF_ERROR(target.database->NameSnapshot(name));
  call.Return("ok");
  return absl::OkStatus();
}

absl::Status ReleaseSnapshot(const Call& call) {
  NORI_ASSIGN_OR_RETURN(const std::string name,
                        call.Text(0, "the snapshot's name"));
  NORI_ASSIGN_OR_RETURN(const FunctionTarget target,
                        call.Target(1, TargetKind::kSchema));
  NORI_RETURN_IF_ERROR(target.database->ReleaseSnapshot(name));
  call.Return("ok");
  return absl::OkStatus();
}

absl::Status MakeBackup(const Call& call) {
  NORI_ASSIGN_OR_RETURN(const std::string path,
                        call.Text(0, "the backup's name"));
  NORI_ASSIGN_OR_RETURN(const FunctionTarget target,
                        call.Target(1, TargetKind::kSchema));
  target.database->shared().mixed().Tidy();
  NORI_ASSIGN_OR_RETURN(const std::string done,
                        BackUp(target.database.get(), path, call.GoOn()));
  call.Return(done);
  return absl::OkStatus();
}

absl::Status MakePack(const Call& call) {
  NORI_ASSIGN_OR_RETURN(const FunctionTarget target,
                        call.Target(0, TargetKind::kEither));
  std::string pack =
      target.table.empty() ? "nori_pack" : absl::StrCat(target.table, "_pack");
  if (call.argc() > 1) {
    NORI_ASSIGN_OR_RETURN(pack, call.Text(1, "the pack's name"));
  }
  NORI_ASSIGN_OR_RETURN(const std::string done,
                        Pack(target, pack, call.GoOn()));
  call.Return(done);
  return absl::OkStatus();
}

absl::Status MakeOfPack(const Call& call) {
  UnpackRequest request;
  NORI_ASSIGN_OR_RETURN(request.pack, call.Text(0, "the pack's name"));
  if (call.argc() > 1) {
    NORI_ASSIGN_OR_RETURN(request.table, call.Text(1, "the table's name"));
  }
  if (call.argc() > 2) {
    NORI_ASSIGN_OR_RETURN(request.new_name, call.Text(2, "the new name"));
  }
  NORI_ASSIGN_OR_RETURN(const std::string done,
                        Unpack(call.connection(), request, call.GoOn()));
  call.Return(done);
  return absl::OkStatus();
}

using Transfer = absl::StatusOr<std::string>(Connection*, const std::string&,
                                             const std::string&, const GoOn&);

// Between a schema, with nori tables or without, and a file.
template <Transfer* transfer>
absl::Status Transport(const Call& call) {
  NORI_ASSIGN_OR_RETURN(const std::string path,
                        call.Text(0, "the file's name"));
  std::string schema = "main";
  if (call.argc() > 1) {
    NORI_ASSIGN_OR_RETURN(schema, call.Text(1, "the schema's name"));
  }
  NORI_ASSIGN_OR_RETURN(const std::vector<std::string> schemas,
                        call.connection()->Schemas());
  for (const std::string& known : schemas) {
    if (!EqualsIgnoreCase(known, schema)) continue;
    NORI_ASSIGN_OR_RETURN(
        const std::string done,
        transfer(call.connection(), known, path, call.GoOn()));
    call.Return(done);
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("there is no schema called ", schema));
}

absl::Status ShowCopyError(const Call& call) {
  const std::string text = LastCopyError();
  if (!text.empty()) call.Return(text);
  return absl::OkStatus();
}

// A DELETE whose scan removes all rows at once and finds none: with it come
// SQLite's lock, its transaction and all checks of who may write.
absl::Status Truncate(const Call& call) {
  NORI_ASSIGN_OR_RETURN(const FunctionTarget target,
                        call.Target(0, TargetKind::kTable));
  NORI_ASSIGN_OR_RETURN(VirtualTable* const table, ConnectTable(target));
  char* sql =
      sqlite3_mprintf("DELETE FROM \"%w\".\"%w\"",
                      target.database->schema().c_str(), target.table.c_str());
  if (sql == nullptr) return SqliteError(SQLITE_NOMEM, "out of memory");
  table->truncating = true;
  sqlite3* const db = call.connection()->db();
  const int rc = sqlite3_exec(db, sql, nullptr, nullptr, nullptr);
  sqlite3_free(sql);
  table->truncating = false;
  NORI_RETURN_IF_ERROR(StatusOfSqlite(db, rc, target.table.c_str()));
  call.Return("ok");
  return absl::OkStatus();
}

struct FunctionInfo {
  const char* name;
  int fewest, most;  // arguments
  void (*run)(sqlite3_context*, int, sqlite3_value**);
};

constexpr FunctionInfo kFunctions[] = {
    {"nori_flush", 0, 1, CallFunction<Flush>},
    {"nori_compact", 0, 1, CallFunction<Compact>},
    {"nori_compact", 3, 3, CallFunction<Compact>},
    {"nori_verify", 0, 1, CallFunction<Verify>},
    {"nori_metrics_text", 0, 1, CallFunction<ShowMetricsText>},
    {"nori_snapshot", 1, 2, CallFunction<TakeSnapshot>},
    {"nori_release", 1, 2, CallFunction<ReleaseSnapshot>},
    {"nori_backup", 1, 2, CallFunction<MakeBackup>},
    {"nori_pack", 1, 2, CallFunction<MakePack>},
    {"nori_unpack", 1, 3, CallFunction<MakeOfPack>},
    {"nori_export", 1, 2, CallFunction<Transport<ExportPlain>>},
    {"nori_import", 1, 2, CallFunction<Transport<ImportPlain>>},
    {"nori_copy_error", 0, 0, CallFunction<ShowCopyError>},
    {"nori_truncate", 1, 1, CallFunction<Truncate>},
    {"nori_estimate", 1, 1, CallFunction<Estimate>},
    {"nori_last_scan", 0, 0, CallFunction<ShowLastScan>},
};

}  // namespace

int RegisterFunctions(sqlite3* db, Connection* connection) {
  int rc = sqlite3_create_function_v2(
      db, "nori_version", 0,
      SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS, connection,
      CallFunction<ShowVersion>, nullptr, nullptr, nullptr);
  for (const FunctionInfo& function : kFunctions) {
    for (int n = function.fewest; n <= function.most; ++n) {
      if (rc != SQLITE_OK) return rc;
      // They work on files: not for a schema's triggers and views to call.
      rc = sqlite3_create_function_v2(
          db, function.name, n, SQLITE_UTF8 | SQLITE_DIRECTONLY, connection,
          function.run, nullptr, nullptr, nullptr);
    }
  }
  return rc;
}

}  // namespace nori
