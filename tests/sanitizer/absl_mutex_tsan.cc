// Tells ThreadSanitizer of the ordering that absl::Mutex and absl::CondVar
// give.
//
// The distribution's Abseil is not instrumented, so that every access under an
// absl::Mutex would be reported as a race. In a build with -fsanitize=thread
// the linker (--wrap) sends the calls through these functions. Readers are
// treated as writers among themselves, which can only hide races between code
// that holds reader locks of the same mutex.

#include <sanitizer/tsan_interface.h>

#include "absl/synchronization/mutex.h"

#define NORI_WRAP(name) \
  asm("__wrap_" name) __attribute__((visibility("default")))
#define NORI_REAL(name) \
  asm("__real_" name) __attribute__((visibility("default")))

using absl::Condition;
using absl::CondVar;
using absl::Mutex;

namespace {

// Abseil's own search for lock-order cycles keeps a graph under a lock that
// ThreadSanitizer cannot see.
[[maybe_unused]] const bool deadlock_detection_is_off = [] {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  return true;
}();

}  // namespace

#define NORI_WRAP_LOCK(function, name)            \
  void Real##function(Mutex* mu) NORI_REAL(name); \
  void Wrap##function(Mutex* mu) NORI_WRAP(name); \
  void Wrap##function(Mutex* mu) {                \
    Real##function(mu);                           \
    __tsan_acquire(mu);                           \
  }
#define NORI_WRAP_UNLOCK(function, name)          \
  void Real##function(Mutex* mu) NORI_REAL(name); \
  void Wrap##function(Mutex* mu) NORI_WRAP(name); \
  void Wrap##function(Mutex* mu) {                \
    __tsan_release(mu);                           \
    Real##function(mu);                           \
  }
#define NORI_WRAP_TRY_LOCK(function, name)        \
  bool Real##function(Mutex* mu) NORI_REAL(name); \
  bool Wrap##function(Mutex* mu) NORI_WRAP(name); \
  bool Wrap##function(Mutex* mu) {                \
    const bool locked = Real##function(mu);       \
    if (locked) __tsan_acquire(mu);               \
    return locked;                                \
  }

NORI_WRAP_LOCK(Lock, "_ZN4absl7debian35Mutex4LockEv")
NORI_WRAP_LOCK(ReaderLock, "_ZN4absl7debian35Mutex10ReaderLockEv")
NORI_WRAP_UNLOCK(Unlock, "_ZN4absl7debian35Mutex6UnlockEv")
NORI_WRAP_UNLOCK(ReaderUnlock, "_ZN4absl7debian35Mutex12ReaderUnlockEv")
NORI_WRAP_TRY_LOCK(TryLock, "_ZN4absl7debian35Mutex7TryLockEv")
NORI_WRAP_TRY_LOCK(ReaderTryLock, "_ZN4absl7debian35Mutex13ReaderTryLockEv")

// Conditions are evaluated by whichever thread releases the mutex, inside
// Abseil, while it holds the mutex: the acquire and release around the wait
// cover the waiter's own accesses.
void RealAwait(Mutex* mu, const Condition& c)
    NORI_REAL("_ZN4absl7debian35Mutex5AwaitERKNS0_9ConditionE");
void WrapAwait(Mutex* mu, const Condition& c)
    NORI_WRAP("_ZN4absl7debian35Mutex5AwaitERKNS0_9ConditionE");
void WrapAwait(Mutex* mu, const Condition& c) {
  __tsan_release(mu);
  RealAwait(mu, c);
  __tsan_acquire(mu);
}

void RealWait(CondVar* cv, Mutex* mu)
    NORI_REAL("_ZN4absl7debian37CondVar4WaitEPNS0_5MutexE");
void WrapWait(CondVar* cv, Mutex* mu)
    NORI_WRAP("_ZN4absl7debian37CondVar4WaitEPNS0_5MutexE");
void WrapWait(CondVar* cv, Mutex* mu) {
  __tsan_release(mu);
  RealWait(cv, mu);
  __tsan_acquire(mu);
}

bool RealWaitWithTimeout(CondVar* cv, Mutex* mu, absl::Duration d) NORI_REAL(
    "_ZN4absl7debian37CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE");
bool WrapWaitWithTimeout(CondVar* cv, Mutex* mu, absl::Duration d) NORI_WRAP(
    "_ZN4absl7debian37CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE");
bool WrapWaitWithTimeout(CondVar* cv, Mutex* mu, absl::Duration d) {
  __tsan_release(mu);
  const bool timed_out = RealWaitWithTimeout(cv, mu, d);
  __tsan_acquire(mu);
  return timed_out;
}

bool RealWaitWithDeadline(CondVar* cv, Mutex* mu, absl::Time t) NORI_REAL(
    "_ZN4absl7debian37CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE");
bool WrapWaitWithDeadline(CondVar* cv, Mutex* mu, absl::Time t) NORI_WRAP(
    "_ZN4absl7debian37CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE");
bool WrapWaitWithDeadline(CondVar* cv, Mutex* mu, absl::Time t) {
  __tsan_release(mu);
  const bool timed_out = RealWaitWithDeadline(cv, mu, t);
  __tsan_acquire(mu);
  return timed_out;
}

bool RealAwaitWithTimeout(Mutex* mu, const Condition& c, absl::Duration d)
    NORI_REAL(
        "_ZN4absl7debian35Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_"
        "8DurationE");
bool WrapAwaitWithTimeout(Mutex* mu, const Condition& c, absl::Duration d)
    NORI_WRAP(
        "_ZN4absl7debian35Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_"
        "8DurationE");
bool WrapAwaitWithTimeout(Mutex* mu, const Condition& c, absl::Duration d) {
  __tsan_release(mu);
  const bool fulfilled = RealAwaitWithTimeout(mu, c, d);
  __tsan_acquire(mu);
  return fulfilled;
}
