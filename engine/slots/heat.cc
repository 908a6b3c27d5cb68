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

void SlotHeat::InheritBytes(const SlotHeat& parent, double share) {
  const auto part = [share](uint64_t bytes) {
    return static_cast<uint64_t>(share * static_cast<double>(bytes));
  };
  user_bytes_.fetch_add(part(parent.user_bytes()), std::memory_order_relaxed);
  flushed_bytes_.fetch_add(part(parent.flushed_bytes()),
                           std::memory_order_relaxed);
  merged_bytes_.fetch_add(part(parent.merged_bytes()),
                          std::memory_order_relaxed);
}

double NormalisedHeat(double rate, double mean, double peak) {
  if (!(rate > 0) || !(mean > 0)) return 0;
  if (rate <= mean) return 0.5 * rate / mean;
  // A caller's peak may be a little older than the rate.
  const double top = std::max(rate, peak);
  return 0.5 + 0.5 * (rate - mean) / top;
}

}  // namespace nori
