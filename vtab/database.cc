#include "vtab/database.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/format/status_macros.h"
#include "sqlite_vfs/process.h"
#include "vtab/backup_target.h"
#include "vtab/error_map.h"
#include "vtab/key_codec.h"
#include "vtab/text.h"
#include "vtab/virtual_table.h"

namespace nori {
namespace {

uint64_t RandomSeed() {
  uint64_t seed;
  sqlite3_randomness(sizeof(seed), &seed);
  return seed;
}

}  // namespace

KeyRange RangeOfTable(uint64_t table_id) {
  KeyRange range;
  EncodeTablePrefix(table_id, &range.begin);
  range.end = PrefixSuccessor(range.begin);
  return range;
}

Database::Database(Connection* connection, std::string schema)
    : connection_(connection),
      schema_(std::move(schema)),
      path_(DatabasePathOf(connection->db(), schema_)),
      owner_(CurrentProcess()),
      host_file_(connection->db(), schema_),
      state_table_(connection->db(), schema_) {}

Database::~Database() {
  if (CurrentProcess() != owner_) AbandonTransaction();
}

void Database::AbandonTransaction() {
  static_cast<void>(transaction_.release());
  static_cast<void>(new SnapshotRef(std::move(view_)));
}

bool Database::StillAttached() {
  return DatabasePathOf(connection_->db(), schema_) == path_ &&
         !host_file_.IsReplaced();
}

absl::Status Database::CheckIsPresent() {
  if (!host_file_.IsReplaced()) return absl::OkStatus();
  // SQLite compiles the statement anew and tries again.
  return SqliteError(SQLITE_SCHEMA,
                     "the database was replaced by sqlite3_deserialize");
}

absl::Status Database::CheckProcess() const {
  if (CurrentProcess() == owner_) return absl::OkStatus();
  return SqliteError(
      SQLITE_MISUSE,
      "this connection was opened before a fork; open a new one in the child");
}

absl::Status Database::CheckEncoding() {
  NORI_ASSIGN_OR_RETURN(const std::string encoding,
                        connection_->PragmaText(schema_, "encoding"));
  if (encoding == "UTF-8") return absl::OkStatus();
  return absl::UnimplementedError(absl::StrCat(
      "nori: this database is encoded in ", encoding,
      "; nori tables need PRAGMA encoding = 'UTF-8', which must be set before "
      "anything is in the database"));
}

absl::Status Database::CheckOrdinaryFile() const {
  if (VfsNameOf(connection_->db(), schema_) != "nori") return absl::OkStatus();
  return absl::UnimplementedError(
      "nori tables cannot be made in a database of vfs=nori yet; its ordinary "
      "tables are in the engine already, or ATTACH an ordinary database");
}

absl::Status Database::EnsureOpen() {
  NORI_RETURN_IF_ERROR(CheckProcess());
  if (shared_ != nullptr && identity_checked_) return absl::OkStatus();
  NORI_RETURN_IF_ERROR(CheckOrdinaryFile());
  NORI_ASSIGN_OR_RETURN(const bool exists, state_table_.Exists());
  if (!exists) {
    return absl::DataLossError(absl::StrCat(
        "the table ", kStateTableName,
        " is missing: the database file does not know its engine any more"));
  }
  NORI_ASSIGN_OR_RETURN(const DatabaseState own, ReadState());
  if (shared_ == nullptr || engine()->identity() != own.identity) {
    NORI_RETURN_IF_ERROR(in_memory() ? FindInMemory(own) : OpenFile(own));
  }
  identity_checked_ = true;
  return absl::OkStatus();
}

absl::Status Database::FindInMemory(const DatabaseState& own) {
  shared_ = EngineRegistry::Instance().FindInMemory(
      own.identity, MemoryHostOf(connection_->db(), schema_));
  if (shared_ != nullptr) return absl::OkStatus();
  return absl::NotFoundError(
      "the rows of this database's nori tables are not in this memory: those "
      "of a connection that is closed are gone, and nori tables cannot be "
      "copied into memory; attach the database and use INSERT ... SELECT");
}

absl::Status Database::OpenFile(const DatabaseState& own) {
  EngineRegistry::OpenRequest request;
  request.options.seed = RandomSeed();
  request.directory = EngineDirectory();
  request.database = path_;
  request.context.identity = own.identity;
  request.context.known_mixed = own.last_mixed;
  // This connection's view may be older than the newest commit, and what the
  // engine is told here decides what it keeps.
  request.context.host_mixed_number = [this,
                                       &own]() -> absl::StatusOr<uint64_t> {
    // Nobody else can have committed since this connection began to write, and
    // in EXCLUSIVE nobody else can even read.
    if (sqlite3_txn_state(connection_->db(), schema_.c_str()) ==
        SQLITE_TXN_WRITE) {
      return own.last_mixed;
    }
    absl::StatusOr<DatabaseState> newest = state_table_.ReadCommitted();
    if (newest.ok()) return newest->last_mixed;
    NORI_ASSIGN_OR_RETURN(const std::string mode,
                          connection_->PragmaText(schema_, "locking_mode"));
    // Nobody else can have committed since this connection took its lock.
    if (EqualsIgnoreCase(mode, "exclusive")) return own.last_mixed;
    return newest.status();
  };
  NORI_RETURN_IF_ERROR(
      FinishBackup(request.options.file_system, path_, own.identity));
  absl::StatusOr<SharedEngineRef> shared =
      EngineRegistry::Instance().Open(request);
  if (absl::IsFailedPrecondition(shared.status())) {
    return absl::FailedPreconditionError(absl::StrCat(
        shared.status().message(), "; put back the directory and the file ",
        path_, " of the same time, or DROP the tables"));
  }
  NORI_RETURN_IF_ERROR(shared.status());
  // One that was open already was opened for another file.
  if ((*shared)->engine()->identity() != own.identity) {
    return absl::FailedPreconditionError(
        absl::StrCat("the directory ", request.directory,
                     " is in use by another database; put back the one that "
                     "belongs to ",
                     path_, ", or DROP the tables"));
  }
  shared_ = *std::move(shared);
  return absl::OkStatus();
}

absl::Status Database::CheckOptions(
    const std::map<std::string, std::string>& options) const {
  for (const auto& [name, value] : options) {
    Options wanted = engine()->options();
    NORI_RETURN_IF_ERROR(SetOption(&wanted, name, value));
    NORI_ASSIGN_OR_RETURN(const std::string asked, GetOption(wanted, name));
    NORI_ASSIGN_OR_RETURN(const std::string actual,
                          GetOption(engine()->options(), name));
    if (asked != actual) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the engine of this database was made with ", name, "=", actual, ": ",
          name, "=", asked, " can only be given with its first nori table"));
    }
  }
  return absl::OkStatus();
}

