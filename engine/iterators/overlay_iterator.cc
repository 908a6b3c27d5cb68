#include <algorithm>
#include <cassert>
#include <string>
#include <utility>

#include "engine/iterators/version_cursor.h"
#include "engine/iterators/visible_iterator.h"

namespace nori {
namespace {

// Base keys in a row under one own range tombstone that are stepped over
// before a seek past it.
inline constexpr int kMaxSteps = 4;

// Two sorted sources, own winning where they meet. Going forward both stand at
// their first key at or after the current one, going backward at their last at
// or before it, or at their end.
class OverlayIterator final : public Iterator {
 public:
  OverlayIterator(std::unique_ptr<EntryIterator> own,
                  std::vector<TombstoneLayer> own_layers,
                  SequenceNumber own_snapshot, SequenceIntervals hidden,
                  std::unique_ptr<Iterator> base, KeyRange bounds,
                  std::shared_ptr<const void> keep_alive)
      : keep_alive_(std::move(keep_alive)),
        bounds_(bounds),
        begin_(bounds_.begin),
        end_(bounds_.end),
        window_(own_layers, own_snapshot, bounds),
        own_(std::move(own), std::move(own_layers), own_snapshot,
             std::move(hidden), std::move(bounds),
             VersionCursor::Deleted::kShow),
        base_(std::move(base)) {}

  bool Valid() const override { return at_ != Source::kNone; }
  absl::Status status() const override { return status_; }

  void SeekToFirst() override {
    StartSeek(/*reverse=*/false);
    own_.SeekToFirst();
    if (bounds_.begin.empty()) {
      base_->SeekToFirst();
    } else {
      base_->Seek(bounds_.begin);
    }
    SettleForward();
  }

  void SeekToLast() override {
    StartSeek(/*reverse=*/true);
    own_.SeekToLast();
    if (bounds_.end.empty()) {
      base_->SeekToLast();
    } else {
      SeekBaseBefore(bounds_.end);
    }
    SettleBackward();
  }

  void Seek(std::string_view key) override {
    StartSeek(/*reverse=*/false);
    // A copy, since `key` may be a view of what the seeks leave.
    saved_key_.assign(std::max<std::string_view>(key, bounds_.begin));
    own_.Seek(saved_key_);
    base_->Seek(saved_key_);
    SettleForward();
  }

  void SeekForPrev(std::string_view key) override {
    if (IsPastEnd(key)) return SeekToLast();
    StartSeek(/*reverse=*/true);
    saved_key_.assign(key);
    own_.SeekForPrev(saved_key_);
    base_->SeekForPrev(saved_key_);
    SettleBackward();
  }

  void Next() override {
    assert(Valid());
    if (reverse_) {
      saved_key_.assign(key());
      StartSeek(/*reverse=*/false);
      own_.Seek(saved_key_);
      if (own_.Valid() && own_.key() == saved_key_) own_.Next();
      base_->Seek(saved_key_);
      if (base_->Valid() && base_->key() == saved_key_) base_->Next();
    } else {
      if (at_ != Source::kBase) own_.Next();
      if (at_ != Source::kOwn) base_->Next();
    }
    SettleForward();
  }

  void Prev() override {
    assert(Valid());
    if (!reverse_) {
      saved_key_.assign(key());
      StartSeek(/*reverse=*/true);
      own_.SeekForPrev(saved_key_);
      if (own_.Valid() && own_.key() == saved_key_) own_.Prev();
      SeekBaseBefore(saved_key_);
    } else {
      if (at_ != Source::kBase) own_.Prev();
      if (at_ != Source::kOwn) base_->Prev();
    }
    SettleBackward();
  }

  std::string_view key() const override {
    return at_ == Source::kBase ? base_->key() : own_.key();
  }
  std::string_view value() const override {
    return at_ == Source::kBase ? base_->value() : own_.value();
  }

 private:
  // Where the current key is. kBoth: own shows, base holds the key too.
  enum class Source { kNone, kOwn, kBase, kBoth };

