// Compares policies and schedulers with each other and with RocksDB; see
// README.md.

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "bench/atll_results.h"
#include "bench/atll_workloads.h"
#include "bench/command_line.h"
#include "bench/measure.h"
#include "bench/store.h"
#include "engine/options.h"

namespace nori::bench {
namespace {

namespace po = boost::program_options;

struct Settings {
  AtllOptions atll;
  uint64_t memtable_kib = 0, cache_mib = 0;
  int filter_bits = 0, rounds = 0;
  unsigned limit_seconds = 0;
  bool no_compression = false;
  std::vector<std::string> workloads, contenders, set;
  std::string best_policy, directory, out;
};

struct Contender {
  std::string name;
  StoreFactory open = nullptr;
  std::vector<std::pair<std::string, std::string>> nori_options;
};

po::options_description Describe(Settings* s) {
  po::options_description all("atll_bench");
  auto add = all.add_options();
  add("rows", po::value(&s->atll.rows)->default_value(1'000'000),
      "rows to load");
  add("seconds", po::value(&s->atll.seconds)->default_value(60),
      "measured in each cell; `moving` takes at least three moves");
  add("warmup", po::value(&s->atll.warmup_seconds)->default_value(5),
      "seconds before that");
  add("move-seconds", po::value(&s->atll.move_seconds)->default_value(30),
      "between moves of the hot spot");
  add("memtable-kib", po::value(&s->memtable_kib)->default_value(4096),
      "memtable; slots, tables and levels are sized in proportion");
  add("cache-mib", po::value(&s->cache_mib)->default_value(16), "block cache");
  add("filter-bits", po::value(&s->filter_bits)->default_value(10),
      "filter bits a key");
  add("no-compression", po::bool_switch(&s->no_compression),
      "instead of LZ4 for every store");
  add("set", po::value(&s->set)->multitoken(),
      "options of nori for every contender, NAME=VALUE");
  add("workloads", po::value(&s->workloads)->multitoken(), "workloads (all)");
  add("contenders", po::value(&s->contenders)->multitoken(),
      "POLICY+SCHEDULER, rocksdb-leveled, rocksdb-universal (all policies with "
      "the bandit, then all schedulers with the best policy, and RocksDB)");
  add("best-policy", po::value(&s->best_policy),
      "for the other schedulers, instead of the one found best");
  add("rounds", po::value(&s->rounds)->default_value(1),
      "rounds; the contenders take turns in each workload");
  add("seed", po::value(&s->atll.seed)->default_value(1),
      "seed; round r adds 1000 r");
  add("limit", po::value(&s->limit_seconds)->default_value(1800),
      "seconds after which a cell is given up");
  add("dir", po::value(&s->directory)->default_value("bench-data/atll"),
      "directory for the data, emptied for each cell");
  add("out", po::value(&s->out)->default_value("atll-results"),
      "folder of the results; a run goes on with what is there");
  return all;
}

// What decides whether two cells can be compared.
std::string SettingsText(const Settings& s) {
  std::string text = "rows " + std::to_string(s.atll.rows) + "\nseconds " +
                     std::to_string(s.atll.seconds) + "\nwarmup " +
                     std::to_string(s.atll.warmup_seconds) + "\nmove-seconds " +
                     std::to_string(s.atll.move_seconds) + "\nmemtable-kib " +
                     std::to_string(s.memtable_kib) + "\ncache-mib " +
                     std::to_string(s.cache_mib) + "\nfilter-bits " +
                     std::to_string(s.filter_bits) + "\ncompression " +
                     (s.no_compression ? "none" : "lz4") + "\nseed " +
                     std::to_string(s.atll.seed) + "\n";
  for (const std::string& option : s.set) text += "set " + option + "\n";
  return text;
}

Contender NoriContender(const std::string& policy,
                        const std::string& scheduler) {
  Contender contender{policy + "+" + scheduler,
                      OpenNori,
                      {{"run_policy", policy}, {"scheduler", scheduler}}};
  // As published, formula and constant.
  if (policy == "documented")
    contender.nori_options.push_back({"max_runs", "4"});
  return contender;
}

// The policies that the engine knows.
std::vector<std::string> Policies() {
  std::vector<std::string> known;
  for (const char* name : {"heat", "cost", "documented", "fixed1", "fixed4"}) {
    Options options;
    if (SetOption(&options, "run_policy", name).ok()) known.emplace_back(name);
  }
  return known;
}

std::vector<Contender> FirstContenders() {
  std::vector<Contender> result;
  for (const std::string& policy : Policies()) {
    result.push_back(NoriContender(policy, "bandit"));
  }
#ifdef NORI_HAVE_ROCKSDB
  result.push_back({"rocksdb-leveled", OpenRocksDb, {}});
  result.push_back({"rocksdb-universal", OpenRocksDbUniversal, {}});
#endif
  return result;
}

// A contender by its name, in a list or made up of policy and scheduler.
Contender ContenderByName(const std::string& name) {
  for (const Contender& contender : FirstContenders()) {
    if (contender.name == name) return contender;
  }
  const size_t plus = name.find('+');
  if (plus != std::string::npos) {
    const Contender contender =
        NoriContender(name.substr(0, plus), name.substr(plus + 1));
    Options options;
    bool ok = true;
    for (const auto& [option, value] : contender.nori_options) {
      ok = ok && SetOption(&options, option, value).ok();
    }
    if (ok) return contender;
  }
  Fail("no contender called " + name);
}

class Bench {
 public:
  explicit Bench(Settings settings)
      : s_(std::move(settings)), results_(s_.out, SettingsText(s_)) {}

