// The current state of an engine: manifest, version and the layers above it.

#ifndef NORI_ENGINE_CORE_STATE_H_
#define NORI_ENGINE_CORE_STATE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "engine/core/read_view.h"
#include "engine/core/table_store.h"
#include "engine/manifest/manifest.h"

namespace nori {

// Keeps the read view that new readers get, and changes it. Thread-safe. Lock
// order: manifest_mutex_ (held during I/O) before view_mutex_ (never held
// during I/O).
class State {
 public:
  explicit State(TableStore* tables) : tables_(tables) {}

  // Takes over a manifest that was created or recovered. Called once.
  void Start(std::unique_ptr<Manifest> manifest)
      ABSL_LOCKS_EXCLUDED(manifest_mutex_, view_mutex_);

  ReadViewRef view() const ABSL_LOCKS_EXCLUDED(view_mutex_) {
    absl::MutexLock lock(&view_mutex_);
    return view_;
  }

  // Puts `layers` (newest first) above the present ones.
  void PushLayers(std::vector<MemLayer> layers)
      ABSL_LOCKS_EXCLUDED(view_mutex_);
  // Builds an edit from the manifest's present state, makes it durable and
  // publishes the new version together with the removal of the `layers_flushed`
  // oldest layers. Edits are serialised. The edit's next_file_number is filled
  // in.
  using EditBuilder =
      absl::FunctionRef<absl::StatusOr<VersionEdit>(const ManifestState&)>;
  absl::Status Edit(EditBuilder build, size_t layers_flushed)
      ABSL_LOCKS_EXCLUDED(manifest_mutex_, view_mutex_);

  // Runs `body` while no edit can be made: what the manifest names stays.
  absl::Status WithoutEdits(
      absl::FunctionRef<absl::Status(const ManifestState&)> body)
      ABSL_LOCKS_EXCLUDED(manifest_mutex_);

  // A copy of the scalars and the version.
  ManifestState manifest_state() const ABSL_LOCKS_EXCLUDED(manifest_mutex_);
  uint64_t manifest_bytes() const ABSL_LOCKS_EXCLUDED(manifest_mutex_);
  uint64_t manifest_number() const ABSL_LOCKS_EXCLUDED(manifest_mutex_);

  // Folds access counts into rates (see SlotHeat::Roll).
  void RollHeat(uint64_t now_micros, double half_life_seconds)
      ABSL_LOCKS_EXCLUDED(view_mutex_);

  // Rates of each slot of `view`, in its slots' order.
  std::vector<SlotHeat::Rates> RatesOf(const ReadView& view) const
      ABSL_LOCKS_EXCLUDED(view_mutex_);

  // Forgets the view, so that its tables close. No reader may be left.
  void Stop() ABSL_LOCKS_EXCLUDED(manifest_mutex_, view_mutex_);

 private:
  std::vector<std::shared_ptr<SlotHeat>> HeatFor(const Version& version)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(view_mutex_);

  TableStore* const tables_;
  mutable absl::Mutex manifest_mutex_;
  std::unique_ptr<Manifest> manifest_ ABSL_GUARDED_BY(manifest_mutex_);
  mutable absl::Mutex view_mutex_ ABSL_ACQUIRED_AFTER(manifest_mutex_);
  ReadViewRef view_ ABSL_GUARDED_BY(view_mutex_);
};

}  // namespace nori

#endif  // NORI_ENGINE_CORE_STATE_H_
