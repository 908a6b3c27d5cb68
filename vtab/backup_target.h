// Where a backup goes: a database file with its engine directory, put there as
// a whole.
//
// The two have no common rename. Everything is made in "<file>-nori.next", the
// database file too, and each backup's engine has an identity of its own, which
// its file names. Moving the file out to its place is what counts: before it an
// earlier backup stays as it was, and after it FinishBackup, which runs before
// an engine is opened, too, moves the directory. No mixture of two backups is
// ever opened: file and directory name different engines.

#ifndef NORI_VTAB_BACKUP_TARGET_H_
#define NORI_VTAB_BACKUP_TARGET_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/io/file_system.h"

namespace nori {

// Not thread-safe. What is unfinished is removed with it.
class BackupTarget {
 public:
  // `path`: of the database file to be. `source`: that of the database that is
  // copied, or empty. Refuses what is there and is no earlier backup
  // (kAlreadyExists), the source itself (kInvalidArgument), and a place where
  // another backup is being made, or that is in use (kUnavailable).
  static absl::StatusOr<std::unique_ptr<BackupTarget>> Prepare(
      FileSystem* files, const std::string& path, const std::string& source);
  // For a copy whose file is written in its place by somebody else: only the
  // directory is put there. What it replaces is not asked for.
  static absl::StatusOr<std::unique_ptr<BackupTarget>> PrepareBeside(
      FileSystem* files, const std::string& path);
  // As PrepareBeside, where the directory that is there is in use by the
  // caller.
  static absl::StatusOr<std::unique_ptr<BackupTarget>> PrepareNext(
      FileSystem* files, const std::string& path);
  // For a file by itself, without a directory: only one that is empty may be
  // there (else kAlreadyExists), and no directory.
  static absl::StatusOr<std::unique_ptr<BackupTarget>> PrepareAlone(
      FileSystem* files, const std::string& path);
  ~BackupTarget();
  BackupTarget(const BackupTarget&) = delete;
  BackupTarget& operator=(const BackupTarget&) = delete;

  const std::string& path() const { return path_; }
  // The directory to build the engine in, which holds a lock and no more.
  const std::string& new_directory() const { return next_; }
  // Where the database file is to be made.
  std::string new_file() const;
  // The directory of the earlier backup; may not exist.
  const std::string& old_directory() const { return directory_; }
  // Whether a database file is to be replaced. It must be kept from being used
  // from before Publish until after it.
  bool replaces() const { return files_->Exists(path_); }

  // Makes what was built the backup. On success all of it is durable. On an
  // error the earlier one is as it was, or the new one is complete and will be
  // moved by the next FinishBackup.
  absl::Status Publish();

  // The two halves of it after PrepareBeside: before the file names the new
  // engine, after which FinishBackup can do the rest, and when it is committed.
  absl::Status MakeReady();
  absl::Status PublishDirectory();
  // Leaves the second half to FinishBackup.
  void LeaveReady() { file_moved_ = true; }

  // After PrepareAlone: puts the file there, durably. On an error nothing is
  // there, or all of it.
  absl::Status PublishFile();

 private:
  BackupTarget(FileSystem* files, std::string path);
  absl::Status CheckReplaceable(const std::string& source) const;
  absl::Status CheckSource(const std::string& source) const;
  absl::Status CheckNoCompanions() const;
  absl::Status Lock();
  absl::Status LockNext();

  FileSystem* const files_;
  const std::string path_;
  const std::string directory_;
  const std::string next_;
  std::unique_ptr<DirectoryLock> lock_;      // of next_
  std::unique_ptr<DirectoryLock> old_lock_;  // of directory_
  bool file_moved_ = false;
};

// Moves the engine directory of a backup whose database file, at `path`, names
// the engine `identity`, should that have been interrupted. OK if there is
// nothing to do. kUnavailable: somebody is about to do it.
absl::Status FinishBackup(FileSystem* files, const std::string& path,
                          const std::string& identity);

}  // namespace nori

#endif  // NORI_VTAB_BACKUP_TARGET_H_
