// One atomic change of the engine's persistent state, as logged in the
// manifest and applied to a version.

#ifndef NORI_ENGINE_MANIFEST_VERSION_EDIT_H_
#define NORI_ENGINE_MANIFEST_VERSION_EDIT_H_

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/slots/version.h"

namespace nori {

struct SliceRecord {
  uint64_t table = 0;
  KeyRange range;
};
struct RunRecord {
  std::vector<SliceRecord> slices;
};
struct SlotRecord {
  uint64_t id = 0;
  KeyRange range;
  std::vector<RunRecord> runs;
  int max_runs = 4;
  double heat = 0;
  uint64_t last_compaction_micros = 0;
};

// Takes [range) out of every L0 table whose largest_sequence is at most
// `through_sequence`: oldest first by construction.
struct L0Adoption {
  KeyRange range;
  SequenceNumber through_sequence = 0;
};

// Replaces the slots that exactly tile `range` by `slots`, which tile it too.
struct SlotReplacement {
  KeyRange range;
  std::vector<SlotRecord> slots;
};

struct VersionEdit {
  // Scalars; absent means unchanged.
  std::optional<std::string> identity;            // 16 random bytes
  std::optional<uint64_t> next_file_number;
  std::optional<uint64_t> next_slot_id;
  std::optional<SequenceNumber> last_sequence;    // highest flushed
  std::optional<uint64_t> log_number;             // oldest segment still needed
  std::optional<uint64_t> decided_mixed;          // highest mixed transaction flushed
  std::optional<std::map<std::string, std::string>> options;  // persisted, whole

  // Structure, applied in this order.
  std::vector<TableMeta> new_tables;
  std::vector<L0Adoption> adoptions;
  std::vector<SlotReplacement> replacements;
  std::vector<uint64_t> l0_added;                 // become newest, in this order

  void EncodeTo(std::string* dst) const;
  // kDataLoss if malformed in any way.
  static absl::StatusOr<VersionEdit> Decode(std::string_view src);
};

// Opens a table for its meta; called once per new table.
using TableOpener =
    std::function<absl::StatusOr<TableRef>(const TableMeta& meta)>;

// Applies the structural part of `edit` to `base`. A table in no slice of the
// result is simply gone from it. kInternal (a bug, nothing changed) if the edit
// does not fit the base: a replaced range that no slots tile, an unknown table.
absl::StatusOr<VersionRef> ApplyEdit(const Version& base,
                                     const VersionEdit& edit,
                                     const TableOpener& open_table);

// The record form of a slot in a version, to put into a replacement.
SlotRecord ToRecord(const Slot& slot);

}  // namespace nori

#endif  // NORI_ENGINE_MANIFEST_VERSION_EDIT_H_
