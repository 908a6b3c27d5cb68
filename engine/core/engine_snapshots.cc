// Snapshots with names, which outlive the engine's process.
//
// A name is an edit of the manifest that pins a sequence number. What the
// number sees is durable before the edit is (log and host are synced first), so
// no later recovery can end below it; and while the engine is open it is held
// like any other snapshot, from before the edit until after the release.

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/core/engine_impl.h"
#include "engine/format/status_macros.h"

namespace nori {
namespace {

absl::Status NoSuchSnapshot(const std::string& name) {
  return absl::NotFoundError(absl::StrCat("no such snapshot: ", name));
}

absl::Status CheckName(const std::string& name) {
  if (name.empty()) {
    return absl::InvalidArgumentError("a snapshot needs a name");
  }
  if (name.size() > kMaxSnapshotNameBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the name of a snapshot is ", name.size(),
                     " bytes long, more than ", kMaxSnapshotNameBytes));
  }
  return absl::OkStatus();
}

}  // namespace

void EngineImpl::HoldNamedSnapshots(const SnapshotNames& names) {
  absl::MutexLock lock(&names_mutex_);
  for (const auto& snapshot : names) {
    names_[snapshot->name] = {HoldSequence(snapshot->sequence), snapshot};
  }
}

SequenceNumber EngineImpl::HighestNamedSequence() const {
  absl::MutexLock lock(&names_mutex_);
  SequenceNumber highest = 0;
  for (const auto& [name, named] : names_) {
    highest = std::max(highest, named.snapshot->sequence);
  }
  return highest;
}

SnapshotNames EngineImpl::NamedSnapshotsUpTo(SequenceNumber sequence) const {
  absl::MutexLock lock(&names_mutex_);
  SnapshotNames names;
  for (const auto& [name, named] : names_) {
    if (named.snapshot->sequence <= sequence) names.push_back(named.snapshot);
  }
  return names;
}

void EngineImpl::RecordSnapshotEvent(EventKind kind,
                                     const SnapshotName& snapshot) {
  Event event;
  event.kind = kind;
  event.wall_micros = options_.clock->WallMicros();
  event.value = static_cast<double>(snapshot.sequence);
  event.detail = snapshot.name;
  events_.Record(std::move(event));
}

absl::Status EngineImpl::CreateNamedSnapshot(const std::string& name,
                                             SnapshotRef snapshot) {
  NORI_RETURN_IF_ERROR(CheckName(name));
  absl::MutexLock changing(&naming_mutex_);
  if (NamedSnapshot(name).ok()) {
    return absl::AlreadyExistsError(
        absl::StrCat("there is a snapshot called ", name, " already"));
  }
  if (snapshot == nullptr) snapshot = GetSnapshot();
  // Every mixed transaction that the snapshot sees is at most this one.
  const uint64_t mixed = committer_.last_mixed();
  NORI_RETURN_IF_ERROR(SyncHost());
  NORI_RETURN_IF_ERROR(committer_.SyncLog());
  const auto named = std::make_shared<const SnapshotName>(
      SnapshotName{name, snapshot->sequence(), options_.clock->WallMicros()});
  NORI_RETURN_IF_ERROR(state_.Edit(
      [&](const ManifestState&) -> absl::StatusOr<VersionEdit> {
        VersionEdit edit;
        edit.snapshots_taken.push_back(*named);
        // An older host does not fit any more: it would have the log cut below
        // what the name stands for.
        edit.decided_mixed = mixed;
        return edit;
      },
      /*layers_flushed=*/0));
  {
    absl::MutexLock lock(&names_mutex_);
    names_[name] = {std::move(snapshot), named};
  }
  RecordSnapshotEvent(EventKind::kSnapshotTaken, *named);
  return absl::OkStatus();
}

absl::Status EngineImpl::ReleaseNamedSnapshot(const std::string& name) {
  absl::MutexLock changing(&naming_mutex_);
  NORI_RETURN_IF_ERROR(NamedSnapshot(name).status());
  NORI_RETURN_IF_ERROR(state_.Edit(
      [&](const ManifestState&) -> absl::StatusOr<VersionEdit> {
        VersionEdit edit;
        edit.snapshots_released.push_back(name);
        return edit;
      },
      /*layers_flushed=*/0));
  Named released;
  {
    absl::MutexLock lock(&names_mutex_);
    const auto it = names_.find(name);
    released = std::move(it->second);
    names_.erase(it);
  }
  RecordSnapshotEvent(EventKind::kSnapshotReleased, *released.snapshot);
  released.held.reset();
  background_.Signal();
  return absl::OkStatus();
}

absl::StatusOr<SnapshotRef> EngineImpl::NamedSnapshot(const std::string& name) {
  absl::MutexLock lock(&names_mutex_);
  const auto it = names_.find(name);
  if (it == names_.end()) return NoSuchSnapshot(name);
  return it->second.held;
}

std::vector<SnapshotName> EngineImpl::ListNamedSnapshots() {
  absl::MutexLock lock(&names_mutex_);
  std::vector<SnapshotName> names;
  names.reserve(names_.size());
  for (const auto& [name, named] : names_) names.push_back(*named.snapshot);
  std::stable_sort(
      names.begin(), names.end(),
      [](const auto& a, const auto& b) { return a.sequence < b.sequence; });
  return names;
}

}  // namespace nori
