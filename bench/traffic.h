// The streams of operations that atll_bench sends to a store.

#ifndef NORI_BENCH_TRAFFIC_H_
#define NORI_BENCH_TRAFFIC_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "bench/atll_workloads.h"
#include "bench/keys.h"
#include "bench/measure.h"
#include "bench/store.h"
#include "engine/observe/histogram.h"

namespace nori::bench {

// One user of a store, who waits for each operation and takes its time. Not
// thread-safe.
class Client {
 public:
  Client(uint64_t seed, Store* store)
      : rng_(seed), values_(seed), store_(store) {}

  void Get(uint32_t row);  // which must be there
  void Put(uint32_t row);
  // [first, first + count) as one commit.
  void PutMany(uint32_t first, uint32_t count);
  // Reads `count` rows from the first that is live at or after `from`, which
  // must be `first`, and deletes them in one commit: one read operation.
  void TakeMany(uint32_t from, uint32_t first, uint32_t count);
  // Rows in the given order, 1000 a commit, untimed.
  void Load(const Rows& rows);

  // Forgets what was counted; ResetTimes: all but the bytes.
  void Reset();
  void ResetTimes();

  Rng& rng() { return rng_; }
  const Histogram& reads() const { return *reads_; }    // nanoseconds
  const Histogram& writes() const { return *writes_; }  // nanoseconds
  uint64_t gets() const { return gets_; }
  uint64_t user_bytes() const { return user_bytes_; }

 private:
  void Write(std::span<const KeyValue> rows);

  Rng rng_;
  const Values values_;
  Store* const store_;
  uint64_t next_value_ = 0;
  uint64_t gets_ = 0, user_bytes_ = 0;
  std::unique_ptr<Histogram> reads_ = std::make_unique<Histogram>();
  std::unique_ptr<Histogram> writes_ = std::make_unique<Histogram>();
};

class Traffic {
 public:
  Traffic(const AtllOptions& options, Client* client)
      : options_(options), client_(client) {}
  virtual ~Traffic() = default;

  // What is there before: by default all rows, in random order.
  virtual void Load() { client_->Load(Shuffled(options_.rows, options_.seed)); }
  // One operation, `now` seconds after the measured time began; false: there is
  // nothing more to do.
  virtual bool Step(double now) = 0;
  // Whether operations may be done before those that are measured.
  virtual bool warms_up() const { return true; }
  // How long to measure.
  virtual double seconds() const { return options_.seconds; }
  // Whether the hot spot moves every options.move_seconds.
  virtual bool moves() const { return false; }

 protected:
  uint32_t Below(uint32_t n) {
    return static_cast<uint32_t>(client_->rng().Below(n));
  }
  const AtllOptions options_;
  Client* const client_;
};

// By the name in AtllWorkloads().
std::unique_ptr<Traffic> MakeTraffic(const std::string& workload,
                                     const AtllOptions& options,
                                     Client* client);

}  // namespace nori::bench

#endif  // NORI_BENCH_TRAFFIC_H_
