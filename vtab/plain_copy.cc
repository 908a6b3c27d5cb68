#include "vtab/plain_copy.h"

#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "engine/format/status_macros.h"
#include "sqlite_vfs/copy_vfs.h"
#include "vtab/backup_target.h"
#include "vtab/error_map.h"
#include "vtab/page_copy.h"
#include "vtab/schema_file.h"
#include "vtab/sql_tokenizer.h"
#include "vtab/state_table.h"
#include "vtab/statement.h"
#include "vtab/text.h"
#include "vtab/virtual_table.h"

namespace nori {
namespace {

constexpr char kExporting[] = "exporting";
constexpr char kImporting[] = "importing";
constexpr uint64_t kRowsPerQuestion = 4096;

// Not watched: what is copied here is complete.
const char* PlainVfs() {
  sqlite3_vfs* const vfs = BelowCopyVfs(sqlite3_vfs_find(nullptr));
  return vfs == nullptr ? nullptr : vfs->zName;
}

// The word by which statements reach the rowid of a table; empty if its columns
// have taken all three, or it has none to reach.
std::string RowidName(const TableSchema& schema) {
  if (schema.identity != RowIdentity::kAutoRowid) return "";
  for (const char* name : {"rowid", "_rowid_", "oid"}) {
    if (schema.FindColumn(name) < 0) return name;
  }
  return "";
}

// A table's columns, the rowid before them if it is none of them.
std::string ColumnList(const TableSchema& schema) {
  std::string list = RowidName(schema);
  for (const Column& column : schema.columns) {
    list.append(Concat({list.empty() ? "" : ", ", QuoteSqlName(column.name)}));
  }
  return list;
}

// So that the copy grows at its end: the order of the key.
std::string OrderOf(const TableSchema& schema) {
  if (schema.identity == RowIdentity::kAutoRowid) {
    const std::string rowid = RowidName(schema);
    return rowid.empty() ? "" : Concat({" ORDER BY ", rowid});
  }
  std::string order;
  const auto add = [&](int column, std::string_view how) {
    order.append(Concat(
        {order.empty() ? " ORDER BY " : ", ",
         QuoteSqlName(schema.columns[static_cast<size_t>(column)].name), how}));
  };
  if (schema.identity == RowIdentity::kRowidAlias) add(schema.rowid_column, "");
  for (const KeyColumn& key : schema.key) {
    add(key.column, Concat({" COLLATE ", CollationName(key.collation),
                            key.descending ? " DESC" : ""}));
  }
  return order;
}

std::string Placeholders(int n) {
  std::string list = "?";
  for (int i = 1; i < n; ++i) list.append(", ?");
  return list;
}

class Export {
 public:
  Export(Connection* connection, std::string schema, std::string path,
         const GoOn& go_on)
      : connection_(connection),
        schema_(std::move(schema)),
        path_(std::move(path)),
        go_on_(go_on) {}

  absl::StatusOr<std::string> Run() {
    if (sqlite3_txn_state(source(), schema_.c_str()) == SQLITE_TXN_WRITE) {
      return SqliteError(SQLITE_ERROR,
                         "cannot export within a transaction that has written");
    }
    NORI_ASSIGN_OR_RETURN(target_,
                          BackupTarget::PrepareAlone(PosixFileSystem(), path_));
    NORI_ASSIGN_OR_RETURN(
        copy_,
        OpenFile(target_->new_file(),
                 SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, PlainVfs(), 0));
    // One state of ordinary and nori tables is what one transaction reads.
    NORI_RETURN_IF_ERROR(
        InSavepoint(source(), kExporting, [this] { return CopyAll(); }));
    NORI_RETURN_IF_ERROR(Finish());
    NORI_RETURN_IF_ERROR(go_on_());
    NORI_RETURN_IF_ERROR(target_->PublishFile());
    return absl::StrCat(R"({"tables":)", tables_, R"(,"rows":)", rows_,
                        R"(,"pages":)", pages_, "}");
  }

 private:
  sqlite3* source() const { return connection_->db(); }
  absl::Status OnCopy(const std::string& sql) {
    return Execute(copy_.get(), sql, kExporting);
  }

  absl::Status CopyAll() {
    NORI_RETURN_IF_ERROR(Execute(
        source(),
        Concat({"SELECT 1 FROM ", QuoteSqlName(schema_), ".sqlite_schema"}),
        kExporting));
    database_ = connection_->GetDatabase(schema_);
    NORI_ASSIGN_OR_RETURN(const bool has_nori,
                          database_->state_table().Exists());
    SnapshotRef view;
    auto release = absl::MakeCleanup([this] { database_->ReleaseView(); });
    if (has_nori) {
      NORI_RETURN_IF_ERROR(OpenTables());
      NORI_ASSIGN_OR_RETURN(view, database_->AcquireView());
    } else {
      std::move(release).Cancel();
    }
    NORI_RETURN_IF_ERROR(CopyOrdinary());
    return has_nori ? CopyNoriTables() : absl::OkStatus();
  }

