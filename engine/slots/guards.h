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

// Keys, ascending and strictly inside the slot, that cut it into pieces of
// about equal size, as many (at most max_pieces) as bring each to target_bytes
// or below. Keys come from the tables' indexes, each table sampled in
// proportion to the bytes that its slices have here. Empty if the slot is
// within its target or no key is known that would cut it.
std::vector<std::string> ChooseSplitKeys(const Slot& slot,
                                         uint64_t target_bytes,
                                         size_t max_pieces = 16);

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
