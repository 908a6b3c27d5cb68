#include "engine/core/write_controller.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/format/status_macros.h"

namespace nori {
namespace {

// Delays are taken once so many bytes were written: a sleep of the operating
// system costs tens of microseconds whatever it was asked for.
constexpr uint64_t kDelayStep = uint64_t{64} << 10;
// No commit sleeps for longer at once. What it still owes is left to those that
// follow, up to so many bytes: the state of then should decide, not that of
// now.
constexpr absl::Duration kLongestDelay = absl::Milliseconds(80);
constexpr uint64_t kMostOwed = uint64_t{4} << 20;
// How long a waiter sleeps at most before it looks again.
constexpr absl::Duration kPoll = absl::Milliseconds(100);

int ImmutableMemtablesOf(const ReadView& view) {
  const auto memtables = std::count_if(
      view.layers().begin(), view.layers().end(),
      [](const MemLayer& layer) { return layer.memtable != nullptr; });
  return static_cast<int>(memtables) - 1;
}

}  // namespace

int WriteController::ImmutableMemtables() const {
  return ImmutableMemtablesOf(*state_->view());
}

PressureState WriteController::Update() {
  const ReadViewRef view = state_->view();
  PressureInputs inputs;
  inputs.l0_tables = static_cast<int>(view->version()->l0().size());
  inputs.immutable_memtables = ImmutableMemtablesOf(*view);
  for (const MemLayer& layer : view->layers()) {
    if (layer.memtable != nullptr) {
      inputs.memtable_bytes += layer.memtable->MemoryUsage();
    }
  }
  for (const SlotRef& slot : view->version()->slots()) {
    ++inputs.slots;
    inputs.slots_over_max_runs +=
        std::max(0, static_cast<int>(slot->runs.size()) - slot->max_runs);
  }
  inputs.memory_bytes = inputs.memtable_bytes;
  if (!view->layers().empty() && view->layers().front().memtable != nullptr) {
    inputs.active_fill = std::min(
        1.0,
        static_cast<double>(view->layers().front().memtable->MemoryUsage()) /
            static_cast<double>(options_.memtable_bytes));
  }
  absl::MutexLock lock(&mutex_);
  const PressureZone before = gauge_.state().zone;
  const PressureState state = gauge_.Update(inputs);
  calm_ = state.zone == PressureZone::kGreen && !state.must_wait;
  if (state.zone != before) {
    Event event;
    event.kind = EventKind::kZoneChange;
    event.wall_micros = options_.clock->WallMicros();
    event.value = state.score;
    event.detail = absl::StrCat(PressureZoneName(before), " -> ",
                                PressureZoneName(state.zone));
    events_->Record(std::move(event));
  }
  changed_.SignalAll();
  return state;
}

void WriteController::SetBackgroundError(absl::Status status) {
  absl::MutexLock lock(&mutex_);
  background_error_ = std::move(status);
  changed_.SignalAll();
}

absl::Status WriteController::WaitUntil(absl::FunctionRef<bool()> ready,
                                        const char* what) {
  if (ready()) return absl::OkStatus();
  metrics_->write_stalls.Add();
  const uint64_t start = options_.clock->NowMicros();
  const uint64_t limit = start + options_.stall_timeout_ms * 1000;
  while (!ready()) {
    if (options_.clock->NowMicros() >= limit) {
      metrics_->write_rejections.Add();
      return absl::UnavailableError(
          absl::StrCat("the engine cannot take more writes: ", what, " for ",
                       options_.stall_timeout_ms, " ms; try again later"));
    }
    if (run_one_ != nullptr) {
      NORI_ASSIGN_OR_RETURN(const bool ran, run_one_());
      Update();
      if (!ran) options_.clock->Sleep(absl::Milliseconds(1));
      continue;
    }
    absl::MutexLock lock(&mutex_);
    if (!background_error_.ok()) return background_error_;
    changed_.WaitWithTimeout(&mutex_, kPoll);
  }
  Event event;
  event.kind = EventKind::kStall;
  event.wall_micros = options_.clock->WallMicros();
  event.duration_micros = options_.clock->NowMicros() - start;
  event.detail = what;
  events_->Record(std::move(event));
  return absl::OkStatus();
}

absl::Status WriteController::Throttle(uint64_t bytes) {
  if (calm_.load(std::memory_order_relaxed)) {
    if (owed_bytes_.load(std::memory_order_relaxed) != 0) owed_bytes_ = 0;
    return absl::OkStatus();
  }
  if (owed_bytes_.fetch_add(bytes) + bytes < kDelayStep) {
    return absl::OkStatus();
  }
  // Another writer may have taken all of it upon itself.
  const uint64_t owed = owed_bytes_.exchange(0);
  if (owed == 0) return absl::OkStatus();
  PressureState state = pressure();
  if (state.must_wait) {
    NORI_RETURN_IF_ERROR(WaitUntil([this] { return !Update().must_wait; },
                                   "flush and compaction are behind"));
    state = pressure();
  }
  // Without threads nothing catches up while a writer sleeps.
  if (run_one_ != nullptr && state.zone == PressureZone::kRed) {
    NORI_RETURN_IF_ERROR(run_one_().status());
    state = Update();
  }
  Delay(state, owed);
  return absl::OkStatus();
}

void WriteController::Delay(const PressureState& state, uint64_t owed) {
  const absl::Duration full =
      state.delay_per_mib * (static_cast<double>(owed) / (1 << 20));
  const absl::Duration delay = std::min(full, kLongestDelay);
  if (full > delay) {
    const double left = 1 - absl::FDivDuration(delay, full);
    owed_bytes_ += std::min(
        static_cast<uint64_t>(left * static_cast<double>(owed)), kMostOwed);
  }
  if (delay == absl::ZeroDuration()) return;
  metrics_->write_delays.Add();
  metrics_->write_delay_micros.Add(
      static_cast<uint64_t>(absl::ToInt64Microseconds(delay)));
  options_.clock->Sleep(delay);
}

absl::Status WriteController::WaitForMemtableRoom() {
  return WaitUntil(
      [this] {
        return ImmutableMemtables() < options_.max_immutable_memtables;
      },
      "memtables wait to be flushed");
}

}  // namespace nori
