#include "bench/command_line.h"

#include <algorithm>
#include <boost/program_options.hpp>
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "bench/measure.h"

namespace nori::bench {

namespace po = boost::program_options;

void ParseCommandLine(const po::options_description& options, int argc,
                      char** argv) {
  po::options_description all(options);
  all.add_options()("help,h", "show this");
  try {
    po::variables_map values;
    po::store(po::parse_command_line(argc, argv, all), values);
    if (values.contains("help")) {
      std::cout << all;
      std::exit(0);
    }
    po::notify(values);
  } catch (const po::error& error) {
    Fail(error.what());
  }
}

std::vector<std::string> SelectNames(const std::string& what,
                                     const std::vector<std::string>& wanted,
                                     const std::vector<std::string>& known) {
  if (wanted.empty()) return known;
  for (const std::string& name : wanted) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    std::string message = "no " + what + " called " + name + "; there are:";
    for (const std::string& k : known) message += " " + k;
    Fail(message);
  }
  return wanted;
}

void DescribePhases(PhaseSettings* s, po::options_description* all,
                    const PhaseDefaults& defaults) {
  auto add = all->add_options();
  add("rows", po::value(&s->workload.rows)->default_value(defaults.rows),
      "rows to load");
  add("stores", po::value(&s->stores)->multitoken(),
      "stores to measure, in this order (all)");
  add("workloads", po::value(&s->workloads)->multitoken(), "phases (all)");
  add("rounds", po::value(&s->rounds)->default_value(3),
      "rounds; within one, the stores take turns");
  add("dir", po::value(&s->directory)->default_value("bench-data"),
      "directory for the data: one folder a store, deleted afterwards");
  add("seed", po::value(&s->workload.seed)->default_value(1),
      "seed of keys and values; round r adds 1000 r");
  add("seconds",
      po::value(&s->workload.seconds)->default_value(defaults.seconds),
      "length of the phases that are bounded by time");
  add("batch", po::value(&s->workload.batch_rows)->default_value(1000),
      "rows a transaction");
  add("cache-mib", po::value(&s->cache_mib)->default_value(defaults.cache_mib),
      "block cache, and page cache of SQLite");
  if (defaults.write_buffer_mib > 0) {
    add("write-buffer-mib",
        po::value(&s->write_buffer_mib)
            ->default_value(defaults.write_buffer_mib),
        "memtable");
  }
  add("out", po::value(&s->out), "also write OUT.md and OUT.csv");
}

void FinishPhases(PhaseSettings* s, const std::vector<std::string>& phases) {
  const auto selected = SelectNames("workload", s->workloads, phases);
  s->workload.selected = {selected.begin(), selected.end()};
  if (s->workload.rows == 0 || s->workload.batch_rows == 0 || s->rounds < 1) {
    Fail("--rows, --batch and --rounds must be at least 1");
  }
}

void TakeTurns(
    const PhaseSettings& settings, const std::vector<std::string>& stores,
    const std::function<void(size_t store, const WorkloadOptions&)>& run) {
  for (int round = 0; round < settings.rounds; ++round) {
    WorkloadOptions workload = settings.workload;
    workload.seed += static_cast<uint64_t>(round) * 1000;
    for (size_t i = 0; i < stores.size(); ++i) {
      std::fprintf(stderr, "round %d, %s\n", round + 1, stores[i].c_str());
      run(i, workload);
    }
  }
}

}  // namespace nori::bench
