#include "sqlite_vfs/page_store.h"

#include <atomic>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/format/status_macros.h"
#include "engine/io/directories.h"
#include "sqlite_vfs/marker_file.h"
#include "sqlite_vfs/process.h"
#include "sqlite_vfs/sqlite.h"

namespace nori {
namespace {

uint64_t NewSeed() {
  uint64_t seed;
  sqlite3_randomness(sizeof(seed), &seed);
  return seed;
}

// SQLite's own databases have the system's page cache below the pager's; this
// cache has that part for pages as they are after decompression.
Options OptionsOfProcess() {
  Options options;
  options.block_cache_bytes = uint64_t{256} << 20;
  return options;
}

}  // namespace

PageStores::PageStores(Options options, std::function<uint64_t()> new_seed)
    : options_(std::move(options)),
      new_seed_(std::move(new_seed)),
      owner_(CurrentProcess()) {}

PageStores* PageStores::OfProcess() {
  static std::atomic<PageStores*> newest{nullptr};
  PageStores* known = newest.load();
  while (known == nullptr || known->owner_ != CurrentProcess()) {
    auto fresh = std::make_unique<PageStores>(OptionsOfProcess(), NewSeed);
    if (newest.compare_exchange_strong(known, fresh.get())) {
      known = fresh.release();
    }
  }
  return known;
}

// kUnavailable if this process or another one has the engine open.
absl::Status PageStores::CheckUnused(const std::string& directory) const {
  NORI_ASSIGN_OR_RETURN(const bool is_directory,
                        files()->IsDirectory(directory));
  if (!is_directory) {
    return absl::FailedPreconditionError(absl::StrCat(
        directory, " is a file; the database needs a directory there"));
  }
  NORI_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                        files()->ListDirectory(directory));
  if (names.empty()) return absl::OkStatus();
  Options options = options_;
  options.create_if_missing = false;
  options.prefer_stored_options = true;
  options.background = BackgroundMode::kManual;
  const auto engine = Engine::Open(options, directory);
  return absl::IsUnavailable(engine.status()) ? engine.status()
                                              : absl::OkStatus();
}

absl::Status PageStores::SetAside(const std::string& directory) const {
  if (!files()->Exists(directory)) return absl::OkStatus();
  NORI_RETURN_IF_ERROR(CheckUnused(directory));
  return RenameAside(files(), directory);
}

absl::StatusOr<std::unique_ptr<Engine>> PageStores::OpenEngine(
    const std::string& directory, bool create) const {
  Options options = options_;
  if (new_seed_ != nullptr) options.seed = new_seed_();
  options.create_if_missing = create;
  options.prefer_stored_options = !create;
  return Engine::Open(options, directory);
}

absl::StatusOr<std::unique_ptr<Engine>> PageStores::CreateDatabase(
    const std::string& path) const {
  const std::string directory = path + "-nori";
  NORI_RETURN_IF_ERROR(SetAside(directory));
  NORI_RETURN_IF_ERROR(files()->CreateDirectory(directory));
  NORI_RETURN_IF_ERROR(files()->SyncDirectory(ParentDirectory(directory)));
  NORI_ASSIGN_OR_RETURN(std::unique_ptr<Engine> engine,
                        OpenEngine(directory, /*create=*/true));
  // Last: a marker never names an engine that is not there.
  NORI_RETURN_IF_ERROR(WriteMarker(files(), path, engine->identity()));
  return engine;
}

PageStoreRef PageStores::Share(const FileIdentity& key,
                               std::unique_ptr<Engine> engine) {
  PageStoreRef shared(new PageStore(std::move(engine)),
                      [this, key](PageStore* last) {
                        if (owner_ != CurrentProcess()) return;  // the parent's
                        absl::MutexLock lock(&mutex_);
                        delete last;
                        all_.erase(key);
                        closed_.SignalAll();
                      });
  all_[key] = shared;
  return shared;
}

absl::StatusOr<PageStoreRef> PageStores::Open(const std::string& path,
                                              bool create) {
  const std::string directory = path + "-nori";
  absl::MutexLock lock(&mutex_);
  NORI_ASSIGN_OR_RETURN(const std::optional<std::string> identity,
                        ReadMarker(files(), path));
  if (!identity) {
    if (!create) {
      return absl::NotFoundError(absl::StrCat("there is no database ", path));
    }
    NORI_ASSIGN_OR_RETURN(std::unique_ptr<Engine> engine, CreateDatabase(path));
    NORI_ASSIGN_OR_RETURN(const FileIdentity key, files()->Identity(directory));
    return Share(key, std::move(engine));
  }
  if (!files()->Exists(directory)) {
    return absl::NotFoundError(absl::StrCat(
        "the directory ", directory, " is missing: it holds the content of ",
        path,
        "; put it back beside the file, or copy the database again: .backup, "
        "VACUUM INTO and nori_export make whole copies"));
  }
  NORI_ASSIGN_OR_RETURN(const FileIdentity key, files()->Identity(directory));
  PageStoreRef shared;
  for (auto it = all_.find(key); it != all_.end(); it = all_.find(key)) {
    shared = it->second.lock();
    if (shared != nullptr) break;
    closed_.Wait(&mutex_);  // its last user is about to close it
  }
  if (shared != nullptr) {
    if (shared->engine()->identity() == *identity) return shared;
    // Its last reference may be this one, whose end takes the mutex.
    mutex_.Unlock();
    shared.reset();
    mutex_.Lock();
  } else {
    NORI_ASSIGN_OR_RETURN(std::unique_ptr<Engine> engine,
                          OpenEngine(directory, /*create=*/false));
    if (engine->identity() == *identity) return Share(key, std::move(engine));
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "the directory ", directory, " belongs to another database than ", path,
      "; put back the one that was copied with the file"));
}

absl::StatusOr<bool> PageStores::Remove(const std::string& path) {
  const std::string directory = path + "-nori";
  absl::MutexLock lock(&mutex_);
  const absl::StatusOr<std::optional<std::string>> identity =
      ReadMarker(files(), path);
  if (absl::IsFailedPrecondition(identity.status())) return false;
  NORI_RETURN_IF_ERROR(identity.status());
  if (!identity->has_value()) return false;
  if (files()->Exists(directory)) {
    NORI_RETURN_IF_ERROR(CheckUnused(directory));
  }
  // The marker first, durably: what a crash leaves is a directory that nothing
  // names.
  NORI_RETURN_IF_ERROR(files()->RemoveFile(path));
  NORI_RETURN_IF_ERROR(files()->SyncDirectory(ParentDirectory(path)));
  if (files()->Exists(directory)) {
    NORI_RETURN_IF_ERROR(RemoveTree(files(), directory));
  }
  NORI_RETURN_IF_ERROR(files()->SyncDirectory(ParentDirectory(path)));
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
