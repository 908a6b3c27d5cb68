// xBestIndex: which part of a table a WHERE clause needs, and in which order.

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "vtab/error_map.h"
#include "vtab/text.h"
#include "vtab/virtual_table.h"

namespace nori {

namespace {

constexpr int kEqualitiesMask = 0xfff;
constexpr int kHasLower = 1 << 12;
constexpr int kLowerStrict = 1 << 13;
constexpr int kHasUpper = 1 << 14;
constexpr int kUpperStrict = 1 << 15;
constexpr int kReverse = 1 << 16;
constexpr int kReliesOnEqualities = 1 << 17;
constexpr int kMixedAffinities = 1 << 18;
constexpr int kAsOf = 1 << 19;
constexpr int kNullIsNow = 1 << 20;

// The constraints usable for one key column, as indexes into aConstraint.
struct ColumnConstraints {
  int equal = -1, lower = -1, upper = -1;
};

class Planner {
 public:
  Planner(VirtualTable* table, sqlite3_index_info* info)
      : table_(table),
        schema_(table->layout.schema),
        info_(info),
        constraints_(table->key_columns()) {}

  int Run() {
    if (!ChooseSnapshot()) return SQLITE_CONSTRAINT;
    for (int i = 0; i < info_->nConstraint; ++i) Collect(i);
    Choose();
    ConsumeOrder();
    Estimate();
    info_->idxNum = plan_.Encode();
    if (!description_.empty()) {
      info_->idxStr = sqlite3_mprintf("%s", description_.c_str());
      if (info_->idxStr == nullptr) return SQLITE_NOMEM;
      info_->needToFreeIdxStr = 1;
    }
    return SQLITE_OK;
  }

 private:
  // Makes a condition on the hidden column the first argument. False if this
  // plan would have to read without knowing the snapshot.
  bool ChooseSnapshot() {
    for (int i = 0; i < info_->nConstraint; ++i) {
      const auto& constraint = info_->aConstraint[i];
      const bool is = constraint.op == SQLITE_INDEX_CONSTRAINT_IS;
      if (constraint.iColumn != schema_.snapshot_column() ||
          (!is && constraint.op != SQLITE_INDEX_CONSTRAINT_EQ)) {
        continue;
      }
      if (!constraint.usable) return false;
      // SQLite compares a second one with the name of the first.
      if (plan_.as_of) continue;
      plan_.as_of = true;
      plan_.null_is_now = is;
      info_->aConstraintUsage[i].argvIndex = ++arguments_;
      info_->aConstraintUsage[i].omit = !is;
      description_ = absl::StrCat(kSnapshotColumnName, "=?");
    }
    return true;
  }

  // The key position of a column of the declared table; -1 if it has none.
  int KeyPosition(int column) const {
    if (table_->has_rowid()) {
      return column == -1 || column == schema_.rowid_column ? 0 : -1;
    }
    if (column < 0 || column >= static_cast<int>(schema_.columns.size())) {
      return -1;
    }
    return table_->layout.key_position[static_cast<size_t>(column)];
  }

  // Comparisons with a column of numeric affinity, or the rowid, do not depend
  // on the other operand's affinity: bounds made from them are exact.
  bool IsExact(int position) const {
    if (table_->has_rowid()) return true;
    const KeyColumn& key = schema_.key[static_cast<size_t>(position)];
    const Affinity affinity =
        schema_.columns[static_cast<size_t>(key.column)].affinity;
    return affinity != Affinity::kText && affinity != Affinity::kBlob;
  }

  bool CollationFits(int constraint, int position) const {
    if (table_->has_rowid()) return true;
    return EqualsIgnoreCase(
        sqlite3_vtab_collation(info_, constraint),
        CollationName(schema_.key[static_cast<size_t>(position)].collation));
  }