absl::Status Database::CreateEngine(
    const std::map<std::string, std::string>& option_texts) {
  Options options;
  options.seed = RandomSeed();
  for (const auto& [name, value] : option_texts) {
    NORI_RETURN_IF_ERROR(SetOption(&options, name, value));
  }
  NORI_RETURN_IF_ERROR(ValidateOptions(options));
  EngineRegistry& registry = EngineRegistry::Instance();
  if (in_memory()) {
    NORI_ASSIGN_OR_RETURN(
        shared_, registry.CreateInMemory(
                     options, MemoryHostOf(connection_->db(), schema_)));
  } else {
    NORI_RETURN_IF_ERROR(registry.SetAside(EngineDirectory()));
    EngineRegistry::OpenRequest request;
    request.options = std::move(options);
    request.directory = EngineDirectory();
    request.database = path_;
    request.create = true;
    NORI_ASSIGN_OR_RETURN(shared_, registry.Open(request));
  }
  return absl::OkStatus();
}

absl::Status Database::EnsureOpenForCreate(
    const std::map<std::string, std::string>& options) {
  NORI_RETURN_IF_ERROR(CheckProcess());
  NORI_RETURN_IF_ERROR(CheckOrdinaryFile());
  NORI_ASSIGN_OR_RETURN(const bool exists, state_table_.Exists());
  if (exists) {
    const absl::Status opened = EnsureOpen();
    if (opened.ok()) return CheckOptions(options);
    return StartAnew(options, opened);
  }
  // An engine without nori_state is left from a CREATE that was rolled back, or
  // from a database in memory that is gone. In the transaction of that CREATE
  // it is taken up again.
  if (transaction_ == nullptr && open_cursors_ == 0) shared_.reset();
  if (shared_ == nullptr) {
    NORI_RETURN_IF_ERROR(CreateEngine(options));
  } else {
    NORI_RETURN_IF_ERROR(CheckOptions(options));
  }
  DatabaseState state;
  state.identity = engine()->identity();
  NORI_RETURN_IF_ERROR(state_table_.Create(state));
  identity_checked_ = true;
  return absl::OkStatus();
}

