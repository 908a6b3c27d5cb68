// Stands between SQLite and the module's xBestIndex, and tells what was asked
// and answered.

#ifndef NORI_TESTS_VTAB_BEST_INDEX_SPY_H_
#define NORI_TESTS_VTAB_BEST_INDEX_SPY_H_

#include <sqlite3.h>

#include <string>
#include <vector>

namespace nori {

struct BestIndexCall {
  struct Constraint {
    int column = 0;  // -1: the rowid
    int op = 0;
    bool usable = false;
    bool is_in = false;
    int argument = 0;  // of xFilter, counted from 1; 0: not used
    bool omit = false;
  };

  int code = SQLITE_OK;
  std::vector<Constraint> constraints;
  int order_terms = 0;
  bool order_consumed = false;
  bool unique = false;
  double rows = 0;
  double cost = 0;
  std::string text;
  // Not SQLite's: one constraint of the call before, which can be used there,
  // cannot in this one.
  bool is_probe = false;
  int left_out = 0;
};

// What a call answered and where it broke the rules, for messages.
std::string Describe(const BestIndexCall& call);
// The rules that hold whatever the table is: only usable constraints are used,
// arguments are numbered without gaps, what is left out was used and compares
// as keys do, estimates are numbers and one row is one. "" if it keeps them.
std::string BrokenRule(const BestIndexCall& call);

// Loads a copy of the extension, which no other test shares. One at a time; the
// copy stays in the process.
class BestIndexSpy {
 public:
  explicit BestIndexSpy(const std::string& directory);
  ~BestIndexSpy();
  BestIndexSpy(const BestIndexSpy&) = delete;
  BestIndexSpy& operator=(const BestIndexSpy&) = delete;

  // Registers the module in a connection.
  void Load(sqlite3* db);
  // The calls since the last Take. Each of SQLite's is followed by probes.
  std::vector<BestIndexCall> Take();

 private:
  using Init = int (*)(sqlite3*, char**, const void*);
  Init init_ = nullptr;
};

}  // namespace nori

#endif  // NORI_TESTS_VTAB_BEST_INDEX_SPY_H_
