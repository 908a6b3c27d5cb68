#include "bench/measure.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <thread>

namespace nori::bench {

namespace fs = std::filesystem;

void Fail(std::string_view message) {
  std::fprintf(stderr, "%.*s\n", static_cast<int>(message.size()),
               message.data());
  // Background threads of the stores may still run: no destructors.
  std::_Exit(1);
}

BytesWritten ReadBytesWritten() {
  BytesWritten result;
  std::ifstream in("/proc/self/io");
  std::string name;
  uint64_t value = 0;
  while (in >> name >> value) {
    if (name == "write_bytes:") result.device = value;
    if (name == "wchar:") result.calls = value;
  }
  return result;
}

Space MeasureSpace(const std::string& directory) {
  Space space;
  std::error_code error;
  for (fs::recursive_directory_iterator it(directory, error), end;
       !error && it != end; it.increment(error)) {
    std::error_code gone;
    if (!it->is_regular_file(gone)) continue;
    const uint64_t bytes = it->file_size(gone);
    if (gone) continue;
    space.total += bytes;
    const std::string name = it->path().filename();
    if (name.ends_with(".log") || name.ends_with(".spare") ||
        name.ends_with("-wal")) {
      space.logs += bytes;
    }
  }
  return space;
}

void FreshDirectory(const std::string& directory) {
  std::error_code error;
  fs::remove_all(directory, error);
  if (!error) fs::create_directories(directory, error);
  if (error) Fail("cannot create " + directory + ": " + error.message());
}

void WaitUntilStill(const std::string& directory) {
  constexpr int kStillSteps = 10;
  uint64_t last_bytes = 0, last_space = 0;
  for (int still = 0; still < kStillSteps; ++still) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    const uint64_t bytes = ReadBytesWritten().calls;
    const uint64_t space = MeasureSpace(directory).total;
    if (bytes != last_bytes || space != last_space) still = 0;
    last_bytes = bytes;
    last_space = space;
  }
}

}  // namespace nori::bench
