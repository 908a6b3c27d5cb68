// The write-ahead log: numbered segment files of checksummed records.
//
// A record is opaque bytes with a position (segment, offset). Records are
// never split over segments; a record larger than a segment gets a segment of
// its own size. The bytes are described in log_format.h. Each record's checksum
// covers its header, its payload and, by the seed, segment number and offset,
// so that the old tail of a recycled segment is never read as new. Each header
// also carries the highest position that was known to be synced when the record
// was written: recovery treats damage below the highest such position as
// corruption and damage above it as the end of the log.

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
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 misreads it.
  friend auto operator<=>(const LogPosition&, const LogPosition&) = default;
};

struct LogOptions {
  FileSystem* file_system = nullptr;
  std::string directory;                        // must exist
  uint64_t segment_bytes = uint64_t{64} << 20;  // capacity of a segment
  int max_spare_segments = 2;                   // recycled segments kept
};

// Name of segment `number` inside the log's directory, and its inverse.
std::string LogSegmentName(uint64_t number);
bool ParseLogSegmentName(std::string_view name, uint64_t* number);

struct LogRecoveryReport {
  uint64_t records = 0;
  uint64_t segments = 0;       // read
  uint64_t bytes_dropped = 0;  // from there to the last byte that is not zero
  // Something not zero was dropped: a torn record, records behind one, or, in
  // a recycled segment, just what its earlier use left behind.
  bool damaged_tail = false;
  // One past the last good record. A writer that continues this log is given
  // it, so that what was dropped stays dropped.
  LogPosition end;
  // Higher than every segment in the directory; at least first_segment.
  uint64_t next_segment = 0;
};

// Reads every record from segment `first_segment` on, in order. `visit` gets
// each payload, valid during the call, with the position of its record; a
// non-OK status from it stops the scan and is returned. Changes no file.
//
// Damage below the synced position is kDataLoss naming file and offset (`visit`
// has then seen the records before it); so are missing segments that belong to
// the log. A format version that is not known is kFailedPrecondition. A
// directory with no segment >= first_segment gives an empty report whose `end`
// is {first_segment, 0}.
//
// Holds one segment in memory. A reader beside a running writer may find a
// segment gone (kNotFound) or recycled under its hands (kDataLoss): it starts
// over from the oldest segment that is then needed.
absl::StatusOr<LogRecoveryReport> ReadLog(
    const LogOptions& options, uint64_t first_segment,
    const std::function<absl::Status(LogPosition, std::string_view payload)>&
        visit);

// Appends records. Append, Roll and Retire are called by one thread at a time;
// every other function by any thread at the same time as them.
//
// A full disk (kResourceExhausted) that stops Append or Roll leaves the log as
// it was: the call may be repeated. Any other failure to write, and every
// failure to sync, is final: every later Append, Roll and Sync returns the same
// error, because what reached the disk is unknown.
class LogWriter {
 public:
  // Continues the log in a new segment with number `next_segment`, higher than
  // every segment in the directory, else kInvalidArgument. `recovered_end` says
  // what it continues:
  // - the end that ReadLog reported: the new segment's header records it, so
  //   that a later recovery does not take for damage what this one dropped, nor
  //   bring it back;
  // - {next_segment, 0}: nothing. No older segment is needed any more (all they
  //   held is in tables and the manifest says so); they are not synced, only
  //   wait to be retired. This is how to go on after a log that has failed;
  // - {0, 0} if the directory has no segments.
  // Before it returns, the continued log and the new segment are synced, and
  // dropped segments and old spares removed. The file system must outlive the
  // writer.
  static absl::StatusOr<std::unique_ptr<LogWriter>> Create(
      const LogOptions& options, uint64_t next_segment,
      LogPosition recovered_end);
  virtual ~LogWriter() = default;  // closes without syncing

  // Appends one record made of the concatenated parts (less than 4 GiB, else
  // kInvalidArgument) and returns the position one past it. Rolls to a new
  // segment by itself when it does not fit.
  virtual absl::StatusOr<LogPosition> Append(
      const std::vector<std::string_view>& parts) = 0;

  // Makes every record that ends at or before `position` durable, whatever its
  // segment. Returns at once if it is already. Concurrent callers share one
  // fdatasync. A position beyond End() is kInvalidArgument.
  virtual absl::Status Sync(LogPosition position) = 0;

  // Ends the current segment (synced by a later Sync of any later position)
  // and starts the next. Returns the number of the new segment. No-op if the
  // current segment is empty.
  virtual absl::StatusOr<uint64_t> Roll() = 0;

  // Syncs the log's directory, for whoever else has made files in it. After
  // that the next roll need not, which holds a writer up as long as the file
  // system takes to write down all that it has open.
  virtual absl::Status SyncDirectory() = 0;

  // Segments below `first_needed` are recycled or removed, except the current
  // one. Nobody may need them after a power loss: what names the oldest needed
  // segment must be durable before. Recycling overwrites in place, so a hard
  // link is no copy of a segment. On failure the rest stays and the call may be
  // repeated.
  virtual absl::Status Retire(uint64_t first_needed) = 0;

  // Zero-fills and syncs a spare segment in advance, so that fdatasync later
  // writes no metadata. For a background thread. Does nothing unless
  // WantsSpare(). A failure harms nothing: the next segment is then created
  // when it is needed.
  virtual absl::Status PrepareSpare() = 0;
  // No spare is there or being made, and max_spare_segments is not 0.
  virtual bool WantsSpare() const = 0;

  virtual LogPosition End() const = 0;        // one past the last record
  virtual LogPosition Synced() const = 0;     // known durable up to here
  virtual uint64_t FirstSegment() const = 0;  // oldest not yet retired
  virtual uint64_t TotalBytes() const = 0;    // bytes of live segments on disk
};

}  // namespace nori

#endif  // NORI_ENGINE_WAL_LOG_H_
