// Checkpoints, and the check of everything on disk.

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "engine/compaction/merge.h"
#include "engine/core/engine_impl.h"
#include "engine/format/status_macros.h"

namespace nori {
namespace {

constexpr size_t kCopyStep = size_t{1} << 20;
constexpr int kPinTries = 100;

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

absl::Status CopyFile(FileSystem* from_files, const std::string& from,
                      FileSystem* to_files, const std::string& to,
                      const GoOn& go_on) {
  NORI_ASSIGN_OR_RETURN(const auto source, from_files->OpenRandomAccess(from));
  NORI_ASSIGN_OR_RETURN(const auto target, to_files->CreateWritable(to));
  std::string buffer(kCopyStep, '\0');
  for (uint64_t offset = 0; offset < source->Size(); offset += kCopyStep) {
    if (go_on != nullptr) NORI_RETURN_IF_ERROR(go_on());
    const size_t n = std::min<uint64_t>(kCopyStep, source->Size() - offset);
    std::string_view piece;
    NORI_RETURN_IF_ERROR(source->Read(offset, n, buffer.data(), &piece));
    NORI_RETURN_IF_ERROR(target->Append(piece));
  }
  NORI_RETURN_IF_ERROR(target->Sync());
  return target->Close();
}

// Whether there is a file `b` that holds the bytes of `a`.
absl::StatusOr<bool> HoldsSame(FileSystem* a_files, const std::string& a,
                               FileSystem* b_files, const std::string& b,
                               const GoOn& go_on) {
  if (!b_files->Exists(b)) return false;
  NORI_ASSIGN_OR_RETURN(const auto left, a_files->OpenRandomAccess(a));
  NORI_ASSIGN_OR_RETURN(const auto right, b_files->OpenRandomAccess(b));
  if (left->Size() != right->Size()) return false;
  std::string left_buffer(kCopyStep, '\0');
  std::string right_buffer(kCopyStep, '\0');
  for (uint64_t offset = 0; offset < left->Size(); offset += kCopyStep) {
    if (go_on != nullptr) NORI_RETURN_IF_ERROR(go_on());
    const size_t n = std::min<uint64_t>(kCopyStep, left->Size() - offset);
    std::string_view left_piece;
    std::string_view right_piece;
    NORI_RETURN_IF_ERROR(
        left->Read(offset, n, left_buffer.data(), &left_piece));
    // A copy that cannot be read is one that cannot be used.
    if (!right->Read(offset, n, right_buffer.data(), &right_piece).ok() ||
        left_piece != right_piece) {
      return false;
    }
  }
  return true;
}

bool IsOfEngine(const std::string& name) {
  uint64_t number = 0;
  const FileType type = ParseFileName(name, &number);
  return type != FileType::kLock && type != FileType::kUnknown;
}

// Removes what a checkpoint has made in `directory`; what was there stays.
void RemoveCheckpoint(FileSystem* files, const std::string& directory,
                      bool existed) {
  const auto names = files->ListDirectory(directory);
  if (names.ok()) {
    for (const std::string& name : *names) {
      if (IsOfEngine(name)) {
        files->RemoveFile(JoinPath(directory, name)).IgnoreError();
      }
    }
  }
  if (!existed) files->RemoveDirectory(directory).IgnoreError();
}

// Whether `directory` exists; it must then hold no engine, nor a part of one.
absl::StatusOr<bool> CheckEmpty(FileSystem* files,
                                const std::string& directory) {
  if (!files->Exists(directory)) return false;
  NORI_ASSIGN_OR_RETURN(const bool is_directory, files->IsDirectory(directory));
  bool empty = is_directory;
  if (is_directory) {
    NORI_ASSIGN_OR_RETURN(const auto names, files->ListDirectory(directory));
    empty = std::none_of(names.begin(), names.end(), IsOfEngine);
  }
  if (empty) return true;
  return absl::AlreadyExistsError(
      absl::StrCat(directory, " exists; a checkpoint needs a new directory"));
}

}  // namespace

struct EngineImpl::PinnedStateImpl final : PinnedState {
  SequenceNumber sequence() const override { return snapshot->sequence(); }
  uint64_t last_mixed() const override { return mixed; }

