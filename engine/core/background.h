// Flush, compaction and the periodic chores.

#ifndef NORI_ENGINE_CORE_BACKGROUND_H_
#define NORI_ENGINE_CORE_BACKGROUND_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "engine/compaction/costs.h"
#include "engine/compaction/filter_budget.h"
#include "engine/compaction/merge.h"
#include "engine/compaction/policy.h"
#include "engine/core/committer.h"
#include "engine/core/state.h"
#include "engine/core/table_store.h"
#include "engine/core/write_controller.h"
#include "engine/observe/events.h"
#include "engine/observe/metrics.h"
#include "engine/snapshot/snapshot_list.h"

namespace nori {

// What background work needs of its engine.
struct BackgroundContext {
  const Options* options;
  State* state;
  TableStore* tables;
  Committer* committer;
  WriteController* controller;
  SnapshotList* snapshots;
  Metrics* metrics;
  EventRing* events;
  // Makes the host's mixed transactions durable (OpenContext::sync_host).
  std::function<absl::Status()> sync_host;
};

// Thread-safe. A slot has a lock, its membership in busy_: whoever holds it
// alone may change the slot's runs or its guards.
class Background {
 public:
  explicit Background(const BackgroundContext& context);
  ~Background();  // as Stop

  // Makes policy and scheduler; starts the threads unless kManual.
  absl::Status Start();
  // Ends running jobs early and joins the threads.
  void Stop();

  // Something changed: work may be due.
  void Signal() ABSL_LOCKS_EXCLUDED(mutex_);

  // One piece of work in the caller; false if none is due. Errors are the
  // work's.
  absl::StatusOr<bool> FlushOne() ABSL_LOCKS_EXCLUDED(flush_mutex_);
  absl::StatusOr<bool> CompactOne() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<bool> RunOne();
  // Folds heat, adjusts K and guards, and in threads mode syncs the log.
  absl::Status Tick();

  // Writes a memtable, which is not empty, to a table of its own. Puts some of
  // its keys, evenly spread, into *sample unless that is null.
  absl::StatusOr<TableMeta> WriteMemtable(
      const Memtable& memtable, std::vector<std::string>* sample = nullptr);
  // Writes every immutable layer; asks `go_on` before each, if it is not null.
  absl::Status FlushAll(const std::function<absl::Status()>& go_on = nullptr);
  // Merges all that the slots in `range` hold into one run each; asks `go_on`,
  // if there is one, before each.
  absl::Status CompactRange(const KeyRange& range,
                            const std::function<absl::Status()>& go_on);
  absl::Status AddGuards(const KeyRange& range);
  // See Engine::DropRange; `sequence` is that of the last commit.
  void DropRange(const KeyRange& range, SequenceNumber sequence)
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status WaitIdle() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct DroppedRange {
    KeyRange range;
    SequenceNumber sequence;
  };
  // Either slots that adopt, or one slot to merge.
  struct Picked {
    std::vector<uint64_t> adopting;
    CompactionChoice choice;
    SlotView view;
  };
  // Takes the locks of what it picks; nothing if no work is due.
  std::optional<Picked> PickWork() ABSL_LOCKS_EXCLUDED(mutex_);
  // All in one edit; releases the slots' locks.
  absl::Status Adopt(const std::vector<uint64_t>& ids)
      ABSL_LOCKS_EXCLUDED(mutex_);

  void FlushLoop();
  void CompactLoop();
  void TickLoop();
  bool SleepUntilSignalled(uint64_t* seen, absl::Duration longest)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void ReportError(const char* work, const absl::Status& status);

  // A memtable, or all tables of a transaction, newest first.
  absl::Status FlushLayers(absl::Span<const MemLayer> layers,
                           uint64_t next_segment);
  // Spreads a flushed table's entries over the slots' counts of writes and of
  // what arrives: exact enough, and free for the writers.
  void AddWriteHeat(uint64_t table_number);

  std::vector<SlotView> SlotViews(const ReadView& view)
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  // Carries out a merge; returns the bytes written.
  absl::StatusOr<uint64_t> Execute(const CompactionChoice& choice);
  absl::StatusOr<uint64_t> Merge(const ReadView& view, const Slot& slot,
                                 const CompactionChoice& choice);
  // Merges runs (newest first) to new tables, synced with their names.
  absl::StatusOr<MergeResult> MergeRuns(const std::vector<Run>& runs,
                                        const KeyRange& range, bool bottommost,
                                        const TableWriterOptions& tables);
  // How to write a run that comes out of `runs` of the slot, the oldest one of
  // it if bottommost: compression by the slot's heat, filter by its reads.
  TableWriterOptions WriterOptionsFor(const ReadView& view, const Slot& slot,
                                      const std::vector<Run>& runs,
                                      bool bottommost)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Among all runs there are, L0 included.
  FilterBudget Filters(const ReadView& view) ABSL_LOCKS_EXCLUDED(mutex_);
  double FlushFilterBits(const Memtable& memtable) ABSL_LOCKS_EXCLUDED(mutex_);
  // Finds by filters which part of the keys that a flush brought to each slot,
  // of which `keys` is a sample, hides older entries.
  void LearnOverlap(const Version& version, uint64_t table_number,
                    const std::vector<std::string>& keys)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Remembers how many entries of a merge of a whole slot hid older ones.
  void LearnOverlap(uint64_t slot_id, const std::vector<Run>& runs,
                    const MergeResult& result) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status AdjustMaxRuns();
  void MeasureCosts() ABSL_LOCKS_EXCLUDED(mutex_);

