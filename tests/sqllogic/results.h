// Results of queries in the form in which sqllogictest files hold them.

#ifndef NORI_TESTS_SQLLOGIC_RESULTS_H_
#define NORI_TESTS_SQLLOGIC_RESULTS_H_

#include <sqlite3.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "tests/sqllogic/script.h"

namespace nori::sqllogic {

// Column `column` of the statement's row as type 'I', 'T' or 'R' shows it.
std::string FormatValue(sqlite3_stmt* statement, int column, char type);

// Orders the values of rows of `columns` columns, which stand one after the
// other, as `mode` says.
void SortResults(SortMode mode, size_t columns,
                 std::vector<std::string>* values);

// The MD5 of `text` in lower-case hexadecimal digits.
std::string Md5(std::string_view text);

// "N values hashing to MD5".
std::string HashOfResults(const std::vector<std::string>& values);

}  // namespace nori::sqllogic

#endif  // NORI_TESTS_SQLLOGIC_RESULTS_H_
