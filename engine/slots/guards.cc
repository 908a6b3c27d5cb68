#include "engine/slots/guards.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"

namespace nori {
namespace {

// Samples per piece: the pieces then differ by some percent.
constexpr uint64_t kSamplesPerPiece = 32;

// Heat is uneven where so much of it lies in so little of the slot's bytes.
constexpr double kHotAccesses = 0.75;
constexpr double kHotBytes = 0.25;
// Below so many accesses chance looks like unevenness.
constexpr size_t kMinHeatKeys = 32;
// The slot is looked at in so many parts of equal size.
constexpr uint64_t kMinHeatCells = 4;
constexpr uint64_t kMaxHeatCells = 64;
// Reads and writes lie apart where their distributions differ by so much. Of 32
// keys each, drawn alike, one pair in ten thousand does.
constexpr double kMixDistance = 0.55;

// Of max_slots so many parts are left to cuts by heat and to pieces of uneven
// size.
constexpr uint64_t kSlotsToSpare = 4;

// A key where the slot may be cut, and the bytes between the key before it (of
// the same slice) and this one.
struct Candidate {
  std::string key;
  double bytes_before;
};

void AddCandidates(const Slice& slice, uint64_t samples,
                   std::vector<Candidate>* candidates) {
  candidates->push_back({slice.range.begin, 0});
  std::vector<std::string> keys;
  if (slice.table->reader != nullptr) {
    keys = slice.table->reader->SampleKeys(slice.range.begin, slice.range.end,
                                           samples);
  }
  const double step =
      static_cast<double>(slice.bytes) / static_cast<double>(keys.size() + 1);
  for (std::string& key : keys) candidates->push_back({std::move(key), step});
  candidates->push_back({slice.range.end, step});
}

SlotRecord Piece(const Slot& slot, KeyRange range, uint64_t id,
                 bool fixed_guard) {
  SlotRecord piece;
  piece.id = id;
  piece.max_runs = slot.max_runs;
  piece.heat = slot.heat;
  piece.last_compaction_micros = slot.last_compaction_micros;
  piece.fixed_guard = fixed_guard;
  for (const Run& run : slot.runs) {
    RunRecord record;
    for (const Slice& slice : run.slices) {
      if (slice.range.Overlaps(range)) {
        record.slices.push_back(
            {slice.table->meta.number, slice.range.Intersect(range)});
      }
    }
    if (!record.slices.empty()) piece.runs.push_back(std::move(record));
  }
  piece.range = std::move(range);
  return piece;
}

// A run of one of the slots to join.
struct Part {
  size_t slot;
  const Run* run;
  SequenceNumber smallest;
  SequenceNumber largest;
};

std::vector<Part> PartsOldestFirst(const Version& version, size_t first,
                                   size_t count) {
  std::vector<Part> parts;
  for (size_t i = first; i < first + count; ++i) {
    for (const Run& run : version.slots()[i]->runs) {
      parts.push_back(
          {i, &run, run.smallest_sequence(), run.largest_sequence()});
    }
  }
  std::sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) {
    return a.smallest < b.smallest;
  });
  return parts;
}

bool SharesSlot(absl::Span<const Part> a, absl::Span<const Part> b) {
  return std::any_of(a.begin(), a.end(), [&](const Part& x) {
    return std::any_of(b.begin(), b.end(),
                       [&](const Part& y) { return x.slot == y.slot; });
  });
}

// Lays the runs of several slots over each other in as few runs as the order by
// sequence number allows: parts whose sequence ranges overlap must share a run,
// neighbours in age may, and two parts of one slot never can. False if that
// contradicts itself.
bool LayerParts(absl::Span<const Part> parts, std::vector<RunRecord>* runs) {
  std::vector<std::vector<Part>> layers;  // oldest first
  for (size_t i = 0; i < parts.size();) {
    std::vector<Part> group{parts[i]};
    SequenceNumber largest = parts[i].largest;
    for (++i; i < parts.size() && parts[i].smallest <= largest; ++i) {
      if (SharesSlot({parts[i]}, group)) return false;
      group.push_back(parts[i]);
      largest = std::max(largest, parts[i].largest);
    }
    if (!layers.empty() && !SharesSlot(group, layers.back())) {
      layers.back().insert(layers.back().end(), group.begin(), group.end());
    } else {
      layers.push_back(std::move(group));
    }
  }
  for (auto layer = layers.rbegin(); layer != layers.rend(); ++layer) {
    RunRecord record;
    for (const Part& part : *layer) UniteRuns(ToRecord(*part.run), &record);
    runs->push_back(std::move(record));
  }
  return true;
}

