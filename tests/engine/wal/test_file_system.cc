#include "tests/engine/wal/test_file_system.h"

#include <algorithm>

#include "engine/format/status_macros.h"

namespace nori {
namespace {

class TestRandomAccess : public RandomAccessFile {
 public:
  explicit TestRandomAccess(std::string bytes) : bytes_(std::move(bytes)) {}
  absl::Status Read(uint64_t offset, size_t n, char* scratch,
                    std::string_view* result) const override {
    if (offset + n > bytes_.size()) return absl::DataLossError("short read");
    std::copy_n(bytes_.data() + offset, n, scratch);
    *result = {scratch, n};
    return absl::OkStatus();
  }
  std::string_view Mapped() const override { return {}; }
  uint64_t Size() const override { return bytes_.size(); }

 private:
  const std::string bytes_;
};

class TestReadWrite : public ReadWriteFile {
 public:
  TestReadWrite(TestFileSystem* fs, std::string path,
                TestFileSystem::DataRef data)
      : fs_(fs), path_(std::move(path)), data_(std::move(data)) {}

  absl::Status WriteAt(uint64_t offset, std::string_view bytes) override {
    absl::Status status = fs_->Ask("write", path_);
    if (!status.ok()) bytes = bytes.substr(0, bytes.size() / 2);
    absl::MutexLock lock(fs_->mutex());
    std::string& content = data_->bytes;
    if (content.size() < offset + bytes.size()) {
      content.resize(offset + bytes.size(), '\0');
    }
    std::copy(bytes.begin(), bytes.end(),
              content.begin() + static_cast<ptrdiff_t>(offset));
    return status;
  }
  absl::Status ReadAt(uint64_t, size_t, char*,
                      std::string_view*) const override {
    return absl::UnimplementedError("not used by the log");
  }
  absl::Status Sync() override {
    NORI_RETURN_IF_ERROR(fs_->Ask("sync", path_));
    absl::MutexLock lock(fs_->mutex());
    data_->durable = data_->bytes;
    ++data_->syncs;
    fs_->CountSync();
    return absl::OkStatus();
  }
  absl::Status Truncate(uint64_t) override {
    return absl::UnimplementedError("not used by the log");
  }
  absl::StatusOr<uint64_t> Size() const override {
    absl::MutexLock lock(fs_->mutex());
    return data_->bytes.size();
  }

 private:
  TestFileSystem* const fs_;
  const std::string path_;
  const TestFileSystem::DataRef data_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<RandomAccessFile>>
TestFileSystem::OpenRandomAccess(const std::string& path) {
  absl::MutexLock lock(&mutex_);
  const auto it = files_.find(path);
  if (it == files_.end()) return absl::NotFoundError(path);
  return std::make_unique<TestRandomAccess>(it->second->bytes);
}

absl::StatusOr<std::unique_ptr<ReadWriteFile>> TestFileSystem::OpenReadWrite(
    const std::string& path, bool create) {
  NORI_RETURN_IF_ERROR(Ask("open", path));
  absl::MutexLock lock(&mutex_);
  auto it = files_.find(path);
  if (it == files_.end()) {
    if (!create) return absl::NotFoundError(path);
    it = files_.emplace(path, std::make_shared<Data>()).first;
  }
  return std::make_unique<TestReadWrite>(this, path, it->second);
}

absl::StatusOr<std::vector<std::string>> TestFileSystem::ListDirectory(
    const std::string&) {
  return Names();
}

absl::Status TestFileSystem::RemoveFile(const std::string& path) {
  NORI_RETURN_IF_ERROR(Ask("remove", path));
  absl::MutexLock lock(&mutex_);
  return files_.erase(path) == 1 ? absl::OkStatus() : absl::NotFoundError(path);
}

absl::Status TestFileSystem::RenameFile(const std::string& from,
                                        const std::string& to) {
  NORI_RETURN_IF_ERROR(Ask("rename", from));
  absl::MutexLock lock(&mutex_);
  const auto it = files_.find(from);
  if (it == files_.end()) return absl::NotFoundError(from);
  files_[to] = it->second;
  files_.erase(from);
  return absl::OkStatus();
}

absl::Status TestFileSystem::SyncDirectory(const std::string& path) {
  NORI_RETURN_IF_ERROR(Ask("syncdir", path));
  absl::MutexLock lock(&mutex_);
  durable_files_ = files_;
  ++directory_syncs_;
  return absl::OkStatus();
}

}  // namespace nori
