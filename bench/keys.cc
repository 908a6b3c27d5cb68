#include "bench/keys.h"

#include <cmath>
#include <numeric>
#include <utility>

namespace nori::bench {

Rng::Rng(uint64_t seed) {
  for (uint64_t& s : s_) {
    seed += 0x9e3779b97f4a7c15;
    uint64_t z = seed;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    s = z ^ (z >> 31);
  }
}

uint64_t Rng::Next() {
  const auto rotate = [](uint64_t x, int k) {
    return (x << k) | (x >> (64 - k));
  };
  const uint64_t result = rotate(s_[1] * 5, 7) * 9;
  const uint64_t t = s_[1] << 17;
  s_[2] ^= s_[0];
  s_[3] ^= s_[1];
  s_[1] ^= s_[2];
  s_[0] ^= s_[3];
  s_[2] ^= t;
  s_[3] = rotate(s_[3], 45);
  return result;
}

Values::Values(uint64_t seed) {
  Rng rng(seed);
  pool_.reserve(kCount * kValueBytes);
  std::string half(kValueBytes / 2, '\0');
  for (uint64_t i = 0; i < kCount; ++i) {
    for (char& c : half) c = static_cast<char>(rng.Next());
    pool_ += half;
    pool_ += half;
  }
}

Rows Sequential(uint32_t rows) {
  Rows result(rows);
  std::iota(result.begin(), result.end(), 0U);
  return result;
}

Rows Shuffled(uint32_t rows, uint64_t seed) {
  Rows result = Sequential(rows);
  Rng rng(seed);
  for (size_t i = result.size(); i > 1; --i) {
    std::swap(result[i - 1], result[rng.Below(i)]);
  }
  return result;
}

Rows Uniform(uint32_t rows, size_t count, uint64_t seed) {
  Rows result(count);
  Rng rng(seed);
  for (uint32_t& row : result) row = static_cast<uint32_t>(rng.Below(rows));
  return result;
}

Rows Zipf(uint32_t rows, size_t count, uint64_t seed) {
  constexpr double kTheta = 0.99;
  double zeta = 0;
  for (uint32_t i = 1; i <= rows; ++i) zeta += std::pow(i, -kTheta);
  const double zeta2 = 1 + std::pow(2.0, -kTheta);
  const double alpha = 1 / (1 - kTheta);
  const double eta =
      (1 - std::pow(2.0 / rows, 1 - kTheta)) / (1 - zeta2 / zeta);
  // The same rows are hot in every phase of a run, whatever the phase's seed.
  const Rows order = Shuffled(rows, 0x7a697066);
  Rows result(count);
  Rng rng(seed);
  for (uint32_t& row : result) {
    const double u = rng.Unit();
    double rank = rows * std::pow(eta * u - eta + 1, alpha);
    if (u * zeta < 1)
      rank = 0;
    else if (u * zeta < zeta2)
      rank = 1;
    row = order[std::min<size_t>(static_cast<size_t>(rank), rows - 1)];
  }
  return result;
}

}  // namespace nori::bench