  SnapshotRef snapshot;
  uint64_t mixed = 0;
  SnapshotNames names;
  ReadViewRef view;
};

// One checkpoint while it is made. A class of EngineImpl, whose parts it uses.
class EngineImpl::Checkpointer {
 public:
  Checkpointer(EngineImpl* engine, const std::string& directory,
               const CheckpointOptions& options, const PinnedStateImpl& state)
      : engine_(engine),
        from_(engine->options_.file_system),
        to_(options.file_system == nullptr ? from_ : options.file_system),
        directory_(directory),
        options_(options),
        state_(state) {
    result_.sequence = state.sequence();
    result_.last_mixed = state.last_mixed();
  }

  absl::StatusOr<CheckpointResult> Run() {
    NORI_ASSIGN_OR_RETURN(const bool existed, CheckEmpty(to_, directory_));
    NORI_RETURN_IF_ERROR(to_->CreateDirectory(directory_));
    auto cleanup =
        absl::MakeCleanup([&] { RemoveCheckpoint(to_, directory_, existed); });
    NORI_ASSIGN_OR_RETURN(VersionEdit newest, CopyTables());
    NORI_RETURN_IF_ERROR(WriteManifest(std::move(newest)));
    NORI_RETURN_IF_ERROR(to_->SyncDirectory(directory_));
    NORI_RETURN_IF_ERROR(Verify());
    std::move(cleanup).Cancel();
    return result_;
  }

 private:
  absl::Status GoOn() const {
    return options_.go_on == nullptr ? absl::OkStatus() : options_.go_on();
  }
  std::string PathOf(uint64_t number) const {
    return JoinPath(directory_, TableFileName(number));
  }

  // Brings a file of the engine's to the copy, the cheapest way.
  absl::Status Bring(const TableMeta& meta) {
    NORI_RETURN_IF_ERROR(GoOn());
    const std::string from = engine_->tables_->PathOf(meta.number);
    const std::string to = PathOf(meta.number);
    result_.bytes += meta.file_bytes;
    const absl::Status linked =
        from_ == to_ ? to_->LinkFile(from, to) : absl::UnimplementedError("");
    if (linked.ok()) {
      ++result_.files_linked;
      return linked;
    }
    if (!absl::IsUnimplemented(linked)) return linked;
    NORI_ASSIGN_OR_RETURN(const bool reused, Reuse(from, meta, to));
    if (reused) {
      ++result_.files_reused;
      return absl::OkStatus();
    }
    NORI_RETURN_IF_ERROR(CopyFile(from_, from, to_, to, options_.go_on));
    ++result_.files_copied;
    result_.bytes_written += meta.file_bytes;
    written_.push_back(meta.number);
    return absl::OkStatus();
  }

  // Links the file of the previous copy, if it is the same. Its number alone
  // says nothing: an earlier copy that was opened has given numbers of its own.
  absl::StatusOr<bool> Reuse(const std::string& from, const TableMeta& meta,
                             const std::string& to) {
    if (options_.previous.empty()) return false;
    const std::string old =
        JoinPath(options_.previous, TableFileName(meta.number));
    NORI_ASSIGN_OR_RETURN(const bool same,
                          HoldsSame(from_, from, to_, old, options_.go_on));
    if (!same) return false;
    const absl::Status linked = to_->LinkFile(old, to);
    if (absl::IsUnimplemented(linked)) return false;
    NORI_RETURN_IF_ERROR(linked);
    return true;
  }