bool L0IsNewer(const Version& version, const KeyRange& range,
               SequenceNumber newest_in_runs) {
  return std::none_of(
      version.l0().begin(), version.l0().end(), [&](const L0Table& l0) {
        return l0.table->meta.smallest_sequence <= newest_in_runs &&
               l0.Overlaps(range);
      });
}

// Keys, ascending and strictly inside the slot, that cut it into `pieces` parts
// of about equal size; fewer where no key is known that would.
std::vector<std::string> CutKeys(const Slot& slot, uint64_t pieces) {
  const uint64_t total = slot.bytes();
  std::vector<Candidate> candidates;
  for (const Run& run : slot.runs) {
    for (const Slice& slice : run.slices) {
      const double share =
          static_cast<double>(slice.bytes) / static_cast<double>(total);
      const double samples =
          share * static_cast<double>(pieces * kSamplesPerPiece);
      AddCandidates(slice,
                    std::max<uint64_t>(1, static_cast<uint64_t>(samples)),
                    &candidates);
    }
  }
  std::sort(
      candidates.begin(), candidates.end(),
      [](const Candidate& a, const Candidate& b) { return a.key < b.key; });

  std::vector<std::string> keys;
  double below = 0;
  for (const Candidate& candidate : candidates) {
    below += candidate.bytes_before;
    if (keys.size() + 1 >= pieces) break;
    const double goal = static_cast<double>(total) /
                        static_cast<double>(pieces) *
                        static_cast<double>(keys.size() + 1);
    if (below < goal || candidate.key <= slot.range.begin ||
        !slot.range.Contains(candidate.key) ||
        (!keys.empty() && candidate.key <= keys.back())) {
      continue;
    }
    keys.push_back(candidate.key);
  }
  return keys;
}

// Keys that cut the slot into parts of equal size for looking at its heat, none
// smaller than min_bytes; empty if that makes too few.
std::vector<std::string> HeatCuts(const Slot& slot, uint64_t min_bytes) {
  const uint64_t cells =
      std::min(kMaxHeatCells, slot.bytes() / std::max<uint64_t>(min_bytes, 1));
  if (cells < kMinHeatCells) return {};
  std::vector<std::string> cuts = CutKeys(slot, cells);
  // Big entries may leave fewer places to cut than asked for.
  if (cuts.size() + 1 < kMinHeatCells) cuts.clear();
  return cuts;
}

// How many of `keys` lie in each part that `cuts` make of the slot.
std::vector<size_t> HitsByCell(const Slot& slot,
                               const std::vector<std::string>& cuts,
                               const std::vector<std::string>& keys) {
  std::vector<size_t> hits(cuts.size() + 1);
  for (const std::string& key : keys) {
    if (!slot.range.Contains(key)) continue;
    ++hits[static_cast<size_t>(std::upper_bound(cuts.begin(), cuts.end(), key) -
                               cuts.begin())];
  }
  return hits;
}

}  // namespace

uint64_t SlotTargetBytes(uint64_t slot_bytes, uint64_t total_bytes,
                         uint64_t max_slots) {
  return std::max(slot_bytes, total_bytes / std::max<uint64_t>(max_slots, 1) *
                                  kSlotsToSpare);
}

std::vector<std::string> ChooseSplitKeys(const Slot& slot,
                                         uint64_t target_bytes,
                                         size_t max_pieces) {
  const uint64_t total = slot.bytes();
  if (target_bytes == 0 || total <= target_bytes || max_pieces < 2) return {};
  return CutKeys(
      slot, std::min<uint64_t>(max_pieces, (total - 1) / target_bytes + 1));
}

