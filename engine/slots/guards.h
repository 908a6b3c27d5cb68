// Moving guards: where a slot is cut, and which neighbours become one. Only
// metadata changes, no entry is copied.
//
// As with adoption, the functions say what an edit has to change.
// `next_slot_id` is where new ids come from (ManifestState::next_slot_id); it
// is advanced and belongs into the same edit. Slots that come out of a split or
// a join always have new ids. The caller holds the turn of every slot that is
// replaced.

#ifndef NORI_ENGINE_SLOTS_GUARDS_H_
#define NORI_ENGINE_SLOTS_GUARDS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/slots/slot_record.h"
#include "engine/slots/version.h"

namespace nori {

// Size above which a slot is split, in bytes. `slot_bytes` as long as the data
// make few slots of it, and else what follows the data, so that the number of
// slots is bounded: max(slot_bytes, 4 * total_bytes / max_slots).
//
// The arithmetic: a slot above its target is cut into pieces of between half
// of it and all of it, so size alone makes between total / target and
// 2 * total / target slots, at most max_slots / 2; the other half is for
// cuts by heat. With the default 64 MiB and 2048: up to 32 GiB slots have 64
// MiB (512 to 1024 of them); at 1 TiB they have 2 GiB, again 512 to 1024 of
// them, and heat cuts down to a sixteenth, 128 MiB. What bounds the
// number is the work per flush: a memtable of 64 MiB spread over 1024 slots is
// 64 KiB for each, about where the fixed cost of a job begins to exceed that
// of its bytes. Write amplification does not depend on the number of slots:
// they all receive the same part of what arrives as they hold of the data.
uint64_t SlotTargetBytes(uint64_t slot_bytes, uint64_t total_bytes,
                         uint64_t max_slots);

// Keys, ascending and strictly inside the slot, that cut it into pieces of
// about equal size, as many (at most max_pieces) as bring each to target_bytes
// or below. Keys come from the tables' indexes, each table sampled in
// proportion to the bytes that its slices have here. Empty if the slot is
// within its target or no key is known that would cut it.
std::vector<std::string> ChooseSplitKeys(const Slot& slot,
                                         uint64_t target_bytes,
                                         size_t max_pieces = 16);

// One or two keys that cut the hot part out of the slot: the smallest part, in
// steps of at least min_bytes, that holds at least three quarters of
// `accesses` (keys of late accesses, in any order) in at most a quarter of the
// bytes. Empty if heat is not that uneven, the slot is smaller than four times
// min_bytes, or there are fewer than 32 accesses. Hot keys that lie scattered
// cut nothing: no guard could part them.
std::vector<std::string> ChooseHeatSplit(
    const Slot& slot, const std::vector<std::string>& accesses,
    uint64_t min_bytes);

// The key that best parts what is read from what is written, in steps of at
// least min_bytes, so that each side can have its own number of runs: where the
// shares of `reads` and of `writes` (keys of late accesses, in any order) below
// it differ most (the statistic of Kolmogorov and Smirnov). Empty if they
// differ by little, the slot is smaller than four times min_bytes, or there are
// fewer than 32 keys of either.
std::vector<std::string> ChooseMixSplit(const Slot& slot,
                                        const std::vector<std::string>& reads,
                                        const std::vector<std::string>& writes,
                                        uint64_t min_bytes);

// Cuts the slot at `keys` (ascending, strictly inside, else kInvalidArgument).
// Slices are cut too; a side of a slice that lies outside its table is dropped.
// The pieces inherit K, heat and the time of the last compaction.
absl::StatusOr<SlotReplacement> SplitSlot(const Slot& slot,
                                          absl::Span<const std::string> keys,
                                          uint64_t* next_slot_id);

// Makes fixed guards at `keys` (any order; the empty key is always one): slots
// that hold one inside are split, guards that are there become fixed. One
// replacement per slot that changes; none if all is as asked.
std::vector<SlotReplacement> AddGuards(const Version& version,
                                       absl::Span<const std::string> keys,
                                       uint64_t* next_slot_id);

// Joins slots [first, first + count), count >= 2. Runs are laid over each other
// so that the run order stays an order by sequence number; where the ages of
// two slots' runs interleave, a join would need more runs than either slot has,
// or none is possible without copying. kFailedPrecondition, saying why, if a
// guard between them is fixed, the joined slot would exceed its max_runs (the
// lowest of the slots'), the runs interleave, or L0 has data there that is
// older than some run (adopt it first). The joined slot takes the highest heat
// and the earliest last compaction.
absl::StatusOr<SlotReplacement> JoinSlots(const Version& version, size_t first,
                                          size_t count, uint64_t* next_slot_id);

struct JoinLimits {
  uint64_t max_bytes = 0;  // of the joined slot
  double max_heat = 0;     // of each
  size_t min_slots = 1;    // no join at or below this many slots
  // Slots that somebody works on; may be empty.
  std::function<bool(uint64_t slot_id)> is_busy;
};
// Index of the first of two neighbours that JoinSlots can join within the
// limits: the smallest such pair. Absent if there is none.
std::optional<size_t> ChooseJoin(const Version& version,
                                 const JoinLimits& limits);

}  // namespace nori

#endif  // NORI_ENGINE_SLOTS_GUARDS_H_
