// Writing a data block. Layout: table_format.h.

#ifndef NORI_ENGINE_SSTABLE_DATA_BLOCK_BUILDER_H_
#define NORI_ENGINE_SSTABLE_DATA_BLOCK_BUILDER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace nori {

// Not thread-safe.
class DataBlockBuilder {
 public:
  // `restart_interval` is rounded down to a power of two, at least 1.
  explicit DataBlockBuilder(int restart_interval);

  // REQUIRES: ascending internal-key order; `hash` is HashKey(user_key).
  void Add(std::string_view user_key, uint64_t trailer, std::string_view value,
           uint64_t hash);

  bool empty() const { return offsets_.empty(); }
  uint32_t size() const { return static_cast<uint32_t>(offsets_.size()); }
  // Bytes that Finish would give now, give or take the width of the trailers.
  size_t EstimatedBytes() const {
    return content_.size() + 5 * offsets_.size();
  }

  // The block's raw content, valid until Reset. REQUIRES: not empty.
  std::string_view Finish();
  void Reset();

 private:
  const uint32_t restart_shift_;
  std::string content_;
  std::vector<uint32_t> offsets_;
  std::vector<uint64_t> packed_trailers_;
  std::string tags_;
  std::string restart_key_;
};

}  // namespace nori

#endif  // NORI_ENGINE_SSTABLE_DATA_BLOCK_BUILDER_H_
