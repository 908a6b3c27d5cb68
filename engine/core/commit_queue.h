// The order in which commits happen.

#ifndef NORI_ENGINE_CORE_COMMIT_QUEUE_H_
#define NORI_ENGINE_CORE_COMMIT_QUEUE_H_

#include <deque>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "engine/engine.h"

namespace nori {

// A queue of commits. The front of it leads: it alone may append to the log,
// insert into the memtable and rotate. A leader of a plain write takes the
// writes that queued behind it along, so that they share one log record (group
// commit; the scheme is LevelDB's, with each follower woken alone, and the sync
// left to who needs it after the queue). A transaction enters as itself and
// stays in front until it leaves: nothing can commit between its prepare and
// its outcome.
//
// Thread-safe. A place is not bound to a thread.
class CommitQueue {
 public:
  struct Write {
    const WriteBatch* batch = nullptr;
  };
  // Commits a group; its status is every member's.
  using CommitGroup =
      absl::FunctionRef<absl::Status(const std::vector<Write>&)>;

  absl::Status Submit(const Write& write, CommitGroup commit)
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Entry {
    Write write;  // batch is null for a transaction's place
    absl::CondVar wake;
    bool done = false;
    absl::Status status;
  };

 public:
  // A transaction's place. The constructor waits until it is in front.
  class Place {
   public:
    explicit Place(CommitQueue* queue)
        : Place(queue, absl::InfiniteDuration()) {}
    // Gives up after `timeout`: whoever is in front may be a transaction that
    // is prepared and waits for its user to decide, perhaps on this very
    // thread.
    Place(CommitQueue* queue, absl::Duration timeout)
        : queue_(queue), in_front_(queue->Enter(&entry_, timeout)) {}
    ~Place() {
      if (in_front_) queue_->Leave(&entry_);
    }
    // kUnavailable if it gave up.
    absl::Status status() const;
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

   private:
    CommitQueue* const queue_;
    Entry entry_;
    const bool in_front_;
  };

 private:
  // False if `entry` was not in front after `timeout` and is not queued.
  bool Enter(Entry* entry, absl::Duration timeout) ABSL_LOCKS_EXCLUDED(mutex_);
  void Leave(Entry* entry) ABSL_LOCKS_EXCLUDED(mutex_);

  absl::Mutex mutex_;
  std::deque<Entry*> queue_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace nori

#endif  // NORI_ENGINE_CORE_COMMIT_QUEUE_H_
