#include "bench/simulated_store.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "bench/measure.h"
#include "engine/slots/guards.h"
#include "engine/slots/heat.h"

namespace nori::bench {
namespace {

// A manifest edit, with its sync.
constexpr double kEditSeconds = 300e-6;
constexpr size_t kMaxPieces = 16;
constexpr double kMib = 1 << 20;

template <typename T>
std::unique_ptr<T> Must(absl::StatusOr<std::unique_ptr<T>> made) {
  if (!made.ok()) Fail(made.status().ToString());
  return *std::move(made);
}

double Overlap(double begin, double end, const TrafficPart& part) {
  return std::max(0.0, std::min(end, part.end) - std::max(begin, part.begin));
}

uint64_t Whole(double bytes) { return static_cast<uint64_t>(bytes); }

}  // namespace

double SlotTarget(const SimulationOptions& options, double data_bytes) {
  return static_cast<double>(
      SlotTargetBytes(options.engine.slot_bytes, Whole(data_bytes),
                      static_cast<uint64_t>(options.engine.max_slots)));
}

SimulatedStore::SimulatedStore(const SimulationOptions& options)
    : options_(options),
      policy_(Must(MakeRunPolicy(options.engine))),
      scheduler_(Must(MakeScheduler(options.engine))),
      gauge_(options.engine) {
  // As growing would have left them: between half the target and all of it.
  const double size = 0.75 * SlotTarget(options_, options_.data_bytes);
  const auto count = std::max<size_t>(
      1, static_cast<size_t>(std::ceil(options_.data_bytes / size)));
  for (size_t i = 0; i < count; ++i) {
    Slot slot;
    slot.begin = static_cast<double>(i) / static_cast<double>(count);
    slot.end = static_cast<double>(i + 1) / static_cast<double>(count);
    slot.live = options_.grows
                    ? std::numeric_limits<double>::infinity()
                    : options_.data_bytes / static_cast<double>(count);
    if (options_.data_bytes > 0) {
      slot.runs.push_back(options_.data_bytes / static_cast<double>(count));
    }
    SetTraffic(&slot);
    slots_.push_back(std::move(slot));
    SlotView view;
    view.id = next_slot_++;
    view.max_runs = options_.engine.max_runs;
    scheduler_->SlotCreated(view.id, 0);
    views_.push_back(std::move(view));
  }
  RefreshAll();
}

void SimulatedStore::SetTraffic(Slot* slot) const {
  slot->writes = slot->reads = slot->scans = 0;
  for (const TrafficPart& part : options_.parts) {
    const double share =
        Overlap(slot->begin, slot->end, part) / (part.end - part.begin);
    slot->writes += share * part.writes;
    slot->reads += share * part.reads;
    slot->scans += share * part.scans;
  }
}

double SimulatedStore::SlotBytes(const Slot& slot) const {
  double bytes = std::accumulate(slot.runs.begin(), slot.runs.end(), 0.0);
  for (const L0Slice& slice : slot.l0) bytes += slice.bytes;
  return bytes;
}

double SimulatedStore::Merged(const Slot& slot,
                              const std::vector<double>& sizes) const {
  const double sum = std::accumulate(sizes.begin(), sizes.end(), 0.0);
  if (std::isinf(slot.live) || slot.live <= 0) return sum;
  double missed = 1;
  for (const double size : sizes) {
    missed *= 1 - std::min(1.0, size / slot.live);
  }
  return std::min(sum, slot.live * (1 - missed));
}

void SimulatedStore::RefreshView(size_t index) {
  const Slot& slot = slots_[index];
  SlotView& view = views_[index];
  view.l0_bytes.clear();
  view.l0_positions.clear();
  for (const L0Slice& slice : slot.l0) {
    view.l0_bytes.push_back(Whole(slice.bytes));
    const auto at = std::lower_bound(l0_.begin(), l0_.end(), slice.table,
                                     std::greater<uint64_t>());
    view.l0_positions.push_back(static_cast<int>(at - l0_.begin()));
  }
  view.run_bytes.clear();
  for (const double run : slot.runs) view.run_bytes.push_back(Whole(run));
  view.entries = Whole(SlotBytes(slot) / options_.entry_bytes);
  view.l0_overlaps_first_run =
      !slot.l0.empty() && slot.l0.size() + slot.runs.size() > 1;
}

Costs SimulatedStore::MeasuredCosts() const {
  Costs costs;
  // Of input, as the engine counts; about as much is written as is read.
  costs.merge_micros_per_byte = 2e6 / options_.disk_rate;
  return costs;
}

void SimulatedStore::RefreshAll() {
  SlotHeat::Rates rates;
  std::vector<double> weighted;
  const Costs costs = MeasuredCosts();
  const auto flush = static_cast<double>(options_.engine.memtable_bytes);
  for (size_t i = 0; i < slots_.size(); ++i) {
    RefreshView(i);
    SlotView& view = views_[i];
    view.read_rate = rates.reads = slots_[i].reads * options_.read_rate;
    view.scan_rate = rates.scans = slots_[i].scans * options_.scan_rate;
    view.write_rate = rates.writes =
        slots_[i].writes * options_.write_rate / options_.entry_bytes;
    view.arriving_bytes = flush * slots_[i].writes;
    view.flush_rate = options_.write_rate / flush;
    // The oldest run of what does not grow has every key.
    view.overlap = options_.grows ? 0 : 1;
    view.costs = costs;
    weighted.push_back(rates.Weighted());
  }
  const double mean = std::accumulate(weighted.begin(), weighted.end(), 0.0) /
                      static_cast<double>(weighted.size());
  const double peak = *std::max_element(weighted.begin(), weighted.end());
  for (size_t i = 0; i < slots_.size(); ++i) {
    views_[i].heat = NormalisedHeat(weighted[i], mean, peak);
  }
}

size_t SimulatedStore::IndexOf(uint64_t slot_id) const {
  const auto it =
      std::find_if(views_.begin(), views_.end(),
                   [&](const SlotView& view) { return view.id == slot_id; });
  return static_cast<size_t>(it - views_.begin());
}

PressureState SimulatedStore::Pressure() {
  PressureInputs in;
  in.l0_tables = static_cast<int>(l0_.size());
  in.memtable_bytes = options_.engine.memtable_bytes;
  in.active_fill = 0.5;
  in.slots = static_cast<int>(slots_.size());
  for (const SlotView& view : views_) {
    in.slots_over_max_runs +=
        std::max(0, static_cast<int>(view.run_bytes.size()) - view.max_runs);
  }
  return gauge_.Update(in);
}

void SimulatedStore::FillMemtable() {
  const auto memtable = static_cast<double>(options_.engine.memtable_bytes);
  const double delay =
      absl::ToDoubleSeconds(Pressure().delay_per_mib) * memtable / kMib;
  const double wanted = memtable / options_.write_rate;
  totals_.seconds += wanted + delay;
  totals_.delayed_seconds += delay;
  WorkUntil(totals_.seconds);
  while (Pressure().must_wait && (job_.has_value() || StartJob())) {
    const double ends = std::max(job_->ends, totals_.seconds);
    totals_.delayed_seconds += ends - totals_.seconds;
    totals_.seconds = ends;
    FinishJob();
  }
  Flush();
  AdjustMaxRuns();
}

void SimulatedStore::Flush() {
  const auto memtable = static_cast<double>(options_.engine.memtable_bytes);
  totals_.user_bytes += memtable;
  l0_.insert(l0_.begin(), next_table_);
  for (Slot& slot : slots_) {
    const double arriving = memtable * slot.writes;
    if (arriving <= 0) continue;
    // A key that is written twice before the flush is flushed once.
    const double bytes = std::isinf(slot.live) || slot.live <= 0
                             ? arriving
                             : slot.live * -std::expm1(-arriving / slot.live);
    slot.l0.insert(slot.l0.begin(), {next_table_, bytes});
    slot.user_bytes += arriving;
    slot.written_bytes += bytes;
    totals_.flushed_bytes += bytes;
  }
  ++next_table_;
  RefreshAll();
}

void SimulatedStore::WorkUntil(double until) {
  while (job_.has_value() || StartJob()) {
    if (job_->ends > until) return;
    FinishJob();
  }
  idle_since_ = until;
}

bool SimulatedStore::StartJob() {
  ++totals_.picks;
  const std::optional<CompactionChoice> choice =
      scheduler_->Pick(views_, gauge_.state().zone);
  if (!choice.has_value()) return false;
  const size_t index = IndexOf(choice->slot_id);
  const Slot& slot = slots_[index];
  job_ = Job{*choice, views_[index], slot.l0.size(), idle_since_};
  if (choice->runs_to_merge == 0 && !choice->merge_l0) {
    job_->ends += kEditSeconds;
    return true;
  }
  std::vector<double> sizes(slot.runs.begin(),
                            slot.runs.begin() + choice->runs_to_merge);
  if (choice->merge_l0) {
    for (const L0Slice& slice : slot.l0) sizes.push_back(slice.bytes);
  }
  const double in = std::accumulate(sizes.begin(), sizes.end(), 0.0);
  job_->ends += kEditSeconds + (in + Merged(slot, sizes)) / options_.disk_rate;
  views_[index].busy = true;
  return true;
}

double SimulatedStore::Execute(const Job& job, Slot* slot) {
  // Slices that came since are newer: in front of those of the job.
  const auto taken = slot->l0.end() - static_cast<ptrdiff_t>(job.l0_slices);
  const auto merged =
      slot->runs.begin() + static_cast<ptrdiff_t>(job.choice.runs_to_merge);
  if (job.choice.runs_to_merge == 0 && !job.choice.merge_l0) {
    std::vector<double> adopted;
    for (auto it = taken; it != slot->l0.end(); ++it) {
      adopted.push_back(it->bytes);
    }
    slot->runs.insert(slot->runs.begin(), adopted.begin(), adopted.end());
    slot->l0.erase(taken, slot->l0.end());
    ++totals_.adoptions;
    return 0;
  }
  std::vector<double> sizes(slot->runs.begin(), merged);
  if (job.choice.merge_l0) {
    for (auto it = taken; it != slot->l0.end(); ++it) {
      sizes.push_back(it->bytes);
    }
    slot->l0.erase(taken, slot->l0.end());
  }
  const double out = Merged(*slot, sizes);
  slot->runs.erase(slot->runs.begin(), merged);
  slot->runs.insert(slot->runs.begin(), out);
  slot->written_bytes += out;
  totals_.merged_bytes += out;
  ++totals_.merges;
  return out;
}

void SimulatedStore::FinishJob() {
  const Job job = *std::move(job_);
  job_.reset();
  idle_since_ = job.ends;
  const size_t index = IndexOf(job.choice.slot_id);
  const double written = Execute(job, &slots_[index]);
  views_[index].busy = false;
  RefreshView(index);
  ForgetEmptyTables();
  const auto before =
      static_cast<int>(job.view.l0_bytes.size() + job.view.run_bytes.size());
  scheduler_->Reward(job.choice, before,
                     static_cast<int>(slots_[index].runs.size()),
                     Whole(written), job.view);
  SplitIfLarge(index);
}

void SimulatedStore::ForgetEmptyTables() {
  // Adoption is oldest first, so mostly only the oldest can be empty.
  bool changed = false;
  while (!l0_.empty()) {
    const uint64_t oldest = l0_.back();
    if (std::any_of(slots_.begin(), slots_.end(), [&](const Slot& slot) {
          return !slot.l0.empty() && slot.l0.back().table <= oldest;
        })) {
      break;
    }
    l0_.pop_back();
    changed = true;
  }
  if (changed) RefreshAll();
}

void SimulatedStore::SplitIfLarge(size_t index) {
  const double total = State().stored_bytes;
  const double target = SlotTarget(options_, total);
  const double bytes = SlotBytes(slots_[index]);
  if (bytes <= target) return;
  const size_t pieces =
      std::min(kMaxPieces, static_cast<size_t>(std::ceil(bytes / target)));
  const auto n = static_cast<double>(pieces);
  const Slot whole = std::move(slots_[index]);
  const SlotView parent = std::move(views_[index]);
  std::vector<Slot> parts;
  std::vector<SlotView> views;
  for (size_t i = 0; i < pieces; ++i) {
    Slot part = whole;
    const double width = (whole.end - whole.begin) / n;
    part.begin = whole.begin + width * static_cast<double>(i);
    part.end = part.begin + width;
    part.live /= n;
    part.user_bytes /= n;
    part.written_bytes /= n;
    for (L0Slice& slice : part.l0) slice.bytes /= n;
    for (double& run : part.runs) run /= n;
    SetTraffic(&part);
    parts.push_back(std::move(part));
    SlotView view;
    view.id = next_slot_++;
    view.max_runs = parent.max_runs;
    scheduler_->SlotCreated(view.id, parent.id);
    views.push_back(std::move(view));
  }
  scheduler_->SlotRemoved(parent.id);
  const auto at = static_cast<ptrdiff_t>(index);
  slots_.erase(slots_.begin() + at);
  slots_.insert(slots_.begin() + at, parts.begin(), parts.end());
  views_.erase(views_.begin() + at);
  views_.insert(views_.begin() + at, views.begin(), views.end());
  ++totals_.splits;
  RefreshAll();
}

void SimulatedStore::AdjustMaxRuns() {
  for (SlotView& view : views_) view.max_runs = policy_->MaxRuns(view);
}

SimulationState SimulatedStore::State() const {
  SimulationState state = totals_;
  state.slots = slots_.size();
  state.l0_tables = l0_.size();
  state.zone = gauge_.state().zone;
  double reads = 0;
  for (const Slot& slot : slots_) {
    const double bytes = SlotBytes(slot);
    state.stored_bytes += bytes;
    state.live_bytes += std::isinf(slot.live) ? bytes : slot.live;
    state.runs += slot.runs.size();
    state.most_runs = std::max(state.most_runs, slot.runs.size());
    reads += slot.reads;
    state.filters_per_read +=
        slot.reads * static_cast<double>(slot.l0.size() + slot.runs.size());
  }
  if (reads > 0) state.filters_per_read /= reads;
  return state;
}

PartState SimulatedStore::StateOf(const TrafficPart& part) const {
  PartState state;
  for (size_t i = 0; i < slots_.size(); ++i) {
    const double middle = (slots_[i].begin + slots_[i].end) / 2;
    if (middle < part.begin || middle >= part.end) continue;
    ++state.slots;
    state.max_runs += views_[i].max_runs;
    state.runs += static_cast<double>(slots_[i].runs.size());
    state.user_bytes += slots_[i].user_bytes;
    state.written_bytes += slots_[i].written_bytes;
  }
  if (state.slots > 0) {
    state.max_runs /= static_cast<double>(state.slots);
    state.runs /= static_cast<double>(state.slots);
  }
  return state;
}

}  // namespace nori::bench
