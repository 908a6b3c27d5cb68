// Checkpoints, and the check of everything on disk.

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "engine/compaction/merge.h"
#include "engine/core/engine_impl.h"
#include "engine/format/status_macros.h"

namespace nori {
namespace {

// A memtable goes on growing while it is written out: this hides what came
// after the checkpoint's sequence number.
class CeilingIterator final : public EntryIterator {
 public:
  CeilingIterator(std::unique_ptr<EntryIterator> inner, SequenceNumber highest)
      : inner_(std::move(inner)), highest_(highest) {}
  bool Valid() const override { return inner_->Valid(); }
  absl::Status status() const override { return inner_->status(); }
  void SeekToFirst() override {
    inner_->SeekToFirst();
    SkipForward();
  }
  void SeekToLast() override {
    inner_->SeekToLast();
    SkipBackward();
  }
  void Seek(std::string_view user_key, uint64_t trailer) override {
    inner_->Seek(user_key, trailer);
    SkipForward();
  }
  void SeekBefore(std::string_view user_key) override {
    inner_->SeekBefore(user_key);
    SkipBackward();
  }
  void Next() override {
    inner_->Next();
    SkipForward();
  }
  void Prev() override {
    inner_->Prev();
    SkipBackward();
  }
  std::string_view user_key() const override { return inner_->user_key(); }
  uint64_t trailer() const override { return inner_->trailer(); }
  std::string_view value() const override { return inner_->value(); }

 private:
  bool Hidden() const {
    return inner_->Valid() && TrailerSequence(inner_->trailer()) > highest_;
  }
  void SkipForward() {
    while (Hidden()) inner_->Next();
  }
  void SkipBackward() {
    while (Hidden()) inner_->Prev();
  }

