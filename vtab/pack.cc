#include "vtab/pack.h"

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "engine/format/status_macros.h"
#include "vtab/error_map.h"
#include "vtab/index_state.h"
#include "vtab/key_codec.h"
#include "vtab/pack_format.h"
#include "vtab/row_check.h"
#include "vtab/sql_tokenizer.h"
#include "vtab/statement.h"
#include "vtab/table_check.h"
#include "vtab/text.h"
#include "vtab/virtual_table.h"

namespace nori {
namespace {

constexpr char kPacking[] = "packing";
constexpr char kUnpacking[] = "unpacking";
constexpr uint64_t kEntriesPerQuestion = 4096;

std::string QuotedName(const std::string& schema, const std::string& table) {
  return Concat({QuoteSqlName(schema), ".", QuoteSqlName(table)});
}

std::string Summary(uint64_t tables, uint64_t rows, uint64_t parts) {
  return absl::StrCat(R"({"tables":)", tables, R"(,"rows":)", rows,
                      R"(,"parts":)", parts, "}");
}

// Which of a table's indexes `key` is of: 0 for a row. Absent if the layout
// knows none such.
std::optional<uint32_t> IndexOfKey(const RowLayout& layout,
                                   std::string_view key) {
  uint64_t table_id;
  uint32_t index_id;
  if (!DecodeIndexPrefix(&key, &table_id, &index_id)) return std::nullopt;
  const bool known =
      index_id == 0 ||
      std::any_of(layout.indexes.begin(), layout.indexes.end(),
                  [&](const auto& index) { return index->id == index_id; });
  return known ? std::optional(index_id) : std::nullopt;
}

// The table's arguments without its INDEX ones, which may have changed since,
// and without the engine's options.
std::string DefinitionOf(const TableSchema& schema) {
  std::string text;
  for (const std::string& definition : schema.definitions) {
    text.append(Concat({text.empty() ? "" : ",", definition, "\n"}));
  }
  if (schema.identity == RowIdentity::kKey) text.append(",WITHOUT ROWID");
  if (schema.strict) text.append(",STRICT");
  return text;
}

// What is not as in a new engine, each with a comma in front.
absl::StatusOr<std::string> OptionArguments(const Options& options) {
  std::string text;
  for (const OptionInfo& info : OptionInfos()) {
    NORI_ASSIGN_OR_RETURN(const std::string value,
                          GetOption(options, info.name));
    NORI_ASSIGN_OR_RETURN(const std::string usual,
                          GetOption(Options(), info.name));
    if (value != usual)
      absl::StrAppend(&text, ",", info.name, "='", value, "'");
  }
  return text;
}

class Packer {
 public:
  Packer(const FunctionTarget& source, const std::string& pack,
         const GoOn& go_on)
      : database_(*source.database),
        only_(source.table),
        pack_(QuotedName(database_.schema(), pack)),
        go_on_(go_on) {}

  absl::StatusOr<std::string> Run() {
    const sqlite3_int64 last_rowid = sqlite3_last_insert_rowid(db());
    const absl::Status status =
        InSavepoint(db(), kPacking, [this] { return PackTables(); });
    sqlite3_set_last_insert_rowid(db(), last_rowid);
    if (!status.ok()) return status;
    return Summary(tables_, rows_, parts_);
  }

 private:
  sqlite3* db() const { return database_.connection()->db(); }

  absl::Status PackTables() {
    // With this comes SQLite's lock for writing: nothing changes from here on.
    NORI_RETURN_IF_ERROR(
        Execute(db(),
                Concat({"CREATE TABLE ", pack_,
                        "(part INTEGER PRIMARY KEY, name TEXT, "
                        "definition TEXT, content BLOB)"}),
                kPacking));
    NORI_ASSIGN_OR_RETURN(
        Statement insert,
        Statement::Prepare(
            db(), Concat({"INSERT INTO ", pack_, " VALUES(?1, ?2, ?3, ?4)"}),
            kPacking));
    NORI_ASSIGN_OR_RETURN(const auto tables,
                          database_.state_table().ListTables());
    for (const auto& [id, name] : tables) {
      if (!only_.empty() && !EqualsIgnoreCase(name, only_)) continue;
      NORI_ASSIGN_OR_RETURN(VirtualTable* const table,
                            database_.ConnectTable(name));
      // Dropped while nori was not loaded.
      if (table == nullptr) continue;
      NORI_RETURN_IF_ERROR(table->EnsureOpen());
      NORI_RETURN_IF_ERROR(PackTable(*table, &insert));
    }
    return absl::OkStatus();
  }

