// ASCII text helpers on std::string_view, which Abseil's own string functions
// do not take where Abseil was built for C++14.

#ifndef NORI_VTAB_TEXT_H_
#define NORI_VTAB_TEXT_H_

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>

#include "absl/strings/ascii.h"

namespace nori {

inline std::string Concat(std::initializer_list<std::string_view> parts) {
  std::string text;
  for (const std::string_view part : parts) text.append(part);
  return text;
}

inline char ToLowerAscii(char c) {
  return absl::ascii_tolower(static_cast<unsigned char>(c));
}

inline std::string ToUpperAscii(std::string_view text) {
  std::string upper(text);
  absl::AsciiStrToUpper(&upper);
  return upper;
}

// SQLite's comparison of names.
inline bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    return ToLowerAscii(x) == ToLowerAscii(y);
  });
}

}  // namespace nori

#endif  // NORI_VTAB_TEXT_H_
