#include "vtab/row_change.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/format/status_macros.h"
#include "vtab/error_map.h"
#include "vtab/key_codec.h"
#include "vtab/new_rowid.h"
#include "vtab/sqlite_value.h"
#include "vtab/text.h"

namespace nori {
namespace {

// "t.a, t.b".
std::string ColumnList(const VirtualTable& table,
                       const std::vector<KeyColumn>& columns) {
  std::string list;
  for (const KeyColumn& key : columns) {
    const Column& column =
        table.layout.schema.columns[static_cast<size_t>(key.column)];
    absl::StrAppend(&list, list.empty() ? "" : ", ", table.name, ".",
                    column.name);
  }
  return list;
}

}  // namespace

absl::Status UniqueError(const VirtualTable& table,
                         const std::vector<KeyColumn>& columns) {
  return NativeError(
      SQLITE_CONSTRAINT_UNIQUE,
      absl::StrCat("UNIQUE constraint failed: ", ColumnList(table, columns)));
}

RowChange::RowChange(VirtualTable* table, Changes* transaction,
                     sqlite3_value** argv)
    : table_(table),
      layout_(table->layout),
      transaction_(transaction),
      argv_(argv),
      columns_(layout_.schema.columns.size()),
      is_update_(sqlite3_value_type(argv[0]) != SQLITE_NULL),
      has_indexes_(!layout_.indexes.empty()),
      on_conflict_(
          sqlite3_vtab_on_conflict(table->database->connection()->db())),
      is_replace_(on_conflict_ == SQLITE_REPLACE),
      old_row_(&layout_),
      index_change_(&layout_, transaction),
      scratch_(columns_) {}

absl::Status RowChange::Run(sqlite3_int64* rowid) {
  if (is_update_) NORI_RETURN_IF_ERROR(LoadOldRow());
  if (!row_exists_) return absl::OkStatus();
  NORI_RETURN_IF_ERROR(LoadValues());
  if (has_rowid()) NORI_RETURN_IF_ERROR(ChooseRowid());
  NORI_RETURN_IF_ERROR(CheckNotNull());
  MakeKey();
  if (!layout_.schema.checks.empty()) NORI_RETURN_IF_ERROR(CheckChecks());
  if (has_indexes_) {
    index_change_.Prepare(is_update_ ? &old_row_ : nullptr, values_, row_key());
  }
  NORI_RETURN_IF_ERROR(CheckUnique());
  NORI_RETURN_IF_ERROR(Apply());
  if (has_rowid()) {
    NoteRowids();
    *rowid = rowid_;
  }
  return absl::OkStatus();
}

// The row may be gone: a REPLACE earlier in the statement may have removed it.
absl::Status RowChange::LoadOldRow() {
  old_key_ = layout_.prefix;
  if (has_rowid()) {
    old_rowid_ = sqlite3_value_int64(argv_[0]);
    EncodeRowid(old_rowid_, &old_key_);
  } else {
    old_key_.append(ValueOfSqlite(argv_[0]).bytes);
  }
  bool is_partial = false;
  for (size_t i = 0; i < columns_; ++i) {
    is_partial = is_partial || sqlite3_value_nochange(argv_[2 + i]);
  }
  // Only REPLACE removes rows that the statement has yet to come to.
  if (!is_partial && !is_replace_ && !table_->rereads_on_update()) {
    return absl::OkStatus();
  }
  NORI_ASSIGN_OR_RETURN(row_exists_, transaction_->Get(old_key_, &old_value_));
  if (!row_exists_) return absl::OkStatus();
  NORI_RETURN_IF_ERROR(old_row_.Reset(old_key_, old_value_.view()));
  return has_indexes_ ? old_row_.LoadAll() : absl::OkStatus();
}

absl::Status RowChange::LoadValues() {
  values_.resize(columns_);
  for (size_t i = 0; i < columns_; ++i) {
    if (is_update_ && sqlite3_value_nochange(argv_[2 + i])) {
      NORI_RETURN_IF_ERROR(old_row_.Column(i, &values_[i]));
      continue;
    }
    if (static_cast<int>(i) == layout_.schema.rowid_column) continue;
    values_[i] =
        ApplyAffinity(ValueOfSqlite(argv_[2 + i]),
                      layout_.schema.columns[i].affinity, &scratch_[i]);
  }
  return has_rowid() ? absl::OkStatus() : CheckHiddenKey();
}

// The hidden column is made by the module; a statement cannot choose it.
absl::Status RowChange::CheckHiddenKey() const {
  sqlite3_value* const given = argv_[2 + layout_.schema.key_column()];
  if (sqlite3_value_nochange(given) ||
      sqlite3_value_type(given) == SQLITE_NULL) {
    return absl::OkStatus();
  }
  const Value value = ValueOfSqlite(given);
  if (is_update_ && value.type == ValueType::kBlob &&
      value.bytes == old_row_key()) {
    return absl::OkStatus();
  }
  return SqliteError(SQLITE_ERROR, absl::StrCat("the column ", kKeyColumnName,
                                                " may not be set"));
}

absl::StatusOr<int64_t> RowChange::RowidOf(sqlite3_value* argument) const {
  std::string scratch;
  const Value value =
      ApplyAffinity(ValueOfSqlite(argument), Affinity::kInteger, &scratch);
  if (value.type == ValueType::kInteger) return value.integer;
  return NativeError(SQLITE_MISMATCH, "datatype mismatch");
}

absl::Status RowChange::ChooseRowid() {
  const int alias_column = layout_.schema.rowid_column;
  sqlite3_value* const alias =
      alias_column < 0 ? nullptr : argv_[2 + alias_column];
  bool is_given = false;
  if (is_update_) {
    is_given = true;
    rowid_ = old_rowid_;
    if (alias != nullptr && !sqlite3_value_nochange(alias)) {
      NORI_ASSIGN_OR_RETURN(rowid_, RowidOf(alias));
    }
    // SET rowid= changes argv[1], SET of the alias changes its column.
    if (rowid_ == old_rowid_) {
      NORI_ASSIGN_OR_RETURN(rowid_, RowidOf(argv_[1]));
    }
  } else {
    for (sqlite3_value* const given : {alias, argv_[1]}) {
      if (is_given || given == nullptr ||
          sqlite3_value_type(given) == SQLITE_NULL) {
        continue;
      }
      NORI_ASSIGN_OR_RETURN(rowid_, RowidOf(given));
      is_given = true;
    }
  }
  if (!is_given) {
    NORI_ASSIGN_OR_RETURN(const NewRowid chosen,
                          ChooseNewRowid(*table_, transaction_));
    rowid_ = chosen.rowid;
    fresh_rowid_ = chosen.fresh;
    highest_ = chosen.highest;
  }
  if (alias_column >= 0) {
    values_[static_cast<size_t>(alias_column)] = Value::Integer(rowid_);
  }
  return absl::OkStatus();
}

absl::Status RowChange::CheckNotNull() {
  for (size_t i = 0; i < columns_; ++i) {
    const Column& column = layout_.schema.columns[i];
    if (!column.not_null || values_[i].type != ValueType::kNull) continue;
    // A column that an INSERT leaves out comes as NULL. An UPDATE sets what it
    // sets.
    if (!column.default_sql.empty() && (!is_update_ || is_replace_)) {
      std::string bytes;
      NORI_ASSIGN_OR_RETURN(const Value value,
                            table_->expressions().Default(i, &bytes));
      values_[i] = ApplyAffinity(value, column.affinity, &scratch_[i]);
      if (values_[i].bytes.data() == bytes.data()) {
        scratch_[i] = std::move(bytes);
        values_[i].bytes = scratch_[i];
      }
      if (values_[i].type != ValueType::kNull) continue;
    }
    return NativeError(SQLITE_CONSTRAINT_NOTNULL,
                       absl::StrCat("NOT NULL constraint failed: ",
                                    table_->name, ".", column.name));
  }
  return absl::OkStatus();
}

absl::Status RowChange::CheckTypes() const {
  const TableSchema& schema = layout_.schema;
  if (!schema.strict) return absl::OkStatus();
  static constexpr const char* kNames[] = {"NULL", "INT", "REAL", "TEXT",
                                           "BLOB"};  // by ValueType
  for (size_t i = 0; i < columns_; ++i) {
    const ValueType type = values_[i].type;
    if (type == ValueType::kNull ||
        static_cast<int>(i) == schema.rowid_column) {
      continue;
    }
    const std::string declared = ToUpperAscii(schema.columns[i].declared_type);
    const bool fits = declared == "ANY" ||
                      (declared == "REAL" && type == ValueType::kReal) ||
                      (declared == "TEXT" && type == ValueType::kText) ||
                      (declared == "BLOB" && type == ValueType::kBlob) ||
                      ((declared == "INT" || declared == "INTEGER") &&
                       type == ValueType::kInteger);
    if (fits) continue;
    // SQLite undoes the statement whatever its OR says. It would obey the OR
    // of this one if the error were a constraint's.
    const bool undoes =
        on_conflict_ == SQLITE_ABORT || on_conflict_ == SQLITE_REPLACE;
    return NativeError(
        undoes ? SQLITE_CONSTRAINT_DATATYPE : SQLITE_MISMATCH,
        absl::StrCat("cannot store ", kNames[static_cast<size_t>(type)],
                     " value in ", declared, " column ", table_->name, ".",
                     schema.columns[i].name));
  }
  return absl::OkStatus();
}

absl::Status RowChange::CheckChecks() {
  const std::vector<Check>& checks = layout_.schema.checks;
  std::vector<bool> wanted(checks.size(), !is_update_);
  bool any = !is_update_;
  // An UPDATE checks what it may have changed.
  for (size_t i = 0; is_update_ && i < checks.size(); ++i) {
    bool touched = checks[i].rowid && moved_;
    for (size_t column = 0; column < columns_ && !touched; ++column) {
      touched = checks[i].columns[column] &&
                !sqlite3_value_nochange(argv_[2 + column]);
    }
    wanted[i] = touched;
    any = any || touched;
  }
  if (!any) return absl::OkStatus();
  NORI_RETURN_IF_ERROR(CheckTypes());
  const absl::StatusOr<std::optional<size_t>> failed =
      table_->expressions().FailedCheck(values_, rowid_, wanted);
  if (failed.ok() && !failed->has_value()) return absl::OkStatus();
  // Asked only now, since asking costs more than the checks.
  NORI_ASSIGN_OR_RETURN(const int64_t ignored,
                        table_->database->connection()->PragmaInteger(
                            "main", "ignore_check_constraints"));
  if (ignored != 0) return absl::OkStatus();
  NORI_RETURN_IF_ERROR(failed.status());
  return NativeError(
      SQLITE_CONSTRAINT_CHECK,
      absl::StrCat("CHECK constraint failed: ", checks[**failed].name));
}

void RowChange::MakeKey() {
  key_ = layout_.prefix;
  if (has_rowid()) {
    EncodeRowid(rowid_, &key_);
  } else {
    layout_.AppendKey(values_, &key_);
  }
  moved_ = !is_update_ || key_ != old_key_;
}

absl::Status RowChange::CheckUnique() {
  const size_t end = layout_.indexes.size();
  if (has_rowid()) {
    NORI_RETURN_IF_ERROR(CheckKey());
    NORI_RETURN_IF_ERROR(CheckTypes());
    return CheckIndexesFrom(0, end);
  }
  NORI_RETURN_IF_ERROR(CheckTypes());
  // The key is an index among the others; the last made is checked first.
  const uint32_t before_key =
      static_cast<uint32_t>(layout_.schema.indexes_before_key);
  size_t first = 0;
  while (first < end && layout_.indexes[first]->id <= before_key) ++first;
  NORI_RETURN_IF_ERROR(CheckIndexesFrom(first, end));
  NORI_RETURN_IF_ERROR(CheckKey());
  return CheckIndexesFrom(0, first);
}

absl::Status RowChange::CheckIndexesFrom(size_t first, size_t end) {
  std::string other;
  for (size_t i = end; i-- > first;) {
    const IndexLayout& index = *layout_.indexes[i];
    if (!index.unique) continue;
    NORI_ASSIGN_OR_RETURN(const bool taken,
                          index_change_.FindConflict(i, &other));
    // A row is not in its own way.
    if (!taken || (is_update_ && other == old_row_key())) continue;
    if (!is_replace_) {
      return UniqueError(*table_, layout_.schema.indexes[i].columns);
    }
    AddVictim(other);
  }
  return absl::OkStatus();
}

absl::Status RowChange::CheckKey() {
  if (!moved_ || fresh_rowid_) return absl::OkStatus();
  // What has no indexes is simply overwritten.
  if (is_replace_ && !has_indexes_) return absl::OkStatus();
  PinnedValue ignored;
  NORI_ASSIGN_OR_RETURN(const bool taken, transaction_->Get(key_, &ignored));
  if (!taken) return absl::OkStatus();
  if (!is_replace_) return KeyError();
  AddVictim(row_key());
  return absl::OkStatus();
}

absl::Status RowChange::KeyError() const {
  const TableSchema& schema = layout_.schema;
  if (schema.identity == RowIdentity::kAutoRowid) {
    return NativeError(
        SQLITE_CONSTRAINT_ROWID,
        absl::StrCat("UNIQUE constraint failed: ", table_->name, ".rowid"));
  }
  const bool is_alias = schema.identity == RowIdentity::kRowidAlias;
  return NativeError(
      SQLITE_CONSTRAINT_PRIMARYKEY,
      absl::StrCat(
          "UNIQUE constraint failed: ",
          ColumnList(
              *table_,
              is_alias ? std::vector<KeyColumn>{{.column = schema.rowid_column}}
                       : schema.key)));
}

void RowChange::AddVictim(std::string_view row_key) {
  if (std::find(victims_.begin(), victims_.end(), row_key) == victims_.end()) {
    victims_.emplace_back(row_key);
  }
}

absl::Status RowChange::Apply() {
  if (!has_indexes_) return Write();
  const uint64_t mark = transaction_->Mark();
  absl::Status status;
  for (const std::string& victim : victims_) {
    if (!status.ok()) break;
    status = DeleteRow(layout_, layout_.prefix + victim, transaction_).status();
  }
  if (status.ok()) status = Write();
  if (status.ok()) status = index_change_.Apply();
  if (!status.ok()) status.Update(transaction_->RollbackTo(mark));
  return status;
}

absl::Status RowChange::Write() {
  record_.clear();
  layout_.AppendRecord(values_, &record_);
  if (is_update_ && moved_) {
    NORI_RETURN_IF_ERROR(transaction_->Delete(old_key_));
  }
  return transaction_->Put(key_, record_);
}

void RowChange::NoteRowids() const {
  for (std::string_view victim : victims_) {
    int64_t rowid;
    if (DecodeRowid(&victim, &rowid) && rowid != rowid_) {
      ForgetRowid(*table_, rowid);
    }
  }
  if (is_update_ && rowid_ < old_rowid_) {
    // The row that had the highest rowid may have moved down.
    ForgetRowid(*table_, old_rowid_);
  } else {
    NoteRowid(*table_, highest_, rowid_);
  }
}

}  // namespace nori
