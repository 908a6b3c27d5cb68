#include "vtab/registry.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "engine/format/status_macros.h"
#include "engine/io/directories.h"

namespace nori {
SharedEngine::SharedEngine(std::unique_ptr<MemoryFileSystem> memory,
                           std::shared_ptr<HostLog> host_log,
                           std::unique_ptr<Engine> engine)
    : memory_(std::move(memory)),
      host_log_(std::move(host_log)),
      engine_(std::move(engine)),
      mixed_(engine_->LastMixed(), SystemClock()) {}

uint64_t SharedEngine::AllocateTableId(uint64_t wanted) {
  absl::MutexLock lock(&mutex_);
  const uint64_t id = std::max(wanted, next_table_id_);
  next_table_id_ = id + 1;
  return id;
}

std::optional<int64_t> SharedEngine::MaxRowid(uint64_t table_id) const {
  absl::MutexLock lock(&mutex_);
  const auto found = max_rowids_.find(table_id);
  if (found == max_rowids_.end()) return std::nullopt;
  return found->second;
}

void SharedEngine::SetMaxRowid(uint64_t table_id,
                               std::optional<int64_t> rowid) {
  absl::MutexLock lock(&mutex_);
  if (rowid) {
    max_rowids_[table_id] = *rowid;
  } else {
    max_rowids_.erase(table_id);
  }
}

EngineRegistry& EngineRegistry::Instance() {
  static std::atomic<EngineRegistry*> newest{nullptr};
  EngineRegistry* known = newest.load();
  while (known == nullptr || known->owner_ != getpid()) {
    auto fresh = absl::WrapUnique(new EngineRegistry);
    if (newest.compare_exchange_strong(known, fresh.get())) {
      known = fresh.release();
    }
  }
  return *known;
}

SharedEngineRef EngineRegistry::Share(const FileIdentity& key,
                                      std::unique_ptr<SharedEngine> engine) {
  const pid_t owner = getpid();
  SharedEngineRef shared(engine.release(),
                         [this, key, owner](SharedEngine* last) {
                           // In a forked child the engine's threads do not
                           // exist and its locks may be held by them: it can
                           // only be left alone.
                           if (getpid() == owner) Release(key, last);
                         });
  by_directory_[key] = {shared};
  return shared;
}

void EngineRegistry::Release(const FileIdentity& key, SharedEngine* engine) {
  absl::MutexLock lock(&mutex_);
  // Closed before the entry goes, so that whoever opens it next finds the
  // directory free.
  delete engine;
  by_directory_.erase(key);
  closed_.SignalAll();
}

absl::StatusOr<SharedEngineRef> EngineRegistry::Open(
    const OpenRequest& request) {
  FileSystem* const files = request.options.file_system;
  if (!files->Exists(request.directory)) {
    if (!request.create) {
      return absl::NotFoundError(absl::StrCat(
          "the directory ", request.directory,
          " is missing: it holds the rows of this database's nori tables and "
          "belongs beside the database file; put it back, or copy the database "
          "again, by SELECT nori_backup('copy.db') or, with nori loaded, "
          ".backup; or DROP the tables, and SELECT nori_unpack('t_pack') if "
          "they were packed"));
    }
    NORI_RETURN_IF_ERROR(files->CreateDirectory(request.directory));
    NORI_RETURN_IF_ERROR(
        files->SyncDirectory(ParentDirectory(request.directory)));
  }
  NORI_ASSIGN_OR_RETURN(const FileIdentity key,
                        files->Identity(request.directory));
  absl::MutexLock lock(&mutex_);
  for (auto it = by_directory_.find(key); it != by_directory_.end();
       it = by_directory_.find(key)) {
    if (SharedEngineRef shared = it->second.engine.lock()) return shared;
    closed_.Wait(&mutex_);  // its last user is about to close it
  }
  Options options = request.options;
  options.create_if_missing = request.create;
  options.prefer_stored_options = !request.create;
  const auto host_log = std::make_shared<HostLog>(files, request.database);
  OpenContext context = request.context;
  context.sync_host = [host_log] { return host_log->Sync(); };
  NORI_ASSIGN_OR_RETURN(std::unique_ptr<Engine> engine,
                        Engine::Open(options, request.directory, context));
  return Share(key, std::make_unique<SharedEngine>(nullptr, host_log,
                                                   std::move(engine)));
}

SharedEngineRef EngineRegistry::FindOpen(FileSystem* files,
                                         const std::string& directory) {
  const absl::StatusOr<FileIdentity> key = files->Identity(directory);
  if (!key.ok()) return nullptr;
  absl::MutexLock lock(&mutex_);
  const auto found = by_directory_.find(*key);
  return found == by_directory_.end() ? nullptr : found->second.engine.lock();
}

SharedEngineRef EngineRegistry::FindByIdentity(const std::string& identity) {
  std::vector<SharedEngineRef> all;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [key, entry] : by_directory_) {
      all.push_back(entry.engine.lock());
    }
  }
  // References are given back without the lock, which the last one takes.
  std::erase_if(all, [&identity](const SharedEngineRef& shared) {
    return shared == nullptr || shared->engine()->identity() != identity;
  });
  return all.size() == 1 ? all.front() : nullptr;
}

