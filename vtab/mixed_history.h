// The latest mixed transactions of an engine: those that changed ordinary
// tables as well, or could have.
//
// SQLite publishes the ordinary tables' part of such a transaction a moment
// before the engine publishes its own, and a reader's view of the ordinary
// tables may be older than its view of the engine. This history lets a reader
// that knows which mixed transaction its view of the ordinary tables ends with
// read the engine as it was at that point.

#ifndef NORI_VTAB_MIXED_HISTORY_H_
#define NORI_VTAB_MIXED_HISTORY_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <set>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "engine/engine.h"
#include "engine/io/clock.h"

namespace nori {

// Thread-safe. Writers are serialised by the engine's writer lock, but give it
// back before they call Published: the next one may have prepared by then.
class MixedHistory {
 public:
  // `last` is the newest mixed transaction there was when the engine was
  // opened: a reader that ends before it cannot be served. At least the last 64
  // transactions are kept, and every one of the last 10 seconds of `clock`.
  MixedHistory(uint64_t last, Clock* clock) : clock_(clock), forgotten_(last) {}

  // The number is written in the host and the engine's part is prepared: a
  // reader that finds `number` in the host must wait for Published or Aborted.
  // `before` is the engine as the transaction found it. `replaced` is the
  // number that the same transaction had prepared with before, 0 if none.
  void Prepared(uint64_t number, SnapshotRef before, uint64_t replaced);
  // The engine's part of a prepared transaction is visible.
  void Published(uint64_t number);
  // A prepared transaction is rolled back. To be called while the writer lock
  // is held, since the next one may use the number again.
  void Aborted(uint64_t number);

  // Mixed transaction `number` dropped tables: readers from before it are given
  // up after the 10 seconds, however few came after, so that files can go.
  void Dropped(uint64_t number);
  // Lets go of what need not be kept any more.
  void Tidy();

  // Whether nothing has happened for so long that an autocommit statement that
  // starts now cannot be affected. Never blocks.
  bool Quiet() const;

  // The engine state for a reader whose view of the host ends with mixed
  // transaction `host`, given the newest state. Waits for a commit under way.
  // `newest` makes a new snapshot. SQLITE_BUSY_SNAPSHOT if that state is no
  // longer kept.
  absl::StatusOr<SnapshotRef> StateFor(uint64_t host, Engine* engine);

 private:
  struct Entry {
    uint64_t number;
    SnapshotRef before;
    uint64_t micros;
  };

  void Remove(uint64_t number) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Trim() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Clock* const clock_;
  std::atomic<uint64_t> last_event_micros_{0};  // 0: never
  absl::Mutex mutex_;
  absl::CondVar settled_;  // something was published or aborted
  std::deque<Entry> entries_ ABSL_GUARDED_BY(mutex_);       // ascending
  std::set<uint64_t> unpublished_ ABSL_GUARDED_BY(mutex_);  // of entries_
  uint64_t dropped_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t forgotten_
      ABSL_GUARDED_BY(mutex_);  // highest number not in entries_
};

}  // namespace nori

#endif  // NORI_VTAB_MIXED_HISTORY_H_
