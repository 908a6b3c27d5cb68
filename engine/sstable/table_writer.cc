#include <algorithm>
#include <cassert>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/format/checksum.h"
#include "engine/format/coding.h"
#include "engine/format/status_macros.h"
#include "engine/sstable/data_block_builder.h"
#include "engine/sstable/filter.h"
#include "engine/sstable/table.h"
#include "engine/sstable/table_format.h"
#include "engine/sstable/table_index.h"

namespace nori {
namespace {

class TableWriterImpl final : public TableWriter {
 public:
  TableWriterImpl(const TableWriterOptions& options,
                  std::unique_ptr<WritableFile> file)
      : options_(options),
        file_(std::move(file)),
        compressor_(options.compression),
        block_(options.restart_interval) {
    assert(file_->Size() == 0);
  }

  absl::Status Add(std::string_view user_key, uint64_t trailer,
                   std::string_view value) override;
  absl::Status AddRangeTombstone(const RangeTombstone& tombstone) override;
  absl::StatusOr<TableProperties> Finish() override;

  uint64_t EstimatedFileBytes() const override {
    const uint64_t filter_bytes = static_cast<uint64_t>(
        static_cast<double>(hashes_.size()) * options_.filter_bits_per_key / 8);
    return file_->Size() + block_.EstimatedBytes() + filter_bytes +
           index_.EstimatedBytes() + tombstone_bytes_ + kFooterBytes;
  }
  uint64_t entries() const override { return properties_.entries; }

 private:
  absl::Status CheckEntry(std::string_view user_key, uint64_t trailer,
                          std::string_view value, bool new_key) const;
  // Keeps the first error: a file with a hole must not be finished.
  absl::Status Fail(absl::Status status) {
    if (status_.ok()) status_ = status;
    return status;
  }
  bool StartsNewBlock(size_t entry_bytes) const;
  absl::Status FlushBlock();
  absl::Status WriteBlock(std::string_view content, Compression compression,
                          BlockHandle* handle);
  absl::Status WriteFilter(BlockHandle* handle);
  absl::Status WriteMetadata();
  void SetBounds();

