#include "bench/engine_workloads.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <limits>
#include <thread>
#include <utility>

#include "bench/measure.h"

namespace nori::bench {
namespace {

// Rows of one transaction, with the memory its keys and values lie in.
class Batch {
 public:
  explicit Batch(size_t capacity) { keys_.reserve(capacity); }
  void Add(uint32_t row, std::string_view value) {
    keys_.emplace_back(row);
    rows_.push_back({keys_.back().view(), value});
  }
  bool full() const { return keys_.size() == keys_.capacity(); }
  void WriteTo(Store* store, bool durable) {
    if (rows_.empty()) return;
    store->Write(rows_, durable);
    keys_.clear();
    rows_.clear();
  }

 private:
  std::vector<Key> keys_;  // never grows beyond its capacity: rows_ points in
  std::vector<KeyValue> rows_;
};

}  // namespace

const std::vector<std::string>& WorkloadNames() {
  static const auto* const names = new std::vector<std::string>{
      "load_sequential", "load_random", "overwrite_uniform", "overwrite_zipf",
      "get_uniform",     "get_zipf",    "get_miss",          "scan_100",
      "scan_full",       "mixed_50_50", "mixed_95_5",        "readers_writer",
      "durable_1",       "durable_8"};
  return *names;
}

EngineRun::EngineRun(const WorkloadOptions& options, const StoreKind& kind,
                     const StoreOptions& store_options, Report* report)
    : options_(options),
      kind_(kind),
      store_options_(store_options),
      report_(report),
      values_(options.seed) {}

void EngineRun::Open() {
  store_.reset();
  FreshDirectory(store_options_.directory);
  store_ = kind_.open(store_options_);
}

void EngineRun::Result(const std::string& name, double value,
                       bool lower_is_better) {
  report_->Add(name, kind_.name, value, lower_is_better);
  std::fprintf(stderr, "  %-12s %-32s %.2f\n", kind_.name.c_str(), name.c_str(),
               value);
}

void EngineRun::Phase(const std::string& name,
                      const std::function<void()>& body) {
  if (!Selected(name)) return;
  body();
  store_->Settle();
  if (options_.statistics) {
    std::fprintf(stderr, "%s\n", store_->Statistics().c_str());
  }
}

void EngineRun::Run() {
  if (Selected("load_sequential")) LoadSequential();
  if (options_.selected.size() == 1 && Selected("load_sequential")) return;
  LoadRandom();
  const uint32_t n = options_.rows;
  const uint64_t seed = options_.seed;
  const size_t reads = Reads();
  Phase("overwrite_uniform",
        [&] { Overwrite("overwrite uniform", Uniform(n, n, seed + 1)); });
  Phase("overwrite_zipf",
        [&] { Overwrite("overwrite zipf", Zipf(n, n, seed + 2)); });
  Phase("get_uniform",
        [&] { Gets("get uniform", Uniform(n, reads, seed + 3), false); });
  Phase("get_zipf", [&] { Gets("get zipf", Zipf(n, reads, seed + 4), false); });
  Phase("get_miss",
        [&] { Gets("get miss", Uniform(n, reads, seed + 5), true); });
  Phase("scan_100", [&] { Scan100(); });
  Phase("scan_full", [&] { ScanFull(); });
  Phase("mixed_50_50", [&] { Mixed("mixed 50/50 zipf", 50); });
  Phase("mixed_95_5", [&] { Mixed("mixed 95/5 zipf", 95); });
  Phase("readers_writer", [&] { ReadersAndWriter(); });
  Phase("durable_1", [&] { Durable("durable put, 1 thread", 1); });
  Phase("durable_8", [&] { Durable("durable put, 8 threads", 8); });
  store_.reset();
  FreshDirectory(store_options_.directory);
}

double EngineRun::WriteRows(const Rows& rows) {
  Batch batch(options_.batch_rows);
  const Timer timer;
  for (const uint32_t row : rows) {
    batch.Add(row, values_.At(next_value_++));
    if (batch.full()) batch.WriteTo(store_.get(), false);
  }
  batch.WriteTo(store_.get(), false);
  return static_cast<double>(rows.size()) / timer.Seconds();
}

void EngineRun::LoadSequential() {
  Open();
  Result("load sequential", WriteRows(Sequential(options_.rows)), false);
  store_.reset();
}

void EngineRun::LoadRandom() {
  Open();
  const Rows rows = Shuffled(options_.rows, options_.seed);
  const BytesWritten before = ReadBytesWritten();
  const Timer timer;
  const double rate = WriteRows(rows);
  store_->FlushAndSettle();
  const double seconds = timer.Seconds();
  if (!Selected("load_random")) return;
  const BytesWritten after = ReadBytesWritten();
  const Space space = MeasureSpace(store_options_.directory);
  const double user =
      static_cast<double>(rows.size() * (kKeyBytes + kValueBytes));
  const auto amplification = [&](uint64_t from, uint64_t to) {
    return static_cast<double>(to - from) / user;
  };
  Result("load random", rate, false);
  Result("load random until quiet", static_cast<double>(rows.size()) / seconds,
         false);
  Result("write amplification, device",
         amplification(before.device, after.device), true);
  Result("write amplification, calls", amplification(before.calls, after.calls),
         true);
  Result("space without logs, MB",
         static_cast<double>(space.total - space.logs) / 1e6, true);
  Result("space of logs, MB", static_cast<double>(space.logs) / 1e6, true);
  if (options_.statistics) {
    std::fprintf(stderr, "%s\n", store_->Statistics().c_str());
  }
}

void EngineRun::Overwrite(const std::string& name, const Rows& rows) {
  Result(name, WriteRows(rows), false);
}

void EngineRun::Gets(const std::string& name, const Rows& rows, bool absent) {
  uint64_t found = 0, bytes = 0;
  const Timer timer;
  for (const uint32_t row : rows) {
    found += store_->Get(Key(row, absent).view(), &bytes) ? 1 : 0;
  }
  Result(name, static_cast<double>(rows.size()) / timer.Seconds(), false);
  const uint64_t expected = absent ? 0 : rows.size();
  if (found != expected || bytes != expected * kValueBytes) {
    Fail(kind_.name + ": " + name + " found " + std::to_string(found) + " of " +
         std::to_string(expected) + " rows");
  }
}

void EngineRun::Scan100() {
  constexpr uint64_t kLimit = 100;
  const Rows from = Uniform(options_.rows, std::max(options_.rows / 100, 1000U),
                            options_.seed + 6);
  uint64_t rows = 0, expected = 0, bytes = 0;
  const Timer timer;
  for (const uint32_t row : from) {
    rows += store_->Scan(Key(row).view(), kLimit, &bytes);
    expected += std::min<uint64_t>(kLimit, options_.rows - row);
  }
  Result("scan 100", static_cast<double>(from.size()) / timer.Seconds(), false);
  if (rows != expected) Fail(kind_.name + ": scan 100 saw a wrong row count");
}

void EngineRun::ScanFull() {
  uint64_t bytes = 0;
  const Timer timer;
  const uint64_t rows =
      store_->Scan(Key(0).view(), std::numeric_limits<uint64_t>::max(), &bytes);
  Result("scan full, rows", static_cast<double>(rows) / timer.Seconds(), false);
  if (rows != options_.rows || bytes != rows * (kKeyBytes + kValueBytes)) {
    Fail(kind_.name + ": a full scan saw " + std::to_string(rows) + " rows");
  }
}

void EngineRun::Mixed(const std::string& name, int percent_reads) {
  const Rows rows = Zipf(options_.rows, Reads(), options_.seed + 7);
  std::vector<bool> is_read(rows.size());
  Rng rng(options_.seed + 8);
  for (size_t i = 0; i < rows.size(); ++i) {
    is_read[i] = rng.Below(100) < static_cast<uint64_t>(percent_reads);
  }
  Batch batch(options_.batch_rows);
  uint64_t bytes = 0;
  const Timer timer;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (is_read[i]) {
      if (!store_->Get(Key(rows[i]).view(), &bytes)) {
        Fail(kind_.name + ": " + name + " missed a row");
      }
    } else {
      batch.Add(rows[i], values_.At(next_value_++));
      if (batch.full()) batch.WriteTo(store_.get(), false);
    }
  }
  batch.WriteTo(store_.get(), false);
  Result(name, static_cast<double>(rows.size()) / timer.Seconds(), false);
}