std::vector<std::string> ChooseHeatSplit(
    const Slot& slot, const std::vector<std::string>& accesses,
    uint64_t min_bytes) {
  const std::vector<std::string> cuts = HeatCuts(slot, min_bytes);
  if (cuts.empty()) return {};
  const size_t count = cuts.size() + 1;
  const std::vector<size_t> hits = HitsByCell(slot, cuts, accesses);
  const size_t all = std::accumulate(hits.begin(), hits.end(), size_t{0});
  if (all < kMinHeatKeys) return {};
  const double wanted = kHotAccesses * static_cast<double>(all);
  const auto most = static_cast<size_t>(kHotBytes * static_cast<double>(count));
  // The smallest number of neighbouring cells that hold enough; of these the
  // fullest.
  for (size_t width = 1; width <= most; ++width) {
    size_t best = 0;
    size_t best_hits = 0;
    for (size_t first = 0; first + width <= count; ++first) {
      const auto from = hits.begin() + static_cast<ptrdiff_t>(first);
      const size_t sum = std::accumulate(
          from, from + static_cast<ptrdiff_t>(width), size_t{0});
      if (sum > best_hits) {
        best = first;
        best_hits = sum;
      }
    }
    if (static_cast<double>(best_hits) < wanted) continue;
    std::vector<std::string> keys;
    if (best > 0) keys.push_back(cuts[best - 1]);
    if (best + width < count) keys.push_back(cuts[best + width - 1]);
    return keys;
  }
  return {};
}

std::vector<std::string> ChooseMixSplit(const Slot& slot,
                                        const std::vector<std::string>& reads,
                                        const std::vector<std::string>& writes,
                                        uint64_t min_bytes) {
  const std::vector<std::string> cuts = HeatCuts(slot, min_bytes);
  if (cuts.empty()) return {};
  const std::vector<size_t> read_hits = HitsByCell(slot, cuts, reads);
  const std::vector<size_t> write_hits = HitsByCell(slot, cuts, writes);
  const auto sum = [](const std::vector<size_t>& hits) {
    return std::accumulate(hits.begin(), hits.end(), size_t{0});
  };
  if (std::min(sum(read_hits), sum(write_hits)) < kMinHeatKeys) return {};
  double reads_below = 0;
  double writes_below = 0;
  double widest = 0;
  size_t best = 0;
  for (size_t i = 0; i < cuts.size(); ++i) {
    reads_below +=
        static_cast<double>(read_hits[i]) / static_cast<double>(sum(read_hits));
    writes_below += static_cast<double>(write_hits[i]) /
                    static_cast<double>(sum(write_hits));
    const double distance = std::abs(reads_below - writes_below);
    if (distance > widest) {
      widest = distance;
      best = i;
    }
  }
  if (widest < kMixDistance) return {};
  return {cuts[best]};
}

absl::StatusOr<SlotReplacement> SplitSlot(const Slot& slot,
                                          absl::Span<const std::string> keys,
                                          uint64_t* next_slot_id) {
  for (size_t i = 0; i < keys.size(); ++i) {
    if (keys[i] <= (i == 0 ? slot.range.begin : keys[i - 1]) ||
        !slot.range.Contains(keys[i])) {
      return absl::InvalidArgumentError(absl::StrCat(
          "split of slot ", slot.id, ": keys not ascending inside it"));
    }
  }
  SlotReplacement replacement;
  replacement.range = slot.range;
  for (size_t i = 0; i <= keys.size(); ++i) {
    KeyRange range{i == 0 ? slot.range.begin : keys[i - 1],
                   i == keys.size() ? slot.range.end : keys[i]};
    replacement.slots.push_back(Piece(slot, std::move(range), (*next_slot_id)++,
                                      i == 0 && slot.fixed_guard));
  }
  return replacement;
}

