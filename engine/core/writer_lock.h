// The lock that serialises transactions.

#ifndef NORI_ENGINE_CORE_WRITER_LOCK_H_
#define NORI_ENGINE_CORE_WRITER_LOCK_H_

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace nori {

// Owned by a transaction, not by a thread: taken on one thread, it may be
// released on another. Thread-safe.
class WriterLock {
 public:
  // False if it is still held after `timeout`.
  bool Acquire(absl::Duration timeout) ABSL_LOCKS_EXCLUDED(mutex_) {
    const absl::Time deadline = absl::Now() + timeout;
    absl::MutexLock lock(&mutex_);
    while (held_) {
      if (freed_.WaitWithDeadline(&mutex_, deadline) && held_) return false;
    }
    held_ = true;
    return true;
  }

  void Release() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    held_ = false;
    freed_.Signal();
  }

 private:
  absl::Mutex mutex_;
  absl::CondVar freed_;
  bool held_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace nori

#endif  // NORI_ENGINE_CORE_WRITER_LOCK_H_
