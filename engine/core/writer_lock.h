// The lock that serialises transactions.

#ifndef NORI_ENGINE_CORE_WRITER_LOCK_H_
#define NORI_ENGINE_CORE_WRITER_LOCK_H_

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace nori {

// Owned by a transaction, not by a thread: taken on one thread, it may be
// released on another. Thread-safe.
class WriterLock {
 public:
  // False if it is still held after `timeout`.
  bool Acquire(absl::Duration timeout) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    const bool free =
        mutex_.AwaitWithTimeout(absl::Condition(
                                    +[](bool* held) { return !*held; }, &held_),
                                timeout);
    if (free) held_ = true;
    return free;
  }

  void Release() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    held_ = false;
  }

 private:
  absl::Mutex mutex_;
  bool held_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace nori

#endif  // NORI_ENGINE_CORE_WRITER_LOCK_H_
