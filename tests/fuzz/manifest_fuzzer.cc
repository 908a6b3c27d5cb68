// A manifest and CURRENT. Byte 0: bit 0 makes the checksums right; bit 1 takes
// the rest for CURRENT, bit 2 for one version edit.

#include "engine/io/memory_file_system.h"
#include "engine/manifest/manifest.h"
#include "engine/manifest/version_edit.h"
#include "tests/fuzz/fuzz.h"

using namespace nori;  // NOLINT(google-build-using-namespace)

namespace {

void ReadEdit(std::string_view bytes) {
  const auto edit = VersionEdit::Decode(ExactBytes(bytes).view());
  if (!edit.ok()) return;
  std::string once;
  edit->EncodeTo(&once);
  const auto again = VersionEdit::Decode(once);
  FuzzRequire(again.ok(), "what was parsed can be written and parsed again");
  std::string twice;
  again->EncodeTo(&twice);
  FuzzRequire(once == twice, "an edit is written in one way");
}

// CURRENT as Manifest writes it.
std::string CurrentOf(FileSystem* files) {
  ManifestState state;
  state.identity = std::string(16, 'i');
  FuzzRequire(Manifest::Create(files, "/", state).ok(), "a manifest is made");
  return *files->ReadFile("/CURRENT");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const uint8_t flags = data[0];
  std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if ((flags & 4) != 0) {
    ReadEdit(bytes);
    return 0;
  }
  MemoryFileSystem files;
  static const std::string current = [] {
    MemoryFileSystem made;
    return CurrentOf(&made);
  }();
  if ((flags & 1) != 0) SealManifest(1, &bytes);
  PutFile(&files, "/CURRENT", (flags & 2) != 0 ? bytes : current);
  if ((flags & 2) == 0) PutFile(&files, "/MANIFEST-000001", bytes);
  const auto identity = Manifest::ReadIdentity(&files, "/");
  const auto manifest = Manifest::Recover(
      &files, "/", [](const TableMeta&) -> absl::StatusOr<TableRef> {
        return absl::NotFoundError("there are no tables");
      });
  FuzzRequire(identity.ok() || !manifest.ok(),
              "the identity is read where the manifest is");
  return 0;
}