  absl::Status OpenTables() {
    NORI_ASSIGN_OR_RETURN(const auto listed,
                          database_->state_table().ListTables());
    for (const auto& [id, name] : listed) {
      NORI_ASSIGN_OR_RETURN(VirtualTable* const table,
                            database_->ConnectTable(name));
      // Dropped while nori was not loaded.
      if (table == nullptr) continue;
      NORI_RETURN_IF_ERROR(table->EnsureOpen());
      names_.push_back(name);
    }
    return database_->EnsureOpen();
  }

  absl::Status CopyOrdinary() {
    NORI_RETURN_IF_ERROR(OnCopy("PRAGMA synchronous=OFF"));
    NORI_ASSIGN_OR_RETURN(pages_,
                          CopyPages({source(), schema_}, {copy_.get(), "main"},
                                    kPagesPerStep, go_on_));
    // A write-ahead log would hold everything twice meanwhile.
    NORI_ASSIGN_OR_RETURN(
        journal_mode_,
        QueryText(copy_.get(), "PRAGMA journal_mode", kExporting));
    return OnCopy("PRAGMA journal_mode=DELETE; PRAGMA journal_mode=MEMORY");
  }

  absl::Status CopyNoriTables() {
    // The rows are as they were checked when they were written.
    NORI_RETURN_IF_ERROR(
        OnCopy("PRAGMA foreign_keys=OFF; PRAGMA ignore_check_constraints=ON; "
               "BEGIN"));
    // The copy knows the tables, and has no engine for them.
    for (const std::string& name : names_) {
      NORI_RETURN_IF_ERROR(
          OnCopy(Concat({"DROP TABLE main.", QuoteSqlName(name)})));
    }
    NORI_RETURN_IF_ERROR(OnCopy(Concat({"DROP TABLE main.", kStateTableName})));
    for (const std::string& name : names_) {
      NORI_ASSIGN_OR_RETURN(VirtualTable* const table,
                            database_->ConnectTable(name));
      if (table == nullptr) return absl::InternalError("a table has gone");
      const TableSchema schema = table->layout.schema;
      NORI_RETURN_IF_ERROR(OnCopy(schema.NativeSql("main", name)));
      NORI_RETURN_IF_ERROR(CopyRows(schema, name));
      NORI_RETURN_IF_ERROR(MakeIndexes(schema, name));
      ++tables_;
    }
    return OnCopy("COMMIT");
  }

  absl::Status CopyRows(const TableSchema& schema, const std::string& name) {
    const std::string columns = ColumnList(schema);
    NORI_ASSIGN_OR_RETURN(
        Statement select,
        Statement::Prepare(
            source(),
            Concat({"SELECT ", columns, " FROM ", QuoteSqlName(schema_), ".",
                    QuoteSqlName(name), OrderOf(schema)}),
            kExporting));
    const int n = sqlite3_column_count(select.get());
    NORI_ASSIGN_OR_RETURN(
        Statement insert,
        Statement::Prepare(copy_.get(),
                           Concat({"INSERT INTO main.", QuoteSqlName(name), "(",
                                   columns, ") VALUES(", Placeholders(n), ")"}),
                           kExporting));
    for (uint64_t rows = 0;; ++rows) {
      if (rows % kRowsPerQuestion == 0) NORI_RETURN_IF_ERROR(go_on_());
      NORI_ASSIGN_OR_RETURN(const bool has_row, select.Step());
      if (!has_row) return absl::OkStatus();
      for (int i = 0; i < n; ++i) {
        sqlite3_bind_value(insert.get(), i + 1,
                           sqlite3_column_value(select.get(), i));
      }
      NORI_RETURN_IF_ERROR(insert.Run());
      ++rows_;
    }
  }

  absl::Status MakeIndexes(const TableSchema& schema, const std::string& name) {
    for (const IndexSchema& index : schema.indexes) {
      if (index.constraint) continue;
      NORI_RETURN_IF_ERROR(go_on_());
      NORI_ASSIGN_OR_RETURN(const std::string free, FreeName(index.name, name));
      NORI_RETURN_IF_ERROR(OnCopy(Concat(
          {index.unique ? "CREATE UNIQUE INDEX main." : "CREATE INDEX main.",
           QuoteSqlName(free), " ON ", QuoteSqlName(name),
           IndexColumnsSql(schema, index)})));
    }
    return absl::OkStatus();
  }

