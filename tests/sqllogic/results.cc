#include "tests/sqllogic/results.h"

#include <algorithm>
#include <boost/uuid/detail/md5.hpp>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace nori::sqllogic {

std::string FormatValue(sqlite3_stmt* statement, int column, char type) {
  if (sqlite3_column_type(statement, column) == SQLITE_NULL) return "NULL";
  if (type == 'I') {
    return absl::StrCat(sqlite3_column_int64(statement, column));
  }
  if (type == 'R') {
    char buffer[400];  // the largest double has 309 digits before the point
    std::snprintf(buffer, sizeof(buffer), "%.3f",
                  sqlite3_column_double(statement, column));
    return buffer;
  }
  const auto* bytes =
      reinterpret_cast<const char*>(sqlite3_column_text(statement, column));
  std::string text(
      bytes == nullptr ? "" : bytes,
      static_cast<size_t>(sqlite3_column_bytes(statement, column)));
  if (text.empty()) return "(empty)";
  for (char& c : text) {
    if (c < ' ' || c > '~') c = '@';
  }
  return text;
}

void SortResults(SortMode mode, size_t columns,
                 std::vector<std::string>* values) {
  if (mode == SortMode::kValues) std::sort(values->begin(), values->end());
  if (mode != SortMode::kRows || columns == 0) return;
  std::vector<std::vector<std::string>> rows;
  rows.reserve(values->size() / columns);
  for (size_t i = 0; i + columns <= values->size(); i += columns) {
    const auto begin = values->begin() + static_cast<std::ptrdiff_t>(i);
    rows.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(columns));
  }
  std::sort(rows.begin(), rows.end());
  values->clear();
  for (const std::vector<std::string>& row : rows) {
    values->insert(values->end(), row.begin(), row.end());
  }
}

std::string Md5(std::string_view text) {
  boost::uuids::detail::md5 md5;
  md5.process_bytes(text.data(), text.size());
  boost::uuids::detail::md5::digest_type digest;
  md5.get_digest(digest);
  std::string hex;
  for (const unsigned word : digest) absl::StrAppendFormat(&hex, "%08x", word);
  return hex;
}

std::string HashOfResults(const std::vector<std::string>& values) {
  std::string text;
  for (const std::string& value : values) absl::StrAppend(&text, value, "\n");
  return absl::StrCat(values.size(), " values hashing to ", Md5(text));
}

}  // namespace nori::sqllogic
