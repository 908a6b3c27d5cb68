// xUpdate: INSERT, UPDATE, DELETE and REPLACE of one row.

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/strings/str_cat.h"
#include "engine/format/status_macros.h"
#include "vtab/error_map.h"
#include "vtab/key_codec.h"
#include "vtab/sqlite_value.h"
#include "vtab/virtual_table.h"

namespace nori {
namespace {

constexpr int kRandomRowidTries = 100;

// One call of xUpdate that leaves a row behind. Everything is checked before
// anything is changed, so that an error leaves no trace.
class RowChange {
 public:
  RowChange(VirtualTable* table, sqlite3_value** argv)
      : table_(table),
        layout_(table->layout),
        argv_(argv),
        columns_(layout_.schema.columns.size()),
        scratch_(columns_) {}

  absl::Status Run(Transaction* transaction, sqlite3_int64* rowid) {
    transaction_ = transaction;
    is_update_ = sqlite3_value_type(argv_[0]) != SQLITE_NULL;
    if (is_update_) NORI_RETURN_IF_ERROR(LoadOldKey());
    if (is_update_ && !row_exists_) return absl::OkStatus();
    NORI_RETURN_IF_ERROR(LoadValues());
    if (table_->has_rowid()) NORI_RETURN_IF_ERROR(ChooseRowid());
    NORI_RETURN_IF_ERROR(CheckNotNull());
    NORI_RETURN_IF_ERROR(MakeKey());
    const bool moved = !is_update_ || key_ != old_key_;
    if (moved) NORI_RETURN_IF_ERROR(CheckUnique());
    record_.clear();
    layout_.AppendRecord(values_, &record_);
    if (is_update_ && moved) {
      NORI_RETURN_IF_ERROR(transaction_->Delete(old_key_));
    }
    NORI_RETURN_IF_ERROR(transaction_->Put(key_, record_));
    if (table_->has_rowid()) {
      NoteRowid();
      *rowid = rowid_;
    }
    return absl::OkStatus();
  }

 private:
  Value ColumnArgument(size_t column) const {
    return ValueOfSqlite(argv_[2 + column]);
  }
  bool replacing() const {
    return sqlite3_vtab_on_conflict(table_->database->connection()->db()) ==
           SQLITE_REPLACE;
  }

  // The key under which the row to be changed is stored. The row may be gone: a
  // REPLACE earlier in the statement may have removed it.
  absl::Status LoadOldKey() {
    old_key_ = layout_.prefix;
    if (table_->has_rowid()) {
      old_rowid_ = sqlite3_value_int64(argv_[0]);
      EncodeRowid(old_rowid_, &old_key_);
    } else {
      old_key_.append(ValueOfSqlite(argv_[0]).bytes);
    }
    bool partial = false;
    for (size_t i = 0; i < columns_; ++i) {
      partial = partial || sqlite3_value_nochange(argv_[2 + i]);
    }
    // Only REPLACE removes rows that the statement has yet to come to.
    if (!partial && !replacing()) return absl::OkStatus();
    NORI_ASSIGN_OR_RETURN(row_exists_,
                          transaction_->Get(old_key_, &old_value_));
    return absl::OkStatus();
  }

  absl::Status LoadValues() {
    RowView old_row(&layout_);
    if (is_update_ && !old_value_.view().empty()) {
      NORI_RETURN_IF_ERROR(old_row.Reset(old_key_, old_value_.view()));
    }
    values_.resize(columns_);
    for (size_t i = 0; i < columns_; ++i) {
      if (is_update_ && sqlite3_value_nochange(argv_[2 + i])) {
        Value old;
        NORI_RETURN_IF_ERROR(old_row.Column(static_cast<int>(i), &old));
        // Views end with old_row's scratch.
        if (layout_.key_position[i] >= 0) {
          scratch_[i].assign(old.bytes);
          values_[i] = old;
          values_[i].bytes = scratch_[i];
        } else {
          values_[i] = old;
        }
        continue;
      }
      if (static_cast<int>(i) == layout_.schema.rowid_column) continue;
      values_[i] = ApplyAffinity(
          ColumnArgument(i), layout_.schema.columns[i].affinity, &scratch_[i]);
    }
    if (table_->has_rowid()) return absl::OkStatus();
    return CheckHiddenKey();
  }

