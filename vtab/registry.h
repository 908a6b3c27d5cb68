// The engines that are open in this process, shared by its connections.

#ifndef NORI_VTAB_REGISTRY_H_
#define NORI_VTAB_REGISTRY_H_

#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "engine/engine.h"
#include "engine/io/memory_file_system.h"
#include "vtab/host_log.h"
#include "vtab/mixed_history.h"

namespace nori {

// One open engine with what its users in this process must agree on.
// Thread-safe.
class SharedEngine {
 public:
  SharedEngine(std::unique_ptr<MemoryFileSystem> memory,
               std::shared_ptr<HostLog> host_log,
               std::unique_ptr<Engine> engine);

  Engine* engine() const { return engine_.get(); }
  // Whether it lives in memory: nothing survives the process.
  bool in_memory() const { return memory_ != nullptr; }
  MixedHistory& mixed() { return mixed_; }

  HostLog& host_log() { return *host_log_; }

  // Gives a table id at least `wanted` that this process has not given before,
  // so that an id is not used again after its CREATE was rolled back.
  uint64_t AllocateTableId(uint64_t wanted);

  // The highest rowid of a table in the newest commit, if known. Only the owner
  // of the engine's writer lock may ask or tell.
  std::optional<int64_t> MaxRowid(uint64_t table_id) const;
  void SetMaxRowid(uint64_t table_id, std::optional<int64_t> rowid);

 private:
  // Declared before the engine: outlives it.
  const std::unique_ptr<MemoryFileSystem> memory_;
  const std::shared_ptr<HostLog> host_log_;
  const std::unique_ptr<Engine> engine_;
  MixedHistory mixed_;
  mutable absl::Mutex mutex_;
  uint64_t next_table_id_ ABSL_GUARDED_BY(mutex_) = 1;
  absl::flat_hash_map<uint64_t, int64_t> max_rowids_ ABSL_GUARDED_BY(mutex_);
};
using SharedEngineRef = std::shared_ptr<SharedEngine>;

// Thread-safe. One per process, never destroyed: at exit nothing may run under
// threads that are still at work.
class EngineRegistry {
 public:
  // The process's own. A forked child begins with an empty one: the engines
  // that it inherits have no threads and no lock there, and the parent goes on
  // writing to the same files.
  static EngineRegistry& Instance();

  struct OpenRequest {
    Options options;
    std::string directory;
    bool create = false;   // else kNotFound if it is not there
    std::string database;  // path of the host's file
    OpenContext context;   // sync_host is filled in
  };
  // The engine in `directory`, opened if it is not open. An engine that is open
  // already keeps its options. The last reference closes it.
  absl::StatusOr<SharedEngineRef> Open(const OpenRequest& request)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // The engine in `directory`, or the only one of this identity, if it is open;
  // else null.
  SharedEngineRef FindOpen(FileSystem* files, const std::string& directory)
      ABSL_LOCKS_EXCLUDED(mutex_);
  SharedEngineRef FindByIdentity(const std::string& identity)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Sets aside a left-over directory that no database names: removes it if its
  // engine holds no commit, else renames it to "<directory>.old-<number>".
  // kUnavailable if it is in use.
  absl::Status SetAside(const std::string& directory)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // A new engine in memory for the database in memory `host`, and one that
  // FindInMemory finds as long as somebody holds it; null if nobody does. A
  // copy of the database has the identity and is another host.
  absl::StatusOr<SharedEngineRef> CreateInMemory(const Options& options,
                                                 const std::string& host)
      ABSL_LOCKS_EXCLUDED(mutex_);
  SharedEngineRef FindInMemory(const std::string& identity,
                               const std::string& host)
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Entry {
    std::weak_ptr<SharedEngine> engine;
  };

  EngineRegistry() : owner_(getpid()) {}
  SharedEngineRef Share(const FileIdentity& key,
                        std::unique_ptr<SharedEngine> engine)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Release(const FileIdentity& key, SharedEngine* engine)
      ABSL_LOCKS_EXCLUDED(mutex_);

  const pid_t owner_;
  absl::Mutex mutex_;
  absl::CondVar closed_;
  absl::flat_hash_map<FileIdentity, Entry> by_directory_
      ABSL_GUARDED_BY(mutex_);
  // By identity and host.
  std::map<std::pair<std::string, std::string>, std::weak_ptr<SharedEngine>>
      in_memory_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nori

#endif  // NORI_VTAB_REGISTRY_H_
