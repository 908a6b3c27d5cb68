#include "engine/compaction/merge.h"

#include <algorithm>
#include <cassert>
#include <limits>
#include <string>
#include <string_view>
#include <utility>

#include "engine/compaction/version_filter.h"
#include "engine/format/status_macros.h"
#include "engine/iterators/merging_iterator.h"

namespace nori {
namespace {

inline constexpr uint64_t kBytesPerStep = uint64_t{256} << 10;

// Entries hidden in a row by a range tombstone before the inputs are asked to
// jump, and between two such requests; see VersionCursor.
inline constexpr int kFirstHint = 4;
inline constexpr int kHintInterval = 32;

// Cuts the output into tables. The key range is divided into spans, one after
// the other without gap; each span with anything in it becomes one table, which
// gets the span's part of every range tombstone.
class OutputTables {
 public:
  // All arguments must outlive this.
  OutputTables(const MergeOutputOptions& options, const KeyRange& range,
               const RangeTombstoneSet& tombstones)
      : options_(options),
        range_(range),
        tombstones_(tombstones.fragments()),
        span_begin_(range.begin) {
    while (cut_ < options_.cuts.size() && options_.cuts[cut_] <= range_.begin) {
      ++cut_;
    }
  }

  // To be called before the first Add of each user key.
  absl::Status StartKey(std::string_view user_key) {
    while (cut_ < options_.cuts.size() && options_.cuts[cut_] <= user_key) {
      NORI_RETURN_IF_ERROR(EndSpan(options_.cuts[cut_++]));
    }
    if (writer_ != nullptr &&
        writer_->EstimatedFileBytes() >= options_.table_bytes) {
      NORI_RETURN_IF_ERROR(EndSpan(user_key));
    }
    return OpenTable();
  }

  absl::Status Add(std::string_view user_key, uint64_t trailer,
                   std::string_view value) {
    ++result_.entries_out;
    return writer_->Add(user_key, trailer, value);
  }

  absl::StatusOr<MergeResult> Finish() {
    for (; cut_ < options_.cuts.size() &&
           (range_.end.empty() || options_.cuts[cut_] < range_.end);
         ++cut_) {
      NORI_RETURN_IF_ERROR(EndSpan(options_.cuts[cut_]));
    }
    NORI_RETURN_IF_ERROR(EndSpan(range_.end));
    return std::move(result_);
  }

 private:
  absl::Status OpenTable() {
    if (writer_ != nullptr) return absl::OkStatus();
    NORI_ASSIGN_OR_RETURN(auto file, options_.new_file());
    number_ = file.first;
    writer_ = TableWriter::Create(options_.table, std::move(file.second));
    return absl::OkStatus();
  }

  // Ends the span, and its table if it has one, at `end`; empty: unbounded.
  absl::Status EndSpan(std::string_view end) {
    while (tombstone_ < tombstones_.size() &&
           tombstones_[tombstone_].end <= span_begin_) {
      ++tombstone_;
    }
    for (size_t i = tombstone_;
         i < tombstones_.size() && (end.empty() || tombstones_[i].begin < end);
         ++i) {
      const RangeTombstoneSet::Fragment& fragment = tombstones_[i];
      RangeTombstone clipped;
      clipped.begin = std::max(fragment.begin, span_begin_);
      clipped.end =
          end.empty()
              ? fragment.end
              : std::string(std::min<std::string_view>(fragment.end, end));
      assert(clipped.begin < clipped.end);
      NORI_RETURN_IF_ERROR(OpenTable());
      for (const SequenceNumber s : fragment.sequences) {
        clipped.sequence = s;
        NORI_RETURN_IF_ERROR(writer_->AddRangeTombstone(clipped));
      }
    }
    span_begin_.assign(end);
    return writer_ == nullptr ? absl::OkStatus() : FinishTable();
  }

  absl::Status FinishTable() {
    NORI_ASSIGN_OR_RETURN(const TableProperties properties, writer_->Finish());
    writer_.reset();
    TableMeta meta =
        MetaFromProperties(number_, properties, options_.table.compression);
    result_.bytes_out += meta.file_bytes;
    result_.tables.push_back(std::move(meta));
    return absl::OkStatus();
  }

