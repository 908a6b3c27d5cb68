#include <algorithm>
#include <cassert>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/format/status_macros.h"
#include "engine/wal/log.h"
#include "engine/wal/log_format.h"

namespace nori {
namespace {

using Visitor =
    std::function<absl::Status(LogPosition, std::string_view payload)>;

class LogScanner {
 public:
  LogScanner(const LogOptions& options, uint64_t first_segment,
             const Visitor& visit)
      : options_(options), first_(first_segment), visit_(visit) {}

  absl::StatusOr<LogRecoveryReport> Run();

 private:
  struct Segment {
    uint64_t number = 0;
    std::optional<LogSegmentHeader> header;  // if it verifies
  };
  // A segment of the log, and where it ends if the next one says so.
  struct Link {
    size_t index = 0;
    std::optional<uint64_t> end;
  };

  std::string Path(uint64_t number) const {
    return JoinPath(options_.directory, LogSegmentName(number));
  }
  absl::Status FindSegments();
  absl::Status ReadHeader(Segment* segment);
  absl::StatusOr<std::vector<Link>> FindChain() const;
  // Reads segment `number` whole into contents_.
  absl::Status Load(uint64_t number);
  // Visits the records of a segment; the position after the last good one is
  // where the scan stopped.
  absl::StatusOr<uint64_t> ScanSegment(const Link& link);
  // The log stops at `stop` (in the segment that is loaded): corruption if
  // something later was written after `stop` had been synced, else its end.
  absl::Status JudgeStop(size_t index, LogPosition stop);
  std::optional<LogPosition> FindSyncedBeyond(const Segment& segment,
                                              uint64_t from,
                                              LogPosition stop) const;
  void CountDropped(uint64_t from);

  const LogOptions& options_;
  const uint64_t first_;
  const Visitor& visit_;
  std::vector<Segment> segments_;  // ascending
  std::unique_ptr<char[]> buffer_;
  size_t buffer_bytes_ = 0;
  std::unique_ptr<RandomAccessFile> file_;  // contents_ may lie in it
  std::string_view contents_;
  LogRecoveryReport report_;
};

absl::Status LogScanner::FindSegments() {
  NORI_ASSIGN_OR_RETURN(
      const std::vector<std::string> names,
      options_.file_system->ListDirectory(options_.directory));
  for (const std::string& name : names) {
    uint64_t number;
    if (!ParseLogSegmentName(name, &number)) continue;
    report_.next_segment = std::max(report_.next_segment, number + 1);
    if (number >= first_) segments_.push_back({number, std::nullopt});
  }
  std::sort(
      segments_.begin(), segments_.end(),
      [](const Segment& a, const Segment& b) { return a.number < b.number; });
  for (Segment& segment : segments_) {
    NORI_RETURN_IF_ERROR(ReadHeader(&segment));
  }
  return absl::OkStatus();
}

absl::Status LogScanner::ReadHeader(Segment* segment) {
  const std::string path = Path(segment->number);
  NORI_ASSIGN_OR_RETURN(auto file,
                        options_.file_system->OpenRandomAccess(path));
  char scratch[kLogSegmentHeaderBytes];
  std::string_view bytes;
  NORI_RETURN_IF_ERROR(file->Read(
      0, std::min<uint64_t>(file->Size(), sizeof(scratch)), scratch, &bytes));
  segment->header = DecodeLogSegmentHeader(bytes, segment->number);
  if (segment->header.has_value() &&
      segment->header->version != kLogFormatVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": log format version ", segment->header->version,
                     " is not known"));
  }
  return absl::OkStatus();
}

// From the newest segment back: each header tells where the log was when its
// segment was started. Where a header is damaged the scan will stop anyway, so
// the next lower segment is as good a guess as any.
absl::StatusOr<std::vector<LogScanner::Link>> LogScanner::FindChain() const {
  std::vector<Link> chain;
  size_t index = segments_.size() - 1;
  while (index > 0 && !segments_[index].header.has_value()) --index;
  chain.push_back({index, std::nullopt});
  while (true) {
    const Segment& segment = segments_[index];
    std::optional<uint64_t> end;
    if (segment.header.has_value()) {
      const LogPosition previous = segment.header->previous_end;
      if (previous.offset == 0 || previous.segment < first_) break;
      const auto it = std::lower_bound(
          segments_.begin(), segments_.end(), previous.segment,
          [](const Segment& s, uint64_t number) { return s.number < number; });
      if (it == segments_.end() || it->number != previous.segment) {
        return absl::DataLossError(absl::StrCat(
            Path(previous.segment), ": log segment is missing (offset 0), ",
            LogSegmentName(segment.number), " continues it"));
      }
      index = static_cast<size_t>(it - segments_.begin());
      end = previous.offset;
    } else {
      if (index == 0) break;
      --index;
    }
    if (index >= chain.back().index) break;
    chain.push_back({index, end});
  }
  std::reverse(chain.begin(), chain.end());
  return chain;
}