  // The tables, and those made of the memtables, whose edit is returned.
  absl::StatusOr<VersionEdit> CopyTables() {
    for (const TableRef& table : state_.view->version()->Tables()) {
      NORI_RETURN_IF_ERROR(Bring(table->meta));
    }
    VersionEdit edit;
    const auto& layers = state_.view->layers();
    for (auto layer = layers.rbegin(); layer != layers.rend(); ++layer) {
      std::optional<TableMeta> meta;
      if (layer->spilled != nullptr) {
        meta = layer->spilled->meta;
        NORI_RETURN_IF_ERROR(Bring(*meta));
      } else {
        NORI_ASSIGN_OR_RETURN(meta, WriteUpTo(*layer->memtable));
      }
      if (!meta.has_value()) continue;
      edit.l0_added.push_back(meta->number);
      edit.new_tables.push_back(*std::move(meta));
    }
    return edit;
  }

  // The part of a memtable up to the state's sequence number, as a table of the
  // copy. Absent if there is none.
  absl::StatusOr<std::optional<TableMeta>> WriteUpTo(const Memtable& memtable) {
    NORI_RETURN_IF_ERROR(GoOn());
    MergeInput input;
    for (const auto& name : state_.names) {
      input.snapshots.push_back(name->sequence);
    }
    std::sort(input.snapshots.begin(), input.snapshots.end());
    auto entries = std::make_unique<CeilingIterator>(memtable.NewIterator(),
                                                     result_.sequence);
    entries->SeekToFirst();
    const bool any_entry = entries->Valid();
    input.layers.push_back(std::move(entries));
    memtable.range_tombstones()->AppendTo(&input.tombstones, result_.sequence);
    if (!any_entry && input.tombstones.empty()) return std::nullopt;
    MergeOutputOptions output;
    output.table = TableStore::WriterOptions(engine_->options_);
    output.table_bytes = ~uint64_t{0};
    output.new_file = [&]()
        -> absl::StatusOr<std::pair<uint64_t, std::unique_ptr<WritableFile>>> {
      const uint64_t number = engine_->tables_->NextNumber();
      NORI_ASSIGN_OR_RETURN(auto file, to_->CreateWritable(PathOf(number)));
      return std::make_pair(number, std::move(file));
    };
    NORI_ASSIGN_OR_RETURN(MergeResult merged,
                          MergeToTables(std::move(input), output));
    if (merged.tables.empty()) return std::nullopt;
    TableMeta meta = std::move(merged.tables.front());
    ++result_.files_written;
    result_.bytes += meta.file_bytes;
    result_.bytes_written += meta.file_bytes;
    written_.push_back(meta.number);
    return meta;
  }

  absl::Status WriteManifest(VersionEdit newest) {
    const ManifestState state = engine_->state_.manifest_state();
    ManifestState initial;
    initial.identity =
        options_.identity.empty() ? engine_->identity_ : options_.identity;
    initial.options = state.options;
    initial.next_slot_id = state.next_slot_id;
    initial.next_file_number = engine_->tables_->PeekNextNumber();
    initial.last_sequence = result_.sequence;
    initial.decided_mixed = result_.last_mixed;
    initial.snapshots = std::make_shared<const SnapshotNames>(state_.names);
    initial.version = state_.view->version();
    NORI_ASSIGN_OR_RETURN(
        auto manifest, Manifest::Create(to_, directory_, std::move(initial)));
    if (newest.l0_added.empty()) return absl::OkStatus();
    TableStore copies(to_, directory_, engine_->cache_.get());
    NORI_RETURN_IF_ERROR(manifest->Log(
        std::move(newest),
        [&](const TableMeta& meta) { return copies.Open(meta); }));
    // Its tables go before the store that opened them.
    manifest.reset();
    return absl::OkStatus();
  }

  // Reads it as an open would. The engine's own files are what they are; all
  // of the others is read.
  absl::Status Verify() {
    TableStore copies(to_, directory_, engine_->cache_.get());
    NORI_ASSIGN_OR_RETURN(
        const auto manifest,
        Manifest::Recover(to_, directory_, [&](const TableMeta& meta) {
          return copies.Open(meta);
        }));
    std::sort(written_.begin(), written_.end());
    for (const TableRef& table : manifest->state().version->Tables()) {
      NORI_RETURN_IF_ERROR(GoOn());
      if (!std::binary_search(written_.begin(), written_.end(),
                              table->meta.number)) {
        continue;
      }
      NORI_RETURN_IF_ERROR(table->reader->Verify());
    }
    return manifest->state().version->Check();
  }

