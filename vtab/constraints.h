// What sqlite3_index_info asks, in the planner's terms.

#ifndef NORI_VTAB_CONSTRAINTS_H_
#define NORI_VTAB_CONSTRAINTS_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "vtab/access_path.h"
#include "vtab/schema.h"
#include "vtab/sqlite.h"

namespace nori {

enum class ConstraintKind : uint8_t {
  kEqual,
  kIs,  // also IS NULL
  kIn,
  kLower,
  kUpper,
  // For estimates alone. SQLite 3.40 shows IS NOT NULL in the ON clause of a
  // LEFT JOIN to the table on the left, too, of which it leaves out no row.
  kNotNull,
  kLimit,
  kOffset,
};

// A usable constraint of a kind that a path can serve.
struct Constraint {
  int number = 0;  // in aConstraint
  ConstraintKind kind = ConstraintKind::kEqual;
  bool strict = false;   // kLower and kUpper
  bool is_null = false;  // kIs: IS NULL
  int column = 0;  // of the table, or kHiddenRowid; a rowid alias: the alias
  std::optional<Collation> collation;  // nullopt: none that keys can have
  // Null unless SQLite knows the value while it plans. SQLite's.
  sqlite3_value* literal = nullptr;
  // The column is compared by LIKE or GLOB, too: SQLite may have made the
  // constraint from it.
  bool from_pattern = false;
  // It may be a part of `(a, b) IN (...)`, whose real collation may tell more
  // values apart.
  bool doubtful = false;

  // Whether it is a term of the WHERE clause.
  bool IsTerm() const {
    return kind != ConstraintKind::kLimit && kind != ConstraintKind::kOffset;
  }
};

class Constraints {
 public:
  // `info` must outlive it.
  Constraints(const TableSchema& schema, sqlite3_index_info* info);

  const std::vector<Constraint>& list() const { return list_; }
  // The first of this kind on the path's column, by a collation that is the
  // path's, of a value that SQLite knows if there is one; null if none.
  const Constraint* Find(const PathColumn& column, ConstraintKind kind) const;
  // LIMIT and OFFSET; null if none.
  const Constraint* Find(ConstraintKind kind) const;
  // Columns that a LIKE or GLOB compares with a pattern that SQLite knows and
  // that asks for more than one certain character.
  const std::vector<int>& patterned() const { return patterned_; }
  // WHERE terms in aConstraint, used or not, without LIMIT and OFFSET.
  int terms() const { return terms_; }
  // Whether the list is known to show every term of the WHERE clause: only then
  // may an OFFSET be taken over.
  bool complete() const { return !gap_.has_value(); }
  // The column of sqlite3_index_info as in Constraint::column.
  int ColumnOf(int column) const;

  // Whether values of a column compare with the argument just as keys do.
  // Comparisons with a column of numeric affinity, or the rowid, do not depend
  // on the other operand's affinity. A text or blob that SQLite knows has none
  // that would convert the column's values; of anything else SQLite does not
  // tell: a number may be a CAST.
  static bool IsExact(const PathColumn& column, const Constraint& constraint);

 private:
  void Add(int number);
  void AddPattern(int number);
  void FindGap();
  void DoubtPartsOfRowValues();

  const TableSchema& schema_;
  sqlite3_index_info* const info_;
  std::vector<Constraint> list_;
  std::vector<int> patterned_;
  int terms_ = 0;
  // The first term of the WHERE clause that SQLite does not show.
  std::optional<int> gap_;
};

}  // namespace nori

#endif  // NORI_VTAB_CONSTRAINTS_H_
