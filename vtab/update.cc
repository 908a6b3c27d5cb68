// xUpdate: INSERT, UPDATE, DELETE and REPLACE of one row.

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "engine/format/status_macros.h"
#include "vtab/error_map.h"
#include "vtab/index_change.h"
#include "vtab/key_codec.h"
#include "vtab/new_rowid.h"
#include "vtab/row_change.h"
#include "vtab/sqlite_value.h"
#include "vtab/virtual_table.h"

namespace nori {
namespace {

absl::Status DeleteOne(VirtualTable* table, sqlite3_value* argument,
                       Changes* transaction) {
  std::string key = table->layout.prefix;
  if (table->has_rowid()) {
    const int64_t rowid = sqlite3_value_int64(argument);
    EncodeRowid(rowid, &key);
    ForgetRowid(*table, rowid);
  } else {
    key.append(ValueOfSqlite(argument).bytes);
  }
  const uint64_t mark = transaction->Mark();
  absl::Status status = DeleteRow(table->layout, key, transaction).status();
  if (!status.ok()) status.Update(transaction->RollbackTo(mark));
  return status;
}

// Snapshots are read only: rows that were read from one, and values for the
// column that names it, are refused.
absl::Status CheckIsPresent(const VirtualTable& table, int argc,
                            sqlite3_value** argv) {
  const bool changes_old = sqlite3_value_type(argv[0]) != SQLITE_NULL;
  const bool names_one =
      argc > 1 &&
      sqlite3_value_type(argv[2 + table.layout.schema.snapshot_column()]) !=
          SQLITE_NULL;
  if (!names_one && !(changes_old && table.last_used_snapshot)) {
    return absl::OkStatus();
  }
  return SqliteError(
      SQLITE_READONLY,
      absl::StrCat("a snapshot cannot be changed; ", kSnapshotColumnName,
                   " may only be asked for"));
}

}  // namespace

absl::Status VirtualTable::Truncate() {
  truncating = false;
  NORI_ASSIGN_OR_RETURN(Changes* const transaction,
                        database->WriteTransaction());
  std::string begin;
  EncodeTablePrefix(id, &begin);
  NORI_RETURN_IF_ERROR(transaction->DeleteRange(begin, PrefixSuccessor(begin)));
  database->SetMaxRowid(id, std::nullopt);
  return absl::OkStatus();
}

int Update(sqlite3_vtab* base, int argc, sqlite3_value** argv,
           sqlite3_int64* rowid) noexcept {
  return Guarded([&] {
    auto* table = static_cast<VirtualTable*>(base);
    // SQLite takes what is left here for last_insert_rowid().
    if (argc > 1 && !table->has_rowid()) {
      *rowid = sqlite3_last_insert_rowid(table->database->connection()->db());
    }
    absl::Status status = CheckIsPresent(*table, argc, argv);
    if (status.ok()) status = table->EnsureOpen();
    if (!status.ok()) return ReportStatus(table, status);
    absl::StatusOr<Changes*> transaction = table->database->WriteTransaction();
    if (!transaction.ok()) return ReportStatus(table, transaction.status());
    status = argc == 1 ? DeleteOne(table, argv[0], *transaction)
                       : RowChange(table, *transaction, argv).Run(rowid);
    return ReportStatus(table, status);
  });
}

}  // namespace nori
