// The table file, byte by byte, and the functions that read and write its
// pieces.
//
// All integers are little-endian; "varint" is LEB128 (format/coding.h);
// "string" is a varint length and that many bytes.
//
//   file       := data block*  padding?  filter block?  index block
//                 tombstone block?  properties block  footer
//   padding    := zero bytes up to a multiple of 64, only before a filter
//   block,
//                 so that a line of a mapped filter is one line of the CPU's
//                 cache
//   block      := content  trailer
//   trailer    := compression u8 (0 none, 1 LZ4, 2 Zstandard)
//                 checksum u64 = XXH3(content as stored,
//                                     seed = offset of the block in the file
//                                            + compression << 56)
//   content    := raw content, if compression is none, else
//                 varint raw size, compressed bytes.
//                 A block that would not shrink by 1/8 is stored raw. Raw size
//                 is at most kMaxExpansion times the stored size.
//
//   data block (raw), n >= 1 entries:
//     entries                  see below
//     offsets   (n + 1) * W    start of each entry in `entries`, and the end of
//                              the last one; W is 2 or 4 bytes
//     trailers  n * T          packed trailer of each entry minus `base`; T is
//                              0 to 8 bytes. Packed: sequence << 1 | kind
//     tags      n * 1          TagOf(HashKey(user key)), if present
//     n          u32
//     base       u64           smallest packed trailer
//     restart_shift u8         entries i with i % 2^restart_shift = 0 are
//                              restart points
//     W u8, T u8, tagged u8    (0 or 1)
//   entry      := varint shared, varint unshared, unshared key bytes, value
//                 `shared` is exactly the length of the common prefix with the
//                 key of the last restart point at or before the entry (not
//                 with the previous key: so any entry is read without the ones
//                 before it); 0 at a restart point. The value goes to the end.
//
//   filter block (never compressed):
//     lines      64 * L bytes  see filter.h
//     probes     u8            bits tested per key
//
//   index block (raw), n data blocks, the i-th one following the (i-1)-th
//   directly, the first at file offset 0:
//     n          varint
//     prefix     string        common prefix of all separators
//     n times    varint stored size of the block's content (without trailer)
//                varint number of entries
//                then, except for the first block, its separator:
//                varint length << 1 | exact, suffix after `prefix`,
//                u64 trailer if exact
//     Separator i is an internal key above every entry of block i - 1 and not
//     above any entry of block i. It is a user key cut as short as that allows,
//     standing before all versions of that key, unless the blocks part two
//     versions of one key: then it is `exact`, that key with a trailer.
//
//   tombstone block (raw): varint n, n times string begin, string end,
//     varint sequence.
//
//   properties block (raw): varints entries, deletions, range_deletions,
//     raw_key_bytes, raw_value_bytes, data_blocks, smallest_sequence,
//     largest_sequence, largest_exclusive (0 or 1), then strings smallest_key,
//     largest_key.
//
//   footer (kFooterBytes at the end of the file):
//     handles    4 * (offset u64, size u64): filter, index, tombstone,
//                properties. Size is that of the stored content without
//                trailer; offset and size are 0 if there is no such block.
//     version    u32           kTableFormatVersion
//     reserved   u32           0
//     checksum   u64           XXH3(footer up to here, seed = its file offset)
//     magic      u64           kTableMagic

#ifndef NORI_ENGINE_SSTABLE_TABLE_FORMAT_H_
#define NORI_ENGINE_SSTABLE_TABLE_FORMAT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/format/internal_key.h"
#include "engine/format/range_tombstone.h"
#include "engine/sstable/table.h"

namespace nori {

inline constexpr uint64_t kTableMagic = 0x316c627469726f6e;  // "noritbl1"
inline constexpr uint32_t kTableFormatVersion = 1;
inline constexpr size_t kBlockTrailerBytes = 9;
inline constexpr size_t kFooterBytes = 88;
inline constexpr size_t kFilterAlignment = 64;
// No block expands by more: bounds what a reader allocates for a file of a
// given size. The writer falls back to LZ4 (at most 255) where Zstandard would
// do better than this.
inline constexpr uint64_t kMaxExpansion = 1024;

// Growing a std::string writes zeros that the read or decompression overwrites
// at once; this does not. Keeps its memory when it is reset to a smaller size.
class Buffer {
 public:
  // Contents are lost. The result has exactly `size` writable bytes.
  char* Reset(size_t size) {
    if (size > capacity_) {
      data_ = std::make_unique_for_overwrite<char[]>(size);
      capacity_ = size;
    }
    size_ = size;
    return data_.get();
  }
  // Keeps the first `size` bytes. REQUIRES: not more than there are.
  void Truncate(size_t size) { size_ = size; }
  std::string_view view() const { return {data_.get(), size_}; }
  size_t capacity() const { return capacity_; }

 private:
  std::unique_ptr<char[]> data_;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

// Where a block lies; `size` excludes the trailer.
struct BlockHandle {
  uint64_t offset = 0;
  uint64_t size = 0;
  friend bool operator==(const BlockHandle&, const BlockHandle&) = default;
};

struct TableFooter {
  BlockHandle filter;
  BlockHandle index;
  BlockHandle tombstones;
  BlockHandle properties;
};

std::string EncodeFooter(const TableFooter& footer, uint64_t footer_offset);
// `bytes` are the last kFooterBytes of a file of `file_bytes`. Checks magic,
// checksum, version, and that every handle lies inside the file before the
// footer. kDataLoss with a message that says what is wrong, without the path.
absl::StatusOr<TableFooter> DecodeFooter(std::string_view bytes,
                                         uint64_t file_bytes);

std::string EncodeProperties(const TableProperties& properties);
// False if malformed. file_bytes is not in the block and stays as it is.
bool DecodeProperties(std::string_view input, TableProperties* properties);

std::string EncodeTombstones(const std::vector<RangeTombstone>& tombstones);
// False if malformed. `sequence_base` is added to every sequence number.
bool DecodeTombstones(std::string_view input, SequenceNumber sequence_base,
                      std::vector<RangeTombstone>* tombstones);

// Writes the trailer of a block that is stored as `content` at `offset`.
void EncodeBlockTrailer(std::string_view content, Compression compression,
                        uint64_t offset, char trailer[kBlockTrailerBytes]);
// Checks a block as it lies in the file at `offset`: `block` is content and
// trailer. False if the checksum does not match or the compression is unknown.
bool VerifyBlock(std::string_view block, uint64_t offset,
                 Compression* compression);

// Compresses blocks; keeps its buffers and contexts. Not thread-safe.
class BlockCompressor {
 public:
  explicit BlockCompressor(Compression compression);
  ~BlockCompressor();
  // What to store for `raw`: `raw` itself or a view of an internal buffer,
  // valid until the next call. `*used` says how it is compressed.
  std::string_view Compress(std::string_view raw, Compression* used);

 private:
  std::string_view CompressWith(Compression compression, std::string_view raw);

  const Compression compression_;
  Buffer buffer_;
  void* zstd_context_ = nullptr;
};

// Undoes Compress of a verified block: fills `*raw`. False if the content is
// malformed; allocates at most kMaxExpansion times the content's size.
// REQUIRES: compression is not kNone.
bool DecompressBlock(std::string_view content, Compression compression,
                     Buffer* raw);

}  // namespace nori

#endif  // NORI_ENGINE_SSTABLE_TABLE_FORMAT_H_
