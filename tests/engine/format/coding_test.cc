#include "engine/format/coding.h"

#include <cstdint>
#include <iostream>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace nori {
namespace {

// Values around every power of two, where lengths change.
std::vector<uint64_t> InterestingIntegers() {
  std::vector<uint64_t> values = {0};
  for (int bit = 0; bit < 64; ++bit) {
    const uint64_t power = uint64_t{1} << bit;
    for (uint64_t v : {power - 1, power, power + 1}) values.push_back(v);
  }
  values.push_back(std::numeric_limits<uint64_t>::max());
  return values;
}

TEST(CodingTest, FixedIsLittleEndian) {
  std::string s;
  PutFixed32(&s, 0x01020304);
  PutFixed64(&s, 0x0102030405060708);
  EXPECT_EQ(s, std::string("\x04\x03\x02\x01\x08\x07\x06\x05\x04\x03\x02\x01"));
  std::string_view input = s;
  uint32_t a;
  uint64_t b;
  ASSERT_TRUE(GetFixed32(&input, &a));
  ASSERT_TRUE(GetFixed64(&input, &b));
  EXPECT_EQ(a, 0x01020304u);
  EXPECT_EQ(b, 0x0102030405060708u);
  EXPECT_TRUE(input.empty());
  EXPECT_FALSE(GetFixed32(&input, &a));
  EXPECT_FALSE(GetFixed64(&input, &b));
}

TEST(CodingTest, FixedAtAnyAlignment) {
  char buffer[32];
  for (int offset = 0; offset < 16; ++offset) {
    EncodeFixed<uint16_t>(buffer + offset, 0xbeef);
    EXPECT_EQ(DecodeFixed<uint16_t>(buffer + offset), 0xbeef);
    EncodeFixed<uint64_t>(buffer + offset, ~uint64_t{5});
    EXPECT_EQ(DecodeFixed<uint64_t>(buffer + offset), ~uint64_t{5});
  }
}

TEST(CodingTest, VarintsReadBackAndHaveTheLengthTold) {
  std::string all;
  for (uint64_t v : InterestingIntegers()) {
    std::string one;
    PutVarint(&one, v);
    EXPECT_EQ(one.size(), static_cast<size_t>(VarintLength(v)));
    EXPECT_LE(one.size(), static_cast<size_t>(kMaxVarintBytes));
    all += one;
    // Cut anywhere, it is malformed.
    for (size_t n = 0; n < one.size(); ++n) {
      uint64_t ignored;
      EXPECT_EQ(DecodeVarint(one.data(), one.data() + n, &ignored), nullptr);
    }
  }
  std::string_view input = all;
  for (uint64_t v : InterestingIntegers()) {
    uint64_t read;
    ASSERT_TRUE(GetVarint(&input, &read));
    EXPECT_EQ(read, v);
  }
  EXPECT_TRUE(input.empty());
}

TEST(CodingTest, VarintBeyond64BitsIsMalformed) {
  uint64_t v;
  const std::string largest = std::string(9, '\xff') + '\x01';
  std::string_view input = largest;
  ASSERT_TRUE(GetVarint(&input, &v));
  EXPECT_EQ(v, std::numeric_limits<uint64_t>::max());
  for (const std::string& bad :
       {std::string(9, '\xff') + '\x02', std::string(10, '\xff') + '\x01',
        std::string(20, '\x80'), std::string(10, '\x80') + '\x01'}) {
    input = bad;
    EXPECT_FALSE(GetVarint(&input, &v));
  }
}

TEST(CodingTest, LengthPrefixedStrings) {
  const std::vector<std::string> strings = {"", "a", std::string(1, '\0'),
                                            std::string(127, 'x'),
                                            std::string(100'000, 'y')};
  std::string s;
  for (const std::string& t : strings) PutLengthPrefixed(&s, t);
  std::string_view input = s;
  for (const std::string& t : strings) {
    std::string_view read;
    ASSERT_TRUE(GetLengthPrefixed(&input, &read));
    EXPECT_EQ(read, t);
  }
  std::string_view read;
  EXPECT_FALSE(GetLengthPrefixed(&input, &read));
  input = std::string_view(s).substr(s.size() - 100'000 - 3, 100'000);
  EXPECT_FALSE(GetLengthPrefixed(&input, &read));
  // A length that would overflow an end pointer.
  std::string huge;
  PutVarint(&huge, std::numeric_limits<uint64_t>::max());
  input = huge;
  EXPECT_FALSE(GetLengthPrefixed(&input, &read));
}

// Any bytes are parsed or refused; whatever is accepted is within the input.
TEST(CodingTest, RandomBytesAreHarmless) {
  const auto seed = std::random_device{}();
  std::cout << "seed " << seed << std::endl;
  std::mt19937_64 random(seed);
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes(random() % 24, '\0');
    for (char& c : bytes) {
      c = static_cast<char>(random() % 3 == 0 ? random() : random() | 0x80);
    }
    std::string_view input = bytes, view;
    uint64_t v;
    if (GetVarint(&input, &v)) {
      ASSERT_LE(input.size(), bytes.size());
      ASSERT_EQ(input.data() + input.size(), bytes.data() + bytes.size());
    }
    input = bytes;
    if (GetLengthPrefixed(&input, &view)) {
      ASSERT_GE(view.data(), bytes.data());
      ASSERT_LE(view.data() + view.size(), bytes.data() + bytes.size());
    }
  }
}

}  // namespace
}  // namespace nori
