// Log segments. Byte 0: bit 0
// makes the checksums right, bit 1 cuts the rest into two segments.

#include "engine/io/memory_file_system.h"
#include "engine/wal/log.h"
#include "tests/fuzz/fuzz.h"

using namespace nori;  // NOLINT(google-build-using-namespace)

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const uint8_t flags = data[0];
  std::string first(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::string second;
  if ((flags & 2) != 0) {
    second = first.substr(first.size() / 2);
    first.resize(first.size() / 2);
  }
  if ((flags & 1) != 0) {
    SealLog(4, &first);
    SealLog(5, &second);
  }
  MemoryFileSystem files;
  PutFile(&files, "/000004.log", first);
  if ((flags & 2) != 0) PutFile(&files, "/000005.log", second);
  LogOptions options;
  options.file_system = &files;
  options.directory = "/";
  uint64_t visited = 0;
  const auto report =
      ReadLog(options, 4, [&visited](LogPosition, std::string_view payload) {
        Touch(payload);
        ++visited;
        return absl::OkStatus();
      });
  if (!report.ok()) {
    FuzzRequire(!report.status().message().empty(), "an error says what is");
    return 0;
  }
  FuzzRequire(report->records == visited, "all records were visited");
  FuzzRequire(report->next_segment >= 4, "the next segment is a new one");
  return 0;
}
