#include "vtab/path_planner.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/strings/str_cat.h"
#include "vtab/key_bounds.h"

namespace nori {
namespace {

// Costs beside that of a row in a scan, which is about 1.
constexpr double kSeekCost = 4;        // and the logarithm of the entries
constexpr double kLookUpCost = 4;      // a row by the key in an index entry
constexpr double kBytesPerCost = 256;  // that make reading a row cost 1 more
constexpr double kSortCost = 0.35;     // a comparison
// Values that an IN list is thought to have: SQLite does not tell.
constexpr double kInValues = 8;
// The share of rows that a bound leaves, where nothing is known.
constexpr double kBoundShare = 0.25;
// The same of terms that SQLite checks, as it takes them for its own tables:
// of each, and the most that all leave if there is an equality, or one with a
// number that flags have.
constexpr double kTermShare = 0.933;
constexpr double kEqualityShare = 0.25;
constexpr double kFlagShare = 0.5;
// The share that a LIKE or GLOB leaves.
constexpr double kPatternShare = 0.25;
constexpr double kLimitGuess = 50;
// Entries of one block, inside which indexes cannot count.
constexpr double kBlockEntries = 32;

bool IsFlag(const Constraint& constraint) {
  if (constraint.literal == nullptr ||
      sqlite3_value_type(constraint.literal) != SQLITE_INTEGER) {
    return false;
  }
  const sqlite3_int64 value = sqlite3_value_int64(constraint.literal);
  return value >= -1 && value <= 1;
}

class PathPlanner {
 public:
  PathPlanner(const PlanContext& context, const AccessPath& path)
      : context_(context), info_(*context.info), path_(path) {}

  KnownShare Share() {
    only_known_ = true;
    MatchPrefix();
    MatchRange();
    std::vector<sqlite3_value*> values;
    const Plan known = KnownPart(&values);
    KnownShare share;
    const auto add = [&](int argument) {
      if (argument == kNoArgument) return;
      share.constraints.push_back(
          candidate_.uses[static_cast<size_t>(argument)].constraint);
    };
    for (const Plan::Column& column : known.prefix) add(column.argument);
    add(known.lower);
    add(known.upper);
    if (share.constraints.empty() || context_.engine == nullptr) return {};
    KeyWalk walk;
    const BoundKind kind = walk.Bind(path_, known, values.data());
    share.share = std::clamp(EntriesOf(kind, &walk), 1.0, Total()) / Total();
    return share;
  }

  Candidate Run() {
    plan_.index = path_.id;
    plan_.covering = path_.Covers(info_.colUsed) && path_.index != nullptr;
    MatchPrefix();
    MatchRange();
    candidate_.one_row = IsOneRow();
    ConsumeOrder();
    SkipDuplicates();
    ConsumeOffset();
    Estimate();
    candidate_.useful = path_.index == nullptr || !plan_.prefix.empty() ||
                        HasRange() || plan_.covering ||
                        (candidate_.order_consumed && info_.nOrderBy > 0);
    Describe();
    candidate_.plan = std::move(plan_);
    return std::move(candidate_);
  }

 private:
  const Constraint* Find(size_t position, ConstraintKind kind) const {
    const Constraint* constraint =
        context_.constraints->Find(path_.columns[position], kind);
    const bool is_wanted = !only_known_ || (constraint != nullptr &&
                                            constraint->literal != nullptr);
    return is_wanted ? constraint : nullptr;
  }
  // SQLite gives the argument of a constraint once. A column that a path has
  // twice, by two collations, is bound once.
  bool IsUsed(const Constraint* constraint) const {
    return std::any_of(candidate_.uses.begin(), candidate_.uses.end(),
                       [constraint](const Candidate::Use& use) {
                         return use.constraint == constraint;
                       });
  }
  bool HasRange() const {
    return plan_.lower != kNoArgument || plan_.upper != kNoArgument;
  }

  int Use(const Constraint& constraint, const PathColumn& column) {
    const bool exact = Constraints::IsExact(column, constraint);
    if (!exact) mixed_ = true;
    // A scan that an earlier column widens keeps no bound of a later one. IS
    // may be asked of the NULL row of an outer join, which SQLite must see.
    const bool omit = exact && !mixed_ &&
                      constraint.kind != ConstraintKind::kIs &&
                      !constraint.from_pattern;
    candidate_.uses.push_back({&constraint, omit});
    return static_cast<int>(candidate_.uses.size()) - 1;
  }

