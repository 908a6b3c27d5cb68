#include "bench/vfs_workloads.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <thread>
#include <utility>

#include "bench/measure.h"
#include "bench/sysbench.h"
#include "bench/tpcc.h"

namespace nori::bench {
namespace {

constexpr int kLookups = 100;  // in a reader's transaction

}  // namespace

const std::vector<std::string>& VfsWorkloadNames() {
  static const auto* const names = new std::vector<std::string>{
      "load",         "update",    "update_100", "readers",    "writers",
      "point_select", "read_only", "read_write", "write_only", "tpcc"};
  return *names;
}

Texts::Texts(uint64_t seed) {
  constexpr size_t kWords = 4000;
  constexpr size_t kPoolBytes = 8 << 20;
  Rng rng(seed);
  std::vector<std::string> words(kWords);
  for (std::string& word : words) {
    word.resize(2 + rng.Below(4) + rng.Below(5));
    for (char& c : word) {
      // The commonest letters of English take two thirds of it.
      constexpr std::string_view kLetters =
          "eeeeeeettttttaaaaaooooooiiiinnnnssshhhrrrddllcumwfgypbvk";
      c = kLetters[rng.Below(kLetters.size())];
    }
  }
  while (pool_.size() < kPoolBytes) {
    // A rank whose logarithm is even has the frequencies of words.
    const double rank = std::pow(static_cast<double>(kWords), rng.Unit());
    pool_ += words[static_cast<size_t>(rank) - 1];
    pool_ += rng.Below(9) == 0 ? ". " : " ";
  }
}

VfsRun::VfsRun(const WorkloadOptions& options, int warehouses, std::string name,
               VfsStore store, Report* report)
    : options_(options),
      warehouses_(warehouses),
      name_(std::move(name)),
      store_(std::move(store)),
      report_(report),
      texts_(options.seed) {}

void VfsRun::Result(const std::string& metric, double value,
                    bool lower_is_better) {
  report_->Add(metric, name_, value, lower_is_better);
  std::fprintf(stderr, "  %-12s %-44s %.2f\n", name_.c_str(), metric.c_str(),
               value);
}

void VfsRun::Times(const std::string& metric, const Meter& meter) {
  Result(metric, meter.PerSecond(), false);
  Result(metric + ", p50 us", meter.Percentile(50), true);
  Result(metric + ", p99 us", meter.Percentile(99), true);
  Result(metric + ", p99.9 us", meter.Percentile(99.9), true);
}

void VfsRun::Written(const std::string& metric, SqliteConnection* db,
                     const std::function<Meter()>& body) {
  const uint64_t before = ReadBytesWritten().calls;
  const Meter meter = body();
  Times(metric, meter);
  store_.Settle(db);
  Result(metric + ", KB written each",
         static_cast<double>(ReadBytesWritten().calls - before) / 1e3 /
             static_cast<double>(meter.count()),
         true);
}

void VfsRun::Phase(const std::string& name, const std::string& metric,
                   SqliteConnection* db,
                   const std::function<void()>& operation) {
  if (!Selected(name)) return;
  Written(metric, db, [&] {
    Meter meter;
    meter.Repeat(options_.seconds, operation);
    return meter;
  });
}

void VfsRun::Run() {
  Documents();
  Sysbench();
  Tpcc();
  FreshDirectory(store_.directory());
}

void VfsRun::LoadDocuments(SqliteConnection* db) {
  db->Execute("CREATE TABLE documents(id INTEGER PRIMARY KEY, body TEXT)");
  SqliteStatement insert = db->Prepare("INSERT INTO documents VALUES(?, ?)");
  const uint64_t before = ReadBytesWritten().calls;
  const Timer timer;
  for (uint32_t row = 0; row < options_.rows;) {
    db->Execute("BEGIN");
    const uint32_t end = std::min(options_.rows, row + options_.batch_rows);
    for (; row < end; ++row) {
      insert.RunWith(int64_t{row} + 1, texts_.At(row));
    }
    db->Execute("COMMIT");
  }
  const double rate = options_.rows / timer.Seconds();
  store_.Settle(db);
  const uint64_t written = ReadBytesWritten().calls - before;
  if (!Selected("load")) return;
  Result("load, rows", rate, false);
  Result("load, MB written", static_cast<double>(written) / 1e6, true);
  const Space space = MeasureSpace(store_.directory());
  Result("load, database MB",
         static_cast<double>(space.total - space.logs) / 1e6, true);
}

Meter VfsRun::WriteDocuments(SqliteConnection* db, double seconds,
                             uint32_t rows, uint64_t seed) const {
  SqliteStatement update =
      db->Prepare("UPDATE documents SET body = ? WHERE id = ?");
  Rng rng(options_.seed + seed);
  Meter meter;
  meter.Repeat(seconds, [&] {
    if (rows > 1) db->Execute("BEGIN");
    for (uint32_t i = 0; i < rows; ++i) {
      const std::string_view body = texts_.At(rng.Below(UINT32_MAX));
      update.RunWith(body, static_cast<int64_t>(rng.Below(options_.rows)) + 1);
    }
    if (rows > 1) db->Execute("COMMIT");
  });
  return meter;
}

void VfsRun::UpdateDocuments(SqliteConnection* db) {
  if (Selected("update")) {
    Written("random update", db,
            [&] { return WriteDocuments(db, options_.seconds, 1, 1); });
  }
  if (Selected("update_100")) {
    Written("100 random updates", db,
            [&] { return WriteDocuments(db, options_.seconds, 100, 2); });
  }
  const Space space = MeasureSpace(store_.directory());
  Result("after updates, database MB",
         static_cast<double>(space.total - space.logs) / 1e6, true);
  Result("after updates, logs MB", static_cast<double>(space.logs) / 1e6, true);
}

Meter VfsRun::ReadDocuments(double seconds, uint64_t seed) const {
  SqliteConnection db = store_.Connect("documents.db");
  SqliteStatement select =
      db.Prepare("SELECT body FROM documents WHERE id = ?");
  Rng rng(options_.seed + seed);
  uint64_t bytes = 0;
  Meter meter;
  meter.Repeat(seconds, [&] {
    db.Execute("BEGIN");
    for (int i = 0; i < kLookups; ++i) {
      select.Bind(1, static_cast<int64_t>(rng.Below(options_.rows)) + 1);
      if (!select.Step()) continue;
      bytes += select.Bytes(0).size();
      select.Reset();
    }
    db.Execute("COMMIT");
  });
  if (bytes != meter.count() * kLookups * Texts::kBytes) {
    Fail(name_ + ": lost documents");
  }
  return meter;
}

void VfsRun::ReadBesideWriter() {
  const Meter alone = ReadDocuments(options_.seconds, 3);
  Times("reader of 100 alone", alone);
  std::atomic<bool> stop = false;
  Meter writes;
  std::thread writer([&] {
    SqliteConnection db = store_.Connect("documents.db");
    for (uint64_t seed = 4; !stop; ++seed) {
      writes.Append(WriteDocuments(&db, 0.05, 10, seed));
    }
  });
  const Meter beside = ReadDocuments(options_.seconds, 3);
  stop = true;
  writer.join();
  Times("reader of 100 beside writer", beside);
  Result("reader's p99 beside writer / alone",
         beside.Percentile(99) / alone.Percentile(99), true);
  Times("writer of 10 beside reader", writes);
}

void VfsRun::Writers() {
  constexpr int kWriters = 4;
  std::vector<Meter> meters(kWriters);
  std::vector<std::thread> threads;
  threads.reserve(kWriters);
  for (int i = 0; i < kWriters; ++i) {
    threads.emplace_back([this, i, &meter = meters[static_cast<size_t>(i)]] {
      SqliteConnection db = store_.Connect("documents.db");
      meter = WriteDocuments(&db, options_.seconds, 1,
                             100 + static_cast<uint64_t>(i));
    });
  }
  for (std::thread& thread : threads) thread.join();
  Meter all;
  for (const Meter& meter : meters) all.Join(meter);
  Times("4 writers, random update", all);
}

void VfsRun::Documents() {
  const char* const kOnDocuments[] = {"load", "update", "update_100", "readers",
                                      "writers"};
  if (std::none_of(std::begin(kOnDocuments), std::end(kOnDocuments),
                   [&](const char* name) { return Selected(name); })) {
    return;
  }
  FreshDirectory(store_.directory());
  SqliteConnection db = store_.Connect("documents.db");
  LoadDocuments(&db);
  UpdateDocuments(&db);
  if (Selected("readers")) ReadBesideWriter();
  if (Selected("writers")) Writers();
}

void VfsRun::Sysbench() {
  const std::vector<std::string> names = {"point_select", "read_only",
                                          "read_write", "write_only"};
  if (std::none_of(names.begin(), names.end(),
                   [&](const std::string& name) { return Selected(name); })) {
    return;
  }
  FreshDirectory(store_.directory());
  SqliteConnection db = store_.Connect("sysbench.db");
  SysbenchTable table(&db, std::max(options_.rows / 4, 1000U), options_.seed);
  table.Load(options_.batch_rows);
  store_.Settle(&db);
  Phase("point_select", "sysbench point select", &db,
        [&] { table.PointSelect(); });
  Phase("read_only", "sysbench read only", &db, [&] { table.ReadOnly(); });
  Phase("read_write", "sysbench read write", &db, [&] { table.ReadWrite(); });
  Phase("write_only", "sysbench write only", &db, [&] { table.WriteOnly(); });
}

void VfsRun::Tpcc() {
  if (!Selected("tpcc")) return;
  FreshDirectory(store_.directory());
  SqliteConnection db = store_.Connect("tpcc.db");
  TpccLoad(&db, warehouses_, options_.seed);
  TpccTerminal terminal(&db, warehouses_, options_.seed);
  store_.Settle(&db);
  Phase("tpcc", "TPC-C mix", &db, [&] { terminal.RunOne(); });
  terminal.Check();
  const Space space = MeasureSpace(store_.directory());
  Result("TPC-C, database MB",
         static_cast<double>(space.total - space.logs) / 1e6, true);
}

}  // namespace nori::bench
