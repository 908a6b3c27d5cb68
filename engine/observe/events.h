// Typed events of the engine and the ring that keeps the latest.

#ifndef NORI_ENGINE_OBSERVE_EVENTS_H_
#define NORI_ENGINE_OBSERVE_EVENTS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace nori {

enum class EventKind : uint8_t {
  kFlushBegin,
  kFlushEnd,
  kCompactionBegin,
  kCompactionEnd,
  kAdoption,
  kSlotSplit,
  kSlotJoin,
  kMaxRunsChange,
  kZoneChange,
  kSnapshotTaken,
  kSnapshotReleased,
  kStall,
  kCorruption,
  kBackgroundError,
  kBanditSelection,
  kBanditReward,
  kCheckpoint,
  kRecovery,
};
const char* EventKindName(EventKind kind);  // "flush_begin", ...

struct Event {
  uint64_t sequence = 0;  // position in the stream, from 1
  uint64_t wall_micros = 0;
  EventKind kind = EventKind::kFlushBegin;
  uint64_t slot_id = 0;  // 0: none
  uint64_t bytes_in = 0;
  uint64_t bytes_out = 0;
  uint64_t duration_micros = 0;
  double value = 0;    // kind-specific: reward, score, K, table count
  std::string detail;  // short, human-readable; never keys or values
};

// The latest `capacity` events of one engine; older ones are overwritten.
// Thread-safe.
class EventRing {
 public:
  explicit EventRing(size_t capacity = 1024)
      : capacity_(capacity > 0 ? capacity : 1) {}
  // Fills in `sequence`. Sequences have no gaps: a reader that finds one has
  // lost the events between to the ring's end.
  void Record(Event event) ABSL_LOCKS_EXCLUDED(mutex_);
  // The events still in the ring, oldest first.
  std::vector<Event> Snapshot() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Called after each Record, in the recording thread and outside the ring's
  // lock, so it may call Snapshot. Calls from several threads may overlap and
  // come out of order; `sequence` tells the order. Set before use.
  void set_listener(std::function<void(const Event&)> listener) {
    listener_ = std::move(listener);
  }

 private:
  // Puts the event into the ring and returns its sequence.
  uint64_t Store(Event event) ABSL_LOCKS_EXCLUDED(mutex_);

  const size_t capacity_;
  std::function<void(const Event&)> listener_;
  mutable absl::Mutex mutex_;
  uint64_t next_ ABSL_GUARDED_BY(mutex_) = 1;
  std::vector<Event> ring_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nori

#endif  // NORI_ENGINE_OBSERVE_EVENTS_H_
