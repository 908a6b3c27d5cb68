// Conversions between numbers and text, with SQLite's results to the last bit.

#ifndef NORI_VTAB_NUMBER_TEXT_H_
#define NORI_VTAB_NUMBER_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace nori {

enum class NumberKind : uint8_t { kNone, kInteger, kReal };

// Reads all of `text`, blanks around it aside, as a decimal number: *integer if
// it is written as an integer and fits 64 bits, else *real, which may be
// infinite. kNone, with neither set, if it is no number.
//
// Rounding is that of SQLite up to 3.42 (sqlite3AtoF), not always the nearest
// double: 19 digits, scaled by a power of ten in long double.
NumberKind ParseNumber(std::string_view text, int64_t* integer, double* real);

// Room for the longest result of FormatReal.
inline constexpr size_t kMaxRealText = 32;

// Writes `real` to `buffer`, at least kMaxRealText bytes, as SQLite's "%!.15g"
// does, and returns the length (no NUL is added). Not for a NaN.
size_t FormatReal(double real, char* buffer);

}  // namespace nori

#endif  // NORI_VTAB_NUMBER_TEXT_H_