std::vector<SlotReplacement> AddGuards(const Version& version,
                                       absl::Span<const std::string> keys,
                                       uint64_t* next_slot_id) {
  std::map<size_t, std::vector<std::string>> by_slot;
  for (const std::string& key : keys) {
    if (!key.empty()) by_slot[version.SlotIndex(key)].push_back(key);
  }
  std::vector<SlotReplacement> replacements;
  for (auto& [index, wanted] : by_slot) {
    const Slot& slot = *version.slots()[index];
    std::sort(wanted.begin(), wanted.end());
    wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
    const bool fixes_begin = wanted.front() == slot.range.begin;
    if (fixes_begin) wanted.erase(wanted.begin());
    if (wanted.empty()) {
      if (slot.fixed_guard) continue;
      SlotRecord record = ToRecord(slot);
      record.fixed_guard = true;
      replacements.push_back({slot.range, {std::move(record)}});
      continue;
    }
    absl::StatusOr<SlotReplacement> split =
        SplitSlot(slot, wanted, next_slot_id);
    assert(split.ok());  // the keys were sorted and routed to this slot
    for (size_t i = 0; i < split->slots.size(); ++i) {
      if (i > 0 || fixes_begin) split->slots[i].fixed_guard = true;
    }
    replacements.push_back(*std::move(split));
  }
  return replacements;
}

absl::StatusOr<SlotReplacement> JoinSlots(const Version& version, size_t first,
                                          size_t count,
                                          uint64_t* next_slot_id) {
  if (count < 2 || first + count > version.slots().size()) {
    return absl::FailedPreconditionError("join: no such neighbours");
  }
  const Slot& begin = *version.slots()[first];
  SlotRecord joined;
  joined.range = {begin.range.begin,
                  version.slots()[first + count - 1]->range.end};
  joined.fixed_guard = begin.fixed_guard;
  joined.max_runs = begin.max_runs;
  joined.last_compaction_micros = begin.last_compaction_micros;
  for (size_t i = first; i < first + count; ++i) {
    const Slot& slot = *version.slots()[i];
    if (i > first && slot.fixed_guard) {
      return absl::FailedPreconditionError(
          absl::StrCat("join: the guard of slot ", slot.id, " is fixed"));
    }
    joined.max_runs = std::min(joined.max_runs, slot.max_runs);
    joined.heat = std::max(joined.heat, slot.heat);
    joined.last_compaction_micros =
        std::min(joined.last_compaction_micros, slot.last_compaction_micros);
  }
  const std::vector<Part> parts = PartsOldestFirst(version, first, count);
  if (!LayerParts(parts, &joined.runs)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "join: runs of slot ", begin.id, " and the next interleave in age"));
  }
  if (joined.runs.size() > static_cast<size_t>(joined.max_runs)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "join: slot ", begin.id, " and the next would have too many runs"));
  }
  SequenceNumber newest = 0;
  for (const Part& part : parts) newest = std::max(newest, part.largest);
  if (!L0IsNewer(version, joined.range, newest)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "join: L0 holds older data for slot ", begin.id, " or the next"));
  }
  joined.id = (*next_slot_id)++;
  SlotReplacement replacement;
  replacement.range = joined.range;
  replacement.slots.push_back(std::move(joined));
  return replacement;
}

std::optional<size_t> ChooseJoin(const Version& version,
                                 const JoinLimits& limits) {
  const std::vector<SlotRef>& slots = version.slots();
  if (slots.size() <= limits.min_slots) return std::nullopt;
  const auto is_free = [&](const Slot& slot) {
    return slot.heat <= limits.max_heat &&
           (limits.is_busy == nullptr || !limits.is_busy(slot.id));
  };
  std::optional<size_t> best;
  uint64_t best_bytes = std::numeric_limits<uint64_t>::max();
  uint64_t left_bytes = slots[0]->bytes();
  for (size_t i = 0; i + 1 < slots.size(); ++i) {
    const uint64_t right_bytes = slots[i + 1]->bytes();
    const uint64_t sum = left_bytes + right_bytes;
    left_bytes = right_bytes;
    if (sum > limits.max_bytes || sum >= best_bytes || !is_free(*slots[i]) ||
        !is_free(*slots[i + 1])) {
      continue;
    }
    uint64_t unused_id = 0;
    if (JoinSlots(version, i, 2, &unused_id).ok()) {
      best = i;
      best_bytes = sum;
    }
  }
  return best;
}

}  // namespace nori
