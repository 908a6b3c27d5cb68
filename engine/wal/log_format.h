// The bytes of a log segment. All integers are little-endian.
//
// Segment (file "NNNNNN.log", the number in decimal with at least 6 digits):
//   segment header, then records one behind the other from offset 64 on, each
//   starting at a multiple of 8. Behind the last record there are zeros, the
//   leftover of an earlier use of the file, or nothing.
//
// Segment header, 64 bytes:
//   offset size
//        0    8  magic "nori-wal"
//        8    4  format version, 1
//       12    4  zero
//       16    8  number of this segment
//       24    8  \ end of the log when this segment was started: number and
//       32    8  / offset. What lies beyond in that segment, and segments
//                  between it and this one, are not part of the log (a
//                  recovery has dropped them). Offset 0: the log starts here.
//       40    8  \ position known to be synced when this header was written:
//       48    8  / segment number and offset
//       56    8  XXH3 of bytes 0 to 55, seeded with Seed(number, 0)
//
// Record, 32 bytes of header, payload, zeros up to a multiple of 8:
//   offset size
//        0    8  XXH3 of the record from byte 8 on, padding included, seeded
//                with Seed(segment number, offset of the record)
//        8    4  payload bytes
//       12    4  tag 0x4352574e
//       16    8  \ position known to be synced when the record was written:
//       24    8  / segment number and offset, not above this record's own
//       32       payload
//
// Seed(segment, offset) = segment * 0x9e3779b97f4a7c15 + offset mod 2^64: a
// record verifies only at the place it was written for. A file is recycled only
// by the process that wrote it, which never uses a segment number twice, so
// nothing that is left in a recycled file verifies under its new number.
//
// A spare (file "NNNNNN.spare", numbered without relation to segments) has
// segment_bytes bytes of zeros or of an old segment. Spares do not survive
// the next LogWriter::Create.

#ifndef NORI_ENGINE_WAL_LOG_FORMAT_H_
#define NORI_ENGINE_WAL_LOG_FORMAT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/wal/log.h"

namespace nori {

inline constexpr uint32_t kLogFormatVersion = 1;
inline constexpr uint64_t kLogSegmentHeaderBytes = 64;
inline constexpr uint64_t kLogRecordHeaderBytes = 32;
inline constexpr uint64_t kMaxLogPayloadBytes = 0xffffffff;

struct LogSegmentHeader {
  uint32_t version = kLogFormatVersion;
  uint64_t number = 0;
  LogPosition previous_end;
  LogPosition synced;
};

// kLogSegmentHeaderBytes bytes.
std::string EncodeLogSegmentHeader(const LogSegmentHeader& header);
// Parses the front of segment `number`. nullopt if the bytes are too few, do
// not verify or belong to another segment. The version is not judged.
std::optional<LogSegmentHeader> DecodeLogSegmentHeader(std::string_view bytes,
                                                       uint64_t number);

// Bytes that a record takes, padding included.
inline constexpr uint64_t LogRecordBytes(uint64_t payload_bytes) {
  return (kLogRecordHeaderBytes + payload_bytes + 7) & ~uint64_t{7};
}

// Replaces *buffer by the record of the concatenated parts, to be written at
// `position`. REQUIRES: the parts have at most kMaxLogPayloadBytes together.
void EncodeLogRecord(LogPosition position, LogPosition synced,
                     const std::vector<std::string_view>& parts,
                     std::string* buffer);

struct LogRecordView {
  std::string_view payload;  // into the input
  LogPosition synced;
  uint64_t bytes = 0;  // on disk, padding included
};

// What the header of the record at `position` claims, without verifying it;
// nullopt if no record of at most `segment`'s rest can start there.
// `segment` is the whole segment.
std::optional<LogRecordView> PeekLogRecord(std::string_view segment,
                                           LogPosition position);
// As PeekLogRecord, but also verifies the checksum.
std::optional<LogRecordView> DecodeLogRecord(std::string_view segment,
                                             LogPosition position);

std::string LogSpareName(uint64_t number);
bool ParseLogSpareName(std::string_view name, uint64_t* number);

}  // namespace nori

#endif  // NORI_ENGINE_WAL_LOG_FORMAT_H_
