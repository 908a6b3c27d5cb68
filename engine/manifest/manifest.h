// The manifest: a checksummed log of version edits, named by the file CURRENT.
//
// A new manifest file starts with one edit that describes the whole state. It
// is written, synced, its directory synced, and only then CURRENT is replaced
// (temporary file, sync, rename, directory sync).

#ifndef NORI_ENGINE_MANIFEST_MANIFEST_H_
#define NORI_ENGINE_MANIFEST_MANIFEST_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/io/file_system.h"
#include "engine/manifest/version_edit.h"

namespace nori {

// Ascending by name. Shared: copies of the state are many and changes few.
using SnapshotNames = std::vector<std::shared_ptr<const SnapshotName>>;

// Everything that the manifest knows.
struct ManifestState {
  std::string identity;  // 16 bytes
  uint64_t next_file_number = 1;
  uint64_t next_slot_id = 1;
  SequenceNumber last_sequence = 0;
  uint64_t log_number = 0;
  uint64_t decided_mixed = 0;
  std::map<std::string, std::string> options;
  std::shared_ptr<const SnapshotNames> snapshots =
      std::make_shared<const SnapshotNames>();  // never null
  VersionRef version;
};

// On-disk format version of manifest, tables and log together; written in
// every manifest header. A newer one is refused.
inline constexpr uint32_t kFormatVersion = 1;

// File names inside an engine directory.
std::string ManifestFileName(uint64_t number);  // "MANIFEST-000001"
std::string TableFileName(uint64_t number);     // "000001.sst"
inline constexpr char kCurrentFileName[] = "CURRENT";
inline constexpr char kLockFileName[] = "LOCK";

// What a file in the engine directory is, by its name alone.
enum class FileType {
  kCurrent,
  kLock,
  kManifest,
  kTable,
  kLogSegment,
  kTemporary,
  kUnknown
};
FileType ParseFileName(std::string_view name, uint64_t* number);

// Not thread-safe: the engine serialises.
class Manifest {
 public:
  // Starts a manifest in a directory that exists and has no CURRENT
  // (kFailedPrecondition if it has one). Without `initial.version`: one slot,
  // no tables. Durable on success.
  static absl::StatusOr<std::unique_ptr<Manifest>> Create(
      FileSystem* fs, const std::string& directory, ManifestState initial);

  // Reads CURRENT and replays the manifest; writes nothing, so that a second
  // process can do it while the owner works (a file that goes away because the
  // owner switched is looked up again in CURRENT). A torn last record (one
  // never acknowledged: it was not synced) is dropped; any other damage is
  // kDataLoss with file and offset. kNotFound if there is no CURRENT;
  // kFailedPrecondition if the files are of a newer format. Tables are opened
  // through `open_table`, only those that the final version refers to; its
  // errors are returned as they are. The first Log after it starts a new file.
  static absl::StatusOr<std::unique_ptr<Manifest>> Recover(
      FileSystem* fs, const std::string& directory,
      const TableOpener& open_table);

  // The identity and the options in the state that Recover would give; likewise
  // write nothing, and open no table.
  static absl::StatusOr<std::string> ReadIdentity(FileSystem* fs,
                                                  const std::string& directory);
  static absl::StatusOr<std::map<std::string, std::string>> ReadOptions(
      FileSystem* fs, const std::string& directory);

  virtual ~Manifest() = default;

  // Applies `edit` to state() and makes it durable: on success the edit is on
  // disk, synced. On failure state() is unchanged and, if the disk failed, the
  // manifest is switched to a new file at the next call, since the tail of the
  // old one is unknown. Until a later call succeeds a crash may then still
  // bring the failed edit back: the caller must keep the files that it names,
  // and those that it would have made obsolete. next_file_number and
  // next_slot_id are kept above every table and slot that an edit names.
  // Switches to a new file by itself when the log of edits outgrows the state.
  virtual absl::Status Log(VersionEdit edit, const TableOpener& open_table) = 0;

  // The state after the last successful Log. Valid until the next Log.
  virtual const ManifestState& state() const = 0;
  // Number of the manifest file that CURRENT names.
  virtual uint64_t file_number() const = 0;
  // Bytes at the end of that file which Recover took for a record that was
  // never acknowledged. 0 after Create.
  virtual uint64_t dropped_bytes() const = 0;
  // Bytes appended by this object, over all files.
  virtual uint64_t bytes_written() const = 0;
};

}  // namespace nori

#endif  // NORI_ENGINE_MANIFEST_MANIFEST_H_
