// The ways into a table that the planner chooses among: the table itself, in
// the order of its key, and each of its indexes.

#ifndef NORI_VTAB_ACCESS_PATH_H_
#define NORI_VTAB_ACCESS_PATH_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "vtab/index.h"
#include "vtab/row.h"
#include "vtab/schema.h"

namespace nori {

// A column of the keys that a path walks in order.
struct PathColumn {
  KeyColumn key;  // key.column may be kHiddenRowid
  std::string name;
  Affinity affinity = Affinity::kInteger;
  bool nullable = false;
  // Whether the path keeps the column in the order that ORDER BY means.
  bool fits_order = true;
  // An earlier column of the path fixes its value: it orders nothing more.
  bool repeats = false;
};

struct AccessPath {
  // The table itself.
  explicit AccessPath(const RowLayout& layout);
  AccessPath(const RowLayout& layout,
             std::shared_ptr<const IndexLayout> index_layout);

  // Whether entries hold every column of sqlite3_index_info::colUsed.
  bool Covers(uint64_t columns_used) const {
    return (columns_used & ~covered) == 0;
  }

  uint32_t id = 0;                           // of the index; 0: the table
  std::shared_ptr<const IndexLayout> index;  // null: the table
  std::string label;                         // for EXPLAIN QUERY PLAN
  std::vector<PathColumn> columns;           // in the order of keys
  size_t seek_columns = 0;  // leading columns that keys can be searched by
  // Rows that agree in so many leading columns, none of them NULL, are one.
  size_t unique_columns = 0;
  uint64_t covered = 0;  // bits as in colUsed
  std::string prefix;    // of every key of the path
  std::string prefix_end;
};

// Of a table: itself first, then its indexes in their order. REQUIRES: the
// table's id is set in the layout.
std::vector<std::shared_ptr<const AccessPath>> ListAccessPaths(
    const RowLayout& layout);

}  // namespace nori

#endif  // NORI_VTAB_ACCESS_PATH_H_
