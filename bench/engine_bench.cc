// Measures the engine beside RocksDB and LevelDB; see README.md.

#include <algorithm>
#include <boost/program_options.hpp>
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include "bench/engine_workloads.h"
#include "bench/measure.h"
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
  WorkloadOptions workload;
  StoreOptions store;
  uint64_t cache_mib = 0, write_buffer_mib = 0;
  std::vector<std::string> stores, workloads;
  int rounds = 0;
  std::string directory, out;
};

po::options_description Describe(Settings* s) {
  po::options_description all("engine_bench");
  auto add = all.add_options();
  add("help,h", "show this");
  add("rows", po::value(&s->workload.rows)->default_value(2'000'000),
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
  add("reads", po::value(&s->workload.reads)->default_value(0),
      "lookups of a get or mixed phase; 0: rows / 4");
  add("seconds", po::value(&s->workload.seconds)->default_value(3),
      "length of the concurrent and the durable phases");
  add("batch", po::value(&s->workload.batch_rows)->default_value(1000),
      "rows a transaction");
  add("cache-mib", po::value(&s->cache_mib)->default_value(64), "block cache");
  add("write-buffer-mib", po::value(&s->write_buffer_mib)->default_value(64),
      "memtable");
  add("filter-bits",
      po::value(&s->store.filter_bits_per_key)->default_value(10),
      "filter bits a key");
  add("statistics", po::bool_switch(&s->workload.statistics),
      "print each store's own statistics after each phase");
  add("out", po::value(&s->out), "also write OUT.md and OUT.csv");
  return all;
}

std::vector<StoreKind> SelectStores(const std::vector<std::string>& names) {
  const std::vector<StoreKind> all = AllStores();
  if (names.empty()) return all;
  std::vector<StoreKind> result;
  for (const std::string& name : names) {
    const auto kind = std::find_if(
        all.begin(), all.end(), [&](const auto& k) { return k.name == name; });
    if (kind == all.end()) {
      std::string message = "no store called " + name + "; there are:";
      for (const StoreKind& k : all) message += " " + k.name;
      Fail(message);
    }
    result.push_back(*kind);
  }
  return result;
}

void Finish(Settings* s) {
  const std::vector<std::string>& known = WorkloadNames();
  if (s->workloads.empty()) s->workloads = known;
  for (const std::string& name : s->workloads) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      std::string message = "no workload called " + name + "; there are:";
      for (const std::string& k : known) message += " " + k;
      Fail(message);
    }
    s->workload.selected.insert(name);
  }
  if (s->workload.rows == 0 || s->workload.batch_rows == 0 || s->rounds < 1) {
    Fail("--rows, --batch and --rounds must be at least 1");
  }
  s->store.cache_bytes = s->cache_mib << 20;
  s->store.write_buffer_bytes = s->write_buffer_mib << 20;
}

void Measure(const Settings& s) {
  const std::vector<StoreKind> kinds = SelectStores(s.stores);
  std::vector<std::string> names;
  for (const StoreKind& kind : kinds) names.push_back(kind.name);
  Report report("engine_bench: " + std::to_string(s.workload.rows) + " rows, " +
                    std::to_string(s.rounds) +
                    " rounds; medians, operations a second",
                names,
                {{"nori / RocksDB", "nori", "rocksdb"},
                 {"nori / LevelDB", "nori", "leveldb"}});
  for (int round = 0; round < s.rounds; ++round) {
    for (const StoreKind& kind : kinds) {
      std::fprintf(stderr, "round %d, %s\n", round + 1, kind.name.c_str());
      WorkloadOptions workload = s.workload;
      workload.seed += static_cast<uint64_t>(round) * 1000;
      StoreOptions store = s.store;
      store.directory = s.directory + "/" + kind.name;
      store.compress = kind.compress;
      EngineRun(workload, kind, store, &report).Run();
    }
  }
  std::cout << report.Table();
  if (!s.out.empty()) report.WriteFiles(s.out);
}

int Main(int argc, char** argv) {
  Settings settings;
  const po::options_description all = Describe(&settings);
  try {
    po::variables_map values;
    po::store(po::parse_command_line(argc, argv, all), values);
    po::notify(values);
    if (values.contains("help")) {
      std::cout << all;
      return 0;
    }
  } catch (const po::error& error) {
    Fail(error.what());
  }
  Finish(&settings);
  Measure(settings);
  return 0;
}

}  // namespace
}  // namespace nori::bench

int main(int argc, char** argv) { return nori::bench::Main(argc, argv); }
