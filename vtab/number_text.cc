#include "vtab/number_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

namespace nori {
namespace {

// A written exponent is not read exactly beyond this.
constexpr int64_t kExponentLimit = 10000;

// Digits are taken into the significand while it stays below this.
constexpr int64_t kSignificandLimit =
    (std::numeric_limits<int64_t>::max() - 9) / 10;

bool IsBlank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// The parts of a decimal number.
struct Decimal {
  bool negative = false;
  bool is_integer = true;  // neither point nor exponent
  int64_t significand = 0;
  int64_t exponent = 0;
  std::string_view digits;  // of an integer
};

class DecimalScanner {
 public:
  explicit DecimalScanner(std::string_view text)
      : p_(text.data()), end_(text.data() + text.size()) {}

  // False if the text is no number.
  bool Scan(Decimal* out) {
    SkipBlanks();
    if (p_ != end_ && (*p_ == '-' || *p_ == '+')) out->negative = *p_++ == '-';
    const char* const first = p_;
    bool has_digits = p_ != end_ && IsDigit(*p_);
    ScanWhole(out);
    out->digits = {first, static_cast<size_t>(p_ - first)};
    if (p_ != end_ && *p_ == '.') {
      ++p_;
      out->is_integer = false;
      has_digits |= p_ != end_ && IsDigit(*p_);
      ScanFraction(out);
    }
    if (!has_digits) return false;
    if (p_ != end_ && (*p_ == 'e' || *p_ == 'E')) {
      ++p_;
      out->is_integer = false;
      if (!ScanExponent(out)) return false;
    }
    SkipBlanks();
    return p_ == end_;
  }

 private:
  void SkipBlanks() {
    while (p_ != end_ && IsBlank(*p_)) ++p_;
  }

  void ScanWhole(Decimal* out) {
    for (; p_ != end_ && IsDigit(*p_); ++p_) {
      if (out->significand < kSignificandLimit) {
        out->significand = out->significand * 10 + (*p_ - '0');
      } else {
        out->exponent += 1;
      }
    }
  }

  void ScanFraction(Decimal* out) {
    for (; p_ != end_ && IsDigit(*p_); ++p_) {
      if (out->significand < kSignificandLimit) {
        out->significand = out->significand * 10 + (*p_ - '0');
        out->exponent -= 1;
      }
    }
  }

  bool ScanExponent(Decimal* out) {
    bool negative = false;
    if (p_ != end_ && (*p_ == '-' || *p_ == '+')) negative = *p_++ == '-';
    if (p_ == end_ || !IsDigit(*p_)) return false;
    int64_t exponent = 0;
    for (; p_ != end_ && IsDigit(*p_); ++p_) {
      exponent = exponent < kExponentLimit ? exponent * 10 + (*p_ - '0')
                                           : kExponentLimit;
    }
    out->exponent += negative ? -exponent : exponent;
    return true;
  }

