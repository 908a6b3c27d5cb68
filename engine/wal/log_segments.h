// The files of a log writer: which segments live, which spares wait, and
// whether their names are durable.

#ifndef NORI_ENGINE_WAL_LOG_SEGMENTS_H_
#define NORI_ENGINE_WAL_LOG_SEGMENTS_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "engine/io/file_system.h"
#include "engine/wal/log.h"

namespace nori {

// NewFile, Started and Retire are called by one thread at a time; the other
// functions are thread-safe.
class LogSegments {
 public:
  explicit LogSegments(const LogOptions& options) : options_(options) {}

  // Takes stock of the directory before the first NewFile: the segments up to
  // `recovered_end` live, and are synced unless the log starts there (offset
  // 0); every spare is removed. (A spare
  // or segment of an earlier process is never recycled: after a power loss it
  // may hold records under a number that will be used again.)
  // kInvalidArgument if next_segment or recovered_end contradict the directory.
  absl::Status Adopt(uint64_t next_segment, LogPosition recovered_end)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Removes the segments that Adopt found beyond recovered_end. Not before the
  // header that says so is durable.
  absl::Status RemoveDropped();

  struct NewSegment {
    std::unique_ptr<ReadWriteFile> file;
    uint64_t bytes = 0;  // allocated in advance
  };
  // A file by the name of segment `number`: a spare if there is one. After a
  // failure, and until Started, the same number may be asked for again.
  absl::StatusOr<NewSegment> NewFile(uint64_t number)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Segment `number` is now the current one; the one before ended at
  // `previous_end_offset`.
  void Started(uint64_t number, uint64_t bytes, uint64_t previous_end_offset)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Makes the names of all files handed out so far durable.
  absl::Status SyncNames() ABSL_LOCKS_EXCLUDED(mutex_);
  // The same, and the names of whatever else is in the directory.
  absl::Status SyncDirectory() ABSL_LOCKS_EXCLUDED(mutex_);

  // See LogWriter.
  absl::Status Retire(uint64_t first_needed) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status PrepareSpare() ABSL_LOCKS_EXCLUDED(mutex_);
  bool WantsSpare() const ABSL_LOCKS_EXCLUDED(mutex_);
  uint64_t FirstSegment() const ABSL_LOCKS_EXCLUDED(mutex_);
  // `end_offset`: where the current segment ends.
  uint64_t TotalBytes(uint64_t end_offset) const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Live {
    uint64_t number = 0;
    uint64_t bytes = 0;  // on disk
    bool own = false;    // written by this process
  };

  std::string Path(std::string_view name) const;
  bool WantsSpareLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsWorthRecycling(const Live& segment) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status ZeroFill(const std::string& path);

  const LogOptions options_;
  std::vector<uint64_t> dropped_;

  mutable absl::Mutex mutex_;
  std::deque<Live> live_ ABSL_GUARDED_BY(mutex_);  // ascending
  std::vector<std::string> spares_ ABSL_GUARDED_BY(mutex_);
  uint64_t next_spare_ ABSL_GUARDED_BY(mutex_) = 1;
  bool preparing_ ABSL_GUARDED_BY(mutex_) = false;
  // Counts names given; all up to synced_names_ are durable.
  uint64_t given_names_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t synced_names_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace nori

#endif  // NORI_ENGINE_WAL_LOG_SEGMENTS_H_
