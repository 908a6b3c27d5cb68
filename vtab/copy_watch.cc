#include "vtab/copy_watch.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "engine/format/status_macros.h"
#include "sqlite_vfs/page_vfs.h"
#include "vtab/backup_target.h"
#include "vtab/connection.h"
#include "vtab/error_map.h"
#include "vtab/page_copy.h"
#include "vtab/registry.h"
#include "vtab/schema_file.h"
#include "vtab/state_table.h"
#include "vtab/statement.h"

namespace nori {
namespace {

// For the copy's next writer.
constexpr int kNamingTimeoutMs = 5000;
// sqlite3_db_name.
constexpr int kSqliteWithNames = 3039000;

// Never destroyed, as connections may outlive static destructors.
struct LastError {
  absl::Mutex mutex;
  std::string text ABSL_GUARDED_BY(mutex);
};
LastError& Last() {
  static LastError* const last = new LastError;
  return *last;
}

int Report(const std::string& path, const absl::Status& status) {
  const std::string text =
      absl::StrCat("nori: copying to ", path, ": ", status.message());
  int code = SqliteCodeOfStatus(status);
  // After plain SQLITE_BUSY the backup API would go on where it stopped: with
  // pages that are older still, or for ever.
  if (code == SQLITE_BUSY) code = SQLITE_BUSY_SNAPSHOT;
  sqlite3_log(code, "%s", text.c_str());
  absl::MutexLock lock(&Last().mutex);
  Last().text = text;
  return code;
}

FileSystem* Files() { return PosixFileSystem(); }
std::string DirectoryFor(const std::string& path) { return path + "-nori"; }

bool SameFile(const std::string& a, const std::string& b) {
  if (a == b) return true;
  const auto left = Files()->Identity(a);
  const auto right = Files()->Identity(b);
  return left.ok() && right.ok() && *left == *right;
}

// A database that may be the one that is copied.
struct Source {
  std::string path;
  bool has_pages = false;  // in the engine: it is in vfs=nori
  // Its engine as the copy began, if it was open.
  SharedEngineRef engine;
  PinnedStateRef state;
};

struct Sources {
  std::vector<Source> files;
  // MemoryHostOf of the databases in memory that may be the one.
  std::vector<std::string> memory_hosts;
};

void AddSources(sqlite3* db, bool is_own, const std::string& target,
                Sources* sources) {
  sqlite3_mutex* const mutex = sqlite3_db_mutex(db);
  // The thread that copies has the source's lock, so that this one succeeds; a
  // connection at work elsewhere is not the source. Without locks a program
  // uses it in one thread at a time, by custom in that which opened it.
  if (mutex == nullptr ? !is_own : sqlite3_mutex_try(mutex) != SQLITE_OK) {
    return;
  }
  const bool has_names = sqlite3_libversion_number() >= kSqliteWithNames;
  for (int i = 0;; ++i) {
    const char* const schema = has_names ? sqlite3_db_name(db, i)
                               : i == 0  ? "main"
                                         : nullptr;
    if (schema == nullptr) break;
    if (sqlite3_txn_state(db, schema) < SQLITE_TXN_READ) continue;
    const std::string path = DatabasePathOf(db, schema);
    if (path.empty()) {
      sources->memory_hosts.push_back(MemoryHostOf(db, schema));
    } else if (!SameFile(path, target)) {
      sources->files.push_back(
          {path, PageFileOf(db, schema) != nullptr, {}, {}});
    }
  }
  sqlite3_mutex_leave(mutex);
}

// A connection to the copy that is being made, below SQLite's locks.
class CopiedDatabase {
 public:
  explicit CopiedDatabase(sqlite3_file* file) : rc_(OpenBelow(file, &db_)) {}
  ~CopiedDatabase() { sqlite3_close_v2(db_); }
  CopiedDatabase(const CopiedDatabase&) = delete;
  CopiedDatabase& operator=(const CopiedDatabase&) = delete;

  absl::Status status() const {
    return StatusOfSqlite(db_, rc_, "reading the copy");
  }
  StateTable State() const { return {db_, "main"}; }

 private:
  sqlite3* db_ = nullptr;
  const int rc_;
};

class EngineCopy final : public PendingCopy {
 public:
  EngineCopy(std::string path, Sources sources)
      : path_(std::move(path)), sources_(std::move(sources)) {}

  ~EngineCopy() override {
    // A commit that failed as its journal was removed may have happened all the
    // same. Whoever opens the file next can tell.
    if (is_complete_ && target_ != nullptr) target_->LeaveReady();
    if (!shares_identity_) return;
    Guarded([&] {
      const absl::Status status = NameEngine();
      return status.ok() ? SQLITE_OK : Report(path_, status);
    });
  }

  int Complete(sqlite3_file* file, Place place) noexcept override {
    return Guarded([&] {
      is_complete_ = false;
      const absl::Status status = CopyEngine(file, place);
      is_complete_ = status.ok();
      if (!status.ok() || place != Place::kLog) {
        // In this order: the state is a part of the engine.
        state_.reset();
        engine_.reset();
      }
      // They may be the last references to an engine.
      sources_.files.clear();
      return status.ok() ? SQLITE_OK : Report(path_, status);
    });
  }

