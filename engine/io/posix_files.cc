#include "engine/io/posix_files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>

#include "engine/format/status_macros.h"

namespace nori {
namespace {

constexpr size_t kWriteBufferBytes = size_t{128} << 10;

// Calls `f` until it is not interrupted by a signal.
template <typename F>
auto RetryInterrupted(F f) {
  decltype(f()) result;
  do {
    result = f();
  } while (result == -1 && errno == EINTR);
  return result;
}

}  // namespace

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  FileDescriptor closing(std::exchange(fd_, std::exchange(other.fd_, -1)));
  return *this;
}

FileDescriptor::~FileDescriptor() {
  // Not repeated after EINTR: Linux has released the descriptor by then, and
  // another thread may own the number already.
  if (fd_ >= 0) ::close(fd_);
}

absl::StatusOr<FileDescriptor> OpenDescriptor(IoOperation operation,
                                              const std::string& path,
                                              int flags, mode_t mode) {
  FileDescriptor fd(RetryInterrupted(
      [&] { return ::open(path.c_str(), flags | O_CLOEXEC, mode); }));
  if (fd.get() >= 0 && fd.get() <= STDERR_FILENO) {
    fd = FileDescriptor(::fcntl(fd.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  }
  if (fd.get() < 0) return IoError(operation, path, errno);
  return fd;
}

absl::StatusOr<size_t> ReadFully(int fd, const std::string& path,
                                 uint64_t offset, size_t n, char* scratch) {
  size_t done = 0;
  while (done < n) {
    const ssize_t got = RetryInterrupted([&] {
      return ::pread(fd, scratch + done, n - done,
                     static_cast<off_t>(offset + done));
    });
    if (got < 0) return IoError(IoOperation::kRead, path, errno);
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

absl::Status WriteFully(int fd, const std::string& path, uint64_t offset,
                        std::string_view data) {
  while (!data.empty()) {
    const ssize_t put = RetryInterrupted([&] {
      return ::pwrite(fd, data.data(), data.size(), static_cast<off_t>(offset));
    });
    if (put < 0) return IoError(IoOperation::kWrite, path, errno);
    // Progress is never zero for data that is not empty, except on broken
    // devices, where the loop would not end.
    if (put == 0) return IoError(IoOperation::kWrite, path, EIO);
    data.remove_prefix(static_cast<size_t>(put));
    offset += static_cast<uint64_t>(put);
  }
  return absl::OkStatus();
}

PosixRandomAccessFile::~PosixRandomAccessFile() {
  if (!mapped_.empty()) {
    ::munmap(const_cast<char*>(mapped_.data()), mapped_.size());
  }
}

absl::Status PosixRandomAccessFile::Read(uint64_t offset, size_t n,
                                         char* scratch,
                                         std::string_view* result) const {
  NORI_ASSIGN_OR_RETURN(const size_t got,
                        ReadFully(fd_.get(), path_, offset, n, scratch));
  if (got < n) return ShortReadError(path_, offset, n, got);
  *result = std::string_view(scratch, n);
  return absl::OkStatus();
}

std::string_view PosixRandomAccessFile::Mapped() const {
  absl::call_once(map_once_, [this] {
    if (size_ == 0) return;
    void* const p = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, fd_.get(), 0);
    if (p != MAP_FAILED) {
      mapped_ = std::string_view(static_cast<const char*>(p), size_);
    }
  });
  return mapped_;
}

void PosixRandomAccessFile::Prefetch(uint64_t offset, size_t n) const {
  // The mapping and pread share the page cache, so this serves both.
  ::posix_fadvise(fd_.get(), static_cast<off_t>(offset), static_cast<off_t>(n),
                  POSIX_FADV_WILLNEED);
}

PosixWritableFile::PosixWritableFile(std::string path, FileDescriptor fd)
    : path_(std::move(path)),
      fd_(std::move(fd)),
      buffer_(new char[kWriteBufferBytes]) {}

PosixWritableFile::~PosixWritableFile() {
  if (fd_.get() >= 0) Flush().IgnoreError();
}

absl::Status PosixWritableFile::Write(std::string_view data) {
  absl::Status s = WriteFully(fd_.get(), path_, written_, data);
  if (!s.ok()) {
    failure_ = s;
    return s;
  }
  written_ += data.size();
  return s;
}

absl::Status PosixWritableFile::Flush() {
  NORI_RETURN_IF_ERROR(failure_);
  if (used_ == 0) return absl::OkStatus();
  NORI_RETURN_IF_ERROR(Write({buffer_.get(), used_}));
  used_ = 0;
  return absl::OkStatus();
}

absl::Status PosixWritableFile::Append(std::string_view data) {
  NORI_RETURN_IF_ERROR(failure_);
  assert(fd_.get() >= 0);
  if (data.size() > kWriteBufferBytes - used_) {
    NORI_RETURN_IF_ERROR(Flush());
    if (data.size() >= kWriteBufferBytes) return Write(data);
  }
  if (!data.empty()) {
    std::memcpy(buffer_.get() + used_, data.data(), data.size());
    used_ += data.size();
  }
  return absl::OkStatus();
}

absl::Status PosixWritableFile::Sync() {
  NORI_RETURN_IF_ERROR(Flush());
  assert(fd_.get() >= 0);
  if (RetryInterrupted([&] { return ::fdatasync(fd_.get()); }) != 0) {
    failure_ = IoError(IoOperation::kSync, path_, errno);
  }
  return failure_;
}

absl::Status PosixWritableFile::Close() {
  if (fd_.get() < 0) return failure_;
  absl::Status s = Flush();
  if (::close(fd_.release()) != 0 && errno != EINTR && s.ok()) {
    failure_ = s = IoError(IoOperation::kClose, path_, errno);
  }
  return s;
}

absl::Status PosixReadWriteFile::WriteAt(uint64_t offset,
                                         std::string_view data) {
  return WriteFully(fd_.get(), path_, offset, data);
}

absl::Status PosixReadWriteFile::ReadAt(uint64_t offset, size_t n,
                                        char* scratch,
                                        std::string_view* result) const {
  NORI_ASSIGN_OR_RETURN(const size_t got,
                        ReadFully(fd_.get(), path_, offset, n, scratch));
  *result = std::string_view(scratch, got);
  return absl::OkStatus();
}

absl::Status PosixReadWriteFile::Sync() {
  absl::MutexLock lock(&sync_mutex_);
  NORI_RETURN_IF_ERROR(sync_failure_);
  if (RetryInterrupted([&] { return ::fdatasync(fd_.get()); }) != 0) {
    sync_failure_ = IoError(IoOperation::kSync, path_, errno);
  }
  return sync_failure_;
}

absl::Status PosixReadWriteFile::Truncate(uint64_t size) {
  if (RetryInterrupted([&] {
        return ::ftruncate(fd_.get(), static_cast<off_t>(size));
      }) != 0) {
    return IoError(IoOperation::kTruncate, path_, errno);
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> PosixReadWriteFile::Size() const {
  struct stat st;
  if (::fstat(fd_.get(), &st) != 0) {
    return IoError(IoOperation::kStat, path_, errno);
  }
  return static_cast<uint64_t>(st.st_size);
}

}  // namespace nori
