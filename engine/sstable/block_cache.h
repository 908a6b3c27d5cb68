// Sharded, scan-resistant cache of decoded table blocks.

#ifndef NORI_ENGINE_SSTABLE_BLOCK_CACHE_H_
#define NORI_ENGINE_SSTABLE_BLOCK_CACHE_H_

#include <cstdint>
#include <memory>

namespace nori {

// A decoded, verified block, immutable.
class CachedBlock {
 public:
  virtual ~CachedBlock() = default;
  virtual size_t MemoryUsage() const = 0;
};

// Thread-safe. A block stays alive as long as someone holds its pointer, also
// after it was evicted.
class BlockCache {
 public:
  virtual ~BlockCache() = default;

  // Null if absent. A hit protects the block against eviction by blocks that
  // were touched only once.
  virtual std::shared_ptr<const CachedBlock> Lookup(uint64_t file_number,
                                                    uint64_t offset) = 0;
  // As Lookup, but neither protects the block nor counts as hit or miss: for
  // compaction and long scans.
  virtual std::shared_ptr<const CachedBlock> Peek(uint64_t file_number,
                                                  uint64_t offset) = 0;
  // Returns the block that is in the cache afterwards (an earlier insertion of
  // the same key wins), or `block` itself, not cached, if it is larger than a
  // shard. Its charge is MemoryUsage() at this time.
  virtual std::shared_ptr<const CachedBlock> Insert(
      uint64_t file_number, uint64_t offset,
      std::shared_ptr<const CachedBlock> block) = 0;
  virtual void EraseFile(uint64_t file_number) = 0;

  virtual size_t capacity() const = 0;  // bytes
  // Bytes of the blocks in the cache, never more than capacity(). Blocks that
  // were evicted while someone holds them are not in it.
  virtual size_t usage() const = 0;
  virtual uint64_t hits() const = 0;
  virtual uint64_t misses() const = 0;

  // Source of the replacement policy: segmented LRU (Karedla, Love, Wherry,
  // IEEE Computer 1994). 2^shard_bits shards of equal capacity, fewer if they
  // would be smaller than kMinShardBytes.
  static constexpr size_t kMinShardBytes = size_t{512} << 10;
  static std::unique_ptr<BlockCache> Create(size_t capacity_bytes,
                                            int shard_bits = 4);
};

}  // namespace nori

#endif  // NORI_ENGINE_SSTABLE_BLOCK_CACHE_H_
