// The reader's parts that its iterator and its verification share.

#ifndef NORI_ENGINE_SSTABLE_TABLE_READER_H_
#define NORI_ENGINE_SSTABLE_TABLE_READER_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/io/file_system.h"
#include "engine/sstable/block_cache.h"
#include "engine/sstable/data_block.h"
#include "engine/sstable/filter.h"
#include "engine/sstable/table.h"
#include "engine/sstable/table_format.h"
#include "engine/sstable/table_index.h"

namespace nori {

// The raw content of a block in memory of its own.
class DecodedBlock final : public CachedBlock {
 public:
  explicit DecodedBlock(Buffer buffer) : buffer_(std::move(buffer)) {}
  std::string_view content() const { return buffer_.view(); }
  size_t MemoryUsage() const override {
    return sizeof(*this) + buffer_.capacity();
  }

 private:
  Buffer buffer_;
};

// A data block ready for reading, and what keeps its bytes alive (null if they
// live as long as the reader or belong to the caller).
struct PinnedBlock {
  DataBlockView view;
  std::shared_ptr<const CachedBlock> pin;
};

// Thread-safe.
class TableReaderImpl final : public TableReader {
 public:
  TableReaderImpl(const TableReaderOptions& options,
                  std::unique_ptr<RandomAccessFile> file);

  // Reads everything but the data blocks. Called once, before all else.
  absl::Status Init();

  absl::Status Get(std::string_view user_key, uint64_t hash,
                   SequenceNumber snapshot, PointLookup* result,
                   ReadCounters* counters) const override;
  bool HasFilter() const override { return !filter_.empty(); }
  bool MayContain(uint64_t hash) const override {
    return filter_.MayContain(hash);
  }
  std::unique_ptr<EntryIterator> NewIterator(
      const TableIterOptions& options) const override;
  const RangeTombstoneSet& range_tombstones() const override {
    return tombstones_;
  }
  const TableProperties& properties() const override { return properties_; }
  uint64_t ApproximateOffset(std::string_view user_key) const override;
  uint64_t ApproximateRank(std::string_view user_key) const override;
  std::vector<std::string> SampleKeys(std::string_view begin,
                                      std::string_view end,
                                      size_t n) const override;
  absl::Status Verify() const override;
  size_t MemoryUsage() const override;

  // --- For TableIterator and TableVerifier. ---

  const TableReaderOptions& options() const { return options_; }
  const TableIndex& index() const { return index_; }
  const TableFooter& footer() const { return footer_; }
  const FilterView& filter() const { return filter_; }
  const RandomAccessFile& file() const { return *file_; }
  bool mapped() const { return !mapping_.empty(); }

  // Data block `i` from the mapping, the cache or the file, in this order.
  absl::Status LoadBlock(size_t i, bool fill_cache, ReadCounters* counters,
                         PinnedBlock* block) const;
  // The mapping if block `i` lies there uncompressed: sets `*done` and the
  // view.
  absl::Status LoadInPlace(size_t i, DataBlockView* view, bool* done) const;
  // Block `i` from the cache; false if absent. `promote` counts as a use.
  bool LoadCached(size_t i, bool promote, PinnedBlock* block) const;

  // Bytes [offset, offset + n) of the file, in place if it is mapped, else read
  // into `*scratch`.
  absl::Status ReadBytes(uint64_t offset, size_t n, Buffer* scratch,
                         std::string_view* bytes) const;
  // Content and compression of a block given as it lies in the file, after its
  // checksum was verified.
  absl::Status CheckBlock(std::string_view block, uint64_t offset,
                          std::string_view* content,
                          Compression* compression) const;
  // Reads, verifies and decompresses. `*content` points into the mapping or
  // into `*raw`; both buffers must differ.
  absl::Status ReadBlock(const BlockHandle& handle, Buffer* scratch,
                         Buffer* raw, std::string_view* content) const;
  absl::Status ParseBlock(size_t i, std::string_view content,
                          DataBlockView* view) const;

  // kDataLoss naming this table and `offset`.
  absl::Status Damaged(const std::string& what, uint64_t offset) const;

 private:
  // What is known of a block's bytes in the mapping.
  enum BlockState : uint8_t { kUnknown, kInPlace, kCompressed };

  absl::Status InitFooter();
  absl::Status InitFilter();
  absl::Status InitTombstones();
  absl::Status InitProperties();
  bool IsBeyond(std::string_view user_key) const;

  const TableReaderOptions options_;
  const std::unique_ptr<RandomAccessFile> file_;
  const std::string_view mapping_;  // empty: not mapped
  const uint64_t sequence_shift_;   // sequence_base as part of a trailer
  TableFooter footer_;
  TableIndex index_;
  FilterView filter_;
  Buffer filter_bytes_;  // unless the filter is read in place
  RangeTombstoneSet tombstones_;
  size_t tombstone_bytes_ = 0;
  TableProperties properties_;
  // Of each data block, if mapped.
  std::unique_ptr<std::atomic<uint8_t>[]> states_;
};

// Checks all that TableReader::Verify promises.
absl::Status VerifyTable(const TableReaderImpl& table);

}  // namespace nori

#endif  // NORI_ENGINE_SSTABLE_TABLE_READER_H_
