#include "bench/traffic.h"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <vector>

namespace nori::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

uint64_t NanosSince(SteadyClock::time_point start) {
  return static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(SteadyClock::now() -
                                                           start)
          .count());
}

// A read-hot tenth of the keys, a write-hot tenth beside it, cold bulk.
class Ranges : public Traffic {
 public:
  using Traffic::Traffic;
  bool Step(double /*now*/) override {
    const uint32_t tenth = std::max(options_.rows / 10, 1U);
    const uint32_t dice = Below(100);
    if (dice < 50) {
      client_->Get(Below(tenth));
    } else if (dice < 95) {
      client_->Put(tenth + Below(tenth));
    } else if (dice < 99) {
      client_->Get(2 * tenth + Below(options_.rows - 2 * tenth));
    } else {
      client_->Put(2 * tenth + Below(options_.rows - 2 * tenth));
    }
    return true;
  }
};

class ZipfMixed : public Traffic {
 public:
  ZipfMixed(const AtllOptions& options, Client* client)
      : Traffic(options, client),
        rows_(Zipf(options.rows, size_t{4} << 20, options.seed + 1)) {}
  bool Step(double /*now*/) override {
    const uint32_t row = rows_[next_++ % rows_.size()];
    if (Below(2) == 0) {
      client_->Get(row);
    } else {
      client_->Put(row);
    }
    return true;
  }

 private:
  const Rows rows_;
  size_t next_ = 0;
};

// Nine operations of ten in a fiftieth of the keys, 70 % of them reads.
class Moving : public Traffic {
 public:
  using Traffic::Traffic;
  bool Step(double now) override {
    const uint32_t window = std::max(options_.rows / 50, 1U);
    const auto move = static_cast<uint64_t>(now / options_.move_seconds);
    if (move != move_) {
      move_ = move;
      // Scattered, the same for every store, and never where it was.
      start_ = static_cast<uint32_t>(
          Rng(options_.seed + move).Below(options_.rows - window));
    }
    const uint32_t row =
        Below(10) < 9 ? start_ + Below(window) : Below(options_.rows);
    if (Below(10) < 7) {
      client_->Get(row);
    } else {
      client_->Put(row);
    }
    return true;
  }
  // Two whole periods after the first.
  double seconds() const override {
    return std::max(options_.seconds, 3 * options_.move_seconds);
  }
  bool moves() const override { return true; }

 private:
  uint64_t move_ = 0;
  uint32_t start_ = 0;
};

// Appends, and reads of the newest hundredth.
class TimeSeries : public Traffic {
 public:
  using Traffic::Traffic;
  void Load() override {
    client_->Load(Sequential(options_.rows));
    rows_ = options_.rows;
  }
  bool Step(double /*now*/) override {
    if (Below(2) == 0) {
      client_->Put(rows_++);
    } else {
      client_->Get(rows_ - 1 - Below(std::max(rows_ / 100, 1U)));
    }
    return true;
  }

 private:
  uint32_t rows_ = 0;
};

class UniformReads : public Traffic {
 public:
  using Traffic::Traffic;
  bool Step(double /*now*/) override {
    client_->Get(Below(options_.rows));
    return true;
  }
};

class UniformWrites : public Traffic {
 public:
  using Traffic::Traffic;
  bool Step(double /*now*/) override {
    client_->Put(Below(options_.rows));
    return true;
  }
};

// Beside the bulk: ten rows are added at the end of a queue, ten are taken from
// its front, which is looked for from where the queue once began.
class Queue : public Traffic {
 public:
  using Traffic::Traffic;
  void Load() override {
    Traffic::Load();
    head_ = tail_ = options_.rows;
    while (tail_ < options_.rows + std::max(options_.rows / 100, kMany)) {
      client_->PutMany(tail_, kMany);
      tail_ += kMany;
    }
  }
  bool Step(double /*now*/) override {
    if (push_) {
      client_->PutMany(tail_, kMany);
      tail_ += kMany;
    } else {
      client_->TakeMany(options_.rows, head_, kMany);
      head_ += kMany;
    }
    push_ = !push_;
    return true;
  }

 private:
  static constexpr uint32_t kMany = 10;
  uint32_t head_ = 0, tail_ = 0;
  bool push_ = true;
};

// Into an empty store, each row a commit of its own.
class SequentialLoad : public Traffic {
 public:
  using Traffic::Traffic;
  void Load() override {}
  bool warms_up() const override { return false; }
  bool Step(double /*now*/) override {
    if (rows_ == options_.rows) return false;
    client_->Put(rows_++);
    return true;
  }

