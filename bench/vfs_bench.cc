// Measures databases of the VFS `nori` beside SQLite's own; see README.md.

#include <algorithm>
#include <boost/program_options.hpp>
#include <iostream>
#include <string>
#include <vector>

#include "bench/command_line.h"
#include "bench/measure.h"
#include "bench/report.h"
#include "bench/sqlite_connection.h"
#include "bench/vfs_store.h"
#include "bench/vfs_workloads.h"

namespace nori::bench {
namespace {

namespace po = boost::program_options;

struct NamedStore {
  const char* name;
  bool nori;
  const char* synchronous;
};
constexpr NamedStore kStores[] = {
    {"nori-normal", true, "NORMAL"},
    {"wal-normal", false, "NORMAL"},
    {"nori-full", true, "FULL"},
    {"wal-full", false, "FULL"},
};

struct Settings {
  PhaseSettings phases;
  std::string extension;
  int warehouses = 0;
};

po::options_description Describe(Settings* s) {
  po::options_description all("vfs_bench");
  DescribePhases(
      &s->phases, &all,
      {.rows = 100'000, .seconds = 0.5, .cache_mib = 8, .write_buffer_mib = 0});
  auto add = all.add_options();
  add("extension", po::value(&s->extension)->required(), "path of nori_lsm.so");
  add("warehouses", po::value(&s->warehouses)->default_value(4),
      "warehouses of the TPC-C mix, about 9 MB each");
  return all;
}

std::vector<NamedStore> SelectStores(const std::vector<std::string>& wanted) {
  std::vector<std::string> known;
  for (const NamedStore& store : kStores) known.emplace_back(store.name);
  std::vector<NamedStore> result;
  for (const std::string& name : SelectNames("store", wanted, known)) {
    result.push_back(*std::find_if(
        std::begin(kStores), std::end(kStores),
        [&](const NamedStore& store) { return store.name == name; }));
  }
  return result;
}

void Measure(const Settings& s) {
  // Registers the VFS for the whole process.
  const std::string error = ExtensionError(s.extension);
  if (!error.empty()) Fail("cannot load " + s.extension + ": " + error);
  if (s.warehouses < 1) Fail("--warehouses must be at least 1");
  const std::vector<NamedStore> stores = SelectStores(s.phases.stores);
  std::vector<std::string> names;
  names.reserve(stores.size());
  for (const NamedStore& store : stores) names.emplace_back(store.name);
  Report report(std::string("vfs_bench: SQLite ") + sqlite3_libversion() +
                    ", " + std::to_string(s.phases.workload.rows) +
                    " documents, " + std::to_string(s.phases.cache_mib) +
                    " MiB of page cache, " + std::to_string(s.phases.rounds) +
                    " rounds; medians",
                names,
                {{"nori / WAL, NORMAL", "nori-normal", "wal-normal"},
                 {"nori / WAL, FULL", "nori-full", "wal-full"}});
  TakeTurns(s.phases, names, [&](size_t i, const WorkloadOptions& workload) {
    const std::string directory = s.phases.directory + "/" + names[i];
    VfsRun(workload, s.warehouses, names[i],
           VfsStore(stores[i].nori, stores[i].synchronous, directory,
                    s.phases.cache_bytes()),
           &report)
        .Run();
  });
  std::cout << report.Table();
  if (!s.phases.out.empty()) report.WriteFiles(s.phases.out);
}

}  // namespace
}  // namespace nori::bench

int main(int argc, char** argv) {
  nori::bench::Settings settings;
  nori::bench::ParseCommandLine(nori::bench::Describe(&settings), argc, argv);
  nori::bench::FinishPhases(&settings.phases, nori::bench::VfsWorkloadNames());
  nori::bench::Measure(settings);
  return 0;
}
