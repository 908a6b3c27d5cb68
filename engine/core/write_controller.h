// Slows writers as pressure grows, and makes them wait when they must.

#ifndef NORI_ENGINE_CORE_WRITE_CONTROLLER_H_
#define NORI_ENGINE_CORE_WRITE_CONTROLLER_H_

#include <cstdint>
#include <functional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "engine/core/state.h"
#include "engine/observe/events.h"
#include "engine/observe/metrics.h"
#include "engine/pressure/pressure.h"

namespace nori {

// Thread-safe.
class WriteController {
 public:
  WriteController(const Options& options, State* state, Metrics* metrics,
                  EventRing* events)
      : options_(options),
        state_(state),
        metrics_(metrics),
        events_(events),
        gauge_(options) {}

  // Runs one piece of background work in the caller (kManual), true if there
  // was one; not set where threads do it.
  void set_run_one(std::function<absl::StatusOr<bool>()> run_one) {
    run_one_ = std::move(run_one);
  }

  // Recomputes the pressure. Called when memtables, L0 or slots change.
  PressureState Update() ABSL_LOCKS_EXCLUDED(mutex_);
  PressureState pressure() const ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return gauge_.state();
  }

  // Called by a writer about to write `bytes`, before anything of the commit is
  // on disk. Sleeps in proportion; at a hard limit waits for background work,
  // and after stall_timeout_ms gives kUnavailable. Small writes are gathered,
  // so that the clock is not asked for each, and of a long delay a part is left
  // to the writes that follow.
  absl::Status Throttle(uint64_t bytes) ABSL_LOCKS_EXCLUDED(mutex_);

  // Waits until the queue of immutable memtables has room for one more, at most
  // stall_timeout_ms.
  absl::Status WaitForMemtableRoom() ABSL_LOCKS_EXCLUDED(mutex_);

  // Background work that has failed for good makes waiting pointless: waiters
  // get `status` instead. OK clears it.
  void SetBackgroundError(absl::Status status) ABSL_LOCKS_EXCLUDED(mutex_);

  int ImmutableMemtables() const;

 private:
  // Sleeps for `owed` of owed_bytes_, or for as much of them as one may at
  // once.
  void Delay(const PressureState& state, uint64_t owed);
  absl::Status WaitUntil(absl::FunctionRef<bool()> ready, const char* what)
      ABSL_LOCKS_EXCLUDED(mutex_);

  const Options& options_;
  State* const state_;
  Metrics* const metrics_;
  EventRing* const events_;
  std::function<absl::StatusOr<bool>()> run_one_;

  mutable absl::Mutex mutex_;
  absl::CondVar changed_;
  PressureGauge gauge_ ABSL_GUARDED_BY(mutex_);
  absl::Status background_error_ ABSL_GUARDED_BY(mutex_);
  std::atomic<uint64_t> owed_bytes_{0};
  std::atomic<bool> calm_{true};  // zone green: nothing to do in Throttle
};

}  // namespace nori

#endif  // NORI_ENGINE_CORE_WRITE_CONTROLLER_H_
