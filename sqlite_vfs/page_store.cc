#include "sqlite_vfs/page_store.h"

#include <unistd.h>

#include <optional>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "engine/format/status_macros.h"
#include "engine/io/directories.h"
#include "sqlite_vfs/marker_file.h"
#include "sqlite_vfs/sqlite.h"

namespace nori {
namespace {

// Never destroyed: connections may outlive static destructors.
struct OpenStores {
  absl::Mutex mutex;
  absl::CondVar closed;
  absl::flat_hash_map<FileIdentity, std::weak_ptr<PageStore>> all
      ABSL_GUARDED_BY(mutex);
  const pid_t owner = getpid();
};

OpenStores& Stores() {
  static OpenStores* const stores = new OpenStores;
  return *stores;
}

// What a forked child inherits has no threads and no lock there.
absl::Status CheckProcess() {
  if (Stores().owner == getpid()) return absl::OkStatus();
  return absl::UnavailableError(
      "vfs=nori was used before a fork; the child must be a new program");
}

// kUnavailable if this process or another one has the engine open.
absl::Status CheckUnused(FileSystem* files, const std::string& directory) {
  NORI_ASSIGN_OR_RETURN(const bool is_directory, files->IsDirectory(directory));
  if (!is_directory) {
    return absl::FailedPreconditionError(absl::StrCat(
        directory, " is a file; the database needs a directory there"));
  }
  NORI_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                        files->ListDirectory(directory));
  if (names.empty()) return absl::OkStatus();
  Options options;
  options.create_if_missing = false;
  options.prefer_stored_options = true;
  options.background = BackgroundMode::kManual;
  const auto engine = Engine::Open(options, directory);
  return absl::IsUnavailable(engine.status()) ? engine.status()
                                              : absl::OkStatus();
}

absl::Status SetAside(FileSystem* files, const std::string& directory) {
  if (!files->Exists(directory)) return absl::OkStatus();
  NORI_RETURN_IF_ERROR(CheckUnused(files, directory));
  return RenameAside(files, directory);
}

absl::StatusOr<std::unique_ptr<Engine>> OpenEngine(const std::string& directory,
                                                   bool create) {
  Options options;
  sqlite3_randomness(sizeof(options.seed), &options.seed);
  options.create_if_missing = create;
  options.prefer_stored_options = !create;
  return Engine::Open(options, directory);
}

absl::StatusOr<std::unique_ptr<Engine>> CreateDatabase(
    FileSystem* files, const std::string& path) {
  const std::string directory = path + "-nori";
  NORI_RETURN_IF_ERROR(SetAside(files, directory));
  NORI_RETURN_IF_ERROR(files->CreateDirectory(directory));
  NORI_RETURN_IF_ERROR(files->SyncDirectory(ParentDirectory(directory)));
  NORI_ASSIGN_OR_RETURN(std::unique_ptr<Engine> engine,
                        OpenEngine(directory, /*create=*/true));
  // Last: a marker never names an engine that is not there.
  NORI_RETURN_IF_ERROR(WriteMarker(files, path, engine->identity()));
  return engine;
}

PageStoreRef Share(const FileIdentity& key, std::unique_ptr<Engine> engine)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(Stores().mutex) {
  PageStoreRef shared(new PageStore(std::move(engine)), [key](PageStore* last) {
    OpenStores& stores = Stores();
    if (stores.owner != getpid()) return;  // the parent goes on with it
    absl::MutexLock lock(&stores.mutex);
    delete last;
    stores.all.erase(key);
    stores.closed.SignalAll();
  });
  Stores().all[key] = shared;
  return shared;
}

}  // namespace

absl::StatusOr<PageStoreRef> PageStore::Open(const std::string& path,
                                             bool create) {
  NORI_RETURN_IF_ERROR(CheckProcess());
  FileSystem* const files = PosixFileSystem();
  const std::string directory = path + "-nori";
  OpenStores& stores = Stores();
  absl::MutexLock lock(&stores.mutex);
  NORI_ASSIGN_OR_RETURN(const std::optional<std::string> identity,
                        ReadMarker(files, path));
  if (!identity) {
    if (!create) {
      return absl::NotFoundError(absl::StrCat("there is no database ", path));
    }
    NORI_ASSIGN_OR_RETURN(std::unique_ptr<Engine> engine,
                          CreateDatabase(files, path));
    NORI_ASSIGN_OR_RETURN(const FileIdentity key, files->Identity(directory));
    return Share(key, std::move(engine));
  }
  if (!files->Exists(directory)) {
    return absl::NotFoundError(absl::StrCat(
        "the directory ", directory, " is missing: it holds the content of ",
        path,
        "; put it back beside the file, or copy the database again: .backup, "
        "VACUUM INTO and nori_export make whole copies"));
  }
  NORI_ASSIGN_OR_RETURN(const FileIdentity key, files->Identity(directory));
  PageStoreRef shared;
  for (auto it = stores.all.find(key); it != stores.all.end();
       it = stores.all.find(key)) {
    shared = it->second.lock();
    if (shared != nullptr) break;
    stores.closed.Wait(&stores.mutex);  // its last user is about to close it
  }
  if (shared != nullptr) {
    if (shared->engine()->identity() == *identity) return shared;
    // Its last reference may be this one, whose end takes the mutex.
    stores.mutex.Unlock();
    shared.reset();
    stores.mutex.Lock();
  } else {
    NORI_ASSIGN_OR_RETURN(std::unique_ptr<Engine> engine,
                          OpenEngine(directory, /*create=*/false));
    if (engine->identity() == *identity) return Share(key, std::move(engine));
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "the directory ", directory, " belongs to another database than ", path,
      "; put back the one that was copied with the file"));
}

absl::StatusOr<bool> PageStore::Remove(const std::string& path) {
  NORI_RETURN_IF_ERROR(CheckProcess());
  FileSystem* const files = PosixFileSystem();
  const std::string directory = path + "-nori";
  OpenStores& stores = Stores();
  absl::MutexLock lock(&stores.mutex);
  const absl::StatusOr<std::optional<std::string>> identity =
      ReadMarker(files, path);
  if (absl::IsFailedPrecondition(identity.status())) return false;
  NORI_RETURN_IF_ERROR(identity.status());
  if (!identity->has_value()) return false;
  if (files->Exists(directory)) {
    NORI_RETURN_IF_ERROR(CheckUnused(files, directory));
  }
  // The marker first: what a crash leaves is a directory that nothing names.
  NORI_RETURN_IF_ERROR(files->RemoveFile(path));
  if (files->Exists(directory)) {
    NORI_RETURN_IF_ERROR(RemoveTree(files, directory));
  }
  NORI_RETURN_IF_ERROR(files->SyncDirectory(ParentDirectory(path)));
  return true;
}

bool PageStore::TakeWriter(const void* who) {
  absl::MutexLock lock(&mutex_);
  if (writer_ != nullptr && writer_ != who) return false;
  writer_ = who;
  return true;
}

void PageStore::GiveWriter(const void* who) {
  absl::MutexLock lock(&mutex_);
  if (writer_ == who) writer_ = nullptr;
}

}  // namespace nori
