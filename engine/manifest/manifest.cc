#include "engine/manifest/manifest.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "engine/format/checksum.h"
#include "engine/format/status_macros.h"
#include "engine/manifest/edit_log.h"
#include "engine/manifest/replay.h"

namespace nori {
namespace {

// A file is switched when the edits after its first record take more than this,
// and more than the first record.
constexpr uint64_t kMinSwitchBytes = 64 << 10;

constexpr char kCurrentMagic[] = "nori";
constexpr char kCurrentTemporaryName[] = "CURRENT.tmp";
// A reader that finds its manifest gone looks again so many times: the owner
// must have switched as often meanwhile.
constexpr int kMaxLookups = 100;

std::string CurrentChecksum(const std::string& text) {
  return absl::StrFormat("%016x\n", Checksum(text));
}

// "nori <format version> <manifest name> <checksum of all before>\n"
std::string CurrentContents(uint64_t number) {
  std::string text = absl::StrCat(kCurrentMagic, " ", kFormatVersion, " ",
                                  ManifestFileName(number), " ");
  return text + CurrentChecksum(text);
}

absl::StatusOr<uint64_t> ParseCurrent(const std::string& contents,
                                      const std::string& path) {
  const std::vector<std::string> words = absl::StrSplit(contents, ' ');
  uint64_t number;
  uint32_t version;
  if (words.size() != 4 || words[0] != kCurrentMagic ||
      !absl::SimpleAtoi(words[1], &version) ||
      words[3] != CurrentChecksum(
                      contents.substr(0, contents.size() - words[3].size()))) {
    return absl::DataLossError(
        absl::StrCat(path, ": does not name a manifest, at offset 0"));
  }
  if (version > kFormatVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": written in format version ", version,
                     ", this program reads up to ", kFormatVersion,
                     ": open it with a newer program"));
  }
  if (ParseFileName(words[2], &number) != FileType::kManifest) {
    return absl::DataLossError(
        absl::StrCat(path, ": does not name a manifest, at offset 0"));
  }
  return number;
}

struct LoadedFile {
  uint64_t number = 0;
  std::string path;
  std::string contents;
};

absl::StatusOr<LoadedFile> LoadCurrentManifest(FileSystem* fs,
                                               const std::string& directory) {
  const std::string current_path = JoinPath(directory, kCurrentFileName);
  std::string previous;
  for (int i = 0; i < kMaxLookups; ++i) {
    NORI_ASSIGN_OR_RETURN(std::string current, fs->ReadFile(current_path));
    LoadedFile file;
    NORI_ASSIGN_OR_RETURN(file.number, ParseCurrent(current, current_path));
    file.path = JoinPath(directory, ManifestFileName(file.number));
    absl::StatusOr<std::string> contents = fs->ReadFile(file.path);
    if (contents.ok()) {
      file.contents = *std::move(contents);
      return file;
    }
    if (!absl::IsNotFound(contents.status())) return contents.status();
    if (current == previous) {
      return absl::DataLossError(absl::StrCat(
          file.path, ": the manifest that CURRENT names is missing"));
    }
    previous = std::move(current);
  }
  return absl::UnavailableError(
      absl::StrCat(current_path, ": changes faster than it can be followed"));
}

// Replays edits without opening tables; gives the bytes that were dropped.
absl::StatusOr<uint64_t> Replay(const LoadedFile& file, ManifestState* state) {
  state->version = EmptyVersion(0);
  const auto damage = [&](const absl::Status& status, uint64_t offset) {
    return absl::DataLossError(absl::StrCat(file.path, ": ", status.message(),
                                            ", record at offset ", offset));
  };
  uint64_t last_offset = 0;
  NORI_ASSIGN_OR_RETURN(
      const uint64_t dropped,
      ReadEditLog(file.contents, file.number, file.path,
                  [&](std::string_view payload, uint64_t offset) {
                    last_offset = offset;
                    auto edit = VersionEdit::Decode(payload);
                    if (!edit.ok()) return damage(edit.status(), offset);
                    auto version = ApplyEditUnchecked(*state->version, *edit,
                                                      DescribeTable);
                    if (!version.ok()) return damage(version.status(), offset);
                    ApplyScalars(*edit, state);
                    state->version = *std::move(version);
                    return absl::OkStatus();
                  }));
  if (absl::Status s = state->version->Check(); !s.ok()) {
    return damage(s, last_offset);
  }
  return dropped;
}

