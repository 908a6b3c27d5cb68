// The phases of engine_bench over one store.

#ifndef NORI_BENCH_ENGINE_WORKLOADS_H_
#define NORI_BENCH_ENGINE_WORKLOADS_H_

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/command_line.h"
#include "bench/keys.h"
#include "bench/report.h"
#include "bench/store.h"

namespace nori::bench {

// Names of the phases, in the order they run.
const std::vector<std::string>& WorkloadNames();

// Runs the selected phases on one kind of store, once. load_sequential has a
// store of its own; the others share one that is loaded in random order,
// whether or not load_random is selected. Between phases the store settles,
// untimed, so that no phase pays for an earlier one's background work.
class EngineRun {
 public:
  EngineRun(const WorkloadOptions& options, const StoreKind& kind,
            const StoreOptions& store_options, Report* report);
  void Run();

 private:
  void LoadSequential();
  void LoadRandom();
  void Overwrite(const std::string& name, const Rows& rows);
  void Gets(const std::string& name, const Rows& rows, bool absent);
  void Scan100();
  void ScanFull();
  void Mixed(const std::string& name, int percent_reads);
  void ReadersAndWriter();
  void Durable(const std::string& name, int threads);

  // Writes the rows in batches; returns rows a second.
  double WriteRows(const Rows& rows);
  void Open();
  size_t Reads() const {
    return options_.reads > 0 ? options_.reads
                              : std::max<size_t>(options_.rows / 4, 1000);
  }
  bool Selected(const std::string& name) const {
    return options_.selected.contains(name);
  }
  void Result(const std::string& name, double value, bool lower_is_better);
  void Phase(const std::string& name, const std::function<void()>& body);

  const WorkloadOptions options_;
  const StoreKind kind_;
  const StoreOptions store_options_;
  Report* const report_;
  const Values values_;
  uint64_t next_value_ = 0;
  std::unique_ptr<Store> store_;
};

}  // namespace nori::bench

#endif  // NORI_BENCH_ENGINE_WORKLOADS_H_
