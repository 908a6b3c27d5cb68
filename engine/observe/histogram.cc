#include "engine/observe/histogram.h"

#include <algorithm>
#include <cmath>

namespace nori {

// BucketOf gives bucket = shift * kSub + (value >> shift) where the second
// term lies in [kSub, 2 * kSub), except below kSub, where shift is 0.
uint64_t Histogram::LowerBound(size_t bucket) {
  if (bucket < kSub) return bucket;
  const uint64_t shift = bucket / kSub - 1;
  return (bucket - shift * kSub) << shift;
}

uint64_t Histogram::Width(size_t bucket) {
  return bucket < kSub ? 1 : uint64_t{1} << (bucket / kSub - 1);
}

void Histogram::MergeFrom(const Histogram& other) {
  for (size_t i = 0; i < kBuckets; ++i) {
    const uint64_t n = other.buckets_[i].load(std::memory_order_relaxed);
    if (n > 0) buckets_[i].fetch_add(n, std::memory_order_relaxed);
  }
  sum_.fetch_add(other.Sum(), std::memory_order_relaxed);
  RaiseMax(other.Max());
}

uint64_t Histogram::Count() const {
  uint64_t count = 0;
  for (const auto& bucket : buckets_) {
    count += bucket.load(std::memory_order_relaxed);
  }
  return count;
}

double Histogram::Mean() const {
  const uint64_t count = Count();
  return count == 0 ? 0
                    : static_cast<double>(Sum()) / static_cast<double>(count);
}

double Histogram::Percentile(double percent) const {
  // A private copy, so that count and walk agree while others add.
  std::array<uint64_t, kBuckets> copy;
  uint64_t count = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    copy[i] = buckets_[i].load(std::memory_order_relaxed);
    count += copy[i];
  }
  if (count == 0) return 0;
  const double wanted = std::ceil(std::clamp(percent, 0.0, 100.0) / 100 *
                                  static_cast<double>(count));
  const uint64_t rank =
      std::clamp<uint64_t>(static_cast<uint64_t>(wanted), 1, count);
  uint64_t seen = 0;
  size_t bucket = 0;
  for (; bucket < kBuckets; ++bucket) {
    seen += copy[bucket];
    if (seen >= rank) break;
  }
  const double middle = static_cast<double>(LowerBound(bucket)) +
                        static_cast<double>(Width(bucket) - 1) / 2;
  return std::min(middle, static_cast<double>(Max()));
}

}  // namespace nori
