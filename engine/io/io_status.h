// How a failure of a file operation becomes an absl::Status.

#ifndef NORI_ENGINE_IO_IO_STATUS_H_
#define NORI_ENGINE_IO_IO_STATUS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/status.h"

namespace nori {

// What was being done to a file. Every status made here carries it, so that a
// caller can choose an error code as fine as its own interface has.
enum class IoOperation : uint8_t {
  kOpen,    // opening an existing file
  kCreate,  // opening with creation
  kRead,
  kWrite,  // appending and writing in place
  kSync,   // fsync or fdatasync of a file
  kClose,
  kTruncate,
  kDelete,  // of a file or a directory
  kRename,
  kLink,
  kList,  // of a directory
  kStat,
  kSyncDirectory,
  kMakeDirectory,
  kLock,
};
inline constexpr size_t kIoOperationCount =
    static_cast<size_t>(IoOperation::kLock) + 1;

// A word for messages: "open", "create", "read", "write", "fsync", "close",
// "truncate", "delete", "rename", "link", "list", "stat", "fsync directory",
// "make directory", "lock".
std::string_view IoOperationName(IoOperation operation);

// The code for an errno: ENOSPC and EDQUOT kResourceExhausted; ENOENT and
// ENOTDIR kNotFound; EACCES, EPERM, EROFS and ELOOP (a symbolic link where
// none is followed) kPermissionDenied; EEXIST kAlreadyExists; ENOTEMPTY
// kFailedPrecondition; everything else kInternal.
absl::StatusCode CodeOfErrno(int error_number);

// A status for `operation` on `path` that failed with `error_number`.
absl::Status IoError(IoOperation operation, std::string_view path,
                     int error_number);

// The same with a code and a cause in words. REQUIRES: code is not kOk.
absl::Status IoError(IoOperation operation, std::string_view path,
                     absl::StatusCode code, std::string_view cause);

// kDataLoss: `got` of `wanted` bytes could be read at `offset`.
absl::Status ShortReadError(std::string_view path, uint64_t offset,
                            size_t wanted, size_t got);

// The operation that `status` tells of, or nullopt if it was not made here.
std::optional<IoOperation> IoOperationOf(const absl::Status& status);

}  // namespace nori

#endif  // NORI_ENGINE_IO_IO_STATUS_H_
