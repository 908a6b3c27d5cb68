// SQL over a damaged engine directory. Byte 0: bit 0 makes the checksums right
// after the damage. Then changes of 5 bytes: file (of those in the directory,
// in the order of their names), kind, offset (2 bytes), value. Kinds: 0 change
// by XOR, 1 cut, 2 put a byte in, 3 take a byte out.

#include <algorithm>
#include <filesystem>

#include "engine/manifest/manifest.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/hostile_database.h"

using namespace nori;  // NOLINT(google-build-using-namespace)

namespace {

constexpr size_t kChangeBytes = 5;
constexpr size_t kMaxChanges = 16;

void Damage(const uint8_t* change, std::string* bytes) {
  if (bytes->empty()) return;
  const size_t at = (change[2] | change[3] << 8) % bytes->size();
  const auto value = static_cast<char>(change[4]);
  switch (change[1] % 4) {
    case 0:
      (*bytes)[at] = static_cast<char>((*bytes)[at] ^ value);
      break;
    case 1:
      bytes->resize(at);
      break;
    case 2:
      bytes->insert(at, 1, value);
      break;
    default:
      bytes->erase(at, 1);
  }
}

void Seal(const std::string& path, std::string* bytes) {
  uint64_t number = 0;
  switch (
      ParseFileName(std::filesystem::path(path).filename().string(), &number)) {
    case FileType::kLogSegment:
      return SealLog(number, bytes);
    case FileType::kManifest:
      return SealManifest(number, bytes);
    case FileType::kTable:
      return SealTable(bytes);
    default:
      return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1 + kChangeBytes) return 0;
  const HostileDatabase database;
  std::vector<std::string> paths;
  for (const auto& entry :
       std::filesystem::directory_iterator(database.engine())) {
    paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  const size_t changes = std::min((size - 1) / kChangeBytes, kMaxChanges);
  for (size_t i = 0; i < changes; ++i) {
    const uint8_t* const change = data + 1 + i * kChangeBytes;
    const std::string& path = paths[change[0] % paths.size()];
    std::string bytes = ReadBytes(path);
    Damage(change, &bytes);
    if ((data[0] & 1) != 0) Seal(path, &bytes);
    WriteBytes(path, bytes);
  }
  database.UseAll();
  return 0;
}
