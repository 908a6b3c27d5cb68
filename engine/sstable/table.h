// Sorted tables: immutable files of entries in internal-key order.

#ifndef NORI_ENGINE_SSTABLE_TABLE_H_
#define NORI_ENGINE_SSTABLE_TABLE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/format/entry_iterator.h"
#include "engine/format/range_tombstone.h"
#include "engine/io/file_system.h"
#include "engine/sstable/block_cache.h"

namespace nori {

enum class Compression : uint8_t { kNone = 0, kLz4 = 1, kZstd = 2 };

struct TableWriterOptions {
  Compression compression = Compression::kLz4;
  size_t block_bytes = 4096;  // target size of a data block before compression
  int restart_interval = 16;  // entries; rounded down to a power of two
  double filter_bits_per_key = 10;  // 0: no filter
};

// What the writer knows of a finished table; stored in the file, and the part
// that the manifest needs is copied there.
struct TableProperties {
  uint64_t file_bytes = 0;
  uint64_t entries = 0;    // point entries, all versions
  uint64_t deletions = 0;  // point tombstones among them
  uint64_t range_deletions = 0;
  uint64_t raw_key_bytes = 0;
  uint64_t raw_value_bytes = 0;
  uint64_t data_blocks = 0;
  SequenceNumber smallest_sequence = kMaxSequence;
  SequenceNumber largest_sequence = 0;
  // Bounds over points and range tombstones: every point key k has
  // smallest_key <= k <= largest_key; every tombstone [b, e) has
  // smallest_key <= b and e <= largest_key if largest_exclusive, and
  // e may equal largest_key in any case.
  std::string smallest_key;
  std::string largest_key;
  bool largest_exclusive = false;  // largest_key is the end of a tombstone
};

// Builds one table. Not thread-safe.
class TableWriter {
 public:
  // Takes ownership of `file`, which must be empty.
  static std::unique_ptr<TableWriter> Create(
      const TableWriterOptions& options, std::unique_ptr<WritableFile> file);
  virtual ~TableWriter() = default;  // an unfinished file is left unreadable

  // REQUIRES: entries come in strictly ascending internal-key order.
  // kInvalidArgument if not, if the kind is not put or delete, or if key or
  // value is too large; otherwise the file's errors. The first error of any
  // function sticks: all later calls return it.
  virtual absl::Status Add(std::string_view user_key, uint64_t trailer,
                           std::string_view value) = 0;
  // In any order, at any time before Finish. Empty ones (begin >= end) are
  // ignored.
  virtual absl::Status AddRangeTombstone(const RangeTombstone& tombstone) = 0;

  // Writes filter, index, tombstones, properties and footer, syncs and closes
  // the file. After an error the file must be removed by the caller.
  virtual absl::StatusOr<TableProperties> Finish() = 0;

  virtual uint64_t EstimatedFileBytes() const = 0;
  virtual uint64_t entries() const = 0;
};

struct TableReaderOptions {
  BlockCache* cache = nullptr;  // may be null: then blocks are not kept
  uint64_t file_number = 0;     // names the file in cache keys and messages
  std::string path;             // for messages
  // Added to the sequence number of every entry and tombstone (a spilled
  // transaction's tables hold numbers local to it). 0: numbers are as stored.
  SequenceNumber sequence_base = 0;
};

struct ReadCounters {  // optional, per caller; plain additions
  uint64_t filter_checks = 0;
  uint64_t filter_negatives = 0;
  uint64_t filter_false_positives = 0;
  uint64_t blocks_read = 0;    // from cache, mapping or disk
  uint64_t blocks_missed = 0;  // had to be read and decoded
};

struct TableIterOptions {
  bool fill_cache = true;            // false for compaction and long scans
  size_t readahead_bytes = 0;        // > 0: sequential reads in steps of this
  ReadCounters* counters = nullptr;  // must outlive the iterator
};

// Reads one table. Thread-safe. Every block's checksum is verified when it
// enters memory; damage is kDataLoss naming path and offset, and concerns only
// reads of that block.
class TableReader {
 public:
  // kDataLoss if the file is not a table or its footer, index, tombstones or
  // properties are damaged. A damaged filter only makes the table do without
  // one (Verify reports it).
  static absl::StatusOr<std::shared_ptr<TableReader>> Open(
      const TableReaderOptions& options,
      std::unique_ptr<RandomAccessFile> file);
  virtual ~TableReader() = default;

  // Newest entry of user_key with sequence <= snapshot. `hash` is
  // HashKey(user_key). Looks at the filter first. Does not look at range
  // tombstones.
  virtual absl::Status Get(std::string_view user_key, uint64_t hash,
                           SequenceNumber snapshot, PointLookup* result,
                           ReadCounters* counters = nullptr) const = 0;

  // The filter's answer alone; true for every key if there is no filter.
  virtual bool MayContain(uint64_t hash) const = 0;
  virtual bool HasFilter() const = 0;

  // The reader must outlive the iterator.
  virtual std::unique_ptr<EntryIterator> NewIterator(
      const TableIterOptions& options = {}) const = 0;

  virtual const RangeTombstoneSet& range_tombstones() const = 0;
  // As stored: sequence numbers without sequence_base.
  virtual const TableProperties& properties() const = 0;

  // Approximate file offset at which user_key would be, from the index alone;
  // 0..file_bytes; file_bytes for a key beyond the table's bounds.
  virtual uint64_t ApproximateOffset(std::string_view user_key) const = 0;
  // Approximate number of entries with user key < user_key, from the index: at
  // most the entries of one block too few.
  virtual uint64_t ApproximateRank(std::string_view user_key) const = 0;
  // Up to `n` user keys in (begin, end) that cut the table's part of the range
  // into pieces of about equal size, from the index alone. Empty end:
  // unbounded.
  virtual std::vector<std::string> SampleKeys(std::string_view begin,
                                              std::string_view end,
                                              size_t n) const = 0;

  // Reads the whole file, checks every checksum, the order of all entries, the
  // filter's answer for each and the counts in the properties.
  virtual absl::Status Verify() const = 0;

  // Bytes of heap memory for index, filter and tombstones. A filter that is
  // read in place in a mapped file is not in it.
  virtual size_t MemoryUsage() const = 0;
};

}  // namespace nori

#endif  // NORI_ENGINE_SSTABLE_TABLE_H_
