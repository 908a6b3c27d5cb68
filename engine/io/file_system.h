// The only door from the engine to the operating system's files.
//
// Three implementations: posix (posix_file_system.h), memory with simulated
// power loss (memory_file_system.h), and a wrapper that injects faults
// (fault_file_system.h). All of them are thread-safe; the file objects are
// thread-safe only where said.
//
// Errors: a full disk is absl::StatusCode::kResourceExhausted, a missing file
// kNotFound, missing permission or a read-only medium kPermissionDenied, a name
// that is taken kAlreadyExists, a directory that is not empty
// kFailedPrecondition, every other failure kInternal. Messages name the path,
// the operation and the cause, and a payload the operation: see io_status.h.

#ifndef NORI_ENGINE_IO_FILE_SYSTEM_H_
#define NORI_ENGINE_IO_FILE_SYSTEM_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace nori {

// A file that is read at any offset. Thread-safe.
class RandomAccessFile {
 public:
  virtual ~RandomAccessFile() = default;

  // Reads `n` bytes at `offset`. `*result` points into `scratch` (at least n
  // bytes) or into memory that lives as long as the file. Fewer than n bytes
  // at the end of the file are a kDataLoss error: the engine always knows how
  // long its files are.
  virtual absl::Status Read(uint64_t offset, size_t n, char* scratch,
                            std::string_view* result) const = 0;

  // The whole file as memory, valid as long as the file object, or an empty
  // view if it cannot be mapped. It has the size that the file had when it was
  // opened, and shows later writes in place or not. Implementations that
  // inject read faults return an empty view, so that every read can fail.
  virtual std::string_view Mapped() const = 0;

  // Hint that [offset, offset + n) is read soon. Never fails.
  virtual void Prefetch(uint64_t /*offset*/, size_t /*n*/) const {}

  virtual uint64_t Size() const = 0;  // in bytes, when it was opened
};

// A new file, written once from start to end (tables, manifests). Not
// thread-safe. Appends are buffered inside: others see them, and a killed
// process leaves them, only after Sync or Close. After a call has failed every
// later one fails with the same status: what reached the file is unknown, and
// the caller starts another file.
class WritableFile {
 public:
  virtual ~WritableFile() = default;  // closes without syncing
  // REQUIRES: not closed.
  virtual absl::Status Append(std::string_view data) = 0;
  // Flushes the buffer and makes content and size durable. REQUIRES: not
  // closed.
  virtual absl::Status Sync() = 0;
  // Flushes the buffer without making it durable. Idempotent.
  virtual absl::Status Close() = 0;
  virtual uint64_t Size() const = 0;  // bytes appended so far
};

// A file written in place: log segments. WriteAt and Sync may be called from
// different threads at the same time.
class ReadWriteFile {
 public:
  virtual ~ReadWriteFile() = default;
  // Writes beyond the end leave zeros between. A failed call may have written
  // a part.
  virtual absl::Status WriteAt(uint64_t offset, std::string_view data) = 0;
  // As RandomAccessFile::Read, but a short read at the end of the file gives
  // the bytes there are.
  virtual absl::Status ReadAt(uint64_t offset, size_t n, char* scratch,
                              std::string_view* result) const = 0;
  // Makes completed writes durable (fdatasync). After a failed Sync every
  // later Sync fails.
  virtual absl::Status Sync() = 0;
  // Cuts the file or extends it with zeros; durable after Sync.
  virtual absl::Status Truncate(uint64_t size) = 0;
  virtual absl::StatusOr<uint64_t> Size() const = 0;
};

// Held as long as the process owns a directory for writing.
class DirectoryLock {
 public:
  virtual ~DirectoryLock() = default;  // releases
};

// Tells two names of one directory apart from two directories.
struct FileIdentity {
  uint64_t device = 0;
  uint64_t inode = 0;
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const FileIdentity& id) {
    return H::combine(std::move(h), id.device, id.inode);
  }
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // The file must exist and not be a directory.
  virtual absl::StatusOr<std::unique_ptr<RandomAccessFile>> OpenRandomAccess(
      const std::string& path) = 0;
  // Creates or truncates `path`.
  virtual absl::StatusOr<std::unique_ptr<WritableFile>> CreateWritable(
      const std::string& path) = 0;
  // Opens `path` for reading and writing, creating it empty if `create`.
  virtual absl::StatusOr<std::unique_ptr<ReadWriteFile>> OpenReadWrite(
      const std::string& path, bool create) = 0;

  // The whole content.
  virtual absl::StatusOr<std::string> ReadFile(const std::string& path) = 0;

  virtual absl::Status CreateDirectory(
      const std::string& path) = 0;  // OK if there
  virtual absl::Status RemoveDirectory(
      const std::string& path) = 0;  // must be empty
  virtual absl::StatusOr<std::vector<std::string>> ListDirectory(
      const std::string& path) = 0;  // names without path, unordered
  virtual bool Exists(const std::string& path) = 0;
  virtual absl::StatusOr<bool> IsDirectory(const std::string& path) = 0;
  virtual absl::StatusOr<uint64_t> FileSize(const std::string& path) = 0;
  virtual absl::StatusOr<FileIdentity> Identity(const std::string& path) = 0;

  virtual absl::Status RemoveFile(const std::string& path) = 0;
  // Replaces `to` atomically. Durable only after SyncDirectory.
  virtual absl::Status RenameFile(const std::string& from,
                                  const std::string& to) = 0;
  // Hard link; kUnimplemented where the file system cannot (another device),
  // then the caller copies. `to` must not exist.
  virtual absl::Status LinkFile(const std::string& from,
                                const std::string& to) = 0;
  // Makes creations, renames and removals in a directory durable.
  virtual absl::Status SyncDirectory(const std::string& path) = 0;

  // Takes the exclusive writer lock on the file `path`, creating it. If
  // another process, or another lock in this process, holds it: kUnavailable,
  // the message naming the owner's pid. The file's content (the pid) is for
  // messages only.
  virtual absl::StatusOr<std::unique_ptr<DirectoryLock>> LockDirectory(
      const std::string& path) = 0;
};

// Joins with exactly one '/'.
std::string JoinPath(std::string_view directory, std::string_view name);

// The operating system's files; never destroyed.
FileSystem* PosixFileSystem();

}  // namespace nori

#endif  // NORI_ENGINE_IO_FILE_SYSTEM_H_
