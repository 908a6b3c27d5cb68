// The state of a MemoryFileSystem: files and directories, each with what is
// current and what is durable. Only for memory_*.cc.

#ifndef NORI_ENGINE_IO_MEMORY_NODE_H_
#define NORI_ENGINE_IO_MEMORY_NODE_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "engine/io/clock.h"

namespace nori {

enum class CrashMode {
  kKeepAll,       // a kill
  kDropUnsynced,  // a power loss at its worst
  kRandom,        // a power loss
};

// Bytes that are shared until one of the sharers writes. Sharing is a flag
// that stays once set, and not a count, so that a write needs to know nothing
// of when other threads let go. Not thread-safe; the views of Share() are.
class SharedBytes {
 public:
  const std::string& get() const { return *bytes_; }

  // The bytes as they are now, for as long as the pointer lives.
  std::shared_ptr<const std::string> Share() {
    shared_ = true;
    return bytes_;
  }
  // Takes over the bytes of `other`, shared.
  void ShareFrom(SharedBytes* other) {
    bytes_ = other->bytes_;
    shared_ = other->shared_ = true;
  }
  // The bytes for writing, copied first if they are shared.
  std::string* Mutable() {
    if (shared_) {
      bytes_ = std::make_shared<std::string>(*bytes_);
      shared_ = false;
    }
    return bytes_.get();
  }

 private:
  std::shared_ptr<std::string> bytes_ = std::make_shared<std::string>();
  bool shared_ = false;
};

// The content of a file. Not thread-safe.
class MemoryContent {
 public:
  const std::string& bytes() const { return current_.get(); }
  std::shared_ptr<const std::string> Share() { return current_.Share(); }

  void Write(uint64_t offset, std::string_view data);
  void Truncate(uint64_t size);
  void Sync();
  // Tells that the file is complete: if it is synced, one copy of its bytes is
  // enough.
  void Seal();

  // The file as it is now, sharing the bytes.
  MemoryContent Clone();
  // The file as it is found after a crash, fully synced. `random` is used only
  // in mode kRandom.
  MemoryContent AfterCrash(CrashMode mode, Random* random);

 private:
  struct Change {
    bool truncate;
    uint64_t offset;  // the new size, if truncate
    // Shared with clones; null if truncate.
    std::shared_ptr<const std::string> data;

    void ApplyTo(std::string* bytes) const;
  };

  void KeepTornPrefix(std::string* bytes, Random* random) const;
  void KeepSectors(std::string* bytes, Random* random) const;

  SharedBytes current_;
  SharedBytes durable_;
  std::vector<Change> pending_;  // what current_ has and durable_ has not
};

struct MemoryNode {
  MemoryNode(uint64_t number, bool directory)
      : inode(number), is_directory(directory) {}

  const uint64_t inode;
  const bool is_directory;
  MemoryContent content;  // of a file
  // Of a directory.
  std::map<std::string, std::shared_ptr<MemoryNode>, std::less<>> entries;
  std::map<std::string, std::shared_ptr<MemoryNode>, std::less<>> durable;
};
using MemoryNodeRef = std::shared_ptr<MemoryNode>;

// A name that begins or ceases (null) to mean a node.
struct EntryChange {
  MemoryNodeRef directory;
  std::string name;
  MemoryNodeRef node;
};
// Changes that a crash keeps or drops together.
using DirectoryOperation = std::vector<EntryChange>;

// A whole file system. Every member is guarded by `mutex`, and so is every
// node that can be reached; one lock for all makes Clone() a point in time.
struct MemoryDisk {
  MemoryDisk();

  // Makes the changes and remembers that they are not durable.
  void Apply(DirectoryOperation operation) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  // Makes durable what happened to the entries of `directory`, and before that
  // whatever an operation over two directories depends on.
  void SyncEntries(const MemoryNodeRef& directory)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  // Replaces the state with what a crash leaves.
  void Crash(CrashMode mode, Random* random)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  std::shared_ptr<MemoryDisk> Clone() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);

  absl::Mutex mutex;
  const uint64_t device;  // no two disks of a process have the same
  MemoryNodeRef root ABSL_GUARDED_BY(mutex);
  std::vector<DirectoryOperation> pending ABSL_GUARDED_BY(mutex);
  uint64_t next_inode ABSL_GUARDED_BY(mutex) = 2;
  // Inode of a held lock file -> number of the lock that holds it.
  absl::flat_hash_map<uint64_t, uint64_t> locks ABSL_GUARDED_BY(mutex);
  uint64_t next_lock ABSL_GUARDED_BY(mutex) = 1;
};

}  // namespace nori

#endif  // NORI_ENGINE_IO_MEMORY_NODE_H_
