// Opening an engine: lock, manifest, log, orphans.

#include <algorithm>
#include <optional>
#include <random>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "engine/compaction/merge.h"
#include "engine/core/engine_impl.h"
#include "engine/format/status_macros.h"
#include "engine/io/directories.h"

namespace nori {
namespace {

std::map<std::string, std::string> StoredOptions(const Options& options) {
  std::map<std::string, std::string> stored;
  for (const OptionInfo& info : OptionInfos()) {
    absl::StatusOr<std::string> value = GetOption(options, info.name);
    if (value.ok()) stored[info.name] = *std::move(value);
  }
  return stored;
}

// Whether the engine is the one that the host names, and not newer than it.
absl::Status CheckFits(const std::string& directory, const ManifestState& state,
                       const OpenContext& context) {
  if (!context.identity.empty() && state.identity != context.identity) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the directory ", directory, " belongs to another database"));
  }
  if (context.host_mixed_number == nullptr ||
      state.decided_mixed <= context.known_mixed) {
    return absl::OkStatus();
  }
  NORI_ASSIGN_OR_RETURN(const uint64_t host, context.host_mixed_number());
  if (state.decided_mixed <= host) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "the database file is older (transaction ", host, ") than the directory ",
      directory, " (transaction ", state.decided_mixed, ")"));
}

// Before there is an EngineImpl, whose parts are made as the options say.
absl::Status AdoptStoredOptions(const std::string& directory,
                                Options* options) {
  FileSystem* const fs = options->file_system;
  if (!fs->Exists(JoinPath(directory, kCurrentFileName))) {
    return absl::OkStatus();
  }
  NORI_ASSIGN_OR_RETURN(const auto stored,
                        Manifest::ReadOptions(fs, directory));
  for (const auto& [name, value] : stored) {
    // An option that a newer engine stored and this one does not know changes
    // nothing about how files are read.
    (void)SetOption(options, name, value);
  }
  return ValidateOptions(*options);
}

}  // namespace

std::string Engine::NewIdentity() {
  // An engine must differ from every other, also where tests fix the seed of
  // everything else.
  std::random_device device;
  std::string identity;
  while (identity.size() < 16) identity.push_back(static_cast<char>(device()));
  return identity;
}

absl::StatusOr<std::string> Engine::ReadIdentity(FileSystem* file_system,
                                                 const std::string& directory) {
  return Manifest::ReadIdentity(file_system, directory);
}

absl::StatusOr<std::unique_ptr<Engine>> Engine::Open(
    const Options& given_options, const std::string& directory,
    const OpenContext& context) {
  NORI_RETURN_IF_ERROR(ValidateOptions(given_options));
  Options options = given_options;
  if (options.prefer_stored_options) {
    NORI_RETURN_IF_ERROR(AdoptStoredOptions(directory, &options));
  }
#ifdef NDEBUG
  // Debian's Abseil checks the order of locks at every lock in release builds,
  // too, which costs more than the lock.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
#endif
  auto engine = std::make_unique<EngineImpl>(options, directory);
  NORI_RETURN_IF_ERROR(engine->Start(context));
  return engine;
}

EngineImpl::EngineImpl(const Options& options, std::string directory)
    : options_(options),
      directory_(std::move(directory)),
      cache_(BlockCache::Create(options.block_cache_bytes)),
      tables_(std::make_unique<TableStore>(options.file_system, directory_,
                                           cache_.get())),
      dead_ranges_(std::max(1, options.dead_run_keys),
                   &metrics_.dead_range_jumps),
      state_(tables_.get()),
      controller_(options_, &state_, &metrics_, &events_),
      committer_(options_, directory_, &state_, &snapshots_, &dead_ranges_,
                 &controller_, &metrics_),
      background_({&options_, &state_, tables_.get(), &committer_, &controller_,
                   &snapshots_, &metrics_, &events_,
                   [this] { return SyncHost(); }}) {
  if (options_.event_listener) events_.set_listener(options_.event_listener);
}

EngineImpl::~EngineImpl() {
  background_.Stop();
  if (committer_.started()) (void)committer_.SyncLog();
  state_.Stop();
}

absl::Status EngineImpl::PrepareDirectory() {
  FileSystem* fs = options_.file_system;
  if (fs->Exists(directory_)) {
    NORI_ASSIGN_OR_RETURN(const bool is_directory, fs->IsDirectory(directory_));
    if (!is_directory) {
      return absl::FailedPreconditionError(absl::StrCat(
          directory_, " is a file; the engine needs a directory there"));
    }
  } else {
    if (!options_.create_if_missing) {
      return absl::NotFoundError(
          absl::StrCat("there is no engine directory ", directory_));
    }
    NORI_RETURN_IF_ERROR(fs->CreateDirectory(directory_));
    NORI_RETURN_IF_ERROR(fs->SyncDirectory(ParentDirectory(directory_)));
  }
  NORI_ASSIGN_OR_RETURN(lock_,
                        fs->LockDirectory(JoinPath(directory_, kLockFileName)));
  return absl::OkStatus();
}