  const MergeOutputOptions& options_;
  const KeyRange& range_;
  const std::vector<RangeTombstoneSet::Fragment>& tombstones_;
  std::string span_begin_;
  size_t cut_ = 0;        // the next of options_.cuts
  size_t tombstone_ = 0;  // the first of tombstones_ not wholly behind
  uint64_t number_ = 0;   // of writer_'s file
  std::unique_ptr<TableWriter> writer_;
  MergeResult result_;
};

// Counts what is read, and lets the caller slow the work down or stop it.
class Progress {
 public:
  explicit Progress(const MergeOutputOptions& options) : options_(options) {}

  absl::Status Read(uint64_t bytes) {
    bytes_ += bytes;
    return bytes_ < kBytesPerStep ? absl::OkStatus() : Step();
  }

  // Reports what has not been reported yet and looks for a cancellation.
  absl::Status Step() {
    if (bytes_ > 0 && options_.on_progress) options_.on_progress(bytes_);
    bytes_ = 0;
    if (options_.cancelled != nullptr &&
        options_.cancelled->load(std::memory_order_relaxed)) {
      return absl::CancelledError("merge was cancelled");
    }
    return absl::OkStatus();
  }

 private:
  const MergeOutputOptions& options_;
  uint64_t bytes_ = 0;
};

// The parts of `tombstones` inside `range`.
std::vector<RangeTombstone> Clip(std::vector<RangeTombstone> tombstones,
                                 const KeyRange& range) {
  for (RangeTombstone& t : tombstones) {
    if (t.begin < range.begin) t.begin = range.begin;
    if (!range.end.empty() && t.end > range.end) t.end = range.end;
  }
  std::erase_if(tombstones, [](const auto& t) { return t.begin >= t.end; });
  return tombstones;
}

absl::Status CopyEntries(EntryIterator* entries, const KeyRange& range,
                         const MergeOutputOptions& options,
                         VersionFilter* filter, OutputTables* tables,
                         uint64_t* entries_in) {
  Progress progress(options);
  NORI_RETURN_IF_ERROR(progress.Step());
  bool key_started = false;
  int hidden = 0;
  uint64_t keys_until_sample = options.sample_every;
  entries->Seek(range.begin, std::numeric_limits<uint64_t>::max());
  while (entries->Valid()) {
    const std::string_view key = entries->user_key();
    if (!range.end.empty() && key >= range.end) break;
    const uint64_t trailer = entries->trailer();
    const std::string_view value = entries->value();
    ++*entries_in;
    NORI_RETURN_IF_ERROR(
        progress.Read(key.size() + sizeof(trailer) + value.size()));
    if (filter->Add(key, trailer)) {
      hidden = 0;
      if (filter->is_new_key()) key_started = false;
      if (!key_started) {
        NORI_RETURN_IF_ERROR(tables->StartKey(key));
        if (keys_until_sample != 0 && --keys_until_sample == 0) {
          options.on_sample(key);
          keys_until_sample = options.sample_every;
        }
      }
      key_started = true;
      for (const uint64_t deletion : filter->deferred_deletes()) {
        NORI_RETURN_IF_ERROR(tables->Add(key, deletion, {}));
      }
      NORI_RETURN_IF_ERROR(tables->Add(key, trailer, value));
    } else {
      if (filter->is_new_key()) key_started = false;
      std::string_view end;
      SequenceNumber sequence;
      if (filter->HidesUpTo(&end, &sequence) &&
          ++hidden % kHintInterval == kFirstHint) {
        // The entry at hand is dealt with, so it must not be met again.
        entries->Next();
        if (entries->Valid()) entries->SkipHiddenForward(end, sequence);
        continue;
      }
    }
    entries->Next();
  }
  NORI_RETURN_IF_ERROR(entries->status());
  return progress.Step();
}

}  // namespace

absl::StatusOr<MergeResult> MergeToTables(MergeInput input,
                                          const MergeOutputOptions& output) {
  assert(std::is_sorted(output.cuts.begin(), output.cuts.end()));
  VersionFilter filter(std::move(input.snapshots),
                       Clip(std::move(input.tombstones), input.range),
                       input.bottommost);
  const std::unique_ptr<EntryIterator> entries =
      NewMergingIterator(std::move(input.layers));
  OutputTables tables(output, input.range, filter.kept_tombstones());
  uint64_t entries_in = 0;
  NORI_RETURN_IF_ERROR(CopyEntries(entries.get(), input.range, output, &filter,
                                   &tables, &entries_in));
  NORI_ASSIGN_OR_RETURN(MergeResult result, tables.Finish());
  result.entries_in = entries_in;
  return result;
}

}  // namespace nori
