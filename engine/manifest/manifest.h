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

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/io/file_system.h"
#include "engine/manifest/version_edit.h"

namespace nori {

// Everything that the manifest knows.
struct ManifestState {
  std::string identity;  // 16 bytes
  uint64_t next_file_number = 1;
  uint64_t next_slot_id = 1;
  SequenceNumber last_sequence = 0;
  uint64_t log_number = 0;
  uint64_t decided_mixed = 0;
  std::map<std::string, std::string> options;
  VersionRef version;
};

// On-disk format version of manifest, tables and log together; written in
// every manifest header. A newer one is refused.
inline constexpr uint32_t kFormatVersion = 1;

// File names inside an engine directory.
std::string ManifestFileName(uint64_t number);   // "MANIFEST-000001"
std::string TableFileName(uint64_t number);      // "000001.sst"
inline constexpr char kCurrentFileName[] = "CURRENT";
inline constexpr char kLockFileName[] = "LOCK";

// What a file in the engine directory is, by its name alone.
enum class FileType { kCurrent, kLock, kManifest, kTable, kLogSegment, kTemporary, kUnknown };
FileType ParseFileName(std::string_view name, uint64_t* number);

// Not thread-safe: the engine serialises.
class Manifest {
 public:
  // Starts a manifest in an empty directory: one slot, no tables.
  static absl::StatusOr<std::unique_ptr<Manifest>> Create(
      FileSystem* fs, const std::string& directory, ManifestState initial);

  // Reads CURRENT and replays the manifest. A torn last record (one never
  // acknowledged: it was not synced) is dropped; any other damage is kDataLoss
  // with file and offset. kNotFound if there is no CURRENT. Tables are opened
  // through `open_table`, only those that the final version refers to.
  static absl::StatusOr<std::unique_ptr<Manifest>> Recover(
      FileSystem* fs, const std::string& directory,
      const TableOpener& open_table);

  virtual ~Manifest() = default;

  // Applies `edit` to state() and makes it durable: on success the edit is on
  // disk, synced. On failure state() is unchanged and the manifest is switched
  // to a new file at the next call, since the tail of the old one is unknown.
  // Switches to a new file by itself when the log of edits outgrows the state.
  virtual absl::Status Log(VersionEdit edit, const TableOpener& open_table) = 0;

  virtual const ManifestState& state() const = 0;
  // Number of the manifest file that CURRENT names.
  virtual uint64_t file_number() const = 0;
  virtual uint64_t bytes_written() const = 0;
};

}  // namespace nori

#endif  // NORI_ENGINE_MANIFEST_MANIFEST_H_
