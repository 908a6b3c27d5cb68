#include "sqlite_vfs/status_code.h"

#include "sqlite_vfs/sqlite.h"

namespace nori {

std::optional<int> SqliteCodeOf(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return SQLITE_OK;
    case absl::StatusCode::kUnavailable:
      return SQLITE_BUSY;
    case absl::StatusCode::kAborted:
      return SQLITE_BUSY_SNAPSHOT;
    case absl::StatusCode::kResourceExhausted:
      return SQLITE_FULL;
    case absl::StatusCode::kDataLoss:
      return SQLITE_CORRUPT;
    default:
      return std::nullopt;
  }
}

}  // namespace nori
