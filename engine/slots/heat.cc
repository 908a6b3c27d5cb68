#include "engine/slots/heat.h"

#include <algorithm>
#include <cmath>

namespace nori {

void SlotHeat::Roll(uint64_t now_micros, double half_life_seconds) {
  if (!rolling_) {
    rolling_ = true;
    last_roll_micros_ = now_micros;
    return;
  }
  if (now_micros <= last_roll_micros_) return;
  const double seconds =
      static_cast<double>(now_micros - last_roll_micros_) / 1e6;
  last_roll_micros_ = now_micros;
  const double weight = half_life_seconds > 0
                            ? -std::expm1(-M_LN2 * seconds / half_life_seconds)
                            : 1;
  const auto fold = [&](uint64_t total, uint64_t* rolled, double* rate) {
    const double current = static_cast<double>(total - *rolled) / seconds;
    *rolled = total;
    *rate += weight * (current - *rate);
  };
  fold(reads(), &rolled_reads_, &rates_.reads);
  fold(writes(), &rolled_writes_, &rates_.writes);
  fold(scans(), &rolled_scans_, &rates_.scans);
}

void SlotHeat::InheritTotals(const SlotHeat& parent, double share) {
  const auto add = [share](uint64_t total, std::atomic<uint64_t>* to) {
    const auto part = static_cast<uint64_t>(share * static_cast<double>(total));
    to->fetch_add(part, std::memory_order_relaxed);
    return part;
  };
  // Accesses that were rolled into the parent's rates are none of this slot's.
  rolled_reads_ += add(parent.reads(), &reads_);
  rolled_writes_ += add(parent.writes(), &writes_);
  rolled_scans_ += add(parent.scans(), &scans_);
  add(parent.user_bytes(), &user_bytes_);
  add(parent.flushed_bytes(), &flushed_bytes_);
  add(parent.merged_bytes(), &merged_bytes_);
}

double NormalisedHeat(double rate, double mean, double peak) {
  if (!(rate > 0) || !(mean > 0)) return 0;
  if (rate <= mean) return 0.5 * rate / mean;
  // A caller's peak may be a little older than the rate.
  const double top = std::max(rate, peak);
  return 0.5 + 0.5 * (rate - mean) / top;
}

}  // namespace nori