class ManifestImpl final : public Manifest {
 public:
  // Without a file: the first Log starts one. `number` is that of the file
  // that CURRENT names, 0 if there is none.
  ManifestImpl(FileSystem* fs, std::string directory, ManifestState state,
               uint64_t number, uint64_t dropped_bytes)
      : fs_(fs),
        directory_(std::move(directory)),
        state_(std::move(state)),
        number_(number),
        last_number_(number),
        dropped_bytes_(dropped_bytes) {}

  absl::Status Log(VersionEdit edit, const TableOpener& open_table) override {
    NORI_ASSIGN_OR_RETURN(VersionRef version,
                          ApplyEdit(*state_.version, edit, open_table));
    ManifestState next = state_;
    next.version = std::move(version);
    ApplyScalars(edit, &next);
    if (file_ == nullptr || IsSwitchDue()) {
      NORI_RETURN_IF_ERROR(Switch(next));
    } else {
      std::string payload;
      edit.EncodeTo(&payload);
      const absl::Status status = Append(payload, file_.get(), number_);
      if (!status.ok()) {
        file_.reset();  // its tail is unknown
        return status;
      }
    }
    state_ = std::move(next);
    return absl::OkStatus();
  }

  // Writes `state` to a new file and makes CURRENT name it. Until that is done
  // the old file is not written any more, nor removed.
  absl::Status Switch(const ManifestState& state) {
    file_.reset();
    // A number is not tried twice: CURRENT may name the file already.
    const uint64_t number = ++last_number_;
    const std::string path = JoinPath(directory_, ManifestFileName(number));
    NORI_ASSIGN_OR_RETURN(std::unique_ptr<WritableFile> file,
                          fs_->CreateWritable(path));
    if (absl::Status s = WriteFirst(state, number, file.get()); !s.ok()) {
      file.reset();
      fs_->RemoveFile(path).IgnoreError();  // else it is an orphan
      return s;
    }
    NORI_RETURN_IF_ERROR(WriteCurrent(number));
    const uint64_t old_number = std::exchange(number_, number);
    first_bytes_ = file->Size();
    file_ = std::move(file);
    RemoveOld(old_number);
    return absl::OkStatus();
  }

  const ManifestState& state() const override { return state_; }
  uint64_t file_number() const override { return number_; }
  uint64_t dropped_bytes() const override { return dropped_bytes_; }
  uint64_t bytes_written() const override { return bytes_written_; }

 private:
  bool IsSwitchDue() const {
    return file_->Size() - first_bytes_ >
           std::max(kMinSwitchBytes, first_bytes_);
  }

  absl::Status Append(std::string_view payload, WritableFile* file,
                      uint64_t number) {
    if (payload.size() > std::numeric_limits<uint32_t>::max()) {
      return absl::InternalError("manifest: edit of more than 4 GiB");
    }
    std::string record;
    AppendEditRecord(number, file->Size(), payload, &record);
    bytes_written_ += record.size();
    NORI_RETURN_IF_ERROR(file->Append(record));
    return file->Sync();
  }

  absl::Status WriteFirst(const ManifestState& state, uint64_t number,
                          WritableFile* file) {
    std::string payload;
    DescribeState(state).EncodeTo(&payload);
    const std::string header = EditLogHeader(number);
    bytes_written_ += header.size();
    NORI_RETURN_IF_ERROR(file->Append(header));
    NORI_RETURN_IF_ERROR(Append(payload, file, number));
    return fs_->SyncDirectory(directory_);
  }