 private:
  uint32_t rows_ = 0;
};

template <typename T>
std::unique_ptr<Traffic> Make(const AtllOptions& options, Client* client) {
  return std::make_unique<T>(options, client);
}

struct Entry {
  AtllWorkload workload;
  std::unique_ptr<Traffic> (*make)(const AtllOptions&, Client*);
};

constexpr Entry kEntries[] = {
    {{"ranges",
      "(a) 50 % reads in one tenth of the keys, 45 % writes in the next, 5 % "
      "in "
      "cold bulk"},
     Make<Ranges>},
    {{"zipf", "(b) Zipf 0.99 over scattered keys, half reads, half writes"},
     Make<ZipfMixed>},
    {{"moving",
      "(c) 90 % of operations in a fiftieth of the keys that moves, 70 % "
      "reads"},
     Make<Moving>},
    {{"series", "(d) half appends, half reads of the newest hundredth"},
     Make<TimeSeries>},
    {{"reads", "(e) uniform reads"}, Make<UniformReads>},
    {{"writes", "(f) uniform writes"}, Make<UniformWrites>},
    {{"queue",
      "(g) ten rows pushed, ten taken from the front: a take counts as read"},
     Make<Queue>},
    {{"load", "sequential load, one row a commit, into an empty store"},
     Make<SequentialLoad>},
};

}  // namespace

void Client::Get(uint32_t row) {
  const Key key(row);
  uint64_t bytes = 0;
  const auto start = SteadyClock::now();
  const bool found = store_->Get(key.view(), &bytes);
  reads_->Add(NanosSince(start));
  ++gets_;
  if (!found || bytes != kValueBytes) {
    Fail("row " + std::to_string(row) + " is missing or damaged");
  }
}

void Client::Write(std::span<const KeyValue> rows) {
  const auto start = SteadyClock::now();
  store_->Write(rows, false);
  writes_->Add(NanosSince(start));
  user_bytes_ += rows.size() * (kKeyBytes + kValueBytes);
}

void Client::Put(uint32_t row) {
  const Key key(row);
  const KeyValue change{key.view(), values_.At(next_value_++)};
  Write({&change, 1});
}

void Client::PutMany(uint32_t first, uint32_t count) {
  std::vector<Key> keys;
  for (uint32_t i = 0; i < count; ++i) keys.emplace_back(first + i);
  std::vector<KeyValue> rows;
  for (const Key& key : keys) {
    rows.push_back({key.view(), values_.At(next_value_++)});
  }
  Write(rows);
}

void Client::TakeMany(uint32_t from, uint32_t first, uint32_t count) {
  std::vector<Key> keys;
  for (uint32_t i = 0; i < count; ++i) keys.emplace_back(first + i);
  std::vector<std::string_view> views;
  for (const Key& key : keys) views.push_back(key.view());
  uint64_t bytes = 0;
  const auto start = SteadyClock::now();
  const uint64_t found = store_->Scan(Key(from).view(), count, &bytes);
  store_->Delete(views);
  reads_->Add(NanosSince(start));
  user_bytes_ += count * kKeyBytes;
  if (found != count) Fail("the queue is shorter than it should be");
}

void Client::Load(const Rows& rows) {
  constexpr size_t kBatch = 1000;
  std::vector<Key> keys;
  std::vector<KeyValue> batch;
  for (size_t at = 0; at < rows.size(); at += kBatch) {
    keys.clear();
    batch.clear();
    const size_t end = std::min(at + kBatch, rows.size());
    for (size_t i = at; i < end; ++i) keys.emplace_back(rows[i]);
    for (const Key& key : keys) {
      batch.push_back({key.view(), values_.At(next_value_++)});
    }
    store_->Write(batch, false);
  }
}

void Client::Reset() {
  ResetTimes();
  user_bytes_ = 0;
}

void Client::ResetTimes() {
  gets_ = 0;
  reads_ = std::make_unique<Histogram>();
  writes_ = std::make_unique<Histogram>();
}

const std::vector<AtllWorkload>& AtllWorkloads() {
  static const auto* const workloads = [] {
    auto* list = new std::vector<AtllWorkload>;
    for (const Entry& entry : kEntries) list->push_back(entry.workload);
    return list;
  }();
  return *workloads;
}

std::unique_ptr<Traffic> MakeTraffic(const std::string& workload,
                                     const AtllOptions& options,
                                     Client* client) {
  for (const Entry& entry : kEntries) {
    if (workload == entry.workload.name) return entry.make(options, client);
  }
  Fail("no workload called " + workload);
}

}  // namespace nori::bench
