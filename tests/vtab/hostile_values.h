// Values at the edges of every rule, and random ones near them.

#ifndef NORI_TESTS_VTAB_HOSTILE_VALUES_H_
#define NORI_TESTS_VTAB_HOSTILE_VALUES_H_

#include <deque>
#include <random>
#include <string>
#include <vector>

#include "vtab/value.h"

namespace nori {

// Makes values and owns their bytes.
class HostileValues {
 public:
  explicit HostileValues(uint64_t seed) : random_(seed) {}

  // Fixed values: ends of ranges, special reals, odd texts and blobs.
  std::vector<Value> Fixed();
  // A random value of any kind.
  Value Next();
  int64_t NextInteger();
  double NextReal();
  // Text that looks like a number, or nearly.
  std::string NextNumberText();
  // Short text over an alphabet in which collations matter.
  std::string NextText();
  uint64_t NextBits() { return random_(); }
  bool OneIn(uint64_t n) { return random_() % n == 0; }

  // A copy of `bytes` that lives as long as this.
  std::string_view Keep(std::string bytes);

 private:
  std::mt19937_64 random_;
  std::deque<std::string> kept_;
};

// Seed of a randomized test: NORI_TEST_SEED from the environment if set, else
// `fallback`. Printed.
uint64_t TestSeed(uint64_t fallback = 20240607);

}  // namespace nori

#endif  // NORI_TESTS_VTAB_HOSTILE_VALUES_H_
