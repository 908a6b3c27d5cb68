#include "vtab/mixed_history.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace nori {
namespace {

constexpr size_t kKeepEntries = 64;
constexpr uint64_t kKeepMicros = 10'000'000;
// A commit is published within microseconds of the host's; only a stopped
// process or a dead disk takes longer.
constexpr absl::Duration kMaxWait = absl::Seconds(30);

}  // namespace

void MixedHistory::Trim() {
  const uint64_t now = clock_->NowMicros();
  while (
      !entries_.empty() &&
      (entries_.size() > kKeepEntries || entries_.front().number <= dropped_) &&
      entries_.front().micros + kKeepMicros < now &&
      (unpublished_.empty() ||
       *unpublished_.begin() > entries_.front().number)) {
    forgotten_ = entries_.front().number;
    entries_.pop_front();
  }
}

void MixedHistory::Remove(uint64_t number) {
  std::erase_if(entries_,
                [number](const Entry& e) { return e.number == number; });
  unpublished_.erase(number);
  settled_.SignalAll();
}

void MixedHistory::Prepared(uint64_t number, SnapshotRef before,
                            uint64_t replaced) {
  absl::MutexLock lock(&mutex_);
  if (replaced != 0) Remove(replaced);
  const uint64_t now = clock_->NowMicros();
  entries_.push_back({number, std::move(before), now});
  unpublished_.insert(number);
  Trim();
  last_event_micros_.store(now);
}

void MixedHistory::Published(uint64_t number) {
  absl::MutexLock lock(&mutex_);
  unpublished_.erase(number);
  settled_.SignalAll();
  last_event_micros_.store(clock_->NowMicros());
}

void MixedHistory::Aborted(uint64_t number) {
  absl::MutexLock lock(&mutex_);
  Remove(number);
}

void MixedHistory::Dropped(uint64_t number) {
  absl::MutexLock lock(&mutex_);
  dropped_ = std::max(dropped_, number);
}

void MixedHistory::Tidy() {
  absl::MutexLock lock(&mutex_);
  Trim();
}

bool MixedHistory::Quiet() const {
  const uint64_t last = last_event_micros_.load(std::memory_order_relaxed);
  return last == 0 || clock_->NowMicros() > last + kKeepMicros;
}

absl::StatusOr<SnapshotRef> MixedHistory::StateFor(uint64_t host,
                                                   Engine* engine) {
  const absl::Time deadline = absl::Now() + kMaxWait;
  absl::MutexLock lock(&mutex_);
  // What the host has committed and the engine has not published is between the
  // two publications.
  while (!unpublished_.empty() && *unpublished_.begin() <= host) {
    if (settled_.WaitWithDeadline(&mutex_, deadline)) {
      return absl::UnavailableError(absl::StrCat(
          "transaction ", host, " is committed but not yet published"));
    }
  }
  if (host < forgotten_) {
    return absl::AbortedError(
        "the transaction's view of the database is too old to read nori tables "
        "in; end it and begin again");
  }
  Trim();
  SnapshotRef newest = engine->GetSnapshot();
  const auto next = std::partition_point(
      entries_.begin(), entries_.end(),
      [host](const Entry& entry) { return entry.number <= host; });
  if (next == entries_.end()) return newest;
  // Writers are serialised, so the transaction is in every state after the one
  // that it began with.
  return newest->sequence() > next->before->sequence() ? next->before : newest;
}

}  // namespace nori