  absl::Status WriteCurrent(uint64_t number) {
    const std::string temporary = JoinPath(directory_, kCurrentTemporaryName);
    NORI_ASSIGN_OR_RETURN(std::unique_ptr<WritableFile> file,
                          fs_->CreateWritable(temporary));
    NORI_RETURN_IF_ERROR(file->Append(CurrentContents(number)));
    NORI_RETURN_IF_ERROR(file->Sync());
    NORI_RETURN_IF_ERROR(file->Close());
    NORI_RETURN_IF_ERROR(
        fs_->RenameFile(temporary, JoinPath(directory_, kCurrentFileName)));
    return fs_->SyncDirectory(directory_);
  }

  // Also removes what failed switches left between the two.
  void RemoveOld(uint64_t old_number) {
    for (uint64_t n = std::max<uint64_t>(1, old_number); n < number_; ++n) {
      // What cannot be removed is an orphan: found at the next open.
      fs_->RemoveFile(JoinPath(directory_, ManifestFileName(n))).IgnoreError();
    }
  }

  FileSystem* const fs_;
  const std::string directory_;
  ManifestState state_;
  uint64_t number_;
  uint64_t last_number_;  // highest that was tried
  const uint64_t dropped_bytes_;
  std::unique_ptr<WritableFile> file_;
  uint64_t first_bytes_ = 0;  // header and first record of file_
  uint64_t bytes_written_ = 0;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Manifest>> Manifest::Create(
    FileSystem* fs, const std::string& directory, ManifestState initial) {
  const std::string current = JoinPath(directory, kCurrentFileName);
  if (fs->Exists(current)) {
    return absl::FailedPreconditionError(
        absl::StrCat(current, ": there is a manifest already"));
  }
  if (initial.identity.size() != 16) {
    return absl::InvalidArgumentError("manifest: identity is not 16 bytes");
  }
  if (initial.version == nullptr) {
    initial.version = EmptyVersion(initial.next_slot_id++);
  }
  NORI_RETURN_IF_ERROR(initial.version->Check());
  ApplyScalars(DescribeState(initial), &initial);
  auto manifest =
      std::make_unique<ManifestImpl>(fs, directory, std::move(initial), 0, 0);
  NORI_RETURN_IF_ERROR(manifest->Switch(manifest->state()));
  return manifest;
}

absl::StatusOr<std::unique_ptr<Manifest>> Manifest::Recover(
    FileSystem* fs, const std::string& directory,
    const TableOpener& open_table) {
  NORI_ASSIGN_OR_RETURN(const LoadedFile file,
                        LoadCurrentManifest(fs, directory));
  ManifestState state;
  NORI_ASSIGN_OR_RETURN(const uint64_t dropped, Replay(file, &state));
  NORI_ASSIGN_OR_RETURN(state.version, OpenTables(*state.version, open_table));
  return std::make_unique<ManifestImpl>(fs, directory, std::move(state),
                                        file.number, dropped);
}

namespace {

absl::StatusOr<ManifestState> ReadState(FileSystem* fs,
                                        const std::string& directory) {
  NORI_ASSIGN_OR_RETURN(const LoadedFile file,
                        LoadCurrentManifest(fs, directory));
  ManifestState state;
  NORI_RETURN_IF_ERROR(Replay(file, &state).status());
  return state;
}

}  // namespace

absl::StatusOr<std::string> Manifest::ReadIdentity(
    FileSystem* fs, const std::string& directory) {
  NORI_ASSIGN_OR_RETURN(ManifestState state, ReadState(fs, directory));
  return std::move(state.identity);
}

absl::StatusOr<std::map<std::string, std::string>> Manifest::ReadOptions(
    FileSystem* fs, const std::string& directory) {
  NORI_ASSIGN_OR_RETURN(ManifestState state, ReadState(fs, directory));
  return std::move(state.options);
}

}  // namespace nori
