// Early return on absl::Status and absl::StatusOr.

#ifndef NORI_ENGINE_FORMAT_STATUS_MACROS_H_
#define NORI_ENGINE_FORMAT_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Evaluates an expression of type absl::Status and returns it from the
// enclosing function unless it is OK.
#define NORI_RETURN_IF_ERROR(expr)       \
  do {                                   \
    absl::Status nori_status_ = (expr);  \
    if (!nori_status_.ok()) [[unlikely]] \
      return nori_status_;               \
  } while (false)

#define NORI_STATUS_CONCAT_INNER_(a, b) a##b
#define NORI_STATUS_CONCAT_(a, b) NORI_STATUS_CONCAT_INNER_(a, b)

// Evaluates an expression of type absl::StatusOr<T>; on success assigns the
// value to `lhs` (which may declare a variable), else returns the status.
#define NORI_ASSIGN_OR_RETURN(lhs, expr)                                      \
  NORI_ASSIGN_OR_RETURN_IMPL_(NORI_STATUS_CONCAT_(nori_status_or_, __LINE__), \
                              lhs, expr)

#define NORI_ASSIGN_OR_RETURN_IMPL_(tmp, lhs, expr) \
  auto tmp = (expr);                                \
  if (!tmp.ok()) [[unlikely]]                       \
    return std::move(tmp).status();                 \
  lhs = std::move(tmp).value()

#endif  // NORI_ENGINE_FORMAT_STATUS_MACROS_H_
