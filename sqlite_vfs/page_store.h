// The engines that hold databases of the VFS `nori`, shared by the connections
// of this process.

#ifndef NORI_SQLITE_VFS_PAGE_STORE_H_
#define NORI_SQLITE_VFS_PAGE_STORE_H_

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "engine/engine.h"

namespace nori {

// One database's engine and its writer's place. Thread-safe.
class PageStore {
 public:
  explicit PageStore(std::unique_ptr<Engine> engine)
      : engine_(std::move(engine)) {}

  // The store of the database `path`, opened if it is not open; the last
  // reference closes it. With `create` a new one where `path` is missing or
  // empty; a left-over directory is then set aside under another name.
  // kNotFound: the database or its directory is missing; kFailedPrecondition:
  // the file is no marker, or the directory is another database's; kUnavailable
  // names the process that has it open.
  static absl::StatusOr<std::shared_ptr<PageStore>> Open(
      const std::string& path, bool create);

  // Removes the marker `path` and its directory; false if it is no marker.
  // kUnavailable if somebody has the database open.
  static absl::StatusOr<bool> Remove(const std::string& path);

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

}  // namespace nori

#endif  // NORI_SQLITE_VFS_PAGE_STORE_H_
