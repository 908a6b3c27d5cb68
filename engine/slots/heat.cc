#include "engine/slots/heat.h"

#include <algorithm>
#include <cmath>

namespace nori {
namespace {

// Fewer sampled keys than this say nothing about shares.
constexpr size_t kEnoughKeys = 16;

// How many half-lives before the first Roll count as idle.
constexpr double kIdleBefore = 0.125;

// The part of the accesses behind `keys` that lies in `range`; the keys outside
// are removed.
double ShareInside(const KeyRange& range, double fallback,
                   std::vector<std::string>* keys) {
  const size_t all = keys->size();
  std::erase_if(*keys,
                [&](const std::string& key) { return !range.Contains(key); });
  if (all < kEnoughKeys) return fallback;
  return static_cast<double>(keys->size()) / static_cast<double>(all);
}

}  // namespace

void KeySample::Offer(std::string_view key) {
  const uint64_t n = offers_.fetch_add(1, std::memory_order_relaxed);
  if (n % stride_.load(std::memory_order_relaxed) != 0) return;
  if (!mutex_.TryLock()) return;
  key = key.substr(0, kMaxBytes);
  if (keys_.size() < kKeys) {
    keys_.emplace_back(key);
  } else {
    keys_[random_.Uniform(kKeys)].assign(key);
  }
  mutex_.Unlock();
}

void KeySample::Roll() {
  const uint64_t offers = offers_.exchange(0, std::memory_order_relaxed);
  stride_.store(std::max<uint64_t>(1, offers / kKeysPerRoll),
                std::memory_order_relaxed);
}

std::vector<std::string> KeySample::Keys() const {
  absl::MutexLock lock(&mutex_);
  return keys_;
}

void KeySample::Adopt(const std::vector<std::string>& keys) {
  absl::MutexLock lock(&mutex_);
  for (const std::string& key : keys) {
    if (keys_.size() >= kKeys) break;
    keys_.push_back(key);
  }
}

void SlotHeat::Inherit(const SlotHeat& old, const KeyRange& range,
                       double share) {
  std::vector<std::string> reads = old.read_keys_.Keys();
  std::vector<std::string> writes = old.write_keys_.Keys();
  const double read_share = ShareInside(range, share, &reads);
  const double write_share = ShareInside(range, share, &writes);
  rates_.reads += read_share * old.rates_.reads;
  rates_.scans += read_share * old.rates_.scans;
  rates_.writes += write_share * old.rates_.writes;
  known_ = std::max(known_, old.known_);
  arriving_bytes_.Join(old.arriving_bytes_, write_share);
  read_keys_.Adopt(reads);
  write_keys_.Adopt(writes);
}

void SlotHeat::AddArrival(uint64_t table_bytes) {
  arriving_bytes_.Add(static_cast<double>(table_bytes));
}

void SlotHeat::Roll(uint64_t now_micros, double half_life_seconds) {
  if (!rolling_) {
    rolling_ = true;
    last_roll_micros_ = now_micros;
    rolled_reads_ = reads();
    rolled_writes_ = writes();
    rolled_scans_ = scans();
    return;
  }
  if (now_micros <= last_roll_micros_) return;
  const double seconds =
      static_cast<double>(now_micros - last_roll_micros_) / 1e6;
  last_roll_micros_ = now_micros;
  read_keys_.Roll();
  write_keys_.Roll();
  const double share = half_life_seconds > 0
                           ? -std::expm1(-M_LN2 * seconds / half_life_seconds)
                           : 1;
  if (known_ == 0) known_ = -std::expm1(-M_LN2 * kIdleBefore);
  known_ += share * (1 - known_);
  const double weight = share / known_;
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
