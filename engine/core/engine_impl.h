// The engine: its parts, put together.

#ifndef NORI_ENGINE_CORE_ENGINE_IMPL_H_
#define NORI_ENGINE_CORE_ENGINE_IMPL_H_

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "engine/core/background.h"
#include "engine/core/commit_queue.h"
#include "engine/core/committer.h"
#include "engine/core/recovery.h"
#include "engine/core/state.h"
#include "engine/core/table_store.h"
#include "engine/core/write_controller.h"
#include "engine/core/writer_lock.h"
#include "engine/engine.h"
#include "engine/iterators/dead_ranges.h"
#include "engine/snapshot/snapshot_list.h"

namespace nori {

class EngineImpl final : public Engine {
 public:
  EngineImpl(const Options& options, std::string directory);
  ~EngineImpl() override;

  // The steps of Open, in order. Called once.
  absl::Status Start(const OpenContext& context);

  const Options& options() const override { return options_; }
  const std::string& identity() const override { return identity_; }
  const std::string& directory() const override { return directory_; }

  absl::Status Write(const WriteOptions& options,
                     const WriteBatch& batch) override;
  absl::StatusOr<bool> Get(const ReadOptions& options, std::string_view key,
                           PinnedValue* value) override;
  std::unique_ptr<Iterator> NewIterator(const IterateOptions& options) override;
  void CountScan(std::string_view begin) override {
    CountScan(*state_.view(), begin);
  }
  SnapshotRef GetSnapshot() override;
  SequenceNumber LastSequence() const override {
    return committer_.last_sequence();
  }
  uint64_t EntriesWritten() const override {
    return metrics_.entries_written.Value();
  }
  absl::Status CreateNamedSnapshot(const std::string& name,
                                   SnapshotRef snapshot) override
      ABSL_LOCKS_EXCLUDED(naming_mutex_, names_mutex_);
  absl::Status ReleaseNamedSnapshot(const std::string& name) override
      ABSL_LOCKS_EXCLUDED(naming_mutex_, names_mutex_);
  absl::StatusOr<SnapshotRef> NamedSnapshot(const std::string& name) override
      ABSL_LOCKS_EXCLUDED(names_mutex_);
  std::vector<SnapshotName> ListNamedSnapshots() override
      ABSL_LOCKS_EXCLUDED(names_mutex_);
  absl::StatusOr<std::unique_ptr<Transaction>> BeginTransaction(
      const TransactionOptions& options) override;
  uint64_t LastMixed() const override { return committer_.last_mixed(); }
  uint64_t FlushedMixed() const override {
    return state_.manifest_state().decided_mixed;
  }

  absl::Status SyncLog() override { return committer_.SyncLog(); }
  using Engine::Flush;
  absl::Status Flush(const GoOn& go_on) override;
  using Engine::CompactRange;
  absl::Status CompactRange(const KeyRange& range, const GoOn& go_on) override;
  absl::Status WaitForBackground() override { return background_.WaitIdle(); }
  absl::StatusOr<int> RunBackgroundWork(int max_steps) override;
  absl::Status AddGuards(const KeyRange& range) override {
    return background_.AddGuards(range);
  }
  void DropRange(const KeyRange& range) override;
  absl::StatusOr<PinnedStateRef> PinState() override;
  absl::StatusOr<PinnedStateRef> PinDecidedState() override;
  using Engine::Checkpoint;
  absl::StatusOr<CheckpointResult> Checkpoint(
      const std::string& directory, const CheckpointOptions& options) override;
  using Engine::Verify;
  absl::Status Verify(const GoOn& go_on) override;
  RangeEstimate Estimate(const KeyRange& range) override;
  std::vector<std::string> SampleKeys(const KeyRange& range, size_t n) override;
  std::pair<size_t, size_t> SlotsOf(const KeyRange& range) override {
    return state_.view()->version()->SlotRangeFor(range);
  }

  EngineStats GetStats() override;
  std::vector<SlotInfo> GetSlots() override;
  std::vector<TableInfo> GetTables() override;
  std::vector<Event> GetEvents() override { return events_.Snapshot(); }

 private:
  class SnapshotImpl;

  static void CountScan(const ReadView& view, std::string_view begin);

  // Open (engine_open.cc).
  absl::Status PrepareDirectory();
  absl::Status CreateManifest();
  absl::Status RecoverManifest(const OpenContext& context);
  absl::Status SyncHost() const {
    return sync_host_ == nullptr ? absl::OkStatus() : sync_host_();
  }
  absl::Status RefuseForeignFiles();
  absl::Status Recover(const OpenContext& context, SequenceNumber* last,
                       uint64_t* last_mixed);
  absl::Status StartLog(std::vector<TableMeta> recovered, LogPosition end,
                        SequenceNumber last, uint64_t last_mixed);
  absl::Status RemoveOrphans();
  TableOpener Opener() {
    return [this](const TableMeta& meta) { return tables_->Open(meta); };
  }
  absl::Duration StallTimeout() const {
    return absl::Milliseconds(options_.stall_timeout_ms);
  }
  // Checkpoints (engine_checkpoint.cc).
  struct PinnedStateImpl;
  std::shared_ptr<PinnedStateImpl> TakeState();
  class Checkpointer;
  // A snapshot of a given number, which is still kept.
  SnapshotRef HoldSequence(SequenceNumber sequence);
  // Named snapshots (engine_snapshots.cc).
  void HoldNamedSnapshots(const SnapshotNames& names)
      ABSL_LOCKS_EXCLUDED(names_mutex_);
  SequenceNumber HighestNamedSequence() const ABSL_LOCKS_EXCLUDED(names_mutex_);
  SnapshotNames NamedSnapshotsUpTo(SequenceNumber sequence) const
      ABSL_LOCKS_EXCLUDED(names_mutex_);
  void RecordSnapshotEvent(EventKind kind, const SnapshotName& snapshot);
  void CountReads(const ReadCounters& counters);

  Options options_;
  const std::string directory_;
  std::string identity_;
  std::function<absl::Status()> sync_host_;
  std::unique_ptr<DirectoryLock> lock_;
  std::unique_ptr<BlockCache> cache_;
  std::unique_ptr<TableStore> tables_;
  Metrics metrics_;
  EventRing events_;
  SnapshotList snapshots_;
  DeadRanges dead_ranges_;
  State state_;
  WriteController controller_;
  Committer committer_;
  CommitQueue queue_;
  WriterLock writer_lock_;
  Background background_;
  std::atomic<uint64_t> next_prepare_id_{1};

  struct Named {
    SnapshotRef held;
    std::shared_ptr<const SnapshotName> snapshot;
  };
  absl::Mutex naming_mutex_;  // one change at a time; held during I/O
  mutable absl::Mutex names_mutex_ ABSL_ACQUIRED_AFTER(naming_mutex_);
  std::map<std::string, Named> names_ ABSL_GUARDED_BY(names_mutex_);
};

}  // namespace nori

#endif  // NORI_ENGINE_CORE_ENGINE_IMPL_H_
