// Measures the engine beside RocksDB and LevelDB; see README.md.

#include <algorithm>
#include <boost/program_options.hpp>
#include <iostream>
#include <string>
#include <vector>

#include "bench/command_line.h"
#include "bench/engine_workloads.h"
#include "bench/report.h"
#include "bench/store.h"

namespace nori::bench {
namespace {

namespace po = boost::program_options;

std::vector<StoreKind> AllStores() {
  return {
      {"nori-none", OpenNori, false},        {"nori-lz4", OpenNori, true},
#ifdef NORI_HAVE_ROCKSDB
      {"rocksdb-none", OpenRocksDb, false},  {"rocksdb-lz4", OpenRocksDb, true},
#endif
#ifdef NORI_HAVE_LEVELDB
      {"leveldb-snappy", OpenLevelDb, true},
#endif
  };
}

struct Settings {
  PhaseSettings phases;
  StoreOptions store;
};

po::options_description Describe(Settings* s) {
  po::options_description all("engine_bench");
  DescribePhases(&s->phases, &all);
  auto add = all.add_options();
  add("reads", po::value(&s->phases.workload.reads)->default_value(0),
      "lookups of a get or mixed phase; 0: rows / 4");
  add("filter-bits",
      po::value(&s->store.filter_bits_per_key)->default_value(10),
      "filter bits a key");
  add("statistics", po::bool_switch(&s->phases.workload.statistics),
      "print each store's own statistics after each phase");
  return all;
}

std::vector<StoreKind> SelectStores(const std::vector<std::string>& wanted) {
  const std::vector<StoreKind> all = AllStores();
  std::vector<std::string> known;
  for (const StoreKind& kind : all) known.push_back(kind.name);
  std::vector<StoreKind> result;
  for (const std::string& name : SelectNames("store", wanted, known)) {
    result.push_back(*std::find_if(
        all.begin(), all.end(), [&](const auto& k) { return k.name == name; }));
  }
  return result;
}

void Measure(const Settings& s) {
  const std::vector<StoreKind> kinds = SelectStores(s.phases.stores);
  std::vector<std::string> names;
  for (const StoreKind& kind : kinds) names.push_back(kind.name);
  Report report("engine_bench: " + std::to_string(s.phases.workload.rows) +
                    " rows, " + std::to_string(s.phases.rounds) +
                    " rounds; medians, operations a second",
                names,
                {{"nori / RocksDB", "nori", "rocksdb"},
                 {"nori / LevelDB", "nori", "leveldb"}});
  TakeTurns(s.phases, names, [&](size_t i, const WorkloadOptions& workload) {
    StoreOptions store = s.store;
    store.cache_bytes = s.phases.cache_bytes();
    store.write_buffer_bytes = s.phases.write_buffer_bytes();
    store.directory = s.phases.directory + "/" + kinds[i].name;
    store.compress = kinds[i].compress;
    EngineRun(workload, kinds[i], store, &report).Run();
  });
  std::cout << report.Table();
  if (!s.phases.out.empty()) report.WriteFiles(s.phases.out);
}

}  // namespace
}  // namespace nori::bench

int main(int argc, char** argv) {
  nori::bench::Settings settings;
  nori::bench::ParseCommandLine(nori::bench::Describe(&settings), argc, argv);
  nori::bench::FinishPhases(&settings.phases, nori::bench::WorkloadNames());
  nori::bench::Measure(settings);
  return 0;
}
