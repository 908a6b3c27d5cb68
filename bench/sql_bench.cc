// Measures nori tables beside SQLite's own; see README.md.

#include <algorithm>
#include <boost/program_options.hpp>
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include "bench/command_line.h"
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
  PhaseSettings phases;
  SqlTableOptions table;
};

po::options_description Describe(Settings* s) {
  po::options_description all("sql_bench");
  DescribePhases(&s->phases, &all);
  auto add = all.add_options();
  add("extension", po::value(&s->table.extension),
      "path of nori_lsm.so; without it only ordinary tables are measured");
  add("module", po::value(&s->table.module)->default_value("nori"),
      "name of the module");
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
  std::vector<std::string> known;
  for (const NamedKind& kind : kKinds) {
    if (extension || !kind.nori) known.emplace_back(kind.name);
  }
  std::vector<NamedKind> result;
  for (const std::string& name : SelectNames("store", s.phases.stores, known)) {
    result.push_back(*std::find_if(
        std::begin(kKinds), std::end(kKinds),
        [&](const NamedKind& kind) { return kind.name == name; }));
  }
  return result;
}

void Measure(const Settings& s) {
  const std::vector<NamedKind> kinds = SelectKinds(s);
  std::vector<std::string> names;
  for (const NamedKind& kind : kinds) names.emplace_back(kind.name);
  Report report(std::string("sql_bench: SQLite ") + sqlite3_libversion() +
                    ", " + std::to_string(s.phases.workload.rows) + " rows, " +
                    std::to_string(s.phases.rounds) +
                    " rounds; medians, operations a second",
                names,
                {{"nori / WITHOUT ROWID", "nori", "without-rowid"},
                 {"nori / rowid", "nori", "rowid"}});
  TakeTurns(s.phases, names, [&](size_t i, const WorkloadOptions& workload) {
    SqlTableOptions table = s.table;
    table.cache_bytes = s.phases.cache_bytes();
    table.write_buffer_bytes = s.phases.write_buffer_bytes();
    table.directory = s.phases.directory + "/" + kinds[i].name;
    SqlRun(workload, kinds[i].kind, kinds[i].name, table, &report).Run();
  });
  std::cout << report.Table();
  if (!s.phases.out.empty()) report.WriteFiles(s.phases.out);
}

}  // namespace
}  // namespace nori::bench

int main(int argc, char** argv) {
  nori::bench::Settings settings;
  nori::bench::ParseCommandLine(nori::bench::Describe(&settings), argc, argv);
  nori::bench::FinishPhases(&settings.phases, nori::bench::SqlWorkloadNames());
  nori::bench::Measure(settings);
  return 0;
}
