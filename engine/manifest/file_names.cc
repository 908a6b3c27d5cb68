#include <charconv>
#include <string>
#include <string_view>
#include <system_error>

#include "absl/strings/str_format.h"
#include "engine/manifest/manifest.h"

namespace nori {
namespace {

constexpr char kManifestPrefix[] = "MANIFEST-";
constexpr char kTableSuffix[] = ".sst";
constexpr std::string_view kLogSuffix = ".log";
constexpr std::string_view kTemporarySuffix = ".tmp";

// Six digits at least; more only without a leading zero, so that every number
// has one name.
bool ParseNumber(std::string_view digits, uint64_t* number) {
  if (digits.size() < 6 || (digits.size() > 6 && digits[0] == '0')) {
    return false;
  }
  const char* const end = digits.data() + digits.size();
  const auto [rest, error] = std::from_chars(digits.data(), end, *number);
  return error == std::errc() && rest == end;
}

bool ParseSuffixed(std::string_view name, std::string_view suffix,
                   uint64_t* number) {
  return name.ends_with(suffix) &&
         ParseNumber(name.substr(0, name.size() - suffix.size()), number);
}

}  // namespace

std::string ManifestFileName(uint64_t number) {
  return absl::StrFormat("%s%06d", kManifestPrefix, number);
}

std::string TableFileName(uint64_t number) {
  return absl::StrFormat("%06d%s", number, kTableSuffix);
}

FileType ParseFileName(std::string_view name, uint64_t* number) {
  *number = 0;
  if (name == kCurrentFileName) return FileType::kCurrent;
  if (name == kLockFileName) return FileType::kLock;
  if (name.ends_with(kTemporarySuffix)) return FileType::kTemporary;
  if (name.starts_with(kManifestPrefix) &&
      ParseNumber(name.substr(sizeof(kManifestPrefix) - 1), number)) {
    return FileType::kManifest;
  }
  if (ParseSuffixed(name, kTableSuffix, number)) return FileType::kTable;
  if (ParseSuffixed(name, kLogSuffix, number)) return FileType::kLogSegment;
  *number = 0;
  return FileType::kUnknown;
}

}  // namespace nori