  absl::Status PackTable(const VirtualTable& table, Statement* insert) {
    const int64_t place = next_part_++;
    PackWriter writer([&](std::string_view part) {
      insert->BindInteger(1, next_part_++);
      insert->BindText(2, table.name);
      insert->BindBlob(4, part);
      return insert->Run();
    });
    NORI_RETURN_IF_ERROR(AddEntries(table, &writer));
    PackHeader header;
    NORI_RETURN_IF_ERROR(writer.Finish(&header));
    NORI_ASSIGN_OR_RETURN(const TableState stored,
                          database_.state_table().FindTable(table.name));
    const TableSchema& schema = table.layout.schema;
    NORI_ASSIGN_OR_RETURN(const IndexState indexes,
                          ParseIndexState(schema, stored.indexes));
    header.indexes = EncodeIndexState(schema, indexes);
    NORI_ASSIGN_OR_RETURN(header.options,
                          OptionArguments(database_.engine()->options()));
    const std::string definition = DefinitionOf(schema);
    const std::string content = EncodePackHeader(header, definition);
    insert->BindInteger(1, place);
    insert->BindText(2, table.name);
    insert->BindText(3, definition);
    insert->BindBlob(4, content);
    NORI_RETURN_IF_ERROR(insert->Run());
    sqlite3_clear_bindings(insert->get());
    ++tables_;
    parts_ += header.parts;
    return absl::OkStatus();
  }

  absl::Status AddEntries(const VirtualTable& table, PackWriter* writer) {
    NORI_ASSIGN_OR_RETURN(const SnapshotRef view, database_.AcquireView());
    const auto release = absl::MakeCleanup([this] { database_.ReleaseView(); });
    const KeyRange range = RangeOfTable(table.id);
    const auto it = database_.NewIterator(view, range);
    uint64_t entries = 0;
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      if (entries++ % kEntriesPerQuestion == 0) NORI_RETURN_IF_ERROR(go_on_());
      const std::optional<uint32_t> index = IndexOfKey(table.layout, it->key());
      if (!index.has_value()) continue;
      if (*index == 0) ++rows_;
      NORI_RETURN_IF_ERROR(
          writer->Add(it->key().substr(range.begin.size()), it->value()));
    }
    return it->status();
  }

  Database& database_;
  const std::string only_;  // empty: all tables
  const std::string pack_;
  const GoOn& go_on_;
  int64_t next_part_ = 1;
  uint64_t tables_ = 0, rows_ = 0, parts_ = 0;
};

class Unpacker {
 public:
  Unpacker(Connection* connection, const UnpackRequest& request,
           const GoOn& go_on)
      : connection_(connection), request_(request), go_on_(go_on) {}

  absl::StatusOr<std::string> Run() {
    NORI_RETURN_IF_ERROR(FindPack());
    database_ = connection_->GetDatabase(schema_);
    NORI_RETURN_IF_ERROR(
        InSavepoint(db(), kUnpacking, [this] { return UnpackTables(); }));
    return Summary(tables_, rows_, parts_);
  }

 private:
  // One packed table as its first row tells.
  struct Packed {
    int64_t place;
    std::string name;
    std::string definition;
    PackHeader header;
  };

  sqlite3* db() const { return connection_->db(); }

  absl::Status FindPack() {
    NORI_ASSIGN_OR_RETURN(const std::vector<std::string> schemas,
                          connection_->Schemas());
    const size_t dot = request_.pack.find('.');
    for (const std::string& schema : schemas) {
      const bool named = dot != std::string::npos &&
                         EqualsIgnoreCase(schema, request_.pack.substr(0, dot));
      for (const std::string& table :
           {request_.pack, named ? request_.pack.substr(dot + 1) : ""}) {
        if (table.empty() || !HasColumns(schema, table)) continue;
        schema_ = schema;
        pack_ = QuotedName(schema, table);
        return absl::OkStatus();
      }
    }
    return absl::InvalidArgumentError(absl::StrCat(
        "there is no table called ", request_.pack, " that nori_pack made"));
  }

  bool HasColumns(const std::string& schema, const std::string& table) {
    for (const char* column : {"part", "name", "definition", "content"}) {
      if (sqlite3_table_column_metadata(db(), schema.c_str(), table.c_str(),
                                        column, nullptr, nullptr, nullptr,
                                        nullptr, nullptr) != SQLITE_OK) {
        return false;
      }
    }
    return true;
  }

  absl::StatusOr<std::vector<Packed>> ListPacked() {
    NORI_ASSIGN_OR_RETURN(
        Statement select,
        Statement::Prepare(
            db(),
            Concat({"SELECT part, name, definition, content FROM ", pack_,
                    " WHERE definition IS NOT NULL ORDER BY part"}),
            kUnpacking));
    std::vector<Packed> all;
    for (;;) {
      NORI_ASSIGN_OR_RETURN(const bool has_row, select.Step());
      if (!has_row) break;
      Packed packed;
      packed.place = select.Integer(0);
      packed.name = select.Text(1);
      if (request_.table && !EqualsIgnoreCase(packed.name, *request_.table)) {
        continue;
      }
      packed.definition = select.Text(2);
      NORI_ASSIGN_OR_RETURN(
          packed.header, DecodePackHeader(select.Blob(3), packed.definition));
      all.push_back(std::move(packed));
    }
    if (all.empty() && request_.table) {
      return absl::InvalidArgumentError(absl::StrCat(
          request_.pack, " holds no table called ", *request_.table));
    }
    return all;
  }

