#include "engine/slots/guards.h"

#include <algorithm>
#include <cassert>
#include <limits>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"

namespace nori {
namespace {

// Samples per piece: the pieces then differ by some percent.
constexpr uint64_t kSamplesPerPiece = 32;

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

}  // namespace

std::vector<std::string> ChooseSplitKeys(const Slot& slot,
                                         uint64_t target_bytes,
                                         size_t max_pieces) {
  const uint64_t total = slot.bytes();
  if (target_bytes == 0 || total <= target_bytes || max_pieces < 2) return {};
  const uint64_t pieces =
      std::min<uint64_t>(max_pieces, (total - 1) / target_bytes + 1);
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