absl::Status LogScanner::Load(uint64_t number) {
  contents_ = {};
  NORI_ASSIGN_OR_RETURN(file_,
                        options_.file_system->OpenRandomAccess(Path(number)));
  // Read, not mapped: an I/O error must be a status, not a signal.
  const uint64_t size = file_->Size();
  if (size > buffer_bytes_) {
    buffer_ = std::make_unique_for_overwrite<char[]>(size);
    buffer_bytes_ = size;
  }
  return file_->Read(0, size, buffer_.get(), &contents_);
}

absl::StatusOr<uint64_t> LogScanner::ScanSegment(const Link& link) {
  const Segment& segment = segments_[link.index];
  NORI_RETURN_IF_ERROR(Load(segment.number));
  ++report_.segments;
  if (!segment.header.has_value()) return 0;
  LogPosition position{segment.number, kLogSegmentHeaderBytes};
  report_.end = position;
  const std::string_view log =
      contents_.substr(0, link.end.value_or(contents_.size()));
  while (auto record = DecodeLogRecord(log, position)) {
    NORI_RETURN_IF_ERROR(visit_(position, record->payload));
    ++report_.records;
    position.offset += record->bytes;
    report_.end = position;
  }
  return position.offset;
}

std::optional<LogPosition> LogScanner::FindSyncedBeyond(
    const Segment& segment, uint64_t from, LogPosition stop) const {
  if (segment.header.has_value() && segment.header->synced > stop) {
    return segment.header->synced;
  }
  for (uint64_t offset = from;
       offset + kLogRecordHeaderBytes <= contents_.size(); offset += 8) {
    const LogPosition position{segment.number, offset};
    const auto claim = PeekLogRecord(contents_, position);
    // Checksums are only computed where they could change the verdict.
    if (claim.has_value() && claim->synced > stop &&
        DecodeLogRecord(contents_, position).has_value()) {
      return claim->synced;
    }
  }
  return std::nullopt;
}

void LogScanner::CountDropped(uint64_t from) {
  size_t end = contents_.size();
  while (end > from && contents_[end - 1] == '\0') --end;
  if (end > from) report_.bytes_dropped += end - from;
}

absl::Status LogScanner::JudgeStop(size_t index, LogPosition stop) {
  // What to name: where the segment just ends and the next one does not verify,
  // that one is what is damaged.
  LogPosition damage = stop;
  const bool nothing_here =
      contents_.substr(std::min<uint64_t>(stop.offset, contents_.size()))
          .find_first_not_of('\0') == std::string_view::npos;
  if (nothing_here && index + 1 < segments_.size() &&
      !segments_[index + 1].header.has_value()) {
    damage = {segments_[index + 1].number, 0};
  }
  CountDropped(stop.offset);
  uint64_t from = stop.offset;
  for (size_t i = index; i < segments_.size(); ++i) {
    if (i > index) {
      NORI_RETURN_IF_ERROR(Load(segments_[i].number));
      CountDropped(0);
      from = 0;
    }
    const auto synced = FindSyncedBeyond(segments_[i], from, stop);
    if (synced.has_value()) {
      return absl::DataLossError(absl::StrCat(
          Path(damage.segment), ": damaged log record at offset ",
          damage.offset, ", the log was synced up to offset ", synced->offset,
          " of ", LogSegmentName(synced->segment)));
    }
  }
  report_.damaged_tail = report_.bytes_dropped > 0;
  return absl::OkStatus();
}

absl::StatusOr<LogRecoveryReport> LogScanner::Run() {
  report_.end = {first_, 0};
  report_.next_segment = first_;
  NORI_RETURN_IF_ERROR(FindSegments());
  if (segments_.empty()) return report_;
  report_.end = {segments_.front().number, 0};
  NORI_ASSIGN_OR_RETURN(const std::vector<Link> chain, FindChain());
  for (size_t i = 0; i < chain.size(); ++i) {
    NORI_ASSIGN_OR_RETURN(const uint64_t stop, ScanSegment(chain[i]));
    if (i + 1 < chain.size() && chain[i].end == stop) continue;
    NORI_RETURN_IF_ERROR(
        JudgeStop(chain[i].index, {segments_[chain[i].index].number, stop}));
    break;
  }
  return report_;
}

}  // namespace

absl::StatusOr<LogRecoveryReport> ReadLog(const LogOptions& options,
                                          uint64_t first_segment,
                                          const Visitor& visit) {
  return LogScanner(options, first_segment, visit).Run();
}

}  // namespace nori