  int Commit() noexcept override {
    return Guarded([&] {
      if (target_ == nullptr) return SQLITE_OK;
      const absl::Status status = target_->PublishDirectory();
      if (!status.ok()) {
        Report(path_, status);
        return SQLITE_IOERR;
      }
      target_.reset();
      // The copy is whole, with the identity of its source.
      if (engine_ != nullptr) {
        const absl::Status named = NameEngine();
        if (!named.ok()) Report(path_, named);
      }
      return SQLITE_OK;
    });
  }

 private:
  absl::Status CopyEngine(sqlite3_file* file, Place place) {
    target_.reset();
    const CopiedDatabase copy(file);
    NORI_RETURN_IF_ERROR(copy.status());
    StateTable table = copy.State();
    NORI_ASSIGN_OR_RETURN(const bool exists, table.Exists());
    if (!exists) return absl::OkStatus();
    NORI_ASSIGN_OR_RETURN(DatabaseState own, table.Read());
    table.FinalizeStatements();
    NORI_ASSIGN_OR_RETURN(const bool is_own, HasOwnEngine(own, place));
    if (is_own) return absl::OkStatus();
    NORI_ASSIGN_OR_RETURN(const Source source, FindSource(own));
    if (source.engine == nullptr) {
      NORI_ASSIGN_OR_RETURN(const auto left, table.ListTables());
      if (left.empty()) return absl::OkStatus();
      if (source.has_pages) {
        return absl::UnimplementedError(
            "nori tables of a database of vfs=nori cannot be copied with their "
            "pages; use nori_export");
      }
      return absl::NotFoundError(
          "the engine of the database that is copied cannot be found: its "
          "directory is missing, or its connection was opened before nori was "
          "loaded; use nori_backup");
    }
    if (place == Place::kCache) {
      return SqliteError(
          SQLITE_READONLY,
          "a database with nori tables cannot be copied over one that is in "
          "locking_mode=EXCLUSIVE; set PRAGMA locking_mode = NORMAL there and "
          "read something, or use nori_backup");
    }
    NORI_ASSIGN_OR_RETURN(target_, BackupTarget::PrepareBeside(Files(), path_));
    engine_ = source.engine;
    NORI_ASSIGN_OR_RETURN(state_, StateFor(source, own.last_mixed));
    const std::string identity =
        place == Place::kLog ? own.identity : Engine::NewIdentity();
    NORI_RETURN_IF_ERROR(MakeCheckpoint(identity, *target_));
    if (place == Place::kLog) return absl::OkStatus();
    own.identity = identity;
    return table.Reset(own);
  }

  absl::Status MakeCheckpoint(const std::string& identity,
                              BackupTarget& target) const {
    CheckpointOptions options;
    options.state = state_;
    options.identity = identity;
    options.file_system = Files();
    options.previous = target.old_directory();
    NORI_RETURN_IF_ERROR(engine_->engine()
                             ->Checkpoint(target.new_directory(), options)
                             .status());
    return target.MakeReady();
  }

  // Whether these are the pages of the destination's own database.
  absl::StatusOr<bool> HasOwnEngine(const DatabaseState& own, Place place) {
    const auto there = Engine::ReadIdentity(Files(), DirectoryFor(path_));
    if (!there.ok() || *there != own.identity) return false;
    // A copy of file and directory by other means has their identity, and so
    // has, for a moment, one that is written to a log.
    const bool is_other =
        std::any_of(sources_.files.begin(), sources_.files.end(),
                    [&own](const Source& source) {
                      const auto identity = Engine::ReadIdentity(
                          Files(), DirectoryFor(source.path));
                      return identity.ok() && *identity == own.identity;
                    });
    if (!is_other) return true;
    if (place != Place::kLog) return false;
    // Which of two engines of one identity belongs to the file could not be
    // told if the process died now.
    shares_identity_ = true;
    return absl::UnavailableError(
        "the destination was the same database as the source; it is made one "
        "of its own now: try again");
  }