  void MatchPrefix() {
    for (size_t i = 0; i < path_.seek_columns; ++i) {
      // Its value is given already.
      if (path_.columns[i].repeats) return;
      const Constraint* constraint = nullptr;
      Match match = Match::kEqual;
      if ((constraint = Find(i, ConstraintKind::kEqual)) != nullptr) {
        match = Match::kEqual;
      } else if ((constraint = Find(i, ConstraintKind::kIs)) != nullptr) {
        match = Match::kIs;
      } else if ((constraint = Find(i, ConstraintKind::kIn)) != nullptr) {
        match = Match::kIn;
      } else {
        return;
      }
      if (IsUsed(constraint)) return;
      plan_.prefix.push_back(
          {match, Use(*constraint, path_.columns[i]),
           !Constraints::IsExact(path_.columns[i], *constraint)});
    }
  }

  void MatchRange() {
    const size_t next = plan_.prefix.size();
    if (next >= path_.seek_columns || path_.columns[next].repeats) return;
    const PathColumn& column = path_.columns[next];
    const size_t first = candidate_.uses.size();
    const auto* lower = Find(next, ConstraintKind::kLower);
    if (lower != nullptr && !IsUsed(lower)) {
      plan_.lower_strict = lower->strict;
      plan_.blobs_too = plan_.blobs_too || lower->from_pattern;
      plan_.lower = Use(*lower, column);
      plan_.mixed_bounds |= !Constraints::IsExact(column, *lower);
    }
    const auto* upper = Find(next, ConstraintKind::kUpper);
    if (upper != nullptr && !IsUsed(upper)) {
      plan_.upper_strict = upper->strict;
      plan_.blobs_too = plan_.blobs_too || upper->from_pattern;
      plan_.upper = Use(*upper, column);
      plan_.mixed_bounds |= !Constraints::IsExact(column, *upper);
    }
    // What one bound lets in the other does not keep out.
    for (size_t i = first; i < candidate_.uses.size(); ++i) {
      if (mixed_) candidate_.uses[i].omit = false;
    }
  }

  // Values that SQLite converts may equal one argument though they differ.
  bool IsOneRow() const {
    if (mixed_ || plan_.prefix.size() < path_.unique_columns) {
      return false;
    }
    for (size_t i = 0; i < path_.unique_columns; ++i) {
      const Match match = plan_.prefix[i].match;
      if (match == Match::kIn ||
          (match == Match::kIs && path_.columns[i].nullable)) {
        return false;
      }
    }
    return true;
  }

  // Whether the column has one value in the scan, as far as the bounds hold.
  bool IsConstant(size_t position) const {
    return position < plan_.prefix.size() &&
           plan_.prefix[position].match != Match::kIn;
  }

  // The place of an ORDER BY column among the path's; nullopt if it has none
  // that keeps its order.
  std::optional<size_t> PositionOf(int column) const {
    const int wanted = context_.constraints->ColumnOf(column);
    for (size_t i = 0; i < path_.columns.size(); ++i) {
      if (path_.columns[i].key.column == wanted &&
          path_.columns[i].fits_order) {
        return i;
      }
    }
    return std::nullopt;
  }

  // Passes over columns that order nothing.
  size_t SkipConstants(size_t next, bool* relies) const {
    while (next < path_.columns.size() &&
           (IsConstant(next) || path_.columns[next].repeats)) {
      if (IsConstant(next)) *relies = true;
      ++next;
    }
    return next;
  }

  // Whether rows that agree in the first `columns` columns are one.
  bool TellsApart(size_t columns) const {
    if (columns < path_.unique_columns) return false;
    return std::none_of(path_.columns.begin(),
                        path_.columns.begin() +
                            static_cast<std::ptrdiff_t>(path_.unique_columns),
                        [](const PathColumn& c) { return c.nullable; });
  }

  void ConsumeOrder() {
    if (info_.nOrderBy == 0) return;
    if (candidate_.one_row) {
      candidate_.order_consumed = true;
      return;
    }
    // For GROUP BY, too, groups would do by the documentation. But SQLite takes
    // them for sorted, where ORDER BY asks for the same columns.
    const bool groups_are_enough = sqlite3_vtab_distinct(&info_) == 2;
    candidate_.order_consumed =
        groups_are_enough ? FollowsGroups() : FollowsOrder();
    if (!candidate_.order_consumed) plan_.order.clear();
  }