  // The hidden column is made by the module; a statement cannot choose it.
  absl::Status CheckHiddenKey() const {
    sqlite3_value* const given = argv_[2 + columns_];
    if (sqlite3_value_nochange(given) ||
        sqlite3_value_type(given) == SQLITE_NULL) {
      return absl::OkStatus();
    }
    const Value value = ValueOfSqlite(given);
    if (is_update_ && value.type == ValueType::kBlob &&
        value.bytes ==
            std::string_view(old_key_).substr(layout_.prefix.size())) {
      return absl::OkStatus();
    }
    return SqliteError(SQLITE_ERROR, absl::StrCat("the column ", kKeyColumnName,
                                                  " may not be set"));
  }

  absl::StatusOr<int64_t> RowidOf(sqlite3_value* argument) const {
    std::string scratch;
    const Value value =
        ApplyAffinity(ValueOfSqlite(argument), Affinity::kInteger, &scratch);
    if (value.type == ValueType::kInteger) return value.integer;
    return SqliteError(SQLITE_MISMATCH, "datatype mismatch");
  }

  absl::Status ChooseRowid() {
    sqlite3_value* const alias = layout_.schema.rowid_column < 0
                                     ? nullptr
                                     : argv_[2 + layout_.schema.rowid_column];
    if (is_update_) {
      rowid_ = old_rowid_;
      if (alias != nullptr && !sqlite3_value_nochange(alias)) {
        NORI_ASSIGN_OR_RETURN(rowid_, RowidOf(alias));
      }
      // SET rowid= changes argv[1], SET of the alias changes its column.
      if (rowid_ == old_rowid_) {
        NORI_ASSIGN_OR_RETURN(rowid_, RowidOf(argv_[1]));
      }
      return absl::OkStatus();
    }
    for (sqlite3_value* const given : {alias, argv_[1]}) {
      if (given == nullptr || sqlite3_value_type(given) == SQLITE_NULL)
        continue;
      NORI_ASSIGN_OR_RETURN(rowid_, RowidOf(given));
      return absl::OkStatus();
    }
    return NewRowid();
  }

  absl::Status NewRowid() {
    Database& database = *table_->database;
    std::optional<int64_t> highest = database.MaxRowid(table_->id);
    if (!highest) {
      const std::unique_ptr<Iterator> last = transaction_->NewIterator(
          {.snapshot = nullptr,
           .bounds = {layout_.prefix, layout_.prefix_end}});
      last->SeekToLast();
      NORI_RETURN_IF_ERROR(last->status());
      if (!last->Valid()) {
        rowid_ = 1;
        fresh_rowid_ = true;
        highest_ = 0;
        return absl::OkStatus();
      }
      std::string_view key = last->key().substr(layout_.prefix.size());
      int64_t rowid;
      if (!DecodeRowid(&key, &rowid)) {
        return absl::DataLossError("a stored rowid is damaged");
      }
      highest = rowid;
    }
    highest_ = highest;
    if (*highest < std::numeric_limits<int64_t>::max()) {
      rowid_ = *highest + 1;
      fresh_rowid_ = true;
      return absl::OkStatus();
    }
    for (int i = 0; i < kRandomRowidTries; ++i) {
      uint64_t random;
      sqlite3_randomness(sizeof(random), &random);
      rowid_ = static_cast<int64_t>(
                   random & (std::numeric_limits<uint64_t>::max() >> 2)) +
               1;
      std::string key = layout_.prefix;
      EncodeRowid(rowid_, &key);
      PinnedValue ignored;
      NORI_ASSIGN_OR_RETURN(const bool taken, transaction_->Get(key, &ignored));
      if (!taken) return absl::OkStatus();
    }
    return SqliteError(SQLITE_FULL, "database or disk is full");
  }

