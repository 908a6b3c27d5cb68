// Turns changes into commits: log, memtable, sequence numbers.

#ifndef NORI_ENGINE_CORE_COMMITTER_H_
#define NORI_ENGINE_CORE_COMMITTER_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "engine/core/commit_queue.h"
#include "engine/core/commit_record.h"
#include "engine/core/state.h"
#include "engine/core/write_controller.h"
#include "engine/iterators/dead_ranges.h"
#include "engine/observe/metrics.h"
#include "engine/snapshot/snapshot_list.h"
#include "engine/wal/log.h"

namespace nori {

// The log that an engine with these options keeps in `directory`.
LogOptions LogOptionsFor(const Options& options, const std::string& directory);

// A number above every log segment in `directory`.
absl::StatusOr<uint64_t> NextSegment(FileSystem* fs,
                                     const std::string& directory);

// Everything that appends is called by who is in front of the commit queue.
class Committer {
 public:
  // `directory` is where the log lives.
  Committer(const Options& options, std::string directory, State* state,
            SnapshotList* snapshots, DeadRanges* dead_ranges,
            WriteController* controller, Metrics* metrics)
      : options_(options),
        directory_(std::move(directory)),
        state_(state),
        snapshots_(snapshots),
        dead_ranges_(dead_ranges),
        controller_(controller),
        metrics_(metrics),
        block_pool_(std::make_shared<BlockPool>(options.memtable_bytes)) {}

  // Starts with a fresh log after recovery. Called once, before any commit.
  void Start(std::unique_ptr<LogWriter> log, SequenceNumber last,
             uint64_t last_mixed);
  bool started() const ABSL_LOCKS_EXCLUDED(log_mutex_) {
    absl::MutexLock lock(&log_mutex_);
    return log_ != nullptr;
  }
  // Called when a memtable was rotated, so that somebody flushes it.
  void set_on_rotate(std::function<void()> f) { on_rotate_ = std::move(f); }
  // Flushes every layer; used to start a new log after the old one failed.
  void set_flush_all(std::function<absl::Status()> f) {
    flush_all_ = std::move(f);
  }

  // Where the next commit goes, unless it is rotated before.
  std::shared_ptr<const Memtable> ActiveMemtable() const {
    return state_->view()->layers().front().memtable;
  }

  SequenceNumber last_sequence() const {
    return visible_.load(std::memory_order_acquire);
  }
  uint64_t last_mixed() const { return last_mixed_.load(); }
  // Held while a transaction becomes visible with its mixed number.
  absl::Mutex& publishing() ABSL_LOCK_RETURNED(publishing_) {
    return publishing_;
  }

  // One group of plain writes: one record, visible at once, not synced.
  absl::Status CommitGroup(const std::vector<CommitQueue::Write>& group);

  // Logs a prepare record, whose sequence numbers are filled in here, and makes
  // it durable. Never waits for background work.
  absl::Status Prepare(PrepareRecord* record, std::string_view changes,
                       Durability durability);
  // Makes a prepared record visible. `tables`: its spilled tables, opened with
  // their global numbers.
  absl::Status Publish(const PrepareRecord& record, std::string_view changes,
                       std::vector<TableRef> tables);
  // If this fails, nothing is logged behind the undecided record: the next
  // commit starts a new log.
  absl::Status LogOutcome(const OutcomeRecord& outcome, Durability durability);
  // Starts a new log if the old one failed; then nothing of the old one is read
  // again. Fails if there is still no log to write to. REQUIRES: in front.
  absl::Status Writable() ABSL_LOCKS_EXCLUDED(log_mutex_);

  // Moves the active memtable to the immutable ones. REQUIRES: in front.
  absl::Status Rotate();

  // See LogWriter; tables live in the log's directory. Any thread.
  absl::Status SyncDirectory();
  // Syncs what was logged so far. Any thread.
  absl::Status SyncLog();
  bool NeedsSync() const;
  absl::Status PrepareSpareSegment();
  absl::Status RetireSegments(uint64_t first_needed);
  uint64_t LogBytes() const;

  // Refuses every commit from now on.
  void TurnReadOnly(const absl::Status& cause) ABSL_LOCKS_EXCLUDED(log_mutex_);

 private:
  absl::Status Append(const std::vector<std::string_view>& parts,
                      Durability durability) ABSL_LOCKS_EXCLUDED(log_mutex_);
  absl::Status RestartLog() ABSL_LOCKS_EXCLUDED(log_mutex_);
  // Remembers a failure that is final for the log; returns it.
  absl::Status LogFailed(const absl::Status& status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(log_mutex_);
  absl::Status RotateIfFull(uint64_t incoming, bool may_wait);
  // Puts an empty memtable above all, whose first commit goes to `segment`.
  void PushMemtable(uint64_t segment);
  // To be called between the insertion of changes and their publication.
  void TellDeadRanges(const std::vector<Change>& changes);
  // An empty memtable whose first commit goes to `first_segment`.
  MemLayer NewMemtableLayer(uint64_t first_segment) const;
  std::shared_ptr<LogWriter> log() const ABSL_LOCKS_EXCLUDED(log_mutex_) {
    absl::MutexLock lock(&log_mutex_);
    return log_;
  }

  const Options& options_;
  const std::string directory_;
  State* const state_;
  SnapshotList* const snapshots_;
  DeadRanges* const dead_ranges_;
  WriteController* const controller_;
  Metrics* const metrics_;
  // What one flushed memtable leaves is enough for the next.
  const std::shared_ptr<BlockPool> block_pool_;
  std::function<void()> on_rotate_;
  std::function<absl::Status()> flush_all_;

  std::atomic<SequenceNumber> visible_{0};
  absl::Mutex publishing_;
  std::atomic<uint64_t> last_mixed_{0};

  // Serialises Append, Roll and Retire; not held while syncing.
  mutable absl::Mutex log_mutex_;
  std::shared_ptr<LogWriter> log_ ABSL_GUARDED_BY(log_mutex_);
  absl::Status log_error_ ABSL_GUARDED_BY(log_mutex_);
  absl::Status read_only_ ABSL_GUARDED_BY(log_mutex_);
};

}  // namespace nori

#endif  // NORI_ENGINE_CORE_COMMITTER_H_
