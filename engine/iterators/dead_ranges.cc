#include "engine/iterators/dead_ranges.h"

#include <algorithm>
#include <bit>
#include <utility>
#include <vector>

namespace nori {
namespace {

// Enough for the fronts of many queues; a search among them stays cheap. Beyond
// it a quarter goes at once.
constexpr size_t kMaxRanges = 256;

// Keys that were passed since a stretch was long enough to be remembered:
// whether to ask anew if a known range begins here, which costs a lock. In the
// beginning so often that at most as many known keys are passed as unknown
// ones.
bool AskAfter(int keys) {
  constexpr int kAskAgain = 64;
  return keys % kAskAgain == 0 ||
         (keys < kAskAgain && std::has_single_bit(static_cast<unsigned>(keys)));
}

// The least key above `key`.
std::string After(std::string_view key) {
  std::string result(key);
  result.push_back('\0');
  return result;
}

}  // namespace

DeadRanges::Puts::Puts(DeadRanges* ranges) : ranges_(ranges) {
  ranges_->mutex_.Lock();
}

DeadRanges::Puts::~Puts() {
  ranges_->CountLocked();
  ranges_->mutex_.Unlock();
}

void DeadRanges::Puts::Add(std::string_view key) {
  ranges_->mutex_.AssertHeld();
  ranges_->PutLocked(key);
}

void DeadRanges::Start(const std::atomic<SequenceNumber>* visible) {
  absl::MutexLock lock(&mutex_);
  visible_ = visible;
}

void DeadRanges::SetActive(const void* memtable) {
  absl::MutexLock lock(&mutex_);
  active_ = memtable;
}

void DeadRanges::Restart(const void* memtable) {
  absl::MutexLock lock(&mutex_);
  active_ = memtable;
  ranges_.clear();
  watches_.clear();
  CountLocked();
}

DeadRanges::Ranges::iterator DeadRanges::HolderLocked(std::string_view key) {
  auto it = ranges_.upper_bound(key);
  if (it == ranges_.begin()) return ranges_.end();
  --it;
  return key < it->second.end ? it : ranges_.end();
}

void DeadRanges::PutLocked(std::string_view key) {
  for (auto& [number, watch] : watches_) {
    if (watch.forward) {
      if (key < watch.from || (watch.limited && key >= watch.limit)) continue;
      watch.limit.assign(key);
    } else {
      if (key >= watch.from || (watch.limited && key < watch.limit)) continue;
      watch.limit = After(key);
    }
    watch.limited = true;
  }
  const auto it = HolderLocked(key);
  if (it == ranges_.end()) return;
  Range rest = it->second;
  std::string after = After(key);
  if (it->first == key) {
    ranges_.erase(it);
  } else {
    it->second.end.assign(key);
  }
  if (after < rest.end) {
    rest.used = ++uses_;
    ranges_.emplace(std::move(after), std::move(rest));
    EvictLocked();
  }
}

void DeadRanges::EvictLocked() {
  if (ranges_.size() <= kMaxRanges) return;
  std::vector<uint64_t> uses;
  uses.reserve(ranges_.size());
  for (const auto& [begin, range] : ranges_) uses.push_back(range.used);
  const auto limit = uses.begin() + kMaxRanges / 4;
  std::nth_element(uses.begin(), limit, uses.end());
  std::erase_if(ranges_, [&](const auto& r) { return r.second.used < *limit; });
}

void DeadRanges::InsertLocked(std::string begin, Range range) {
  range.used = ++uses_;
  const auto join = [&](const Range& other) {
    range.end = std::max(range.end, other.end);
    range.sequence = std::max(range.sequence, other.sequence);
    range.pieces += other.pieces;
  };
  auto it = ranges_.upper_bound(begin);
  while (it != ranges_.begin()) {
    const auto before = std::prev(it);
    if (before->second.end < begin) break;
    if (before->second.end == begin && before->second.pieces > range.pieces) {
      break;
    }
    begin = before->first;
    join(before->second);
    it = ranges_.erase(before);
  }
  while (it != ranges_.end() && it->first <= range.end) {
    if (it->first == range.end && it->second.pieces > range.pieces) break;
    join(it->second);
    it = ranges_.erase(it);
  }
  ranges_.emplace(std::move(begin), std::move(range));
  EvictLocked();
}

bool DeadRanges::Find(std::string_view key, SequenceNumber complete_to,
                      std::string* begin, std::string* end) {
  absl::MutexLock lock(&mutex_);
  const auto it = HolderLocked(key);
  const auto is_dead = [&](const Range& range) {
    return range.sequence <= complete_to;
  };
  if (it == ranges_.end() || !is_dead(it->second)) return false;
  auto first = it;
  while (first != ranges_.begin()) {
    const auto before = std::prev(first);
    if (before->second.end != first->first || !is_dead(before->second)) break;
    first = before;
  }
  auto last = it;
  for (auto next = std::next(it);
       next != ranges_.end() && next->first == last->second.end &&
       is_dead(next->second);
       ++next) {
    last = next;
  }
  for (auto used = first; used != std::next(last); ++used) {
    used->second.used = ++uses_;
  }
  begin->assign(first->first);
  end->assign(last->second.end);
  found_->Add();
  return true;
}

uint64_t DeadRanges::StartWatch(std::string_view from, bool forward,
                                const void* memtable) {
  absl::MutexLock lock(&mutex_);
  if (memtable != active_) return 0;
  Watch watch;
  watch.from.assign(from);
  watch.forward = forward;
  // Under the lock, so that whatever was visible is in `memtable` or below it.
  watch.sequence = visible_->load(std::memory_order_acquire);
  watches_.emplace(next_watch_, std::move(watch));
  CountLocked();
  return next_watch_++;
}

void DeadRanges::EndWatch(uint64_t number, std::string_view to) {
  absl::MutexLock lock(&mutex_);
  const auto it = watches_.find(number);
  if (it == watches_.end()) return;  // Restart
  Watch watch = std::move(it->second);
  watches_.erase(it);
  Range range;
  range.sequence = watch.sequence;
  std::string begin;
  if (watch.forward) {
    begin = std::move(watch.from);
    range.end.assign(to);
    if (watch.limited) range.end = std::min(range.end, watch.limit);
  } else {
    begin.assign(to);
    if (watch.limited) begin = std::max(begin, watch.limit);
    range.end = std::move(watch.from);
  }
  if (begin < range.end) InsertLocked(std::move(begin), std::move(range));
  CountLocked();
}

void DeadRanges::DropWatch(uint64_t number) {
  absl::MutexLock lock(&mutex_);
  watches_.erase(number);
  CountLocked();
}

size_t DeadRanges::size() const {
  absl::MutexLock lock(&mutex_);
  return ranges_.size();
}

// Jumps where the rest of the stretch is known to be dead; otherwise begins to
// find it out. Either way the scan seeks anew, so that it misses nothing that
// was written before the watch began.
bool DeadStretch::Think(std::string_view key, bool forward) {
  const int beyond = passed_ - ranges_->run_keys();
  const bool known =
      AskAfter(beyond) && ranges_->any() &&
      (forward ? ranges_->Find(key, complete_to_, &other_end_, &target_)
               : ranges_->Find(key, complete_to_, &target_, &other_end_));
  if (!known) {
    if (watch_ != 0 || refused_) return false;
    target_.assign(key);
    if (forward) target_.push_back('\0');
  }
  if (watch_ == 0) {
    watch_ = ranges_->StartWatch(target_, forward, memtable_);
    limited_ = false;
    refused_ = watch_ == 0;
  }
  if (known) passed_ = 1;
  return known || watch_ != 0;
}

void DeadStretch::EndAt(std::string_view key, bool live, bool forward) {
  passed_ = 0;
  refused_ = false;
  if (watch_ == 0) return;
  // Forward [.., key) where it is live, else [.., key]; backward (key, ..) or
  // [key, ..).
  std::string to(key);
  if (forward != live) to.push_back('\0');
  if (limited_) {
    if (!forward) limit_.push_back('\0');
    to = forward ? std::min(to, limit_) : std::max(to, limit_);
  }
  ranges_->EndWatch(watch_, to);
  watch_ = 0;
}

void DeadStretch::DropPassed() {
  if (watch_ != 0) ranges_->DropWatch(watch_);
  watch_ = 0;
  passed_ = 0;
  refused_ = false;
}

}  // namespace nori
