#include "sqlite_vfs/marker_file.h"

#include <memory>
#include <string_view>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "engine/format/status_macros.h"
#include "engine/io/directories.h"

namespace nori {
namespace {

constexpr std::string_view kFirstLine = "nori database, format 1\n";
constexpr std::string_view kIdentityLine = "identity: ";
constexpr size_t kIdentityDigits = 32;
// Below the smallest page of SQLite's, so that no database is taken for one.
constexpr uint64_t kMaxMarkerBytes = 511;

}  // namespace

absl::StatusOr<std::optional<std::string>> ReadMarker(FileSystem* files,
                                                      const std::string& path) {
  if (!files->Exists(path)) return std::nullopt;
  NORI_ASSIGN_OR_RETURN(const uint64_t size, files->FileSize(path));
  if (size == 0) return std::nullopt;
  const absl::Status other = absl::FailedPreconditionError(absl::StrCat(
      path,
      " is not a database of vfs=nori; if it is an ordinary one, open it "
      "without vfs=nori (in ATTACH: with vfs=unix)"));
  if (size > kMaxMarkerBytes) return other;
  NORI_ASSIGN_OR_RETURN(const std::string text, files->ReadFile(path));
  if (!std::string_view(text).starts_with(kFirstLine)) return other;
  const size_t at = text.find(kIdentityLine.data(), 0, kIdentityLine.size());
  if (at == std::string::npos) return other;
  const std::string digits =
      text.substr(at + kIdentityLine.size(), kIdentityDigits);
  if (digits.size() != kIdentityDigits) return other;
  if (digits.find_first_not_of("0123456789abcdef") != std::string::npos) {
    return other;
  }
  return absl::HexStringToBytes(digits);
}

absl::Status WriteMarker(FileSystem* files, const std::string& path,
                         const std::string& identity) {
  const std::string temporary = path + "-nori.new";
  NORI_ASSIGN_OR_RETURN(const std::unique_ptr<WritableFile> file,
                        files->CreateWritable(temporary));
  NORI_RETURN_IF_ERROR(file->Append(
      absl::StrCat(std::string(kFirstLine), std::string(kIdentityLine),
                   absl::BytesToHexString(identity), "\n",
                   "The content is in the directory of this file's name with "
                   "-nori behind it.\nLoad nori_lsm and open "
                   "'file:NAME?vfs=nori'. Copy both, or neither.\n")));
  NORI_RETURN_IF_ERROR(file->Sync());
  NORI_RETURN_IF_ERROR(file->Close());
  NORI_RETURN_IF_ERROR(files->RenameFile(temporary, path));
  return files->SyncDirectory(ParentDirectory(path));
}

}  // namespace nori
