// Helpers shared by the tests of the whole engine.

#ifndef NORI_TESTS_ENGINE_CORE_ENGINE_FIXTURE_H_
#define NORI_TESTS_ENGINE_CORE_ENGINE_FIXTURE_H_

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <utility>

#include "engine/engine.h"
#include "engine/io/clock.h"
#include "gtest/gtest.h"

namespace nori {

#define NORI_ASSERT_OK(expr)                                \
  do {                                                      \
    const absl::Status nori_test_status = (expr);           \
    ASSERT_TRUE(nori_test_status.ok()) << nori_test_status; \
  } while (false)

#define NORI_EXPECT_OK(expr)                                \
  do {                                                      \
    const absl::Status nori_test_status = (expr);           \
    EXPECT_TRUE(nori_test_status.ok()) << nori_test_status; \
  } while (false)

inline uint64_t EnvOr(const char* name, uint64_t fallback) {
  const char* text = std::getenv(name);
  return text == nullptr ? fallback : std::strtoull(text, nullptr, 10);
}

// The seed of a randomized test: NORI_TEST_SEED, or `fallback`; printed.
inline uint64_t TestSeed(uint64_t fallback) {
  const uint64_t seed = EnvOr("NORI_TEST_SEED", fallback);
  std::cout << "NORI_TEST_SEED=" << seed << std::endl;
  return seed;
}

// Sizes so small that a few thousand operations see every kind of background
// work.
inline Options TinyOptions(FileSystem* fs, Clock* clock = SystemClock()) {
  Options options;
  options.file_system = fs;
  options.clock = clock;
  options.memtable_bytes = 64 << 10;
  options.block_bytes = 1024;
  options.table_bytes = 64 << 10;
  options.slot_bytes = 256 << 10;
  options.block_cache_bytes = 1 << 20;
  options.transaction_spill_bytes = 64 << 10;
  options.dead_run_keys = 2;
  return options;
}

// The value of `key`, "<none>" if it is not live, "<error ...>" on an error.
inline std::string GetOr(Engine* engine, std::string_view key,
                         SnapshotRef snapshot = nullptr) {
  PinnedValue value;
  ReadOptions options;
  options.snapshot = std::move(snapshot);
  const absl::StatusOr<bool> found = engine->Get(options, key, &value);
  if (!found.ok()) return "<error " + found.status().ToString() + ">";
  return *found ? std::string(value.view()) : "<none>";
}

// All live entries, forward.
template <typename Map>
void ExpectSame(Iterator* it, const Map& expected) {
  it->SeekToFirst();
  for (const auto& [key, value] : expected) {
    ASSERT_TRUE(it->Valid()) << "missing " << key << " " << it->status();
    ASSERT_EQ(it->key(), key);
    ASSERT_EQ(it->value(), value);
    it->Next();
  }
  ASSERT_FALSE(it->Valid()) << "extra " << it->key();
  ASSERT_TRUE(it->status().ok()) << it->status();
}

}  // namespace nori

#endif  // NORI_TESTS_ENGINE_CORE_ENGINE_FIXTURE_H_
