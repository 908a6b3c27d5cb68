// A clock that stands still until told otherwise.

#ifndef NORI_ENGINE_IO_FAKE_CLOCK_H_
#define NORI_ENGINE_IO_FAKE_CLOCK_H_

#include <atomic>
#include <cstdint>

#include "absl/time/time.h"
#include "engine/io/clock.h"

namespace nori {

// Time passes only through Advance, Sleep and SetWallMicros. Thread-safe.
class FakeClock final : public Clock {
 public:
  // Starts at `now_micros` on the monotonic clock and at `wall_micros` on the
  // wall clock.
  explicit FakeClock(uint64_t now_micros = 1'000'000,
                     uint64_t wall_micros = 1'700'000'000'000'000)
      : now_(now_micros), wall_(wall_micros) {}

  uint64_t NowMicros() override { return now_.load(); }
  uint64_t WallMicros() override { return wall_.load(); }

  // Advances by `d` and returns at once; a negative duration does nothing.
  void Sleep(absl::Duration d) override { Advance(d); }

  // Moves both clocks forward; a negative duration does nothing.
  void Advance(absl::Duration d) {
    const int64_t micros = absl::ToInt64Microseconds(d);
    if (micros <= 0) return;
    now_ += static_cast<uint64_t>(micros);
    wall_ += static_cast<uint64_t>(micros);
  }

  // Lets the wall clock jump, in either direction.
  void SetWallMicros(uint64_t micros) { wall_ = micros; }

 private:
  std::atomic<uint64_t> now_;
  std::atomic<uint64_t> wall_;
};

}  // namespace nori

#endif  // NORI_ENGINE_IO_FAKE_CLOCK_H_
