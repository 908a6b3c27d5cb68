// xUpdate: INSERT, UPDATE, DELETE and REPLACE of one row.

#include <string>

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
                       Transaction* transaction) {
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

}  // namespace

int Update(sqlite3_vtab* base, int argc, sqlite3_value** argv,
           sqlite3_int64* rowid) noexcept {
  return Guarded([&] {
    auto* table = static_cast<VirtualTable*>(base);
    // SQLite takes what is left here for last_insert_rowid().
    if (argc > 1 && !table->has_rowid()) {
      *rowid = sqlite3_last_insert_rowid(table->database->connection()->db());
    }
    absl::Status status = table->EnsureOpen();
    if (!status.ok()) return ReportStatus(table, status);
    absl::StatusOr<Transaction*> transaction =
        table->database->WriteTransaction();
    if (!transaction.ok()) return ReportStatus(table, transaction.status());
    status = argc == 1 ? DeleteOne(table, argv[0], *transaction)
                       : RowChange(table, *transaction, argv).Run(rowid);
    return ReportStatus(table, status);
  });
}

}  // namespace nori