void EngineRun::ReadersAndWriter() {
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> reads{0}, writes{0};
  const Rows rows = Uniform(options_.rows, options_.rows, options_.seed + 9);
  const Rows targets =
      Uniform(options_.rows, options_.rows, options_.seed + 10);
  std::vector<std::thread> threads;
  const Timer timer;
  for (size_t reader = 0; reader < 2; ++reader) {
    threads.emplace_back([&, reader] {
      uint64_t done = 0, bytes = 0;
      for (size_t i = reader * rows.size() / 2; !stop.load(); ++i, ++done) {
        if (!store_->Get(Key(rows[i % rows.size()]).view(), &bytes)) {
          Fail(kind_.name + ": a concurrent reader missed a row");
        }
      }
      reads += done;
    });
  }
  threads.emplace_back([&] {
    Batch batch(options_.batch_rows);
    uint64_t done = 0;
    for (size_t i = 0; !stop.load(); ++i, ++done) {
      batch.Add(targets[i % targets.size()], values_.At(i));
      if (batch.full()) batch.WriteTo(store_.get(), false);
    }
    writes += done;
  });
  std::this_thread::sleep_for(std::chrono::duration<double>(options_.seconds));
  stop = true;
  const double seconds = timer.Seconds();
  for (std::thread& thread : threads) thread.join();
  Result("2 readers, 1 writer: reads",
         static_cast<double>(reads.load()) / seconds, false);
  Result("2 readers, 1 writer: writes",
         static_cast<double>(writes.load()) / seconds, false);
}

void EngineRun::Durable(const std::string& name, int threads) {
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> writes{0};
  std::vector<std::thread> writers;
  const Timer timer;
  for (int t = 0; t < threads; ++t) {
    writers.emplace_back([&, t] {
      Rng rng(options_.seed + 100 + static_cast<uint64_t>(t));
      Batch batch(1);
      uint64_t done = 0;
      for (; !stop.load(); ++done) {
        batch.Add(static_cast<uint32_t>(rng.Below(options_.rows)),
                  values_.At(done));
        batch.WriteTo(store_.get(), true);
      }
      writes += done;
    });
  }
  std::this_thread::sleep_for(std::chrono::duration<double>(options_.seconds));
  stop = true;
  const double seconds = timer.Seconds();
  for (std::thread& thread : writers) thread.join();
  Result(name, static_cast<double>(writes.load()) / seconds, false);
}

}  // namespace nori::bench
