#include "engine/io/memory_file_system.h"

#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/types/span.h"
#include "engine/format/absl_view.h"
#include "engine/format/status_macros.h"
#include "engine/io/io_status.h"

namespace nori {
namespace {

// As large as that of the posix file system matters not; that there is one
// does, since a kill loses it.
constexpr size_t kWriteBufferBytes = size_t{64} << 10;

// What an open file needs of its file system.
struct OpenNode {
  std::shared_ptr<MemoryDisk> disk;
  MemoryNodeRef node;
  std::string path;
};

class MemoryRandomAccessFile final : public RandomAccessFile {
 public:
  // `content` is the file's content as it is now.
  MemoryRandomAccessFile(OpenNode open,
                         std::shared_ptr<const std::string> content)
      : open_(std::move(open)), content_(std::move(content)) {}

  absl::Status Read(uint64_t offset, size_t n, char* scratch,
                    std::string_view* result) const override {
    absl::ReaderMutexLock lock(&open_.disk->mutex);
    const std::string& bytes = open_.node->content.bytes();
    const size_t got =
        offset < bytes.size() ? bytes.copy(scratch, n, offset) : 0;
    if (got < n) return ShortReadError(open_.path, offset, n, got);
    *result = std::string_view(scratch, n);
    return absl::OkStatus();
  }
  std::string_view Mapped() const override { return *content_; }
  uint64_t Size() const override { return content_->size(); }

 private:
  const OpenNode open_;
  const std::shared_ptr<const std::string> content_;
};

class MemoryWritableFile final : public WritableFile {
 public:
  explicit MemoryWritableFile(OpenNode open) : open_(std::move(open)) {}
  ~MemoryWritableFile() override {
    if (!closed_) Close().IgnoreError();
  }

  absl::Status Append(std::string_view data) override {
    assert(!closed_);
    if (data.size() > kWriteBufferBytes - buffer_.size()) {
      absl::MutexLock lock(&open_.disk->mutex);
      Flush();
      if (data.size() >= kWriteBufferBytes) {
        open_.node->content.Write(written_, data);
        written_ += data.size();
        return absl::OkStatus();
      }
    }
    buffer_.append(data);
    return absl::OkStatus();
  }
  absl::Status Sync() override {
    assert(!closed_);
    absl::MutexLock lock(&open_.disk->mutex);
    Flush();
    open_.node->content.Sync();
    return absl::OkStatus();
  }
  absl::Status Close() override {
    if (closed_) return absl::OkStatus();
    closed_ = true;
    absl::MutexLock lock(&open_.disk->mutex);
    Flush();
    open_.node->content.Seal();
    return absl::OkStatus();
  }
  uint64_t Size() const override { return written_ + buffer_.size(); }

 private:
  void Flush() ABSL_EXCLUSIVE_LOCKS_REQUIRED(open_.disk->mutex) {
    open_.node->content.Write(written_, buffer_);
    written_ += buffer_.size();
    buffer_.clear();
  }

  const OpenNode open_;
  std::string buffer_;
  uint64_t written_ = 0;
  bool closed_ = false;
};

class MemoryReadWriteFile final : public ReadWriteFile {
 public:
  explicit MemoryReadWriteFile(OpenNode open) : open_(std::move(open)) {}

  absl::Status WriteAt(uint64_t offset, std::string_view data) override {
    absl::MutexLock lock(&open_.disk->mutex);
    open_.node->content.Write(offset, data);
    return absl::OkStatus();
  }
  absl::Status ReadAt(uint64_t offset, size_t n, char* scratch,
                      std::string_view* result) const override {
    absl::ReaderMutexLock lock(&open_.disk->mutex);
    const std::string& bytes = open_.node->content.bytes();
    const size_t got =
        offset < bytes.size() ? bytes.copy(scratch, n, offset) : 0;
    *result = std::string_view(scratch, got);
    return absl::OkStatus();
  }
  absl::Status Sync() override {
    absl::MutexLock lock(&open_.disk->mutex);
    open_.node->content.Sync();
    return absl::OkStatus();
  }
  absl::Status Truncate(uint64_t size) override {
    absl::MutexLock lock(&open_.disk->mutex);
    open_.node->content.Truncate(size);
    return absl::OkStatus();
  }
  absl::StatusOr<uint64_t> Size() const override {
    absl::ReaderMutexLock lock(&open_.disk->mutex);
    return open_.node->content.bytes().size();
  }

