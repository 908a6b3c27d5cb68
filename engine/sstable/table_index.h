// The index of a table: which data block holds a key. Flat in memory.

#ifndef NORI_ENGINE_SSTABLE_TABLE_INDEX_H_
#define NORI_ENGINE_SSTABLE_TABLE_INDEX_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "engine/sstable/table_format.h"

namespace nori {

// Trailer of a separator that stands before all versions of its key.
inline constexpr uint64_t kBeforeAllVersions = UINT64_MAX;

// Collects the index while a table is written.
class TableIndexBuilder {
 public:
  // A block follows whose first entry is (first_key, first_trailer); the last
  // entry of the block before is (last_key, last_trailer). Not for block 0.
  void AddSeparator(std::string_view last_key, uint64_t last_trailer,
                    std::string_view first_key);
  // A block was written: stored content size and entries.
  void AddBlock(uint64_t stored_bytes, uint64_t entries);
  // Content of the index block (table_format.h).
  std::string Finish() const;

  size_t blocks() const { return blocks_.size(); }
  size_t EstimatedBytes() const {
    return separator_bytes_ + 6 * blocks_.size();
  }

 private:
  struct Block {
    uint64_t stored_bytes;
    uint64_t entries;
  };
  struct Separator {
    std::string key;
    uint64_t trailer;
  };
  std::vector<Block> blocks_;
  std::vector<Separator> separators_;  // [i] is before block i + 1
  size_t separator_bytes_ = 0;
};

// Immutable after Decode; thread-safe.
class TableIndex {
 public:
  // Decodes the content of an index block. False if it is malformed, its
  // separators do not ascend, or its blocks reach beyond `data_limit`.
  bool Decode(std::string_view content, uint64_t data_limit);

  size_t blocks() const { return starts_.size() - 1; }
  uint64_t entries() const { return starts_.back().rank; }
  // End of the last block in the file.
  uint64_t data_end() const { return starts_.back().offset; }
  BlockHandle Handle(size_t block) const {
    return {
        starts_[block].offset,
        starts_[block + 1].offset - starts_[block].offset - kBlockTrailerBytes};
  }
  // File offset where `block` starts; block may be blocks().
  uint64_t Offset(size_t block) const { return starts_[block].offset; }
  // Entries in the blocks before `block`; block may be blocks().
  uint64_t Rank(size_t block) const { return starts_[block].rank; }
  // The first block whose offset is at or after `offset`, or blocks().
  size_t BlockAtOrAfter(uint64_t offset) const;

  // The block that holds the first entry at or after (user_key, trailer), if it
  // is not the first entry of the next block. REQUIRES: blocks() > 0.
  size_t FindBlock(std::string_view user_key, uint64_t trailer) const;

  // User key and trailer of the separator before `block`.
  // REQUIRES: 0 < block < blocks().
  std::string SeparatorKey(size_t block) const;
  uint64_t SeparatorTrailer(size_t block) const;

  size_t MemoryUsage() const;  // bytes

 private:
  // Together, since a lookup needs both, and each costs a cache miss.
  struct BlockStart {
    uint64_t offset = 0;  // in the file
    uint64_t rank = 0;    // entries before it
  };

  // Separator `i` stands before block i + 1.
  std::string_view Suffix(size_t i) const {
    return std::string_view(arena_).substr(
        suffix_starts_[i], suffix_starts_[i + 1] - suffix_starts_[i]);
  }
  uint64_t TrailerOf(size_t i) const;
  bool DecodeBlock(std::string_view* input, size_t block, uint64_t data_limit);
  bool AppendSeparator(std::string_view suffix, uint64_t trailer);
  size_t FindAmongTies(size_t low, uint64_t prefix, std::string_view suffix,
                       uint64_t trailer) const;

  std::string common_;                   // prefix of all separators
  std::vector<uint64_t> prefixes_;       // KeyPrefix(Suffix(i))
  std::vector<uint64_t> suffix_starts_;  // in arena_, one more than separators
  std::string arena_;
  absl::flat_hash_map<size_t, uint64_t> exact_trailers_;  // few or none
  std::vector<BlockStart> starts_{BlockStart()};  // one more than blocks
};

}  // namespace nori

#endif  // NORI_ENGINE_SSTABLE_TABLE_INDEX_H_
