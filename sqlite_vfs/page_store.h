// The engines that hold databases of the VFS `nori`, shared by the connections
// of this process.

#ifndef NORI_SQLITE_VFS_PAGE_STORE_H_
#define NORI_SQLITE_VFS_PAGE_STORE_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "engine/engine.h"
#include "engine/io/file_system.h"
#include "engine/options.h"

namespace nori {

// One database's engine and its writer's place. Thread-safe.
class PageStore {
 public:
  explicit PageStore(std::unique_ptr<Engine> engine)
      : engine_(std::move(engine)) {}

  Engine* engine() const { return engine_.get(); }

  // The one place of a writer, owned by `who` from a TakeWriter that gave true
  // until GiveWriter. Never waits.
  bool TakeWriter(const void* who) ABSL_LOCKS_EXCLUDED(mutex_);
  void GiveWriter(const void* who) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  const std::unique_ptr<Engine> engine_;
  absl::Mutex mutex_;
  const void* writer_ ABSL_GUARDED_BY(mutex_) = nullptr;
};
using PageStoreRef = std::shared_ptr<PageStore>;

// The open databases of one file system. Thread-safe. Must outlive its stores.
class PageStores {
 public:
  // `options`: of engines that are made here, and where all files are.
  // `new_seed`: of the random choices of each engine; null: the options' own.
  explicit PageStores(Options options,
                      std::function<uint64_t()> new_seed = nullptr);
  PageStores(const PageStores&) = delete;
  PageStores& operator=(const PageStores&) = delete;

  // Those of the operating system's files; never destroyed, since connections
  // may outlive static destructors. A forked child begins without any: the
  // engines that it inherits have no threads and no lock there.
  static PageStores* OfProcess();

  // The store of the database `path`, opened if it is not open; the last
  // reference closes it. With `create` a new one where `path` is missing or
  // empty; a left-over directory is then set aside under another name.
  // kNotFound: the database or its directory is missing; kFailedPrecondition:
  // the file is no marker, or the directory is another database's; kUnavailable
  // names the process that has it open.
  absl::StatusOr<PageStoreRef> Open(const std::string& path, bool create)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Removes the marker `path` and its directory; false if it is no marker.
  // kUnavailable if somebody has the database open.
  absl::StatusOr<bool> Remove(const std::string& path)
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  absl::Status CheckUnused(const std::string& directory) const;
  absl::Status SetAside(const std::string& directory) const;
  absl::StatusOr<std::unique_ptr<Engine>> OpenEngine(
      const std::string& directory, bool create) const;
  absl::StatusOr<std::unique_ptr<Engine>> CreateDatabase(
      const std::string& path) const;
  PageStoreRef Share(const FileIdentity& key, std::unique_ptr<Engine> engine)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  FileSystem* files() const { return options_.file_system; }

  const Options options_;
  const std::function<uint64_t()> new_seed_;
  const pid_t owner_;
  absl::Mutex mutex_;
  absl::CondVar closed_;
  absl::flat_hash_map<FileIdentity, std::weak_ptr<PageStore>> all_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace nori

#endif  // NORI_SQLITE_VFS_PAGE_STORE_H_
