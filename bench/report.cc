#include "bench/report.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <optional>
#include <sstream>
#include <utility>

#include "bench/measure.h"

namespace nori::bench {
namespace {

std::string Number(double v) {
  char text[32];
  const char* format = v >= 10e6  ? "%.1f M"
                       : v >= 1e6 ? "%.2f M"
                       : v >= 1e5 ? "%.0f k"
                       : v >= 1e3 ? "%.1f k"
                       : v >= 100 ? "%.0f"
                                  : "%.2f";
  const double unit = v >= 1e6 ? 1e6 : v >= 1e3 ? 1e3 : 1;
  std::snprintf(text, sizeof text, format, v / unit);
  return text;
}

std::optional<double> Best(const Line& line, const std::string& prefix) {
  std::optional<double> best;
  for (const Series& series : line.series) {
    if (!series.store.starts_with(prefix)) continue;
    const double median = series.Median();
    if (!best || (line.lower_is_better ? median < *best : median > *best)) {
      best = median;
    }
  }
  return best;
}

}  // namespace

double Series::Median() const {
  std::vector<double> sorted = samples;
  std::sort(sorted.begin(), sorted.end());
  const size_t n = sorted.size();
  return n % 2 == 1 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

double Series::Spread() const {
  const auto [low, high] = std::minmax_element(samples.begin(), samples.end());
  const double median = Median();
  return median == 0 ? 0 : (*high - *low) / median;
}

Report::Report(std::string title, std::vector<std::string> stores,
               std::vector<Ratio> ratios)
    : title_(std::move(title)),
      stores_(std::move(stores)),
      ratios_(std::move(ratios)) {}

void Report::Add(const std::string& metric, const std::string& store,
                 double value, bool lower_is_better) {
  auto line = std::find_if(lines_.begin(), lines_.end(),
                           [&](const Line& l) { return l.metric == metric; });
  if (line == lines_.end()) {
    line = lines_.insert(lines_.end(), Line{metric, lower_is_better, {}});
  }
  auto series = std::find_if(line->series.begin(), line->series.end(),
                             [&](const Series& s) { return s.store == store; });
  if (series == line->series.end()) {
    series = line->series.insert(line->series.end(), Series{store, {}});
  }
  series->samples.push_back(value);
}

std::vector<std::string> Report::Cells(const Line& line) const {
  std::vector<std::string> cells = {
      line.metric + (line.lower_is_better ? " (less is better)" : "")};
  for (const std::string& store : stores_) {
    std::string cell = "-";
    for (const Series& series : line.series) {
      if (series.store != store) continue;
      cell = Number(series.Median());
      if (series.samples.size() > 1) {
        char spread[16];
        std::snprintf(spread, sizeof spread, " ±%.0f%%", series.Spread() * 50);
        cell += spread;
      }
    }
    cells.push_back(cell);
  }
  for (const Ratio& ratio : ratios_) {
    const std::optional<double> ours = Best(line, ratio.ours);
    const std::optional<double> theirs = Best(line, ratio.theirs);
    cells.push_back(
        ours && theirs && *theirs > 0 ? Number(*ours / *theirs) + "x" : "-");
  }
  return cells;
}

std::string Report::Table() const {
  std::vector<std::vector<std::string>> rows = {{""}};
  rows[0].insert(rows[0].end(), stores_.begin(), stores_.end());
  for (const Ratio& ratio : ratios_) rows[0].push_back(ratio.title);
  for (const Line& line : lines_) rows.push_back(Cells(line));
  // Widths in characters: the sign before a spread takes two bytes.
  const auto width = [](const std::string& s) {
    return static_cast<size_t>(std::count_if(s.begin(), s.end(), [](char c) {
      return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
    }));
  };
  std::vector<size_t> widths(rows[0].size(), 3);
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], width(row[i]));
    }
  }
  std::string text = title_ + "\n\n";
  for (size_t r = 0; r < rows.size(); ++r) {
    for (size_t i = 0; i < widths.size(); ++i) {
      const std::string padding(widths[i] - width(rows[r][i]), ' ');
      text += "| ";
      // Names to the left, numbers to the right.
      text += i == 0 ? rows[r][i] : padding;
      text += i == 0 ? padding : rows[r][i];
      text += ' ';
    }
    text += "|\n";
    if (r > 0) continue;
    for (size_t i = 0; i < widths.size(); ++i) {
      text += "|-";
      text.append(widths[i], '-');
      text += i == 0 ? '-' : ':';
    }
    text += "|\n";
  }
  return text;
}

std::string Report::Csv() const {
  std::ostringstream text;
  text << std::fixed << "metric,store,median,spread,samples\n";
  for (const Line& line : lines_) {
    for (const Series& series : line.series) {
      text << '"' << line.metric << "\"," << series.store << ','
           << series.Median() << ',' << series.Spread();
      for (const double sample : series.samples) text << ',' << sample;
      text << '\n';
    }
  }
  return text.str();
}

void Report::WriteFiles(const std::string& prefix) const {
  const auto write = [&](const char* extension, const std::string& text) {
    std::ofstream out(prefix + extension);
    out << text;
    out.close();
    if (!out) Fail("cannot write " + prefix + extension);
  };
  write(".md", Table());
  write(".csv", Csv());
}

}  // namespace nori::bench