  void Collect(int i) {
    const auto& constraint = info_->aConstraint[i];
    if (!constraint.usable) return;
    const int position = KeyPosition(constraint.iColumn);
    if (position < 0) return;
    ColumnConstraints& column = constraints_[static_cast<size_t>(position)];
    int* target;
    switch (constraint.op) {
      case SQLITE_INDEX_CONSTRAINT_EQ:
      case SQLITE_INDEX_CONSTRAINT_IS:  // key columns are never NULL
        target = &column.equal;
        break;
      case SQLITE_INDEX_CONSTRAINT_GT:
      case SQLITE_INDEX_CONSTRAINT_GE:
        target = &column.lower;
        break;
      case SQLITE_INDEX_CONSTRAINT_LT:
      case SQLITE_INDEX_CONSTRAINT_LE:
        target = &column.upper;
        break;
      default:
        return;
    }
    if (*target < 0 && CollationFits(i, position)) *target = i;
  }

  std::string ColumnName(size_t position) const {
    const int column = table_->has_rowid() ? schema_.rowid_column
                                           : schema_.key[position].column;
    return column < 0 ? "rowid"
                      : schema_.columns[static_cast<size_t>(column)].name;
  }

  // Whether what is compared with a column that has no numeric affinity is
  // known to have no affinity that would convert the column's values. Of a
  // parameter SQLite does not tell that.
  bool HasLiteral(int constraint, int position) const {
    sqlite3_value* value = nullptr;
    if (sqlite3_vtab_rhs_value(info_, constraint, &value) != SQLITE_OK) {
      return false;
    }
    const KeyColumn& key = schema_.key[static_cast<size_t>(position)];
    const int type = sqlite3_value_type(value);
    return schema_.columns[static_cast<size_t>(key.column)].affinity !=
               Affinity::kText ||
           (type != SQLITE_INTEGER && type != SQLITE_FLOAT);
  }

  void Use(int constraint, size_t position, const char* op) {
    if (!IsExact(static_cast<int>(position)) &&
        !HasLiteral(constraint, static_cast<int>(position))) {
      plan_.mixed_affinities = true;
    }
    auto& usage = info_->aConstraintUsage[constraint];
    usage.argvIndex = ++arguments_;
    // A scan that an earlier column widens keeps no bound of a later one. IS
    // may be asked of the NULL row of an outer join, which SQLite must see.
    usage.omit =
        IsExact(static_cast<int>(position)) && !plan_.mixed_affinities &&
        info_->aConstraint[constraint].op != SQLITE_INDEX_CONSTRAINT_IS;
    absl::StrAppend(&description_, description_.empty() ? "" : " AND ",
                    ColumnName(position), op, "?");
  }

  void Choose() {
    size_t position = 0;
    while (position < constraints_.size() &&
           constraints_[position].equal >= 0) {
      Use(constraints_[position].equal, position, "=");
      ++position;
    }
    plan_.equalities = static_cast<int>(position);
    if (position == constraints_.size()) return;
    const ColumnConstraints& next = constraints_[position];
    if (next.lower >= 0) {
      plan_.has_lower = true;
      plan_.lower_strict =
          info_->aConstraint[next.lower].op == SQLITE_INDEX_CONSTRAINT_GT;
      Use(next.lower, position, plan_.lower_strict ? ">" : ">=");
    }
    if (next.upper >= 0) {
      plan_.has_upper = true;
      plan_.upper_strict =
          info_->aConstraint[next.upper].op == SQLITE_INDEX_CONSTRAINT_LT;
      Use(next.upper, position, plan_.upper_strict ? "<" : "<=");
    }
  }

  bool whole_key() const {
    return plan_.equalities == static_cast<int>(constraints_.size());
  }

  // Converted values of different rows may all equal one argument.
  bool one_row() const { return whole_key() && !plan_.mixed_affinities; }

  // Whether the key keeps `position` in the order that ORDER BY means.
  bool OrderFits(int position) const {
    if (table_->has_rowid()) return true;
    const KeyColumn& key = schema_.key[static_cast<size_t>(position)];
    return key.collation ==
           schema_.columns[static_cast<size_t>(key.column)].collation;
  }

  bool Descending(int position) const {
    return !table_->has_rowid() &&
           schema_.key[static_cast<size_t>(position)].descending;
  }

