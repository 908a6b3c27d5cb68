// What the benchmarks' command lines have in common.

#ifndef NORI_BENCH_COMMAND_LINE_H_
#define NORI_BENCH_COMMAND_LINE_H_

#include <boost/program_options/options_description.hpp>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

namespace nori::bench {

// Parses into the variables that `options` names. Prints `options` and exits
// with status 0 if asked for help; Fail on anything that does not parse.
void ParseCommandLine(
    const boost::program_options::options_description& options, int argc,
    char** argv);

// Fails, saying what there is, if one of `wanted` is not among `known`. Returns
// `wanted`, or `known` if it is empty.
std::vector<std::string> SelectNames(const std::string& what,
                                     const std::vector<std::string>& wanted,
                                     const std::vector<std::string>& known);

// What every phase of a run needs to know.
struct WorkloadOptions {
  uint32_t rows = 0;
  uint32_t batch_rows = 1000;
  size_t reads = 0;    // lookups of a get or mixed phase; 0: rows / 4
  double seconds = 3;  // of the phases that are bounded by time
  uint64_t seed = 0;
  bool statistics = false;  // print the store's own after each phase
  std::set<std::string> selected;
};

// The options of a benchmark that takes stores through phases, in rounds.
struct PhaseSettings {
  WorkloadOptions workload;
  uint64_t cache_mib = 0, write_buffer_mib = 0;
  std::vector<std::string> stores, workloads;
  int rounds = 0;
  std::string directory, out;

  uint64_t cache_bytes() const { return cache_mib << 20; }
  uint64_t write_buffer_bytes() const { return write_buffer_mib << 20; }
};
// What a benchmark takes where nothing is said.
struct PhaseDefaults {
  uint32_t rows = 2'000'000;
  double seconds = 3;
  uint64_t cache_mib = 64;
  uint64_t write_buffer_mib = 64;  // 0: there is no such option
};
// Adds them to `all`. `settings` must live until they are parsed.
void DescribePhases(PhaseSettings* settings,
                    boost::program_options::options_description* all,
                    const PhaseDefaults& defaults = {});
// Checks them, and fills in workload.selected from `phases`, all there are.
void FinishPhases(PhaseSettings* settings,
                  const std::vector<std::string>& phases);
// Runs the stores in turn, round by round: `run` gets a store's place in
// `stores` and the options of the round, whose seed is the round's own.
void TakeTurns(
    const PhaseSettings& settings, const std::vector<std::string>& stores,
    const std::function<void(size_t store, const WorkloadOptions&)>& run);

}  // namespace nori::bench

#endif  // NORI_BENCH_COMMAND_LINE_H_