  absl::Status UnpackTables() {
    // SQLite's lock for writing before anything is read: it waits for it only
    // then.
    NORI_RETURN_IF_ERROR(
        Execute(db(), Concat({"DELETE FROM ", pack_, " WHERE 0"}), kUnpacking));
    NORI_ASSIGN_OR_RETURN(const std::vector<Packed> all, ListPacked());
    for (const Packed& packed : all) {
      const std::string name = request_.new_name.value_or(packed.name);
      NORI_ASSIGN_OR_RETURN(VirtualTable* const table,
                            CreateTable(packed, name));
      NORI_RETURN_IF_ERROR(SetIndexes(packed, table));
      NORI_RETURN_IF_ERROR(Fill(packed, *table));
      NORI_RETURN_IF_ERROR(CheckRows(table, go_on_));
      NORI_RETURN_IF_ERROR(CheckIndexes(table, go_on_));
      ++tables_;
      parts_ += packed.header.parts;
    }
    return absl::OkStatus();
  }

  absl::StatusOr<VirtualTable*> CreateTable(const Packed& packed,
                                            const std::string& name) {
    NORI_ASSIGN_OR_RETURN(const bool exists, database_->state_table().Exists());
    const bool has_engine = exists && database_->EnsureOpen().ok();
    NORI_ASSIGN_OR_RETURN(
        Statement create,
        Statement::Prepare(
            db(),
            Concat({"CREATE VIRTUAL TABLE ", QuotedName(schema_, name),
                    " USING nori(", packed.definition,
                    has_engine ? "" : packed.header.options, ")"}),
            kUnpacking));
    NORI_RETURN_IF_ERROR(create.Run());
    NORI_ASSIGN_OR_RETURN(VirtualTable* const table,
                          database_->ConnectTable(name));
    if (table == nullptr) return absl::InternalError("the table is not there");
    NORI_RETURN_IF_ERROR(table->EnsureOpen());
    return table;
  }

  // The indexes that the table had, with their ids.
  absl::Status SetIndexes(const Packed& packed, VirtualTable* table) {
    NORI_ASSIGN_OR_RETURN(
        IndexState state,
        ParseIndexState(table->layout.schema, packed.header.indexes));
    NORI_RETURN_IF_ERROR(database_->state_table().WriteIndexes(
        table->id, packed.header.indexes));
    for (IndexSchema& index : state.indexes) {
      // Those of its constraints are there.
      if (index.constraint) continue;
      database_->IndexCreated(table->id, index.id);
      table->layout.AddIndex(std::move(index));
    }
    return absl::OkStatus();
  }

  absl::Status Fill(const Packed& packed, const VirtualTable& table) {
    NORI_ASSIGN_OR_RETURN(
        Statement select,
        Statement::Prepare(
            db(),
            Concat({"SELECT content FROM ", pack_,
                    " WHERE part > ?1 AND part <= ?1 + ?2 ORDER BY part"}),
            kUnpacking));
    select.BindInteger(1, packed.place);
    select.BindInteger(2, static_cast<int64_t>(packed.header.parts));
    NORI_ASSIGN_OR_RETURN(Transaction* const transaction,
                          database_->WriteTransaction());
    PackReader reader(packed.header);
    std::string key;
    EncodeTablePrefix(table.id, &key);
    const size_t prefix = key.size();
    for (;;) {
      NORI_RETURN_IF_ERROR(go_on_());
      NORI_ASSIGN_OR_RETURN(const bool has_row, select.Step());
      if (!has_row) return reader.Finish();
      NORI_RETURN_IF_ERROR(reader.Add(select.Blob(0)));
      std::string_view rest;
      std::string_view value;
      for (;;) {
        NORI_ASSIGN_OR_RETURN(const bool has_entry, reader.Next(&rest, &value));
        if (!has_entry) break;
        key.resize(prefix);
        key.append(rest);
        const std::optional<uint32_t> index = IndexOfKey(table.layout, key);
        if (!index.has_value()) {
          return absl::DataLossError(
              "the pack is damaged: it has entries of an unknown index");
        }
        if (*index == 0) ++rows_;
        NORI_RETURN_IF_ERROR(transaction->Put(key, value));
      }
    }
  }

  Connection* const connection_;
  const UnpackRequest& request_;
  const GoOn& go_on_;
  std::string schema_;
  std::string pack_;
  std::shared_ptr<Database> database_;
  uint64_t tables_ = 0, rows_ = 0, parts_ = 0;
};

}  // namespace

absl::StatusOr<std::string> Pack(const FunctionTarget& source,
                                 const std::string& pack, const GoOn& go_on) {
  return Packer(source, pack, go_on).Run();
}

absl::StatusOr<std::string> Unpack(Connection* connection,
                                   const UnpackRequest& request,
                                   const GoOn& go_on) {
  return Unpacker(connection, request, go_on).Run();
}

}  // namespace nori
