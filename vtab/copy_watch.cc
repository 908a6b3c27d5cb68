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
#include "vtab/registry.h"
#include "vtab/schema_file.h"
#include "vtab/state_table.h"

namespace nori {
namespace {

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
  bool has_directory = false;
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
      sources->files.push_back({path,
                                Files()->Exists(DirectoryFor(path)),
                                PageFileOf(db, schema) != nullptr,
                                {},
                                {}});
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

  bool IsNeeded() const noexcept override {
    return std::any_of(
               sources_.files.begin(), sources_.files.end(),
               [](const Source& source) { return source.has_directory; }) ||
           (!sources_.memory_hosts.empty() &&
            EngineRegistry::Instance().HasInMemory());
  }

  int Complete(sqlite3_file* file) noexcept override {
    return Guarded([&] {
      const absl::Status status = CopyEngine(file);
      // They may be the last references to an engine.
      sources_.files.clear();
      return status.ok() ? SQLITE_OK : Report(path_, status);
    });
  }

  int Commit() noexcept override {
    return Guarded([&] {
      if (target_ == nullptr) return SQLITE_OK;
      const absl::Status status = target_->PublishDirectory();
      if (status.ok()) return SQLITE_OK;
      Report(path_, status);
      return SQLITE_IOERR;
    });
  }

 private:
  absl::Status CopyEngine(sqlite3_file* file) {
    target_.reset();
    const CopiedDatabase copy(file);
    NORI_RETURN_IF_ERROR(copy.status());
    StateTable table = copy.State();
    NORI_ASSIGN_OR_RETURN(const bool exists, table.Exists());
    if (!exists) return absl::OkStatus();
    NORI_ASSIGN_OR_RETURN(DatabaseState own, table.Read());
    table.FinalizeStatements();
    const auto there = Engine::ReadIdentity(Files(), DirectoryFor(path_));
    if (there.ok() && *there == own.identity) return absl::OkStatus();
    NORI_ASSIGN_OR_RETURN(const Source source, FindSource(own));
    if (source.engine == nullptr) {
      NORI_ASSIGN_OR_RETURN(const auto left, table.ListTables());
      if (left.empty()) return absl::OkStatus();
      if (source.has_pages) {
        return absl::UnimplementedError(
            "nori tables of a database of vfs=nori cannot be copied with their "
            "pages; ATTACH the copy and use INSERT ... SELECT");
      }
      return absl::NotFoundError(
          "the engine of the database that is copied cannot be found: its "
          "directory is missing, or its connection was opened before nori was "
          "loaded; use nori_backup");
    }
    NORI_ASSIGN_OR_RETURN(target_, BackupTarget::PrepareBeside(Files(), path_));
    CheckpointOptions options;
    NORI_ASSIGN_OR_RETURN(options.state, StateFor(source, own.last_mixed));
    options.identity = Engine::NewIdentity();
    options.file_system = Files();
    options.previous = target_->old_directory();
    NORI_RETURN_IF_ERROR(source.engine->engine()
                             ->Checkpoint(target_->new_directory(), options)
                             .status());
    NORI_RETURN_IF_ERROR(target_->MakeReady());
    own.identity = options.identity;
    return table.Reset(own);
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
