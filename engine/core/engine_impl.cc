#include "engine/core/engine_impl.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "engine/core/transaction.h"
#include "engine/format/status_macros.h"

namespace nori {
namespace {

constexpr uint64_t kScansPerSample = 8;

}  // namespace

class EngineImpl::SnapshotImpl final : public Snapshot {
 public:
  SnapshotImpl(SnapshotList* list, SequenceNumber sequence)
      : list_(list), sequence_(sequence) {}
  ~SnapshotImpl() override { list_->Release(sequence_); }
  SequenceNumber sequence() const override { return sequence_; }

 private:
  SnapshotList* const list_;
  const SequenceNumber sequence_;
};

absl::Status EngineImpl::Write(const WriteOptions& options,
                               const WriteBatch& batch) {
  if (batch.count() == 0) return absl::OkStatus();
  NORI_RETURN_IF_ERROR(queue_.Submit(
      {&batch}, [this](const std::vector<CommitQueue::Write>& group) {
        return committer_.CommitGroup(group);
      }));
  if (options.durability != Durability::kSync) return absl::OkStatus();
  // Outside the queue: while one sync runs, the next commits are appended, and
  // all of them share the sync after it.
  metrics_.log_syncs.Add();
  return committer_.SyncLog();
}

void EngineImpl::CountReads(const ReadCounters& counters) {
  if (counters.filter_checks == 0 && counters.blocks_read == 0) return;
  metrics_.filter_checks.Add(counters.filter_checks);
  metrics_.filter_negatives.Add(counters.filter_negatives);
  metrics_.filter_false_positives.Add(counters.filter_false_positives);
  metrics_.blocks_read.Add(counters.blocks_read);
  metrics_.blocks_missed.Add(counters.blocks_missed);
}

absl::StatusOr<bool> EngineImpl::Get(const ReadOptions& options,
                                     std::string_view key, PinnedValue* value) {
  // The view comes first: whatever is committed up to a sequence number that is
  // read later is in it, or in a memtable that did not exist yet and holds only
  // newer commits.
  ReadViewRef view = state_.view();
  const SequenceNumber snapshot = options.snapshot != nullptr
                                      ? options.snapshot->sequence()
                                      : committer_.last_sequence();
  ReadCounters counters;
  PointLookup lookup;
  absl::StatusOr<bool> found = view->Get(key, snapshot, &lookup, &counters);
  metrics_.gets.Add();
  CountReads(counters);
  if (options.counters != nullptr) options.counters->Add(counters);
  if (found.ok() && *found) {
    metrics_.get_hits.Add();
    value->Set(lookup.value, std::move(view), std::move(lookup.pin));
  }
  return found;
}

void EngineImpl::CountScan(const ReadView& view, std::string_view begin) {
  SlotHeat& heat = *view.heat()[view.version()->SlotIndex(begin)];
  heat.AddScan();
  // As often as one of the reads that a point lookup's sample stands for.
  if (heat.scans() % kScansPerSample == 0) heat.read_keys().Offer(begin);
}

std::unique_ptr<Iterator> EngineImpl::NewIterator(
    const IterateOptions& options) {
  SkipContext skips;
  skips.complete_to = options.snapshot != nullptr ? options.snapshot->sequence()
                                                  : committer_.last_sequence();
  const ReadViewRef view = state_.view();
  const SequenceNumber snapshot = options.snapshot != nullptr
                                      ? options.snapshot->sequence()
                                      : committer_.last_sequence();
  metrics_.iterators.Add();
  CountScan(*view, options.bounds.begin);
  TableIterOptions table_options;
  table_options.fill_cache = options.fill_cache;
  table_options.readahead_bytes = options.readahead_bytes;
  table_options.counters = options.counters;
  skips.observer = view.get();
  skips.dead = &dead_ranges_;
  // An empty one is left out of the entries, and with it what is yet to come.
  const Memtable* const active = view->layers().front().memtable.get();
  skips.newest_memtable = active->empty() ? nullptr : active;
  return NewVisibleIterator(
      view->NewEntryIterator(options.bounds, table_options),
      view->TombstoneLayers(), snapshot, options.bounds, view, skips);
}

SnapshotRef EngineImpl::GetSnapshot() {
  const SequenceNumber sequence =
      snapshots_.Acquire([this] { return committer_.last_sequence(); });
  return std::make_shared<SnapshotImpl>(&snapshots_, sequence);
}

SnapshotRef EngineImpl::HoldSequence(SequenceNumber sequence) {
  snapshots_.Acquire([sequence] { return sequence; });
  return std::make_shared<SnapshotImpl>(&snapshots_, sequence);
}

absl::StatusOr<std::unique_ptr<Transaction>> EngineImpl::BeginTransaction(
    const TransactionOptions& options) {
  if (!writer_lock_.Acquire(options.lock_timeout)) {
    return absl::UnavailableError(
        "another transaction is writing to the engine; try again later");
  }
  SnapshotRef base = GetSnapshot();
  if (options.read_snapshot != nullptr &&
      options.read_snapshot->sequence() != base->sequence()) {
    writer_lock_.Release();
    return absl::AbortedError(
        "others have committed since this transaction began to read; roll back "
        "and start again");
  }
  return std::make_unique<TransactionImpl>(
      TransactionContext{&options_, this, tables_.get(), &queue_, &committer_,
                         &controller_, &writer_lock_},
      std::move(base), next_prepare_id_.fetch_add(1));
}

absl::Status EngineImpl::Flush(const GoOn& go_on) {
  {
    CommitQueue::Place place(&queue_, StallTimeout());
    NORI_RETURN_IF_ERROR(place.status());
    NORI_RETURN_IF_ERROR(committer_.Rotate());
  }
  return background_.FlushAll(go_on);
}

void EngineImpl::DropRange(const KeyRange& range) {
  background_.DropRange(range, committer_.last_sequence());
  const std::vector<TableRef> tables = state_.view()->version()->Tables();
  if (std::none_of(tables.begin(), tables.end(), [&](const TableRef& table) {
        return TableOverlaps(table->meta, range);
      })) {
    return;
  }
  // The deletion waits in the memtable, which may take long to fill. Where
  // another transaction is in the way, it does wait.
  const CommitQueue::Place place(&queue_, absl::ZeroDuration());
  if (place.status().ok()) committer_.Rotate().IgnoreError();
}

absl::Status EngineImpl::CompactRange(const KeyRange& range,
                                      const GoOn& go_on) {
  NORI_RETURN_IF_ERROR(Flush(go_on));
  return background_.CompactRange(range, go_on);
}

absl::StatusOr<int> EngineImpl::RunBackgroundWork(int max_steps) {
  if (options_.background != BackgroundMode::kManual) {
    return absl::FailedPreconditionError(
        "RunBackgroundWork is for BackgroundMode::kManual");
  }
  NORI_RETURN_IF_ERROR(background_.Tick());
  int steps = 0;
  while (steps < max_steps) {
    NORI_ASSIGN_OR_RETURN(const bool ran, background_.RunOne());
    if (!ran) break;
    ++steps;
  }
  return steps;
}

}  // namespace nori
