#include "engine/iterators/version_cursor.h"

#include <algorithm>
#include <cassert>
#include <limits>

namespace nori {
namespace {

inline constexpr uint64_t kNewestTrailer = std::numeric_limits<uint64_t>::max();

// After this many versions of one key a seek is cheaper than another step.
inline constexpr int kMaxSteps = 8;

// A hint about a range tombstone costs a seek in some children, so a short
// tombstone is stepped over. It is repeated since a child stops where a part
// begins that it cannot jump over.
inline constexpr int kFirstHint = 4;
inline constexpr int kHintInterval = 32;

// So many skipped keys are told of at once.
inline constexpr uint64_t kSkipsTold = 64;

// A buffer that one huge value blew up is not kept for small ones.
inline constexpr size_t kKeptCapacity = size_t{1} << 20;

SequenceIntervals Normalize(SequenceIntervals intervals) {
  std::erase_if(intervals, [](const auto& i) { return i.first > i.second; });
  std::sort(intervals.begin(), intervals.end());
  SequenceIntervals merged;
  for (const auto& interval : intervals) {
    if (!merged.empty() && interval.first <= merged.back().second) {
      merged.back().second = std::max(merged.back().second, interval.second);
    } else {
      merged.push_back(interval);
    }
  }
  return merged;
}

}  // namespace

VersionCursor::VersionCursor(std::unique_ptr<EntryIterator> entries,
                             std::vector<TombstoneLayer> layers,
                             SequenceNumber snapshot, SequenceIntervals hidden,
                             KeyRange bounds, Deleted deleted,
                             const SkipContext& skips)
    : entries_(std::move(entries)),
      window_(std::move(layers), snapshot, bounds),
      snapshot_(snapshot),
      hidden_(Normalize(std::move(hidden))),
      bounds_(std::move(bounds)),
      outer_end_(bounds_.end),
      begin_(bounds_.begin),
      end_(bounds_.end),
      has_end_(!bounds_.end.empty()),
      show_deleted_(deleted == Deleted::kShow),
      skips_(skips.observer),
      dead_(skips.dead, std::min(snapshot, skips.complete_to),
            skips.newest_memtable) {}

bool VersionCursor::IsHidden(SequenceNumber sequence) const {
  const auto it = std::partition_point(
      hidden_.begin(), hidden_.end(),
      [&](const auto& interval) { return interval.second < sequence; });
  return it != hidden_.end() && it->first <= sequence;
}

void VersionCursor::Stop(absl::Status status) {
  valid_ = false;
  if (status.ok()) {
    dead_.EndWithout(saved_key_, /*forward=*/!reverse_);
  } else {
    dead_.Drop();
  }
  status_ = std::move(status);
}

void VersionCursor::Narrow(std::string_view begin, std::string_view end) {
  bounds_.begin.assign(begin);
  bounds_.end.assign(end.empty() ? outer_end_ : end);
  begin_ = Bound(bounds_.begin);
  end_ = Bound(bounds_.end);
  has_end_ = !bounds_.end.empty();
  valid_ = false;
}

void VersionCursor::SeekStart(bool reverse) {
  status_ = absl::OkStatus();
  reverse_ = reverse;
  covered_ = 0;
  passed_ = 0;
  dead_.Drop();
  window_.Reset();
}

void VersionCursor::SeekToFirst() {
  SeekStart(/*reverse=*/false);
  if (bounds_.begin.empty()) {
    entries_->SeekToFirst();
  } else {
    entries_->Seek(bounds_.begin, kNewestTrailer);
  }
  FindForward(/*same_key_decided=*/false);
}

void VersionCursor::SeekToLast() {
  SeekStart(/*reverse=*/true);
  if (has_end_) {
    entries_->SeekBefore(bounds_.end);
  } else {
    entries_->SeekToLast();
  }
  FindBackward();
}

void VersionCursor::Seek(std::string_view key) {
  SeekStart(/*reverse=*/false);
  // A copy, since `key` may be a view of an entry that the seek leaves.
  seek_key_.assign(std::max<std::string_view>(key, bounds_.begin));
  entries_->Seek(seek_key_, SeekTrailer(snapshot_));
  FindForward(/*same_key_decided=*/false);
}

void VersionCursor::SeekForPrev(std::string_view key) {
  if (IsPastEnd(key)) return SeekToLast();
  SeekStart(/*reverse=*/true);
  // The least key above `key`.
  seek_key_.assign(key);
  seek_key_.push_back('\0');
  entries_->SeekBefore(seek_key_);
  FindBackward();
}

void VersionCursor::Next() {
  assert(valid_);
  if (reverse_) [[unlikely]] {
    SeekStart(/*reverse=*/false);
    entries_->Seek(saved_key_, 0);
  } else {
    saved_key_.assign(key_);
    entries_->Next();
  }
  FindForward(/*same_key_decided=*/true);
}

void VersionCursor::Prev() {
  assert(valid_);
  if (!reverse_) [[unlikely]] {
    saved_key_.assign(key_);
    SeekStart(/*reverse=*/true);
    entries_->SeekBefore(saved_key_);
  }
  FindBackward();
}

// Whether to tell entries_ of the range tombstone that hid the key at hand.
bool VersionCursor::ShouldHint() {
  return ++covered_ % kHintInterval == kFirstHint;
}

// The key that was decided last, in saved_key_, is deleted and passed over.
void VersionCursor::CountSkipped() {
  if (++skipped_ % kSkipsTold == 0 && skips_ != nullptr) {
    skips_->OnSkipped(saved_key_, saved_sequence_, kSkipsTold);
  }
}

// Moves past one entry that the reader does not see, or past many newer
// versions of its key. False: the entry is outside the bounds.
bool VersionCursor::PassInvisible(std::string_view key) {
  if (IsPastEnd(key)) return false;
  if (TrailerKind(entries_->trailer()) == EntryKind::kPut) dead_.SawNewer(key);
  if (passed_ == 0 || key != passing_key_) {
    passing_key_.assign(key);
    passed_ = 1;
  } else if (++passed_ == kMaxSteps &&
             TrailerSequence(entries_->trailer()) > snapshot_) {
    // Perhaps: what is jumped over is not looked at.
    dead_.SawNewer(passing_key_);
    entries_->Seek(passing_key_, SeekTrailer(snapshot_));
    return true;
  }
  entries_->Next();
  return true;
}

// From the position of entries_ on, finds the next key to show. With
// same_key_decided, versions of saved_key_ are passed over.
void VersionCursor::FindForward(bool same_key_decided) {
  int steps = 0;
  while (entries_->Valid()) {
    const uint64_t trailer = entries_->trailer();
    const SequenceNumber sequence = TrailerSequence(trailer);
    const std::string_view key = entries_->user_key();
    if (!Sees(sequence)) {
      if (!PassInvisible(key)) return Stop(absl::OkStatus());
      continue;
    }
    // Versions of a key come newest first, so an entry newer than the last one
    // belongs to another key: no need to compare.
    if (same_key_decided && sequence <= saved_sequence_ && key == saved_key_) {
      if (++steps == kMaxSteps) {
        entries_->Seek(saved_key_, 0);
      } else {
        entries_->Next();
      }
      continue;
    }
    if (IsPastEnd(key)) return Stop(absl::OkStatus());
    const SequenceNumber cover =
        window_.empty() ? 0 : window_.CoverForward(key);
    deleted_ = cover > sequence || TrailerKind(trailer) == EntryKind::kDelete;
    saved_sequence_ = sequence;
    if (!deleted_ || show_deleted_) {
      key_ = key;
      valid_ = true;
      covered_ = 0;
      dead_.End(key, /*forward=*/true);
      return;
    }
    saved_key_.assign(key);
    CountSkipped();
    if (dead_.Pass(saved_key_, /*forward=*/true)) {
      if (IsPastEnd(dead_.target())) return Stop(absl::OkStatus());
      entries_->Seek(dead_.target(), kNewestTrailer);
      same_key_decided = false;
      continue;
    }
    same_key_decided = true;
    steps = 0;
    if (cover > sequence && window_.has_end() && ShouldHint() &&
        entries_->SkipHiddenForward(window_.end(), cover)) {
      continue;
    }
    entries_->Next();
  }
  Stop(entries_->status());
}

// Keeps the version at which entries_ stands as the one that decides.
void VersionCursor::TakeVersion(uint64_t trailer, SequenceNumber cover,
                                bool* live) {
  saved_sequence_ = TrailerSequence(trailer);
  *live = TrailerKind(trailer) == EntryKind::kPut && saved_sequence_ >= cover;
  if (!*live) return;
  const std::string_view value = entries_->value();
  if (saved_value_.capacity() > kKeptCapacity &&
      value.size() <= kKeptCapacity) {
    std::string().swap(saved_value_);
  }
  saved_value_.assign(value);
}

// Finds the deciding version of saved_key_ from the newest end, then moves
// entries_ below all of them. Returns whether the reader sees any.
bool VersionCursor::GatherBySeeking(SequenceNumber cover, bool* live) {
  bool found = false;
  dead_.SawNewer(saved_key_);  // perhaps: what is newer is not looked at
  entries_->Seek(saved_key_, SeekTrailer(snapshot_));
  while (entries_->Valid() && entries_->user_key() == saved_key_) {
    const uint64_t trailer = entries_->trailer();
    if (Sees(TrailerSequence(trailer))) {
      TakeVersion(trailer, cover, live);
      found = true;
      break;
    }
    entries_->Next();
  }
  if (!entries_->Valid() && !entries_->status().ok()) return false;
  entries_->SeekBefore(saved_key_);
  return found;
}

// Moves entries_ back over all versions of saved_key_, at whose oldest it
// stands, and keeps the newest that the reader sees. Returns whether there is
// one.
bool VersionCursor::GatherVersions(SequenceNumber cover, bool* live) {
  bool found = false;
  SequenceNumber last = 0;
  for (int steps = 0; entries_->Valid(); ++steps) {
    const uint64_t trailer = entries_->trailer();
    const SequenceNumber sequence = TrailerSequence(trailer);
    if (steps > 0 && (sequence < last || entries_->user_key() != saved_key_)) {
      break;
    }
    if (steps == kMaxSteps) {
      if (sequence <= snapshot_) return GatherBySeeking(cover, live);
      dead_.SawNewer(saved_key_);
      entries_->SeekBefore(saved_key_);  // the rest is newer still
      break;
    }
    if (Sees(sequence)) {
      TakeVersion(trailer, cover, live);
      found = true;
    } else if (TrailerKind(trailer) == EntryKind::kPut) {
      dead_.SawNewer(saved_key_);
    }
    last = sequence;
    entries_->Prev();
  }
  return found;
}

// From the position of entries_ back, finds the next key to show.
void VersionCursor::FindBackward() {
  while (entries_->Valid()) {
    const std::string_view key = entries_->user_key();
    if (begin_.IsAbove(key)) return Stop(absl::OkStatus());
    saved_key_.assign(key);
    const SequenceNumber cover =
        window_.empty() ? 0 : window_.CoverBackward(saved_key_);
    bool live = false;
    const bool found = GatherVersions(cover, &live);
    if (!entries_->Valid()) {
      // A newer version may lie behind the error.
      absl::Status status = entries_->status();
      if (!status.ok()) return Stop(std::move(status));
    }
    if (!found) continue;
    deleted_ = !live;
    if (live || show_deleted_) {
      if (deleted_) saved_value_.clear();
      key_ = saved_key_;
      valid_ = true;
      covered_ = 0;
      dead_.End(key_, /*forward=*/false);
      return;
    }
    CountSkipped();
    if (dead_.Pass(saved_key_, /*forward=*/false)) {
      if (dead_.target() <= bounds_.begin) return Stop(absl::OkStatus());
      entries_->SeekBefore(dead_.target());
      continue;
    }
    if (cover > saved_sequence_ && entries_->Valid() && ShouldHint()) {
      entries_->SkipHiddenBackward(window_.begin(), cover);
    }
  }
  Stop(entries_->status());
}

}  // namespace nori
