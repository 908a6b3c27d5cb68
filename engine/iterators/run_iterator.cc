#include "engine/iterators/run_iterator.h"

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <limits>
#include <utility>

namespace nori {
namespace {

inline constexpr uint64_t kNewestTrailer = std::numeric_limits<uint64_t>::max();

// Holds at most one table iterator: that of the slice it stands in.
class RunIterator final : public EntryIterator {
 public:
  RunIterator(const Run* run, const TableIterOptions& options)
      : slices_(run->slices), options_(options) {}
  RunIterator(Run run, const TableIterOptions& options)
      : owned_(std::move(run)), slices_(owned_.slices), options_(options) {}

  bool Valid() const override { return valid_; }
  absl::Status status() const override { return status_; }

  void SeekToFirst() override {
    status_ = absl::OkStatus();
    if (slices_.empty()) return Stop();
    EnterAtBegin(0);
    SettleForward();
  }

  void SeekToLast() override {
    status_ = absl::OkStatus();
    if (slices_.empty()) return Stop();
    EnterAtEnd(slices_.size() - 1);
    SettleBackward();
  }

  void Seek(std::string_view user_key, uint64_t trailer) override {
    status_ = absl::OkStatus();
    const size_t i = FirstSliceEndingAfter(user_key);
    if (i == slices_.size()) return Stop();
    if (user_key < slices_[i].range.begin) {
      EnterAtBegin(i);
    } else {
      Open(i);
      iter_->Seek(user_key, trailer);
    }
    SettleForward();
  }

  void SeekBefore(std::string_view user_key) override {
    status_ = absl::OkStatus();
    // The last slice that begins below user_key.
    const auto it = std::partition_point(
        slices_.begin(), slices_.end(),
        [&](const Slice& s) { return s.range.begin < user_key; });
    if (it == slices_.begin()) return Stop();
    const auto i = static_cast<size_t>(it - slices_.begin()) - 1;
    const std::string& end = slices_[i].range.end;
    if (!end.empty() && end <= user_key) {
      EnterAtEnd(i);
    } else {
      Open(i);
      iter_->SeekBefore(user_key);
    }
    SettleBackward();
  }

  void Next() override {
    assert(valid_);
    iter_->Next();
    SettleForward();
  }

  void Prev() override {
    assert(valid_);
    iter_->Prev();
    SettleBackward();
  }

  std::string_view user_key() const override { return key_; }
  uint64_t trailer() const override { return iter_->trailer(); }
  std::string_view value() const override { return iter_->value(); }

  bool SkipHiddenForward(std::string_view end,
                         SequenceNumber sequence) override {
    assert(valid_);
    if (key_ >= end || !AllOlder(open_, sequence)) return false;
    size_t i = open_;
    while (EndsAtOrBefore(i, end)) {
      if (++i == slices_.size()) {
        Stop();
        return true;
      }
      if (slices_[i].range.begin >= end || !AllOlder(i, sequence)) {
        EnterAtBegin(i);
        SettleForward();
        return true;
      }
    }
    Open(i);
    iter_->Seek(end, kNewestTrailer);
    SettleForward();
    return true;
  }

  bool SkipHiddenBackward(std::string_view begin,
                          SequenceNumber sequence) override {
    assert(valid_);
    if (key_ < begin || !AllOlder(open_, sequence)) return false;
    size_t i = open_;
    while (slices_[i].range.begin >= begin) {
      if (i-- == 0) {
        Stop();
        return true;
      }
      if (EndsAtOrBefore(i, begin) || !AllOlder(i, sequence)) {
        EnterAtEnd(i);
        SettleBackward();
        return true;
      }
    }
    Open(i);
    iter_->SeekBefore(begin);
    SettleBackward();
    return true;
  }

 private:
  static constexpr size_t kNone = std::numeric_limits<size_t>::max();

  void Stop() { valid_ = false; }

  bool EndsAtOrBefore(size_t i, std::string_view key) const {
    const std::string& end = slices_[i].range.end;
    return !end.empty() && end <= key;
  }

  // Whether no entry of the slice can have `sequence` or a later number.
  bool AllOlder(size_t i, SequenceNumber sequence) const {
    return slices_[i].table->meta.largest_sequence < sequence;
  }

  size_t FirstSliceEndingAfter(std::string_view key) const {
    return static_cast<size_t>(
        std::partition_point(slices_.begin(), slices_.end(),
                             [&](const Slice& s) {
                               return !s.range.end.empty() &&
                                      s.range.end <= key;
                             }) -
        slices_.begin());
  }

  void Open(size_t i) {
    if (i == open_) return;
    const Slice& slice = slices_[i];
    iter_ = slice.table->reader->NewIterator(options_);
    open_ = i;
    begin_ = slice.range.begin;
    end_ = slice.range.end;
    // Where the slice takes in that end of its table, no key needs a check.
    const TableMeta& meta = slice.table->meta;
    clipped_begin_ = meta.smallest_key < begin_;
    clipped_end_ =
        !end_.empty() && (meta.largest_exclusive ? meta.largest_key > end_
                                                 : meta.largest_key >= end_);
  }

  void EnterAtBegin(size_t i) {
    Open(i);
    if (clipped_begin_) {
      iter_->Seek(begin_, kNewestTrailer);
    } else {
      iter_->SeekToFirst();
    }
  }

  void EnterAtEnd(size_t i) {
    Open(i);
    if (clipped_end_) {
      iter_->SeekBefore(end_);
    } else {
      iter_->SeekToLast();
    }
  }

  // Takes the position of iter_ if it is inside its slice, else goes on to the
  // next slice that has an entry.
  void SettleForward() {
    while (true) {
      if (iter_->Valid()) [[likely]] {
        key_ = iter_->user_key();
        if (!clipped_end_ || key_ < end_) [[likely]] {
          valid_ = true;
          return;
        }
      } else if (status_ = iter_->status(); !status_.ok()) {
        return Stop();
      }
      if (open_ + 1 == slices_.size()) return Stop();
      EnterAtBegin(open_ + 1);
    }
  }

  void SettleBackward() {
    while (true) {
      if (iter_->Valid()) [[likely]] {
        key_ = iter_->user_key();
        if (!clipped_begin_ || key_ >= begin_) [[likely]] {
          valid_ = true;
          return;
        }
      } else if (status_ = iter_->status(); !status_.ok()) {
        return Stop();
      }
      if (open_ == 0) return Stop();
      EnterAtEnd(open_ - 1);
    }
  }

  const Run owned_;  // empty if somebody else has it
  const std::vector<Slice>& slices_;
  const TableIterOptions options_;
  std::unique_ptr<EntryIterator> iter_;  // of slice open_
  size_t open_ = kNone;
  std::string_view begin_, end_;  // range of slice open_
  bool clipped_begin_ = false;    // the table may hold keys below begin_
  bool clipped_end_ = false;      // the table may hold keys from end_ on
  bool valid_ = false;
  std::string_view key_;
  absl::Status status_;
};

}  // namespace

std::unique_ptr<EntryIterator> NewRunIterator(const Run* run,
                                              const TableIterOptions& options) {
  return std::make_unique<RunIterator>(run, options);
}

std::unique_ptr<EntryIterator> NewRunIterator(Run run,
                                              const TableIterOptions& options) {
  return std::make_unique<RunIterator>(std::move(run), options);
}

}  // namespace nori