 private:
  const OpenNode open_;
};

class MemoryDirectoryLock final : public DirectoryLock {
 public:
  MemoryDirectoryLock(std::shared_ptr<MemoryDisk> disk, uint64_t inode,
                      uint64_t number)
      : disk_(std::move(disk)), inode_(inode), number_(number) {}
  ~MemoryDirectoryLock() override {
    absl::MutexLock lock(&disk_->mutex);
    // After a crash somebody else may hold the same file.
    const auto it = disk_->locks.find(inode_);
    if (it != disk_->locks.end() && it->second == number_) {
      disk_->locks.erase(it);
    }
  }

 private:
  const std::shared_ptr<MemoryDisk> disk_;
  const uint64_t inode_;
  const uint64_t number_;
};

std::vector<std::string> Components(std::string_view path) {
  std::vector<std::string> parts;
  for (absl::string_view part :
       absl::StrSplit(AbslView(path), '/', absl::SkipEmpty())) {
    if (part == ".") continue;
    if (part != "..") {
      parts.emplace_back(part);
    } else if (!parts.empty()) {
      parts.pop_back();
    }
  }
  return parts;
}

// The node at the end of `parts`, or the errno.
struct Walked {
  MemoryNodeRef node;
  int error_number = 0;
};

Walked Walk(const MemoryNodeRef& root, absl::Span<const std::string> parts) {
  MemoryNodeRef node = root;
  for (const std::string& part : parts) {
    if (!node->is_directory) return {nullptr, ENOTDIR};
    const auto it = node->entries.find(part);
    if (it == node->entries.end()) return {nullptr, ENOENT};
    node = it->second;
  }
  return {node, 0};
}

// A name in a directory that exists, and what it means, which may be nothing.
struct Place {
  MemoryNodeRef directory;
  std::string name;
  MemoryNodeRef node;
};

absl::StatusOr<MemoryNodeRef> Find(const MemoryDisk& disk,
                                   IoOperation operation,
                                   const std::string& path)
    ABSL_SHARED_LOCKS_REQUIRED(disk.mutex) {
  Walked w = Walk(disk.root, Components(path));
  if (w.node == nullptr) return IoError(operation, path, w.error_number);
  return std::move(w.node);
}

absl::StatusOr<Place> FindPlace(const MemoryDisk& disk, IoOperation operation,
                                const std::string& path)
    ABSL_SHARED_LOCKS_REQUIRED(disk.mutex) {
  std::vector<std::string> parts = Components(path);
  if (parts.empty()) return IoError(operation, path, EBUSY);
  Place place;
  place.name = std::move(parts.back());
  parts.pop_back();
  const Walked w = Walk(disk.root, parts);
  if (w.node == nullptr) return IoError(operation, path, w.error_number);
  if (!w.node->is_directory) return IoError(operation, path, ENOTDIR);
  place.directory = w.node;
  const auto it = place.directory->entries.find(place.name);
  if (it != place.directory->entries.end()) place.node = it->second;
  return place;
}

// The file at `path`, which is created if it is not there and `create`.
absl::StatusOr<MemoryNodeRef> FindFile(MemoryDisk* disk, IoOperation operation,
                                       const std::string& path, bool create)
    ABSL_EXCLUSIVE_LOCKS_REQUIRED(disk->mutex) {
  absl::StatusOr<Place> place = FindPlace(*disk, operation, path);
  if (!place.ok()) return std::move(place).status();
  if (place->node == nullptr) {
    if (!create) return IoError(operation, path, ENOENT);
    place->node = std::make_shared<MemoryNode>(disk->next_inode++, false);
    disk->Apply({{place->directory, place->name, place->node}});
  }
  if (place->node->is_directory) return IoError(operation, path, EISDIR);
  return std::move(place->node);
}

bool Contains(const MemoryNodeRef& ancestor, const MemoryNodeRef& node) {
  if (ancestor == node) return true;
  return std::any_of(
      ancestor->entries.begin(), ancestor->entries.end(),
      [&](const auto& entry) { return Contains(entry.second, node); });
}

}  // namespace

MemoryFileSystem::MemoryFileSystem()
    : MemoryFileSystem(std::make_shared<MemoryDisk>()) {}
MemoryFileSystem::MemoryFileSystem(std::shared_ptr<MemoryDisk> disk)
    : disk_(std::move(disk)) {}
MemoryFileSystem::~MemoryFileSystem() = default;

void MemoryFileSystem::Lose(CrashMode mode, Random* random) {
  absl::MutexLock lock(&disk_->mutex);
  disk_->Crash(mode, random);
}
void MemoryFileSystem::Crash(Random* random) {
  Lose(CrashMode::kRandom, random);
}
void MemoryFileSystem::CrashDroppingUnsynced() {
  Lose(CrashMode::kDropUnsynced, nullptr);
}
void MemoryFileSystem::Kill() { Lose(CrashMode::kKeepAll, nullptr); }

std::unique_ptr<MemoryFileSystem> MemoryFileSystem::Clone() const {
  absl::MutexLock lock(&disk_->mutex);
  return std::unique_ptr<MemoryFileSystem>(
      new MemoryFileSystem(disk_->Clone()));
}

absl::StatusOr<std::unique_ptr<RandomAccessFile>>
MemoryFileSystem::OpenRandomAccess(const std::string& path) {
  absl::MutexLock lock(&disk_->mutex);
  NORI_ASSIGN_OR_RETURN(
      MemoryNodeRef node,
      FindFile(disk_.get(), IoOperation::kOpen, path, /*create=*/false));
  std::shared_ptr<const std::string> content = node->content.Share();
  return std::make_unique<MemoryRandomAccessFile>(
      OpenNode{disk_, std::move(node), path}, std::move(content));
}

absl::StatusOr<std::unique_ptr<WritableFile>> MemoryFileSystem::CreateWritable(
    const std::string& path) {
  absl::MutexLock lock(&disk_->mutex);
  NORI_ASSIGN_OR_RETURN(
      MemoryNodeRef node,
      FindFile(disk_.get(), IoOperation::kCreate, path, /*create=*/true));
  node->content.Truncate(0);
  return std::make_unique<MemoryWritableFile>(
      OpenNode{disk_, std::move(node), path});
}

absl::StatusOr<std::unique_ptr<ReadWriteFile>> MemoryFileSystem::OpenReadWrite(
    const std::string& path, bool create) {
  absl::MutexLock lock(&disk_->mutex);
  NORI_ASSIGN_OR_RETURN(
      MemoryNodeRef node,
      FindFile(disk_.get(), create ? IoOperation::kCreate : IoOperation::kOpen,
               path, create));
  return std::make_unique<MemoryReadWriteFile>(
      OpenNode{disk_, std::move(node), path});
}

absl::StatusOr<std::string> MemoryFileSystem::ReadFile(
    const std::string& path) {
  absl::MutexLock lock(&disk_->mutex);
  NORI_ASSIGN_OR_RETURN(
      MemoryNodeRef node,
      FindFile(disk_.get(), IoOperation::kOpen, path, /*create=*/false));
  return node->content.bytes();
}

absl::Status MemoryFileSystem::CreateDirectory(const std::string& path) {
  absl::MutexLock lock(&disk_->mutex);
  const Walked existing = Walk(disk_->root, Components(path));
  if (existing.node != nullptr) {
    if (existing.node->is_directory) return absl::OkStatus();
    return IoError(IoOperation::kMakeDirectory, path, EEXIST);
  }
  NORI_ASSIGN_OR_RETURN(const Place place,
                        FindPlace(*disk_, IoOperation::kMakeDirectory, path));
  disk_->Apply({{place.directory, place.name,
                 std::make_shared<MemoryNode>(disk_->next_inode++, true)}});
  return absl::OkStatus();
}

absl::Status MemoryFileSystem::RemoveDirectory(const std::string& path) {
  absl::MutexLock lock(&disk_->mutex);
  NORI_ASSIGN_OR_RETURN(const Place place,
                        FindPlace(*disk_, IoOperation::kDelete, path));
  int error_number = 0;
  if (place.node == nullptr) {
    error_number = ENOENT;
  } else if (!place.node->is_directory) {
    error_number = ENOTDIR;
  } else if (!place.node->entries.empty()) {
    error_number = ENOTEMPTY;
  }
  if (error_number != 0) {
    return IoError(IoOperation::kDelete, path, error_number);
  }
  disk_->Apply({{place.directory, place.name, nullptr}});
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> MemoryFileSystem::ListDirectory(
    const std::string& path) {
  absl::ReaderMutexLock lock(&disk_->mutex);
  NORI_ASSIGN_OR_RETURN(const MemoryNodeRef node,
                        Find(*disk_, IoOperation::kList, path));
  if (!node->is_directory) return IoError(IoOperation::kList, path, ENOTDIR);
  std::vector<std::string> names;
  names.reserve(node->entries.size());
  for (const auto& [name, child] : node->entries) names.push_back(name);
  return names;
}

bool MemoryFileSystem::Exists(const std::string& path) {
  absl::ReaderMutexLock lock(&disk_->mutex);
  return Walk(disk_->root, Components(path)).node != nullptr;
}

absl::StatusOr<bool> MemoryFileSystem::IsDirectory(const std::string& path) {
  absl::ReaderMutexLock lock(&disk_->mutex);
  NORI_ASSIGN_OR_RETURN(const MemoryNodeRef node,
                        Find(*disk_, IoOperation::kStat, path));
  return node->is_directory;
}

absl::StatusOr<uint64_t> MemoryFileSystem::FileSize(const std::string& path) {
  absl::ReaderMutexLock lock(&disk_->mutex);
  NORI_ASSIGN_OR_RETURN(const MemoryNodeRef node,
                        Find(*disk_, IoOperation::kStat, path));
  return node->content.bytes().size();
}

absl::StatusOr<FileIdentity> MemoryFileSystem::Identity(
    const std::string& path) {
  absl::ReaderMutexLock lock(&disk_->mutex);
  NORI_ASSIGN_OR_RETURN(const MemoryNodeRef node,
                        Find(*disk_, IoOperation::kStat, path));
  return FileIdentity{disk_->device, node->inode};
}

absl::Status MemoryFileSystem::RemoveFile(const std::string& path) {
  absl::MutexLock lock(&disk_->mutex);
  NORI_ASSIGN_OR_RETURN(const Place place,
                        FindPlace(*disk_, IoOperation::kDelete, path));
  if (place.node == nullptr || place.node->is_directory) {
    return IoError(IoOperation::kDelete, path,
                   place.node == nullptr ? ENOENT : EISDIR);
  }
  disk_->Apply({{place.directory, place.name, nullptr}});
  return absl::OkStatus();
}

absl::Status MemoryFileSystem::RenameFile(const std::string& from,
                                          const std::string& to) {
  const std::string paths = absl::StrCat(from, "' to '", to);
  absl::MutexLock lock(&disk_->mutex);
  NORI_ASSIGN_OR_RETURN(const Place source,
                        FindPlace(*disk_, IoOperation::kRename, from));
  NORI_ASSIGN_OR_RETURN(const Place target,
                        FindPlace(*disk_, IoOperation::kRename, to));
  int error_number = 0;
  if (source.node == nullptr) {
    error_number = ENOENT;
  } else if (source.node == target.node) {
    return absl::OkStatus();  // two names of one file: POSIX does nothing
  } else if (source.node->is_directory) {
    if (target.node != nullptr && !target.node->is_directory) {
      error_number = ENOTDIR;
    } else if (target.node != nullptr && !target.node->entries.empty()) {
      error_number = ENOTEMPTY;
    } else if (Contains(source.node, target.directory)) {
      error_number = EINVAL;
    }
  } else if (target.node != nullptr && target.node->is_directory) {
    error_number = EISDIR;
  }
  if (error_number != 0) {
    return IoError(IoOperation::kRename, paths, error_number);
  }
  disk_->Apply({{source.directory, source.name, nullptr},
                {target.directory, target.name, source.node}});
  return absl::OkStatus();
}

absl::Status MemoryFileSystem::LinkFile(const std::string& from,
                                        const std::string& to) {
  const std::string paths = absl::StrCat(from, "' to '", to);
  absl::MutexLock lock(&disk_->mutex);
  NORI_ASSIGN_OR_RETURN(const MemoryNodeRef node,
                        Find(*disk_, IoOperation::kLink, from));
  NORI_ASSIGN_OR_RETURN(const Place target,
                        FindPlace(*disk_, IoOperation::kLink, to));
  if (target.node != nullptr) {
    return IoError(IoOperation::kLink, paths, EEXIST);
  }
  if (node->is_directory) return IoError(IoOperation::kLink, paths, EPERM);
  disk_->Apply({{target.directory, target.name, node}});
  return absl::OkStatus();
}

absl::Status MemoryFileSystem::SyncDirectory(const std::string& path) {
  absl::MutexLock lock(&disk_->mutex);
  NORI_ASSIGN_OR_RETURN(const MemoryNodeRef node,
                        Find(*disk_, IoOperation::kSyncDirectory, path));
  if (!node->is_directory) {
    return IoError(IoOperation::kSyncDirectory, path, ENOTDIR);
  }
  disk_->SyncEntries(node);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<DirectoryLock>> MemoryFileSystem::LockDirectory(
    const std::string& path) {
  absl::MutexLock lock(&disk_->mutex);
  NORI_ASSIGN_OR_RETURN(
      const MemoryNodeRef node,
      FindFile(disk_.get(), IoOperation::kLock, path, /*create=*/true));
  if (disk_->locks.contains(node->inode)) {
    std::vector<std::string> parts = Components(path);
    parts.pop_back();
    return IoError(
        IoOperation::kLock, path, absl::StatusCode::kUnavailable,
        absl::StrCat("engine directory '/", absl::StrJoin(parts, "/"),
                     "' is in use by process ", ::getpid()));
  }
  const std::string pid = absl::StrCat(::getpid(), "\n");
  node->content.Truncate(0);
  node->content.Write(0, pid);
  const uint64_t number = disk_->next_lock++;
  disk_->locks[node->inode] = number;
  return std::make_unique<MemoryDirectoryLock>(disk_, node->inode, number);
}

}  // namespace nori