  // What moving guards goes by.
  struct GuardLoad {
    std::vector<SlotHeat::Rates> rates;  // per slot of the view
    uint64_t target_bytes = 0;           // size of a slot
    double average_rate = 0;             // of a slot of that size
  };
  GuardLoad LoadOf(const ReadView& view) const;
  // Splits slots that are too large or unevenly warm, joins small cold
  // neighbours; only slots that nobody works on.
  absl::Status AdaptGuards() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status SplitLargeSlots() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status SplitUnevenSlots() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status JoinColdSlots() ABSL_LOCKS_EXCLUDED(mutex_);
  bool MayJoin(const Slot& slot, const SlotHeat::Rates& rates,
               const GuardLoad& load, uint64_t now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Marks neighbours that could be joined if each had one run.
  void WantJoins(const Version& version, const GuardLoad& load, uint64_t now)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // These need the lock of every slot that they name.
  absl::Status SplitIfLarge(uint64_t slot_id);
  absl::Status ApplySplit(uint64_t slot_id,
                          const std::vector<std::string>& keys,
                          const char* why);
  absl::StatusOr<bool> ApplyJoin(const std::vector<uint64_t>& ids);
  // Records the edit and tells the scheduler. `old_ids` are the first slots of
  // each replacement; or all that one replacement joined.
  void SlotsReplaced(const std::vector<uint64_t>& old_ids,
                     const std::vector<SlotReplacement>& done, const char* why)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Empties the slots of dropped ranges that nobody needs any more.
  absl::Status FinishDrops() ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether some of it waits for FinishDrops.
  bool IsDropped(const KeyRange& range) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // False if somebody works on it, or it is no more.
  absl::StatusOr<bool> EmptySlot(uint64_t slot_id) ABSL_LOCKS_EXCLUDED(mutex_);

  // Takes the slots' locks if all are free.
  bool TryLockSlots(const std::vector<uint64_t>& ids)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Waits for the slot's lock and takes it.
  void LockSlot(uint64_t slot_id) ABSL_LOCKS_EXCLUDED(mutex_);
  void UnlockSlots(const std::vector<uint64_t>& ids)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Record(EventKind kind, uint64_t slot, uint64_t in, uint64_t out,
              uint64_t micros, double value, std::string detail);

  const BackgroundContext context_;
  const Options& options_;
  std::vector<std::thread> threads_;
  std::atomic<bool> stopping_{false};

  absl::Mutex flush_mutex_;  // one flush at a time, oldest first

  absl::Mutex mutex_;
  absl::CondVar changed_;
  uint64_t generation_ ABSL_GUARDED_BY(mutex_) = 1;       // of Signal
  uint64_t idle_generation_ ABSL_GUARDED_BY(mutex_) = 0;  // nothing due then
  std::unique_ptr<RunPolicy> run_policy_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Scheduler> scheduler_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_set<uint64_t> busy_ ABSL_GUARDED_BY(mutex_);
  // By slot; where something is known. Monotonic times.
  struct GuardState {
    uint64_t born = 0;              // when a split or join made it
    uint64_t looked = 0;            // when its heat was last found even
    uint64_t join_merged = 0;       // when it was last merged to be joined
    bool join_wanted = false;       // one run would let it be joined
    std::optional<double> overlap;  // see SlotView
  };
  absl::flat_hash_map<uint64_t, GuardState> guards_ ABSL_GUARDED_BY(mutex_);
  uint64_t started_micros_ = 0;  // set by Start
  absl::Status last_error_ ABSL_GUARDED_BY(mutex_);
  double overlap_ ABSL_GUARDED_BY(mutex_) = 1;  // over all slots
  CostMeter cost_meter_ ABSL_GUARDED_BY(mutex_);
  FlushMeter flush_meter_ ABSL_GUARDED_BY(mutex_);
  // Of merges that took measurable time.
  std::atomic<uint64_t> merge_bytes_{0}, merge_micros_{0};
  std::vector<DroppedRange> dropped_ ABSL_GUARDED_BY(mutex_);

  uint64_t last_tick_syncs_ = 0;  // of the ticking thread
};

}  // namespace nori

#endif  // NORI_ENGINE_CORE_BACKGROUND_H_