  EngineImpl* const engine_;
  FileSystem* const from_;
  FileSystem* const to_;
  const std::string& directory_;
  const CheckpointOptions& options_;
  const PinnedStateImpl& state_;
  CheckpointResult result_;
  std::vector<uint64_t> written_;  // numbers of files that were not linked
};

std::shared_ptr<EngineImpl::PinnedStateImpl> EngineImpl::TakeState() {
  auto pinned = std::make_shared<PinnedStateImpl>();
  pinned->snapshot = GetSnapshot();
  pinned->names = NamedSnapshotsUpTo(pinned->snapshot->sequence());
  pinned->view = state_.view();
  pinned->mixed = committer_.last_mixed();
  return pinned;
}

absl::StatusOr<PinnedStateRef> EngineImpl::PinState() {
  // Between two commits: the sequence number, the mixed number, the names and
  // the view are of one instant. What a name sees is in every view from the
  // time that it has been held.
  CommitQueue::Place place(&queue_, StallTimeout());
  NORI_RETURN_IF_ERROR(place.status());
  return TakeState();
}

absl::StatusOr<PinnedStateRef> EngineImpl::PinDecidedState() {
  for (int i = 0; i < kPinTries; ++i) {
    absl::MutexLock lock(&committer_.publishing());
    const auto pinned = TakeState();
    // Nothing was committed meanwhile, so the view holds nothing newer. While a
    // prepared transaction is in front of the others nothing can be.
    if (committer_.last_sequence() == pinned->sequence()) return pinned;
  }
  return PinState();
}

absl::StatusOr<CheckpointResult> EngineImpl::Checkpoint(
    const std::string& directory, const CheckpointOptions& options) {
  PinnedStateRef state = options.state;
  if (state == nullptr) {
    NORI_ASSIGN_OR_RETURN(state, PinState());
  }
  // The copy has no log that could be cut.
  NORI_RETURN_IF_ERROR(SyncHost());
  NORI_ASSIGN_OR_RETURN(
      const CheckpointResult result,
      Checkpointer(this, directory, options,
                   static_cast<const PinnedStateImpl&>(*state))
          .Run());
  Event event;
  event.kind = EventKind::kCheckpoint;
  event.wall_micros = options_.clock->WallMicros();
  event.bytes_out = result.bytes;
  event.value = static_cast<double>(result.files_linked + result.files_copied);
  events_.Record(std::move(event));
  return result;
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
    NORI_RETURN_IF_ERROR(VerifyManifest());
    return VerifyLog(state.log_number);
  });
}

// What recovery would take for the end of a write that a crash cut off is
// damage while the engine is open and knows that it was whole.
absl::Status EngineImpl::VerifyManifest() {
  FileSystem* const fs = options_.file_system;
  NORI_ASSIGN_OR_RETURN(const auto manifest,
                        Manifest::Recover(fs, directory_, Opener()));
  if (manifest->dropped_bytes() == 0) return absl::OkStatus();
  const std::string path =
      JoinPath(directory_, ManifestFileName(manifest->file_number()));
  NORI_ASSIGN_OR_RETURN(const uint64_t size, fs->FileSize(path));
  return absl::DataLossError(
      absl::StrCat(path, ": damaged record at offset ",
                   size - std::min(size, manifest->dropped_bytes())));
}

absl::Status EngineImpl::VerifyLog(uint64_t first_segment) {
  const LogPosition end = committer_.LogEnd();
  NORI_ASSIGN_OR_RETURN(
      const LogRecoveryReport report,
      ReadLog(LogOptionsFor(options_, directory_), first_segment,
              [](LogPosition, std::string_view) { return absl::OkStatus(); }));
  if (report.end >= end) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat(JoinPath(directory_, LogSegmentName(report.end.segment)),
                   ": damaged log record at offset ", report.end.offset,
                   ", the log ends at offset ", end.offset, " of ",
                   LogSegmentName(end.segment)));
}

}  // namespace nori
