#include "engine/iterators/slots_iterator.h"

#include <algorithm>
#include <vector>

#include "engine/iterators/merging_iterator.h"
#include "engine/iterators/run_iterator.h"

namespace nori {
namespace {

class SlotsIterator final : public EntryIterator {
 public:
  SlotsIterator(const Version* version, const KeyRange& bounds,
                const TableIterOptions& options)
      : version_(version), options_(options) {
    std::tie(first_, last_) = version->SlotRangeFor(bounds);
  }

  bool Valid() const override { return inner_ != nullptr && inner_->Valid(); }
  absl::Status status() const override {
    return inner_ == nullptr ? absl::OkStatus() : inner_->status();
  }

  void SeekToFirst() override {
    Open(first_);
    inner_->SeekToFirst();
    SkipForward();
  }

  void SeekToLast() override {
    Open(last_);
    inner_->SeekToLast();
    SkipBackward();
  }

  void Seek(std::string_view user_key, uint64_t trailer) override {
    Open(std::clamp(version_->SlotIndex(user_key), first_, last_));
    inner_->Seek(user_key, trailer);
    SkipForward();
  }

  void SeekBefore(std::string_view user_key) override {
    Open(std::clamp(version_->SlotIndex(user_key), first_, last_));
    inner_->SeekBefore(user_key);
    SkipBackward();
  }

  void Next() override {
    inner_->Next();
    if (!inner_->Valid()) SkipForward();
  }

  void Prev() override {
    inner_->Prev();
    if (!inner_->Valid()) SkipBackward();
  }

  std::string_view user_key() const override { return inner_->user_key(); }
  uint64_t trailer() const override { return inner_->trailer(); }
  std::string_view value() const override { return inner_->value(); }

 private:
  void Open(size_t slot) {
    if (inner_ != nullptr && slot == current_) return;
    current_ = slot;
    std::vector<std::unique_ptr<EntryIterator>> runs;
    if (options_.counters != nullptr) {
      ++options_.counters->slots;
      options_.counters->runs += version_->slots()[slot]->runs.size();
    }
    for (const Run& run : version_->slots()[slot]->runs) {
      runs.push_back(NewRunIterator(&run, options_));
    }
    inner_ = NewMergingIterator(std::move(runs));
  }

  void SkipForward() {
    while (!inner_->Valid() && inner_->status().ok() && current_ < last_) {
      Open(current_ + 1);
      inner_->SeekToFirst();
    }
  }

  void SkipBackward() {
    while (!inner_->Valid() && inner_->status().ok() && current_ > first_) {
      Open(current_ - 1);
      inner_->SeekToLast();
    }
  }

  const Version* const version_;
  const TableIterOptions options_;
  size_t first_ = 0;
  size_t last_ = 0;
  size_t current_ = 0;
  std::unique_ptr<EntryIterator> inner_;
};

}  // namespace

std::unique_ptr<EntryIterator> NewSlotsIterator(
    const Version* version, const KeyRange& bounds,
    const TableIterOptions& options) {
  return std::make_unique<SlotsIterator>(version, bounds, options);
}

}  // namespace nori
