#include "bench/sql_workloads.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "bench/measure.h"

namespace nori::bench {

const std::vector<std::string>& SqlWorkloadNames() {
  static const auto* const names = new std::vector<std::string>{
      "load_sequential", "load_random", "overwrite_uniform", "overwrite_zipf",
      "update_uniform",  "get_uniform", "get_inside",        "get_miss",
      "scan_100",        "scan_full",   "mixed_50_50",       "durable"};
  return *names;
}

SqlRun::SqlRun(const WorkloadOptions& options, TableKind kind, std::string name,
               const SqlTableOptions& table_options, Report* report)
    : options_(options),
      kind_(kind),
      name_(std::move(name)),
      table_options_(table_options),
      report_(report),
      values_(options.seed) {}

void SqlRun::Open() {
  table_.reset();
  FreshDirectory(table_options_.directory);
  table_ = std::make_unique<SqlTable>(kind_, table_options_);
}

void SqlRun::Result(const std::string& name, double value,
                    bool lower_is_better) {
  report_->Add(name, name_, value, lower_is_better);
  std::fprintf(stderr, "  %-14s %-32s %.2f\n", name_.c_str(), name.c_str(),
               value);
}

void SqlRun::Phase(const std::string& name, const std::function<void()>& body) {
  if (!Selected(name)) return;
  body();
  table_->Settle();
}

void SqlRun::Run() {
  if (Selected("load_sequential")) LoadSequential();
  if (options_.selected.size() == 1 && Selected("load_sequential")) return;
  LoadRandom();
  const uint32_t n = options_.rows;
  const uint64_t seed = options_.seed;
  const size_t writes = std::max<size_t>(n / 4, 1000);
  const size_t reads = writes;
  Phase("overwrite_uniform", [&] {
    Result("overwrite uniform",
           WriteRows(Uniform(n, writes, seed + 1), &SqlTable::Replace), false);
  });
  Phase("overwrite_zipf", [&] {
    Result("overwrite zipf",
           WriteRows(Zipf(n, writes, seed + 2), &SqlTable::Replace), false);
  });
  Phase("update_uniform", [&] {
    Result("update uniform",
           WriteRows(Uniform(n, writes, seed + 3), &SqlTable::Update), false);
  });
  Phase("get_uniform", [&] {
    Gets("get uniform", Uniform(n, reads, seed + 4), false, false);
  });
  Phase("get_inside", [&] {
    Gets("get uniform, one transaction", Uniform(n, reads, seed + 5), false,
         true);
  });
  Phase("get_miss",
        [&] { Gets("get miss", Uniform(n, reads, seed + 6), true, false); });
  Phase("scan_100", [&] { Scan100(); });
  Phase("scan_full", [&] { ScanFull(); });
  Phase("mixed_50_50", [&] { Mixed(); });
  Phase("durable", [&] { Durable(); });
  table_.reset();
  FreshDirectory(table_options_.directory);
}

double SqlRun::WriteRows(const Rows& rows, Writer writer) {
  const Timer timer;
  for (size_t i = 0; i < rows.size();) {
    table_->Execute("BEGIN");
    const size_t end = std::min(rows.size(), i + options_.batch_rows);
    for (; i < end; ++i) {
      (table_.get()->*writer)(Key(rows[i]).view(), values_.At(next_value_++));
    }
    table_->Execute("COMMIT");
  }
  return static_cast<double>(rows.size()) / timer.Seconds();
}

void SqlRun::LoadSequential() {
  Open();
  Result("load sequential",
         WriteRows(Sequential(options_.rows), &SqlTable::Insert), false);
  table_.reset();
}

void SqlRun::LoadRandom() {
  Open();
  const Rows rows = Shuffled(options_.rows, options_.seed);
  const BytesWritten before = ReadBytesWritten();
  const double rate = WriteRows(rows, &SqlTable::Insert);
  table_->Settle();
  if (!Selected("load_random")) return;
  const BytesWritten after = ReadBytesWritten();
  const Space space = MeasureSpace(table_options_.directory);
  const double user =
      static_cast<double>(rows.size() * (kKeyBytes + kValueBytes));
  Result("load random", rate, false);
  Result("write amplification, device",
         static_cast<double>(after.device - before.device) / user, true);
  Result("write amplification, calls",
         static_cast<double>(after.calls - before.calls) / user, true);
  Result("space without logs, MB",
         static_cast<double>(space.total - space.logs) / 1e6, true);
  Result("space of logs, MB", static_cast<double>(space.logs) / 1e6, true);
}

void SqlRun::Gets(const std::string& name, const Rows& rows, bool absent,
                  bool one_transaction) {
  uint64_t found = 0, bytes = 0;
  if (one_transaction) table_->Execute("BEGIN");
  const Timer timer;
  for (const uint32_t row : rows) {
    found += table_->Get(Key(row, absent).view(), &bytes) ? 1 : 0;
  }
  Result(name, static_cast<double>(rows.size()) / timer.Seconds(), false);
  if (one_transaction) table_->Execute("COMMIT");
  const uint64_t expected = absent ? 0 : rows.size();
  if (found != expected || bytes != expected * kValueBytes) {
    Fail(name_ + ": " + name + " found " + std::to_string(found) + " of " +
         std::to_string(expected) + " rows");
  }
}

void SqlRun::Scan100() {
  const Rows from = Uniform(options_.rows, std::max(options_.rows / 100, 1000U),
                            options_.seed + 7);
  uint64_t rows = 0, expected = 0, bytes = 0;
  const Timer timer;
  for (const uint32_t row : from) {
    rows += table_->Scan100(Key(row).view(), &bytes);
    expected += std::min(100U, options_.rows - row);
  }
  Result("scan 100", static_cast<double>(from.size()) / timer.Seconds(), false);
  if (rows != expected) Fail(name_ + ": scan 100 saw a wrong row count");
}

void SqlRun::ScanFull() {
  uint64_t bytes = 0;
  const Timer timer;
  const uint64_t rows = table_->ScanFull(&bytes);
  Result("scan full, rows", static_cast<double>(rows) / timer.Seconds(), false);
  if (rows != options_.rows || bytes != rows * (kKeyBytes + kValueBytes)) {
    Fail(name_ + ": a full scan saw " + std::to_string(rows) + " rows");
  }
}

void SqlRun::Mixed() {
  const Rows rows =
      Zipf(options_.rows, std::max<size_t>(options_.rows / 4, 1000),
           options_.seed + 8);
  Rng rng(options_.seed + 9);
  uint64_t bytes = 0;
  const Timer timer;
  for (size_t i = 0; i < rows.size();) {
    table_->Execute("BEGIN");
    const size_t end = std::min(rows.size(), i + options_.batch_rows);
    for (; i < end; ++i) {
      const Key key(rows[i]);
      if (rng.Below(2) == 0) {
        if (!table_->Get(key.view(), &bytes))
          Fail(name_ + ": a row is missing");
      } else {
        table_->Replace(key.view(), values_.At(next_value_++));
      }
    }
    table_->Execute("COMMIT");
  }
  Result("mixed 50/50 zipf", static_cast<double>(rows.size()) / timer.Seconds(),
         false);
}

void SqlRun::Durable() {
  table_->Execute("PRAGMA synchronous=FULL");
  // New rows in random order, beyond the stored ones.
  const Rows fresh = Shuffled(1'000'000, options_.seed + 10);
  uint64_t done = 0;
  const Timer timer;
  while (done < fresh.size() && timer.Seconds() < options_.seconds) {
    table_->Insert(Key(options_.rows + fresh[done]).view(),
                   values_.At(next_value_++));
    ++done;
  }
  Result("durable single insert", static_cast<double>(done) / timer.Seconds(),
         false);
  table_->Execute("PRAGMA synchronous=NORMAL");
}

}  // namespace nori::bench
