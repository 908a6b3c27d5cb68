#include "engine/observe/events.h"

#include <utility>

namespace nori {

const char* EventKindName(EventKind kind) {
  switch (kind) {
    case EventKind::kFlushBegin:
      return "flush_begin";
    case EventKind::kFlushEnd:
      return "flush_end";
    case EventKind::kCompactionBegin:
      return "compaction_begin";
    case EventKind::kCompactionEnd:
      return "compaction_end";
    case EventKind::kAdoption:
      return "adoption";
    case EventKind::kSlotSplit:
      return "slot_split";
    case EventKind::kSlotJoin:
      return "slot_join";
    case EventKind::kMaxRunsChange:
      return "max_runs_change";
    case EventKind::kZoneChange:
      return "zone_change";
    case EventKind::kSnapshotTaken:
      return "snapshot_taken";
    case EventKind::kSnapshotReleased:
      return "snapshot_released";
    case EventKind::kStall:
      return "stall";
    case EventKind::kCorruption:
      return "corruption";
    case EventKind::kBackgroundError:
      return "background_error";
    case EventKind::kBanditSelection:
      return "bandit_selection";
    case EventKind::kBanditReward:
      return "bandit_reward";
    case EventKind::kCheckpoint:
      return "checkpoint";
    case EventKind::kRecovery:
      return "recovery";
  }
  return "unknown";
}

void EventRing::Record(Event event) {
  // The listener gets its own copy, since another thread may overwrite the
  // ring's as soon as the lock is released.
  if (listener_ == nullptr) {
    Store(std::move(event));
    return;
  }
  event.sequence = Store(event);
  listener_(event);
}

uint64_t EventRing::Store(Event event) {
  absl::MutexLock lock(&mutex_);
  const uint64_t sequence = next_++;
  event.sequence = sequence;
  if (ring_.size() < capacity_) {
    ring_.push_back(std::move(event));
  } else {
    ring_[(sequence - 1) % capacity_] = std::move(event);
  }
  return sequence;
}

std::vector<Event> EventRing::Snapshot() const {
  absl::MutexLock lock(&mutex_);
  std::vector<Event> events;
  events.reserve(ring_.size());
  // Before the first wrap the oldest is at 0; after it, at the next place to
  // be overwritten.
  const size_t first = ring_.size() < capacity_ ? 0 : (next_ - 1) % capacity_;
  for (size_t i = 0; i < ring_.size(); ++i) {
    events.push_back(ring_[(first + i) % ring_.size()]);
  }
  return events;
}

}  // namespace nori
