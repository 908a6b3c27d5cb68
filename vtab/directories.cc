#include "vtab/directories.h"

#include <vector>

#include "engine/format/status_macros.h"

namespace nori {

std::string ParentDirectory(const std::string& path) {
  const size_t slash = path.find_last_of('/');
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

}  // namespace nori
