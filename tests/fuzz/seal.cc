#include <algorithm>
#include <vector>

#include "engine/format/checksum.h"
#include "engine/format/coding.h"
#include "engine/manifest/edit_log.h"
#include "engine/sstable/table_format.h"
#include "engine/sstable/table_index.h"
#include "engine/wal/log_format.h"
#include "tests/fuzz/fuzz.h"

namespace nori {
namespace {

uint64_t PlaceSeed(uint64_t number, uint64_t offset) {
  return number * 0x9e3779b97f4a7c15 + offset;
}

bool Fits(const BlockHandle& h, const std::string& bytes) {
  return h.offset <= bytes.size() && h.size <= bytes.size() &&
         bytes.size() - h.offset >= h.size + kBlockTrailerBytes;
}

void SealBlock(const BlockHandle& h, std::string* bytes) {
  if (!Fits(h, *bytes)) return;
  char* const trailer = bytes->data() + h.offset + h.size;
  const auto compression =
      static_cast<Compression>(static_cast<uint8_t>(*trailer) % 3);
  EncodeBlockTrailer(std::string_view(*bytes).substr(h.offset, h.size),
                     compression, h.offset, trailer);
}

void SealDataBlocks(const BlockHandle& index_handle, std::string* bytes) {
  if (!Fits(index_handle, *bytes)) return;
  std::string_view content =
      std::string_view(*bytes).substr(index_handle.offset, index_handle.size);
  const auto compression =
      static_cast<Compression>(*(content.data() + content.size()));
  Buffer raw;
  if (compression != Compression::kNone) {
    if (!DecompressBlock(content, compression, &raw)) return;
    content = raw.view();
  }
  TableIndex index;
  if (!index.Decode(content, bytes->size())) return;
  for (size_t i = 0; i < index.blocks(); ++i) {
    SealBlock(index.Handle(i), bytes);
  }
}

}  // namespace

void SealLog(uint64_t number, std::string* bytes) {
  if (bytes->size() < kLogSegmentHeaderBytes) return;
  char* const p = bytes->data();
  EncodeFixed(p + 16, number);
  EncodeFixed(p + 56, Checksum({p, 56}, PlaceSeed(number, 0)));
  uint64_t offset = kLogSegmentHeaderBytes;
  while (const auto record = PeekLogRecord(*bytes, {number, offset})) {
    EncodeFixed(p + offset, Checksum({p + offset + 8, record->bytes - 8},
                                     PlaceSeed(number, offset)));
    offset += record->bytes;
  }
}

void SealManifest(uint64_t number, std::string* bytes) {
  if (bytes->size() < kEditLogHeaderBytes) return;
  char* const p = bytes->data();
  EncodeFixed(p + 16, number);
  EncodeFixed(p + 24, Checksum({p, 24}));
  uint64_t offset = kEditLogHeaderBytes;
  while (bytes->size() - offset >= kEditRecordHeaderBytes) {
    const uint64_t seed = PlaceSeed(number, offset);
    const auto length = DecodeFixed<uint32_t>(p + offset);
    EncodeFixed(p + offset + 4,
                static_cast<uint32_t>(Checksum({p + offset, 4}, ~seed)));
    if (length > bytes->size() - offset - kEditRecordHeaderBytes) return;
    EncodeFixed(p + offset + 8,
                Checksum({p + offset + kEditRecordHeaderBytes, length}, seed));
    offset += kEditRecordHeaderBytes + length;
  }
}

void SealTable(std::string* bytes) {
  if (bytes->size() < kFooterBytes) return;
  const uint64_t footer_offset = bytes->size() - kFooterBytes;
  char* const p = bytes->data() + footer_offset;
  EncodeFixed(p + 72, Checksum({p, 72}, footer_offset));
  EncodeFixed(p + 80, kTableMagic);
  const auto footer = DecodeFooter({p, kFooterBytes}, bytes->size());
  if (!footer.ok()) return;
  for (const BlockHandle* h : {&footer->filter, &footer->index,
                               &footer->tombstones, &footer->properties}) {
    if (h->size > 0) SealBlock(*h, bytes);
  }
  SealDataBlocks(footer->index, bytes);
  SealBlock(footer->index, bytes);
}

}  // namespace nori
