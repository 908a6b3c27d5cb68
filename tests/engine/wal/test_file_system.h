// A file system in memory with injectable failures: what the log needs.

#ifndef NORI_TESTS_ENGINE_WAL_TEST_FILE_SYSTEM_H_
#define NORI_TESTS_ENGINE_WAL_TEST_FILE_SYSTEM_H_

#include <algorithm>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "engine/io/file_system.h"

namespace nori {

class TestFileSystem : public FileSystem {
 public:
  struct Data {
    std::string bytes;
    std::string durable;  // content at the last Sync
    int syncs = 0;
  };
  using DataRef = std::shared_ptr<Data>;

  // Asked before each operation ("write", "sync", "syncdir", "open", "rename",
  // "remove") without the lock; a non-OK answer is its result. A failing write
  // still writes the first half.
  std::function<absl::Status(std::string_view op, const std::string& path)>
      inject;

  std::string& Content(const std::string& path) {
    absl::MutexLock lock(&mutex_);
    return files_.at(path)->bytes;
  }
  int Syncs() {
    absl::MutexLock lock(&mutex_);
    return syncs_;
  }
  int DirectorySyncs() {
    absl::MutexLock lock(&mutex_);
    return directory_syncs_;
  }
  std::vector<std::string> Names() {
    absl::MutexLock lock(&mutex_);
    std::vector<std::string> names;
    for (const auto& [path, data] : files_) {
      names.push_back(path.substr(path.rfind('/') + 1));
    }
    return names;
  }
  // As after a power loss in which nothing that was not synced survived.
  void LosePower() {
    absl::MutexLock lock(&mutex_);
    files_ = durable_files_;
    for (auto& [path, data] : files_) data->bytes = data->durable;
  }
  // As after a power loss in which every 512-byte page that was not synced, and
  // the directory, may or may not have reached the disk.
  void LosePowerAtRandom(std::mt19937_64* random) {
    absl::MutexLock lock(&mutex_);
    if ((*random)() % 2 == 0) files_ = durable_files_;
    for (auto& [path, data] : files_) {
      for (size_t page = 0; page < data->bytes.size(); page += 512) {
        if ((*random)() % 2 == 0) continue;
        for (size_t i = page; i < std::min(page + 512, data->bytes.size());
             ++i) {
          data->bytes[i] = i < data->durable.size() ? data->durable[i] : '\0';
        }
      }
      data->durable = data->bytes;
    }
    durable_files_ = files_;
  }
  // Independent copy of all files, for another experiment.
  std::map<std::string, std::string> Save() {
    absl::MutexLock lock(&mutex_);
    std::map<std::string, std::string> result;
    for (const auto& [path, data] : files_) result[path] = data->bytes;
    return result;
  }
  void Restore(const std::map<std::string, std::string>& files) {
    absl::MutexLock lock(&mutex_);
    files_.clear();
    for (const auto& [path, bytes] : files) {
      files_[path] = std::make_shared<Data>(Data{bytes, bytes, 0});
    }
    durable_files_ = files_;
  }

  absl::StatusOr<std::unique_ptr<RandomAccessFile>> OpenRandomAccess(
      const std::string& path) override;
  absl::StatusOr<std::unique_ptr<ReadWriteFile>> OpenReadWrite(
      const std::string& path, bool create) override;
  absl::StatusOr<std::vector<std::string>> ListDirectory(
      const std::string& path) override;
  absl::Status RemoveFile(const std::string& path) override;
  absl::Status RenameFile(const std::string& from,
                          const std::string& to) override;
  absl::Status SyncDirectory(const std::string& path) override;

  // Not used by the log.
  absl::StatusOr<std::unique_ptr<WritableFile>> CreateWritable(
      const std::string&) override {
    return Unused();
  }
  absl::StatusOr<std::string> ReadFile(const std::string&) override {
    return Unused();
  }
  absl::Status CreateDirectory(const std::string&) override { return Unused(); }
  absl::Status RemoveDirectory(const std::string&) override { return Unused(); }
  bool Exists(const std::string&) override { return false; }
  absl::StatusOr<bool> IsDirectory(const std::string&) override {
    return Unused();
  }
  absl::StatusOr<uint64_t> FileSize(const std::string&) override {
    return Unused();
  }
  absl::StatusOr<FileIdentity> Identity(const std::string&) override {
    return Unused();
  }
  absl::Status LinkFile(const std::string&, const std::string&) override {
    return Unused();
  }
  absl::StatusOr<std::unique_ptr<DirectoryLock>> LockDirectory(
      const std::string&) override {
    return Unused();
  }

  absl::Status Ask(std::string_view op, const std::string& path) {
    return inject ? inject(op, path) : absl::OkStatus();
  }
  absl::Mutex* mutex() { return &mutex_; }
  void CountSync() { ++syncs_; }

 private:
  static absl::Status Unused() {
    return absl::UnimplementedError("not used by the log");
  }

  absl::Mutex mutex_;
  std::map<std::string, DataRef> files_;
  std::map<std::string, DataRef> durable_files_;
  int syncs_ = 0;
  int directory_syncs_ = 0;
};

}  // namespace nori

#endif  // NORI_TESTS_ENGINE_WAL_TEST_FILE_SYSTEM_H_
