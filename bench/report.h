// Medians per store, printed and written to files.

#ifndef NORI_BENCH_REPORT_H_
#define NORI_BENCH_REPORT_H_

#include <string>
#include <vector>

namespace nori::bench {

// What one store reached in the rounds so far.
struct Series {
  std::string store;
  std::vector<double> samples;

  double Median() const;
  // (largest - smallest) / median.
  double Spread() const;
};

struct Line {
  std::string metric;
  bool lower_is_better = false;
  std::vector<Series> series;
};

// A quotient of two groups of stores, each taken at its best member; a group is
// every store whose name begins with the prefix.
struct Ratio {
  std::string title;
  std::string ours;
  std::string theirs;
};

class Report {
 public:
  Report(std::string title, std::vector<std::string> stores,
         std::vector<Ratio> ratios);

  void Add(const std::string& metric, const std::string& store, double value,
           bool lower_is_better = false);

  // A table for a terminal; also valid markdown.
  std::string Table() const;
  // metric,store,median,spread,samples...
  std::string Csv() const;
  // Writes PREFIX.md and PREFIX.csv.
  void WriteFiles(const std::string& prefix) const;

 private:
  std::vector<std::string> Cells(const Line& line) const;

  const std::string title_;
  const std::vector<std::string> stores_;
  const std::vector<Ratio> ratios_;
  std::vector<Line> lines_;  // in the order of their first sample
};

}  // namespace nori::bench

#endif  // NORI_BENCH_REPORT_H_
