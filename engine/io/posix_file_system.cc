#include "engine/io/posix_file_system.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "engine/format/status_macros.h"
#include "engine/io/io_status.h"
#include "engine/io/posix_files.h"

namespace nori {
namespace {

constexpr mode_t kDefaultFileMode = 0644;
constexpr mode_t kDefaultDirectoryMode = 0755;
constexpr mode_t kModeBits = 0777;

// Who may read a directory may search it.
mode_t DirectoryMode(mode_t file_mode) {
  return file_mode | ((file_mode & 0444) >> 2);
}

absl::StatusOr<struct stat> Stat(const std::string& path) {
  struct stat st;
  if (::stat(path.c_str(), &st) != 0) {
    return IoError(IoOperation::kStat, path, errno);
  }
  return st;
}

absl::StatusOr<struct stat> Stat(const FileDescriptor& fd,
                                 const std::string& path) {
  struct stat st;
  if (::fstat(fd.get(), &st) != 0) {
    return IoError(IoOperation::kStat, path, errno);
  }
  return st;
}

class PosixFileSystemImpl final : public FileSystem {
 public:
  explicit PosixFileSystemImpl(const PosixFileOptions& options)
      : exact_mode_(options.file_mode.has_value()),
        file_mode_(options.file_mode.value_or(kDefaultFileMode) & kModeBits),
        directory_mode_(exact_mode_ ? DirectoryMode(file_mode_)
                                    : kDefaultDirectoryMode) {}

  absl::StatusOr<std::unique_ptr<RandomAccessFile>> OpenRandomAccess(
      const std::string& path) override {
    NORI_ASSIGN_OR_RETURN(FileDescriptor fd,
                          OpenDescriptor(IoOperation::kOpen, path, O_RDONLY));
    NORI_ASSIGN_OR_RETURN(const struct stat st, Stat(fd, path));
    // open() succeeds on a directory, and every read of it fails.
    if (S_ISDIR(st.st_mode)) return IoError(IoOperation::kOpen, path, EISDIR);
    return std::make_unique<PosixRandomAccessFile>(
        path, std::move(fd), static_cast<uint64_t>(st.st_size));
  }

  absl::StatusOr<std::unique_ptr<WritableFile>> CreateWritable(
      const std::string& path) override {
    NORI_ASSIGN_OR_RETURN(FileDescriptor fd, Create(path, O_WRONLY | O_TRUNC));
    return std::make_unique<PosixWritableFile>(path, std::move(fd));
  }

  absl::StatusOr<std::unique_ptr<ReadWriteFile>> OpenReadWrite(
      const std::string& path, bool create) override {
    absl::StatusOr<FileDescriptor> fd =
        create ? Create(path, O_RDWR)
               : OpenDescriptor(IoOperation::kOpen, path, O_RDWR | O_NOFOLLOW);
    if (!fd.ok()) return std::move(fd).status();
    return std::make_unique<PosixReadWriteFile>(path, *std::move(fd));
  }

  absl::StatusOr<std::string> ReadFile(const std::string& path) override;

  absl::Status CreateDirectory(const std::string& path) override {
    if (::mkdir(path.c_str(), directory_mode_) == 0) {
      if (exact_mode_ && ::chmod(path.c_str(), directory_mode_) != 0) {
        return IoError(IoOperation::kMakeDirectory, path, errno);
      }
      return absl::OkStatus();
    }
    const int error_number = errno;
    if (error_number == EEXIST) {
      struct stat st;
      if (::stat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode)) {
        return absl::OkStatus();
      }
    }
    return IoError(IoOperation::kMakeDirectory, path, error_number);
  }

  absl::Status RemoveDirectory(const std::string& path) override {
    if (::rmdir(path.c_str()) == 0) return absl::OkStatus();
    return IoError(IoOperation::kDelete, path, errno);
  }

  absl::StatusOr<std::vector<std::string>> ListDirectory(
      const std::string& path) override;

  bool Exists(const std::string& path) override {
    struct stat st;
    return ::lstat(path.c_str(), &st) == 0;
  }

  absl::StatusOr<bool> IsDirectory(const std::string& path) override {
    NORI_ASSIGN_OR_RETURN(const struct stat st, Stat(path));
    return S_ISDIR(st.st_mode);
  }

  absl::StatusOr<uint64_t> FileSize(const std::string& path) override {
    NORI_ASSIGN_OR_RETURN(const struct stat st, Stat(path));
    return static_cast<uint64_t>(st.st_size);
  }

  absl::StatusOr<FileIdentity> Identity(const std::string& path) override {
    NORI_ASSIGN_OR_RETURN(const struct stat st, Stat(path));
    return FileIdentity{static_cast<uint64_t>(st.st_dev),
                        static_cast<uint64_t>(st.st_ino)};
  }

  absl::Status RemoveFile(const std::string& path) override {
    if (::unlink(path.c_str()) == 0) return absl::OkStatus();
    return IoError(IoOperation::kDelete, path, errno);
  }

