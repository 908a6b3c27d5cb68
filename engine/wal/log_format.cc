#include "engine/wal/log_format.h"

#include <cassert>
#include <cstring>

#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "engine/format/checksum.h"
#include "engine/format/coding.h"

namespace nori {
namespace {

constexpr std::string_view kMagic = "nori-wal";
constexpr uint32_t kRecordTag = 0x4352574e;
constexpr std::string_view kSegmentSuffix = ".log";
constexpr std::string_view kSpareSuffix = ".spare";
constexpr size_t kMinNumberDigits = 6;

uint64_t Seed(LogPosition position) {
  return position.segment * 0x9e3779b97f4a7c15 + position.offset;
}

void PutPosition(std::string* dst, LogPosition position) {
  PutFixed64(dst, position.segment);
  PutFixed64(dst, position.offset);
}

LogPosition DecodePosition(const char* p) {
  return {DecodeFixed<uint64_t>(p), DecodeFixed<uint64_t>(p + 8)};
}

// Accepts exactly what the naming functions produce, so that no two names
// stand for one number.
bool ParseNumbered(std::string_view name, std::string_view suffix,
                   uint64_t* number) {
  if (!name.ends_with(suffix)) return false;
  name.remove_suffix(suffix.size());
  if (name.size() < kMinNumberDigits) return false;
  if (name.size() > kMinNumberDigits && name[0] == '0') return false;
  if (name.find_first_not_of("0123456789") != name.npos) return false;
  return absl::SimpleAtoi(absl::string_view(name.data(), name.size()), number);
}

}  // namespace

std::string LogSegmentName(uint64_t number) {
  return absl::StrFormat("%06u.log", number);
}

bool ParseLogSegmentName(std::string_view name, uint64_t* number) {
  return ParseNumbered(name, kSegmentSuffix, number);
}

std::string LogSpareName(uint64_t number) {
  return absl::StrFormat("%06u.spare", number);
}

bool ParseLogSpareName(std::string_view name, uint64_t* number) {
  return ParseNumbered(name, kSpareSuffix, number);
}

std::string EncodeLogSegmentHeader(const LogSegmentHeader& header) {
  std::string result(kMagic);
  PutFixed32(&result, header.version);
  PutFixed32(&result, 0);
  PutFixed64(&result, header.number);
  PutPosition(&result, header.previous_end);
  PutPosition(&result, header.synced);
  PutFixed64(&result, Checksum(result, Seed({header.number, 0})));
  assert(result.size() == kLogSegmentHeaderBytes);
  return result;
}

std::optional<LogSegmentHeader> DecodeLogSegmentHeader(std::string_view bytes,
                                                       uint64_t number) {
  if (bytes.size() < kLogSegmentHeaderBytes) return std::nullopt;
  const std::string_view covered = bytes.substr(0, kLogSegmentHeaderBytes - 8);
  const char* p = bytes.data();
  if (!bytes.starts_with(kMagic) || DecodeFixed<uint64_t>(p + covered.size()) !=
                                        Checksum(covered, Seed({number, 0}))) {
    return std::nullopt;
  }
  LogSegmentHeader header;
  header.version = DecodeFixed<uint32_t>(p + 8);
  header.number = DecodeFixed<uint64_t>(p + 16);
  header.previous_end = DecodePosition(p + 24);
  header.synced = DecodePosition(p + 40);
  if (header.number != number || header.previous_end.segment > number) {
    return std::nullopt;
  }
  return header;
}

void EncodeLogRecord(LogPosition position, LogPosition synced,
                     const std::vector<std::string_view>& parts,
                     std::string* buffer) {
  assert(position.offset % 8 == 0 && synced <= position);
  size_t payload_bytes = 0;
  for (std::string_view part : parts) payload_bytes += part.size();
  assert(payload_bytes <= kMaxLogPayloadBytes);
  const size_t bytes = LogRecordBytes(payload_bytes);
  buffer->clear();
  buffer->reserve(bytes);
  PutFixed64(buffer, 0);
  PutFixed32(buffer, static_cast<uint32_t>(payload_bytes));
  PutFixed32(buffer, kRecordTag);
  PutPosition(buffer, synced);
  for (std::string_view part : parts) buffer->append(part);
  buffer->resize(bytes, '\0');
  EncodeFixed(buffer->data(),
              Checksum(std::string_view(*buffer).substr(8), Seed(position)));
}

std::optional<LogRecordView> PeekLogRecord(std::string_view segment,
                                           LogPosition position) {
  if (position.offset > segment.size()) return std::nullopt;
  const std::string_view rest = segment.substr(position.offset);
  if (rest.size() < kLogRecordHeaderBytes) return std::nullopt;
  const char* p = rest.data();
  if (DecodeFixed<uint32_t>(p + 12) != kRecordTag) return std::nullopt;
  const uint64_t payload_bytes = DecodeFixed<uint32_t>(p + 8);
  LogRecordView record;
  record.bytes = LogRecordBytes(payload_bytes);
  record.synced = DecodePosition(p + 16);
  if (record.bytes > rest.size() || record.synced > position) {
    return std::nullopt;
  }
  record.payload = rest.substr(kLogRecordHeaderBytes, payload_bytes);
  return record;
}

std::optional<LogRecordView> DecodeLogRecord(std::string_view segment,
                                             LogPosition position) {
  std::optional<LogRecordView> record = PeekLogRecord(segment, position);
  if (!record.has_value()) return std::nullopt;
  const std::string_view bytes = segment.substr(position.offset, record->bytes);
  if (DecodeFixed<uint64_t>(bytes.data()) !=
      Checksum(bytes.substr(8), Seed(position))) {
    return std::nullopt;
  }
  return record;
}

}  // namespace nori
