// What the differential tests compare of an ordinary and a nori table.

#ifndef NORI_TESTS_VTAB_SAME_RESULT_H_
#define NORI_TESTS_VTAB_SAME_RESULT_H_

#include <algorithm>

#include "gtest/gtest.h"
#include "tests/vtab/module_fixture.h"

namespace nori {

// Expects the same code, message and rows; the rows in the same order, or
// (`ordered` false) in any, and then leaves both sorted.
inline void ExpectSameResult(bool ordered, SqlResult* native, SqlResult* nori) {
  if (!ordered) {
    std::sort(native->rows.begin(), native->rows.end());
    std::sort(nori->rows.begin(), nori->rows.end());
  }
  EXPECT_EQ(native->code, nori->code);
  EXPECT_EQ(native->message, nori->message);
  EXPECT_EQ(native->rows, nori->rows);
}

}  // namespace nori

#endif  // NORI_TESTS_VTAB_SAME_RESULT_H_
