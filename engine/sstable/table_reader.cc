#include "engine/sstable/table_reader.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/format/status_macros.h"
#include "engine/sstable/table_iterator.h"

namespace nori {

namespace {

// Fetches the end of a data block all at once: footer, tags, trailers and
// offsets of a block of usual size, which a lookup reads one after the other.
inline void PrefetchTail(const char* end) {
  // An integer: a small block may start after the address.
  const auto address = reinterpret_cast<uintptr_t>(end);
  for (uintptr_t line = 1; line <= 4; ++line) {
    __builtin_prefetch(reinterpret_cast<const void*>(address - 64 * line));
  }
}

}  // namespace

TableReaderImpl::TableReaderImpl(const TableReaderOptions& options,
                                 std::unique_ptr<RandomAccessFile> file)
    : options_(options),
      file_(std::move(file)),
      mapping_(file_->Mapped()),
      sequence_shift_(options.sequence_base << 8) {}

absl::Status TableReaderImpl::Damaged(const std::string& what,
                                      uint64_t offset) const {
  return absl::DataLossError(absl::StrCat("table ", options_.path, " (number ",
                                          options_.file_number, "): ", what,
                                          " at offset ", offset));
}

absl::Status TableReaderImpl::ReadBytes(uint64_t offset, size_t n,
                                        Buffer* scratch,
                                        std::string_view* bytes) const {
  if (offset > file_->Size() || n > file_->Size() - offset) {
    return Damaged("read beyond the end of the file", offset);
  }
  if (mapped()) {
    *bytes = mapping_.substr(offset, n);
    return absl::OkStatus();
  }
  return file_->Read(offset, n, scratch->Reset(n), bytes);
}

absl::Status TableReaderImpl::CheckBlock(std::string_view block,
                                         uint64_t offset,
                                         std::string_view* content,
                                         Compression* compression) const {
  if (!VerifyBlock(block, offset, compression)) {
    return Damaged("block checksum mismatch", offset);
  }
  *content = block.substr(0, block.size() - kBlockTrailerBytes);
  return absl::OkStatus();
}

absl::Status TableReaderImpl::ReadBlock(const BlockHandle& handle,
                                        Buffer* scratch, Buffer* raw,
                                        std::string_view* content) const {
  std::string_view bytes;
  NORI_RETURN_IF_ERROR(ReadBytes(
      handle.offset, handle.size + kBlockTrailerBytes, scratch, &bytes));
  Compression compression;
  NORI_RETURN_IF_ERROR(CheckBlock(bytes, handle.offset, content, &compression));
  if (compression == Compression::kNone) {
    if (mapped()) return absl::OkStatus();
    if (content->data() == scratch->view().data()) {
      std::swap(*scratch, *raw);  // moves no bytes, `*content` stays
      raw->Truncate(content->size());
    } else {
      std::memcpy(raw->Reset(content->size()), content->data(),
                  content->size());
      *content = raw->view();
    }
    return absl::OkStatus();
  }
  if (!DecompressBlock(*content, compression, raw)) {
    return Damaged("block does not decompress", handle.offset);
  }
  *content = raw->view();
  return absl::OkStatus();
}

absl::Status TableReaderImpl::ParseBlock(size_t i, std::string_view content,
                                         DataBlockView* view) const {
  if (!view->Parse(content) ||
      view->size() != index_.Rank(i + 1) - index_.Rank(i)) [[unlikely]] {
    return Damaged("malformed data block", index_.Offset(i));
  }
  return absl::OkStatus();
}

absl::Status TableReaderImpl::LoadInPlace(size_t i, DataBlockView* view,
                                          bool* done) const {
  *done = false;
  if (states_ == nullptr) return absl::OkStatus();
  // Whoever sees kInPlace needs no more than that: the bytes were there before.
  uint8_t state = states_[i].load(std::memory_order_relaxed);
  if (state == kCompressed) return absl::OkStatus();
  const BlockHandle handle = index_.Handle(i);
  PrefetchTail(mapping_.data() + handle.offset + handle.size);
  if (state == kUnknown) {
    Compression compression;
    std::string_view content;
    NORI_RETURN_IF_ERROR(CheckBlock(
        mapping_.substr(handle.offset, handle.size + kBlockTrailerBytes),
        handle.offset, &content, &compression));
    state = compression == Compression::kNone ? kInPlace : kCompressed;
    states_[i].store(state, std::memory_order_relaxed);
    if (state == kCompressed) return absl::OkStatus();
  }
  *done = true;
  return ParseBlock(i, mapping_.substr(handle.offset, handle.size), view);
}

bool TableReaderImpl::LoadCached(size_t i, bool promote,
                                 PinnedBlock* block) const {
  if (options_.cache == nullptr) return false;
  const uint64_t offset = index_.Offset(i);
  block->pin = promote ? options_.cache->Lookup(options_.file_number, offset)
                       : options_.cache->Peek(options_.file_number, offset);
  if (block->pin == nullptr) return false;
  const auto& decoded = static_cast<const DecodedBlock&>(*block->pin);
  PrefetchTail(decoded.content().data() + decoded.content().size());
  // Parsed successfully before it was inserted.
  return block->view.Parse(decoded.content());
}

absl::Status TableReaderImpl::LoadBlock(size_t i, bool fill_cache,
                                        ReadCounters* counters,
                                        PinnedBlock* block) const {
  if (counters != nullptr) ++counters->blocks_read;
  bool done;
  NORI_RETURN_IF_ERROR(LoadInPlace(i, &block->view, &done));
  if (done) {
    block->pin = nullptr;
    return absl::OkStatus();
  }
  if (LoadCached(i, fill_cache, block)) return absl::OkStatus();
  if (counters != nullptr) ++counters->blocks_missed;
  Buffer scratch;
  Buffer raw;
  std::string_view content;
  NORI_RETURN_IF_ERROR(ReadBlock(index_.Handle(i), &scratch, &raw, &content));
  NORI_RETURN_IF_ERROR(ParseBlock(i, content, &block->view));
  block->pin = std::make_shared<DecodedBlock>(std::move(raw));
  if (!fill_cache || options_.cache == nullptr) return absl::OkStatus();
  std::shared_ptr<const CachedBlock> kept = options_.cache->Insert(
      options_.file_number, index_.Offset(i), block->pin);
  if (kept == block->pin) return absl::OkStatus();
  block->pin = std::move(kept);
  return ParseBlock(i, static_cast<const DecodedBlock&>(*block->pin).content(),
                    &block->view);
}

absl::Status TableReaderImpl::Get(std::string_view user_key, uint64_t hash,
                                  SequenceNumber snapshot, PointLookup* result,
                                  ReadCounters* counters) const {
  result->found = false;
  if (counters != nullptr) ++counters->filter_checks;
  if (!filter_.MayContain(hash)) {
    if (counters != nullptr) ++counters->filter_negatives;
    return absl::OkStatus();
  }
  if (index_.blocks() == 0 || snapshot < options_.sequence_base) {
    return absl::OkStatus();
  }
  const uint64_t trailer = SeekTrailer(snapshot - options_.sequence_base);
  const size_t i = index_.FindBlock(user_key, trailer);
  PinnedBlock block;
  NORI_RETURN_IF_ERROR(LoadBlock(i, /*fill_cache=*/true, counters, &block));
  uint32_t entry = 0;
  switch (
      block.view.Find(user_key, TagOf(hash), trailer, &entry, &result->value)) {
    case DataBlockView::FindResult::kFound:
      result->found = true;
      result->trailer = block.view.Trailer(entry) + sequence_shift_;
      result->pin = std::move(block.pin);
      return absl::OkStatus();
    case DataBlockView::FindResult::kInvisible:
      return absl::OkStatus();
    case DataBlockView::FindResult::kAbsent:
      if (counters != nullptr) ++counters->filter_false_positives;
      return absl::OkStatus();
    case DataBlockView::FindResult::kMalformed:
      break;
  }
  return Damaged("malformed data block", index_.Offset(i));
}

std::unique_ptr<EntryIterator> TableReaderImpl::NewIterator(
    const TableIterOptions& options) const {
  return std::make_unique<TableIterator>(this, options);
}

// Whether no entry or tombstone of the table can be at or after `user_key`.
bool TableReaderImpl::IsBeyond(std::string_view user_key) const {
  const int c = user_key.compare(std::string_view(properties_.largest_key));
  return c > 0 || (c == 0 && properties_.largest_exclusive);
}

uint64_t TableReaderImpl::ApproximateOffset(std::string_view user_key) const {
  if (user_key <= properties_.smallest_key) return 0;
  if (IsBeyond(user_key)) return properties_.file_bytes;
  if (index_.blocks() == 0) return 0;
  return index_.Offset(index_.FindBlock(user_key, kBeforeAllVersions));
}

uint64_t TableReaderImpl::ApproximateRank(std::string_view user_key) const {
  if (user_key <= properties_.smallest_key) return 0;
  if (IsBeyond(user_key)) return index_.entries();
  if (index_.blocks() == 0) return 0;
  return index_.Rank(index_.FindBlock(user_key, kBeforeAllVersions));
}

std::vector<std::string> TableReaderImpl::SampleKeys(std::string_view begin,
                                                     std::string_view end,
                                                     size_t n) const {
  std::vector<std::string> keys;
  if (index_.blocks() < 2 || n == 0) return keys;
  const size_t first = index_.FindBlock(begin, kBeforeAllVersions);
  const size_t last = end.empty() ? index_.blocks() - 1
                                  : index_.FindBlock(end, kBeforeAllVersions);
  if (last <= first) return keys;
  const uint64_t from = index_.Offset(first);
  const uint64_t bytes = index_.Offset(last + 1) - from;
  const size_t pieces = std::min(n, last - first) + 1;
  size_t previous = first;
  for (size_t i = 1; i < pieces; ++i) {
    const auto at = from + static_cast<uint64_t>(static_cast<double>(bytes) *
                                                 static_cast<double>(i) /
                                                 static_cast<double>(pieces));
    const size_t block =
        std::max(previous + 1, std::min(index_.BlockAtOrAfter(at), last));
    if (block > last) break;
    previous = block;
    std::string key = index_.SeparatorKey(block);
    // Blocks that part the versions of one key have the key for separator.
    if (key <= begin || (!keys.empty() && key <= keys.back())) continue;
    if (!end.empty() && key >= end) break;
    keys.push_back(std::move(key));
  }
  return keys;
}

absl::Status TableReaderImpl::Verify() const { return VerifyTable(*this); }

size_t TableReaderImpl::MemoryUsage() const {
  return sizeof(*this) + index_.MemoryUsage() + filter_bytes_.capacity() +
         tombstone_bytes_ + properties_.smallest_key.capacity() +
         properties_.largest_key.capacity() +
         (states_ != nullptr ? index_.blocks() : 0);
}

}  // namespace nori
