#include "engine/format/internal_key.h"

#include <algorithm>
#include <iostream>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "engine/format/checksum.h"
#include "gtest/gtest.h"

namespace nori {
namespace {

TEST(InternalKeyTest, TrailerPacksAndUnpacks) {
  for (SequenceNumber s : {SequenceNumber{0}, SequenceNumber{1},
                           SequenceNumber{0xabcdef}, kMaxSequence}) {
    for (EntryKind k :
         {EntryKind::kDelete, EntryKind::kPut, EntryKind::kRangeDelete}) {
      const uint64_t trailer = PackTrailer(s, k);
      EXPECT_EQ(TrailerSequence(trailer), s);
      EXPECT_EQ(TrailerKind(trailer), k);
      // Visible at its own number, not at the one before.
      EXPECT_LE(CompareInternal("k", SeekTrailer(s), "k", trailer), 0);
      if (s > 0) {
        EXPECT_GT(CompareInternal("k", SeekTrailer(s - 1), "k", trailer), 0);
      }
    }
  }
}

// Short keys over few bytes, so that prefixes, zeros and high bytes meet.
std::string RandomKey(std::mt19937_64* random) {
  static constexpr char kBytes[] = {'\0', '\1', 'a', '\x7f', '\x80', '\xff'};
  std::string key((*random)() % 12, '\0');
  for (char& c : key) c = kBytes[(*random)() % sizeof(kBytes)];
  return key;
}

TEST(InternalKeyTest, PrefixOrderNeverContradictsKeyOrder) {
  const auto seed = std::random_device{}();
  std::cout << "seed " << seed << std::endl;
  std::mt19937_64 random(seed);
  for (int i = 0; i < 50'000; ++i) {
    const std::string a = RandomKey(&random), b = RandomKey(&random);
    if (KeyPrefix(a) < KeyPrefix(b)) {
      ASSERT_LT(a, b);
    }
    if (a == b) {
      ASSERT_EQ(KeyPrefix(a), KeyPrefix(b));
    }
  }
  EXPECT_EQ(KeyPrefix(""), 0u);
  EXPECT_EQ(KeyPrefix("a"), uint64_t{'a'} << 56);
  EXPECT_EQ(KeyPrefix("abcdefghi"), 0x6162636465666768u);
}

TEST(InternalKeyTest, OrderIsKeyAscendingThenNewestFirst) {
  const auto seed = std::random_device{}();
  std::cout << "seed " << seed << std::endl;
  std::mt19937_64 random(seed);
  using Entry = std::pair<std::string, uint64_t>;
  std::vector<Entry> entries;
  for (int i = 0; i < 500; ++i) {
    entries.emplace_back(
        RandomKey(&random),
        PackTrailer(random() % 10, static_cast<EntryKind>(random() % 2)));
  }
  const auto model = [](const Entry& e) {
    return std::tuple(e.first, ~TrailerSequence(e.second),
                      ~static_cast<uint64_t>(TrailerKind(e.second)));
  };
  for (int i = 0; i < 50'000; ++i) {
    const Entry& a = entries[random() % entries.size()];
    const Entry& b = entries[random() % entries.size()];
    const int c = CompareInternal(a.first, a.second, b.first, b.second);
    ASSERT_EQ(c < 0, model(a) < model(b));
    ASSERT_EQ(c == 0, model(a) == model(b));
  }
}

TEST(ChecksumTest, DependsOnContentAndSeed) {
  EXPECT_EQ(Checksum("abc"), Checksum("abc"));
  EXPECT_NE(Checksum("abc"), Checksum("abd"));
  EXPECT_NE(Checksum("abc", 1), Checksum("abc", 2));
  // The reference value of XXH3 for no input: what is on disk depends on it.
  EXPECT_EQ(Checksum(""), 0x2d06800538d394c2u);
  EXPECT_EQ(HashKey("abc"), Checksum("abc", 0));
}

}  // namespace
}  // namespace nori
