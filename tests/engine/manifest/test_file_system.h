// A small file system in memory with power loss and failures on demand.

#ifndef NORI_TESTS_ENGINE_MANIFEST_TEST_FILE_SYSTEM_H_
#define NORI_TESTS_ENGINE_MANIFEST_TEST_FILE_SYSTEM_H_

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/io/file_system.h"

namespace nori {

class TestFileSystem final : public FileSystem {
 public:
  struct Node {
    std::string data;
    std::string synced;
  };
  using Names = std::map<std::string, std::shared_ptr<Node>>;

  // Asked before every operation that changes something; an error fails it. A
  // failing append still writes half of its data.
  std::function<absl::Status(const std::string& operation,
                             const std::string& path)>
      fault;
  // Called before a file is read.
  std::function<void(const std::string& path)> before_read;

  // Everything that was not synced is lost; a file keeps, of its unsynced
  // bytes, the first `kept_bytes`.
  void LosePower(size_t kept_bytes = 0) {
    names_ = durable_names_;
    for (auto& [name, node] : names_) {
      if (node->data.size() > node->synced.size()) {
        node->data.resize(
            std::min(node->data.size(), node->synced.size() + kept_bytes));
      }
      node->synced = node->data;
    }
  }
  // Makes this one an independent copy of what `other` holds now, all durable.
  void CopyFrom(const TestFileSystem& other) {
    names_.clear();
    for (const auto& [path, node] : other.names_) {
      names_[path] = std::make_shared<Node>(Node{node->data, node->data});
    }
    durable_names_ = names_;
  }
  std::string& Data(const std::string& path) { return names_.at(path)->data; }

  absl::StatusOr<std::unique_ptr<WritableFile>> CreateWritable(
      const std::string& path) override {
    if (absl::Status s = Ask("create", path); !s.ok()) return s;
    auto node = std::make_shared<Node>();
    names_[path] = node;
    return std::make_unique<File>(this, path, std::move(node));
  }
  absl::StatusOr<std::string> ReadFile(const std::string& path) override {
    if (before_read) before_read(path);
    const auto it = names_.find(path);
    if (it == names_.end()) return absl::NotFoundError(path);
    return it->second->data;
  }
  bool Exists(const std::string& path) override {
    return names_.count(path) != 0;
  }
  absl::Status RemoveFile(const std::string& path) override {
    if (absl::Status s = Ask("remove", path); !s.ok()) return s;
    return names_.erase(path) != 0 ? absl::OkStatus()
                                   : absl::NotFoundError(path);
  }
  absl::Status RenameFile(const std::string& from,
                          const std::string& to) override {
    if (absl::Status s = Ask("rename", from); !s.ok()) return s;
    auto node = names_.extract(from);
    if (node.empty()) return absl::NotFoundError(from);
    names_[to] = std::move(node.mapped());
    return absl::OkStatus();
  }
  absl::Status SyncDirectory(const std::string& path) override {
    if (absl::Status s = Ask("syncdir", path); !s.ok()) return s;
    durable_names_ = names_;
    return absl::OkStatus();
  }
  absl::StatusOr<std::vector<std::string>> ListDirectory(
      const std::string& path) override {
    std::vector<std::string> list;
    for (const auto& entry : names_) {
      list.push_back(entry.first.substr(path.size() + 1));
    }
    return list;
  }

  // A manifest needs none of these.
  absl::StatusOr<std::unique_ptr<RandomAccessFile>> OpenRandomAccess(
      const std::string& path) override {
    return Unneeded(path);
  }
  absl::StatusOr<std::unique_ptr<ReadWriteFile>> OpenReadWrite(
      const std::string& path, bool /*create*/) override {
    return Unneeded(path);
  }
  absl::Status CreateDirectory(const std::string& path) override {
    return Unneeded(path);
  }
  absl::Status RemoveDirectory(const std::string& path) override {
    return Unneeded(path);
  }
  absl::StatusOr<bool> IsDirectory(const std::string& path) override {
    return Unneeded(path);
  }
  absl::StatusOr<uint64_t> FileSize(const std::string& path) override {
    return Unneeded(path);
  }
  absl::StatusOr<FileIdentity> Identity(const std::string& path) override {
    return Unneeded(path);
  }
  absl::Status LinkFile(const std::string& from,
                        const std::string& /*to*/) override {
    return Unneeded(from);
  }
  absl::StatusOr<std::unique_ptr<DirectoryLock>> LockDirectory(
      const std::string& path) override {
    return Unneeded(path);
  }

 private:
  class File final : public WritableFile {
   public:
    File(TestFileSystem* fs, std::string path, std::shared_ptr<Node> node)
        : fs_(fs), path_(std::move(path)), node_(std::move(node)) {}
    absl::Status Append(std::string_view data) override {
      size_ += data.size();
      if (absl::Status s = fs_->Ask("append", path_); !s.ok()) {
        node_->data.append(data.substr(0, data.size() / 2));
        return s;
      }
      node_->data.append(data);
      return absl::OkStatus();
    }
    absl::Status Sync() override {
      if (failed_) return absl::InternalError("an earlier sync failed");
      if (absl::Status s = fs_->Ask("sync", path_); !s.ok()) {
        failed_ = true;
        return s;
      }
      node_->synced = node_->data;
      return absl::OkStatus();
    }
    absl::Status Close() override { return fs_->Ask("close", path_); }
    uint64_t Size() const override { return size_; }

   private:
    TestFileSystem* const fs_;
    const std::string path_;
    const std::shared_ptr<Node> node_;
    uint64_t size_ = 0;
    bool failed_ = false;
  };

  static absl::Status Unneeded(const std::string& path) {
    return absl::UnimplementedError(path);
  }
  absl::Status Ask(const std::string& operation, const std::string& path) {
    return fault ? fault(operation, path) : absl::OkStatus();
  }

  Names names_;
  Names durable_names_;
};

}  // namespace nori

#endif  // NORI_TESTS_ENGINE_MANIFEST_TEST_FILE_SYSTEM_H_
