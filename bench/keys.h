// Keys, values and access patterns, the same for every store of a run.

#ifndef NORI_BENCH_KEYS_H_
#define NORI_BENCH_KEYS_H_

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace nori::bench {

inline constexpr size_t kKeyBytes = 16;
inline constexpr size_t kValueBytes = 100;

// xoshiro256** (Blackman and Vigna, 2018), seeded by splitmix64.
class Rng {
 public:
  explicit Rng(uint64_t seed);
  uint64_t Next();
  uint64_t Below(uint64_t n) {  // n > 0; Lemire's multiplication
    return static_cast<uint64_t>((static_cast<unsigned __int128>(Next()) * n) >>
                                 64);
  }
  double Unit() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }

 private:
  uint64_t s_[4];
};

// The key of a row: the number as 8 bytes, big-endian, then 8 zero digits, as
// db_bench makes them. Stored rows have even numbers, so that absent keys
// (odd) fall between stored ones.
class Key {
 public:
  explicit Key(uint32_t row, bool absent = false) {
    const uint64_t number =
        __builtin_bswap64(uint64_t{row} * 2 + (absent ? 1 : 0));
    std::memcpy(bytes_, &number, 8);
    std::memset(bytes_ + 8, '0', 8);
  }
  std::string_view view() const { return {bytes_, kKeyBytes}; }

 private:
  char bytes_[kKeyBytes];
};

// Values of which LZ4 saves about half: 50 random bytes, twice.
class Values {
 public:
  explicit Values(uint64_t seed);
  std::string_view At(uint64_t i) const {
    return {pool_.data() + (i % kCount) * kValueBytes, kValueBytes};
  }

 private:
  static constexpr uint64_t kCount = 10007;  // 1 MB: beyond any window
  std::string pool_;
};

using Rows = std::vector<uint32_t>;

Rows Sequential(uint32_t rows);
Rows Shuffled(uint32_t rows, uint64_t seed);
Rows Uniform(uint32_t rows, size_t count, uint64_t seed);
// Ranks by the Zipf distribution with theta 0.99 (Gray et al., SIGMOD 1994),
// spread over the rows by one fixed permutation of `seed`.
Rows Zipf(uint32_t rows, size_t count, uint64_t seed);

}  // namespace nori::bench

#endif  // NORI_BENCH_KEYS_H_
