#include "vtab/introspection.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "engine/core/metric_samples.h"
#include "engine/format/absl_view.h"
#include "engine/format/status_macros.h"
#include "vtab/database.h"
#include "vtab/error_map.h"
#include "vtab/index.h"
#include "vtab/key_codec.h"
#include "vtab/row.h"
#include "vtab/sqlite_value.h"
#include "vtab/virtual_table.h"

namespace nori {
namespace {

using Cell = std::variant<std::monostate, int64_t, double, std::string>;
using Rows = std::vector<std::vector<Cell>>;

// Bytes of a guard that are shown where its columns cannot be decoded.
constexpr size_t kShownKeyBytes = 32;

Cell Number(uint64_t n) { return static_cast<int64_t>(n); }

std::string ShowValue(const Value& value) {
  switch (value.type) {
    case ValueType::kNull:
      return "NULL";
    case ValueType::kInteger:
      return absl::StrCat(value.integer);
    case ValueType::kReal:
      return absl::StrCat(value.real);
    case ValueType::kText:
      return absl::StrCat("'", absl::Utf8SafeCEscape(AbslView(value.bytes)),
                          "'");
    case ValueType::kBlob:
      return absl::StrCat("x'", absl::BytesToHexString(AbslView(value.bytes)),
                          "'");
  }
  return "";
}

// A guard key in words: table and column values, or hexadecimal where the table
// is not connected. Guards may end inside a column.
std::string ShowKey(const Database& database, std::string_view key) {
  if (key.empty()) return "";
  std::string_view rest = key;
  uint64_t table_id;
  uint32_t index_id;
  if (DecodeIndexPrefix(&rest, &table_id, &index_id)) {
    for (const VirtualTable* table : database.tables) {
      if (table->id != table_id) continue;
      std::string text = table->name;
      std::vector<KeyColumn> columns = table->layout.schema.key;
      if (table->has_rowid()) columns.emplace_back();
      for (const auto& index : table->layout.indexes) {
        if (index->id != index_id) continue;
        absl::StrAppend(&text, ".", index->name);
        columns = index->columns;
      }
      absl::StrAppend(&text, "(");
      const char* separator = "";
      for (const KeyColumn& column : columns) {
        if (rest.empty()) break;
        Value value;
        bool exact;
        std::string scratch;
        if (!DecodeKeyColumn(&rest, column.collation, column.descending, &value,
                             &exact, &scratch)
                 .ok()) {
          absl::StrAppend(&text, separator, "...");
          break;
        }
        absl::StrAppend(&text, separator, ShowValue(value));
        separator = ", ";
      }
      return absl::StrCat(text, ")");
    }
  }
  return absl::StrCat(
      "x'", absl::BytesToHexString(AbslView(key.substr(0, kShownKeyBytes))),
      "'");
}

absl::StatusOr<Rows> ShowTables(Database& database) {
  NORI_ASSIGN_OR_RETURN(const auto tables, database.state_table().ListTables());
  Rows rows;
  for (const auto& [id, name] : tables) {
    std::string prefix;
    EncodeIndexPrefix(id, /*index_id=*/0, &prefix);
    const auto estimate =
        database.engine()->Estimate({prefix, PrefixSuccessor(prefix)});
    rows.push_back(
        {Number(id), name, Number(estimate.entries), Number(estimate.bytes)});
  }
  return rows;
}

absl::StatusOr<Rows> ShowIndexes(Database& database) {
  NORI_ASSIGN_OR_RETURN(const auto tables, database.state_table().ListTables());
  Rows rows;
  for (const auto& [id, name] : tables) {
    NORI_ASSIGN_OR_RETURN(VirtualTable* const table,
                          database.ConnectTable(name));
    if (table == nullptr) continue;
    NORI_RETURN_IF_ERROR(table->EnsureOpen());
    const RowLayout& layout = table->layout;
    for (size_t i = 0; i < layout.indexes.size(); ++i) {
      const IndexLayout& index = *layout.indexes[i];
      const auto estimate =
          database.engine()->Estimate({index.prefix, index.prefix_end});
      rows.push_back({table->name, index.name, int64_t{index.unique ? 1 : 0},
                      IndexSql(layout.schema, layout.schema.indexes[i]),
                      Number(index.id), Number(estimate.entries),
                      Number(estimate.bytes)});
    }
  }
  return rows;
}

absl::StatusOr<Rows> ShowSlots(Database& database) {
  NORI_ASSIGN_OR_RETURN(const auto names, database.state_table().ListTables());
  Rows rows;
  for (const SlotInfo& slot : database.engine()->GetSlots()) {
    Cell table;
    std::string_view begin = slot.range.begin;
    uint64_t id;
    uint32_t index;
    if (!begin.empty() && DecodeIndexPrefix(&begin, &id, &index)) {
      for (const auto& [known, name] : names) {
        if (known == id) table = name;
      }
    }
    rows.push_back({Number(slot.id), table, ShowKey(database, slot.range.begin),
                    ShowKey(database, slot.range.end), int64_t{slot.runs},
                    int64_t{slot.max_runs}, int64_t{slot.l0_slices}, slot.heat,
                    Number(slot.bytes), Number(slot.entries),
                    Number(slot.reads), Number(slot.writes), Number(slot.scans),
                    Number(slot.last_compaction_micros), Number(slot.l0_bytes),
                    Number(slot.oldest_run_bytes), Number(slot.user_bytes),
                    Number(slot.flushed_bytes), Number(slot.merged_bytes)});
  }
  return rows;
}

absl::StatusOr<Rows> ShowSstables(Database& database) {
  Rows rows;
  for (const TableInfo& info : database.engine()->GetTables()) {
    const TableMeta& meta = info.meta;
    rows.push_back(
        {Number(meta.number), Number(meta.file_bytes), Number(meta.raw_bytes),
         Number(meta.entries), Number(meta.deletions),
         Number(meta.range_deletions), Number(meta.smallest_sequence),
         Number(meta.largest_sequence), ShowKey(database, meta.smallest_key),
         ShowKey(database, meta.largest_key), int64_t{info.l0_slices},
         int64_t{info.slot_slices}});
  }
  return rows;
}

absl::StatusOr<Rows> ShowMetrics(Database& database) {
  Rows rows;
  for (const MetricSample& sample :
       ListMetricSamples(database.engine()->GetStats())) {
    Cell value;
    if (const auto* real = std::get_if<double>(&sample.value)) {
      value = *real;
    } else {
      value = Number(std::get<uint64_t>(sample.value));
    }
    rows.push_back({std::string(sample.name), value,
                    sample.counter ? "counter" : "gauge",
                    std::string(sample.help)});
  }
  return rows;
}

absl::StatusOr<Rows> ShowEvents(Database& database) {
  Rows rows;
  for (const Event& event : database.engine()->GetEvents()) {
    rows.push_back({Number(event.sequence), Number(event.wall_micros),
                    std::string(EventKindName(event.kind)),
                    Number(event.slot_id), Number(event.bytes_in),
                    Number(event.bytes_out), Number(event.duration_micros),
                    event.value, event.detail});
  }
  return rows;
}

absl::StatusOr<Rows> ShowSnapshots(Database& database) {
  Rows rows;
  for (SnapshotName& snapshot : database.engine()->ListNamedSnapshots()) {
    rows.push_back({std::move(snapshot.name), Number(snapshot.sequence),
                    Number(snapshot.wall_micros)});
  }
  return rows;
}

absl::StatusOr<Rows> ShowOptions(Database& database) {
  const Options& options = database.engine()->options();
  Rows rows;
  for (const OptionInfo& info : OptionInfos()) {
    NORI_ASSIGN_OR_RETURN(std::string value, GetOption(options, info.name));
    rows.push_back({info.name, std::move(value), info.help});
  }
  return rows;
}

// One of the tables. `schema` is its last column, hidden.
struct View {
  const char* name;
  const char* columns;
  int schema_column;
  absl::StatusOr<Rows> (*show)(Database&);
};

constexpr View kViews[] = {
    {"nori_tables", "id INTEGER, name TEXT, entries INTEGER, bytes INTEGER", 4,
     ShowTables},
    {"nori_indexes",
     "tbl TEXT, name TEXT, is_unique INTEGER, definition TEXT, id INTEGER, "
     "entries INTEGER, bytes INTEGER",
     7, ShowIndexes},
    {"nori_slots",
     "slot INTEGER, tbl TEXT, first_key TEXT, end_key TEXT, runs INTEGER, "
     "max_runs INTEGER, l0_slices INTEGER, heat REAL, bytes INTEGER, entries "
     "INTEGER, reads INTEGER, writes INTEGER, scans INTEGER, last_compaction "
     "INTEGER, l0_bytes INTEGER, oldest_run_bytes INTEGER, user_bytes INTEGER, "
     "flushed_bytes INTEGER, merged_bytes INTEGER",
     19, ShowSlots},
    {"nori_sstables",
     "number INTEGER, file_bytes INTEGER, raw_bytes INTEGER, entries INTEGER, "
     "deletions INTEGER, range_deletions INTEGER, first_sequence INTEGER, "
     "last_sequence INTEGER, first_key TEXT, last_key TEXT, l0_slices INTEGER, "
     "slot_slices INTEGER",
     12, ShowSstables},
    {"nori_metrics", "name TEXT, value, kind TEXT, help TEXT", 4, ShowMetrics},
    {"nori_events",
     "sequence INTEGER, wall_micros INTEGER, kind TEXT, slot INTEGER, bytes_in "
     "INTEGER, bytes_out INTEGER, duration_micros INTEGER, value REAL, detail "
     "TEXT",
     9, ShowEvents},
    {"nori_options", "name TEXT, value TEXT, help TEXT", 3, ShowOptions},
    {"nori_snapshots", "name TEXT, sequence INTEGER, wall_micros INTEGER", 3,
     ShowSnapshots},
};

struct ViewModule {
  Connection* connection;
  const View* view;
};

struct ViewTable : sqlite3_vtab {
  explicit ViewTable(const ViewModule& m) : sqlite3_vtab{}, module(m) {}
  const ViewModule module;
};

struct ViewCursor : sqlite3_vtab_cursor {
  explicit ViewCursor(const ViewModule& m) : sqlite3_vtab_cursor{}, module(m) {}
  const ViewModule module;
  std::string schema;
  Rows rows;
  size_t row = 0;
};

int Connect(sqlite3* db, void* aux, int, const char* const*,
            sqlite3_vtab** table, char**) noexcept {
  return Guarded([&] {
    const auto& module = *static_cast<const ViewModule*>(aux);
    const int rc = sqlite3_declare_vtab(
        db, absl::StrCat("CREATE TABLE x(", module.view->columns,
                         ", schema TEXT HIDDEN)")
                .c_str());
    if (rc != SQLITE_OK) return rc;
    sqlite3_vtab_config(db, SQLITE_VTAB_DIRECTONLY);
    *table = new ViewTable(module);
    return SQLITE_OK;
  });
}

int Disconnect(sqlite3_vtab* table) noexcept {
  delete static_cast<ViewTable*>(table);
  return SQLITE_OK;
}

int BestIndex(sqlite3_vtab* table, sqlite3_index_info* info) noexcept {
  const View& view = *static_cast<ViewTable*>(table)->module.view;
  info->estimatedCost = 100;
  info->estimatedRows = 100;
  for (int i = 0; i < info->nConstraint; ++i) {
    const auto& constraint = info->aConstraint[i];
    if (constraint.iColumn != view.schema_column ||
        constraint.op != SQLITE_INDEX_CONSTRAINT_EQ) {
      continue;
    }
    if (!constraint.usable) return SQLITE_CONSTRAINT;
    info->aConstraintUsage[i].argvIndex = 1;
    info->aConstraintUsage[i].omit = 1;
    info->idxNum = 1;
    break;
  }
  return SQLITE_OK;
}

int Open(sqlite3_vtab* table, sqlite3_vtab_cursor** cursor) noexcept {
  return Guarded([&] {
    *cursor = new ViewCursor(static_cast<ViewTable*>(table)->module);
    return SQLITE_OK;
  });
}

int Close(sqlite3_vtab_cursor* cursor) noexcept {
  delete static_cast<ViewCursor*>(cursor);
  return SQLITE_OK;
}

absl::Status Fill(ViewCursor* cursor) {
  cursor->rows.clear();
  cursor->row = 0;
  const std::shared_ptr<Database> database =
      cursor->module.connection->GetDatabase(cursor->schema);
  NORI_ASSIGN_OR_RETURN(const bool exists, database->state_table().Exists());
  if (!exists) return absl::OkStatus();
  NORI_RETURN_IF_ERROR(database->EnsureOpen());
  NORI_ASSIGN_OR_RETURN(cursor->rows, cursor->module.view->show(*database));
  return absl::OkStatus();
}

int Filter(sqlite3_vtab_cursor* base, int plan, const char*, int,
           sqlite3_value** argv) noexcept {
  return Guarded([&] {
    auto* cursor = static_cast<ViewCursor*>(base);
    cursor->schema = "main";
    if (plan == 1) {
      const auto* given =
          reinterpret_cast<const char*>(sqlite3_value_text(argv[0]));
      cursor->schema = given == nullptr ? "" : given;
    }
    return ReportStatus(cursor->pVtab, Fill(cursor));
  });
}

int Next(sqlite3_vtab_cursor* cursor) noexcept {
  ++static_cast<ViewCursor*>(cursor)->row;
  return SQLITE_OK;
}

int Eof(sqlite3_vtab_cursor* base) noexcept {
  const auto* cursor = static_cast<ViewCursor*>(base);
  return cursor->row >= cursor->rows.size();
}

int Column(sqlite3_vtab_cursor* base, sqlite3_context* context,
           int column) noexcept {
  return Guarded([&] {
    const auto* cursor = static_cast<ViewCursor*>(base);
    if (column == cursor->module.view->schema_column) {
      ResultOfValue(context, Value::Text(cursor->schema));
      return SQLITE_OK;
    }
    const Cell& cell = cursor->rows[cursor->row][static_cast<size_t>(column)];
    if (const auto* number = std::get_if<int64_t>(&cell)) {
      ResultOfValue(context, Value::Integer(*number));
    } else if (const auto* real = std::get_if<double>(&cell)) {
      ResultOfValue(context, Value::Real(*real));
    } else if (const auto* text = std::get_if<std::string>(&cell)) {
      ResultOfValue(context, Value::Text(*text));
    }
    return SQLITE_OK;
  });
}

int Rowid(sqlite3_vtab_cursor* cursor, sqlite3_int64* rowid) noexcept {
  *rowid = static_cast<sqlite3_int64>(static_cast<ViewCursor*>(cursor)->row);
  return SQLITE_OK;
}

sqlite3_module MakeModule() {
  sqlite3_module module = {};
  // Without xCreate the table is there in every connection and needs no CREATE.
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

}  // namespace

int RegisterIntrospection(sqlite3* db, Connection* connection) {
  static const sqlite3_module module = MakeModule();
  for (const View& view : kViews) {
    const int rc = sqlite3_create_module_v2(
        db, view.name, &module, new ViewModule{connection, &view},
        [](void* owned) { delete static_cast<ViewModule*>(owned); });
    if (rc != SQLITE_OK) return rc;
  }
  return SQLITE_OK;
}

}  // namespace nori
