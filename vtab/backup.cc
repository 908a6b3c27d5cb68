#include "vtab/backup.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "engine/format/status_macros.h"
#include "sqlite_vfs/copy_vfs.h"
#include "vtab/backup_target.h"
#include "vtab/error_map.h"
#include "vtab/page_copy.h"
#include "vtab/state_table.h"
#include "vtab/statement.h"

namespace nori {
namespace {

// How often the state of a database in memory is looked for between changes.
constexpr int kTries = 10;

// Waits for a lock until `*deadline` by looking often: SQLite's own handler
// sleeps for so long between two looks that a busy writer can keep it out.
int LookOften(void* deadline, int) {
  if (absl::Now() >= *static_cast<absl::Time*>(deadline)) return 0;
  sqlite3_sleep(1);
  return 1;
}

class Backup {
 public:
  Backup(Database* database, std::string path, const GoOn& go_on)
      : database_(database), path_(std::move(path)), go_on_(go_on) {}

  absl::StatusOr<std::string> Run() {
    NORI_RETURN_IF_ERROR(CheckSource());
    NORI_RETURN_IF_ERROR(TakeEarlierBackup());
    NORI_ASSIGN_OR_RETURN(
        target_, BackupTarget::Prepare(files_, path_, database_->path()));
    identity_ = Engine::NewIdentity();
    NORI_ASSIGN_OR_RETURN(
        copy_,
        OpenFile(target_->new_file(),
                 SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, VfsName(), 0));
    // It is synced when it is whole.
    NORI_RETURN_IF_ERROR(Execute(
        copy_.get(), "PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF",
        "making the copy"));
    NORI_RETURN_IF_ERROR(database_->in_memory() ? CopyPagesOfMemory()
                                                : CopyPagesOfFile());
    NORI_RETURN_IF_ERROR(NameEngine());
    NORI_RETURN_IF_ERROR(CopyEngine());
    NORI_RETURN_IF_ERROR(Check());
    NORI_RETURN_IF_ERROR(go_on_());
    NORI_RETURN_IF_ERROR(target_->Publish());
    return absl::StrCat(
        R"({"tables_linked":)", result_.files_linked, R"(,"tables_copied":)",
        result_.files_copied, R"(,"tables_reused":)", result_.files_reused,
        R"(,"tables_written":)", result_.files_written, R"(,"table_bytes":)",
        result_.bytes, R"(,"table_bytes_written":)", result_.bytes_written,
        R"(,"pages":)", pages_, "}");
  }

 private:
  sqlite3* db() const { return database_->connection()->db(); }

  absl::Status CheckSource() const {
    if (sqlite3_txn_state(db(), database_->schema().c_str()) !=
        SQLITE_TXN_WRITE) {
      return absl::OkStatus();
    }
    return SqliteError(SQLITE_ERROR,
                       "cannot back up within a transaction that has written");
  }

  // That of the source's file, where the copy goes, too; null: the default.
  const char* VfsName() const {
    sqlite3_vfs* vfs = nullptr;
    if (!database_->in_memory()) {
      sqlite3_file_control(db(), database_->schema().c_str(),
                           SQLITE_FCNTL_VFS_POINTER, &vfs);
    }
    // Not watched: what a copy needs is done here.
    vfs = BelowCopyVfs(vfs != nullptr ? vfs : sqlite3_vfs_find(nullptr));
    return vfs == nullptr ? nullptr : vfs->zName;
  }

  // Finishes one that was interrupted, and keeps others from using it.
  absl::Status TakeEarlierBackup() {
    if (path_ == database_->path() || !files_->Exists(path_)) {
      return absl::OkStatus();
    }
    NORI_ASSIGN_OR_RETURN(const bool is_directory, files_->IsDirectory(path_));
    if (is_directory) return absl::OkStatus();  // refused later
    NORI_ASSIGN_OR_RETURN(earlier_,
                          OpenFile(path_, SQLITE_OPEN_READWRITE, VfsName(), 0));
    StateTable state(earlier_.get(), "main");
    const absl::StatusOr<bool> exists = state.Exists();
    // Whatever is no database, or none with nori tables, is refused later.
    if (!exists.ok() || !*exists) {
      earlier_.reset();
      return absl::OkStatus();
    }
    NORI_ASSIGN_OR_RETURN(const DatabaseState own, state.Read());
    state.FinalizeStatements();
    NORI_RETURN_IF_ERROR(FinishBackup(files_, path_, own.identity));
    return absl::OkStatus();
  }

  // No journal of the earlier backup may be left beside the new one.
  absl::Status CloseEarlierBackup() {
    if (earlier_ == nullptr) return absl::OkStatus();
    absl::Status status =
        Execute(earlier_.get(),
                "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=DELETE; "
                "BEGIN EXCLUSIVE; COMMIT",
                "taking the earlier backup");
    if (status.ok()) status = RemoveEmptyLog();
    if (status.ok()) return status;
    if ((SqliteCodeOfStatus(status) & 0xff) != SQLITE_BUSY) return status;
    return absl::UnavailableError(
        absl::StrCat("the earlier backup ", path_, " is in use"));
  }

  // SQLite does not mind if the log's file cannot be removed. It is nobody's:
  // the earlier backup is locked.
  absl::Status RemoveEmptyLog() {
    const std::string log = path_ + "-wal";
    if (!files_->Exists(log)) return absl::OkStatus();
    NORI_ASSIGN_OR_RETURN(const uint64_t bytes, files_->FileSize(log));
    if (bytes == 0) return files_->RemoveFile(log);
    return absl::UnavailableError("it has a write-ahead log");
  }

