// The documented list: what a nori table does otherwise than an ordinary table.
// The random tests leave exactly this out, or excuse it and count how often.

#ifndef NORI_TESTS_VTAB_DIFFERENCES_H_
#define NORI_TESTS_VTAB_DIFFERENCES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace nori {

enum class Difference : uint8_t {
  kLimits,
  kUpdateReadsFirst,
  kDefaultForNull,
  kWrongTypeUnderOr,
  kReturning,
  kChanges,
  kIndexFunctions,
  kRealRowids,
  kRowValueIn,
  kTimeInCheck,
  kCheckAfterRename,
  kCount
};

struct DocumentedDifference {
  Difference difference;
  const char* what;       // as it is printed
  const char* reason;     // why it is so
  const char* in_readme;  // words of README.md, section Differences
  bool excused;  // the random tests run it, too; else they leave it out
  // Scripts that end differently: for an ordinary and for a nori table.
  const char* ordinary;
  const char* nori;
};
std::span<const DocumentedDifference> DocumentedDifferences();

// What the random tests leave out because SQLite 3.40.1 itself answers an
// ordinary table wrongly, or by what the statement does not determine.
std::span<const char* const> LeftOutForSqlite();

// Counts what was excused.
class ExcusedDifferences {
 public:
  void Excuse(Difference difference) {
    ++counts_[static_cast<size_t>(difference)];
  }
  // The whole list with its counts, to stdout.
  void Print() const;

 private:
  std::array<uint64_t, static_cast<size_t>(Difference::kCount)> counts_ = {};
};

}  // namespace nori

#endif  // NORI_TESTS_VTAB_DIFFERENCES_H_
