// The file objects of the posix file system. Only for posix_*.cc.

#ifndef NORI_ENGINE_IO_POSIX_FILES_H_
#define NORI_ENGINE_IO_POSIX_FILES_H_

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/base/call_once.h"
#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "engine/io/file_system.h"
#include "engine/io/io_status.h"

namespace nori {

// Owns a file descriptor. Not thread-safe.
class FileDescriptor {
 public:
  explicit FileDescriptor(int fd = -1) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  ~FileDescriptor();

  int get() const { return fd_; }
  // Gives up ownership.
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

// open() that is repeated after a signal, close-on-exec, and never answers 0,
// 1 or 2: a library that prints to a closed standard stream must not write
// into a table. `operation` is for the error.
absl::StatusOr<FileDescriptor> OpenDescriptor(IoOperation operation,
                                              const std::string& path,
                                              int flags, mode_t mode = 0);

// Reads until `n` bytes or the end of the file; the number of bytes read.
absl::StatusOr<size_t> ReadFully(int fd, const std::string& path,
                                 uint64_t offset, size_t n, char* scratch);

// Writes all of `data` at `offset`.
absl::Status WriteFully(int fd, const std::string& path, uint64_t offset,
                        std::string_view data);

class PosixRandomAccessFile final : public RandomAccessFile {
 public:
  PosixRandomAccessFile(std::string path, FileDescriptor fd, uint64_t size)
      : path_(std::move(path)), fd_(std::move(fd)), size_(size) {}
  ~PosixRandomAccessFile() override;

  absl::Status Read(uint64_t offset, size_t n, char* scratch,
                    std::string_view* result) const override;
  std::string_view Mapped() const override;
  void Prefetch(uint64_t offset, size_t n) const override;
  uint64_t Size() const override { return size_; }

 private:
  const std::string path_;
  const FileDescriptor fd_;
  const uint64_t size_;  // when opened
  // Mapped at the first call: most files of a big engine are never asked.
  mutable absl::once_flag map_once_;
  mutable std::string_view mapped_;
};

class PosixWritableFile final : public WritableFile {
 public:
  PosixWritableFile(std::string path, FileDescriptor fd);
  ~PosixWritableFile() override;

  absl::Status Append(std::string_view data) override;
  absl::Status Sync() override;
  absl::Status Close() override;
  uint64_t Size() const override { return written_ + used_; }

 private:
  // Writes through, remembering a failure.
  absl::Status Write(std::string_view data);
  absl::Status Flush();

  const std::string path_;
  FileDescriptor fd_;
  const std::unique_ptr<char[]> buffer_;
  size_t used_ = 0;
  uint64_t written_ = 0;  // bytes handed to the kernel
  absl::Status failure_;  // the first one, returned by every later call
};

class PosixReadWriteFile final : public ReadWriteFile {
 public:
  PosixReadWriteFile(std::string path, FileDescriptor fd)
      : path_(std::move(path)), fd_(std::move(fd)) {}

  absl::Status WriteAt(uint64_t offset, std::string_view data) override;
  absl::Status ReadAt(uint64_t offset, size_t n, char* scratch,
                      std::string_view* result) const override;
  absl::Status Sync() override;
  absl::Status Truncate(uint64_t size) override;
  absl::StatusOr<uint64_t> Size() const override;

 private:
  const std::string path_;
  const FileDescriptor fd_;
  // The kernel tells a failed writeback to one fsync only. Without the mutex a
  // second caller could be told that its lost data is safe.
  absl::Mutex sync_mutex_;
  absl::Status sync_failure_ ABSL_GUARDED_BY(sync_mutex_);
};

// LockDirectory of the posix file system. Files are created with `mode`,
// exactly if `exact_mode`.
absl::StatusOr<std::unique_ptr<DirectoryLock>> LockPosixDirectory(
    const std::string& path, mode_t mode, bool exact_mode);

}  // namespace nori

#endif  // NORI_ENGINE_IO_POSIX_FILES_H_