  void NoteRowid() {
    Database& database = *table_->database;
    std::optional<int64_t> highest =
        highest_ ? highest_ : database.MaxRowid(table_->id);
    if (!highest) return;
    // The row that had the highest rowid may have moved down.
    if (is_update_ && old_rowid_ == *highest && rowid_ < old_rowid_) {
      database.SetMaxRowid(table_->id, std::nullopt);
    } else {
      database.SetMaxRowid(table_->id, std::max(*highest, rowid_));
    }
  }

  absl::Status CheckNotNull() const {
    for (size_t i = 0; i < columns_; ++i) {
      const Column& column = layout_.schema.columns[i];
      if (!column.not_null || values_[i].type != ValueType::kNull ||
          static_cast<int>(i) == layout_.schema.rowid_column) {
        continue;
      }
      return SqliteError(SQLITE_CONSTRAINT_NOTNULL,
                         absl::StrCat("NOT NULL constraint failed: ",
                                      table_->name, ".", column.name));
    }
    return absl::OkStatus();
  }

  absl::Status MakeKey() {
    key_ = layout_.prefix;
    if (table_->has_rowid()) {
      EncodeRowid(rowid_, &key_);
    } else {
      layout_.AppendKey(values_, &key_);
    }
    return absl::OkStatus();
  }

  absl::Status CheckUnique() const {
    if (fresh_rowid_ || replacing()) return absl::OkStatus();
    PinnedValue ignored;
    NORI_ASSIGN_OR_RETURN(const bool taken, transaction_->Get(key_, &ignored));
    if (!taken) return absl::OkStatus();
    const TableSchema& schema = layout_.schema;
    std::string message = "UNIQUE constraint failed: ";
    if (schema.identity == RowIdentity::kAutoRowid) {
      absl::StrAppend(&message, table_->name, ".rowid");
      return SqliteError(SQLITE_CONSTRAINT_ROWID, message);
    }
    if (schema.identity == RowIdentity::kRowidAlias) {
      absl::StrAppend(
          &message, table_->name, ".",
          schema.columns[static_cast<size_t>(schema.rowid_column)].name);
      return SqliteError(SQLITE_CONSTRAINT_PRIMARYKEY, message);
    }
    const char* separator = "";
    for (const KeyColumn& key : schema.key) {
      absl::StrAppend(&message, separator, table_->name, ".",
                      schema.columns[static_cast<size_t>(key.column)].name);
      separator = ", ";
    }
    return SqliteError(SQLITE_CONSTRAINT_PRIMARYKEY, message);
  }

  VirtualTable* const table_;
  const RowLayout& layout_;
  sqlite3_value** const argv_;
  const size_t columns_;
  Transaction* transaction_ = nullptr;
  bool is_update_ = false;
  bool row_exists_ = true;
  bool fresh_rowid_ = false;  // above all others: cannot be taken
  int64_t rowid_ = 0;
  int64_t old_rowid_ = 0;
  std::optional<int64_t> highest_;  // found by NewRowid
  std::string old_key_, key_, record_;
  PinnedValue old_value_;
  absl::InlinedVector<Value, 16> values_;
  absl::InlinedVector<std::string, 16> scratch_;
};

absl::Status DeleteRow(VirtualTable* table, sqlite3_value* argument,
                       Transaction* transaction) {
  std::string key = table->layout.prefix;
  if (table->has_rowid()) {
    const int64_t rowid = sqlite3_value_int64(argument);
    EncodeRowid(rowid, &key);
    if (table->database->MaxRowid(table->id) == rowid) {
      table->database->SetMaxRowid(table->id, std::nullopt);
    }
  } else {
    key.append(ValueOfSqlite(argument).bytes);
  }
  return transaction->Delete(key);
}

// Constraint failures are worded as SQLite words its own.
int ReportUpdate(VirtualTable* table, const absl::Status& status) {
  const int code = SqliteCodeOfStatus(status);
  const int primary = code & 0xff;
  if (primary == SQLITE_CONSTRAINT || primary == SQLITE_MISMATCH) {
    return ReportMessage(table, code, std::string(status.message()));
  }
  return ReportStatus(table, status);
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
    status = argc == 1 ? DeleteRow(table, argv[0], *transaction)
                       : RowChange(table, argv).Run(*transaction, rowid);
    return ReportUpdate(table, status);
  });
}

}  // namespace nori
