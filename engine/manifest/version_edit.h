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
#include "engine/slots/slot_record.h"
#include "engine/slots/version.h"

namespace nori {

// What an L0 table still answers for; only in the first record of a manifest,
// where the adoptions that made it so are no longer listed.
struct L0Record {
  uint64_t table = 0;
  std::vector<KeyRange> remaining;  // ascending, disjoint, never empty
  friend bool operator==(const L0Record&, const L0Record&) = default;
};

// Longest name of a snapshot.
inline constexpr size_t kMaxSnapshotNameBytes = 255;

// A name that keeps the state after one commit from being forgotten.
struct SnapshotName {
  std::string name;
  SequenceNumber sequence = 0;
  uint64_t wall_micros = 0;  // when it was taken
  friend bool operator==(const SnapshotName&, const SnapshotName&) = default;
};

struct VersionEdit {
  // Scalars; absent means unchanged. Numbers never go back: the higher of the
  // old and the new value holds, so that edits built at the same time may be
  // logged in any order.
  std::optional<std::string> identity;  // 16 random bytes
  std::optional<uint64_t> next_file_number;
  std::optional<uint64_t> next_slot_id;
  std::optional<SequenceNumber> last_sequence;  // highest flushed
  std::optional<uint64_t> log_number;           // oldest segment still needed
  std::optional<uint64_t> decided_mixed;  // highest mixed transaction flushed
  std::optional<std::map<std::string, std::string>>
      options;  // persisted, whole

  // Names, applied in this order. One that is there already is replaced, one
  // that is not there may be released.
  std::vector<std::string> snapshots_released;
  std::vector<SnapshotName> snapshots_taken;

  // Structure, applied in this order.
  std::vector<TableMeta> new_tables;
  std::vector<L0Adoption> adoptions;
  std::vector<SlotReplacement> replacements;
  std::vector<L0Record> l0_restored;  // newest first
  std::vector<uint64_t> l0_added;     // become newest, in this order:
                                      // the last one is the newest

  // Takes over the tables, adoptions and replacements of a slot's change.
  void Add(SlotChange change);

  // Appends the encoding to *dst. Deterministic.
  void EncodeTo(std::string* dst) const;
  // kDataLoss if malformed in any way.
  static absl::StatusOr<VersionEdit> Decode(std::string_view src);
};

// Opens a table for its meta; called once per new table.
using TableOpener =
    std::function<absl::StatusOr<TableRef>(const TableMeta& meta)>;

// Applies the structural part of `edit` to `base`. A table in no slice of the
// result is simply gone from it. Checks the result (Version::Check). kInternal
// (a bug, nothing changed) if the edit does not fit the base: a replaced range
// that no slots tile, an unknown table, a broken invariant. Errors of
// `open_table` are returned as they are.
absl::StatusOr<VersionRef> ApplyEdit(const Version& base,
                                     const VersionEdit& edit,
                                     const TableOpener& open_table);

}  // namespace nori

#endif  // NORI_ENGINE_MANIFEST_VERSION_EDIT_H_
