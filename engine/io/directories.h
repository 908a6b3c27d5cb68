// What is done with whole directories.

#ifndef NORI_ENGINE_IO_DIRECTORIES_H_
#define NORI_ENGINE_IO_DIRECTORIES_H_

#include <string>

#include "absl/status/status.h"
#include "engine/io/file_system.h"

namespace nori {

// The directory that `path`, which may end with slashes, is in; "." if it names
// none.
std::string ParentDirectory(const std::string& path);

// Removes `directory` with all that is in it; OK if it is not there. Stops at
// the first error.
absl::Status RemoveTree(FileSystem* files, const std::string& directory);

// Renames `directory` durably to the first of "<directory>.old-1", -2, ... that
// is free. Of two callers at once for one directory one gets an error.
absl::Status RenameAside(FileSystem* files, const std::string& directory);

}  // namespace nori

#endif  // NORI_ENGINE_IO_DIRECTORIES_H_
