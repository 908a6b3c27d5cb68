// From the indexes that a definition asks for to those that the table has.

#ifndef NORI_VTAB_SCHEMA_INDEXES_H_
#define NORI_VTAB_SCHEMA_INDEXES_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "vtab/schema.h"

namespace nori {

// One column of a key before the identity of the table and the collations of
// its columns are known.
struct KeyTerm {
  int column = 0;
  std::optional<Collation> collation;  // explicit COLLATE only
  bool descending = false;
};

struct IndexTerms {
  std::string name;  // may be empty
  bool unique = false;
  bool constraint = false;  // UNIQUE without INDEX, left out if it repeats one
  std::vector<KeyTerm> terms;
};

// The index of these terms, without id and name. REQUIRES: the columns are
// known.
IndexSchema ResolveIndex(const TableSchema& schema, const IndexTerms& made);

// Adds `made`, in the order in which they were written, to `schema`, whose
// columns and key are known. schema->indexes_before_key: how many constraints
// among them come before the key; afterwards how many of those that are left.
// kInvalidArgument if an index has the name of another.
absl::Status AddIndexes(std::vector<IndexTerms> made, TableSchema* schema);

}  // namespace nori

#endif  // NORI_VTAB_SCHEMA_INDEXES_H_
