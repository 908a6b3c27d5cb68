#include "tests/vtab/sync_recorder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <optional>
#include <sstream>
#include <vector>

namespace nori {
namespace {

namespace fs = std::filesystem;

constexpr size_t kBlock = 4096;
constexpr char kRemovedPrefix[] = "removed-";
constexpr char kGoingSuffix[] = ".going";

// Never destroyed: threads may sync while the process ends.
struct Recorder {
  std::mutex mutex;
  std::string records;  // empty: nothing is recorded
  std::atomic<bool> skip_syncs{false};
  std::atomic<int (*)(const char*)> before_change{nullptr};
};

Recorder& TheRecorder() {
  static Recorder* const recorder = new Recorder;
  return *recorder;
}

std::string RecordOf(const std::string& records, uint64_t inode) {
  return records + "/" + std::to_string(inode);
}

std::string ReadWhole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

void WriteWhole(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

std::string ReadDescriptor(int fd) {
  std::string content;
  std::array<char, 1 << 16> buffer;
  ssize_t n;
  while ((n = pread(fd, buffer.data(), buffer.size(),
                    static_cast<off_t>(content.size()))) > 0) {
    content.append(buffer.data(), static_cast<size_t>(n));
  }
  return content;
}

bool EndsWith(const std::string& text, const std::string& end) {
  return text.size() >= end.size() &&
         text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// Whether the call fails, with errno set.
bool IsRefused(const char* name) {
  int (*const observer)(const char*) = TheRecorder().before_change;
  const int error = observer == nullptr ? 0 : observer(name);
  if (error != 0) errno = error;
  return error != 0;
}

int SyncForReal(long call, int fd) {
  if (TheRecorder().skip_syncs) return 0;
  return static_cast<int>(syscall(call, fd));
}

int Sync(long call, int fd) {
  if (IsRefused("fsync")) return -1;
  Recorder& recorder = TheRecorder();
  const std::lock_guard<std::mutex> lock(recorder.mutex);
  struct stat info;
  if (recorder.records.empty() || fstat(fd, &info) != 0) {
    return SyncForReal(call, fd);
  }
  const std::string record = RecordOf(recorder.records, info.st_ino);
  const bool directory = S_ISDIR(info.st_mode);
  // What is there before the call is durable after it. A descriptor for writing
  // only cannot be read, so the file is read by its name.
  if (!directory) {
    const std::string link = "/proc/self/fd/" + std::to_string(fd);
    const int reader = open(link.c_str(), O_RDONLY | O_CLOEXEC);
    WriteWhole(record + ".new", ReadDescriptor(reader));
    close(reader);
  }
  const int result = SyncForReal(call, fd);
  if (result != 0) return result;
  if (!directory) {
    syscall(SYS_renameat2, AT_FDCWD, (record + ".new").c_str(), AT_FDCWD,
            record.c_str(), 0);
    return result;
  }
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(recorder.records, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.rfind(kRemovedPrefix, 0) != 0) continue;
    const std::string journal = ReadWhole(entry.path().string() + ".path");
    struct stat parent;
    if (stat(fs::path(journal).parent_path().c_str(), &parent) == 0 &&
        parent.st_ino == info.st_ino && !EndsWith(name, ".path")) {
      // The inode's next file begins with nothing synced.
      const std::string inode = name.substr(sizeof(kRemovedPrefix) - 1);
      const std::string old = recorder.records + "/" + inode;
      syscall(SYS_unlinkat, AT_FDCWD, old.c_str(), 0);
      syscall(SYS_unlinkat, AT_FDCWD, entry.path().c_str(), 0);
    }
  }
  return result;
}

uint64_t InodeOf(const std::string& path) {
  struct stat info = {};
  stat(path.c_str(), &info);
  return info.st_ino;
}

// Takes the record of a file away while its last name goes: the inode's next
// file begins with nothing synced. A process that is killed before the name is
// gone leaves the record to EndRemovals.
class RemovalOfRecord {
 public:
  RemovalOfRecord(const std::string& records, uint64_t inode,
                  const std::string& path)
      : aside_(RecordOf(records, inode) + kGoingSuffix) {
    WriteWhole(aside_ + ".path", path);
    Move(RecordOf(records, inode), aside_);
  }
  ~RemovalOfRecord() {
    syscall(SYS_unlinkat, AT_FDCWD, aside_.c_str(), 0);
    syscall(SYS_unlinkat, AT_FDCWD, (aside_ + ".path").c_str(), 0);
  }
  RemovalOfRecord(const RemovalOfRecord&) = delete;
  RemovalOfRecord& operator=(const RemovalOfRecord&) = delete;

  static void Move(const std::string& from, const std::string& to) {
    syscall(SYS_renameat2, AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), 0);
  }

 private:
  const std::string aside_;
};

// Puts back what a killed process took away for a removal that did not happen.
void EndRemovals(const std::string& records) {
  std::error_code ignored;
  std::vector<std::string> going;
  for (const auto& entry : fs::directory_iterator(records, ignored)) {
    const std::string path = entry.path().string();
    if (EndsWith(path, kGoingSuffix)) going.push_back(path);
  }
  for (const std::string& aside : going) {
    const std::string record =
        aside.substr(0, aside.size() - sizeof(kGoingSuffix) + 1);
    const std::string inode = fs::path(record).filename().string();
    if (std::to_string(InodeOf(ReadWhole(aside + ".path"))) == inode) {
      RemovalOfRecord::Move(aside, record);
    } else {
      fs::remove(aside);
    }
    fs::remove(aside + ".path");
  }
}

int Rename(const char* from, const char* to) {
  if (IsRefused("rename")) return -1;
  Recorder& recorder = TheRecorder();
  const std::lock_guard<std::mutex> lock(recorder.mutex);
  struct stat info;
  std::optional<RemovalOfRecord> removal;
  if (!recorder.records.empty() && stat(to, &info) == 0) {
    removal.emplace(recorder.records, info.st_ino, to);
  }
  return static_cast<int>(
      syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}

int Unlink(const char* path) {
  if (IsRefused("unlink")) return -1;
  Recorder& recorder = TheRecorder();
  const std::lock_guard<std::mutex> lock(recorder.mutex);
  struct stat info;
  std::optional<RemovalOfRecord> removal;
  if (!recorder.records.empty() && stat(path, &info) == 0) {
    if (EndsWith(path, "-journal")) {
      const std::string kept =
          recorder.records + "/" + kRemovedPrefix + std::to_string(info.st_ino);
      WriteWhole(kept + ".path", path);
      static_cast<void>(::link(path, kept.c_str()));
    } else if (info.st_nlink == 1) {
      removal.emplace(recorder.records, info.st_ino, path);
    }
  }
  return static_cast<int>(syscall(SYS_unlinkat, AT_FDCWD, path, 0));
}

std::vector<std::string> FilesIn(const std::string& directory) {
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

bool IsRemovedFile(const std::string& record) {
  const std::string name = fs::path(record).filename().string();
  return name.rfind(kRemovedPrefix, 0) == 0 && !EndsWith(name, ".path");
}

// The synced content with some of the blocks that were written later.
std::string Survivor(const std::string& synced, const std::string& written,
                     std::mt19937_64* random) {
  const uint64_t kind = (*random)() % 4;
  if (kind == 0) return synced;
  if (kind == 1) return written;
  std::string result = (*random)() % 2 == 0 ? synced : written;
  const size_t size = result.size();
  for (size_t at = 0; at < size; at += kBlock) {
    const std::string& from = (*random)() % 2 == 0 ? synced : written;
    if (at >= from.size()) continue;
    const size_t n = std::min({kBlock, from.size() - at, size - at});
    result.replace(at, n, from, at, n);
  }
  return result;
}

}  // namespace

void StartRecording(const std::string& records) {
  Recorder& recorder = TheRecorder();
  const std::lock_guard<std::mutex> lock(recorder.mutex);
  EndRemovals(records);
  recorder.records = records;
}

void RecordAsDurable(const std::string& directory, const std::string& records) {
  fs::remove_all(records);
  fs::create_directory(records);
  for (const std::string& path : FilesIn(directory)) {
    WriteWhole(RecordOf(records, InodeOf(path)), ReadWhole(path));
  }
}

void LosePower(const std::string& directory, const std::string& records,
               std::mt19937_64* random) {
  EndRemovals(records);
  for (const std::string& path : FilesIn(directory)) {
    if (EndsWith(path, "-shm")) {
      fs::remove(path);
      continue;
    }
    const std::string synced = ReadWhole(RecordOf(records, InodeOf(path)));
    const std::string survivor = Survivor(synced, ReadWhole(path), random);
    WriteWhole(path, survivor);
  }
  for (const std::string& kept : FilesIn(records)) {
    if (!IsRemovedFile(kept) || (*random)() % 2 == 0) continue;
    const std::string synced = ReadWhole(RecordOf(records, InodeOf(kept)));
    WriteWhole(ReadWhole(kept + ".path"),
               Survivor(synced, ReadWhole(kept), random));
  }
}

void CopyAfterPowerLoss(
    const std::string& directory, const std::string& records,
    const std::string& target,
    const std::function<Survives(const std::string& path)>& survives,
    std::mt19937_64* random) {
  fs::create_directory(target);
  const auto put = [&](const std::string& path, const std::string& file) {
    const fs::path to = target / fs::relative(path, directory);
    fs::create_directories(to.parent_path());
    const std::string written = ReadWhole(file);
    const Survives kind = survives(path);
    if (kind == Survives::kWritten) {
      WriteWhole(to, written);
      return;
    }
    const std::string synced = ReadWhole(RecordOf(records, InodeOf(file)));
    WriteWhole(to, kind == Survives::kSynced
                       ? synced
                       : Survivor(synced, written, random));
  };
  for (const std::string& path : FilesIn(directory)) {
    if (!EndsWith(path, "-shm")) put(path, path);
  }
  for (const std::string& kept : FilesIn(records)) {
    if (!IsRemovedFile(kept)) continue;
    const std::string path = ReadWhole(kept + ".path");
    const Survives kind = survives(path);
    if (kind == Survives::kWritten) continue;
    if (kind == Survives::kSome && (*random)() % 2 == 0) continue;
    put(path, kept);
  }
}

void SkipSyncs() { TheRecorder().skip_syncs = true; }

void SetBeforeChange(int (*observer)(const char* call)) {
  TheRecorder().before_change = observer;
}

}  // namespace nori

extern "C" {

__attribute__((visibility("default"))) int fsync(int fd) {
  return nori::Sync(SYS_fsync, fd);
}
__attribute__((visibility("default"))) int fdatasync(int fd) {
  return nori::Sync(SYS_fdatasync, fd);
}
__attribute__((visibility("default"))) int unlink(const char* path) noexcept {
  return nori::Unlink(path);
}
__attribute__((visibility("default"))) int rename(const char* from,
                                                  const char* to) noexcept {
  return nori::Rename(from, to);
}
__attribute__((visibility("default"))) ssize_t pwrite(int fd, const void* data,
                                                      size_t size,
                                                      off_t offset) {
  if (nori::IsRefused("pwrite")) return -1;
  return syscall(SYS_pwrite64, fd, data, size, offset);
}
__attribute__((visibility("default"))) ssize_t pwrite64(int fd,
                                                        const void* data,
                                                        size_t size,
                                                        off64_t offset) {
  if (nori::IsRefused("pwrite")) return -1;
  return syscall(SYS_pwrite64, fd, data, size, offset);
}
__attribute__((visibility("default"))) int ftruncate(int fd,
                                                     off_t size) noexcept {
  if (nori::IsRefused("ftruncate")) return -1;
  return static_cast<int>(syscall(SYS_ftruncate, fd, size));
}
__attribute__((visibility("default"))) int ftruncate64(int fd,
                                                       off64_t size) noexcept {
  if (nori::IsRefused("ftruncate")) return -1;
  return static_cast<int>(syscall(SYS_ftruncate, fd, size));
}
__attribute__((visibility("default"))) int link(const char* from,
                                                const char* to) noexcept {
  if (nori::IsRefused("link")) return -1;
  return static_cast<int>(syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0));
}
__attribute__((visibility("default"))) int mkdir(const char* path,
                                                 mode_t mode) noexcept {
  if (nori::IsRefused("mkdir")) return -1;
  return static_cast<int>(syscall(SYS_mkdirat, AT_FDCWD, path, mode));
}

}  // extern "C"