  bool FollowsOrder() {
    size_t next = 0;    // first column that no term has used
    int direction = 0;  // 0: not yet known, 1: as the path, -1: against it
    bool relies = false;
    for (int i = 0; i < info_.nOrderBy; ++i) {
      const auto& term = info_.aOrderBy[i];
      const std::optional<size_t> position = PositionOf(term.iColumn);
      if (!position) return false;
      const bool against =
          (term.desc != 0) != path_.columns[*position].key.descending;
      plan_.order.push_back({*position, against});
      if (IsConstant(*position)) {
        relies = true;
        continue;
      }
      if (*position < next) continue;  // the same column once more
      next = SkipConstants(next, &relies);
      if (*position != next) return false;
      const int wanted = against ? -1 : 1;
      if (direction == 0) direction = wanted;
      if (direction != wanted) return false;
      ++next;
      // Rows are told apart, further terms say nothing.
      if (TellsApart(next)) break;
    }
    plan_.reverse = direction < 0;
    ordered_ = next;
    FinishOrder(relies);
    return true;
  }

  // As FollowsOrder, where rows that agree need only come together.
  bool FollowsGroups() {
    std::vector<bool> wanted(path_.columns.size());
    size_t missing = 0;
    bool relies = false;
    for (int i = 0; i < info_.nOrderBy; ++i) {
      const std::optional<size_t> position =
          PositionOf(info_.aOrderBy[i].iColumn);
      if (!position) return false;
      plan_.order.push_back({*position, false});
      if (IsConstant(*position)) {
        relies = true;
      } else if (!wanted[*position]) {
        wanted[*position] = true;
        ++missing;
      }
    }
    size_t next = 0;
    while (missing > 0 && !TellsApart(next)) {
      next = SkipConstants(next, &relies);
      if (next == path_.columns.size() || !wanted[next]) return false;
      ++next;
      --missing;
    }
    ordered_ = next;
    FinishOrder(relies);
    return true;
  }

  // The terms matter only where arguments may widen the scan.
  void FinishOrder(bool relies) {
    if (!relies || !mixed_) plan_.order.clear();
  }

  // DISTINCT asks for one row of each group. SQLite may check terms on rows
  // that it does not tell of, so that one row must be as good as another for
  // these: they can only be of columns that are used, and all of those must be
  // among the ones that the rows agree in, byte for byte. Uses of a rowid
  // cannot be seen.
  void SkipDuplicates() {
    if (!candidate_.order_consumed || candidate_.one_row || mixed_ ||
        sqlite3_vtab_distinct(&info_) < 2 ||
        context_.schema->identity != RowIdentity::kKey) {
      return;
    }
    bool relies = false;
    const size_t columns = SkipConstants(ordered_, &relies);
    const size_t in_key =
        path_.index == nullptr ? path_.columns.size() : path_.seek_columns;
    if (columns == 0 || columns > in_key || TellsApart(columns)) return;
    uint64_t agreed = 0;
    for (size_t i = 0; i < columns; ++i) {
      const PathColumn& column = path_.columns[i];
      const bool same_bytes = column.affinity == Affinity::kInteger ||
                              column.affinity == Affinity::kNumeric ||
                              column.affinity == Affinity::kText;
      if (!same_bytes || column.key.collation != Collation::kBinary) continue;
      if (column.key.column < 63) {
        agreed |= uint64_t{1} << column.key.column;
      }
    }
    if ((info_.colUsed & ~agreed) == 0) plan_.distinct = columns;
  }

  void ConsumeOffset() {
    const Constraints& constraints = *context_.constraints;
    const Constraint* offset = constraints.Find(ConstraintKind::kOffset);
    if (offset == nullptr || !constraints.complete() ||
        (info_.nOrderBy > 0 && !candidate_.order_consumed) ||
        constraints.terms() != static_cast<int>(candidate_.uses.size())) {
      return;
    }
    // A bound may be the part that SQLite shows of a comparison of row values,
    // and an IN that of row values in a list: it checks the rest by itself.
    for (const Candidate::Use& use : candidate_.uses) {
      if (!use.omit || use.constraint->kind != ConstraintKind::kEqual) return;
    }
    plan_.offset = static_cast<int>(candidate_.uses.size());
    candidate_.uses.push_back({offset, /*omit=*/true});
  }