absl::Status EngineImpl::CreateManifest() {
  if (!options_.create_if_missing) {
    return absl::NotFoundError(
        absl::StrCat("there is no engine in ", directory_));
  }
  ManifestState initial;
  initial.identity = NewIdentity();
  initial.options = StoredOptions(options_);
  NORI_ASSIGN_OR_RETURN(auto manifest, Manifest::Create(options_.file_system,
                                                        directory_, initial));
  identity_ = manifest->state().identity;
  state_.Start(std::move(manifest));
  return absl::OkStatus();
}

absl::Status EngineImpl::RecoverManifest(const OpenContext& context) {
  NORI_ASSIGN_OR_RETURN(auto manifest, Manifest::Recover(options_.file_system,
                                                         directory_, Opener()));
  if (options_.error_if_exists) {
    return absl::AlreadyExistsError(
        absl::StrCat("there is an engine in ", directory_, " already"));
  }
  NORI_RETURN_IF_ERROR(CheckFits(directory_, manifest->state(), context));
  identity_ = manifest->state().identity;
  uint64_t next = manifest->state().next_file_number;
  NORI_ASSIGN_OR_RETURN(const auto names,
                        options_.file_system->ListDirectory(directory_));
  for (const std::string& name : names) {
    uint64_t number = 0;
    if (ParseFileName(name, &number) == FileType::kTable) {
      next = std::max(next, number + 1);
    }
  }
  tables_->SetNextNumber(next);
  // Before anything is written anew: what they see must be in it.
  HoldNamedSnapshots(*manifest->state().snapshots);
  state_.Start(std::move(manifest));
  return absl::OkStatus();
}

absl::Status EngineImpl::Start(const OpenContext& given) {
  sync_host_ = given.sync_host;
  OpenContext context = given;
  if (given.host_mixed_number != nullptr) {
    context.host_mixed_number =
        [&given,
         known =
             std::optional<uint64_t>()]() mutable -> absl::StatusOr<uint64_t> {
      if (!known.has_value()) {
        NORI_ASSIGN_OR_RETURN(known, given.host_mixed_number());
      }
      return *known;
    };
  }
  NORI_RETURN_IF_ERROR(PrepareDirectory());
  SequenceNumber last = 0;
  uint64_t last_mixed = 0;
  if (options_.file_system->Exists(JoinPath(directory_, kCurrentFileName))) {
    NORI_RETURN_IF_ERROR(RecoverManifest(context));
    NORI_RETURN_IF_ERROR(Recover(context, &last, &last_mixed));
  } else {
    NORI_RETURN_IF_ERROR(RefuseForeignFiles());
    if (!context.identity.empty()) {
      return absl::FailedPreconditionError(
          absl::StrCat("there is no engine in ", directory_));
    }
    NORI_RETURN_IF_ERROR(CreateManifest());
    NORI_RETURN_IF_ERROR(StartLog({}, {}, 0, 0));
  }
  NORI_RETURN_IF_ERROR(RemoveOrphans());
  controller_.Update();
  committer_.set_on_rotate([this] { background_.Signal(); });
  committer_.set_flush_all([this] { return background_.FlushAll(); });
  if (options_.background == BackgroundMode::kManual) {
    controller_.set_run_one([this] { return background_.RunOne(); });
  }
  return background_.Start();
}

absl::Status EngineImpl::RefuseForeignFiles() {
  // Tables or a log without CURRENT mean that an engine lost its manifest: a
  // new one on top would destroy what is left.
  NORI_ASSIGN_OR_RETURN(const auto names,
                        options_.file_system->ListDirectory(directory_));
  for (const std::string& name : names) {
    uint64_t number = 0;
    const FileType type = ParseFileName(name, &number);
    if (type == FileType::kTable) {
      return absl::DataLossError(
          absl::StrCat(directory_, " holds ", name, " but no ",
                       kCurrentFileName, ": the engine's manifest is lost"));
    }
  }
  return absl::OkStatus();
}

