// The small file that stands for a database whose pages are in an engine: it
// says how to open it and which engine it belongs to.

#ifndef NORI_SQLITE_VFS_MARKER_FILE_H_
#define NORI_SQLITE_VFS_MARKER_FILE_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/io/file_system.h"

namespace nori {

// The engine's identity (16 bytes) that the marker `path` names; nullopt if
// there is no file or an empty one. kFailedPrecondition: it is something else.
// A file that may be an ordinary database is judged by its size and never
// opened: closing it would drop this process's locks on it.
absl::StatusOr<std::optional<std::string>> ReadMarker(FileSystem* files,
                                                      const std::string& path);

// Writes the marker, durably and at once as a whole.
absl::Status WriteMarker(FileSystem* files, const std::string& path,
                         const std::string& identity);

}  // namespace nori

#endif  // NORI_SQLITE_VFS_MARKER_FILE_H_
