// Time, bytes and files, as the operating system counts them.

#ifndef NORI_BENCH_MEASURE_H_
#define NORI_BENCH_MEASURE_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace nori::bench {

class Timer {
 public:
  double Seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() -
                                         start_)
        .count();
  }

 private:
  const std::chrono::steady_clock::time_point start_ =
      std::chrono::steady_clock::now();
};

// A benchmark has nobody to recover for: says why and exits with status 1.
[[noreturn]] void Fail(std::string_view message);

// What this process wrote (/proc/self/io): `device`, bytes it caused to be sent
// to the device (write_bytes: a page that is written again after it went out
// counts again); `calls`, bytes handed to write calls (wchar).
struct BytesWritten {
  uint64_t device = 0;
  uint64_t calls = 0;
};
BytesWritten ReadBytesWritten();

// Bytes of the files below `directory`; a file that vanishes meanwhile counts
// nothing. `logs`: the part of `total` in write-ahead logs, live or spare, by
// the ends of names: .log, .spare, -wal.
struct Space {
  uint64_t total = 0;
  uint64_t logs = 0;
};
Space MeasureSpace(const std::string& directory);

// Empties and creates `directory`.
void FreshDirectory(const std::string& directory);

// Waits until neither the bytes written by this process nor the space below
// `directory` have changed for half a second.
void WaitUntilStill(const std::string& directory);

}  // namespace nori::bench

#endif  // NORI_BENCH_MEASURE_H_
