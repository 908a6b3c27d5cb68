#include "engine/manifest/edit_log.h"

#include <cassert>
#include <limits>

#include "absl/strings/str_cat.h"
#include "engine/format/checksum.h"
#include "engine/format/coding.h"
#include "engine/format/status_macros.h"
#include "engine/manifest/manifest.h"

namespace nori {
namespace {

constexpr std::string_view kMagic = "NORIMANI";
static_assert(kMagic.size() == 8);

// Multiplying by an odd constant keeps (number, offset) pairs apart.
uint64_t PlaceSeed(uint64_t number, uint64_t offset) {
  return number * 0x9e3779b97f4a7c15ull + offset;
}

uint32_t LengthChecksum(std::string_view length, uint64_t seed) {
  return static_cast<uint32_t>(Checksum(length, ~seed));
}

absl::Status Damage(const std::string& path, uint64_t offset,
                    const std::string& what) {
  return absl::DataLossError(
      absl::StrCat(path, ": ", what, " at offset ", offset));
}

enum class RecordState {
  kGood,
  kNoLength,    // not even the length can be trusted
  kBadPayload,  // payload is all there, but wrong
  kBeyondEnd,   // the file ends inside the payload
};

RecordState ParseRecord(std::string_view contents, uint64_t number,
                        uint64_t offset, std::string_view* payload) {
  const std::string_view rest = contents.substr(offset);
  if (rest.size() < kEditRecordHeaderBytes) return RecordState::kNoLength;
  const uint64_t seed = PlaceSeed(number, offset);
  const auto length = DecodeFixed<uint32_t>(rest.data());
  if (length == 0 || DecodeFixed<uint32_t>(rest.data() + 4) !=
                         LengthChecksum(rest.substr(0, 4), seed)) {
    return RecordState::kNoLength;
  }
  if (length > rest.size() - kEditRecordHeaderBytes) {
    return RecordState::kBeyondEnd;
  }
  *payload = rest.substr(kEditRecordHeaderBytes, length);
  return DecodeFixed<uint64_t>(rest.data() + 8) == Checksum(*payload, seed)
             ? RecordState::kGood
             : RecordState::kBadPayload;
}

// Whether the bad record at `offset` can be one that was never acknowledged.
bool IsTornTail(std::string_view contents, uint64_t number, uint64_t offset,
                RecordState state, std::string_view payload) {
  // A record is written only after the one before it was synced: bytes after
  // a whole record prove that it was good once.
  if (state == RecordState::kBadPayload) {
    return payload.data() + payload.size() == contents.data() + contents.size();
  }
  if (state == RecordState::kBeyondEnd) return true;
  for (uint64_t at = offset + 1; at < contents.size(); ++at) {
    std::string_view later;
    if (ParseRecord(contents, number, at, &later) == RecordState::kGood) {
      return false;
    }
  }
  return true;
}

absl::Status CheckHeader(std::string_view contents, uint64_t number,
                         const std::string& path) {
  if (contents.size() < kEditLogHeaderBytes ||
      contents.substr(0, kMagic.size()) != kMagic ||
      DecodeFixed<uint64_t>(contents.data() + 24) !=
          Checksum(contents.substr(0, 24))) {
    return Damage(path, 0, "this is not the header of a manifest");
  }
  const auto version = DecodeFixed<uint32_t>(contents.data() + 8);
  if (version > kFormatVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": written in format version ", version,
                     ", this program reads up to ", kFormatVersion,
                     ": open it with a newer program"));
  }
  if (version == 0) return Damage(path, 8, "impossible format version");
  const auto own_number = DecodeFixed<uint64_t>(contents.data() + 16);
  if (own_number != number) {
    return Damage(path, 16,
                  absl::StrCat("this is manifest ", own_number,
                               " under another name: file number"));
  }
  return absl::OkStatus();
}

}  // namespace

std::string EditLogHeader(uint64_t number) {
  std::string header(kMagic);
  PutFixed32(&header, kFormatVersion);
  PutFixed32(&header, 0);
  PutFixed64(&header, number);
  PutFixed64(&header, Checksum(header));
  return header;
}

void AppendEditRecord(uint64_t number, uint64_t offset,
                      std::string_view payload, std::string* dst) {
  assert(!payload.empty());
  assert(payload.size() <= std::numeric_limits<uint32_t>::max());
  const uint64_t seed = PlaceSeed(number, offset);
  std::string length;
  PutFixed32(&length, static_cast<uint32_t>(payload.size()));
  dst->append(length);
  PutFixed32(dst, LengthChecksum(length, seed));
  PutFixed64(dst, Checksum(payload, seed));
  dst->append(payload);
}

absl::StatusOr<uint64_t> ReadEditLog(
    std::string_view contents, uint64_t number, const std::string& path,
    const std::function<absl::Status(std::string_view payload,
                                     uint64_t offset)>& visit) {
  NORI_RETURN_IF_ERROR(CheckHeader(contents, number, path));
  uint64_t offset = kEditLogHeaderBytes;
  do {
    std::string_view payload;
    const RecordState state = ParseRecord(contents, number, offset, &payload);
    if (state != RecordState::kGood) {
      if (offset == kEditLogHeaderBytes ||
          !IsTornTail(contents, number, offset, state, payload)) {
        return Damage(path, offset, "damaged record");
      }
      return contents.size() - offset;
    }
    NORI_RETURN_IF_ERROR(visit(payload, offset));
    offset += kEditRecordHeaderBytes + payload.size();
  } while (offset < contents.size());
  return 0;
}

}  // namespace nori
