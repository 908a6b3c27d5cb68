// Files in memory, with simulated kills and power losses.

#ifndef NORI_ENGINE_IO_MEMORY_FILE_SYSTEM_H_
#define NORI_ENGINE_IO_MEMORY_FILE_SYSTEM_H_

#include <memory>
#include <string>
#include <vector>

#include "engine/io/clock.h"
#include "engine/io/file_system.h"
#include "engine/io/memory_node.h"

namespace nori {

// Has the semantics of a POSIX file system: hard links, renames that replace,
// files that live without a name while they are open, directories that must
// exist. The root directory "/" is there from the start; relative paths begin
// at it, and "." and ".." are resolved in the text of the path. File objects
// may outlive the file system.
//
// It remembers which writes were synced (Sync of a file) and which names
// (SyncDirectory of a directory), so that it can lose the others. What a
// crash may leave is what POSIX permits, not what one file system does:
//
// - Writes and truncations since a file's last Sync are lost or kept in units
//   of sectors of 512 bytes. A sector is found as it was after any one of the
//   writes to it. The file may have its new size without the data, which then
//   reads as zeros; or a prefix of the writes, the last one torn at any byte.
// - Creations, links, renames and removals of names since the last
//   SyncDirectory are lost or kept each by itself. A rename is one: both of its
//   names change or neither.
//
// Thread-safe.
class MemoryFileSystem final : public FileSystem {
 public:
  MemoryFileSystem();
  ~MemoryFileSystem() override;

  // Each of these ends the life of every user of the file system: locks are
  // gone, and file objects that are still open keep working on files that
  // nobody can find any more. Users that act on paths must have been stopped;
  // to crash under running users, crash a clone. Afterwards all there is
  // counts as synced.
  //
  // Power loss; what was not synced survives as `random` decides.
  void Crash(Random* random);
  // Power loss; nothing survives that was not synced.
  void CrashDroppingUnsynced();
  // The process is killed: all that reached the file system survives. (Buffers
  // of WritableFiles have not.)
  void Kill();

  // An independent copy of the state at one point in time, unsynced writes
  // included, without locks and open files. Costs nothing per byte until
  // either side writes.
  std::unique_ptr<MemoryFileSystem> Clone() const;

  absl::StatusOr<std::unique_ptr<RandomAccessFile>> OpenRandomAccess(
      const std::string& path) override;
  absl::StatusOr<std::unique_ptr<WritableFile>> CreateWritable(
      const std::string& path) override;
  absl::StatusOr<std::unique_ptr<ReadWriteFile>> OpenReadWrite(
      const std::string& path, bool create) override;
  absl::StatusOr<std::string> ReadFile(const std::string& path) override;
  absl::Status CreateDirectory(const std::string& path) override;
  absl::Status RemoveDirectory(const std::string& path) override;
  absl::StatusOr<std::vector<std::string>> ListDirectory(
      const std::string& path) override;
  bool Exists(const std::string& path) override;
  absl::StatusOr<bool> IsDirectory(const std::string& path) override;
  absl::StatusOr<uint64_t> FileSize(const std::string& path) override;
  absl::StatusOr<FileIdentity> Identity(const std::string& path) override;
  absl::Status RemoveFile(const std::string& path) override;
  absl::Status RenameFile(const std::string& from,
                          const std::string& to) override;
  absl::Status LinkFile(const std::string& from,
                        const std::string& to) override;
  absl::Status SyncDirectory(const std::string& path) override;
  absl::StatusOr<std::unique_ptr<DirectoryLock>> LockDirectory(
      const std::string& path) override;

 private:
  explicit MemoryFileSystem(std::shared_ptr<MemoryDisk> disk);

  void Lose(CrashMode mode, Random* random);

  // Shared with the open files.
  const std::shared_ptr<MemoryDisk> disk_;
};

}  // namespace nori

#endif  // NORI_ENGINE_IO_MEMORY_FILE_SYSTEM_H_
