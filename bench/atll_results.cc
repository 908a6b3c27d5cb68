#include "bench/atll_results.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "bench/measure.h"

namespace nori::bench {
namespace {

constexpr const char* kPeers = "rocksdb";

std::string ReadAll(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

void AppendSynced(const std::string& path, const std::string& text) {
  const int fd =
      open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  const bool ok = fd >= 0 &&
                  write(fd, text.data(), text.size()) ==
                      static_cast<ssize_t>(text.size()) &&
                  fsync(fd) == 0;
  if (fd >= 0) close(fd);
  if (!ok) Fail("cannot write " + path);
}

std::string Header() {
  std::string line = "round,workload,contender";
  for (const MeasureColumn& column : MeasureColumns()) {
    line += std::string(",") + column.name;
  }
  return line + "\n";
}

std::string Show(double value) {
  if (value < 0) return "-";
  char text[32];
  std::snprintf(text, sizeof text, value >= 100 ? "%.0f" : "%.2f", value);
  return text;
}

// Whether no other contender writes less and asks fewer filters.
bool OnFront(const std::vector<CellMeasures>& all, const CellMeasures& one) {
  return std::none_of(all.begin(), all.end(), [&](const CellMeasures& m) {
    return m.written <= one.written && m.filters_asked <= one.filters_asked &&
           (m.written < one.written || m.filters_asked < one.filters_asked);
  });
}

std::string Row(const std::vector<std::string>& cells) {
  std::string line = "|";
  for (const std::string& cell : cells) line += " " + cell + " |";
  return line + "\n";
}

std::string Rule(size_t columns) {
  std::string line = "|---|";
  for (size_t i = 1; i < columns; ++i) line += "---:|";
  return line + "\n";
}

std::string WorkloadTable(const std::vector<Cell>& cells,
                          const AtllWorkload& workload,
                          const std::vector<std::string>& contenders) {
  std::vector<std::pair<std::string, CellMeasures>> rows;
  std::vector<CellMeasures> all;
  for (const std::string& name : contenders) {
    if (const auto m = MedianCell(cells, workload.name, name)) {
      rows.emplace_back(name, *m);
      all.push_back(*m);
    }
  }
  if (rows.empty()) return "";
  std::vector<std::string> head{""};
  for (const MeasureColumn& column : MeasureColumns()) {
    head.emplace_back(column.name);
  }
  head.emplace_back("front");
  std::string text = std::string("\n") + workload.name + ": " + workload.what +
                     "\n\n" + Row(head) + Rule(head.size());
  for (const auto& [name, m] : rows) {
    std::vector<std::string> row{name};
    for (const MeasureColumn& column : MeasureColumns()) {
      row.push_back(Show(m.*column.value));
    }
    const bool both = m.written >= 0 && m.filters_asked >= 0;
    row.emplace_back(!both ? "-" : OnFront(all, m) ? "yes" : "no");
    text += Row(row);
  }
  return text;
}

std::string RatioTable(const std::vector<Cell>& cells,
                       const std::vector<std::string>& contenders) {
  std::vector<std::string> ours, head{""};
  for (const std::string& name : contenders) {
    if (!name.starts_with(kPeers)) ours.push_back(name);
  }
  head.insert(head.end(), ours.begin(), ours.end());
  std::string text = "\nThroughput against the better RocksDB style\n\n" +
                     Row(head) + Rule(head.size());
  for (const AtllWorkload& workload : AtllWorkloads()) {
    double theirs = 0;
    for (const std::string& name : contenders) {
      const auto m = MedianCell(cells, workload.name, name);
      if (m && name.starts_with(kPeers)) {
        theirs = std::max(theirs, m->operations);
      }
    }
    if (theirs <= 0) continue;
    std::vector<std::string> row{workload.name};
    for (const std::string& name : ours) {
      const auto m = MedianCell(cells, workload.name, name);
      row.push_back(m ? Show(m->operations / theirs) + "x" : "-");
    }
    text += Row(row);
  }
  return text;
}

}  // namespace

ResultsFile::ResultsFile(std::string folder, const std::string& settings)
    : folder_(std::move(folder)) {
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  if (error) Fail("cannot create " + folder_ + ": " + error.message());
  const std::string path = folder_ + "/settings.txt";
  const std::string there = ReadAll(path);
  if (there.empty()) {
    AppendSynced(path, settings);
    AppendSynced(folder_ + "/results.csv", Header());
  } else if (there != settings) {
    Fail(folder_ + " has results of other settings:\n" + there + "now:\n" +
         settings + "choose another folder");
  }
}

std::vector<Cell> ResultsFile::Read() const {
  std::ifstream in(folder_ + "/results.csv");
  std::string line;
  std::getline(in, line);
  std::vector<Cell> cells;
  while (std::getline(in, line)) {
    std::istringstream fields(line);
    Cell cell;
    std::string field;
    if (!std::getline(fields, field, ',')) continue;
    cell.round = std::atoi(field.c_str());
    std::getline(fields, cell.workload, ',');
    std::getline(fields, cell.contender, ',');
    size_t columns = 0;
    for (;
         columns < MeasureColumns().size() && std::getline(fields, field, ',');
         ++columns) {
      cell.measures.*MeasureColumns()[columns].value =
          std::strtod(field.c_str(), nullptr);
    }
    // A line that was cut short is a cell that did not finish.
    if (columns == MeasureColumns().size()) cells.push_back(std::move(cell));
  }
  return cells;
}

void ResultsFile::Append(const Cell& cell) const {
  std::string line =
      std::to_string(cell.round) + "," + cell.workload + "," + cell.contender;
  for (const MeasureColumn& column : MeasureColumns()) {
    char value[32];
    std::snprintf(value, sizeof value, ",%.4f", cell.measures.*column.value);
    line += value;
  }
  AppendSynced(folder_ + "/results.csv", line + "\n");
}

std::optional<CellMeasures> MedianCell(const std::vector<Cell>& cells,
                                       const std::string& workload,
                                       const std::string& contender) {
  std::vector<const CellMeasures*> found;
  for (const Cell& cell : cells) {
    if (cell.workload == workload && cell.contender == contender) {
      found.push_back(&cell.measures);
    }
  }
  if (found.empty()) return std::nullopt;
  CellMeasures median;
  for (const MeasureColumn& column : MeasureColumns()) {
    std::vector<double> values;
    for (const CellMeasures* m : found) values.push_back(m->*column.value);
    std::sort(values.begin(), values.end());
    const size_t n = values.size();
    median.*column.value =
        n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
  }
  return median;
}

std::string BestContender(const std::vector<Cell>& cells,
                          const std::vector<std::string>& contenders) {
  std::vector<double> logs(contenders.size(), 0);
  for (const AtllWorkload& workload : AtllWorkloads()) {
    std::vector<double> reached;
    for (const std::string& name : contenders) {
      const auto m = MedianCell(cells, workload.name, name);
      if (m && m->operations > 0) reached.push_back(std::log(m->operations));
    }
    if (reached.size() != contenders.size()) continue;
    for (size_t i = 0; i < reached.size(); ++i) logs[i] += reached[i];
  }
  const auto best = std::max_element(logs.begin(), logs.end());
  return best == logs.end()
             ? ""
             : contenders[static_cast<size_t>(best - logs.begin())];
}

std::string MarkdownTables(const std::vector<Cell>& cells,
                           const std::vector<std::string>& contenders) {
  std::string text;
  for (const AtllWorkload& workload : AtllWorkloads()) {
    text += WorkloadTable(cells, workload, contenders);
  }
  return text + RatioTable(cells, contenders);
}

}  // namespace nori::bench
