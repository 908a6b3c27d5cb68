#include "engine/io/clock.h"

#include <bit>
#include <cassert>
#include <chrono>

#include "absl/time/clock.h"

namespace nori {
namespace {

class OsClock final : public Clock {
 public:
  uint64_t NowMicros() override {
    return Micros(std::chrono::steady_clock::now().time_since_epoch());
  }
  uint64_t WallMicros() override {
    return Micros(std::chrono::system_clock::now().time_since_epoch());
  }
  void Sleep(absl::Duration d) override { absl::SleepFor(d); }

 private:
  template <typename D>
  static uint64_t Micros(D d) {
    return static_cast<uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(d).count());
  }
};

// SplitMix64 (Steele, Lea and Flood, 2014), which the authors of xoshiro
// recommend for filling its state: similar seeds give unrelated states, and
// never the all-zero one.
uint64_t SplitMix(uint64_t* state) {
  uint64_t z = (*state += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

}  // namespace

Clock* SystemClock() {
  static auto* const clock = new OsClock;
  return clock;
}

Random::Random(uint64_t seed) {
  for (uint64_t& s : s_) s = SplitMix(&seed);
}

uint64_t Random::Next() {
  const uint64_t result = std::rotl(s_[1] * 5, 7) * 9;
  const uint64_t t = s_[1] << 17;
  s_[2] ^= s_[0];
  s_[3] ^= s_[1];
  s_[1] ^= s_[2];
  s_[0] ^= s_[3];
  s_[2] ^= t;
  s_[3] = std::rotl(s_[3], 45);
  return result;
}

uint64_t Random::Uniform(uint64_t n) {
  assert(n > 0);
  // Lemire, "Fast random integer generation in an interval" (2019): the high
  // half of a product, rejecting the few low halves that would bias it.
  auto product = static_cast<unsigned __int128>(Next()) * n;
  if (static_cast<uint64_t>(product) < n) {
    const uint64_t threshold = -n % n;
    while (static_cast<uint64_t>(product) < threshold) {
      product = static_cast<unsigned __int128>(Next()) * n;
    }
  }
  return static_cast<uint64_t>(product >> 64);
}

double Random::NextDouble() {
  return static_cast<double>(Next() >> 11) * 0x1.0p-53;
}

}  // namespace nori
