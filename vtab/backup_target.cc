#include "vtab/backup_target.h"

#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "engine/engine.h"
#include "engine/format/status_macros.h"
#include "engine/io/directories.h"

namespace nori {
namespace {

// In a directory that a backup has made and that another may replace.
constexpr char kMarkerName[] = "BACKUP";
constexpr char kLockName[] = "LOCK";
constexpr char kFileName[] = "database";
constexpr const char* kCompanions[] = {"-wal", "-shm", "-journal"};

std::string DirectoryFor(const std::string& path) { return path + "-nori"; }
std::string NextFor(const std::string& path) { return path + "-nori.next"; }
std::string PreviousFor(const std::string& path) { return path + "-nori.prev"; }

// From the database file in its place to the directory in its.
absl::Status MoveDirectory(FileSystem* files, const std::string& path) {
  const std::string directory = DirectoryFor(path);
  const std::string previous = PreviousFor(path);
  const std::string parent = ParentDirectory(path);
  if (files->Exists(directory)) {
    NORI_RETURN_IF_ERROR(RemoveTree(files, previous));
    NORI_RETURN_IF_ERROR(files->RenameFile(directory, previous));
  }
  NORI_RETURN_IF_ERROR(files->RenameFile(NextFor(path), directory));
  NORI_RETURN_IF_ERROR(files->SyncDirectory(parent));
  return RemoveTree(files, previous);
}

absl::Status WriteMarker(FileSystem* files, const std::string& directory) {
  NORI_ASSIGN_OR_RETURN(
      const auto file, files->CreateWritable(JoinPath(directory, kMarkerName)));
  NORI_RETURN_IF_ERROR(file->Append("made by nori_backup\n"));
  NORI_RETURN_IF_ERROR(file->Sync());
  return file->Close();
}

}  // namespace

BackupTarget::BackupTarget(FileSystem* files, std::string path)
    : files_(files),
      path_(std::move(path)),
      directory_(DirectoryFor(path_)),
      next_(NextFor(path_)) {}

BackupTarget::~BackupTarget() {
  if (lock_ == nullptr || file_moved_) return;
  // What cannot be removed is removed by the next backup to this place.
  RemoveTree(files_, next_).IgnoreError();
}

std::string BackupTarget::new_file() const {
  return JoinPath(next_, kFileName);
}

absl::Status BackupTarget::CheckSource(const std::string& source) const {
  if (source.empty() || !files_->Exists(path_)) return absl::OkStatus();
  NORI_ASSIGN_OR_RETURN(const FileIdentity own, files_->Identity(path_));
  NORI_ASSIGN_OR_RETURN(const FileIdentity other, files_->Identity(source));
  if (!(own == other)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(path_, " is the database itself"));
}

absl::Status BackupTarget::CheckReplaceable(const std::string& source) const {
  NORI_RETURN_IF_ERROR(CheckSource(source));
  for (const std::string& there : {path_, directory_}) {
    if (!files_->Exists(there)) continue;
    NORI_ASSIGN_OR_RETURN(const bool is_directory, files_->IsDirectory(there));
    if (is_directory == (there == directory_) &&
        files_->Exists(JoinPath(directory_, kMarkerName))) {
      continue;
    }
    return absl::AlreadyExistsError(absl::StrCat(
        there,
        " is there and was not made by nori_backup; remove it first, or "
        "give another name"));
  }
  if (files_->Exists(path_)) return absl::OkStatus();
  return CheckNoCompanions();
}

absl::Status BackupTarget::CheckNoCompanions() const {
  for (const char* suffix : kCompanions) {
    if (!files_->Exists(path_ + suffix)) continue;
    return absl::AlreadyExistsError(
        absl::StrCat(path_, suffix,
                     " is there and would be taken for a part of the copy; "
                     "remove it first, or give another name"));
  }
  return absl::OkStatus();
}

absl::Status BackupTarget::LockNext() {
  NORI_RETURN_IF_ERROR(files_->CreateDirectory(next_));
  auto lock = files_->LockDirectory(JoinPath(next_, kLockName));
  if (absl::IsUnavailable(lock.status())) {
    return absl::UnavailableError(
        absl::StrCat("another backup to ", path_, " is being made"));
  }
  NORI_RETURN_IF_ERROR(lock.status());
  lock_ = *std::move(lock);
  // What an interrupted backup has left.
  NORI_ASSIGN_OR_RETURN(const auto names, files_->ListDirectory(next_));
  for (const std::string& name : names) {
    if (name == kLockName) continue;
    NORI_RETURN_IF_ERROR(files_->RemoveFile(JoinPath(next_, name)));
  }
  return absl::OkStatus();
}

absl::Status BackupTarget::Lock() {
  NORI_RETURN_IF_ERROR(LockNext());
  if (!files_->Exists(directory_)) return absl::OkStatus();
  auto old_lock = files_->LockDirectory(JoinPath(directory_, kLockName));
  if (absl::IsUnavailable(old_lock.status())) {
    return absl::UnavailableError(
        absl::StrCat("the earlier backup ", path_, " is in use"));
  }
  NORI_RETURN_IF_ERROR(old_lock.status());
  old_lock_ = *std::move(old_lock);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<BackupTarget>> BackupTarget::Prepare(
    FileSystem* files, const std::string& path, const std::string& source) {
  auto target = absl::WrapUnique(new BackupTarget(files, path));
  NORI_RETURN_IF_ERROR(target->CheckReplaceable(source));
  NORI_RETURN_IF_ERROR(target->Lock());
  return target;
}

absl::StatusOr<std::unique_ptr<BackupTarget>> BackupTarget::PrepareBeside(
    FileSystem* files, const std::string& path) {
  auto target = absl::WrapUnique(new BackupTarget(files, path));
  NORI_RETURN_IF_ERROR(target->Lock());
  return target;
}

absl::StatusOr<std::unique_ptr<BackupTarget>> BackupTarget::PrepareNext(
    FileSystem* files, const std::string& path) {
  auto target = absl::WrapUnique(new BackupTarget(files, path));
  NORI_RETURN_IF_ERROR(target->LockNext());
  return target;
}

absl::StatusOr<std::unique_ptr<BackupTarget>> BackupTarget::PrepareAlone(
    FileSystem* files, const std::string& path) {
  auto target = absl::WrapUnique(new BackupTarget(files, path));
  for (const std::string& there : {path, target->directory_}) {
    if (!files->Exists(there)) continue;
    if (there == path) {
      NORI_ASSIGN_OR_RETURN(const bool is_directory, files->IsDirectory(path));
      if (!is_directory) {
        NORI_ASSIGN_OR_RETURN(const uint64_t size, files->FileSize(path));
        if (size == 0) continue;
      }
    }
    return absl::AlreadyExistsError(absl::StrCat(
        there, " is there already; remove it first, or give another name"));
  }
  NORI_RETURN_IF_ERROR(target->CheckNoCompanions());
  NORI_RETURN_IF_ERROR(target->Lock());
  return target;
}

absl::Status BackupTarget::PublishFile() {
  NORI_RETURN_IF_ERROR(files_->RenameFile(new_file(), path_));
  return files_->SyncDirectory(ParentDirectory(path_));
}

absl::Status BackupTarget::MakeReady() {
  NORI_RETURN_IF_ERROR(WriteMarker(files_, next_));
  NORI_RETURN_IF_ERROR(files_->SyncDirectory(next_));
  return files_->SyncDirectory(ParentDirectory(path_));
}

absl::Status BackupTarget::PublishDirectory() {
  file_moved_ = true;
  return MoveDirectory(files_, path_);
}

absl::Status BackupTarget::Publish() {
  NORI_RETURN_IF_ERROR(MakeReady());
  NORI_RETURN_IF_ERROR(files_->RenameFile(new_file(), path_));
  file_moved_ = true;
  NORI_RETURN_IF_ERROR(files_->SyncDirectory(ParentDirectory(path_)));
  return MoveDirectory(files_, path_);
}

absl::Status FinishBackup(FileSystem* files, const std::string& path,
                          const std::string& identity) {
  const std::string next = NextFor(path);
  if (!files->Exists(JoinPath(next, kMarkerName))) return absl::OkStatus();
  auto lock = files->LockDirectory(JoinPath(next, kLockName));
  NORI_RETURN_IF_ERROR(lock.status());
  const auto found = Engine::ReadIdentity(files, next);
  if (!found.ok() || *found != identity) return absl::OkStatus();
  std::unique_ptr<DirectoryLock> old_lock;
  if (files->Exists(DirectoryFor(path))) {
    NORI_ASSIGN_OR_RETURN(old_lock, files->LockDirectory(JoinPath(
                                        DirectoryFor(path), kLockName)));
  }
  return MoveDirectory(files, path);
}

}  // namespace nori
