// Heat of slots: who is read, written and scanned how often.

#ifndef NORI_ENGINE_SLOTS_HEAT_H_
#define NORI_ENGINE_SLOTS_HEAT_H_

#include <atomic>
#include <cstdint>

namespace nori {

// Access and byte counters of one slot. Any thread adds; one thread at a time
// rolls. Rates are exponentially weighted averages over time, so that heat does
// not depend on how often anyone calls: with half-life H, an interval of dt
// seconds that saw n accesses moves the rate by (1 - 2^(-dt/H)) towards n / dt.
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
  // A merge in the slot wrote tables of so many bytes.
  void AddMerge(uint64_t table_bytes) {
    merged_bytes_.fetch_add(table_bytes, std::memory_order_relaxed);
  }
  // Adds `share` (0..1) of another slot's totals, not its rates: what a slot
  // that comes out of a split or a join takes over, so that sums over slots
  // stay. Before others know of this object.
  void InheritTotals(const SlotHeat& parent, double share);

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

 private:
  std::atomic<uint64_t> reads_{0}, writes_{0}, scans_{0};
  std::atomic<uint64_t> user_bytes_{0}, flushed_bytes_{0}, merged_bytes_{0};
  uint64_t rolled_reads_ = 0, rolled_writes_ = 0, rolled_scans_ = 0;
  uint64_t last_roll_micros_ = 0;
  bool rolling_ = false;  // Roll was called before
  Rates rates_;
};

// Heat in [0, 1] of a slot whose weighted rate per byte (or per slot) is
// `rate`, among slots whose mean is `mean` and highest is `peak`: normalised so
// that it separates hot from cold at any absolute rate, and all equal slots
// come out equal and not hot (0.5 at the mean).
double NormalisedHeat(double rate, double mean, double peak);

}  // namespace nori

#endif  // NORI_ENGINE_SLOTS_HEAT_H_