absl::Status EngineImpl::Recover(const OpenContext& context,
                                 SequenceNumber* last, uint64_t* last_mixed) {
  const ManifestState state = state_.manifest_state();
  std::vector<TableMeta> recovered;
  SequenceNumber flushed = state.last_sequence;
  uint64_t flushed_mixed = state.decided_mixed;
  Replayer replayer(
      options_, context, state.last_sequence, state.decided_mixed,
      [&](RecoveredPart part) -> absl::Status {
        flushed = std::max(flushed, part.largest_sequence);
        flushed_mixed = std::max(flushed_mixed, part.highest_mixed);
        if (part.spilled.has_value()) {
          recovered.push_back(*part.spilled);
          return absl::OkStatus();
        }
        if (part.memtable->empty()) return absl::OkStatus();
        NORI_ASSIGN_OR_RETURN(TableMeta meta,
                              background_.WriteMemtable(*part.memtable));
        recovered.push_back(std::move(meta));
        return absl::OkStatus();
      });
  const uint64_t start = options_.clock->NowMicros();
  absl::StatusOr<LogRecoveryReport> report =
      ReadLog(LogOptionsFor(options_, directory_), state.log_number,
              [&](LogPosition position, std::string_view payload) {
                return replayer.Visit(position, payload);
              });
  if (!report.ok() && !replayer.cut().has_value()) return report.status();
  NORI_RETURN_IF_ERROR(replayer.Finish());
  // What the host says now comes from the page cache if a process was killed.
  if (replayer.last_mixed() > state.decided_mixed) {
    NORI_RETURN_IF_ERROR(SyncHost());
  }
  NORI_RETURN_IF_ERROR(options_.file_system->SyncDirectory(directory_));
  // Should the end of the log have been damaged: the next commit must not come
  // to be seen by an old name.
  flushed = std::max(flushed, HighestNamedSequence());
  *last = flushed;
  *last_mixed = flushed_mixed;
  Event event;
  event.kind = EventKind::kRecovery;
  event.wall_micros = options_.clock->WallMicros();
  event.duration_micros = options_.clock->NowMicros() - start;
  if (report.ok()) {
    event.value = static_cast<double>(report->records);
    event.bytes_in = report->bytes_dropped;
    event.detail = report->damaged_tail ? "dropped a damaged tail" : "";
  } else {
    event.detail = "cut before a transaction that the database does not know";
  }
  events_.Record(std::move(event));
  const LogPosition end =
      replayer.cut().value_or(report.ok() ? report->end : LogPosition{});
  return StartLog(std::move(recovered), end, flushed, flushed_mixed);
}

absl::Status EngineImpl::StartLog(std::vector<TableMeta> recovered,
                                  LogPosition end, SequenceNumber last,
                                  uint64_t last_mixed) {
  NORI_ASSIGN_OR_RETURN(uint64_t next_segment,
                        NextSegment(options_.file_system, directory_));
  next_segment = std::max(next_segment, state_.manifest_state().log_number);
  NORI_ASSIGN_OR_RETURN(auto log,
                        LogWriter::Create(LogOptionsFor(options_, directory_),
                                          next_segment, end));
  // One edit: replayed records are in tables and no longer wanted from the log,
  // or neither.
  NORI_RETURN_IF_ERROR(state_.Edit(
      [&](const ManifestState& state) -> absl::StatusOr<VersionEdit> {
        VersionEdit edit;
        edit.log_number = log->End().segment;
        edit.last_sequence = last;
        edit.decided_mixed = last_mixed;
        const auto stored = StoredOptions(options_);
        if (stored != state.options) edit.options = stored;
        for (TableMeta& meta : recovered) {
          edit.l0_added.push_back(meta.number);
          edit.new_tables.push_back(std::move(meta));
        }
        return edit;
      },
      /*layers_flushed=*/0));
  const uint64_t segment = log->End().segment;
  committer_.Start(std::move(log), last, last_mixed);
  return committer_.RetireSegments(segment);
}

absl::Status EngineImpl::RemoveOrphans() {
  const ManifestState state = state_.manifest_state();
  const uint64_t manifest = state_.manifest_number();
  absl::flat_hash_set<uint64_t> live;
  for (const TableRef& table : state.version->Tables()) {
    live.insert(table->meta.number);
  }
  NORI_ASSIGN_OR_RETURN(const auto names,
                        options_.file_system->ListDirectory(directory_));
  for (const std::string& name : names) {
    uint64_t number = 0;
    bool orphan = false;
    switch (ParseFileName(name, &number)) {
      case FileType::kTable:
        orphan = !live.contains(number);
        break;
      case FileType::kManifest:
        orphan = number != manifest;
        break;
      case FileType::kTemporary:
        orphan = true;
        break;
      case FileType::kCurrent:
      case FileType::kLock:
      case FileType::kLogSegment:  // retired by the log itself
      case FileType::kUnknown:
        break;
    }
    // One that cannot be removed now is an orphan at the next open, too.
    if (orphan)
      (void)options_.file_system->RemoveFile(JoinPath(directory_, name));
  }
  return absl::OkStatus();
}

}  // namespace nori
