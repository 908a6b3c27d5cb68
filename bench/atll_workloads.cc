#include "bench/atll_workloads.h"

#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <memory>
#include <thread>

#include "bench/measure.h"
#include "bench/traffic.h"

namespace nori::bench {
namespace {

// Throughput is recorded in parts of a second, to see how it recovers.
constexpr double kPart = 0.1;
// A move has been digested when three parts together reach this share of what
// the second half of the period reaches.
constexpr double kAdapted = 0.9;

// Samples the space of a directory until it is destroyed.
class SpaceWatch {
 public:
  explicit SpaceWatch(std::string directory)
      : directory_(std::move(directory)), thread_([this] { Run(); }) {}
  ~SpaceWatch() { Stop(); }
  uint64_t Stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
    return peak_;
  }

 private:
  void Run() {
    while (!stop_) {
      peak_ = std::max(peak_, MeasureSpace(directory_).total);
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
    }
  }
  const std::string directory_;
  std::atomic<bool> stop_{false};
  uint64_t peak_ = 0;
  std::thread thread_;
};

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Seconds from a move until throughput is back, the mean of all moves whose
// period ran to its end; negative without one. `parts`: operations in each
// kPart seconds since the first period began.
double AdaptSeconds(const std::vector<double>& parts, double move_seconds) {
  const auto period = static_cast<size_t>(move_seconds / kPart);
  double sum = 0;
  int moves = 0;
  for (size_t at = period; period >= 4 && at + period <= parts.size();
       at += period) {
    const auto from = parts.begin() + static_cast<ptrdiff_t>(at);
    const double steady = Median({from + static_cast<ptrdiff_t>(period / 2),
                                  from + static_cast<ptrdiff_t>(period)});
    size_t i = 0;
    while (i + 3 < period && (parts[at + i] + parts[at + i + 1] +
                              parts[at + i + 2]) < 3 * kAdapted * steady) {
      ++i;
    }
    sum += static_cast<double>(i) * kPart;
    ++moves;
  }
  return moves == 0 ? -1 : sum / moves;
}

void SetLatencies(const Histogram& histogram, double* p50, double* p99,
                  double* p999, double* max) {
  if (histogram.Count() == 0) return;
  *p50 = histogram.Percentile(50) / 1e3;
  *p99 = histogram.Percentile(99) / 1e3;
  *p999 = histogram.Percentile(99.9) / 1e3;
  *max = static_cast<double>(histogram.Max()) / 1e3;
}

double Megabytes(uint64_t bytes) { return static_cast<double>(bytes) / 1e6; }

void SetReadCosts(const StoreCounters& before, const StoreCounters& after,
                  const Client& client, CellMeasures* m) {
  const auto each = [](uint64_t from, uint64_t to, uint64_t reads) {
    return reads == 0
               ? -1
               : static_cast<double>(to - from) / static_cast<double>(reads);
  };
  m->filters_asked =
      each(before.filters_asked, after.filters_asked, client.gets());
  m->tables_read = each(before.tables_read, after.tables_read, client.gets());
  m->blocks_read = each(before.blocks_read, after.blocks_read, client.gets());
}

}  // namespace

const std::vector<MeasureColumn>& MeasureColumns() {
  using M = CellMeasures;
  static const auto* const columns = new std::vector<MeasureColumn>{
      {"operations/s", &M::operations},
      {"read p50 us", &M::read_p50},
      {"read p99 us", &M::read_p99},
      {"read p99.9 us", &M::read_p999},
      {"read max us", &M::read_max},
      {"write p50 us", &M::write_p50},
      {"write p99 us", &M::write_p99},
      {"write p99.9 us", &M::write_p999},
      {"write max us", &M::write_max},
      {"bytes written", &M::written},
      {"to tables", &M::tables_written},
      {"filters asked", &M::filters_asked},
      {"tables read", &M::tables_read},
      {"blocks read", &M::blocks_read},
      {"space MB", &M::space},
      {"peak MB", &M::space_peak},
      {"adapt s", &M::adapt},
      {"settle s", &M::settle},
      {"memory MB", &M::memory},
  };
  return *columns;
}

CellMeasures RunCell(const std::string& workload, const AtllOptions& options,
                     const std::string& directory, Store* store) {
  CellMeasures m;
  Client client(options.seed, store);
  const std::unique_ptr<Traffic> traffic =
      MakeTraffic(workload, options, &client);
  traffic->Load();
  store->FlushAndSettle();

  client.Reset();
  const uint64_t written_before = ReadBytesWritten().calls;
  const StoreCounters at_start = store->Counters();
  SpaceWatch space(directory);
  for (const Timer warmup;
       traffic->warms_up() && warmup.Seconds() < options.warmup_seconds;) {
    traffic->Step(0);
  }
  client.ResetTimes();
  const StoreCounters before = store->Counters();
  std::vector<double> parts;
  const Timer timer;
  double now = 0;
  uint64_t operations = 0;
  while (now < traffic->seconds() && traffic->Step(now)) {
    ++operations;
    now = timer.Seconds();
    const auto part = static_cast<size_t>(now / kPart);
    if (part >= parts.size()) parts.resize(part + 1);
    ++parts[part];
  }
  SetReadCosts(before, store->Counters(), client, &m);
  const Timer settling;
  store->FlushAndSettle();
  m.settle = settling.Seconds();
  m.operations = static_cast<double>(operations) / now;
  SetLatencies(client.reads(), &m.read_p50, &m.read_p99, &m.read_p999,
               &m.read_max);
  SetLatencies(client.writes(), &m.write_p50, &m.write_p99, &m.write_p999,
               &m.write_max);
  if (client.user_bytes() > 0) {
    const auto user = static_cast<double>(client.user_bytes());
    m.written =
        static_cast<double>(ReadBytesWritten().calls - written_before) / user;
    m.tables_written =
        static_cast<double>(store->Counters().table_bytes_written -
                            at_start.table_bytes_written) /
        user;
  }
  m.space_peak = Megabytes(space.Stop());
  const Space quiet = MeasureSpace(directory);
  m.space = Megabytes(quiet.total - quiet.logs);
  if (traffic->moves()) m.adapt = AdaptSeconds(parts, options.move_seconds);
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  m.memory = static_cast<double>(usage.ru_maxrss) * 1024 / 1e6;
  return m;
}

}  // namespace nori::bench
