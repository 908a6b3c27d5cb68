#include "engine/sstable/table_format.h"

#include <lz4.h>
#include <zstd.h>

#include <cassert>
#include <limits>

#include "absl/strings/str_cat.h"
#include "engine/format/checksum.h"
#include "engine/format/coding.h"

namespace nori {
namespace {

constexpr int kZstdLevel = 3;

uint64_t BlockSeed(uint64_t offset, Compression compression) {
  return offset + (static_cast<uint64_t>(compression) << 56);
}

// Whether content and trailer of `handle` end at or before `limit`.
bool FitsBefore(const BlockHandle& handle, uint64_t limit) {
  return handle.offset <= limit &&
         limit - handle.offset >= kBlockTrailerBytes &&
         handle.size <= limit - handle.offset - kBlockTrailerBytes;
}

struct ZstdDecoder {
  ZSTD_DCtx* context = ZSTD_createDCtx();
  ~ZstdDecoder() { ZSTD_freeDCtx(context); }
};

bool DecompressZstd(std::string_view content, char* raw, size_t raw_size) {
  // One context a thread: creating one costs more than a block.
  thread_local ZstdDecoder decoder;
  if (decoder.context == nullptr) return false;
  const size_t n = ZSTD_decompressDCtx(decoder.context, raw, raw_size,
                                       content.data(), content.size());
  return !ZSTD_isError(n) && n == raw_size;
}

bool DecompressLz4(std::string_view content, char* raw, size_t raw_size) {
  constexpr auto kMax = static_cast<size_t>(std::numeric_limits<int>::max());
  if (content.size() > kMax || raw_size > kMax) return false;
  const int n =
      LZ4_decompress_safe(content.data(), raw, static_cast<int>(content.size()),
                          static_cast<int>(raw_size));
  return n >= 0 && static_cast<size_t>(n) == raw_size;
}

}  // namespace

std::string EncodeFooter(const TableFooter& footer, uint64_t footer_offset) {
  std::string out;
  for (const BlockHandle* h : {&footer.filter, &footer.index,
                               &footer.tombstones, &footer.properties}) {
    PutFixed64(&out, h->offset);
    PutFixed64(&out, h->size);
  }
  PutFixed32(&out, kTableFormatVersion);
  PutFixed32(&out, 0);
  PutFixed64(&out, Checksum(out, footer_offset));
  PutFixed64(&out, kTableMagic);
  assert(out.size() == kFooterBytes);
  return out;
}

absl::StatusOr<TableFooter> DecodeFooter(std::string_view bytes,
                                         uint64_t file_bytes) {
  assert(bytes.size() == kFooterBytes && file_bytes >= kFooterBytes);
  const uint64_t footer_offset = file_bytes - kFooterBytes;
  if (DecodeFixed<uint64_t>(bytes.data() + 80) != kTableMagic) {
    return absl::DataLossError("not a table (bad magic number)");
  }
  if (DecodeFixed<uint64_t>(bytes.data() + 72) !=
      Checksum(bytes.substr(0, 72), footer_offset)) {
    return absl::DataLossError("footer checksum mismatch");
  }
  const auto version = DecodeFixed<uint32_t>(bytes.data() + 64);
  if (version != kTableFormatVersion ||
      DecodeFixed<uint32_t>(bytes.data() + 68) != 0) {
    return absl::DataLossError(
        absl::StrCat("unknown table format version ", version));
  }
  TableFooter footer;
  const char* p = bytes.data();
  for (BlockHandle* h : {&footer.filter, &footer.index, &footer.tombstones,
                         &footer.properties}) {
    h->offset = DecodeFixed<uint64_t>(p);
    h->size = DecodeFixed<uint64_t>(p + 8);
    p += 16;
    const bool optional = h == &footer.filter || h == &footer.tombstones;
    if (optional && *h == BlockHandle{}) continue;
    if (!FitsBefore(*h, footer_offset)) {
      return absl::DataLossError("block handle outside of the file");
    }
  }
  return footer;
}

std::string EncodeProperties(const TableProperties& p) {
  std::string out;
  for (uint64_t v :
       {p.entries, p.deletions, p.range_deletions, p.raw_key_bytes,
        p.raw_value_bytes, p.data_blocks, p.smallest_sequence,
        p.largest_sequence, uint64_t{p.largest_exclusive ? 1u : 0u}}) {
    PutVarint(&out, v);
  }
  PutLengthPrefixed(&out, p.smallest_key);
  PutLengthPrefixed(&out, p.largest_key);
  return out;
}

bool DecodeProperties(std::string_view input, TableProperties* p) {
  uint64_t exclusive = 0;
  for (uint64_t* v :
       {&p->entries, &p->deletions, &p->range_deletions, &p->raw_key_bytes,
        &p->raw_value_bytes, &p->data_blocks, &p->smallest_sequence,
        &p->largest_sequence, &exclusive}) {
    if (!GetVarint(&input, v)) return false;
  }
  std::string_view smallest;
  std::string_view largest;
  if (exclusive > 1 || !GetLengthPrefixed(&input, &smallest) ||
      !GetLengthPrefixed(&input, &largest) || !input.empty()) {
    return false;
  }
  p->largest_exclusive = exclusive == 1;
  p->smallest_key = smallest;
  p->largest_key = largest;
  return p->smallest_sequence <= kMaxSequence &&
         p->largest_sequence <= kMaxSequence;
}

std::string EncodeTombstones(const std::vector<RangeTombstone>& tombstones) {
  std::string out;
  PutVarint(&out, tombstones.size());
  for (const RangeTombstone& t : tombstones) {
    PutLengthPrefixed(&out, t.begin);
    PutLengthPrefixed(&out, t.end);
    PutVarint(&out, t.sequence);
  }
  return out;
}

bool DecodeTombstones(std::string_view input, SequenceNumber sequence_base,
                      std::vector<RangeTombstone>* tombstones) {
  uint64_t n;
  // Each takes at least four bytes: two lengths, a non-empty end, a number.
  if (!GetVarint(&input, &n) || n > input.size() / 4) return false;
  tombstones->clear();
  tombstones->reserve(n);
  for (uint64_t i = 0; i < n; ++i) {
    std::string_view begin;
    std::string_view end;
    uint64_t sequence;
    if (!GetLengthPrefixed(&input, &begin) ||
        !GetLengthPrefixed(&input, &end) || !GetVarint(&input, &sequence) ||
        sequence > kMaxSequence || begin >= end ||
        sequence_base > kMaxSequence - sequence) {
      return false;
    }
    tombstones->push_back(
        {std::string(begin), std::string(end), sequence + sequence_base});
  }
  return input.empty();
}

void EncodeBlockTrailer(std::string_view content, Compression compression,
                        uint64_t offset, char trailer[kBlockTrailerBytes]) {
  trailer[0] = static_cast<char>(compression);
  EncodeFixed(trailer + 1, Checksum(content, BlockSeed(offset, compression)));
}

bool VerifyBlock(std::string_view block, uint64_t offset,
                 Compression* compression) {
  assert(block.size() >= kBlockTrailerBytes);
  const std::string_view content =
      block.substr(0, block.size() - kBlockTrailerBytes);
  const char* trailer = content.data() + content.size();
  const auto type = static_cast<uint8_t>(trailer[0]);
  if (type > static_cast<uint8_t>(Compression::kZstd)) return false;
  *compression = static_cast<Compression>(type);
  return DecodeFixed<uint64_t>(trailer + 1) ==
         Checksum(content, BlockSeed(offset, *compression));
}

BlockCompressor::BlockCompressor(Compression compression)
    : compression_(compression) {
  if (compression_ == Compression::kZstd) zstd_context_ = ZSTD_createCCtx();
}

BlockCompressor::~BlockCompressor() {
  ZSTD_freeCCtx(static_cast<ZSTD_CCtx*>(zstd_context_));
}

std::string_view BlockCompressor::Compress(std::string_view raw,
                                           Compression* used) {
  *used = Compression::kNone;
  if (compression_ == Compression::kNone) return raw;
  *used = compression_;
  std::string_view out = CompressWith(compression_, raw);
  if (!out.empty() && *used == Compression::kZstd &&
      raw.size() / kMaxExpansion >= out.size()) {
    *used = Compression::kLz4;
    out = CompressWith(Compression::kLz4, raw);
  }
  if (!out.empty() && out.size() <= raw.size() - raw.size() / 8) return out;
  *used = Compression::kNone;
  return raw;
}

// Empty if the library cannot compress `raw`.
std::string_view BlockCompressor::CompressWith(Compression compression,
                                               std::string_view raw) {
  const auto header = static_cast<size_t>(VarintLength(raw.size()));
  if (compression == Compression::kLz4) {
    if (raw.size() > LZ4_MAX_INPUT_SIZE) return {};
    const int bound = LZ4_compressBound(static_cast<int>(raw.size()));
    char* dst = buffer_.Reset(header + static_cast<size_t>(bound));
    EncodeVarint(dst, raw.size());
    const int n = LZ4_compress_default(raw.data(), dst + header,
                                       static_cast<int>(raw.size()), bound);
    return n <= 0 ? std::string_view()
                  : std::string_view(dst, header + static_cast<size_t>(n));
  }
  if (zstd_context_ == nullptr) return {};
  const size_t bound = ZSTD_compressBound(raw.size());
  char* dst = buffer_.Reset(header + bound);
  EncodeVarint(dst, raw.size());
  const size_t n =
      ZSTD_compressCCtx(static_cast<ZSTD_CCtx*>(zstd_context_), dst + header,
                        bound, raw.data(), raw.size(), kZstdLevel);
  return ZSTD_isError(n) ? std::string_view()
                         : std::string_view(dst, header + n);
}

bool DecompressBlock(std::string_view content, Compression compression,
                     Buffer* raw) {
  assert(compression != Compression::kNone);
  const uint64_t limit = content.size() * kMaxExpansion;
  uint64_t raw_size;
  if (!GetVarint(&content, &raw_size) || raw_size > limit) return false;
  char* dst = raw->Reset(raw_size);
  return compression == Compression::kLz4
             ? DecompressLz4(content, dst, raw_size)
             : DecompressZstd(content, dst, raw_size);
}

}  // namespace nori
