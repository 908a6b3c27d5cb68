// Time and randomness, injected so that tests can replay.

#ifndef NORI_ENGINE_IO_CLOCK_H_
#define NORI_ENGINE_IO_CLOCK_H_

#include <cstdint>

#include "absl/time/time.h"

namespace nori {

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  // Monotonic time since an arbitrary start, in microseconds.
  virtual uint64_t NowMicros() = 0;
  // Wall-clock time in microseconds since 1970-01-01 UTC; may jump.
  virtual uint64_t WallMicros() = 0;
  // Blocks the caller. A fake clock advances itself instead of blocking.
  virtual void Sleep(absl::Duration d) = 0;
};

// The operating system's clock; never destroyed.
Clock* SystemClock();

// xoshiro256** (Blackman and Vigna, 2018). Not thread-safe.
class Random {
 public:
  explicit Random(uint64_t seed);
  uint64_t Next();
  // Uniform in [0, n). REQUIRES: n > 0.
  uint64_t Uniform(uint64_t n);
  // Uniform in [0, 1).
  double NextDouble();
  bool OneIn(uint64_t n) { return Uniform(n) == 0; }

 private:
  uint64_t s_[4];
};

}  // namespace nori

#endif  // NORI_ENGINE_IO_CLOCK_H_
