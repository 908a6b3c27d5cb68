#include "engine/sstable/table_iterator.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "engine/format/status_macros.h"

namespace nori {
namespace {

// Short keys are copied in one step of this size when the source has as many
// readable bytes, instead of calling memcpy for a length only known at run
// time. The key buffer has that much room beyond its capacity.
constexpr size_t kCopyStep = 16;

}  // namespace

TableIterator::TableIterator(const TableReaderImpl* table,
                             const TableIterOptions& options)
    : table_(table),
      options_(options),
      sequence_shift_(table->options().sequence_base << 8),
      blocks_(table->index().blocks()) {
  GrowKeyBuffer(64);
}

void TableIterator::GrowKeyBuffer(size_t bytes) {
  const size_t capacity = std::max(bytes, key_capacity_ * 2);
  auto grown = std::make_unique_for_overwrite<char[]>(capacity + kCopyStep);
  if (restart_bytes_ > 0) {
    std::memcpy(grown.get(), key_buffer_.get(), restart_bytes_);
  }
  key_buffer_ = std::move(grown);
  key_capacity_ = capacity;
}

void TableIterator::BuildKey(const DataBlockView::Entry& entry) {
  const size_t size = entry.shared + entry.suffix.size();
  if (entry.shared > restart_key_.size()) [[unlikely]] {
    FailMalformed();
    return;
  }
  if (size > key_capacity_) [[unlikely]] {
    GrowKeyBuffer(size);
  }
  char* buffer = key_buffer_.get();
  // Forwards the shared part only shrinks, and the buffer starts with it.
  if (entry.shared > restart_bytes_) {
    std::memcpy(buffer + restart_bytes_, restart_key_.data() + restart_bytes_,
                entry.shared - restart_bytes_);
  }
  // The block's footer lies behind every entry, so that kCopyStep bytes can be
  // read from any suffix.
  static_assert(kDataBlockFooterBytes >= kCopyStep);
  if (entry.suffix.size() <= kCopyStep) {
    std::memcpy(buffer + entry.shared, entry.suffix.data(), kCopyStep);
  } else {
    std::memcpy(buffer + entry.shared, entry.suffix.data(),
                entry.suffix.size());
  }
  restart_bytes_ = entry.shared;
  key_ = {buffer, size};
}

void TableIterator::Fail(absl::Status status) {
  status_ = std::move(status);
  block_index_ = SIZE_MAX;
  Invalidate();
}

void TableIterator::FailMalformed() {
  Fail(table_->Damaged("malformed data block",
                       table_->index().Offset(block_index_)));
}

void TableIterator::LoadEntry(uint32_t i) {
  entry_ = i;
  valid_ = true;
  if (!block_.view.IsRestart(i)) {
    if (!block_.view.RestartKey(block_.view.RestartOf(i), &restart_key_)) {
      FailMalformed();
      return;
    }
    restart_bytes_ = 0;
  }
  LoadEntryAt(block_.view.Offset(i));
}

bool TableIterator::LoadBlock(size_t i) {
  if (i == block_index_) return true;
  if (absl::Status s = FetchBlock(i); !s.ok()) {
    Fail(std::move(s));
    return false;
  }
  block_index_ = i;
  entries_ = block_.view.size();
  return true;
}

absl::Status TableIterator::FetchBlock(size_t i) {
  if (options_.readahead_bytes > 0 && table_->mapped()) PrefetchAround(i);
  if (options_.fill_cache && options_.readahead_bytes == 0 &&
      table_->options().cache != nullptr) {
    return table_->LoadBlock(i, true, options_.counters, &block_);
  }
  if (options_.counters != nullptr) ++options_.counters->blocks_read;
  bool done;
  NORI_RETURN_IF_ERROR(table_->LoadInPlace(i, &block_.view, &done));
  if (done) {
    block_.pin = nullptr;
    return absl::OkStatus();
  }
  if (table_->LoadCached(i, options_.fill_cache, &block_)) {
    return absl::OkStatus();
  }
  if (options_.counters != nullptr) ++options_.counters->blocks_missed;
  return FetchPrivately(i);
}

absl::Status TableIterator::FetchPrivately(size_t i) {
  const BlockHandle handle = table_->index().Handle(i);
  const uint64_t end = handle.offset + handle.size + kBlockTrailerBytes;
  block_.pin = nullptr;
  NORI_RETURN_IF_ERROR(FillWindow(i, handle.offset, end));
  std::string_view content;
  Compression compression;
  NORI_RETURN_IF_ERROR(table_->CheckBlock(
      window_view_.substr(handle.offset - window_offset_, end - handle.offset),
      handle.offset, &content, &compression));
  if (compression != Compression::kNone) {
    if (!DecompressBlock(content, compression, &raw_)) {
      return table_->Damaged("block does not decompress", handle.offset);
    }
    content = raw_.view();
  }
  NORI_RETURN_IF_ERROR(table_->ParseBlock(i, content, &block_.view));
  BlockCache* cache = table_->options().cache;
  if (!options_.fill_cache || cache == nullptr) return absl::OkStatus();
  Buffer copy;
  std::memcpy(copy.Reset(content.size()), content.data(), content.size());
  block_.pin = cache->Insert(table_->options().file_number, handle.offset,
                             std::make_shared<DecodedBlock>(std::move(copy)));
  return table_->ParseBlock(
      i, static_cast<const DecodedBlock&>(*block_.pin).content(), &block_.view);
}

// Makes window_view_ hold [offset, end), block `i`'s bytes in the file.
absl::Status TableIterator::FillWindow(size_t i, uint64_t offset,
                                       uint64_t end) {
  if (offset >= window_offset_ && end <= window_offset_ + window_view_.size()) {
    return absl::OkStatus();
  }
  if (!table_->mapped()) {
    // The rest of the step lies where the walk is going.
    const uint64_t step =
        std::max<uint64_t>(options_.readahead_bytes, end - offset);
    const bool backwards = block_index_ != SIZE_MAX && i < block_index_;
    if (backwards) {
      offset = end - std::min(end, step);
    } else {
      end = std::min(offset + step, table_->index().data_end());
    }
  }
  window_view_ = {};
  std::string_view bytes;
  NORI_RETURN_IF_ERROR(
      table_->ReadBytes(offset, end - offset, &window_, &bytes));
  window_view_ = bytes;
  window_offset_ = offset;
  return absl::OkStatus();
}

// Keeps the mapping's pages coming: asks for the next step when the walk has
// reached the middle of the last one.
void TableIterator::PrefetchAround(size_t i) {
  if (block_index_ != SIZE_MAX && i < block_index_) return;
  const uint64_t offset = table_->index().Offset(i);
  const uint64_t step = options_.readahead_bytes;
  uint64_t from = offset;
  if (offset < prefetched_end_ && prefetched_end_ - offset <= 2 * step) {
    if (prefetched_end_ - offset > step / 2) return;
    from = prefetched_end_;
  }
  const uint64_t data_end = table_->index().data_end();
  if (from < data_end) {
    table_->file().Prefetch(from, std::min(step, data_end - from));
  }
  prefetched_end_ = from + step;
}

void TableIterator::SeekToFirst() {
  status_ = absl::OkStatus();
  Invalidate();
  if (blocks_ > 0 && LoadBlock(0)) LoadEntry(0);
}

void TableIterator::SeekToLast() {
  status_ = absl::OkStatus();
  Invalidate();
  if (blocks_ > 0 && LoadBlock(blocks_ - 1)) LoadEntry(entries_ - 1);
}

// Callers like to seek to the key they are at, which loading another block
// would pull from under the search.
std::string_view TableIterator::Unalias(std::string_view user_key) {
  const auto own = reinterpret_cast<uintptr_t>(key_.data());
  const auto given = reinterpret_cast<uintptr_t>(user_key.data());
  if (given < own || given > own + key_.size()) return user_key;
  seek_key_.assign(user_key);
  return seek_key_;
}

void TableIterator::Seek(std::string_view user_key, uint64_t trailer) {
  user_key = Unalias(user_key);
  status_ = absl::OkStatus();
  Invalidate();
  if (blocks_ == 0) return;
  // Entries hold trailers without sequence_base. A target before all of the
  // table's numbers is after every version of the key.
  const bool after_all = trailer < sequence_shift_;
  const uint64_t stored = after_all ? 0 : trailer - sequence_shift_;
  if (!LoadBlock(table_->index().FindBlock(user_key, stored))) return;
  const uint32_t i = block_.view.LowerBound(user_key, stored);
  if (i == DataBlockView::kMalformed) {
    FailMalformed();
  } else if (i < entries_) {
    LoadEntry(i);
  } else {
    NextBlock();
  }
  if (after_all && valid_ && key_ == user_key) Next();
}

void TableIterator::SeekBefore(std::string_view user_key) {
  user_key = Unalias(user_key);
  status_ = absl::OkStatus();
  Invalidate();
  if (blocks_ == 0) return;
  if (!LoadBlock(table_->index().FindBlock(user_key, kBeforeAllVersions))) {
    return;
  }
  const uint32_t i = block_.view.LowerBound(user_key, kBeforeAllVersions);
  if (i == DataBlockView::kMalformed) {
    FailMalformed();
  } else if (i > 0) {
    LoadEntry(i - 1);
  } else {
    PrevBlock();
  }
}

void TableIterator::Prev() {
  assert(valid_);
  if (entry_ > 0) {
    LoadEntry(entry_ - 1);
  } else {
    PrevBlock();
  }
}

void TableIterator::NextBlock() {
  if (block_index_ + 1 >= blocks_) {
    Invalidate();
  } else if (LoadBlock(block_index_ + 1)) {
    LoadEntry(0);
  }
}

void TableIterator::PrevBlock() {
  if (block_index_ == 0) {
    Invalidate();
  } else if (LoadBlock(block_index_ - 1)) {
    LoadEntry(entries_ - 1);
  }
}

}  // namespace nori
