#include <algorithm>
#include <cassert>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "engine/format/status_macros.h"
#include "engine/wal/log.h"
#include "engine/wal/log_format.h"
#include "engine/wal/log_segments.h"

namespace nori {
namespace {

// A buffer that one huge record has made larger than this is given back.
constexpr size_t kMaxKeptBufferBytes = size_t{4} << 20;

// A sync of fewer bytes shows that commits wait for it one by one.
constexpr uint64_t kSmallSyncBytes = uint64_t{64} << 10;
// So much of a segment that no spare became is written ahead of them.
constexpr uint64_t kReserveBytes = uint64_t{1} << 20;

class LogWriterImpl final : public LogWriter {
 public:
  explicit LogWriterImpl(const LogOptions& options)
      : options_(options), segments_(options) {}

  absl::Status Open(uint64_t next_segment, LogPosition recovered_end)
      ABSL_LOCKS_EXCLUDED(mutex_);

  absl::StatusOr<LogPosition> Append(const std::vector<std::string_view>& parts)
      override ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Sync(LogPosition position) override ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<uint64_t> Roll() override ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Retire(uint64_t first_needed) override
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status SyncDirectory() override { return segments_.SyncDirectory(); }
  absl::Status PrepareSpare() override { return segments_.PrepareSpare(); }
  bool WantsSpare() const override { return segments_.WantsSpare(); }

  LogPosition End() const override ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return end_;
  }
  LogPosition Synced() const override ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return synced_;
  }
  uint64_t FirstSegment() const override { return segments_.FirstSegment(); }
  uint64_t TotalBytes() const override {
    return segments_.TotalBytes(End().offset);
  }

 private:
  // Shared with a Sync that is still running when the segment is rolled.
  using FileRef = std::shared_ptr<ReadWriteFile>;
  struct Unsynced {
    uint64_t number;
    FileRef file;
  };

  absl::Status StartSegment(uint64_t number, LogPosition previous_end)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Writes zeros behind `offset`, which spares the syncs of the next records
  // the file system's own log.
  void Reserve(ReadWriteFile* file, uint64_t offset);
  absl::Status FailedWrite(uint64_t offset, absl::Status status)
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Fail(absl::Status status) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status SyncAll() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const LogOptions options_;
  LogSegments segments_;

  // Only of the thread that appends.
  std::string buffer_;
  uint64_t reserved_ = 0;  // the segment is on disk up to here
  // The next segment was begun but could not be completed. Its header may be
  // on disk and say that the log goes on there, so nothing may be appended
  // here any more.
  bool roll_pending_ = false;

  mutable absl::Mutex mutex_;
  absl::CondVar sync_done_;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  FileRef file_ ABSL_GUARDED_BY(mutex_);
  // Rolled segments that hold records which are not known to be synced.
  std::vector<Unsynced> unsynced_ ABSL_GUARDED_BY(mutex_);
  LogPosition end_ ABSL_GUARDED_BY(mutex_);
  LogPosition synced_ ABSL_GUARDED_BY(mutex_);
  bool sync_running_ ABSL_GUARDED_BY(mutex_) = false;
  bool small_syncs_ ABSL_GUARDED_BY(mutex_) = false;
};

absl::Status LogWriterImpl::Open(uint64_t next_segment,
                                 LogPosition recovered_end) {
  NORI_RETURN_IF_ERROR(segments_.Adopt(next_segment, recovered_end));
  NORI_RETURN_IF_ERROR(StartSegment(next_segment, recovered_end));
  {
    absl::MutexLock lock(&mutex_);
    NORI_RETURN_IF_ERROR(SyncAll());
  }
  return segments_.RemoveDropped();
}

absl::Status LogWriterImpl::Fail(absl::Status status) {
  absl::MutexLock lock(&mutex_);
  if (failure_.ok()) failure_ = std::move(status);
  return failure_;
}

absl::Status LogWriterImpl::StartSegment(uint64_t number,
                                         LogPosition previous_end) {
  roll_pending_ = true;
  // At most one segment has a name that is not durable, the newest: a gap
  // between segments is then never the work of a power loss.
  if (absl::Status s = segments_.SyncNames(); !s.ok()) {
    return Fail(std::move(s));
  }
  NORI_ASSIGN_OR_RETURN(LogSegments::NewSegment segment,
                        segments_.NewFile(number));
  LogSegmentHeader header;
  header.number = number;
  header.previous_end = previous_end;
  header.synced = Synced();
  absl::Status s = segment.file->WriteAt(0, EncodeLogSegmentHeader(header));
  if (!s.ok()) {
    return absl::IsResourceExhausted(s) ? s : Fail(std::move(s));
  }
  segments_.Started(number, segment.bytes, previous_end.offset);
  reserved_ = segment.bytes;
  absl::MutexLock lock(&mutex_);
  if (file_ != nullptr && synced_ < end_) {
    unsynced_.push_back({end_.segment, std::move(file_)});
  }
  file_ = std::move(segment.file);
  end_ = {number, kLogSegmentHeaderBytes};
  roll_pending_ = false;
  return absl::OkStatus();
}

