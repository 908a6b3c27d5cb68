#include "engine/pressure/pressure.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>

namespace nori {
namespace {

constexpr double kYellow = 0.5;
constexpr double kOrange = 0.75;
constexpr double kRed = 0.9;
// A zone is left this far below the score at which it was entered.
constexpr double kHysteresis = 0.05;

// Where the delay curve is fixed: half-way through orange a MiB costs 100 ms.
constexpr double kMidOrange = (kOrange + kRed) / 2;
constexpr double kMidOrangeMillis = 100;

// The runs that the average slot may have over its K when writers begin to be
// slowed, and where red begins.
constexpr double kSlowRunsOver = 2;
constexpr double kRedRunsOver = 8;

// The share of the memory limit at which writers begin to be slowed.
constexpr double kSlowMemory = 0.8;

constexpr double kMaxComponent = 1.5;

// 0 at 0, kYellow at `slow`, kRed at `red`, straight lines between and on.
double Component(double x, double slow, double red) {
  x = std::max(x, 0.0);
  slow = std::max(slow, 1e-9);
  red = std::max(red, slow + 1e-9);
  const double score =
      x <= slow ? kYellow * x / slow
                : kYellow + (kRed - kYellow) * (x - slow) / (red - slow);
  return std::min(score, kMaxComponent);
}

// Memtables, in units of a full one. Counts what the bytes say or what the
// number of immutable ones says, whichever is more: a memtable may have been
// rotated before it was full.
double MemtableScore(const Options& options, const PressureInputs& in) {
  const double by_bytes =
      static_cast<double>(in.memtable_bytes) /
      static_cast<double>(std::max<uint64_t>(options.memtable_bytes, 1));
  const double by_count =
      in.immutable_memtables + std::max(0.0, in.active_fill);
  const double all = 1.0 + options.max_immutable_memtables;
  // A full active memtable over a half-full queue is what steady writing looks
  // like as long as the flusher keeps up.
  const double slow = 1.0 + options.max_immutable_memtables / 2.0;
  // Bytes run past the nominal size of a memtable by up to an entry, which is
  // no reason to wait: only the count reaches red.
  const double bytes_score =
      std::min(Component(by_bytes, slow, all), kRed - 1e-3);
  return std::max(bytes_score, Component(by_count, slow, all));
}

// The 8-norm: hardly above the largest part while the others are idle, so that
// a single cause is never averaged away, and yet every part counts.
double Combine(std::initializer_list<double> parts) {
  double sum = 0;
  for (double x : parts) sum += std::pow(x, 8);
  return std::pow(sum, 1.0 / 8);
}

double Score(const Options& options, const PressureInputs& in) {
  const double l0 =
      Component(in.l0_tables, options.l0_soft_limit, options.l0_hard_limit);
  const double runs = Component(
      static_cast<double>(in.slots_over_max_runs) / std::max(in.slots, 1),
      kSlowRunsOver, kRedRunsOver);
  const double memory = std::min(
      Component(static_cast<double>(in.memory_bytes),
                kSlowMemory * static_cast<double>(options.memory_limit_bytes),
                static_cast<double>(options.memory_limit_bytes)),
      kMidOrange);
  return Combine({l0, MemtableScore(options, in), runs, memory});
}

// The components reach kRed at the limits by themselves; this keeps rounding
// from deciding.
bool AtHardLimit(const Options& options, const PressureInputs& in) {
  return in.l0_tables >= options.l0_hard_limit ||
         (in.immutable_memtables >= options.max_immutable_memtables &&
          in.active_fill >= 1);
}

PressureZone ZoneOf(double score) {
  if (score >= kRed) return PressureZone::kRed;
  if (score >= kOrange) return PressureZone::kOrange;
  if (score >= kYellow) return PressureZone::kYellow;
  return PressureZone::kGreen;
}

absl::Duration DelayPerMib(double score) {
  if (score <= kYellow) return absl::ZeroDuration();
  const double x = (score - kYellow) / (kMidOrange - kYellow);
  return absl::Milliseconds(kMidOrangeMillis * x * x);
}

}  // namespace

const char* PressureZoneName(PressureZone zone) {
  switch (zone) {
    case PressureZone::kGreen:
      return "green";
    case PressureZone::kYellow:
      return "yellow";
    case PressureZone::kOrange:
      return "orange";
    case PressureZone::kRed:
      return "red";
  }
  return "unknown";
}

PressureGauge::PressureGauge(const Options& options) : options_(options) {}

PressureState PressureGauge::Update(const PressureInputs& inputs) {
  state_.score = Score(options_, inputs);
  state_.must_wait = AtHardLimit(options_, inputs);
  if (state_.must_wait) state_.score = std::max(state_.score, kRed);
  // Up at once; down only as far as a score kHysteresis higher would be.
  const PressureZone up = ZoneOf(state_.score);
  const PressureZone down = ZoneOf(state_.score + kHysteresis);
  state_.zone = std::max(up, std::min(state_.zone, down));
  state_.delay_per_mib = DelayPerMib(state_.score);
  return state_;
}

}  // namespace nori
