// TableReader::Verify.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "engine/format/checksum.h"
#include "engine/format/status_macros.h"
#include "engine/sstable/table_reader.h"

namespace nori {
namespace {

// One pass over a table. Trusts nothing that the reader has in memory but the
// decoded index, whose block it reads again.
class TableVerifier {
 public:
  explicit TableVerifier(const TableReaderImpl& table) : table_(table) {}

  absl::Status Run() {
    NORI_RETURN_IF_ERROR(CheckLayout());
    NORI_RETURN_IF_ERROR(CheckMetadata());
    for (size_t i = 0; i < table_.index().blocks(); ++i) {
      NORI_RETURN_IF_ERROR(CheckDataBlock(i));
    }
    return CheckProperties();
  }

 private:
  absl::Status CheckLayout();
  absl::Status CheckPadding();
  absl::Status CheckMetadata();
  absl::Status CheckDataBlock(size_t i);
  absl::Status CheckSeparator(size_t i, std::string_view first_key,
                              uint64_t first_trailer);
  absl::Status CheckEntry(size_t block, const DataBlockView& view, uint32_t i);
  void CountEntry(uint64_t trailer, size_t value_bytes);
  void CountTombstone(const RangeTombstone& t);
  absl::Status CheckProperties();

  const TableReaderImpl& table_;
  Buffer scratch_;
  Buffer raw_;
  Buffer filter_bytes_;
  FilterView filter_;
  std::string restart_key_;
  std::string key_;
  uint64_t trailer_ = 0;
  TableProperties seen_;
  bool any_ = false;  // seen_ has bounds
};

// Every byte of the file belongs to exactly one block, the padding or the
// footer.
absl::Status TableVerifier::CheckLayout() {
  const uint64_t footer_offset = table_.properties().file_bytes - kFooterBytes;
  std::string_view bytes;
  NORI_RETURN_IF_ERROR(
      table_.ReadBytes(footer_offset, kFooterBytes, &scratch_, &bytes));
  const absl::StatusOr<TableFooter> footer =
      DecodeFooter(bytes, table_.properties().file_bytes);
  if (!footer.ok()) {
    return table_.Damaged(std::string(footer.status().message()),
                          footer_offset);
  }
  uint64_t end = table_.index().data_end();
  if (footer->filter.size > 0) {
    end = (end + kFilterAlignment - 1) / kFilterAlignment * kFilterAlignment;
  }
  for (const BlockHandle* h : {&footer->filter, &footer->index,
                               &footer->tombstones, &footer->properties}) {
    if (h->size == 0) continue;
    if (h->offset != end) {
      return table_.Damaged("gap or overlap between blocks", end);
    }
    end += h->size + kBlockTrailerBytes;
  }
  if (end != footer_offset) {
    return table_.Damaged("gap or overlap before the footer", end);
  }
  return CheckPadding();
}

absl::Status TableVerifier::CheckPadding() {
  if (table_.footer().filter.size == 0) return absl::OkStatus();
  const uint64_t start = table_.index().data_end();
  std::string_view bytes;
  NORI_RETURN_IF_ERROR(table_.ReadBytes(
      start, table_.footer().filter.offset - start, &scratch_, &bytes));
  const size_t at = bytes.find_first_not_of('\0');
  if (at == std::string_view::npos) return absl::OkStatus();
  return table_.Damaged("padding is not zero", start + at);
}

absl::Status TableVerifier::CheckMetadata() {
  const TableFooter& footer = table_.footer();
  std::string_view content;
  NORI_RETURN_IF_ERROR(
      table_.ReadBlock(footer.index, &scratch_, &raw_, &content));
  TableProperties stored;
  NORI_RETURN_IF_ERROR(
      table_.ReadBlock(footer.properties, &scratch_, &raw_, &content));
  if (!DecodeProperties(content, &stored)) {
    return table_.Damaged("malformed properties block",
                          footer.properties.offset);
  }
  if (footer.tombstones.size > 0) {
    NORI_RETURN_IF_ERROR(
        table_.ReadBlock(footer.tombstones, &scratch_, &raw_, &content));
    std::vector<RangeTombstone> tombstones;
    if (!DecodeTombstones(content, 0, &tombstones)) {
      return table_.Damaged("malformed tombstone block",
                            footer.tombstones.offset);
    }
    for (const RangeTombstone& t : tombstones) CountTombstone(t);
  }
  if (footer.filter.size > 0) {
    NORI_RETURN_IF_ERROR(
        table_.ReadBlock(footer.filter, &scratch_, &filter_bytes_, &content));
    if (!filter_.Parse(content)) {
      return table_.Damaged("malformed filter block", footer.filter.offset);
    }
  }
  return absl::OkStatus();
}

absl::Status TableVerifier::CheckDataBlock(size_t i) {
  std::string_view content;
  NORI_RETURN_IF_ERROR(
      table_.ReadBlock(table_.index().Handle(i), &scratch_, &raw_, &content));
  DataBlockView view;
  NORI_RETURN_IF_ERROR(table_.ParseBlock(i, content, &view));
  if (view.Offset(0) != 0 || view.Offset(view.size()) != view.entries_bytes()) {
    return table_.Damaged("malformed data block", table_.index().Offset(i));
  }
  for (uint32_t entry = 0; entry < view.size(); ++entry) {
    NORI_RETURN_IF_ERROR(CheckEntry(i, view, entry));
  }
  ++seen_.data_blocks;
  return absl::OkStatus();
}

absl::Status TableVerifier::CheckSeparator(size_t i, std::string_view first_key,
                                           uint64_t first_trailer) {
  if (i == 0) return absl::OkStatus();
  const std::string key = table_.index().SeparatorKey(i);
  const uint64_t trailer = table_.index().SeparatorTrailer(i);
  if (CompareInternal(key_, trailer_, key, trailer) < 0 &&
      CompareInternal(key, trailer, first_key, first_trailer) <= 0) {
    return absl::OkStatus();
  }
  return table_.Damaged("index separator does not part its blocks",
                        table_.index().Offset(i));
}

absl::Status TableVerifier::CheckEntry(size_t block, const DataBlockView& view,
                                       uint32_t i) {
  const uint64_t offset = table_.index().Offset(block);
  DataBlockView::Entry entry;
  const bool decoded = view.Decode(i, &entry);
  std::string key;
  if (decoded && view.IsRestart(i)) {
    restart_key_ = entry.suffix;
    key = restart_key_;
  } else if (decoded && entry.shared <= restart_key_.size()) {
    key = restart_key_.substr(0, entry.shared);
    key.append(entry.suffix);
  }
  const size_t shared = view.IsRestart(i) ? 0 : CommonPrefix(restart_key_, key);
  if (!decoded || entry.shared != shared || key.size() > kMaxKeyBytes) {
    return table_.Damaged("malformed entry in the data block", offset);
  }
  const uint64_t trailer = view.Trailer(i);
  if (i == 0) NORI_RETURN_IF_ERROR(CheckSeparator(block, key, trailer));
  if (seen_.entries > 0 && CompareInternal(key_, trailer_, key, trailer) >= 0) {
    return table_.Damaged("entries out of order in the data block", offset);
  }
  const uint64_t hash = HashKey(key);
  if (!filter_.MayContain(hash) || !table_.MayContain(hash)) {
    return table_.Damaged("filter denies a key of the data block", offset);
  }
  if (view.tagged() && view.tag(i) != TagOf(hash)) {
    return table_.Damaged("wrong key tag in the data block", offset);
  }
  key_ = std::move(key);
  trailer_ = trailer;
  CountEntry(trailer, entry.value.size());
  return absl::OkStatus();
}

void TableVerifier::CountEntry(uint64_t trailer, size_t value_bytes) {
  if (!any_ || key_ < seen_.smallest_key) seen_.smallest_key = key_;
  if (!any_ || key_ >= seen_.largest_key) {
    seen_.largest_key = key_;
    seen_.largest_exclusive = false;
  }
  any_ = true;
  ++seen_.entries;
  if (TrailerKind(trailer) == EntryKind::kDelete) ++seen_.deletions;
  seen_.raw_key_bytes += key_.size();
  seen_.raw_value_bytes += value_bytes;
  const SequenceNumber sequence = TrailerSequence(trailer);
  seen_.smallest_sequence = std::min(seen_.smallest_sequence, sequence);
  seen_.largest_sequence = std::max(seen_.largest_sequence, sequence);
}

void TableVerifier::CountTombstone(const RangeTombstone& t) {
  if (!any_ || t.begin < seen_.smallest_key) seen_.smallest_key = t.begin;
  if (!any_ || t.end > seen_.largest_key) {
    seen_.largest_key = t.end;
    seen_.largest_exclusive = true;
  }
  any_ = true;
  ++seen_.range_deletions;
  seen_.smallest_sequence = std::min(seen_.smallest_sequence, t.sequence);
  seen_.largest_sequence = std::max(seen_.largest_sequence, t.sequence);
}

absl::Status TableVerifier::CheckProperties() {
  const TableProperties& p = table_.properties();
  if (p.entries == seen_.entries && p.deletions == seen_.deletions &&
      p.range_deletions == seen_.range_deletions &&
      p.raw_key_bytes == seen_.raw_key_bytes &&
      p.raw_value_bytes == seen_.raw_value_bytes &&
      p.data_blocks == seen_.data_blocks &&
      p.smallest_sequence == seen_.smallest_sequence &&
      p.largest_sequence == seen_.largest_sequence &&
      p.smallest_key == seen_.smallest_key &&
      p.largest_key == seen_.largest_key &&
      p.largest_exclusive == seen_.largest_exclusive) {
    return absl::OkStatus();
  }
  return table_.Damaged("properties differ from the content",
                        table_.footer().properties.offset);
}

}  // namespace

absl::Status VerifyTable(const TableReaderImpl& table) {
  return TableVerifier(table).Run();
}

}  // namespace nori