  // Arguments that SQLite knows, up to the first prefix column of which it does
  // not; the plan that they are for.
  Plan KnownPart(std::vector<sqlite3_value*>* values) const {
    Plan known = plan_;
    values->clear();
    for (const Candidate::Use& use : candidate_.uses) {
      values->push_back(use.constraint->literal);
    }
    const auto is_known = [&](int argument) {
      return argument == kNoArgument ||
             (*values)[static_cast<size_t>(argument)] != nullptr;
    };
    for (size_t i = 0; i < known.prefix.size(); ++i) {
      if (is_known(known.prefix[i].argument)) continue;
      known.prefix.resize(i);
      known.lower = known.upper = kNoArgument;
      known.blobs_too = false;
      return known;
    }
    if (!is_known(known.lower)) known.lower = kNoArgument;
    if (!is_known(known.upper)) known.upper = kNoArgument;
    return known;
  }

  MeasuredStore Store() const {
    return {context_.engine, context_.transaction};
  }
  double Total() const {
    return context_.engine == nullptr
               ? 1
               : context_.statistics->Entries(Store(), path_);
  }
  double PerPrefix(size_t columns) const {
    if (columns == 0) return Total();
    if (context_.engine == nullptr) return 1;
    return context_.statistics->EntriesPerPrefix(Store(), path_, columns);
  }

  // Texts that are numbers are thought to be few among others.
  double EntriesOf(BoundKind kind, KeyWalk* walk) const {
    if (kind == BoundKind::kEmpty) return 0;
    if (kind == BoundKind::kPoint) return 1;
    double entries = 0;
    walk->Start(/*reverse=*/false);
    do {
      if (walk->only_numbers()) continue;
      entries += static_cast<double>(
          context_.engine->Estimate({walk->begin(), walk->end()}).entries);
    } while (walk->Advance());
    return entries;
  }

  // Entries that the scan visits.
  double Visited() {
    std::vector<sqlite3_value*> values;
    const Plan known = KnownPart(&values);
    double rows = 0;
    const size_t columns = plan_.prefix.size();
    const bool has_bounds =
        known.lower != kNoArgument || known.upper != kNoArgument;
    if ((known.prefix.empty() && !has_bounds) || context_.engine == nullptr) {
      rows = PerPrefix(columns);
    } else {
      KeyWalk walk;
      const BoundKind kind = walk.Bind(path_, known, values.data());
      if (kind == BoundKind::kEmpty) return 1;
      const KeyRange hull = walk.Hull();
      const bool all_known = known.prefix.size() == columns &&
                             known.lower == plan_.lower &&
                             known.upper == plan_.upper;
      if (all_known) candidate_.range = hull;
      if (candidate_.one_row) return 1;
      const double least =
          has_bounds ? 1
                     : std::min(PerPrefix(known.prefix.size()), kBlockEntries);
      rows = std::max(least, EntriesOf(kind, &walk));
      if (known.prefix.size() < columns) {
        rows *= PerPrefix(columns) / PerPrefix(known.prefix.size());
      }
    }
    if (candidate_.one_row) return 1;
    for (const Plan::Column& column : plan_.prefix) {
      if (column.match == Match::kIn) rows *= kInValues;
    }
    if (plan_.lower != known.lower) rows *= kBoundShare;
    if (plan_.upper != known.upper) rows *= kBoundShare;
    return std::clamp(rows, 1.0, Total());
  }

  double Seeks() const {
    double seeks = 1;
    for (const Plan::Column& column : plan_.prefix) {
      if (column.match == Match::kIn) seeks *= kInValues;
    }
    return seeks;
  }

  // Of `rows`, those that are read until the LIMIT is reached.
  double UntilLimit(double rows) const {
    const Constraint* limit =
        context_.constraints->Find(ConstraintKind::kLimit);
    if (limit == nullptr ||
        (info_.nOrderBy > 0 && !candidate_.order_consumed)) {
      return rows;
    }
    double wanted = kLimitGuess;
    if (limit->literal != nullptr) {
      const sqlite3_int64 given = sqlite3_value_int64(limit->literal);
      if (given < 0) return rows;
      wanted = static_cast<double>(given);
    }
    if (const auto* offset =
            context_.constraints->Find(ConstraintKind::kOffset);
        offset != nullptr && offset->literal != nullptr) {
      wanted += std::max(
          0.0, static_cast<double>(sqlite3_value_int64(offset->literal)));
    }
    const auto used = static_cast<int>(candidate_.uses.size());
    for (int i = used; i < context_.constraints->terms(); ++i) {
      wanted /= kBoundShare;
    }
    return std::min(rows, std::max(wanted, 1.0));
  }

