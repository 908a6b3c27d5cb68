#include "vtab/constraints.h"

#include <algorithm>
#include <string_view>

#include "vtab/sqlite_value.h"

namespace nori {
namespace {

bool IsPattern(unsigned char op) {
  return op == SQLITE_INDEX_CONSTRAINT_LIKE ||
         op == SQLITE_INDEX_CONSTRAINT_GLOB;
}

bool IsLimit(unsigned char op) {
  return op == SQLITE_INDEX_CONSTRAINT_LIMIT ||
         op == SQLITE_INDEX_CONSTRAINT_OFFSET;
}

std::optional<ConstraintKind> KindOf(unsigned char op) {
  switch (op) {
    case SQLITE_INDEX_CONSTRAINT_EQ:
      return ConstraintKind::kEqual;
    case SQLITE_INDEX_CONSTRAINT_IS:
    case SQLITE_INDEX_CONSTRAINT_ISNULL:  // its argument is NULL
      return ConstraintKind::kIs;
    case SQLITE_INDEX_CONSTRAINT_GT:
    case SQLITE_INDEX_CONSTRAINT_GE:
      return ConstraintKind::kLower;
    case SQLITE_INDEX_CONSTRAINT_LT:
    case SQLITE_INDEX_CONSTRAINT_LE:
      return ConstraintKind::kUpper;
    case SQLITE_INDEX_CONSTRAINT_ISNOTNULL:
      return ConstraintKind::kNotNull;
    case SQLITE_INDEX_CONSTRAINT_LIMIT:
      return ConstraintKind::kLimit;
    case SQLITE_INDEX_CONSTRAINT_OFFSET:
      return ConstraintKind::kOffset;
    default:
      return std::nullopt;
  }
}

}  // namespace

Constraints::Constraints(const TableSchema& schema, sqlite3_index_info* info)
    : schema_(schema), info_(info) {
  list_.reserve(static_cast<size_t>(info->nConstraint));
  for (int i = 0; i < info->nConstraint; ++i) Add(i);
  for (int i = 0; i < info->nConstraint; ++i) {
    const auto& pattern = info->aConstraint[i];
    if (!IsPattern(pattern.op)) continue;
    AddPattern(i);
    for (Constraint& constraint : list_) {
      if (constraint.column == ColumnOf(pattern.iColumn)) {
        constraint.from_pattern = true;
      }
    }
  }
  FindGap();
  DoubtPartsOfRowValues();
}

int Constraints::ColumnOf(int column) const {
  return column < 0 ? schema_.rowid_column : column;
}

void Constraints::Add(int number) {
  const auto& given = info_->aConstraint[number];
  if (!IsLimit(given.op)) ++terms_;
  std::optional<ConstraintKind> kind = KindOf(given.op);
  if (!given.usable || !kind) return;
  Constraint constraint;
  constraint.number = number;
  constraint.column = ColumnOf(given.iColumn);
  constraint.strict = given.op == SQLITE_INDEX_CONSTRAINT_GT ||
                      given.op == SQLITE_INDEX_CONSTRAINT_LT;
  if (*kind == ConstraintKind::kEqual &&
      sqlite3_vtab_in(info_, number, /*bHandle=*/-1)) {
    kind = ConstraintKind::kIn;
  }
  constraint.kind = *kind;
  constraint.is_null = given.op == SQLITE_INDEX_CONSTRAINT_ISNULL;
  if (!IsLimit(given.op)) {
    constraint.collation =
        CollationOfName(sqlite3_vtab_collation(info_, number));
  }
  if (*kind != ConstraintKind::kIn && *kind != ConstraintKind::kNotNull) {
    sqlite3_vtab_rhs_value(info_, number, &constraint.literal);
  }
  list_.push_back(constraint);
}

void Constraints::AddPattern(int number) {
  const auto& given = info_->aConstraint[number];
  sqlite3_value* value = nullptr;
  if (!given.usable ||
      sqlite3_vtab_rhs_value(info_, number, &value) != SQLITE_OK ||
      sqlite3_value_type(value) != SQLITE_TEXT) {
    return;
  }
  const std::string_view pattern = ValueOfSqlite(value).bytes;
  const std::string_view wild =
      given.op == SQLITE_INDEX_CONSTRAINT_LIKE ? "%_" : "*?[]";
  const auto certain = std::count_if(
      pattern.begin(), pattern.end(),
      [wild](char c) { return wild.find(c) == std::string_view::npos; });
  if (certain > 1) patterned_.push_back(ColumnOf(given.iColumn));
}

// SQLite 3.40 offers LIMIT and OFFSET also where a term compares two columns of
// the table, which it then checks without showing it here. Terms are numbered
// in the order of the clause, LIMIT and OFFSET last: a number that is missing
// is such a term, or one that was replaced by others.
void Constraints::FindGap() {
  std::vector<int> numbers;
  numbers.reserve(static_cast<size_t>(info_->nConstraint));
  for (int i = 0; i < info_->nConstraint; ++i) {
    numbers.push_back(info_->aConstraint[i].iTermOffset);
  }
  std::sort(numbers.begin(), numbers.end());
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (numbers[i] == static_cast<int>(i)) continue;
    gap_ = static_cast<int>(i);
    return;
  }
}

// SQLite puts an equality for each column in the place of `(a, b) IN (...)`,
// which it keeps for itself, and gives all of them the collation of the first.
// The real one is the column's own (or of a COLLATE in the row value, which
// cannot be known). By an index of another collation rows would be missed,
// unless the column's tells all values apart.
void Constraints::DoubtPartsOfRowValues() {
  if (!gap_.has_value()) return;
  std::erase_if(list_, [this](Constraint& constraint) {
    if (constraint.kind != ConstraintKind::kEqual ||
        constraint.literal != nullptr ||
        info_->aConstraint[constraint.number].iTermOffset < *gap_ ||
        constraint.column == schema_.rowid_column || constraint.column < 0 ||
        constraint.column >= static_cast<int>(schema_.columns.size())) {
      return false;
    }
    const Collation own =
        schema_.columns[static_cast<size_t>(constraint.column)].collation;
    if (constraint.collation == own) return false;
    constraint.doubtful = true;
    return own != Collation::kBinary;
  });
}

const Constraint* Constraints::Find(const PathColumn& column,
                                    ConstraintKind kind) const {
  const Constraint* unknown = nullptr;
  for (const Constraint& constraint : list_) {
    if (constraint.kind != kind || constraint.column != column.key.column) {
      continue;
    }
    // Numbers have no collation.
    if (constraint.column == schema_.rowid_column ||
        constraint.collation == column.key.collation) {
      if (constraint.literal != nullptr) return &constraint;
      if (unknown == nullptr) unknown = &constraint;
    }
  }
  return unknown;
}

const Constraint* Constraints::Find(ConstraintKind kind) const {
  for (const Constraint& constraint : list_) {
    if (constraint.kind == kind) return &constraint;
  }
  return nullptr;
}

bool Constraints::IsExact(const PathColumn& column,
                          const Constraint& constraint) {
  if (constraint.doubtful) return false;
  if (column.affinity != Affinity::kText &&
      column.affinity != Affinity::kBlob) {
    return true;
  }
  if (constraint.is_null) return true;
  if (constraint.literal == nullptr) return false;
  const int type = sqlite3_value_type(constraint.literal);
  return type != SQLITE_INTEGER && type != SQLITE_FLOAT;
}

}  // namespace nori
