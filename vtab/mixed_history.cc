#include "vtab/mixed_history.h"

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
  while (!entries_.empty() && !(prepared_ && entries_.size() == 1) &&
         (entries_.size() > kMaxEntries || entries_.front().when < oldest)) {
    forgotten_ = entries_.front().number;
    entries_.pop_front();
  }
}

void MixedHistory::Prepared(uint64_t number, SnapshotRef before) {
  absl::MutexLock lock(&mutex_);
  if (prepared_) entries_.pop_back();
  entries_.push_back({number, std::move(before), absl::Now()});
  prepared_ = true;
  Trim();
  last_event_micros_.store(MonotonicMicros());
}

void MixedHistory::Published() {
  absl::MutexLock lock(&mutex_);
  prepared_ = false;
  last_event_micros_.store(MonotonicMicros());
}

void MixedHistory::Aborted() {
  absl::MutexLock lock(&mutex_);
  if (prepared_) entries_.pop_back();
  prepared_ = false;
}

bool MixedHistory::Quiet() const {
  const int64_t last = last_event_micros_.load(std::memory_order_relaxed);
  return last == 0 ||
         MonotonicMicros() - last > absl::ToInt64Microseconds(kKeepFor);
}

absl::StatusOr<SnapshotRef> MixedHistory::StateFor(uint64_t host,
                                                   Engine* engine) {
  absl::MutexLock lock(&mutex_);
  // The host has committed it, so its writer is between the two publications.
  const auto settled = [this, host]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return !prepared_ || entries_.back().number > host;
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