  bool IsPastEnd(std::string_view key) const {
    return !bounds_.end.empty() && !end_.IsAbove(key);
  }

  void StartSeek(bool reverse) {
    reverse_ = reverse;
    window_.Reset();
  }

  void SeekBaseBefore(std::string_view key) {
    base_->SeekForPrev(key);
    if (base_->Valid() && base_->key() == key) base_->Prev();
  }

  // An iterator that stopped for an error cannot be taken as exhausted.
  bool CheckStatus() {
    at_ = Source::kNone;
    status_ = absl::OkStatus();
    if (!own_.Valid()) status_ = own_.status();
    if (status_.ok() && !base_->Valid()) status_ = base_->status();
    return status_.ok();
  }

  // Moves base to its first key, from where it stands, that own range
  // tombstones leave. Returns whether there is one inside the bounds.
  bool SettleBaseForward() {
    for (int steps = 0; base_->Valid(); ++steps) {
      const std::string_view key = base_->key();
      if (IsPastEnd(key)) return false;
      if (window_.empty() || window_.CoverForward(key) == 0) return true;
      if (steps >= kMaxSteps && window_.has_end()) {
        base_->Seek(window_.end());
      } else {
        base_->Next();
      }
    }
    return false;
  }

  bool SettleBaseBackward() {
    for (int steps = 0; base_->Valid(); ++steps) {
      const std::string_view key = base_->key();
      if (begin_.IsAbove(key)) return false;
      if (window_.empty() || window_.CoverBackward(key) == 0) return true;
      if (steps >= kMaxSteps) {
        SeekBaseBefore(window_.begin());
      } else {
        base_->Prev();
      }
    }
    return false;
  }

  void SettleForward() {
    bool in_base = SettleBaseForward();
    while (CheckStatus()) {
      int c = in_base ? 1 : -1;
      if (!own_.Valid()) {
        if (in_base) at_ = Source::kBase;
        return;
      }
      if (in_base) c = own_.key().compare(base_->key());
      if (c > 0) {
        at_ = Source::kBase;
        return;
      }
      if (!own_.deleted()) {
        at_ = c == 0 ? Source::kBoth : Source::kOwn;
        return;
      }
      if (c == 0) {
        base_->Next();
        in_base = SettleBaseForward();
      }
      own_.Next();
    }
  }

  void SettleBackward() {
    bool in_base = SettleBaseBackward();
    while (CheckStatus()) {
      int c = in_base ? -1 : 1;
      if (!own_.Valid()) {
        if (in_base) at_ = Source::kBase;
        return;
      }
      if (in_base) c = own_.key().compare(base_->key());
      if (c < 0) {
        at_ = Source::kBase;
        return;
      }
      if (!own_.deleted()) {
        at_ = c == 0 ? Source::kBoth : Source::kOwn;
        return;
      }
      if (c == 0) {
        base_->Prev();
        in_base = SettleBaseBackward();
      }
      own_.Prev();
    }
  }

  // First, so that it goes last: own and base may read from it.
  const std::shared_ptr<const void> keep_alive_;
  const KeyRange bounds_;
  const Bound begin_, end_;
  TombstoneWindow window_;  // at the position of base
  VersionCursor own_;
  const std::unique_ptr<Iterator> base_;
  Source at_ = Source::kNone;
  bool reverse_ = false;
  std::string saved_key_;
  absl::Status status_;
};

}  // namespace

std::unique_ptr<Iterator> NewOverlayIterator(
    std::unique_ptr<EntryIterator> own, std::vector<TombstoneLayer> own_layers,
    SequenceNumber own_snapshot,
    std::vector<std::pair<SequenceNumber, SequenceNumber>> hidden,
    std::unique_ptr<Iterator> base, KeyRange bounds,
    std::shared_ptr<const void> keep_alive) {
  return std::make_unique<OverlayIterator>(
      std::move(own), std::move(own_layers), own_snapshot, std::move(hidden),
      std::move(base), std::move(bounds), std::move(keep_alive));
}

}  // namespace nori
