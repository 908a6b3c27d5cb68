#include "vtab/value.h"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <cstring>
#include <limits>

#include "vtab/number_text.h"
#include "vtab/text.h"

namespace nori {
namespace {

constexpr double kTwoTo63 = 9223372036854775808.0;

// A real that is an integer becomes one, except at the ends of the range, where
// SQLite leaves it.
Value ToIntegerIfExact(double real) {
  if (real > -kTwoTo63 && real < kTwoTo63) {
    const auto integer = static_cast<int64_t>(real);
    if (static_cast<double>(integer) == real) return Value::Integer(integer);
  }
  return Value::Real(real);
}

Value ToText(const Value& value, std::string* scratch) {
  char buffer[kMaxRealText];
  size_t length;
  if (value.type == ValueType::kInteger) {
    const auto result =
        std::to_chars(buffer, buffer + sizeof(buffer), value.integer);
    length = static_cast<size_t>(result.ptr - buffer);
  } else {
    length = FormatReal(value.real, buffer);
  }
  scratch->assign(buffer, length);
  return Value::Text(*scratch);
}

Value ToNumeric(const Value& value) {
  if (value.type == ValueType::kReal) return ToIntegerIfExact(value.real);
  if (value.type != ValueType::kText) return value;
  int64_t integer;
  double real;
  switch (ParseNumber(value.bytes, &integer, &real)) {
    case NumberKind::kNone:
      return value;
    case NumberKind::kInteger:
      return Value::Integer(integer);
    case NumberKind::kReal:
      return ToIntegerIfExact(real);
  }
  return value;
}

int Sign(int comparison) { return (comparison > 0) - (comparison < 0); }

template <typename T>
int Order(T a, T b) {
  return (a > b) - (a < b);
}

int CompareBytes(std::string_view a, std::string_view b) {
  const size_t common = std::min(a.size(), b.size());
  const int order =
      common == 0 ? 0 : Sign(std::memcmp(a.data(), b.data(), common));
  return order != 0 ? order : Order(a.size(), b.size());
}

// As SQLite's NOCASE: the comparison of bytes ends at a NUL in both texts, and
// the lengths decide.
int CompareNocase(std::string_view a, std::string_view b) {
  const size_t common = std::min(a.size(), b.size());
  for (size_t i = 0; i < common; ++i) {
    const auto x = static_cast<unsigned char>(ToLowerAscii(a[i]));
    const auto y = static_cast<unsigned char>(ToLowerAscii(b[i]));
    if (x != y) return Order(x, y);
    if (x == 0) break;
  }
  return Order(a.size(), b.size());
}

std::string_view WithoutTrailingSpaces(std::string_view text) {
  const size_t last = text.find_last_not_of(' ');
  return text.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

int CompareText(std::string_view a, std::string_view b, Collation collation) {
  switch (collation) {
    case Collation::kBinary:
      return CompareBytes(a, b);
    case Collation::kNocase:
      return CompareNocase(a, b);
    case Collation::kRtrim:
      return CompareBytes(WithoutTrailingSpaces(a), WithoutTrailingSpaces(b));
  }
  return 0;
}

// Without rounding: a double holds not every integer, nor the other way round.
int CompareIntegerReal(int64_t integer, double real) {
  if (real >= kTwoTo63) return -1;
  if (real < -kTwoTo63) return 1;
  const auto whole = static_cast<int64_t>(real);
  if (integer != whole) return Order(integer, whole);
  return Order(0.0, real - static_cast<double>(whole));
}

int CompareNumbers(const Value& a, const Value& b) {
  const bool a_is_integer = a.type == ValueType::kInteger;
  const bool b_is_integer = b.type == ValueType::kInteger;
  if (a_is_integer && b_is_integer) return Order(a.integer, b.integer);
  if (a_is_integer) return CompareIntegerReal(a.integer, b.real);
  if (b_is_integer) return -CompareIntegerReal(b.integer, a.real);
  return Order(a.real, b.real);
}

// NULL, numbers, text, blobs.
int Class(ValueType type) {
  return type == ValueType::kReal ? static_cast<int>(ValueType::kInteger)
                                  : static_cast<int>(type);
}

}  // namespace

Value ApplyAffinity(const Value& value, Affinity affinity,
                    std::string* scratch) {
  const bool is_number =
      value.type == ValueType::kInteger || value.type == ValueType::kReal;
  switch (affinity) {
    case Affinity::kBlob:
      return value;
    case Affinity::kText:
      return is_number ? ToText(value, scratch) : value;
    case Affinity::kNumeric:
    case Affinity::kInteger:
      return ToNumeric(value);
    case Affinity::kReal: {
      const Value number = ToNumeric(value);
      if (number.type != ValueType::kInteger) return number;
      return Value::Real(static_cast<double>(number.integer));
    }
  }
  return value;
}

int CompareValues(const Value& a, const Value& b, Collation collation) {
  const int a_class = Class(a.type);
  const int b_class = Class(b.type);
  if (a_class != b_class) return Order(a_class, b_class);
  switch (a.type) {
    case ValueType::kNull:
      return 0;
    case ValueType::kInteger:
    case ValueType::kReal:
      return CompareNumbers(a, b);
    case ValueType::kText:
      return CompareText(a.bytes, b.bytes, collation);
    case ValueType::kBlob:
      return CompareBytes(a.bytes, b.bytes);
  }
  return 0;
}

}  // namespace nori
