// The codes of SQLite's that say the same of a nori table and of a database
// file in the VFS.

#ifndef NORI_SQLITE_VFS_STATUS_CODE_H_
#define NORI_SQLITE_VFS_STATUS_CODE_H_

#include <optional>

#include "absl/status/status.h"

namespace nori {

// Nullopt: it depends on what was asked for.
std::optional<int> SqliteCodeOf(absl::StatusCode code);

}  // namespace nori

#endif  // NORI_SQLITE_VFS_STATUS_CODE_H_
