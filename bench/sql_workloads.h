// The phases of sql_bench over one kind of table.

#ifndef NORI_BENCH_SQL_WORKLOADS_H_
#define NORI_BENCH_SQL_WORKLOADS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/command_line.h"
#include "bench/keys.h"
#include "bench/report.h"
#include "bench/sql_table.h"

namespace nori::bench {

// Names of the phases, in the order they run.
const std::vector<std::string>& SqlWorkloadNames();

// Runs the selected phases on one kind of table, once. load_sequential has a
// database of its own; the others share one that is loaded in random order.
class SqlRun {
 public:
  SqlRun(const WorkloadOptions& options, TableKind kind, std::string name,
         const SqlTableOptions& table_options, Report* report);
  void Run();

 private:
  using Writer = void (SqlTable::*)(std::string_view, std::string_view);

  void LoadSequential();
  void LoadRandom();
  void Gets(const std::string& name, const Rows& rows, bool absent,
            bool one_transaction);
  void Scan100();
  void ScanFull();
  void Mixed();
  void Durable();

  // Writes the rows in transactions; returns rows a second.
  double WriteRows(const Rows& rows, Writer writer);
  void Open();
  bool Selected(const std::string& name) const {
    return options_.selected.contains(name);
  }
  void Result(const std::string& name, double value, bool lower_is_better);
  void Phase(const std::string& name, const std::function<void()>& body);

  const WorkloadOptions options_;
  const TableKind kind_;
  const std::string name_;
  const SqlTableOptions table_options_;
  Report* const report_;
  const Values values_;
  uint64_t next_value_ = 0;
  std::unique_ptr<SqlTable> table_;
};

}  // namespace nori::bench

#endif  // NORI_BENCH_SQL_WORKLOADS_H_
