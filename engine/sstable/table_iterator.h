// Iterator over the entries of one table.

#ifndef NORI_ENGINE_SSTABLE_TABLE_ITERATOR_H_
#define NORI_ENGINE_SSTABLE_TABLE_ITERATOR_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "engine/format/entry_iterator.h"
#include "engine/sstable/table_reader.h"

namespace nori {

// Two levels: a block, and an entry in it. Moving inside a block decodes one
// entry in place, without allocation or virtual calls. Not thread-safe.
class TableIterator final : public EntryIterator {
 public:
  // `table` and options.counters must outlive the iterator.
  TableIterator(const TableReaderImpl* table, const TableIterOptions& options);

  bool Valid() const override { return valid_; }
  absl::Status status() const override { return status_; }
  void SeekToFirst() override;
  void SeekToLast() override;
  void Seek(std::string_view user_key, uint64_t trailer) override;
  void SeekBefore(std::string_view user_key) override;
  void Next() override {
    if (++entry_ < entries_) [[likely]] {
      // The entry starts where the one before it ends.
      LoadEntryAt(end_);
    } else {
      NextBlock();
    }
  }
  void Prev() override;
  std::string_view user_key() const override { return key_; }
  uint64_t trailer() const override {
    return block_.view.Trailer(entry_) + sequence_shift_;
  }
  std::string_view value() const override { return value_; }

 private:
  // Positions at block `i`, without an entry. False on error.
  bool LoadBlock(size_t i);
  absl::Status FetchBlock(size_t i);
  // Block `i` through this iterator's own buffers, for reads that the cache
  // should not see or that fetch several blocks at once.
  absl::Status FetchPrivately(size_t i);
  absl::Status FillWindow(size_t i, uint64_t offset, uint64_t end);
  void PrefetchAround(size_t i);
  std::string_view Unalias(std::string_view user_key);

  // Positions at entry `i` of the block; any order.
  void LoadEntry(uint32_t i);
  // Decodes entry entry_, which starts at `start`.
  void LoadEntryAt(size_t start) {
    end_ = block_.view.Offset(entry_ + 1);
    DataBlockView::Entry entry;
    if (!block_.view.DecodeAt(start, end_, &entry)) [[unlikely]] {
      FailMalformed();
      return;
    }
    value_ = entry.value;
    if (block_.view.IsRestart(entry_)) {
      key_ = restart_key_ = entry.suffix;
      restart_bytes_ = 0;
      return;
    }
    BuildKey(entry);
  }
  void BuildKey(const DataBlockView::Entry& entry);
  void GrowKeyBuffer(size_t bytes);
  void NextBlock();
  void PrevBlock();
  void Invalidate() { valid_ = false; }
  void Fail(absl::Status status);
  void FailMalformed();

  const TableReaderImpl* const table_;
  const TableIterOptions options_;
  const uint64_t sequence_shift_;
  const size_t blocks_;

  size_t block_index_ = SIZE_MAX;  // SIZE_MAX: no block is loaded
  PinnedBlock block_;
  uint32_t entries_ = 0;  // in the block
  uint32_t entry_ = 0;
  size_t end_ = 0;        // of the entry in the block
  std::string_view key_;  // in the block or in key_buffer_
  std::string_view value_;
  bool valid_ = false;
  std::string seek_key_;

  std::string_view restart_key_;  // of the entry's interval, in the block
  size_t restart_bytes_ = 0;      // of it that key_buffer_ starts with
  std::unique_ptr<char[]> key_buffer_;
  size_t key_capacity_ = 0;

  absl::Status status_;
  Buffer scratch_;
  Buffer raw_;
  Buffer window_;  // bytes of the file that were read at once
  std::string_view window_view_;
  uint64_t window_offset_ = 0;  // where they start in the file
  uint64_t prefetched_end_ = 0;
};

}  // namespace nori

#endif  // NORI_ENGINE_SSTABLE_TABLE_ITERATOR_H_
