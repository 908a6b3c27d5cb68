// Abseil may be built with a string_view of its own (distributions do so to
// keep one ABI for every language standard). These convert where its functions
// are called; where both types are the same they do nothing.

#ifndef NORI_ENGINE_FORMAT_ABSL_VIEW_H_
#define NORI_ENGINE_FORMAT_ABSL_VIEW_H_

#include <string_view>

#include "absl/strings/string_view.h"

namespace nori {

inline absl::string_view AbslView(std::string_view s) {
  return absl::string_view(s.data(), s.size());
}

inline std::string_view StdView(absl::string_view s) {
  return std::string_view(s.data(), s.size());
}

}  // namespace nori

#endif  // NORI_ENGINE_FORMAT_ABSL_VIEW_H_
