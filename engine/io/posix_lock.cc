#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "engine/format/absl_view.h"
#include "engine/format/status_macros.h"
#include "engine/io/posix_files.h"

namespace nori {
namespace {

// The lock files that this process holds. POSIX locks do not exclude two users
// of one process, and worse, the second one's close() would release the
// first's lock: so the table is asked before the file is opened.
struct LockTable {
  absl::Mutex mutex;
  // The pid tells entries that a forked child has inherited without the locks.
  absl::flat_hash_map<FileIdentity, pid_t> held ABSL_GUARDED_BY(mutex);
};

// Never destroyed: locks may be released while the process exits.
LockTable& Table() {
  static auto* const table = new LockTable;
  return *table;
}

FileIdentity IdentityOf(const struct stat& st) {
  return {static_cast<uint64_t>(st.st_dev), static_cast<uint64_t>(st.st_ino)};
}

absl::Status InUse(const std::string& path, std::string_view owner) {
  const size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "."
                                : slash == 0               ? "/"
                                             : path.substr(0, slash);
  return IoError(IoOperation::kLock, path, absl::StatusCode::kUnavailable,
                 absl::StrCat("engine directory '", directory,
                              "' is in use by process ", AbslView(owner)));
}

struct flock WholeFile(short type) {
  struct flock lock = {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  return lock;
}

// The pid of the process that holds the lock on `fd`. The kernel answers 0 for
// an owner in another pid namespace or on another machine; then the file's
// content is the better hint.
std::string OwnerOf(int fd, const std::string& path) {
  struct flock lock = WholeFile(F_WRLCK);
  if (::fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK &&
      lock.l_pid > 0) {
    return absl::StrCat(lock.l_pid);
  }
  char text[32];
  const absl::StatusOr<size_t> n = ReadFully(fd, path, 0, sizeof(text), text);
  int64_t pid;
  if (n.ok() && absl::SimpleAtoi(absl::string_view(text, *n), &pid)) {
    return absl::StrCat(pid);
  }
  return "(unknown)";
}

class PosixDirectoryLock final : public DirectoryLock {
 public:
  PosixDirectoryLock(FileDescriptor fd, FileIdentity id)
      : fd_(std::move(fd)), id_(id) {}
  ~PosixDirectoryLock() override {
    LockTable& table = Table();
    absl::MutexLock lock(&table.mutex);
    const auto it = table.held.find(id_);
    // In a forked child the entry may be a lock that the child took itself
    // after the fork; closing our inherited descriptor would release it.
    if (it == table.held.end() || it->second != owner_) {
      fd_.release();
      return;
    }
    table.held.erase(it);
    fd_ = FileDescriptor();
  }

 private:
  FileDescriptor fd_;
  const FileIdentity id_;
  const pid_t owner_ = ::getpid();
};

}  // namespace

absl::StatusOr<std::unique_ptr<DirectoryLock>> LockPosixDirectory(
    const std::string& path, mode_t mode, bool exact_mode) {
  LockTable& table = Table();
  const pid_t self = ::getpid();
  absl::MutexLock table_lock(&table.mutex);
  struct stat st;
  if (::stat(path.c_str(), &st) == 0) {
    const auto it = table.held.find(IdentityOf(st));
    if (it != table.held.end() && it->second == self) {
      return InUse(path, absl::StrCat(self));
    }
  }
  NORI_ASSIGN_OR_RETURN(FileDescriptor fd,
                        OpenDescriptor(IoOperation::kLock, path,
                                       O_RDWR | O_CREAT | O_NOFOLLOW, mode));
  if (::fstat(fd.get(), &st) != 0) {
    return IoError(IoOperation::kLock, path, errno);
  }
  const FileIdentity id = IdentityOf(st);
  const auto it = table.held.find(id);
  if (it != table.held.end() && it->second == self) {
    // The name was moved onto a held file since stat(). Closing would release
    // that lock, so the descriptor is given up instead.
    fd.release();
    return InUse(path, absl::StrCat(self));
  }
  struct flock lock = WholeFile(F_WRLCK);
  if (::fcntl(fd.get(), F_SETLK, &lock) != 0) {
    if (errno == EAGAIN || errno == EACCES) {
      return InUse(path, OwnerOf(fd.get(), path));
    }
    return IoError(IoOperation::kLock, path, errno);
  }
  // The content is a courtesy for messages, so failing to write it (a full
  // disk) must not keep anyone from opening the engine.
  const std::string text = absl::StrCat(self, "\n");
  if (::ftruncate(fd.get(), 0) == 0) {
    WriteFully(fd.get(), path, 0, text).IgnoreError();
  }
  if (exact_mode && (st.st_mode & 07777) != mode && st.st_size == 0) {
    ::fchmod(fd.get(), mode);
  }
  table.held[id] = self;
  return std::make_unique<PosixDirectoryLock>(std::move(fd), id);
}

}  // namespace nori