  void ConsumeOrder() {
    if (info_->nOrderBy == 0) return;
    if (one_row()) {
      info_->orderByConsumed = 1;
      return;
    }
    int next = 0;       // first key column that no term has used
    int direction = 0;  // 0: not yet known, 1: as the key, -1: against it
    bool relies = false;
    for (int i = 0; i < info_->nOrderBy; ++i) {
      const auto& term = info_->aOrderBy[i];
      const int position = KeyPosition(term.iColumn);
      if (position >= 0 && position < plan_.equalities && OrderFits(position)) {
        relies = true;
        continue;
      }
      if (next < plan_.equalities && position != next) {
        next = plan_.equalities;
        relies = true;
      }
      if (position < 0 || position != next || !OrderFits(position)) return;
      const int wanted = (term.desc != 0) == Descending(position) ? 1 : -1;
      if (direction == 0) direction = wanted;
      if (direction != wanted) return;
      // The whole key is used: rows are told apart, further terms say nothing.
      if (++next == static_cast<int>(constraints_.size())) break;
    }
    info_->orderByConsumed = 1;
    plan_.reverse = direction < 0;
    plan_.relies_on_equalities = relies;
    if (plan_.reverse) {
      absl::StrAppend(&description_, description_.empty() ? "" : " ", "DESC");
    }
  }

  void Estimate() {
    const double total =
        static_cast<double>(std::max<uint64_t>(table_->EstimatedRows(), 1));
    const double seek = 4 + std::log2(total + 1);
    if (whole_key()) {
      info_->estimatedRows = 1;
      info_->estimatedCost = seek;
      if (one_row()) info_->idxFlags = SQLITE_INDEX_SCAN_UNIQUE;
      return;
    }
    double rows = total;
    // Without statistics: each further equality leaves the same share, so that
    // all of them together would leave one row.
    if (plan_.equalities > 0) {
      rows =
          std::pow(total, 1.0 - static_cast<double>(plan_.equalities) /
                                    static_cast<double>(constraints_.size()));
      rows = std::max(2.0, std::min(rows, total / 4));
    }
    if (plan_.has_lower) rows /= 4;
    if (plan_.has_upper) rows /= 4;
    rows = std::max(rows, 1.0);
    info_->estimatedRows = static_cast<sqlite3_int64>(rows);
    info_->estimatedCost = seek + rows * 1.5;
  }

  VirtualTable* const table_;
  const TableSchema& schema_;
  sqlite3_index_info* const info_;
  std::vector<ColumnConstraints> constraints_;
  int arguments_ = 0;
  Plan plan_;
  std::string description_;
};

}  // namespace

int Plan::Encode() const {
  return equalities | (has_lower ? kHasLower : 0) |
         (lower_strict ? kLowerStrict : 0) | (has_upper ? kHasUpper : 0) |
         (upper_strict ? kUpperStrict : 0) | (reverse ? kReverse : 0) |
         (relies_on_equalities ? kReliesOnEqualities : 0) |
         (mixed_affinities ? kMixedAffinities : 0) | (as_of ? kAsOf : 0) |
         (null_is_now ? kNullIsNow : 0);
}

Plan Plan::Decode(int number) {
  Plan plan;
  plan.equalities = number & kEqualitiesMask;
  plan.has_lower = (number & kHasLower) != 0;
  plan.lower_strict = (number & kLowerStrict) != 0;
  plan.has_upper = (number & kHasUpper) != 0;
  plan.upper_strict = (number & kUpperStrict) != 0;
  plan.reverse = (number & kReverse) != 0;
  plan.relies_on_equalities = (number & kReliesOnEqualities) != 0;
  plan.mixed_affinities = (number & kMixedAffinities) != 0;
  plan.as_of = (number & kAsOf) != 0;
  plan.null_is_now = (number & kNullIsNow) != 0;
  return plan;
}

int BestIndex(sqlite3_vtab* base, sqlite3_index_info* info) noexcept {
  return Guarded([&] {
    auto* table = static_cast<VirtualTable*>(base);
    return Planner(table, info).Run();
  });
}

}  // namespace nori
