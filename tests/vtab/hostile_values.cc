#include "tests/vtab/hostile_values.h"

#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <utility>

namespace nori {
namespace {

constexpr std::string_view kTexts[] = {
    "",
    " ",
    "  ",
    "\t12\n",
    " 12 ",
    "12",
    "+12",
    "-12",
    "--12",
    "+-1",
    "+",
    "-",
    ".",
    "-.",
    ".5",
    "5.",
    "-.5",
    "+5.",
    "0",
    "-0",
    "+0",
    "00",
    "007",
    "-0.0",
    "0.0",
    "0e0",
    "0e999",
    "1e3",
    "1E3",
    "1e+3",
    "1e-3",
    "1e",
    "1e+",
    "1e-",
    "e5",
    ".e5",
    "1.e5",
    "1.5e3",
    "1.5e1x",
    "12 x",
    "x12",
    "12x",
    "0x10",
    "0X1F",
    "1_000",
    "1,000",
    "1 000",
    "inf",
    "Inf",
    "-inf",
    "nan",
    "NaN",
    "infinity",
    "1e308",
    "1e309",
    "1e310",
    "-1e309",
    "1e400",
    "1e-400",
    "1e99999999999",
    "1e-99999999999",
    "1e341",
    "1e342",
    "1e343",
    "1e-341",
    "1e-342",
    "1e-343",
    "5e-324",
    "2e-324",
    "4.9e-324",
    "2.2250738585072014e-308",
    "1.7976931348623157e308",
    "1.7976931348623159e308",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "-9223372036854775809",
    "9223372036854775807.0",
    "9223372036854775806",
    "9223372036854774784.0",
    "-9223372036854775808.0",
    "-9223372036854775807.0",
    "18446744073709551615",
    "18446744073709551616",
    "0000000000000000000000000000012",
    "00000000000000000000009223372036854775807",
    "100000000000000000000000000000000000000",
    "9007199254740993",
    "9007199254740993.0",
    "9007199254740992.5",
    "2251799813685248",
    "2251799813685249",
    "-2251799813685249",
    "4503599627370497.5",
    "0.1234567890123456789012345678901234567890",
    "922337203685477580",
    "922337203685477579",
    "922337203685477581",
    "9223372036854775799",
    "922337203685477580.7",
    "92233720368547758.079",
    "123456789012345678.9e5",
    "1e15",
    "1e16",
    "1e18",
    "1e19",
    "9e18",
    "-9e18",
    "-1e19",
    "5.0",
    "5.00e0",
    "50e-1",
    "0.5e1",
    "123e-2",
    "1.0e+20",
    "3.0e",
    "3.0 e5",
    "\v1",
    "\f1",
    "1\v",
    "\xc2\xa0"
    "1",
    "1\xc2\xa0",
    "\xd9\xa1",
    "abc",
    "ABC",
    "aBc",
    "abc ",
    "abc  ",
    " abc",
    "Abc_",
    "ab[",
    "ab`",
    "ab@",
    "ab{",
    "\xc3\xa9",
    "\xc3\x89",
    "\xff",
    "\xfe\xff",
    "\x01",
    "\x01\x01",
    "\x02",
    "a\x01",
    "a\x02",
    "a\x7f",
    "a\x1f",
    "zzzzzzzz",
    "zzzzzzzzz",
    "a~",
    "A "};

constexpr std::string_view kNulTexts[] = {{"\0", 1},
                                          {"\0\0", 2},
                                          {"a\0", 2},
                                          {"a\0b", 3},
                                          {"A\0c", 3},
                                          {"a\0bb", 4},
                                          {"12\0", 3},
                                          {"\0"
                                           "12",
                                           3},
                                          {"12\0"
                                           "3",
                                           4},
                                          {"a \0", 3},
                                          {"a\0 ", 3},
                                          {"a\0\0", 3},
                                          {"a\0\x01", 3},
                                          {"\x01\0", 2},
                                          {" \0", 2},
                                          {"1.5\0", 4},
                                          {"1e5\0", 4},
                                          {"\0\xff", 2},
                                          {"a\0A", 3},
                                          {"a\x01\0", 3}};

}  // namespace

std::string_view HostileValues::Keep(std::string bytes) {
  return kept_.emplace_back(std::move(bytes));
}

std::vector<Value> HostileValues::Fixed() {
  std::vector<Value> values = {Value::Null()};
  for (int bit = 0; bit < 64; ++bit) {
    for (const int64_t around : {-2, -1, 0, 1, 2}) {
      const auto v = static_cast<int64_t>((uint64_t{1} << bit) +
                                          static_cast<uint64_t>(around));
      values.push_back(Value::Integer(v));
      values.push_back(
          Value::Integer(static_cast<int64_t>(0 - static_cast<uint64_t>(v))));
    }
  }
  for (int64_t i = -300; i <= 300; ++i) values.push_back(Value::Integer(i));
  std::vector<double> reals = {0.0,
                               -0.0,
                               0.1,
                               0.5,
                               0.25,
                               1.5,
                               2.5,
                               1e-300,
                               5e-324,
                               2.2250738585072014e-308,
                               1e300,
                               1.7976931348623157e308,
                               1e15,
                               1e16,
                               999999999999999.0,
                               999999999999999.5,
                               123456789012345.678,
                               1e-4,
                               1e-5,
                               0.00012345,
                               1e14,
                               1e100,
                               1e-100,
                               std::numeric_limits<double>::infinity()};
  for (int exponent = -3; exponent <= 66; ++exponent) {
    const double power = std::ldexp(1.0, exponent);
    for (const double near :
         {power, std::nextafter(power, 0.0), std::nextafter(power, 1e30),
          power + 1, power - 1, power + 0.5, power - 0.5}) {
      reals.push_back(near);
    }
  }
  for (const double real : reals) {
    values.push_back(Value::Real(real));
    values.push_back(Value::Real(-real));
  }
  for (const auto text : kTexts) values.push_back(Value::Text(text));
  for (const auto text : kTexts) values.push_back(Value::Blob(text));
  for (const auto text : kNulTexts) values.push_back(Value::Text(text));
  for (const auto text : kNulTexts) values.push_back(Value::Blob(text));
  return values;
}

int64_t HostileValues::NextInteger() {
  const auto bits = static_cast<int64_t>(random_());
  return bits >> (random_() % 64);
}

double HostileValues::NextReal() {
  switch (random_() % 6) {
    case 0: {
      const double real = std::bit_cast<double>(random_());
      return std::isnan(real) ? 0.75 : real;
    }
    case 1:
      return static_cast<double>(NextInteger());
    case 2:
      return static_cast<double>(NextInteger()) / 100;
    case 3:
      return std::nextafter(static_cast<double>(NextInteger()),
                            OneIn(2) ? 1e300 : -1e300);
    case 4:
      return static_cast<double>(NextInteger() % 1000000) / 1000;
    default:
      return std::ldexp(static_cast<double>(NextInteger()),
                        static_cast<int>(random_() % 200) - 150);
  }
}

std::string HostileValues::NextNumberText() {
  char buffer[64];
  switch (random_() % 7) {
    case 0:
      return std::to_string(NextInteger());
    case 1:
      std::snprintf(buffer, sizeof(buffer), "%.*g",
                    static_cast<int>(random_() % 22) + 1, NextReal());
      return buffer;
    case 2:
      std::snprintf(buffer, sizeof(buffer), "%.*e",
                    static_cast<int>(random_() % 25), NextReal());
      return buffer;
    case 3:
      return "  " + std::to_string(NextInteger()) + ".0 ";
    case 4:
      return std::to_string(NextInteger()) + std::to_string(random_());
    case 5:
      return std::to_string(NextInteger()) + "e" +
             std::to_string(static_cast<int>(random_() % 700) - 350);
    default: {
      constexpr std::string_view kAlphabet = "0123456789..eE+- x";
      std::string text;
      const size_t length = random_() % 12;
      for (size_t i = 0; i < length; ++i) {
        text.push_back(kAlphabet[random_() % kAlphabet.size()]);
      }
      return text;
    }
  }
}

std::string HostileValues::NextText() {
  constexpr std::string_view kAlphabet("aAbBzZ_[ \0\x01\x02\xfe\xff", 14);
  std::string text;
  const size_t length = random_() % (OneIn(8) ? 40 : 6);
  for (size_t i = 0; i < length; ++i) {
    text.push_back(kAlphabet[random_() % kAlphabet.size()]);
  }
  return text;
}

Value HostileValues::Next() {
  switch (random_() % 8) {
    case 0:
      return OneIn(4) ? Value::Null() : Value::Blob(Keep(NextText()));
    case 1:
    case 2:
      return Value::Integer(NextInteger());
    case 3:
    case 4:
      return Value::Real(NextReal());
    case 5:
      return Value::Text(Keep(NextNumberText()));
    case 6:
      return Value::Blob(Keep(NextText()));
    default:
      return Value::Text(Keep(NextText()));
  }
}

uint64_t TestSeed(uint64_t fallback) {
  const char* const given = std::getenv("NORI_TEST_SEED");
  const uint64_t seed =
      given == nullptr ? fallback : std::strtoull(given, nullptr, 10);
  std::printf("NORI_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

}  // namespace nori
