#include "engine/core/background.h"

#include <sys/resource.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/compaction/merge.h"
#include "engine/format/status_macros.h"

namespace nori {
namespace {

// Of each flushed memtable, to learn how many hide older entries.
constexpr uint64_t kSampledKeys = 1024;

constexpr absl::Duration kTick = absl::Milliseconds(500);
constexpr absl::Duration kFirstRetry = absl::Milliseconds(100);
constexpr absl::Duration kLongestRetry = absl::Seconds(10);

// Where processors are scarce, merges would take turns of milliseconds from the
// threads that wait for reads and commits. A thread of Linux has a nice value
// of its own; where it cannot be set, nothing is lost.
void YieldToForeground() {
  constexpr int kNice = 5;
  setpriority(PRIO_PROCESS, 0, kNice);
}

}  // namespace

Background::Background(const BackgroundContext& context)
    : context_(context), options_(*context.options) {}

Background::~Background() { Stop(); }

absl::Status Background::Start() {
  started_micros_ = options_.clock->NowMicros();
  NORI_ASSIGN_OR_RETURN(auto policy, MakeRunPolicy(options_));
  NORI_ASSIGN_OR_RETURN(auto scheduler, MakeScheduler(options_));
  {
    absl::MutexLock lock(&mutex_);
    run_policy_ = std::move(policy);
    scheduler_ = std::move(scheduler);
  }
  if (options_.background == BackgroundMode::kManual) return absl::OkStatus();
  threads_.emplace_back([this] { FlushLoop(); });
  for (int i = 0; i < options_.compaction_threads; ++i) {
    threads_.emplace_back([this] {
      YieldToForeground();
      CompactLoop();
    });
  }
  threads_.emplace_back([this] { TickLoop(); });
  return absl::OkStatus();
}

void Background::Stop() {
  stopping_ = true;
  Signal();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void Background::Signal() {
  absl::MutexLock lock(&mutex_);
  ++generation_;
  changed_.SignalAll();
}

bool Background::SleepUntilSignalled(uint64_t* seen, absl::Duration longest) {
  const absl::Time deadline = absl::Now() + longest;
  absl::MutexLock lock(&mutex_);
  while (generation_ == *seen && !stopping_) {
    if (changed_.WaitWithDeadline(&mutex_, deadline)) break;
  }
  *seen = generation_;
  return !stopping_;
}

void Background::Record(EventKind kind, uint64_t slot, uint64_t in,
                        uint64_t out, uint64_t micros, double value,
                        std::string detail) {
  Event event;
  event.kind = kind;
  event.wall_micros = options_.clock->WallMicros();
  event.slot_id = slot;
  event.bytes_in = in;
  event.bytes_out = out;
  event.duration_micros = micros;
  event.value = value;
  event.detail = std::move(detail);
  context_.events->Record(std::move(event));
}

void Background::ReportError(const char* work, const absl::Status& status) {
  context_.metrics->background_errors.Add();
  Record(absl::IsDataLoss(status) ? EventKind::kCorruption
                                  : EventKind::kBackgroundError,
         0, 0, 0, 0, 0, absl::StrCat(work, ": ", status.message()));
  absl::MutexLock lock(&mutex_);
  last_error_ = status;
}

void Background::FlushLoop() {
  uint64_t seen = 0;
  absl::Duration retry = kFirstRetry;
  while (SleepUntilSignalled(&seen, kTick)) {
    absl::StatusOr<bool> ran = FlushOne();
    while (ran.ok() && *ran && !stopping_) ran = FlushOne();
    if (ran.ok()) {
      retry = kFirstRetry;
      continue;
    }
    ReportError("flush", ran.status());
    context_.controller->SetBackgroundError(ran.status());
    // A full disk may get room again; the memtables keep what they hold.
    for (absl::Duration slept; slept < retry && !stopping_;
         slept += kFirstRetry) {
      absl::SleepFor(kFirstRetry);
    }
    retry = std::min(retry * 2, kLongestRetry);
    seen = 0;
  }
}

void Background::CompactLoop() {
  uint64_t seen = 0;
  while (SleepUntilSignalled(&seen, kTick)) {
    absl::StatusOr<bool> ran = CompactOne();
    while (ran.ok() && *ran && !stopping_) ran = CompactOne();
    if (!ran.ok() && !absl::IsCancelled(ran.status())) {
      ReportError("compaction", ran.status());
      absl::SleepFor(kFirstRetry);
    }
  }
}

void Background::TickLoop() {
  const absl::Duration interval =
      std::min(kTick, absl::Milliseconds(options_.sync_interval_ms));
  while (!stopping_) {
    {
      const absl::Time deadline = absl::Now() + interval;
      absl::MutexLock lock(&mutex_);
      while (!stopping_ && !changed_.WaitWithDeadline(&mutex_, deadline)) {
      }
    }
    if (stopping_) return;
    const absl::Status status = Tick();
    if (!status.ok()) ReportError("periodic work", status);
  }
}

absl::Status Background::Tick() {
  context_.state->RollHeat(options_.clock->NowMicros(),
                           options_.heat_half_life_s);
  MeasureCosts();
  if (options_.background == BackgroundMode::kThreads) {
    const uint64_t syncs = context_.metrics->log_syncs.Value();
    if (context_.committer->NeedsSync()) {
      NORI_RETURN_IF_ERROR(context_.committer->SyncLog());
    }
    // A zero-filled segment costs a segment's worth of writing; it pays only
    // where commits wait for their sync.
    if (syncs != last_tick_syncs_) {
      NORI_RETURN_IF_ERROR(context_.committer->PrepareSpareSegment());
      last_tick_syncs_ = syncs;
    }
  }
  NORI_RETURN_IF_ERROR(FinishDrops());
  NORI_RETURN_IF_ERROR(AdjustMaxRuns());
  return AdaptGuards();
}

absl::StatusOr<bool> Background::FlushOne() {
  absl::MutexLock lock(&flush_mutex_);
  const ReadViewRef view = context_.state->view();
  const auto& layers = view->layers();
  if (layers.size() <= 1) return false;
  // The tables of a transaction go together: a power loss between them would
  // leave a part of it.
  size_t keep = layers.size() - 1;
  while (layers[keep].info->continues) --keep;
  const uint64_t next_segment = layers[keep - 1].info->first_segment;
  NORI_RETURN_IF_ERROR(
      FlushLayers(absl::MakeConstSpan(layers).subspan(keep), next_segment));
  NORI_RETURN_IF_ERROR(context_.committer->RetireSegments(next_segment));
  context_.controller->SetBackgroundError(absl::OkStatus());
  context_.controller->Update();
  Signal();
  return true;
}

absl::Status Background::FlushLayers(absl::Span<const MemLayer> layers,
                                     uint64_t next_segment) {
  const uint64_t start = options_.clock->NowMicros();
  const MemLayer& newest = layers.front();
  // A table cannot be cut as the log can: what the host may still lose stays in
  // the log.
  if (newest.info->mixed) NORI_RETURN_IF_ERROR(context_.sync_host());
  std::vector<TableMeta> tables;  // oldest first
  std::vector<std::string> sample;
  if (newest.spilled != nullptr) {
    for (auto layer = layers.rbegin(); layer != layers.rend(); ++layer) {
      tables.push_back(layer->spilled->meta);
    }
  } else if (!newest.memtable->empty()) {
    Record(EventKind::kFlushBegin, 0, newest.memtable->MemoryUsage(), 0, 0,
           static_cast<double>(newest.memtable->entry_count()), "");
    NORI_ASSIGN_OR_RETURN(TableMeta meta,
                          WriteMemtable(*newest.memtable, &sample));
    NORI_RETURN_IF_ERROR(context_.committer->SyncDirectory());
    context_.metrics->flushes.Add();
    context_.metrics->flush_bytes_written.Add(meta.file_bytes);
    tables.push_back(std::move(meta));
  }
  NORI_RETURN_IF_ERROR(context_.state->Edit(
      [&](const ManifestState&) -> absl::StatusOr<VersionEdit> {
        VersionEdit edit;
        edit.log_number = next_segment;
        edit.last_sequence = newest.info->largest_sequence.load();
        edit.decided_mixed = newest.info->highest_mixed.load();
        for (const TableMeta& meta : tables) {
          edit.new_tables.push_back(meta);
          edit.l0_added.push_back(meta.number);
        }
        return edit;
      },
      /*layers_flushed=*/layers.size()));
  for (const TableMeta& meta : tables) {
    AddWriteHeat(meta.number);
    LearnOverlap(*context_.state->view()->version(), meta.number, sample);
    Record(EventKind::kFlushEnd, 0, meta.raw_bytes, meta.file_bytes,
           options_.clock->NowMicros() - start,
           static_cast<double>(meta.entries), "");
  }
  return absl::OkStatus();
}

void Background::AddWriteHeat(uint64_t table_number) {
  const ReadViewRef view = context_.state->view();
  const Version& version = *view->version();
  const auto l0 = std::find_if(
      version.l0().begin(), version.l0().end(), [&](const L0Table& table) {
        return table.table->meta.number == table_number;
      });
  if (l0 == version.l0().end()) return;
  {
    absl::MutexLock lock(&mutex_);
    flush_meter_.Flushed(options_.clock->NowMicros());
  }
  for (size_t i = 0; i < version.slots().size(); ++i) {
    const KeyRange& range = version.slots()[i]->range;
    if (!TableOverlaps(l0->table->meta, range)) {
      view->heat()[i]->AddArrival(0);
      continue;
    }
    const Slice slice = MakeSlice(l0->table, range);
    view->heat()[i]->AddArrival(slice.bytes);
    const TableMeta& meta = l0->table->meta;
    const double share =
        static_cast<double>(slice.entries) /
        static_cast<double>(std::max<uint64_t>(meta.entries, 1));
    view->heat()[i]->AddFlush(
        slice.entries,
        static_cast<uint64_t>(share * static_cast<double>(meta.raw_bytes)),
        slice.bytes);
    for (const std::string& key : l0->table->reader->SampleKeys(
             range.begin, range.end, KeySample::kKeysPerRoll)) {
      view->heat()[i]->write_keys().Offer(key);
    }
  }
}

absl::StatusOr<TableMeta> Background::WriteMemtable(
    const Memtable& memtable, std::vector<std::string>* sample) {
  MergeInput input;
  input.layers.push_back(memtable.NewIterator());
  memtable.range_tombstones()->AppendTo(&input.tombstones);
  input.snapshots = context_.snapshots->Held();
  MergeOutputOptions output;
  output.table = TableStore::WriterOptions(options_);
  output.table.filter_bits_per_key = FlushFilterBits(memtable);
  if (sample != nullptr) {
    output.sample_every = memtable.entry_count() / kSampledKeys + 1;
    output.on_sample = [sample](std::string_view key) {
      sample->emplace_back(key);
    };
  }
  // One table per flush: L0 counts tables.
  output.table_bytes = ~uint64_t{0};
  uint64_t number = 0;
  output.new_file = [&] {
    auto file = context_.tables->NewFile();
    if (file.ok()) number = file->first;
    return file;
  };
  absl::StatusOr<MergeResult> result = MergeToTables(std::move(input), output);
  if (!result.ok()) {
    if (number != 0) context_.tables->Discard(number);
    return result.status();
  }
  if (result->tables.size() != 1) {
    return absl::InternalError(absl::StrCat("flush of a memtable made ",
                                            result->tables.size(), " tables"));
  }
  return std::move(result->tables.front());
}

absl::StatusOr<bool> Background::RunOne() {
  NORI_ASSIGN_OR_RETURN(const bool flushed, FlushOne());
  if (flushed) return true;
  return CompactOne();
}

absl::Status Background::FlushAll(const std::function<absl::Status()>& go_on) {
  while (true) {
    if (go_on) NORI_RETURN_IF_ERROR(go_on());
    NORI_ASSIGN_OR_RETURN(const bool flushed, FlushOne());
    if (!flushed) return absl::OkStatus();
  }
}

absl::Status Background::WaitIdle() {
  if (options_.background == BackgroundMode::kManual) {
    while (true) {
      NORI_ASSIGN_OR_RETURN(const bool ran, RunOne());
      if (!ran) return absl::OkStatus();
    }
  }
  NORI_RETURN_IF_ERROR(FlushAll());
  Signal();
  absl::MutexLock lock(&mutex_);
  last_error_ = absl::OkStatus();
  while (!(busy_.empty() && idle_generation_ == generation_)) {
    if (!last_error_.ok()) return last_error_;
    changed_.WaitWithTimeout(&mutex_, kTick);
  }
  return absl::OkStatus();
}

void Background::LockSlot(uint64_t slot_id) {
  absl::MutexLock lock(&mutex_);
  while (busy_.contains(slot_id)) changed_.Wait(&mutex_);
  busy_.insert(slot_id);
}

void Background::UnlockSlots(const std::vector<uint64_t>& ids) {
  absl::MutexLock lock(&mutex_);
  for (uint64_t id : ids) busy_.erase(id);
  ++generation_;
  changed_.SignalAll();
}

}  // namespace nori