  // Of `rows` that the scan gives, those that meet the terms which SQLite
  // checks on them. It does not reckon with these by itself, as it does for its
  // own tables. Only of a value that it knows is it sure that the term depends
  // on no other table.
  double MeetingTerms(double rows) const {
    std::vector<const Constraint*> counted;
    for (const Candidate::Use& use : candidate_.uses) {
      counted.push_back(use.constraint);
    }
    const auto is_counted = [&](const Constraint* constraint) {
      return std::find(counted.begin(), counted.end(), constraint) !=
             counted.end();
    };
    for (const KnownShare& share : context_.shares) {
      if (std::any_of(share.constraints.begin(), share.constraints.end(),
                      is_counted)) {
        continue;
      }
      rows *= share.share;
      counted.insert(counted.end(), share.constraints.begin(),
                     share.constraints.end());
    }
    double most = 1;
    for (const Constraint& constraint : context_.constraints->list()) {
      const bool is_free = constraint.literal != nullptr ||
                           constraint.is_null ||
                           constraint.kind == ConstraintKind::kNotNull;
      if (!is_free || !constraint.IsTerm() || is_counted(&constraint)) continue;
      rows *= kTermShare;
      if (constraint.kind == ConstraintKind::kEqual ||
          constraint.kind == ConstraintKind::kIs) {
        most = std::min(most, IsFlag(constraint) ? kFlagShare : kEqualityShare);
      }
    }
    for (const int column : context_.constraints->patterned()) {
      const bool is_in_range = std::any_of(
          counted.begin(), counted.end(), [column](const Constraint* c) {
            return c->from_pattern && c->column == column;
          });
      if (!is_in_range) rows *= kPatternShare;
    }
    return std::min(rows, std::max(1.0, Total() * most));
  }

  void Estimate() {
    const double total = Total();
    const double rows = Visited();
    double read = UntilLimit(rows);
    if (plan_.distinct > 0) {
      const double groups = std::max(1.0, total / PerPrefix(plan_.distinct));
      read = std::min(read, groups * kSeekCost);
    }
    const double bytes = context_.engine == nullptr
                             ? 0
                             : context_.statistics->BytesEach(Store(), path_);
    double each = 1 + bytes / kBytesPerCost;
    if (path_.index != nullptr && !plan_.covering) each += kLookUpCost;
    candidate_.rows = MeetingTerms(read);
    candidate_.cost =
        Seeks() * (kSeekCost + std::log2(total + 1)) + read * each;
    if (info_.nOrderBy > 0 && !candidate_.order_consumed) {
      candidate_.sort_cost = kSortCost * rows * std::log2(rows + 1);
    }
  }

  void Describe() {
    std::string* text = &plan_.text;
    absl::StrAppend(text, plan_.covering ? "COVERING " : "", path_.label);
    std::string bounds;
    const auto add = [&](size_t position, const char* op) {
      absl::StrAppend(&bounds, bounds.empty() ? "" : " AND ",
                      path_.columns[position].name, op);
    };
    const size_t next = plan_.prefix.size();
    for (size_t i = 0; i < next; ++i) {
      const Match match = plan_.prefix[i].match;
      add(i, match == Match::kIn   ? " IN ?"
             : match == Match::kIs ? " IS ?"
                                   : "=?");
    }
    if (plan_.lower != kNoArgument)
      add(next, plan_.lower_strict ? ">?" : ">=?");
    if (plan_.upper != kNoArgument)
      add(next, plan_.upper_strict ? "<?" : "<=?");
    if (!bounds.empty()) absl::StrAppend(text, " (", bounds, ")");
    if (plan_.reverse) absl::StrAppend(text, " DESC");
    if (plan_.distinct > 0) absl::StrAppend(text, " DISTINCT");
    if (plan_.offset != kNoArgument) absl::StrAppend(text, " OFFSET");
  }

  const PlanContext& context_;
  sqlite3_index_info& info_;
  const AccessPath& path_;
  Plan plan_;
  Candidate candidate_;
  bool only_known_ = false;  // looks at no constraint of an unknown value
  // Some argument may come from a column of another affinity.
  bool mixed_ = false;
  size_t ordered_ = 0;  // leading columns of the path that ORDER BY has used
};

}  // namespace

KnownShare MeasureShare(const PlanContext& context, const AccessPath& path) {
  return PathPlanner(context, path).Share();
}

Candidate PlanPath(const PlanContext& context, const AccessPath& path) {
  return PathPlanner(context, path).Run();
}

}  // namespace nori