  absl::Status CopyPages(sqlite3* from, const std::string& schema, int step) {
    NORI_ASSIGN_OR_RETURN(
        pages_,
        nori::CopyPages({from, schema}, {copy_.get(), "main"}, step, go_on_));
    return absl::OkStatus();
  }

  // While one connection keeps all writers out, another one begins to read and
  // the engine's state is held.
  absl::Status CopyPagesOfFile() {
    Connection& connection = *database_->connection();
    NORI_ASSIGN_OR_RETURN(const int64_t timeout_ms,
                          connection.PragmaInteger("main", "busy_timeout"));
    const auto open = [&] {
      return OpenFile(database_->path(), SQLITE_OPEN_READWRITE, VfsName(),
                      static_cast<int>(timeout_ms));
    };
    NORI_ASSIGN_OR_RETURN(const ConnectionPtr reader, open());
    {
      NORI_ASSIGN_OR_RETURN(const ConnectionPtr gate, open());
      absl::Time deadline = absl::Now() + absl::Milliseconds(timeout_ms);
      sqlite3_busy_handler(gate.get(), LookOften, &deadline);
      NORI_RETURN_IF_ERROR(
          Execute(gate.get(), "BEGIN IMMEDIATE", "keeping writers out"));
      NORI_RETURN_IF_ERROR(Execute(
          reader.get(), "BEGIN; SELECT 1 FROM sqlite_schema", "reading"));
      NORI_ASSIGN_OR_RETURN(state_, database_->engine()->PinState());
    }
    StateTable table(reader.get(), "main");
    NORI_ASSIGN_OR_RETURN(const DatabaseState host, table.Read());
    table.FinalizeStatements();
    if (host.identity != database_->engine()->identity() ||
        state_->last_mixed() > host.last_mixed) {
      return absl::UnavailableError(
          "the database was replaced meanwhile; try again");
    }
    return CopyPages(reader.get(), "main", kPagesPerStep);
  }

  // There may be no second connection to such a database. Nothing of it changes
  // during one step; what changes before or after it shows.
  absl::Status CopyPagesOfMemory() {
    for (int i = 0; i < kTries; ++i) {
      const SequenceNumber before = database_->engine()->LastSequence();
      NORI_RETURN_IF_ERROR(CopyPages(db(), database_->schema(), -1));
      NORI_ASSIGN_OR_RETURN(state_, database_->engine()->PinState());
      if (state_->sequence() == before) return absl::OkStatus();
      NORI_RETURN_IF_ERROR(go_on_());
    }
    return absl::UnavailableError("the database changes all the time");
  }

  // In the copy, so that it fits no other engine, nor any file its engine.
  absl::Status NameEngine() {
    StateTable table(copy_.get(), "main");
    NORI_ASSIGN_OR_RETURN(DatabaseState state, table.Read());
    table.FinalizeStatements();
    state.identity = identity_;
    NORI_RETURN_IF_ERROR(table.Reset(state));
    // With the last connection a write-ahead log goes.
    copy_.reset();
    if (files_->Exists(target_->new_file() + "-wal")) {
      return absl::InternalError("the copy's write-ahead log stayed behind");
    }
    NORI_ASSIGN_OR_RETURN(
        const auto file,
        files_->OpenReadWrite(target_->new_file(), /*create=*/false));
    return file->Sync();
  }

  absl::Status CopyEngine() {
    CheckpointOptions options;
    options.state = state_;
    options.identity = identity_;
    options.file_system = files_;
    options.previous = target_->old_directory();
    options.go_on = go_on_;
    NORI_ASSIGN_OR_RETURN(result_, database_->engine()->Checkpoint(
                                       target_->new_directory(), options));
    state_.reset();
    return absl::OkStatus();
  }

  // The engine's part has been read back. To be called last before the switch.
  absl::Status Check() {
    NORI_ASSIGN_OR_RETURN(
        ConnectionPtr copy,
        OpenFile(target_->new_file(), SQLITE_OPEN_READWRITE, VfsName(), 0));
    StateTable table(copy.get(), "main");
    NORI_ASSIGN_OR_RETURN(const DatabaseState state, table.Read());
    table.FinalizeStatements();
    if (state.identity != identity_ || state.last_mixed < result_.last_mixed) {
      return absl::DataLossError("the copy is not what was written");
    }
    NORI_RETURN_IF_ERROR(QuickCheck(copy.get(), "checking the copy"));
    copy.reset();
    return CloseEarlierBackup();
  }

  Database* const database_;
  const std::string path_;
  const GoOn& go_on_;
  FileSystem* const files_ = PosixFileSystem();
  std::string identity_;  // of the copy's engine
  ConnectionPtr earlier_;
  std::unique_ptr<BackupTarget> target_;
  ConnectionPtr copy_;  // in the target, so closed before it
  PinnedStateRef state_;
  CheckpointResult result_;
  int pages_ = 0;
};

}  // namespace

absl::StatusOr<std::string> BackUp(Database* database, const std::string& path,
                                   const GoOn& go_on) {
  if (database->Pages() != nullptr) {
    return absl::UnimplementedError(
        "nori_backup cannot copy a database of vfs=nori; use nori_export, or "
        "copy its file and its directory together while nobody has it open");
  }
  NORI_ASSIGN_OR_RETURN(std::string target, PathOfTarget(path, "nori_backup"));
  return Backup(database, std::move(target), go_on).Run();
}

}  // namespace nori
