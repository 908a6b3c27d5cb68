#include "engine/core/committer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/format/coding.h"
#include "engine/format/status_macros.h"

namespace nori {
namespace {

// Stepping over one deleted key takes a scan about as long as it takes to flush
// this many bytes of a memtable; and a flush takes as long as for so many bytes
// however few there are.
constexpr uint64_t kBytesPerSkip = 3;
constexpr uint64_t kFlushBytes = uint64_t{1} << 20;

// Only in tables do deleted keys ever go away. Once scans have spent as much on
// those of a memtable as a flush would have cost, the flush is due: whatever
// comes, twice the least cost is not exceeded, as with skis that are rented
// until they could have been bought.
bool FlushPaysForScans(uint64_t skipped, uint64_t bytes) {
  return skipped * kBytesPerSkip > bytes + kFlushBytes;
}

// Bytes of memtable for one byte of its index: with entries of 160 bytes, which
// keys and values of 100 bytes take, it is half full.
constexpr uint64_t kIndexShare = 10;

}  // namespace

LogOptions LogOptionsFor(const Options& options, const std::string& directory) {
  LogOptions log;
  log.file_system = options.file_system;
  log.directory = directory;
  // A segment per memtable, with room for what the log adds to it.
  log.segment_bytes = options.memtable_bytes + options.memtable_bytes / 8;
  return log;
}

absl::StatusOr<uint64_t> NextSegment(FileSystem* fs,
                                     const std::string& directory) {
  uint64_t next = 1;
  NORI_ASSIGN_OR_RETURN(const auto names, fs->ListDirectory(directory));
  for (const std::string& name : names) {
    uint64_t number = 0;
    if (ParseLogSegmentName(name, &number)) next = std::max(next, number + 1);
  }
  return next;
}

MemLayer Committer::NewMemtableLayer(uint64_t first_segment) const {
  MemLayer layer;
  layer.memtable = std::make_shared<Memtable>(
      options_.memtable_bytes / kIndexShare, block_pool_);
  if (const ReadViewRef view = state_->view();
      view != nullptr && !view->layers().empty() &&
      view->layers().front().memtable != nullptr) {
    layer.memtable->SetSharedPrefix(
        view->layers().front().memtable->CommonPrefix());
  }
  layer.info = std::make_shared<LayerInfo>();
  layer.info->first_segment = first_segment;
  layer.info->begins_after = last_sequence();
  return layer;
}

void Committer::PushMemtable(uint64_t segment) {
  MemLayer layer = NewMemtableLayer(segment);
  dead_ranges_->SetActive(layer.memtable.get());
  state_->PushLayers({std::move(layer)});
}

void Committer::TellDeadRanges(const std::vector<Change>& changes) {
  if (!dead_ranges_->MustTell()) return;
  DeadRanges::Puts puts(dead_ranges_);
  for (const Change& change : changes) {
    if (change.kind == EntryKind::kPut) puts.Add(change.key);
  }
}

void Committer::Start(std::unique_ptr<LogWriter> log, SequenceNumber last,
                      uint64_t last_mixed) {
  visible_ = last;
  last_mixed_ = last_mixed;
  dead_ranges_->Start(&visible_);
  PushMemtable(log->End().segment);
  absl::MutexLock lock(&log_mutex_);
  log_ = std::move(log);
}

absl::Status Committer::Writable() {
  {
    absl::MutexLock lock(&log_mutex_);
    if (!read_only_.ok()) return read_only_;
    if (log_error_.ok()) return absl::OkStatus();
  }
  return RestartLog();
}

void Committer::TurnReadOnly(const absl::Status& cause) {
  absl::MutexLock lock(&log_mutex_);
  if (!read_only_.ok()) return;
  read_only_ = absl::FailedPreconditionError(absl::StrCat(
      "the engine is read-only after a failure, close and open it again: ",
      cause.message()));
}

absl::Status Committer::RestartLog() {
  // What the failed log holds beyond the last sync is unknown, so nothing may
  // depend on it: every commit that was acknowledged is in a memtable, goes to
  // tables now, and the manifest moves on to a segment that is still to come.
  NORI_ASSIGN_OR_RETURN(const uint64_t next_segment,
                        NextSegment(options_.file_system, directory_));
  if (!state_->view()->layers().front().memtable->empty()) {
    PushMemtable(next_segment);
  }
  NORI_RETURN_IF_ERROR(flush_all_());
  NORI_ASSIGN_OR_RETURN(
      std::unique_ptr<LogWriter> log,
      LogWriter::Create(LogOptionsFor(options_, directory_), next_segment,
                        LogPosition{next_segment, 0}));
  // Where there was nothing to flush, the manifest still names the failed log.
  NORI_RETURN_IF_ERROR(state_->Edit(
      [&](const ManifestState&) -> absl::StatusOr<VersionEdit> {
        VersionEdit edit;
        edit.log_number = next_segment;
        edit.last_sequence = last_sequence();
        edit.decided_mixed = last_mixed();
        return edit;
      },
      /*layers_flushed=*/0));
  absl::MutexLock lock(&log_mutex_);
  log_ = std::move(log);
  log_error_ = absl::OkStatus();
  return absl::OkStatus();
}

absl::Status Committer::LogFailed(const absl::Status& status) {
  // A full disk leaves the log as it was; everything else is final for it.
  if (!absl::IsResourceExhausted(status)) log_error_ = status;
  return status;
}

absl::Status Committer::Append(const std::vector<std::string_view>& parts,
                               Durability durability) {
  std::shared_ptr<LogWriter> writer;
  absl::StatusOr<LogPosition> end;
  {
    absl::MutexLock lock(&log_mutex_);
    writer = log_;
    end = log_->Append(parts);
    if (!end.ok()) return LogFailed(end.status());
  }
  for (std::string_view part : parts) {
    metrics_->log_bytes_written.Add(part.size());
  }
  if (durability != Durability::kSync) return absl::OkStatus();
  metrics_->log_syncs.Add();
  const absl::Status synced = writer->Sync(*end);
  if (!synced.ok()) {
    absl::MutexLock lock(&log_mutex_);
    log_error_ = synced;
  }
  return synced;
}

absl::Status Committer::Rotate() {
  if (state_->view()->layers().front().memtable->empty())
    return absl::OkStatus();
  uint64_t segment;
  {
    absl::MutexLock lock(&log_mutex_);
    absl::StatusOr<uint64_t> rolled = log_->Roll();
    if (!rolled.ok()) return LogFailed(rolled.status());
    segment = *rolled;
  }
  PushMemtable(segment);
  controller_->Update();
  on_rotate_();
  return absl::OkStatus();
}

absl::Status Committer::RotateIfFull(uint64_t incoming, bool may_wait) {
  const ReadViewRef view = state_->view();
  const MemLayer& layer = view->layers().front();
  const Memtable& active = *layer.memtable;
  const uint64_t bytes = active.MemoryUsage();
  if (active.empty()) return absl::OkStatus();
  if (bytes + incoming <= options_.memtable_bytes) {
    const bool due = FlushPaysForScans(layer.info->skipped, bytes) &&
                     controller_->ImmutableMemtables() == 0;
    return due ? Rotate() : absl::OkStatus();
  }
  if (controller_->ImmutableMemtables() >= options_.max_immutable_memtables) {
    // Without leave to wait the active memtable grows beyond its size instead:
    // an error now would destroy a whole transaction.
    if (!may_wait) return absl::OkStatus();
    NORI_RETURN_IF_ERROR(controller_->WaitForMemtableRoom());
  }
  return Rotate();
}

absl::Status Committer::CommitGroup(
    const std::vector<CommitQueue::Write>& group) {
  NORI_RETURN_IF_ERROR(Writable());
  uint64_t bytes = 0;
  std::vector<std::vector<Change>> changes(group.size());
  for (size_t i = 0; i < group.size(); ++i) {
    NORI_ASSIGN_OR_RETURN(changes[i], NormaliseChanges(group[i].batch->rep()));
    bytes += group[i].batch->bytes();
  }
  NORI_RETURN_IF_ERROR(controller_->Throttle(bytes));
  NORI_RETURN_IF_ERROR(RotateIfFull(bytes, /*may_wait=*/true));

  const SequenceNumber first = last_sequence() + 1;
  const std::string header = EncodeCommitsHeader(first, group.size());
  std::vector<std::string> lengths(group.size());
  std::vector<std::string_view> parts{header};
  for (size_t i = 0; i < group.size(); ++i) {
    PutVarint(&lengths[i], group[i].batch->bytes());
    parts.push_back(lengths[i]);
    parts.push_back(group[i].batch->rep());
  }
  NORI_RETURN_IF_ERROR(Append(parts, Durability::kNone));

  const ReadViewRef view = state_->view();
  const MemLayer& active = view->layers().front();
  for (size_t i = 0; i < group.size(); ++i) {
    InsertChanges(changes[i], first + i, active.memtable.get());
    metrics_->entries_written.Add(changes[i].size());
  }
  for (const auto& part : changes) TellDeadRanges(part);
  active.info->largest_sequence = first + group.size() - 1;
  metrics_->commits.Add(group.size());
  metrics_->user_bytes_written.Add(bytes);
  visible_.store(first + group.size() - 1, std::memory_order_release);
  return absl::OkStatus();
}

absl::Status Committer::Prepare(PrepareRecord* record, std::string_view changes,
                                Durability durability) {
  NORI_RETURN_IF_ERROR(Writable());
  if (record->tables.empty()) {
    NORI_RETURN_IF_ERROR(RotateIfFull(changes.size(), /*may_wait=*/false));
  } else {
    // Spilled tables sit between memtables: what is older has to be below them.
    NORI_RETURN_IF_ERROR(Rotate());
    // Whatever the durability: the sync of a later commit makes this record
    // durable, too, and its tables must then be found.
    NORI_RETURN_IF_ERROR(SyncDirectory());
  }
  record->sequence_base = last_sequence();
  for (TableMeta& meta : record->tables) {
    meta.smallest_sequence += record->sequence_base - meta.sequence_base;
    meta.largest_sequence += record->sequence_base - meta.sequence_base;
    meta.sequence_base = record->sequence_base;
  }
  const std::string header = EncodePrepareHeader(*record);
  return Append({header, changes}, durability);
}

absl::Status Committer::Publish(const PrepareRecord& record,
                                std::string_view changes,
                                std::vector<TableRef> tables) {
  const SequenceNumber last = record.last_sequence();
  absl::MutexLock publishing(&publishing_);
  // Before the commit can be seen: who sees it must not read an older number.
  if (record.mixed_number != 0) last_mixed_ = record.mixed_number;
  const ReadViewRef view = state_->view();
  LayerInfo* info = view->layers().front().info.get();
  if (!tables.empty()) {
    std::vector<MemLayer> layers{NewMemtableLayer(info->first_segment)};
    layers.front().info->begins_after = last;
    for (auto it = tables.rbegin(); it != tables.rend(); ++it) {
      MemLayer layer;
      layer.spilled = std::move(*it);
      layer.info = std::make_shared<LayerInfo>();
      layer.info->first_segment = info->first_segment;
      layer.info->mixed = record.mixed_number != 0;
      layer.info->largest_sequence = layer.spilled->meta.largest_sequence;
      const TableMeta& meta = layer.spilled->meta;
      metrics_->entries_written.Add(meta.entries + meta.range_deletions);
      metrics_->spilled_tables.Add();
      metrics_->spilled_bytes.Add(meta.file_bytes);
      layer.info->continues = layers.size() > 1;
      // Decided as a whole once the newest part is in a table of L0.
      if (layers.size() == 1) {
        layer.info->highest_mixed = record.mixed_number;
        layer.info->largest_sequence = last;
      }
      layers.push_back(std::move(layer));
    }
    // A flush that finds the new layers has to find every snapshot that is
    // older than they are.
    dead_ranges_->Restart(layers.front().memtable.get());
    snapshots_->Exclusively([&] {
      state_->PushLayers(std::move(layers));
      visible_.store(last, std::memory_order_release);
    });
    on_rotate_();
  } else {
    NORI_ASSIGN_OR_RETURN(const auto normalised, NormaliseChanges(changes));
    InsertChanges(normalised, last, view->layers().front().memtable.get());
    metrics_->entries_written.Add(normalised.size());
    TellDeadRanges(normalised);
    info->largest_sequence = last;
    if (record.mixed_number != 0) {
      info->highest_mixed = record.mixed_number;
      info->mixed = true;
    }
  }
  metrics_->commits.Add();
  metrics_->user_bytes_written.Add(changes.size());
  visible_.store(last, std::memory_order_release);
  return absl::OkStatus();
}

absl::Status Committer::LogOutcome(const OutcomeRecord& outcome,
                                   Durability durability) {
  const std::string payload = EncodeOutcome(outcome);
  const absl::Status status = Append({payload}, durability);
  if (!status.ok()) {
    // Also after a full disk: what the prepare record says without its outcome
    // must not be followed by other commits.
    absl::MutexLock lock(&log_mutex_);
    log_error_ = status;
  }
  return status;
}

absl::Status Committer::SyncLog() {
  const std::shared_ptr<LogWriter> writer = log();
  const absl::Status status = writer->Sync(writer->End());
  if (!status.ok()) {
    absl::MutexLock lock(&log_mutex_);
    if (log_ == writer) log_error_ = status;
  }
  return status;
}

absl::Status Committer::SyncDirectory() { return log()->SyncDirectory(); }

bool Committer::NeedsSync() const {
  const std::shared_ptr<LogWriter> writer = log();
  return writer->Synced() < writer->End();
}

absl::Status Committer::PrepareSpareSegment() {
  const std::shared_ptr<LogWriter> writer = log();
  return writer->WantsSpare() ? writer->PrepareSpare() : absl::OkStatus();
}

absl::Status Committer::RetireSegments(uint64_t first_needed) {
  absl::MutexLock lock(&log_mutex_);
  if (!log_error_.ok()) return absl::OkStatus();
  return log_->Retire(first_needed);
}

uint64_t Committer::LogBytes() const { return log()->TotalBytes(); }

}  // namespace nori
