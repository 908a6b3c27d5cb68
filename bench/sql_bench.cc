// Measures nori tables beside SQLite's own; see README.md.

#include <algorithm>
#include <boost/program_options.hpp>
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include "bench/measure.h"
#include "bench/report.h"
#include "bench/sql_table.h"
#include "bench/sql_workloads.h"

namespace nori::bench {
namespace {

namespace po = boost::program_options;

struct NamedKind {
  const char* name;
  TableKind kind;
  bool nori;
};
constexpr NamedKind kKinds[] = {
    {"nori-none", TableKind::kNoriNone, true},
    {"nori-lz4", TableKind::kNoriLz4, true},
    {"without-rowid", TableKind::kWithoutRowid, false},
    {"rowid", TableKind::kRowid, false},
};

struct Settings {
  SqlWorkloadOptions workload;
  SqlTableOptions table;
  uint64_t cache_mib = 0, write_buffer_mib = 0;
  std::vector<std::string> stores, workloads;
  int rounds = 0;
  std::string directory, out;
};

po::options_description Describe(Settings* s) {
  po::options_description all("sql_bench");
  auto add = all.add_options();
  add("help,h", "show this");
  add("extension", po::value(&s->table.extension),
      "path of nori_lsm.so; without it only ordinary tables are measured");
  add("module", po::value(&s->table.module)->default_value("nori"),
      "name of the module");
  add("rows", po::value(&s->workload.rows)->default_value(2'000'000),
      "rows to load");
  add("stores", po::value(&s->stores)->multitoken(),
      "tables to measure, in this order: nori-none, nori-lz4, without-rowid, "
      "rowid (all)");
  add("workloads", po::value(&s->workloads)->multitoken(), "phases (all)");
  add("rounds", po::value(&s->rounds)->default_value(3),
      "rounds; within one, the tables take turns");
  add("dir", po::value(&s->directory)->default_value("bench-data"),
      "directory for the data: one folder a table, deleted afterwards");
  add("seed", po::value(&s->workload.seed)->default_value(1),
      "seed of keys and values; round r adds 1000 r");
  add("seconds", po::value(&s->workload.seconds)->default_value(3),
      "length of the durable phase");
  add("batch", po::value(&s->workload.batch_rows)->default_value(1000),
      "rows a transaction");
  add("cache-mib", po::value(&s->cache_mib)->default_value(64),
      "block cache, and page cache of SQLite");
  add("write-buffer-mib", po::value(&s->write_buffer_mib)->default_value(64),
      "memtable");
  add("out", po::value(&s->out), "also write OUT.md and OUT.csv");
  return all;
}

// Whether tables of the module can be measured; says why if not.
bool HaveExtension(const std::string& extension) {
  if (extension.empty()) {
    std::fprintf(stderr,
                 "no --extension given: tables of the module are left out\n");
    return false;
  }
  const std::string error = ExtensionError(extension);
  if (error.empty()) return true;
  std::fprintf(stderr,
               "cannot load %s: %s: tables of the module are left out\n",
               extension.c_str(), error.c_str());
  return false;
}

std::vector<NamedKind> SelectKinds(const Settings& s) {
  const bool extension = HaveExtension(s.table.extension);
  std::vector<NamedKind> result;
  if (s.stores.empty()) {
    for (const NamedKind& kind : kKinds) {
      if (extension || !kind.nori) result.push_back(kind);
    }
    return result;
  }
  for (const std::string& name : s.stores) {
    const auto* kind =
        std::find_if(std::begin(kKinds), std::end(kKinds),
                     [&](const NamedKind& k) { return k.name == name; });
    if (kind == std::end(kKinds)) Fail("no table called " + name);
    if (kind->nori && !extension) Fail(name + " needs the extension");
    result.push_back(*kind);
  }
  return result;
}

void Finish(Settings* s) {
  const std::vector<std::string>& known = SqlWorkloadNames();
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
  s->table.cache_bytes = s->cache_mib << 20;
  s->table.write_buffer_bytes = s->write_buffer_mib << 20;
}

void Measure(const Settings& s) {
  const std::vector<NamedKind> kinds = SelectKinds(s);
  std::vector<std::string> names;
  for (const NamedKind& kind : kinds) names.emplace_back(kind.name);
  Report report(std::string("sql_bench: SQLite ") + sqlite3_libversion() +
                    ", " + std::to_string(s.workload.rows) + " rows, " +
                    std::to_string(s.rounds) +
                    " rounds; medians, operations a second",
                names,
                {{"nori / WITHOUT ROWID", "nori", "without-rowid"},
                 {"nori / rowid", "nori", "rowid"}});
  for (int round = 0; round < s.rounds; ++round) {
    for (const NamedKind& kind : kinds) {
      std::fprintf(stderr, "round %d, %s\n", round + 1, kind.name);
      SqlWorkloadOptions workload = s.workload;
      workload.seed += static_cast<uint64_t>(round) * 1000;
      SqlTableOptions table = s.table;
      table.directory = s.directory + "/" + kind.name;
      SqlRun(workload, kind.kind, kind.name, table, &report).Run();
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
