#include "engine/core/state.h"

#include <algorithm>
#include <utility>

#include "engine/format/status_macros.h"

namespace nori {

void State::Start(std::unique_ptr<Manifest> manifest) {
  absl::MutexLock manifest_lock(&manifest_mutex_);
  manifest_ = std::move(manifest);
  const VersionRef& version = manifest_->state().version;
  tables_->SetLive(*version);
  absl::MutexLock lock(&view_mutex_);
  view_ = std::make_shared<const ReadView>(std::vector<MemLayer>{}, version,
                                           HeatFor(*version));
}

namespace {

// Hands the totals of the slots of `old` which `slot` takes over on to `heat`,
// in equal parts where several slots of `now` share one.
void InheritTotals(const ReadView& old, const Version& now, const Slot& slot,
                   SlotHeat* heat) {
  const auto [first, last] = old.version()->SlotRangeFor(slot.range);
  for (size_t i = first; i <= last; ++i) {
    const auto [from, to] = now.SlotRangeFor(old.version()->slots()[i]->range);
    heat->InheritTotals(*old.heat()[i],
                        1.0 / static_cast<double>(to - from + 1));
  }
}

}  // namespace

std::vector<std::shared_ptr<SlotHeat>> State::HeatFor(const Version& version) {
  std::vector<std::shared_ptr<SlotHeat>> heat;
  heat.reserve(version.slots().size());
  for (const SlotRef& slot : version.slots()) {
    if (view_ == nullptr) {
      heat.push_back(std::make_shared<SlotHeat>());
      continue;
    }
    const Version& old = *view_->version();
    const auto [first, last] = old.SlotRangeFor(slot->range);
    if (first == last && old.slots()[first]->id == slot->id) {
      heat.push_back(view_->heat()[first]);
      continue;
    }
    // A slot that was cut from others starts as warm as that part of them was.
    heat.push_back(std::make_shared<SlotHeat>());
    for (size_t i = first; i <= last; ++i) {
      const Slot& parent = *old.slots()[i];
      const bool whole = slot->range.Covers(parent.range);
      const double bytes = std::max(1.0, static_cast<double>(parent.bytes()));
      const double share =
          whole ? 1 : std::min(1.0, static_cast<double>(slot->bytes()) / bytes);
      heat.back()->Inherit(*view_->heat()[i], slot->range, share);
    }
    InheritTotals(*view_, version, *slot, heat.back().get());
  }
  return heat;
}

void State::PushLayers(std::vector<MemLayer> layers) {
  ReadViewRef old;
  absl::MutexLock lock(&view_mutex_);
  layers.insert(layers.end(), view_->layers().begin(), view_->layers().end());
  old = std::exchange(
      view_, std::make_shared<const ReadView>(std::move(layers),
                                              view_->version(), view_->heat()));
}

absl::Status State::Edit(EditBuilder build, size_t layers_flushed) {
  // Destroyed after both locks are released: the last reference to a table
  // removes its file.
  ReadViewRef old_view;
  VersionRef old_version;
  absl::MutexLock manifest_lock(&manifest_mutex_);
  old_version = manifest_->state().version;
  NORI_ASSIGN_OR_RETURN(VersionEdit edit, build(manifest_->state()));
  edit.next_file_number = tables_->PeekNextNumber();
  NORI_RETURN_IF_ERROR(manifest_->Log(
      std::move(edit),
      [this](const TableMeta& meta) { return tables_->Open(meta); }));
  const VersionRef& version = manifest_->state().version;
  {
    absl::MutexLock lock(&view_mutex_);
    std::vector<MemLayer> layers = view_->layers();
    layers.resize(layers.size() - layers_flushed);
    auto heat = HeatFor(*version);
    old_view =
        std::exchange(view_, std::make_shared<const ReadView>(
                                 std::move(layers), version, std::move(heat)));
  }
  tables_->SetLive(*version);
  return absl::OkStatus();
}

absl::Status State::WithoutEdits(
    absl::FunctionRef<absl::Status(const ManifestState&)> body) {
  absl::MutexLock lock(&manifest_mutex_);
  return body(manifest_->state());
}

ManifestState State::manifest_state() const {
  absl::MutexLock lock(&manifest_mutex_);
  return manifest_->state();
}

uint64_t State::manifest_bytes() const {
  absl::MutexLock lock(&manifest_mutex_);
  return manifest_->bytes_written();
}

uint64_t State::manifest_number() const {
  absl::MutexLock lock(&manifest_mutex_);
  return manifest_->file_number();
}

void State::RollHeat(uint64_t now_micros, double half_life_seconds) {
  absl::MutexLock lock(&view_mutex_);
  for (const auto& heat : view_->heat()) {
    heat->Roll(now_micros, half_life_seconds);
  }
}

std::vector<SlotHeat::Rates> State::RatesOf(const ReadView& view) const {
  absl::MutexLock lock(&view_mutex_);
  std::vector<SlotHeat::Rates> rates;
  rates.reserve(view.heat().size());
  for (const auto& heat : view.heat()) rates.push_back(heat->rates());
  return rates;
}

void State::Stop() {
  ReadViewRef old_view;
  std::unique_ptr<Manifest> old_manifest;
  absl::MutexLock manifest_lock(&manifest_mutex_);
  absl::MutexLock lock(&view_mutex_);
  old_view = std::move(view_);
  old_manifest = std::move(manifest_);
}

}  // namespace nori