  const std::unique_ptr<EntryIterator> inner_;
  const SequenceNumber highest_;
};

absl::Status CopyFile(FileSystem* fs, const std::string& from,
                      const std::string& to) {
  constexpr size_t kStep = size_t{1} << 20;
  NORI_ASSIGN_OR_RETURN(const auto source, fs->OpenRandomAccess(from));
  NORI_ASSIGN_OR_RETURN(const auto target, fs->CreateWritable(to));
  std::string buffer(kStep, '\0');
  for (uint64_t offset = 0; offset < source->Size(); offset += kStep) {
    const size_t n = std::min<uint64_t>(kStep, source->Size() - offset);
    std::string_view piece;
    NORI_RETURN_IF_ERROR(source->Read(offset, n, buffer.data(), &piece));
    NORI_RETURN_IF_ERROR(target->Append(piece));
  }
  NORI_RETURN_IF_ERROR(target->Sync());
  return target->Close();
}

// The part of a memtable up to `highest`, as a table in another directory.
// Absent if there is none.
absl::StatusOr<std::optional<TableMeta>> WriteUpTo(const Memtable& memtable,
                                                   SequenceNumber highest,
                                                   const SnapshotNames& names,
                                                   const Options& options,
                                                   const std::string& directory,
                                                   TableStore* numbers) {
  MergeInput input;
  for (const auto& snapshot : names) {
    input.snapshots.push_back(snapshot->sequence);
  }
  std::sort(input.snapshots.begin(), input.snapshots.end());
  auto entries =
      std::make_unique<CeilingIterator>(memtable.NewIterator(), highest);
  entries->SeekToFirst();
  const bool any_entry = entries->Valid();
  input.layers.push_back(std::move(entries));
  memtable.range_tombstones()->AppendTo(&input.tombstones, highest);
  if (!any_entry && input.tombstones.empty()) return std::nullopt;
  MergeOutputOptions output;
  output.table = TableStore::WriterOptions(options);
  output.table_bytes = ~uint64_t{0};
  output.new_file = [&]()
      -> absl::StatusOr<std::pair<uint64_t, std::unique_ptr<WritableFile>>> {
    const uint64_t number = numbers->NextNumber();
    NORI_ASSIGN_OR_RETURN(auto file,
                          options.file_system->CreateWritable(
                              JoinPath(directory, TableFileName(number))));
    return std::make_pair(number, std::move(file));
  };
  NORI_ASSIGN_OR_RETURN(MergeResult result,
                        MergeToTables(std::move(input), output));
  if (result.tables.empty()) return std::nullopt;
  return std::move(result.tables.front());
}

absl::Status LinkOrCopy(FileSystem* fs, const std::string& from,
                        const std::string& to, uint64_t bytes,
                        CheckpointResult* result) {
  const absl::Status linked = fs->LinkFile(from, to);
  if (linked.ok()) {
    ++result->files_linked;
  } else if (absl::IsUnimplemented(linked)) {
    NORI_RETURN_IF_ERROR(CopyFile(fs, from, to));
    ++result->files_copied;
  } else {
    return linked;
  }
  result->bytes += bytes;
  return absl::OkStatus();
}

void RemoveTree(FileSystem* fs, const std::string& directory) {
  const auto names = fs->ListDirectory(directory);
  if (names.ok()) {
    for (const std::string& name : *names) {
      (void)fs->RemoveFile(JoinPath(directory, name));
    }
  }
  (void)fs->RemoveDirectory(directory);
}

}  // namespace

absl::StatusOr<CheckpointResult> EngineImpl::Checkpoint(
    const std::string& directory) {
  FileSystem* fs = options_.file_system;
  if (fs->Exists(directory)) {
    return absl::AlreadyExistsError(
        absl::StrCat(directory, " exists; a checkpoint needs a new directory"));
  }
  CheckpointResult result;
  SnapshotRef snapshot;
  ReadViewRef view;
  SnapshotNames names;
  {
    // Between two commits: the sequence number, the mixed number, the names and
    // the view are of one instant. What a name sees is in every view from the
    // time that it has been held.
    CommitQueue::Place place(&queue_, StallTimeout());
    NORI_RETURN_IF_ERROR(place.status());
    snapshot = GetSnapshot();
    names = NamedSnapshotsUpTo(snapshot->sequence());
    view = state_.view();
    result.sequence = snapshot->sequence();
    result.last_mixed = committer_.last_mixed();
  }
  // The copy has no log that could be cut.
  NORI_RETURN_IF_ERROR(SyncHost());
  NORI_RETURN_IF_ERROR(fs->CreateDirectory(directory));
  auto cleanup = absl::MakeCleanup([&] { RemoveTree(fs, directory); });
  NORI_ASSIGN_OR_RETURN(VersionEdit newest,
                        CopyTables(*view, directory, names, &result));
  NORI_RETURN_IF_ERROR(
      WriteCopyManifest(*view, directory, result, names, std::move(newest)));
  NORI_RETURN_IF_ERROR(fs->SyncDirectory(directory));
  std::move(cleanup).Cancel();
  Event event;
  event.kind = EventKind::kCheckpoint;
  event.wall_micros = options_.clock->WallMicros();
  event.bytes_out = result.bytes;
  event.value = static_cast<double>(result.files_linked + result.files_copied);
  events_.Record(std::move(event));
  return result;
}

absl::StatusOr<VersionEdit> EngineImpl::CopyTables(const ReadView& view,
                                                   const std::string& directory,
                                                   const SnapshotNames& names,
                                                   CheckpointResult* result) {
  FileSystem* fs = options_.file_system;
  const auto link = [&](const TableMeta& meta) {
    return LinkOrCopy(fs, tables_->PathOf(meta.number),
                      JoinPath(directory, TableFileName(meta.number)),
                      meta.file_bytes, result);
  };
  for (const TableRef& table : view.version()->Tables()) {
    NORI_RETURN_IF_ERROR(link(table->meta));
  }
  VersionEdit edit;
  for (auto layer = view.layers().rbegin(); layer != view.layers().rend();
       ++layer) {
    std::optional<TableMeta> meta;
    if (layer->spilled != nullptr) {
      meta = layer->spilled->meta;
      NORI_RETURN_IF_ERROR(link(*meta));
    } else {
      NORI_ASSIGN_OR_RETURN(
          meta, WriteUpTo(*layer->memtable, result->sequence, names, options_,
                          directory, tables_.get()));
      if (meta.has_value()) result->bytes += meta->file_bytes;
    }
    if (!meta.has_value()) continue;
    edit.l0_added.push_back(meta->number);
    edit.new_tables.push_back(*std::move(meta));
  }
  return edit;
}

absl::Status EngineImpl::WriteCopyManifest(const ReadView& view,
                                           const std::string& directory,
                                           const CheckpointResult& result,
                                           const SnapshotNames& names,
                                           VersionEdit newest) {
  FileSystem* fs = options_.file_system;
  const ManifestState state = state_.manifest_state();
  ManifestState initial;
  initial.identity = identity_;
  initial.options = state.options;
  initial.next_slot_id = state.next_slot_id;
  initial.next_file_number = tables_->PeekNextNumber();
  initial.last_sequence = result.sequence;
  initial.decided_mixed = result.last_mixed;
  initial.snapshots = std::make_shared<const SnapshotNames>(names);
  initial.version = view.version();
  NORI_ASSIGN_OR_RETURN(auto manifest,
                        Manifest::Create(fs, directory, std::move(initial)));
  if (newest.l0_added.empty()) return absl::OkStatus();
  TableStore copies(fs, directory, cache_.get());
  NORI_RETURN_IF_ERROR(
      manifest->Log(std::move(newest),
                    [&](const TableMeta& meta) { return copies.Open(meta); }));
  // Its tables go before the store that opened them.
  manifest.reset();
  return absl::OkStatus();
}

absl::Status EngineImpl::Verify(const GoOn& go_on) {
  const ReadViewRef view = state_.view();
  NORI_RETURN_IF_ERROR(view->version()->Check());
  for (const TableRef& table : view->version()->Tables()) {
    if (go_on != nullptr) NORI_RETURN_IF_ERROR(go_on());
    NORI_RETURN_IF_ERROR(table->reader->Verify());
  }
  for (const MemLayer& layer : view->layers()) {
    if (layer.spilled != nullptr) {
      NORI_RETURN_IF_ERROR(layer.spilled->reader->Verify());
    }
  }
  // The manifest and the log are read as recovery would read them: between two
  // commits, so that no record is half written, and between two edits, so that
  // no table is removed and no log segment used again meanwhile.
  CommitQueue::Place place(&queue_, StallTimeout());
  NORI_RETURN_IF_ERROR(place.status());
  return state_.WithoutEdits([this](const ManifestState& state) {
    NORI_RETURN_IF_ERROR(
        Manifest::Recover(options_.file_system, directory_, Opener()).status());
    return ReadLog(
               LogOptionsFor(options_, directory_), state.log_number,
               [](LogPosition, std::string_view) { return absl::OkStatus(); })
        .status();
  });
}

}  // namespace nori
