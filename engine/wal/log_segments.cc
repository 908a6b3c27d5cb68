#include "engine/wal/log_segments.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/format/status_macros.h"
#include "engine/wal/log_format.h"

namespace nori {

std::string LogSegments::Path(std::string_view name) const {
  return JoinPath(options_.directory, name);
}

absl::Status LogSegments::Adopt(uint64_t next_segment,
                                LogPosition recovered_end) {
  FileSystem* const fs = options_.file_system;
  NORI_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                        fs->ListDirectory(options_.directory));
  std::vector<uint64_t> numbers;
  for (const std::string& name : names) {
    uint64_t number;
    if (ParseLogSpareName(name, &number)) {
      NORI_RETURN_IF_ERROR(fs->RemoveFile(Path(name)));
    } else if (ParseLogSegmentName(name, &number)) {
      numbers.push_back(number);
    }
  }
  std::sort(numbers.begin(), numbers.end());
  const bool fits =
      recovered_end.segment < next_segment ||
      (recovered_end.segment == next_segment && recovered_end.offset == 0);
  if (!fits || (!numbers.empty() && (numbers.back() >= next_segment ||
                                     recovered_end.segment == 0))) {
    return absl::InvalidArgumentError(
        absl::StrCat(options_.directory, ": segment ", next_segment,
                     " after a log ending in ", recovered_end.segment,
                     " does not continue what is there"));
  }
  absl::MutexLock lock(&mutex_);
  for (uint64_t number : numbers) {
    if (LogPosition{number, 0} >= recovered_end) {
      dropped_.push_back(number);
      continue;
    }
    const std::string path = Path(LogSegmentName(number));
    NORI_ASSIGN_OR_RETURN(auto file, fs->OpenReadWrite(path, false));
    // What the recovery has read may so far only be in the page cache, and new
    // records will say that everything before them is synced. A log that starts
    // anew has nothing before it.
    if (recovered_end.offset != 0) NORI_RETURN_IF_ERROR(file->Sync());
    NORI_ASSIGN_OR_RETURN(const uint64_t bytes, file->Size());
    live_.push_back({number, bytes, false});
  }
  return absl::OkStatus();
}

absl::Status LogSegments::RemoveDropped() {
  for (; !dropped_.empty(); dropped_.pop_back()) {
    NORI_RETURN_IF_ERROR(options_.file_system->RemoveFile(
        Path(LogSegmentName(dropped_.back()))));
  }
  return absl::OkStatus();
}

absl::StatusOr<LogSegments::NewSegment> LogSegments::NewFile(uint64_t number) {
  const std::string path = Path(LogSegmentName(number));
  std::string spare;
  {
    absl::MutexLock lock(&mutex_);
    if (!spares_.empty()) {
      spare = std::move(spares_.back());
      spares_.pop_back();
    }
    ++given_names_;
  }
  NewSegment result;
  if (!spare.empty()) {
    absl::Status renamed = options_.file_system->RenameFile(Path(spare), path);
    if (!renamed.ok()) {
      absl::MutexLock lock(&mutex_);
      spares_.push_back(std::move(spare));
      return renamed;
    }
    result.bytes = options_.segment_bytes;
  }
  NORI_ASSIGN_OR_RETURN(
      result.file, options_.file_system->OpenReadWrite(path, spare.empty()));
  return result;
}

void LogSegments::Started(uint64_t number, uint64_t bytes,
                          uint64_t previous_end_offset) {
  absl::MutexLock lock(&mutex_);
  if (!live_.empty()) {
    assert(live_.back().number < number);
    live_.back().bytes = std::max(live_.back().bytes, previous_end_offset);
  }
  live_.push_back({number, bytes, true});
}

absl::Status LogSegments::SyncNames() {
  {
    absl::MutexLock lock(&mutex_);
    if (synced_names_ == given_names_) return absl::OkStatus();
  }
  return SyncDirectory();
}

