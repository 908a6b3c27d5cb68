// Heat of slots: who is read, written and scanned how often.

#ifndef NORI_ENGINE_SLOTS_HEAT_H_
#define NORI_ENGINE_SLOTS_HEAT_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "engine/io/clock.h"
#include "engine/slots/recent_mean.h"
#include "engine/slots/version.h"

namespace nori {

// A few keys of late accesses: where inside a slot its heat lies. A biased
// reservoir (Aggarwal, "On Biased Reservoir Sampling in the Presence of Stream
// Evolution", VLDB 2006): a new key takes the place of a random old one, so
// that a key's chance to be in the sample falls exponentially with its age.
// Roll thins the offers to kKeysPerRoll each interval, which makes that age
// one in time and bounds the cost whatever the rate of accesses. Thread-safe.
class KeySample {
 public:
  static constexpr size_t kKeys = 64;
  static constexpr uint64_t kKeysPerRoll = 8;
  // Longer keys are cut: what is left still lies at the same place.
  static constexpr size_t kMaxBytes = 128;

  // An access at `key`. Where another thread is storing one, it is dropped.
  void Offer(std::string_view key);
  // Adapts the thinning to the offers since the last call.
  void Roll();
  // In no order.
  std::vector<std::string> Keys() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Adds as many of `keys` as there is room for.
  void Adopt(const std::vector<std::string>& keys) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  std::atomic<uint64_t> offers_{0};  // since the last Roll
  std::atomic<uint64_t> stride_{1};  // every stride-th offer is taken
  mutable absl::Mutex mutex_;
  std::vector<std::string> keys_ ABSL_GUARDED_BY(mutex_);
  // Which keys stay has to be fair, not different from run to run.
  Random random_ ABSL_GUARDED_BY(mutex_){0x5e1ec7};
};

// Access and byte counters of one slot. Any thread adds; one thread at a time
// rolls. Rates are exponentially weighted averages over time, so that heat does
// not depend on how often anyone calls: with half-life H, an interval of dt
// seconds that saw n accesses has the weight (1 - 2^(-dt/H)) against all before
// it. What came before the first call counts as H/8 without accesses, not as
// silence for ever: a rate is known after seconds, not after half-lives.
class SlotHeat {
 public:
  void AddRead(uint64_t n = 1) {
    reads_.fetch_add(n, std::memory_order_relaxed);
  }
  void AddWrite(uint64_t n = 1) {
    writes_.fetch_add(n, std::memory_order_relaxed);
  }
  void AddScan(uint64_t n = 1) {
    scans_.fetch_add(n, std::memory_order_relaxed);
  }
  // A flush brought the slot `entries` that hold `user_bytes` of keys and
  // values and take `table_bytes` in the flushed table.
  void AddFlush(uint64_t entries, uint64_t user_bytes, uint64_t table_bytes) {
    AddWrite(entries);
    user_bytes_.fetch_add(user_bytes, std::memory_order_relaxed);
    flushed_bytes_.fetch_add(table_bytes, std::memory_order_relaxed);
  }
  // A flush was done, which brought this slot so many bytes of its table, maybe
  // none. For one thread at a time.
  void AddArrival(uint64_t table_bytes);
  // A merge in the slot wrote tables of so many bytes.
  void AddMerge(uint64_t table_bytes) {
    merged_bytes_.fetch_add(table_bytes, std::memory_order_relaxed);
  }
  // Scans stepped over so many deleted keys here.
  void AddSkipped(uint64_t keys) {
    skipped_.fetch_add(keys, std::memory_order_relaxed);
  }
  // A merge has removed what deleted keys it could: they count anew.
  void ResetSkipped() { skipped_.store(0, std::memory_order_relaxed); }
  // Adds `share` (0..1) of another slot's totals, not its rates: what a slot
  // that comes out of a split or a join takes over, so that sums over slots
  // stay. Before others know of this object.
  void InheritTotals(const SlotHeat& parent, double share);

  // Where the accesses lie; scans count at the key where they begin.
  KeySample& read_keys() { return read_keys_; }
  const KeySample& read_keys() const { return read_keys_; }
  KeySample& write_keys() { return write_keys_; }
  const KeySample& write_keys() const { return write_keys_; }

  struct Rates {
    double reads = 0, writes = 0, scans = 0;  // per second
    // Weighted sum: point read 1, scan 2, write 0.5.
    double Weighted() const { return reads + 2 * scans + 0.5 * writes; }
  };
  // Folds the accesses since the last call into the rates. `now_micros` is
  // monotonic time; the first call only starts the measurement.
  void Roll(uint64_t now_micros, double half_life_seconds);
  // For the thread that rolls, or under its lock.
  Rates rates() const { return rates_; }
  void set_rates(const Rates& r) { rates_ = r; }

  // Adds to this slot's rates, samples and arrivals what `old` saw inside
  // `range`: for a slot that was cut from another, or made of several. The part
  // is that of the sampled keys that lie inside, or `share` (0..1) where there
  // are too few to tell. For the thread that rolls both.
  void Inherit(const SlotHeat& old, const KeyRange& range, double share);

  // Totals since creation. Any thread.
  uint64_t reads() const { return reads_.load(std::memory_order_relaxed); }
  uint64_t writes() const { return writes_.load(std::memory_order_relaxed); }
  uint64_t scans() const { return scans_.load(std::memory_order_relaxed); }
  uint64_t user_bytes() const {
    return user_bytes_.load(std::memory_order_relaxed);
  }
  uint64_t flushed_bytes() const {
    return flushed_bytes_.load(std::memory_order_relaxed);
  }
  uint64_t merged_bytes() const {
    return merged_bytes_.load(std::memory_order_relaxed);
  }
  // Bytes that a flush brings here, as the mean over the last few flushes, so
  // that it is as good where flushes are rare. Any thread.
  double arriving_bytes() const { return arriving_bytes_.mean(); }
  // Since ResetSkipped.
  uint64_t skipped() const { return skipped_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> reads_{0}, writes_{0}, scans_{0}, skipped_{0};
  std::atomic<uint64_t> user_bytes_{0}, flushed_bytes_{0}, merged_bytes_{0};
  RecentMean arriving_bytes_;
  uint64_t rolled_reads_ = 0, rolled_writes_ = 0, rolled_scans_ = 0;
  uint64_t last_roll_micros_ = 0;
  bool rolling_ = false;  // Roll was called before
  double known_ = 0;      // weight of what the rates are of, up to 1
  Rates rates_;
  KeySample read_keys_, write_keys_;
};

// Heat in [0, 1] of a slot whose weighted rate per byte (or per slot) is
// `rate`, among slots whose mean is `mean` and highest is `peak`: normalised so
// that it separates hot from cold at any absolute rate, and all equal slots
// come out equal and not hot (0.5 at the mean).
double NormalisedHeat(double rate, double mean, double peak);

}  // namespace nori

#endif  // NORI_ENGINE_SLOTS_HEAT_H_