absl::Status Database::StartAnew(
    const std::map<std::string, std::string>& options,
    const absl::Status& reason) {
  // Only where no table is left that could have rows in the lost engine.
  if (!absl::IsNotFound(reason) && !absl::IsFailedPrecondition(reason)) {
    return reason;
  }
  NORI_ASSIGN_OR_RETURN(const auto left, state_table_.ListTables());
  if (!left.empty() || transaction_ != nullptr) return reason;
  NORI_ASSIGN_OR_RETURN(DatabaseState state, ReadState());
  shared_.reset();
  NORI_RETURN_IF_ERROR(CreateEngine(options));
  state.identity = engine()->identity();
  NORI_RETURN_IF_ERROR(state_table_.Reset(state));
  identity_checked_ = true;
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> Database::CreateTable(const std::string& name,
                                               const TableSchema& schema) {
  NORI_RETURN_IF_ERROR(connection_->EnlistGuard());
  NORI_RETURN_IF_ERROR(Begin());
  schema_changed_ = true;
  NORI_ASSIGN_OR_RETURN(const DatabaseState state, ReadState());
  const uint64_t id = shared_->AllocateTableId(state.next_table_id);
  NORI_RETURN_IF_ERROR(state_table_.WriteNextTableId(id + 1));
  NORI_RETURN_IF_ERROR(state_table_.AddTable(id, name));
  NoteCreated(id, /*index_id=*/0);
  for (const IndexSchema& index : schema.indexes) NoteCreated(id, index.id);
  return id;
}

void Database::NoteCreated(uint64_t table_id, uint32_t index_id) {
  KeyRange range;
  EncodeIndexPrefix(table_id, index_id, &range.begin);
  range.end = PrefixSuccessor(range.begin);
  created_.push_back(std::move(range));
}

absl::Status Database::DeleteForGood(KeyRange range) {
  schema_changed_ = true;
  prepared_ = false;
  NORI_RETURN_IF_ERROR(transaction_->DeleteRange(range.begin, range.end));
  dropped_.emplace_back(std::move(range), transaction_->Mark());
  return absl::OkStatus();
}

void Database::IndexCreated(uint64_t table_id, uint32_t index_id) {
  schema_changed_ = true;
  prepared_ = false;
  NoteCreated(table_id, index_id);
}

absl::Status Database::DropTable(const std::string& name) {
  const absl::Status opened = EnsureOpen();
  // Where the engine is not there or is somebody else's, there is nothing of
  // this table's to remove, and DROP is the way out.
  const bool lost = absl::IsNotFound(opened) ||
                    absl::IsFailedPrecondition(opened) ||
                    absl::IsDataLoss(opened);
  if (!opened.ok() && !lost) return opened;
  const absl::StatusOr<bool> exists = state_table_.Exists();
  // Another table of that name: what was nori's is gone.
  if (absl::IsFailedPrecondition(exists.status())) return absl::OkStatus();
  NORI_RETURN_IF_ERROR(exists.status());
  if (!*exists) return absl::OkStatus();
  const absl::StatusOr<TableState> found = state_table_.FindTable(name);
  if (absl::IsNotFound(found.status())) return absl::OkStatus();
  NORI_RETURN_IF_ERROR(found.status());
  const uint64_t id = found->id;
  if (!lost) {
    NORI_RETURN_IF_ERROR(connection_->EnlistGuard());
    NORI_RETURN_IF_ERROR(Begin());
    NORI_RETURN_IF_ERROR(DeleteForGood(RangeOfTable(id)));
    SetMaxRowid(id, std::nullopt);
  }
  return state_table_.RemoveTable(id);
}

absl::Status Database::RenameTable(const std::string& from,
                                   const std::string& to) {
  NORI_ASSIGN_OR_RETURN(const TableState found, state_table_.FindTable(from));
  return state_table_.RenameTable(found.id, to);
}

absl::StatusOr<VirtualTable*> Database::ConnectTable(const std::string& name) {
  sqlite3* const db = connection_->db();
  if (sqlite3_table_column_metadata(db, schema_.c_str(), name.c_str(), nullptr,
                                    nullptr, nullptr, nullptr, nullptr,
                                    nullptr) != SQLITE_OK) {
    return nullptr;
  }
  char* sql = sqlite3_mprintf("SELECT 1 FROM \"%w\".\"%w\"", schema_.c_str(),
                              name.c_str());
  if (sql == nullptr) return SqliteError(SQLITE_NOMEM, "out of memory");
  sqlite3_stmt* statement = nullptr;
  const int rc = sqlite3_prepare_v2(db, sql, -1, &statement, nullptr);
  sqlite3_free(sql);
  sqlite3_finalize(statement);
  NORI_RETURN_IF_ERROR(StatusOfSqlite(db, rc, name.c_str()));
  const auto found =
      std::find_if(tables.rbegin(), tables.rend(), [&name](const auto* table) {
        return EqualsIgnoreCase(table->name, name);
      });
  return found == tables.rend() ? nullptr : *found;
}

absl::StatusOr<DatabaseState> Database::ReadState() {
  absl::StatusOr<DatabaseState> state = state_table_.Read();
  // No table will be disconnected that would finalize the statement.
  if (tables.empty()) state_table_.FinalizeStatements();
  return state;
}

void Database::TableDisconnected(VirtualTable* table) {
  std::erase(tables, table);
  if (!tables.empty()) return;
  // They would keep sqlite3_close from closing.
  state_table_.FinalizeStatements();
  connection_->FinalizeStatements();
  // The next table may be in another database in memory, attached by the same
  // name.
  identity_checked_ = false;
}

}  // namespace nori
