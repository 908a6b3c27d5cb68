// Applying edits: to a version, to the whole state, and many of them at
// recovery, where tables are opened only at the end.

#ifndef NORI_ENGINE_MANIFEST_REPLAY_H_
#define NORI_ENGINE_MANIFEST_REPLAY_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/manifest/manifest.h"
#include "engine/manifest/version_edit.h"

namespace nori {

// As ApplyEdit without Version::Check of the result.
absl::StatusOr<VersionRef> ApplyEditUnchecked(const Version& base,
                                              const VersionEdit& edit,
                                              const TableOpener& open_table);

// A TableOpener that opens nothing: the table has no reader.
absl::StatusOr<TableRef> DescribeTable(const TableMeta& meta);

// `version` with each of its tables opened by `open_table` and the estimates
// of all slices taken anew.
absl::StatusOr<VersionRef> OpenTables(const Version& version,
                                      const TableOpener& open_table);

// Applies everything but the structure: numbers only rise, and stay above every
// table and slot that the edit names.
void ApplyScalars(const VersionEdit& edit, ManifestState* state);

// The edit that turns an empty state (EmptyVersion) into `state`.
VersionEdit DescribeState(const ManifestState& state);

}  // namespace nori

#endif  // NORI_ENGINE_MANIFEST_REPLAY_H_
