#include "engine/io/directories.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/format/status_macros.h"

namespace nori {

std::string ParentDirectory(const std::string& path) {
  const size_t end = path.find_last_not_of('/');
  const size_t slash =
      end == std::string::npos ? end : path.find_last_of('/', end);
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

absl::Status RemoveTree(FileSystem* files, const std::string& directory) {
  if (!files->Exists(directory)) return absl::OkStatus();
  NORI_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                        files->ListDirectory(directory));
  for (const std::string& name : names) {
    const std::string path = JoinPath(directory, name);
    NORI_ASSIGN_OR_RETURN(const bool is_directory, files->IsDirectory(path));
    NORI_RETURN_IF_ERROR(is_directory ? RemoveTree(files, path)
                                      : files->RemoveFile(path));
  }
  return files->RemoveDirectory(directory);
}

absl::Status RenameAside(FileSystem* files, const std::string& directory) {
  for (int i = 1;; ++i) {
    const std::string target = absl::StrCat(directory, ".old-", i);
    if (files->Exists(target)) continue;
    NORI_RETURN_IF_ERROR(files->RenameFile(directory, target));
    return files->SyncDirectory(ParentDirectory(directory));
  }
}

}  // namespace nori