  absl::Status RenameFile(const std::string& from,
                          const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) == 0) return absl::OkStatus();
    return IoError(IoOperation::kRename, from + "' to '" + to, errno);
  }

  absl::Status LinkFile(const std::string& from,
                        const std::string& to) override;
  absl::Status SyncDirectory(const std::string& path) override;

  absl::StatusOr<std::unique_ptr<DirectoryLock>> LockDirectory(
      const std::string& path) override {
    return LockPosixDirectory(path, file_mode_, exact_mode_);
  }

 private:
  absl::StatusOr<FileDescriptor> Create(const std::string& path, int flags);

  const bool exact_mode_;
  const mode_t file_mode_;
  const mode_t directory_mode_;
};

absl::StatusOr<FileDescriptor> PosixFileSystemImpl::Create(
    const std::string& path, int flags) {
  flags |= O_CREAT | O_NOFOLLOW;
  if (!exact_mode_) {
    return OpenDescriptor(IoOperation::kCreate, path, flags, file_mode_);
  }
  // O_EXCL tells a file that is new, which gets the mode, from one that has
  // its own already.
  absl::StatusOr<FileDescriptor> fd =
      OpenDescriptor(IoOperation::kCreate, path, flags | O_EXCL, file_mode_);
  if (fd.ok()) {
    if (::fchmod(fd->get(), file_mode_) != 0) {
      return IoError(IoOperation::kCreate, path, errno);
    }
    return fd;
  }
  if (!absl::IsAlreadyExists(fd.status())) return fd;
  return OpenDescriptor(IoOperation::kCreate, path, flags, file_mode_);
}

absl::StatusOr<std::string> PosixFileSystemImpl::ReadFile(
    const std::string& path) {
  NORI_ASSIGN_OR_RETURN(FileDescriptor fd,
                        OpenDescriptor(IoOperation::kOpen, path, O_RDONLY));
  NORI_ASSIGN_OR_RETURN(const struct stat st, Stat(fd, path));
  std::string content;
  size_t want = static_cast<size_t>(st.st_size);
  // A file that grows meanwhile is read to its end: the loop ends at the first
  // read that gives less than it asked for.
  for (;;) {
    const size_t done = content.size();
    content.resize(done + want + 1);
    NORI_ASSIGN_OR_RETURN(
        const size_t got,
        ReadFully(fd.get(), path, done, want + 1, content.data() + done));
    content.resize(done + got);
    if (got < want + 1) return content;
    want = content.size();
  }
}

absl::StatusOr<std::vector<std::string>> PosixFileSystemImpl::ListDirectory(
    const std::string& path) {
  NORI_ASSIGN_OR_RETURN(
      FileDescriptor fd,
      OpenDescriptor(IoOperation::kList, path, O_RDONLY | O_DIRECTORY));
  std::unique_ptr<DIR, int (*)(DIR*)> directory(::fdopendir(fd.get()),
                                                &::closedir);
  if (directory == nullptr) return IoError(IoOperation::kList, path, errno);
  fd.release();
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const struct dirent* const entry = ::readdir(directory.get());
    if (entry == nullptr) {
      if (errno != 0) return IoError(IoOperation::kList, path, errno);
      return names;
    }
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
}

absl::Status PosixFileSystemImpl::LinkFile(const std::string& from,
                                           const std::string& to) {
  if (::link(from.c_str(), to.c_str()) == 0) return absl::OkStatus();
  const std::string paths = from + "' to '" + to;
  switch (errno) {
    // What the kernel answers where links are not supported, not allowed to
    // this user, or used up. A copy does in all of these cases.
    case EXDEV:
    case EPERM:
    case EOPNOTSUPP:
    case ENOSYS:
    case EMLINK:
      return IoError(IoOperation::kLink, paths,
                     absl::StatusCode::kUnimplemented,
                     "no hard link can be made here");
    default:
      return IoError(IoOperation::kLink, paths, errno);
  }
}

absl::Status PosixFileSystemImpl::SyncDirectory(const std::string& path) {
  NORI_ASSIGN_OR_RETURN(FileDescriptor fd,
                        OpenDescriptor(IoOperation::kSyncDirectory, path,
                                       O_RDONLY | O_DIRECTORY));
  int result;
  do {
    result = ::fsync(fd.get());
  } while (result != 0 && errno == EINTR);
  // EINVAL: a file system whose directories cannot be synced, because they
  // need not be.
  if (result == 0 || errno == EINVAL) return absl::OkStatus();
  return IoError(IoOperation::kSyncDirectory, path, errno);
}

}  // namespace

std::unique_ptr<FileSystem> NewPosixFileSystem(
    const PosixFileOptions& options) {
  return std::make_unique<PosixFileSystemImpl>(options);
}

FileSystem* PosixFileSystem() {
  static auto* const file_system = new PosixFileSystemImpl(PosixFileOptions{});
  return file_system;
}

}  // namespace nori
