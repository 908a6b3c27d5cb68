#include "engine/io/io_status.h"

#include <array>
#include <cassert>
#include <cerrno>
#include <string>
#include <system_error>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "engine/format/absl_view.h"

namespace nori {
namespace {

constexpr absl::string_view kOperationPayload = "nori/io-operation";

constexpr std::array<std::string_view, kIoOperationCount> kNames = {
    "open",
    "create",
    "read",
    "write",
    "fsync",
    "close",
    "truncate",
    "delete",
    "rename",
    "link",
    "list",
    "stat",
    "fsync directory",
    "make directory",
    "lock"};

}  // namespace

std::string_view IoOperationName(IoOperation operation) {
  return kNames[static_cast<size_t>(operation)];
}

absl::StatusCode CodeOfErrno(int error_number) {
  switch (error_number) {
    case ENOSPC:
    case EDQUOT:
      return absl::StatusCode::kResourceExhausted;
    case ENOENT:
    case ENOTDIR:
      return absl::StatusCode::kNotFound;
    case EACCES:
    case EPERM:
    case EROFS:
    case ELOOP:
      return absl::StatusCode::kPermissionDenied;
    case EEXIST:
      return absl::StatusCode::kAlreadyExists;
    case ENOTEMPTY:
      return absl::StatusCode::kFailedPrecondition;
    default:
      return absl::StatusCode::kInternal;
  }
}

absl::Status IoError(IoOperation operation, std::string_view path,
                     int error_number) {
  return IoError(operation, path, CodeOfErrno(error_number),
                 std::generic_category().message(error_number));
}

absl::Status IoError(IoOperation operation, std::string_view path,
                     absl::StatusCode code, std::string_view cause) {
  assert(code != absl::StatusCode::kOk);
  const std::string_view name = IoOperationName(operation);
  absl::Status status(code, absl::StrCat(AbslView(name), " '", AbslView(path),
                                         "': ", AbslView(cause)));
  status.SetPayload(kOperationPayload, absl::Cord(AbslView(name)));
  return status;
}

absl::Status ShortReadError(std::string_view path, uint64_t offset,
                            size_t wanted, size_t got) {
  return IoError(IoOperation::kRead, path, absl::StatusCode::kDataLoss,
                 absl::StrCat("wanted ", wanted, " bytes at offset ", offset,
                              ", the file ends after ", got, " of them"));
}

std::optional<IoOperation> IoOperationOf(const absl::Status& status) {
  const absl::optional<absl::Cord> payload =
      status.GetPayload(kOperationPayload);
  if (!payload.has_value()) return std::nullopt;
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (*payload == AbslView(kNames[i])) return static_cast<IoOperation>(i);
  }
  return std::nullopt;
}

}  // namespace nori