  // Indexes of nori tables have names of their table's own; in SQLite all names
  // of a schema are different.
  absl::StatusOr<std::string> FreeName(const std::string& index,
                                       const std::string& table) {
    NORI_ASSIGN_OR_RETURN(
        Statement find,
        Statement::Prepare(
            copy_.get(),
            "SELECT 1 FROM main.sqlite_schema WHERE lower(name) = lower(?1)",
            kExporting));
    std::string name = index;
    for (int n = 1;; ++n) {
      find.Reset();
      find.BindText(1, name);
      NORI_ASSIGN_OR_RETURN(const bool taken, find.Step());
      if (!taken) return name;
      name = Concat({table, "_", index});
      if (n > 1) absl::StrAppend(&name, "_", n);
    }
  }

  // Makes it durable where it is.
  absl::Status Finish() {
    NORI_RETURN_IF_ERROR(QuickCheck(copy_.get(), "checking the export"));
    if (EqualsIgnoreCase(journal_mode_, "wal")) {
      NORI_RETURN_IF_ERROR(OnCopy("PRAGMA journal_mode=WAL"));
    }
    copy_.reset();
    if (PosixFileSystem()->Exists(target_->new_file() + "-wal")) {
      return absl::InternalError("the export's write-ahead log stayed behind");
    }
    NORI_ASSIGN_OR_RETURN(const auto file,
                          PosixFileSystem()->OpenReadWrite(target_->new_file(),
                                                           /*create=*/false));
    return file->Sync();
  }

  Connection* const connection_;
  const std::string schema_;
  const std::string path_;
  const GoOn& go_on_;
  std::unique_ptr<BackupTarget> target_;
  ConnectionPtr copy_;  // in the target, so closed before it
  std::shared_ptr<Database> database_;
  std::vector<std::string> names_;  // of nori tables
  std::string journal_mode_;
  int pages_ = 0;
  uint64_t tables_ = 0, rows_ = 0;
};

absl::Status CheckIsEmptyNori(Connection* connection,
                              const std::string& schema) {
  if (VfsNameOf(connection->db(), schema) != "nori") {
    return absl::InvalidArgumentError(
        "nori_import fills a database of vfs=nori: open 'file:NAME?vfs=nori' "
        "and call it there; for nori tables of an ordinary database, ATTACH "
        "the other one and use CREATE VIRTUAL TABLE and INSERT ... SELECT");
  }
  if (sqlite3_get_autocommit(connection->db()) == 0) {
    return SqliteError(SQLITE_ERROR, "cannot import within a transaction");
  }
  NORI_ASSIGN_OR_RETURN(
      const std::string found,
      QueryText(connection->db(),
                Concat({"SELECT name FROM ", QuoteSqlName(schema),
                        ".sqlite_schema LIMIT 1"}),
                kImporting));
  if (found.empty()) return absl::OkStatus();
  return absl::AlreadyExistsError(absl::StrCat(
      "the database is not empty: it has ", found,
      "; nori_import fills a new one, and ATTACH adds to one that there is"));
}

absl::Status CheckImportable(sqlite3* from, const std::string& path) {
  // All that follows reads one state.
  NORI_RETURN_IF_ERROR(
      Execute(from, "BEGIN; SELECT 1 FROM sqlite_schema", kImporting));
  StateTable state(from, "main");
  const absl::StatusOr<bool> has_nori = state.Exists();
  if (has_nori.ok() && *has_nori) {
    NORI_ASSIGN_OR_RETURN(const auto tables, state.ListTables());
    if (!tables.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(
          path, " has nori tables, as ", tables.front().second,
          ": open it, make a plain file of it by nori_export('plain.db'), and "
          "import that"));
    }
  }
  return QuickCheck(from, "checking what is imported");
}

}  // namespace

absl::StatusOr<std::string> ExportPlain(Connection* connection,
                                        const std::string& schema,
                                        const std::string& path,
                                        const GoOn& go_on) {
  NORI_ASSIGN_OR_RETURN(std::string target, PathOfTarget(path, "nori_export"));
  return Export(connection, schema, std::move(target), go_on).Run();
}

absl::StatusOr<std::string> ImportPlain(Connection* connection,
                                        const std::string& schema,
                                        const std::string& path,
                                        const GoOn& go_on) {
  NORI_RETURN_IF_ERROR(CheckIsEmptyNori(connection, schema));
  NORI_ASSIGN_OR_RETURN(const int64_t timeout_ms,
                        connection->PragmaInteger("main", "busy_timeout"));
  NORI_ASSIGN_OR_RETURN(const ConnectionPtr from,
                        OpenFile(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_URI,
                                 nullptr, static_cast<int>(timeout_ms)));
  NORI_RETURN_IF_ERROR(CheckImportable(from.get(), path));
  NORI_ASSIGN_OR_RETURN(const int pages, CopyPages({from.get(), "main"},
                                                   {connection->db(), schema},
                                                   kPagesPerStep, go_on));
  return absl::StrCat(R"({"pages":)", pages, "}");
}

}  // namespace nori
