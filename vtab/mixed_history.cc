#include "vtab/mixed_history.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace nori {
namespace {

constexpr size_t kMaxEntries = 64;
constexpr absl::Duration kKeepFor = absl::Seconds(10);
// A commit is published within microseconds of the host's; only a stopped
// process or a dead disk takes longer.
constexpr absl::Duration kMaxWait = absl::Seconds(30);

int64_t MonotonicMicros() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

void MixedHistory::Trim() {
  const absl::Time oldest = absl::Now() - kKeepFor;
  while (!entries_.empty() && entries_.front().published &&
         (entries_.size() > kMaxEntries || entries_.front().when < oldest)) {
    forgotten_ = entries_.front().number;
    entries_.pop_front();
  }
}

void MixedHistory::Remove(uint64_t number) {
  std::erase_if(entries_,
                [number](const Entry& e) { return e.number == number; });
}

void MixedHistory::Prepared(uint64_t number, SnapshotRef before,
                            uint64_t replaced) {
  absl::MutexLock lock(&mutex_);
  if (replaced != 0) Remove(replaced);
  entries_.push_back({number, std::move(before), absl::Now()});
  Trim();
  last_event_micros_.store(MonotonicMicros());
}

void MixedHistory::Published(uint64_t number) {
  absl::MutexLock lock(&mutex_);
  for (Entry& entry : entries_) {
    if (entry.number == number) entry.published = true;
  }
  last_event_micros_.store(MonotonicMicros());
}

void MixedHistory::Aborted(uint64_t number) {
  absl::MutexLock lock(&mutex_);
  Remove(number);
}

bool MixedHistory::Quiet() const {
  const int64_t last = last_event_micros_.load(std::memory_order_relaxed);
  return last == 0 ||
         MonotonicMicros() - last > absl::ToInt64Microseconds(kKeepFor);
}

absl::StatusOr<SnapshotRef> MixedHistory::StateFor(uint64_t host,
                                                   Engine* engine) {
  absl::MutexLock lock(&mutex_);
  // What the host has committed and the engine has not published is between the
  // two publications.
  const auto settled = [this, host]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return std::all_of(entries_.begin(), entries_.end(), [&](const Entry& e) {
      return e.published || e.number > host;
    });
  };
  if (!mutex_.AwaitWithTimeout(absl::Condition(&settled), kMaxWait)) {
    return absl::UnavailableError(absl::StrCat(
        "transaction ", host, " is committed but not yet published"));
  }
  if (host < forgotten_) {
    return absl::AbortedError(
        "the transaction's view of the database is too old to read nori tables "
        "in; end it and begin again");
  }
  SnapshotRef newest = engine->GetSnapshot();
  for (const Entry& entry : entries_) {
    if (entry.number <= host) continue;
    // Writers are serialised, so the transaction is in every state after the
    // one that it began with.
    return newest->sequence() > entry.before->sequence() ? entry.before
                                                         : newest;
  }
  Trim();
  return newest;
}

}  // namespace nori
