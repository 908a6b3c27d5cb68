// The snapshots that are being held.

#ifndef NORI_ENGINE_SNAPSHOT_SNAPSHOT_LIST_H_
#define NORI_ENGINE_SNAPSHOT_SNAPSHOT_LIST_H_

#include <map>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "engine/format/internal_key.h"

namespace nori {

// Thread-safe. A flush or compaction takes the list once, at its start: a
// snapshot taken later sees at least everything that is in its inputs, so the
// newest version of each key, which is always kept, is what it needs.
class SnapshotList {
 public:
  // Registers the sequence number that `newest()` returns, read under the
  // list's lock, so that no compaction can start between reading and
  // registering.
  template <typename Newest>
  SequenceNumber Acquire(Newest newest) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    const SequenceNumber sequence = newest();
    ++held_[sequence];
    return sequence;
  }

  // Runs `publish` so that it is one instant for Acquire and Held.
  template <typename Publish>
  void Exclusively(Publish publish) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    publish();
  }

  void Release(SequenceNumber sequence) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    auto it = held_.find(sequence);
    if (it != held_.end() && --it->second == 0) held_.erase(it);
  }

  // Distinct sequence numbers held, ascending.
  std::vector<SequenceNumber> Held() const ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    std::vector<SequenceNumber> result;
    result.reserve(held_.size());
    for (const auto& [sequence, count] : held_) result.push_back(sequence);
    return result;
  }

 private:
  mutable absl::Mutex mutex_;
  std::map<SequenceNumber, int> held_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nori

#endif  // NORI_ENGINE_SNAPSHOT_SNAPSHOT_LIST_H_
