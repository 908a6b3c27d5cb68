// The finished cells of atll_bench: a file with one line each, and the tables.

#ifndef NORI_BENCH_ATLL_RESULTS_H_
#define NORI_BENCH_ATLL_RESULTS_H_

#include <optional>
#include <string>
#include <vector>

#include "bench/atll_workloads.h"

namespace nori::bench {

struct Cell {
  int round = 0;
  std::string workload, contender;
  CellMeasures measures;
};

// The file results.csv in a folder, which a run that was cut short goes on
// with. Not thread-safe; other processes may append meanwhile.
class ResultsFile {
 public:
  // Creates folder and file if need be. Fails if the file was begun with other
  // settings (settings.txt beside it).
  ResultsFile(std::string folder, const std::string& settings);

  std::vector<Cell> Read() const;
  // Appends a line and syncs it.
  void Append(const Cell& cell) const;

 private:
  const std::string folder_;
};

// A cell's median over the rounds, measure by measure; nothing if it was not
// run.
std::optional<CellMeasures> MedianCell(const std::vector<Cell>& cells,
                                       const std::string& workload,
                                       const std::string& contender);

// Of `contenders`, the one with the highest geometric mean of throughput over
// the workloads that all of them have run; empty if there are none.
std::string BestContender(const std::vector<Cell>& cells,
                          const std::vector<std::string>& contenders);

// One table a workload, in markdown, with a column that says who is on the
// Pareto front of bytes written and filters asked; then the throughput of each
// nori contender against the better RocksDB.
std::string MarkdownTables(const std::vector<Cell>& cells,
                           const std::vector<std::string>& contenders);

}  // namespace nori::bench

#endif  // NORI_BENCH_ATLL_RESULTS_H_