absl::Status LogSegments::SyncDirectory() {
  uint64_t given;
  {
    absl::MutexLock lock(&mutex_);
    given = given_names_;
  }
  NORI_RETURN_IF_ERROR(options_.file_system->SyncDirectory(options_.directory));
  absl::MutexLock lock(&mutex_);
  synced_names_ = std::max(synced_names_, given);
  return absl::OkStatus();
}

bool LogSegments::IsWorthRecycling(const Live& segment) const {
  const uint64_t full = options_.segment_bytes;
  // A short file would have to grow again, a huge one would keep its space.
  return segment.own && segment.bytes <= full &&
         segment.bytes >= full - full / 8 &&
         static_cast<int>(spares_.size()) + (preparing_ ? 1 : 0) <
             options_.max_spare_segments;
}

absl::Status LogSegments::Retire(uint64_t first_needed) {
  // Oldest first, so that what a failure leaves has no gap. The directory need
  // not be synced: a segment that comes back is not read.
  while (true) {
    uint64_t number;
    std::string spare;
    {
      absl::MutexLock lock(&mutex_);
      if (live_.size() <= 1 || live_.front().number >= first_needed) {
        return absl::OkStatus();
      }
      number = live_.front().number;
      if (IsWorthRecycling(live_.front())) spare = LogSpareName(next_spare_++);
    }
    const std::string path = Path(LogSegmentName(number));
    NORI_RETURN_IF_ERROR(
        spare.empty() ? options_.file_system->RemoveFile(path)
                      : options_.file_system->RenameFile(path, Path(spare)));
    absl::MutexLock lock(&mutex_);
    live_.pop_front();
    if (!spare.empty()) spares_.push_back(std::move(spare));
  }
}

bool LogSegments::WantsSpareLocked() const {
  return spares_.empty() && !preparing_ && options_.max_spare_segments > 0;
}

bool LogSegments::WantsSpare() const {
  absl::MutexLock lock(&mutex_);
  return WantsSpareLocked();
}

absl::Status LogSegments::PrepareSpare() {
  std::string name;
  {
    absl::MutexLock lock(&mutex_);
    if (!WantsSpareLocked()) return absl::OkStatus();
    preparing_ = true;
    name = LogSpareName(next_spare_++);
  }
  absl::Status status = ZeroFill(Path(name));
  if (!status.ok()) {
    // Best effort; the next LogWriter::Create removes what stays.
    options_.file_system->RemoveFile(Path(name)).IgnoreError();
  }
  absl::MutexLock lock(&mutex_);
  preparing_ = false;
  if (status.ok()) spares_.push_back(std::move(name));
  return status;
}

absl::Status LogSegments::ZeroFill(const std::string& path) {
  constexpr uint64_t kChunkBytes = uint64_t{256} << 10;
  const std::string zeros(std::min(kChunkBytes, options_.segment_bytes), '\0');
  NORI_ASSIGN_OR_RETURN(auto file,
                        options_.file_system->OpenReadWrite(path, true));
  for (uint64_t offset = 0; offset < options_.segment_bytes;
       offset += zeros.size()) {
    const uint64_t n =
        std::min<uint64_t>(zeros.size(), options_.segment_bytes - offset);
    NORI_RETURN_IF_ERROR(
        file->WriteAt(offset, std::string_view(zeros).substr(0, n)));
  }
  return file->Sync();
}

uint64_t LogSegments::FirstSegment() const {
  absl::MutexLock lock(&mutex_);
  assert(!live_.empty());
  return live_.front().number;
}

uint64_t LogSegments::TotalBytes(uint64_t end_offset) const {
  absl::MutexLock lock(&mutex_);
  assert(!live_.empty());
  uint64_t total = 0;
  for (const Live& segment : live_) total += segment.bytes;
  return total - live_.back().bytes + std::max(live_.back().bytes, end_offset);
}

}  // namespace nori