absl::Status EngineRegistry::SetAside(const std::string& directory) {
  FileSystem* const files = PosixFileSystem();
  if (!files->Exists(directory)) return absl::OkStatus();
  NORI_ASSIGN_OR_RETURN(const bool is_directory, files->IsDirectory(directory));
  if (!is_directory) {
    return absl::FailedPreconditionError(absl::StrCat(
        directory, " is a file; the engine needs a directory there"));
  }
  NORI_ASSIGN_OR_RETURN(const FileIdentity key, files->Identity(directory));
  absl::MutexLock lock(&mutex_);
  if (by_directory_.contains(key)) {
    return absl::UnavailableError(absl::StrCat(
        directory, " is in use by another database of this process"));
  }
  NORI_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                        files->ListDirectory(directory));
  bool empty = names.empty();
  if (!empty) {
    Options options;
    options.create_if_missing = false;
    options.prefer_stored_options = true;
    options.background = BackgroundMode::kManual;
    const auto engine = Engine::Open(options, directory, {});
    // Another process at work in it is the one reason not to touch it; an
    // engine that cannot be opened is set aside for whoever can mend it.
    if (absl::IsUnavailable(engine.status())) return engine.status();
    empty = engine.ok() && (*engine)->LastSequence() == 0;
  }
  if (empty) return RemoveTree(files, directory);
  return RenameAside(files, directory);
}

absl::StatusOr<SharedEngineRef> EngineRegistry::CreateInMemory(
    const Options& options, const std::string& host) {
  auto memory = std::make_unique<MemoryFileSystem>();
  Options in_memory = options;
  in_memory.file_system = memory.get();
  in_memory.create_if_missing = true;
  NORI_ASSIGN_OR_RETURN(std::unique_ptr<Engine> engine,
                        Engine::Open(in_memory, "/nori"));
  const pid_t owner = getpid();
  auto host_log = std::make_shared<HostLog>(memory.get(), "");
  SharedEngineRef shared(
      new SharedEngine(std::move(memory), std::move(host_log),
                       std::move(engine)),
      [owner](SharedEngine* last) {
        if (getpid() == owner) delete last;
      });
  absl::MutexLock lock(&mutex_);
  std::erase_if(in_memory_,
                [](const auto& entry) { return entry.second.expired(); });
  in_memory_[{shared->engine()->identity(), host}] = shared;
  return shared;
}

SharedEngineRef EngineRegistry::FindInMemory(const std::string& identity,
                                             const std::string& host) {
  absl::MutexLock lock(&mutex_);
  const auto found = in_memory_.find({identity, host});
  return found == in_memory_.end() ? nullptr : found->second.lock();
}

}  // namespace nori
