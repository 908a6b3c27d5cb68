// The engine's compaction decisions at sizes that no test machine has; see
// README.md.

#include <algorithm>
#include <boost/program_options.hpp>
#include <cmath>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "bench/command_line.h"
#include "bench/keys.h"
#include "bench/measure.h"
#include "bench/simulated_store.h"
#include "engine/compaction/picker.h"

namespace nori::bench {
namespace {

namespace po = boost::program_options;

constexpr double kMib = 1 << 20;
constexpr double kGib = 1 << 30;

struct Settings {
  SimulationOptions sim;
  double data_gib = 0, write_gib = 0, write_mib_s = 0, disk_mib_s = 0;
  int reports = 0;
  std::string workload;
  std::vector<std::string> set;
};

po::options_description Describe(Settings* s) {
  po::options_description all("atll_sim");
  auto add = all.add_options();
  add("workload", po::value(&s->workload)->default_value("uniform"),
      "uniform, ranges (a tenth read-hot, a tenth write-hot, cold bulk), zipf "
      "(ranges of keys by Zipf 0.99), grow (new keys into an empty store)");
  add("data-gib", po::value(&s->data_gib)->default_value(1024),
      "live data; of grow, where it ends");
  add("write-gib", po::value(&s->write_gib)->default_value(256),
      "written by the user; ignored by grow");
  add("write-mib-s", po::value(&s->write_mib_s)->default_value(20),
      "what the user wants to write a second");
  add("reads-s", po::value(&s->sim.read_rate)->default_value(20000),
      "point reads a second");
  add("scans-s", po::value(&s->sim.scan_rate)->default_value(0),
      "scans a second");
  add("disk-mib-s", po::value(&s->disk_mib_s)->default_value(500),
      "what merges read and write a second");
  add("set", po::value(&s->set)->multitoken(),
      "options of the engine, NAME=VALUE: run_policy, scheduler, max_runs, "
      "memtable_bytes, slot_bytes, max_slots, l0_trigger, seed of the bandit "
      "...");
  add("seed", po::value(&s->sim.engine.seed)->default_value(1), "seed");
  add("reports", po::value(&s->reports)->default_value(8),
      "lines in the table");
  return all;
}

std::vector<TrafficPart> Parts(const std::string& workload, uint64_t seed) {
  if (workload == "uniform" || workload == "grow") {
    return {{"all", 0, 1, 1, 1, 1}};
  }
  if (workload == "ranges") {
    return {{"read-hot", 0, 0.1, 0.0, 0.92, 1.0},
            {"write-hot", 0.1, 0.2, 0.97, 0.0, 0.0},
            {"cold", 0.2, 1, 0.03, 0.08, 0.0}};
  }
  if (workload != "zipf") Fail("no workload called " + workload);
  constexpr uint32_t kParts = 256;
  constexpr double kTheta = 0.99;
  double sum = 0;
  for (uint32_t i = 1; i <= kParts; ++i) sum += std::pow(i, -kTheta);
  const Rows ranks = Shuffled(kParts, seed);
  std::vector<TrafficPart> parts;
  for (uint32_t i = 0; i < kParts; ++i) {
    const double share = std::pow(ranks[i] + 1, -kTheta) / sum;
    parts.push_back({"rank " + std::to_string(ranks[i] + 1),
                     static_cast<double>(i) / kParts,
                     static_cast<double>(i + 1) / kParts, share, share, share});
  }
  return parts;
}

void Finish(Settings* s) {
  for (const std::string& option : s->set) {
    const size_t equals = option.find('=');
    if (equals == std::string::npos) Fail("--set takes NAME=VALUE");
    const absl::Status status = SetOption(
        &s->sim.engine, option.substr(0, equals), option.substr(equals + 1));
    if (!status.ok()) Fail(status.ToString());
  }
  const absl::Status valid = ValidateOptions(s->sim.engine);
  if (!valid.ok()) Fail(valid.ToString());
  if (!(s->data_gib > 0) || !(s->write_gib > 0) || !(s->write_mib_s > 0) ||
      !(s->disk_mib_s > 0) || s->reports < 1) {
    Fail("sizes, rates and --reports must be positive");
  }
  s->sim.grows = s->workload == "grow";
  s->sim.data_bytes = s->sim.grows ? 0 : s->data_gib * kGib;
  s->sim.write_rate = s->write_mib_s * kMib;
  s->sim.disk_rate = s->disk_mib_s * kMib;
  s->sim.parts = Parts(s->workload, s->sim.engine.seed);
}

// Fewest merges a byte takes part in, of `rounds` arrivals into at most
// `max_runs` runs: m * K / (K + 1) for binomial(m + K, K) arrivals (Mathieu,
// Staelin, Young and Yousefi, "Bigtable Merge Compaction", 2014), between two
// such counts on a straight line.
double LeastMerges(double rounds, int max_runs) {
  double m = 0, ways = 1, ways_before = 0;
  while (ways < rounds) {
    ++m;
    ways_before = ways;
    ways *= (m + max_runs) / m;
  }
  const double exact = m - (ways - rounds) / (ways - ways_before);
  return std::max(0.0, exact) * max_runs / (max_runs + 1);
}

void PrintArithmetic(const Settings& s) {
  const Options& o = s.sim.engine;
  std::printf(
      "Slot sizes: slots of target size max(slot_bytes, 4 * data / max_slots), "
      "cut into pieces of\nhalf to all of it; slot_bytes %.0f MiB, max_slots "
      "%d, memtable %.0f MiB, %d L0 tables a round.\nLeast write "
      "amplification of merges that K runs allow when a slot's whole data are "
      "overwritten.\n\n",
      static_cast<double>(o.slot_bytes) / kMib, o.max_slots,
      static_cast<double>(o.memtable_bytes) / kMib, o.l0_trigger);
  std::printf(
      "| data GiB | target MiB | slots | arriving KiB a slot and round "
      "| rounds to fill a slot |");
  for (int k = 1; k <= o.max_runs; ++k) std::printf(" K=%d |", k);
  std::printf("\n|---:|---:|---:|---:|---:|");
  for (int k = 1; k <= o.max_runs; ++k) std::printf("---:|");
  std::printf("\n");
  const double round =
      static_cast<double>(o.memtable_bytes) * std::max(o.l0_trigger, 1);
  for (double gib = 1; gib <= s.data_gib; gib *= 4) {
    const double target = SlotTarget(s.sim, gib * kGib);
    const double size = 0.75 * target;
    const double slots = std::max(1.0, std::ceil(gib * kGib / size));
    const double rounds = std::max(1.0, gib * kGib / round);
    std::printf("| %.0f | %.0f | %.0f | %.0f | %.0f |", gib, target / kMib,
                slots, round / slots / 1024, rounds);
    for (int k = 1; k <= o.max_runs; ++k) {
      std::printf(" %.1f |", LeastMerges(rounds, k));
    }
    std::printf("\n");
  }
}

double Ratio(double a, double b) { return b > 0 ? a / b : 0; }

void PrintLine(const SimulationState& now, const SimulationState& last) {
  const auto written = [](const SimulationState& s) {
    return s.flushed_bytes + s.merged_bytes;
  };
  const double user = now.user_bytes - last.user_bytes;
  std::printf(
      "| %.2f | %.0f | %zu | %.2f | %zu | %zu | %s | %.1f | %.2f | %.2f | %.2f "
      "| %.3f | %.1f | %llu | %llu | %llu |\n",
      now.seconds / 3600, now.user_bytes / kGib, now.slots,
      Ratio(static_cast<double>(now.runs), static_cast<double>(now.slots)),
      now.most_runs, now.l0_tables, PressureZoneName(now.zone),
      Ratio(user / kMib, now.seconds - last.seconds),
      Ratio(written(now) - written(last), user),
      Ratio(written(now), now.user_bytes), now.filters_per_read,
      Ratio(now.stored_bytes, now.live_bytes), now.delayed_seconds,
      static_cast<unsigned long long>(now.merges),
      static_cast<unsigned long long>(now.adoptions),
      static_cast<unsigned long long>(now.splits));
}

void PrintParts(const SimulatedStore& store,
                const std::vector<TrafficPart>& parts) {
  if (parts.size() < 2) return;
  std::vector<TrafficPart> shown = parts;
  std::sort(shown.begin(), shown.end(),
            [](const TrafficPart& a, const TrafficPart& b) {
              return a.writes + a.reads > b.writes + b.reads;
            });
  shown.resize(std::min<size_t>(shown.size(), 8));
  std::printf(
      "\n| part | writes %% | reads %% | slots | K | runs | bytes "
      "written for each of the user's |\n|---|---:|---:|---:|---:|---:|"
      "---:|\n");
  for (const TrafficPart& part : shown) {
    const PartState state = store.StateOf(part);
    std::printf("| %s | %.1f | %.1f | %zu | %.2f | %.2f | %.2f |\n",
                part.name.c_str(), 100 * part.writes, 100 * part.reads,
                state.slots, state.max_runs, state.runs,
                Ratio(state.written_bytes, state.user_bytes));
  }
}

void Simulate(const Settings& s) {
  std::printf("atll_sim: %s, policy %s, scheduler %s, seed %llu\n\n",
              s.workload.c_str(), s.sim.engine.run_policy.c_str(),
              s.sim.engine.scheduler.c_str(),
              static_cast<unsigned long long>(s.sim.engine.seed));
  PrintArithmetic(s);
  std::printf(
      "\n| hours | written GiB | slots | runs | most runs | L0 | zone | user "
      "MiB/s | write amp. since | write amp. | filters a read | space | "
      "delayed "
      "s | merges | adoptions | splits |\n"
      "|---:|---:|---:|---:|---:|---:|---|---:|---:|---:|---:|---:|---:|---:|"
      "---:|---:|\n");
  SimulatedStore store(s.sim);
  const double goal = (s.sim.grows ? s.data_gib : s.write_gib) * kGib;
  const auto memtables = static_cast<uint64_t>(
      std::ceil(goal / static_cast<double>(s.sim.engine.memtable_bytes)));
  SimulationState last;
  for (uint64_t i = 1, line = 1; i <= memtables; ++i) {
    store.FillMemtable();
    if (i * static_cast<uint64_t>(s.reports) < line * memtables) continue;
    ++line;
    const SimulationState now = store.State();
    PrintLine(now, last);
    std::fflush(stdout);
    last = now;
  }
  PrintParts(store, s.sim.parts);
}

}  // namespace
}  // namespace nori::bench

int main(int argc, char** argv) {
  nori::bench::Settings settings;
  nori::bench::ParseCommandLine(nori::bench::Describe(&settings), argc, argv);
  nori::bench::Finish(&settings);
  nori::bench::Simulate(settings);
  return 0;
}