  const char* p_;
  const char* end_;
};

long double PowerOfTen(int64_t exponent) {
  long double result = 1;
  for (long double power = 10; exponent > 0; exponent >>= 1) {
    if (exponent & 1) result *= power;
    power *= power;
  }
  return result;
}

// significand * 10^exponent, rounded where SQLite rounds: once to long double
// and once to double, and once more beyond 10^307.
double Scale(int64_t significand, int64_t exponent) {
  const auto exact = static_cast<long double>(significand);
  const int64_t power = std::abs(exponent);
  if (power <= 307) {
    const long double scale = PowerOfTen(power);
    return static_cast<double>(exponent < 0 ? exact / scale : exact * scale);
  }
  if (power >= 342) {
    const double sign = significand < 0 ? -1.0 : 1.0;
    return exponent < 0 ? sign * 0.0
                        : sign * std::numeric_limits<double>::infinity();
  }
  const long double scale = PowerOfTen(power - 308);
  if (exponent < 0) return static_cast<double>(exact / scale) / 1.0e+308;
  return static_cast<double>(exact * scale) * 1.0e+308;
}

double ToReal(const Decimal& decimal) {
  int64_t significand = decimal.significand;
  int64_t exponent = decimal.exponent;
  if (significand == 0) return decimal.negative ? -0.0 : 0.0;
  while (exponent > 0 &&
         significand < std::numeric_limits<int64_t>::max() / 10) {
    significand *= 10;
    --exponent;
  }
  while (exponent < 0 && significand % 10 == 0) {
    significand /= 10;
    ++exponent;
  }
  if (decimal.negative) significand = -significand;
  if (exponent == 0) return static_cast<double>(significand);
  return Scale(significand, exponent);
}

bool ToInteger(const Decimal& decimal, int64_t* integer) {
  uint64_t magnitude = 0;
  const char* const end = decimal.digits.data() + decimal.digits.size();
  const auto result = std::from_chars(decimal.digits.data(), end, magnitude);
  if (result.ec != std::errc() || result.ptr != end) return false;
  constexpr uint64_t kTop = uint64_t{1} << 63;
  if (magnitude > kTop || (magnitude == kTop && !decimal.negative)) {
    return false;
  }
  *integer = static_cast<int64_t>(decimal.negative ? 0 - magnitude : magnitude);
  return true;
}

// Decimal digits of a positive finite number.
struct Digits {
  static constexpr int kCount = 15;
  char digit[kCount];
  int exponent = 0;  // of the first digit
};

// Arithmetic as in sqlite3_str_vappendf, whose results it must have: the value
// is scaled in long double and the digits are cut off one by one.
Digits ToDigits(double positive) {
  Digits out;
  long double value = positive;
  if (value > 0) {
    long double scale = 1;
    for (const auto& [step, exponent] :
         {std::pair{1e100, 100}, std::pair{1e10, 10}, std::pair{10.0, 1}}) {
      while (value >= step * scale) {
        scale *= step;
        out.exponent += exponent;
      }
    }
    value /= scale;
    while (value < 1e-8) {
      value *= 1e8;
      out.exponent -= 8;
    }
    while (value < 1.0) {
      value *= 10.0;
      out.exponent -= 1;
    }
  }
  constexpr double kHalfOfLastDigit = 5.0e-05 * 1.0e-10;
  value += kHalfOfLastDigit;
  if (value >= 10.0) {
    value *= 0.1;
    out.exponent += 1;
  }
  for (char& digit : out.digit) {
    const int d = static_cast<int>(value);
    digit = static_cast<char>('0' + d);
    value = (value - d) * 10.0;
  }
  return out;
}

char* Append(char* p, std::string_view text) {
  std::memcpy(p, text.data(), text.size());
  return p + text.size();
}

}  // namespace

NumberKind ParseNumber(std::string_view text, int64_t* integer, double* real) {
  Decimal decimal;
  if (!DecimalScanner(text).Scan(&decimal)) return NumberKind::kNone;
  if (decimal.is_integer && ToInteger(decimal, integer)) {
    return NumberKind::kInteger;
  }
  *real = ToReal(decimal);
  return NumberKind::kReal;
}

size_t FormatReal(double real, char* buffer) {
  char* p = buffer;
  if (real < 0) {
    *p++ = '-';
    real = -real;
  }
  if (std::isinf(real)) {
    return static_cast<size_t>(Append(p, "Inf") - buffer);
  }
  const Digits digits = ToDigits(std::abs(real));
  int count = Digits::kCount;
  while (count > 1 && digits.digit[count - 1] == '0') --count;
  const std::string_view used(digits.digit, static_cast<size_t>(count));
  const int exponent = digits.exponent;
  if (exponent < -4 || exponent >= Digits::kCount) {
    p = Append(p, used.substr(0, 1));
    *p++ = '.';
    p = Append(p, count > 1 ? used.substr(1) : "0");
    *p++ = 'e';
    *p++ = exponent < 0 ? '-' : '+';
    const int magnitude = std::abs(exponent);
    if (magnitude < 10) *p++ = '0';
    p = std::to_chars(p, p + 3, magnitude).ptr;
  } else if (exponent < 0) {
    p = Append(p, "0.");
    p = std::fill_n(p, -exponent - 1, '0');
    p = Append(p, used);
  } else {
    const auto whole = static_cast<size_t>(exponent) + 1;
    p = Append(p, used.substr(0, whole));
    if (whole > used.size()) p = std::fill_n(p, whole - used.size(), '0');
    *p++ = '.';
    p = Append(p, whole < used.size() ? used.substr(whole) : "0");
  }
  return static_cast<size_t>(p - buffer);
}

}  // namespace nori
