// What the module does with whole directories.

#ifndef NORI_VTAB_DIRECTORIES_H_
#define NORI_VTAB_DIRECTORIES_H_

#include <string>

#include "absl/status/status.h"
#include "engine/io/file_system.h"

namespace nori {

// The directory that `path` is in, "." if it names none.
std::string ParentDirectory(const std::string& path);

// Removes `directory` with all that is in it; OK if it is not there. Stops at
// the first error.
absl::Status RemoveTree(FileSystem* files, const std::string& directory);

}  // namespace nori

#endif  // NORI_VTAB_DIRECTORIES_H_