  const TableWriterOptions options_;
  const std::unique_ptr<WritableFile> file_;
  BlockCompressor compressor_;
  DataBlockBuilder block_;
  TableIndexBuilder index_;
  std::vector<uint64_t> hashes_;  // of distinct user keys
  std::vector<RangeTombstone> tombstones_;
  size_t tombstone_bytes_ = 0;
  TableProperties properties_;
  std::string first_key_;
  std::string last_key_;
  uint64_t last_trailer_ = 0;
  uint64_t last_hash_ = 0;
  bool finished_ = false;
  absl::Status status_;
};

absl::Status TableWriterImpl::CheckEntry(std::string_view user_key,
                                         uint64_t trailer,
                                         std::string_view value,
                                         bool new_key) const {
  if (finished_) return absl::FailedPreconditionError("table is finished");
  if (user_key.size() > kMaxKeyBytes || value.size() > kMaxValueBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("entry too large for a table: key ", user_key.size(),
                     " bytes, value ", value.size(), " bytes"));
  }
  if (TrailerKind(trailer) != EntryKind::kPut &&
      TrailerKind(trailer) != EntryKind::kDelete) {
    return absl::InvalidArgumentError("entry kind is not put or delete");
  }
  if (properties_.entries > 0 &&
      (new_key ? last_key_ > user_key : last_trailer_ <= trailer)) {
    return absl::InvalidArgumentError("table entries are not in order");
  }
  return absl::OkStatus();
}

// A block is cut when the next entry would take it well beyond its target, so
// that a huge value neither drags small neighbours along nor is cut off late.
bool TableWriterImpl::StartsNewBlock(size_t entry_bytes) const {
  if (block_.empty()) return false;
  const size_t bytes = block_.EstimatedBytes();
  return bytes >= options_.block_bytes ||
         bytes + entry_bytes > options_.block_bytes + options_.block_bytes / 8;
}

absl::Status TableWriterImpl::Add(std::string_view user_key, uint64_t trailer,
                                  std::string_view value) {
  NORI_RETURN_IF_ERROR(status_);
  const bool new_key = properties_.entries == 0 || last_key_ != user_key;
  if (absl::Status s = CheckEntry(user_key, trailer, value, new_key); !s.ok()) {
    return Fail(std::move(s));
  }
  if (properties_.entries == 0) first_key_.assign(user_key);
  if (StartsNewBlock(user_key.size() + value.size())) {
    if (absl::Status s = FlushBlock(); !s.ok()) return Fail(std::move(s));
  }
  if (block_.empty() && index_.blocks() > 0) {
    index_.AddSeparator(last_key_, last_trailer_, user_key);
  }
  if (new_key) {
    last_hash_ = HashKey(user_key);
    if (options_.filter_bits_per_key > 0) hashes_.push_back(last_hash_);
    last_key_.assign(user_key);
  }
  last_trailer_ = trailer;
  block_.Add(user_key, trailer, value, last_hash_);

  ++properties_.entries;
  if (TrailerKind(trailer) == EntryKind::kDelete) ++properties_.deletions;
  properties_.raw_key_bytes += user_key.size();
  properties_.raw_value_bytes += value.size();
  const SequenceNumber sequence = TrailerSequence(trailer);
  properties_.smallest_sequence =
      std::min(properties_.smallest_sequence, sequence);
  properties_.largest_sequence =
      std::max(properties_.largest_sequence, sequence);
  return absl::OkStatus();
}

absl::Status TableWriterImpl::AddRangeTombstone(
    const RangeTombstone& tombstone) {
  NORI_RETURN_IF_ERROR(status_);
  if (finished_) return absl::FailedPreconditionError("table is finished");
  if (tombstone.sequence > kMaxSequence) {
    return Fail(absl::InvalidArgumentError("sequence number out of range"));
  }
  if (tombstone.begin >= tombstone.end) return absl::OkStatus();
  tombstones_.push_back(tombstone);
  tombstone_bytes_ += tombstone.begin.size() + tombstone.end.size() + 16;
  ++properties_.range_deletions;
  properties_.smallest_sequence =
      std::min(properties_.smallest_sequence, tombstone.sequence);
  properties_.largest_sequence =
      std::max(properties_.largest_sequence, tombstone.sequence);
  return absl::OkStatus();
}

absl::Status TableWriterImpl::FlushBlock() {
  if (block_.empty()) return absl::OkStatus();
  Compression used;
  const std::string_view content = compressor_.Compress(block_.Finish(), &used);
  BlockHandle handle;
  NORI_RETURN_IF_ERROR(WriteBlock(content, used, &handle));
  index_.AddBlock(handle.size, block_.size());
  ++properties_.data_blocks;
  block_.Reset();
  return absl::OkStatus();
}

absl::Status TableWriterImpl::WriteBlock(std::string_view content,
                                         Compression compression,
                                         BlockHandle* handle) {
  handle->offset = file_->Size();
  handle->size = content.size();
  char trailer[kBlockTrailerBytes];
  EncodeBlockTrailer(content, compression, handle->offset, trailer);
  NORI_RETURN_IF_ERROR(file_->Append(content));
  return file_->Append({trailer, kBlockTrailerBytes});
}

absl::Status TableWriterImpl::WriteFilter(BlockHandle* handle) {
  if (hashes_.empty()) return absl::OkStatus();
  const size_t padding =
      (kFilterAlignment - file_->Size() % kFilterAlignment) % kFilterAlignment;
  NORI_RETURN_IF_ERROR(file_->Append(std::string(padding, '\0')));
  return WriteBlock(BuildFilter(hashes_, options_.filter_bits_per_key),
                    Compression::kNone, handle);
}

void TableWriterImpl::SetBounds() {
  bool any = properties_.entries > 0;
  properties_.smallest_key = first_key_;
  properties_.largest_key = last_key_;
  for (const RangeTombstone& t : tombstones_) {
    if (!any || t.begin < properties_.smallest_key) {
      properties_.smallest_key = t.begin;
    }
    if (!any || t.end > properties_.largest_key) {
      properties_.largest_key = t.end;
      properties_.largest_exclusive = true;
    }
    any = true;
  }
}

absl::Status TableWriterImpl::WriteMetadata() {
  TableFooter footer;
  NORI_RETURN_IF_ERROR(WriteFilter(&footer.filter));
  Compression used;
  std::string raw = index_.Finish();
  std::string_view content = compressor_.Compress(raw, &used);
  NORI_RETURN_IF_ERROR(WriteBlock(content, used, &footer.index));
  if (!tombstones_.empty()) {
    raw = EncodeTombstones(tombstones_);
    content = compressor_.Compress(raw, &used);
    NORI_RETURN_IF_ERROR(WriteBlock(content, used, &footer.tombstones));
  }
  SetBounds();
  raw = EncodeProperties(properties_);
  content = compressor_.Compress(raw, &used);
  NORI_RETURN_IF_ERROR(WriteBlock(content, used, &footer.properties));
  return file_->Append(EncodeFooter(footer, file_->Size()));
}

absl::StatusOr<TableProperties> TableWriterImpl::Finish() {
  NORI_RETURN_IF_ERROR(status_);
  if (finished_) return absl::FailedPreconditionError("table is finished");
  absl::Status s = FlushBlock();
  if (s.ok()) s = WriteMetadata();
  if (s.ok()) {
    properties_.file_bytes = file_->Size();
    s = file_->Sync();
  }
  if (s.ok()) s = file_->Close();
  if (!s.ok()) return Fail(std::move(s));
  finished_ = true;
  return properties_;
}

}  // namespace

std::unique_ptr<TableWriter> TableWriter::Create(
    const TableWriterOptions& options, std::unique_ptr<WritableFile> file) {
  return std::make_unique<TableWriterImpl>(options, std::move(file));
}

}  // namespace nori
