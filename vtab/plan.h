// How xBestIndex tells xFilter what to do.

#ifndef NORI_VTAB_PLAN_H_
#define NORI_VTAB_PLAN_H_

namespace nori {

// Travels in idxNum. The arguments of xFilter come in this order: the name of
// the snapshot, if the plan reads one; the others, which are BindRanges' and
// BindPoint's: one for each equality, then the lower bound, then the upper.
struct Plan {
  int equalities = 0;  // leading key columns
  bool has_lower = false, lower_strict = false;
  bool has_upper = false, upper_strict = false;
  bool reverse = false;
  // ORDER BY was left to the scan because the columns with equalities do not
  // vary in it.
  bool relies_on_equalities = false;
  // Some argument for a column without numeric affinity may come from a column
  // of another affinity, and then SQLite compares converted values.
  bool mixed_affinities = false;

  // Reads as of a snapshot. NULL for its name gives no row or, if
  // `null_is_now`, the present ones.
  bool as_of = false;
  bool null_is_now = false;

  int Encode() const;
  static Plan Decode(int number);
};

}  // namespace nori

#endif  // NORI_VTAB_PLAN_H_