  // The number of cells that failed.
  int Run() {
    if (!s_.contenders.empty()) {
      std::vector<Contender> chosen;
      for (const std::string& name : s_.contenders) {
        chosen.push_back(ContenderByName(name));
      }
      RunAll(chosen);
      return failed_;
    }
    RunAll(FirstContenders());
    std::vector<std::string> names;
    for (const std::string& policy : Policies()) {
      names.push_back(policy + "+bandit");
    }
    std::string best = s_.best_policy;
    if (best.empty()) {
      const std::string name = BestContender(results_.Read(), names);
      best = name.substr(0, name.find('+'));
    }
    std::fprintf(stderr, "schedulers with policy %s\n", best.c_str());
    RunAll({NoriContender(best, "greedy"), NoriContender(best, "round_robin")});
    return failed_;
  }

  // Prints the tables and writes them to table.md beside the results.
  void Report() const {
    std::vector<std::string> names;
    for (const Contender& contender : FirstContenders()) {
      names.push_back(contender.name);
    }
    const std::vector<Cell> cells = results_.Read();
    for (const Cell& cell : cells) {
      if (std::find(names.begin(), names.end(), cell.contender) ==
          names.end()) {
        names.push_back(cell.contender);
      }
    }
    const std::string text =
        "atll_bench\n\n" + SettingsText(s_) + MarkdownTables(cells, names);
    std::cout << text;
    std::ofstream out(s_.out + "/table.md");
    out << text;
    out.close();
    if (!out) Fail("cannot write " + s_.out + "/table.md");
  }

 private:
  void RunAll(const std::vector<Contender>& contenders) {
    for (int round = 0; round < s_.rounds; ++round) {
      for (const std::string& workload : s_.workloads) {
        for (const Contender& contender : contenders) {
          RunIfMissing(round, workload, contender);
        }
      }
    }
  }

  void RunIfMissing(int round, const std::string& workload,
                    const Contender& contender) {
    for (const Cell& cell : results_.Read()) {
      if (cell.round == round && cell.workload == workload &&
          cell.contender == contender.name) {
        return;
      }
    }
    std::fprintf(stderr, "round %d, %s, %s\n", round + 1, workload.c_str(),
                 contender.name.c_str());
    // In a process of its own: memory is what this cell took, and a cell that
    // fails takes no other with it.
    const pid_t child = fork();
    if (child < 0) Fail("cannot fork");
    if (child == 0) {
      alarm(s_.limit_seconds);
      RunHere(round, workload, contender);
      _exit(0);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0) {
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
      std::fprintf(stderr, "  failed\n");
      ++failed_;
    }
  }

  void RunHere(int round, const std::string& workload,
               const Contender& contender) const {
    AtllOptions options = s_.atll;
    options.seed += static_cast<uint64_t>(round) * 1000;
    StoreOptions store;
    store.directory = s_.directory + "/cell";
    store.cache_bytes = s_.cache_mib << 20;
    store.write_buffer_bytes = s_.memtable_kib << 10;
    store.filter_bits_per_key = s_.filter_bits;
    store.compress = !s_.no_compression;
    store.scale_with_write_buffer = true;
    store.count = true;
    store.nori_options = contender.nori_options;
    for (const std::string& option : s_.set) {
      const size_t equals = option.find('=');
      if (equals == std::string::npos) Fail("--set takes NAME=VALUE");
      store.nori_options.emplace_back(option.substr(0, equals),
                                      option.substr(equals + 1));
    }
    FreshDirectory(store.directory);
    Cell cell{round, workload, contender.name, {}};
    {
      const std::unique_ptr<Store> open = contender.open(store);
      cell.measures = RunCell(workload, options, store.directory, open.get());
    }
    FreshDirectory(store.directory);
    results_.Append(cell);
    std::fprintf(stderr, "  %.0f operations/s\n", cell.measures.operations);
  }

  const Settings s_;
  const ResultsFile results_;
  int failed_ = 0;
};

int Main(int argc, char** argv) {
  Settings settings;
  ParseCommandLine(Describe(&settings), argc, argv);
  std::vector<std::string> known;
  for (const AtllWorkload& workload : AtllWorkloads()) {
    known.emplace_back(workload.name);
  }
  settings.workloads = SelectNames("workload", settings.workloads, known);
  if (settings.atll.rows < 1000) Fail("--rows must be at least 1000");
  if (!(settings.atll.move_seconds > 0) || settings.rounds < 1) {
    Fail("--move-seconds and --rounds must be positive");
  }
  Bench bench(std::move(settings));
  const int failed = bench.Run();
  bench.Report();
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace nori::bench

int main(int argc, char** argv) { return nori::bench::Main(argc, argv); }