  // Gives the destination's engine, and the file, an identity of their own: by
  // a transaction after the copy's, or in its place.
  absl::Status NameEngine() {
    NORI_ASSIGN_OR_RETURN(
        const ConnectionPtr db,
        OpenFile(path_, SQLITE_OPEN_READWRITE,
                 BelowCopyVfs(sqlite3_vfs_find("nori_copy"))->zName,
                 kNamingTimeoutMs));
    constexpr char kWhat[] = "naming the copy's engine";
    NORI_RETURN_IF_ERROR(Execute(
        db.get(), "PRAGMA wal_autocheckpoint=0; BEGIN IMMEDIATE", kWhat));
    StateTable table(db.get(), "main");
    NORI_ASSIGN_OR_RETURN(DatabaseState own, table.Read());
    table.FinalizeStatements();
    if (shares_identity_) {
      NORI_ASSIGN_OR_RETURN(engine_, OpenEngine(path_, own));
    }
    // Somebody has written over it meanwhile.
    if (own.identity != engine_->engine()->identity()) return absl::OkStatus();
    // The engine itself has the lock of its directory.
    NORI_ASSIGN_OR_RETURN(target_,
                          shares_identity_
                              ? BackupTarget::PrepareNext(Files(), path_)
                              : BackupTarget::PrepareBeside(Files(), path_));
    own.identity = Engine::NewIdentity();
    NORI_RETURN_IF_ERROR(MakeCheckpoint(own.identity, *target_));
    NORI_RETURN_IF_ERROR(table.Reset(own));
    target_->LeaveReady();
    NORI_RETURN_IF_ERROR(Execute(db.get(), "COMMIT", kWhat));
    if (!shares_identity_) return target_->PublishDirectory();
    target_.reset();
    engine_.reset();
    return FinishBackup(Files(), path_, own.identity);
  }

  // The database whose engine the copied pages name; no engine: none.
  absl::StatusOr<Source> FindSource(const DatabaseState& own) {
    EngineRegistry& registry = EngineRegistry::Instance();
    for (Source& source : sources_.files) {
      const std::string directory = DirectoryFor(source.path);
      const auto identity = Engine::ReadIdentity(Files(), directory);
      if (!identity.ok() || *identity != own.identity) continue;
      if (source.has_pages) {
        source.engine = nullptr;  // not one to be copied
        return source;
      }
      if (source.engine == nullptr) {
        NORI_ASSIGN_OR_RETURN(source.engine, OpenEngine(source.path, own));
      }
      return source;
    }
    Source source;
    for (const std::string& host : sources_.memory_hosts) {
      source.engine = registry.FindInMemory(own.identity, host);
      if (source.engine != nullptr) break;
    }
    // Where no connection could be asked for its file.
    if (source.engine == nullptr && sources_.files.empty()) {
      source.engine = registry.FindByIdentity(own.identity);
    }
    return source;
  }

  static absl::StatusOr<SharedEngineRef> OpenEngine(const std::string& path,
                                                    const DatabaseState& own) {
    EngineRegistry::OpenRequest request;
    sqlite3_randomness(sizeof(request.options.seed), &request.options.seed);
    request.directory = DirectoryFor(path);
    request.database = path;
    request.context.identity = own.identity;
    request.context.known_mixed = own.last_mixed;
    request.context.host_mixed_number = [&path]() -> absl::StatusOr<uint64_t> {
      NORI_ASSIGN_OR_RETURN(const DatabaseState newest,
                            StateTable::ReadFile(path.c_str(), nullptr));
      return newest.last_mixed;
    };
    return EngineRegistry::Instance().Open(request);
  }

  // The engine as it was when the pages ended with mixed transaction `host`.
  static absl::StatusOr<PinnedStateRef> StateFor(const Source& source,
                                                 uint64_t host) {
    Engine* const engine = source.engine->engine();
    // With a rollback journal, a transaction that is prepared waits for the
    // readers of the pages, this copy among them.
    NORI_ASSIGN_OR_RETURN(PinnedStateRef newest, engine->PinDecidedState());
    if (newest->last_mixed() < host) {
      // The database has committed it: it is about to be decided.
      NORI_ASSIGN_OR_RETURN(newest, engine->PinState());
    }
    if (newest->last_mixed() <= host) return newest;
    if (source.state != nullptr && source.state->last_mixed() == host) {
      return source.state;
    }
    return absl::UnavailableError(
        "the database was changed while the last pages were copied; try again, "
        "or use nori_backup");
  }

  const std::string path_;
  Sources sources_;
  std::unique_ptr<BackupTarget> target_;
  // Of the source, while the copy is completed or has its identity; the state
  // is a part of the engine and must go first.
  SharedEngineRef engine_;
  PinnedStateRef state_;
  bool is_complete_ = false;      // the new engine is there, for these pages
  bool shares_identity_ = false;  // the destination, with the source
};

}  // namespace

std::unique_ptr<PendingCopy> WatchCopyTo(const char* path) noexcept {
  std::unique_ptr<PendingCopy> pending;
  Guarded([&] {
    Sources sources;
    Connection::ForEachKnown([&](sqlite3* db, bool is_own) {
      AddSources(db, is_own, path, &sources);
    });
    for (Source& source : sources.files) {
      source.engine = EngineRegistry::Instance().FindOpen(
          Files(), DirectoryFor(source.path));
      if (source.engine == nullptr) continue;
      auto state = source.engine->engine()->PinDecidedState();
      if (state.ok()) source.state = *std::move(state);
    }
    pending = std::make_unique<EngineCopy>(path, std::move(sources));
    return SQLITE_OK;
  });
  return pending;
}

std::string LastCopyError() {
  absl::MutexLock lock(&Last().mutex);
  return Last().text;
}

}  // namespace nori
