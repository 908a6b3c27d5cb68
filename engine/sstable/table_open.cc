// Opening a table: all that is read once.

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "engine/format/status_macros.h"
#include "engine/sstable/table_reader.h"

namespace nori {

absl::StatusOr<std::shared_ptr<TableReader>> TableReader::Open(
    const TableReaderOptions& options, std::unique_ptr<RandomAccessFile> file) {
  if (options.sequence_base > kMaxSequence) {
    return absl::InvalidArgumentError("sequence_base out of range");
  }
  auto table = std::make_shared<TableReaderImpl>(options, std::move(file));
  NORI_RETURN_IF_ERROR(table->Init());
  return std::shared_ptr<TableReader>(std::move(table));
}

absl::Status TableReaderImpl::Init() {
  NORI_RETURN_IF_ERROR(InitFooter());
  Buffer scratch;
  Buffer raw;
  std::string_view content;
  NORI_RETURN_IF_ERROR(ReadBlock(footer_.index, &scratch, &raw, &content));
  const uint64_t data_limit =
      footer_.filter.size > 0 ? footer_.filter.offset : footer_.index.offset;
  if (!index_.Decode(content, data_limit)) {
    return Damaged("malformed index block", footer_.index.offset);
  }
  NORI_RETURN_IF_ERROR(InitProperties());
  NORI_RETURN_IF_ERROR(InitTombstones());
  if (mapped() && index_.blocks() > 0) {
    states_ = std::make_unique<std::atomic<uint8_t>[]>(index_.blocks());
  }
  return InitFilter();
}

absl::Status TableReaderImpl::InitFooter() {
  const uint64_t size = file_->Size();
  if (size < kFooterBytes || (mapped() && mapping_.size() != size)) {
    return Damaged("file too short for a table", size);
  }
  Buffer scratch;
  std::string_view bytes;
  NORI_RETURN_IF_ERROR(
      ReadBytes(size - kFooterBytes, kFooterBytes, &scratch, &bytes));
  absl::StatusOr<TableFooter> footer = DecodeFooter(bytes, size);
  if (!footer.ok()) {
    return Damaged(std::string(footer.status().message()), size - kFooterBytes);
  }
  footer_ = *footer;
  return absl::OkStatus();
}

// A damaged filter costs speed, not data: the table answers without it, and
// Verify reports it. A failed read is an error like any other.
absl::Status TableReaderImpl::InitFilter() {
  if (footer_.filter.size == 0) return absl::OkStatus();
  Buffer scratch;
  std::string_view content;
  const absl::Status s =
      ReadBlock(footer_.filter, &scratch, &filter_bytes_, &content);
  if (absl::IsDataLoss(s)) return absl::OkStatus();
  NORI_RETURN_IF_ERROR(s);
  // An unparsable filter leaves filter_ as it is: answering "maybe".
  filter_.Parse(content);
  return absl::OkStatus();
}

absl::Status TableReaderImpl::InitTombstones() {
  std::vector<RangeTombstone> tombstones;
  if (footer_.tombstones.size > 0) {
    Buffer scratch;
    Buffer raw;
    std::string_view content;
    NORI_RETURN_IF_ERROR(
        ReadBlock(footer_.tombstones, &scratch, &raw, &content));
    if (!DecodeTombstones(content, options_.sequence_base, &tombstones)) {
      return Damaged("malformed tombstone block", footer_.tombstones.offset);
    }
  }
  if (tombstones.size() != properties_.range_deletions) {
    return Damaged("range tombstone count differs from the properties",
                   footer_.properties.offset);
  }
  tombstones_ = RangeTombstoneSet(tombstones);
  for (const RangeTombstoneSet::Fragment& f : tombstones_.fragments()) {
    tombstone_bytes_ += sizeof(f) + f.begin.capacity() + f.end.capacity() +
                        f.sequences.capacity() * sizeof(SequenceNumber);
  }
  return absl::OkStatus();
}

absl::Status TableReaderImpl::InitProperties() {
  Buffer scratch;
  Buffer raw;
  std::string_view content;
  NORI_RETURN_IF_ERROR(ReadBlock(footer_.properties, &scratch, &raw, &content));
  if (!DecodeProperties(content, &properties_)) {
    return Damaged("malformed properties block", footer_.properties.offset);
  }
  if (properties_.entries != index_.entries() ||
      properties_.data_blocks != index_.blocks()) {
    return Damaged("properties differ from the index",
                   footer_.properties.offset);
  }
  properties_.file_bytes = file_->Size();
  return absl::OkStatus();
}

}  // namespace nori
