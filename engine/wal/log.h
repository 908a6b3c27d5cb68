// The write-ahead log: numbered segment files of checksummed records.
//
// A record is opaque bytes with a position (segment, offset). Records are
// never split over segments; a record larger than a segment gets a segment of
// its own size. Each record's checksum covers its header, its payload and, by
// the seed, segment number and offset, so that the old tail of a recycled
// segment is never read as new. Each header also carries the highest position
// that was known to be synced when the record was written: recovery treats
// damage below the highest such position as corruption and damage above it as
// the end of the log.

#ifndef NORI_ENGINE_WAL_LOG_H_
#define NORI_ENGINE_WAL_LOG_H_

#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/io/file_system.h"

namespace nori {

struct LogPosition {
  uint64_t segment = 0;
  uint64_t offset = 0;
  friend auto operator<=>(const LogPosition&, const LogPosition&) = default;
};

struct LogOptions {
  FileSystem* file_system = nullptr;
  std::string directory;                    // must exist
  uint64_t segment_bytes = uint64_t{64} << 20;  // capacity of a segment
  int max_spare_segments = 2;               // recycled segments kept
};

// Name of segment `number` inside the log's directory, and its inverse.
std::string LogSegmentName(uint64_t number);
bool ParseLogSegmentName(std::string_view name, uint64_t* number);

struct LogRecoveryReport {
  uint64_t records = 0;
  uint64_t segments = 0;
  uint64_t bytes_dropped = 0;   // beyond the last good record
  LogPosition end;              // one past the last good record
  bool damaged_tail = false;    // something not zero was dropped
};

// Reads every record from segment `first_segment` on, in order. `visit` gets
// each payload with its position; a non-OK status from it stops the scan and is
// returned. Damage below the synced position is kDataLoss naming file and
// offset. Segments missing between existing ones are kDataLoss. A directory
// with no segment >= first_segment gives an empty report whose `end` is
// {first_segment, 0}.
absl::StatusOr<LogRecoveryReport> ReadLog(
    const LogOptions& options, uint64_t first_segment,
    const std::function<absl::Status(LogPosition, std::string_view payload)>& visit);

// Appends records. Append, Roll and Retire are called by one thread at a time;
// Sync may be called by any thread at the same time as them.
class LogWriter {
 public:
  // Starts a new segment with number `next_segment`, which must be higher than
  // every segment in the directory.
  static absl::StatusOr<std::unique_ptr<LogWriter>> Create(
      const LogOptions& options, uint64_t next_segment);
  virtual ~LogWriter() = default;  // closes without syncing

  // Appends one record made of the concatenated parts and returns the position
  // one past it. Rolls to a new segment by itself when it does not fit.
  virtual absl::StatusOr<LogPosition> Append(
      const std::vector<std::string_view>& parts) = 0;

  // Makes every record that ends at or before `position` durable. Returns at
  // once if it is already. Concurrent callers share one fdatasync. After a
  // failure every later Append and Sync fails with the same error: what
  // reached the disk is unknown.
  virtual absl::Status Sync(LogPosition position) = 0;

  // Ends the current segment (synced by a later Sync of any later position)
  // and starts the next. Returns the number of the new segment. No-op if the
  // current segment is empty.
  virtual absl::StatusOr<uint64_t> Roll() = 0;

  // Segments below `first_needed` are recycled or removed.
  virtual absl::Status Retire(uint64_t first_needed) = 0;

  // Zero-fills and syncs a spare segment in advance, so that fdatasync later
  // writes no metadata. Called by a background thread, at the same time as the
  // other functions. Does nothing if a spare exists.
  virtual absl::Status PrepareSpare() = 0;
  virtual bool WantsSpare() const = 0;

  virtual LogPosition End() const = 0;     // one past the last record
  virtual LogPosition Synced() const = 0;  // known durable up to here
  virtual uint64_t FirstSegment() const = 0;  // oldest not yet retired
  virtual uint64_t TotalBytes() const = 0;    // bytes of live segments on disk
};

}  // namespace nori

#endif  // NORI_ENGINE_WAL_LOG_H_
