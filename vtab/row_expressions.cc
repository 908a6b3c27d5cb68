#include "vtab/row_expressions.h"

#include <atomic>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "engine/format/status_macros.h"
#include "vtab/constraint_parser.h"
#include "vtab/error_map.h"
#include "vtab/sql_tokenizer.h"
#include "vtab/sqlite_value.h"
#include "vtab/text.h"

namespace nori {

// The row that the table of one row shows; none while `values` is empty.
struct ShownRow {
  std::string declaration;
  absl::Span<const Value> values;
  int64_t rowid = 0;
};

namespace {

using ShownRowRef = std::shared_ptr<ShownRow>;

struct RowTable : sqlite3_vtab {
  explicit RowTable(ShownRowRef shown)
      : sqlite3_vtab{}, row(std::move(shown)) {}
  const ShownRowRef row;
};

struct RowCursor : sqlite3_vtab_cursor {
  bool eof = true;
};

const ShownRow& RowOf(sqlite3_vtab_cursor* cursor) {
  return *static_cast<RowTable*>(cursor->pVtab)->row;
}

int Connect(sqlite3* db, void* aux, int, const char* const*,
            sqlite3_vtab** table, char**) noexcept {
  return Guarded([&] {
    const ShownRowRef& row = *static_cast<ShownRowRef*>(aux);
    const int rc = sqlite3_declare_vtab(db, row->declaration.c_str());
    if (rc == SQLITE_OK) *table = new RowTable(row);
    return rc;
  });
}

int Disconnect(sqlite3_vtab* table) noexcept {
  delete static_cast<RowTable*>(table);
  return SQLITE_OK;
}

int BestIndex(sqlite3_vtab*, sqlite3_index_info* info) noexcept {
  info->estimatedCost = 1;
  info->estimatedRows = 1;
  return SQLITE_OK;
}

int Open(sqlite3_vtab*, sqlite3_vtab_cursor** cursor) noexcept {
  return Guarded([&] {
    *cursor = new RowCursor();
    return SQLITE_OK;
  });
}

int Close(sqlite3_vtab_cursor* cursor) noexcept {
  delete static_cast<RowCursor*>(cursor);
  return SQLITE_OK;
}

int Filter(sqlite3_vtab_cursor* cursor, int, const char*, int,
           sqlite3_value**) noexcept {
  static_cast<RowCursor*>(cursor)->eof = RowOf(cursor).values.empty();
  return SQLITE_OK;
}

int Next(sqlite3_vtab_cursor* cursor) noexcept {
  static_cast<RowCursor*>(cursor)->eof = true;
  return SQLITE_OK;
}

int Eof(sqlite3_vtab_cursor* cursor) noexcept {
  return static_cast<RowCursor*>(cursor)->eof;
}

int Column(sqlite3_vtab_cursor* cursor, sqlite3_context* context,
           int column) noexcept {
  const ShownRow& row = RowOf(cursor);
  const auto place = static_cast<size_t>(column);
  if (place < row.values.size()) ResultOfValue(context, row.values[place]);
  return SQLITE_OK;
}

int Rowid(sqlite3_vtab_cursor* cursor, sqlite3_int64* rowid) noexcept {
  *rowid = RowOf(cursor).rowid;
  return SQLITE_OK;
}

sqlite3_module MakeModule() {
  sqlite3_module module = {};
  // Without xCreate the table is there in every schema and needs no CREATE.
  module.xConnect = Connect;
  module.xBestIndex = BestIndex;
  module.xDisconnect = Disconnect;
  module.xOpen = Open;
  module.xClose = Close;
  module.xFilter = Filter;
  module.xNext = Next;
  module.xEof = Eof;
  module.xColumn = Column;
  module.xRowid = Rowid;
  return module;
}

const sqlite3_module* RowModule() {
  static const sqlite3_module module = MakeModule();
  return &module;
}

std::string NewModuleName() {
  static std::atomic<uint64_t> number = 0;
  return Concat({"nori_row_", std::to_string(++number)});
}

absl::Status NativeErrorOf(sqlite3* db, int code) {
  return NativeError(code, sqlite3_errmsg(db));
}

// Functions whose result changes from call to call are refused by SQLite when
// such a CHECK is evaluated in an ordinary table; here, where it is made.
absl::Status RefuseTime(const Check& check) {
  const std::vector<SqlToken> tokens = TokenizeSql(check.expression);
  for (size_t i = 0; i + 1 < tokens.size(); ++i) {
    for (const std::string_view word :
         {"current_time", "current_date", "current_timestamp", "date", "time",
          "datetime", "julianday", "strftime", "unixepoch"}) {
      if (!tokens[i].IsWord(word)) continue;
      bool is_now = word.starts_with("current_");
      if (!is_now && tokens[i + 1].IsSymbol('(')) {
        is_now = tokens[i + 2].IsSymbol(')');
        for (size_t j = i + 2; j < tokens.size(); ++j) {
          is_now = is_now || EqualsIgnoreCase(tokens[j].text, "'now'");
          if (tokens[j].IsSymbol(')')) break;
        }
      }
      if (is_now) {
        return NativeError(SQLITE_ERROR,
                           Concat({"non-deterministic use of ", word,
                                   "() in a CHECK constraint"}));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace

RowExpressions::RowExpressions(sqlite3* db, const TableSchema* schema,
                               std::string table)
    : db_(db), schema_(schema), table_(std::move(table)) {}

RowExpressions::~RowExpressions() {
  sqlite3_finalize(checks_);
  for (sqlite3_stmt* const statement : defaults_) sqlite3_finalize(statement);
  if (!module_.empty()) {
    sqlite3_create_module_v2(db_, module_.c_str(), nullptr, nullptr, nullptr);
  }
}

absl::StatusOr<sqlite3_stmt*> RowExpressions::Prepare(const std::string& sql) {
  sqlite3_stmt* statement = nullptr;
  const int rc = sqlite3_prepare_v3(
      db_, sql.c_str(), -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (rc != SQLITE_OK) return NativeErrorOf(db_, rc);
  return statement;
}

absl::Status RowExpressions::PrepareChecks() {
  if (checks_ != nullptr) return absl::OkStatus();
  if (module_.empty()) {
    row_ = std::make_shared<ShownRow>();
    row_->declaration = schema_->RowSql();
    const std::string name = NewModuleName();
    const int rc = sqlite3_create_module_v2(
        db_, name.c_str(), RowModule(), new ShownRowRef(row_),
        [](void* owned) { delete static_cast<ShownRowRef*>(owned); });
    if (rc != SQLITE_OK) return NativeErrorOf(db_, rc);
    module_ = name;
  }
  std::string sql = "SELECT CASE";
  for (size_t i = 0; i < schema_->checks.size(); ++i) {
    const std::string number = std::to_string(i + 1);
    sql.append(Concat({" WHEN ?", number, " AND NOT (",
                       schema_->checks[i].expression, "\n) THEN ", number}));
  }
  sql.append(
      Concat({" ELSE 0 END FROM ", module_, " AS ", QuoteSqlName(table_)}));
  NORI_ASSIGN_OR_RETURN(checks_, Prepare(sql));
  return absl::OkStatus();
}

absl::StatusOr<std::optional<size_t>> RowExpressions::FailedCheck(
    absl::Span<const Value> values, int64_t rowid,
    const std::vector<bool>& wanted) {
  NORI_RETURN_IF_ERROR(PrepareChecks());
  if (sqlite3_stmt_busy(checks_)) {
    return NativeError(SQLITE_LOCKED, "database table is locked");
  }
  for (size_t i = 0; i < wanted.size(); ++i) {
    sqlite3_bind_int(checks_, static_cast<int>(i) + 1, wanted[i] ? 1 : 0);
  }
  row_->values = values;
  row_->rowid = rowid;
  const auto done = absl::MakeCleanup([this] {
    sqlite3_reset(checks_);
    row_->values = {};
  });
  const int rc = sqlite3_step(checks_);
  if (rc != SQLITE_ROW) return NativeErrorOf(db_, rc);
  const int failed = sqlite3_column_int(checks_, 0);
  if (failed == 0) return std::optional<size_t>();
  return std::optional<size_t>(static_cast<size_t>(failed) - 1);
}

absl::StatusOr<Value> RowExpressions::Default(size_t column,
                                              std::string* scratch) {
  defaults_.resize(schema_->columns.size());
  sqlite3_stmt*& statement = defaults_[column];
  if (statement == nullptr) {
    NORI_ASSIGN_OR_RETURN(
        statement,
        Prepare(Concat({"SELECT ", schema_->columns[column].default_sql})));
  }
  const auto done =
      absl::MakeCleanup([statement] { sqlite3_reset(statement); });
  const int rc = sqlite3_step(statement);
  if (rc != SQLITE_ROW) return NativeErrorOf(db_, rc);
  Value value = ValueOfSqlite(sqlite3_column_value(statement, 0));
  scratch->assign(value.bytes);
  value.bytes = *scratch;
  return value;
}

absl::Status CheckDefinition(sqlite3* db, const TableSchema& schema,
                             const std::string& name) {
  // The virtual table itself is in one schema already. The statement is only
  // compiled, so it does not matter in which other one.
  std::string where;
  for (const char* const candidate : {"temp", "main"}) {
    if (sqlite3_table_column_metadata(db, candidate, name.c_str(), nullptr,
                                      nullptr, nullptr, nullptr, nullptr,
                                      nullptr) != SQLITE_OK) {
      where = candidate;
      break;
    }
  }
  const std::string sql =
      where.empty() ? Unqualified(schema.NativeSql("temp", "nori_definition"))
                    : schema.NativeSql(where, name);
  sqlite3_stmt* statement = nullptr;
  const int rc = sqlite3_prepare_v2(db, sql.c_str(), -1, &statement, nullptr);
  sqlite3_finalize(statement);
  if (rc != SQLITE_OK) return NativeErrorOf(db, rc);
  for (const Check& check : schema.checks) {
    NORI_RETURN_IF_ERROR(RefuseTime(check));
  }
  return absl::OkStatus();
}

}  // namespace nori