absl::StatusOr<LogPosition> LogWriterImpl::Append(
    const std::vector<std::string_view>& parts) {
  uint64_t payload_bytes = 0;
  for (std::string_view part : parts) payload_bytes += part.size();
  if (payload_bytes > kMaxLogPayloadBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("log record of ", payload_bytes, " bytes"));
  }
  const uint64_t bytes = LogRecordBytes(payload_bytes);
  LogPosition at;
  FileRef file;
  bool reserve = false;
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      NORI_RETURN_IF_ERROR(failure_);
      at = end_;
      file = file_;
      const bool fits = at.offset == kLogSegmentHeaderBytes ||
                        at.offset + bytes <= options_.segment_bytes;
      if (fits && !roll_pending_) {
        EncodeLogRecord(at, synced_, parts, &buffer_);
        reserve = small_syncs_;
        break;
      }
    }
    NORI_RETURN_IF_ERROR(StartSegment(at.segment + 1, at));
  }
  if (reserve) Reserve(file.get(), at.offset + bytes);
  absl::Status written = file->WriteAt(at.offset, buffer_);
  if (!written.ok()) return FailedWrite(at.offset, std::move(written));
  if (buffer_.capacity() > kMaxKeptBufferBytes) std::string().swap(buffer_);
  absl::MutexLock lock(&mutex_);
  end_.offset += bytes;
  return end_;
}

void LogWriterImpl::Reserve(ReadWriteFile* file, uint64_t offset) {
  const uint64_t end = std::min(offset + kReserveBytes, options_.segment_bytes);
  if (offset <= reserved_ || offset >= end) return;
  reserved_ = end;
  // A failure costs time alone, and the record that follows tells of it.
  file->WriteAt(offset, std::string(end - offset, '\0')).IgnoreError();
}

absl::Status LogWriterImpl::FailedWrite(uint64_t offset, absl::Status status) {
  FileRef file;
  {
    absl::MutexLock lock(&mutex_);
    file = file_;
  }
  // The caller will be told that the record is not in the log; should all of it
  // have reached the file, a recovery must not find it. Where this fails too,
  // the next record overwrites it or there is no next.
  file->WriteAt(offset, std::string(kLogRecordHeaderBytes, '\0')).IgnoreError();
  return absl::IsResourceExhausted(status) ? status : Fail(std::move(status));
}

absl::StatusOr<uint64_t> LogWriterImpl::Roll() {
  LogPosition at;
  {
    absl::MutexLock lock(&mutex_);
    NORI_RETURN_IF_ERROR(failure_);
    at = end_;
  }
  if (at.offset == kLogSegmentHeaderBytes) return at.segment;
  NORI_RETURN_IF_ERROR(StartSegment(at.segment + 1, at));
  return at.segment + 1;
}

absl::Status LogWriterImpl::Retire(uint64_t first_needed) {
  NORI_RETURN_IF_ERROR(segments_.Retire(first_needed));
  absl::MutexLock lock(&mutex_);
  std::erase_if(unsynced_, [&](const Unsynced& segment) {
    return segment.number < first_needed;
  });
  return absl::OkStatus();
}

absl::Status LogWriterImpl::Sync(LogPosition position) {
  absl::MutexLock lock(&mutex_);
  if (position > end_) {
    return absl::InvalidArgumentError("sync beyond the end of the log");
  }
  while (true) {
    NORI_RETURN_IF_ERROR(failure_);
    if (synced_ >= position) return absl::OkStatus();
    if (!sync_running_) return SyncAll();
    sync_done_.Wait(&mutex_);
  }
}

// Syncs up to the present end. Gives the lock back meanwhile; whoever comes
// then waits and, if the end was not far enough for him, goes next for all who
// wait with him.
absl::Status LogWriterImpl::SyncAll() {
  assert(!sync_running_);
  sync_running_ = true;
  const LogPosition target = end_;
  if (target.segment == synced_.segment &&
      target.offset - synced_.offset < kSmallSyncBytes) {
    small_syncs_ = true;
  }
  std::vector<Unsynced> files = unsynced_;
  files.push_back({target.segment, file_});

  mutex_.Unlock();
  absl::Status status;
  for (const Unsynced& segment : files) {
    if (status.ok()) status = segment.file->Sync();
  }
  if (status.ok()) status = segments_.SyncNames();
  mutex_.Lock();

  sync_running_ = false;
  sync_done_.SignalAll();
  if (!status.ok()) {
    if (failure_.ok()) failure_ = std::move(status);
    return failure_;
  }
  synced_ = std::max(synced_, target);
  std::erase_if(unsynced_, [&](const Unsynced& segment) {
    return segment.number < target.segment;
  });
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<LogWriter>> LogWriter::Create(
    const LogOptions& options, uint64_t next_segment,
    LogPosition recovered_end) {
  auto writer = std::make_unique<LogWriterImpl>(options);
  NORI_RETURN_IF_ERROR(writer->Open(next_segment, recovered_end));
  return writer;
}

}  // namespace nori
