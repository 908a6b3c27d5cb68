// A distribution of latencies or sizes in fixed memory.

#ifndef NORI_ENGINE_OBSERVE_HISTOGRAM_H_
#define NORI_ENGINE_OBSERVE_HISTOGRAM_H_

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace nori {

// Log-linear buckets, as in HdrHistogram (G. Tene): each power of two is cut
// into 16 equal parts, so that a bucket is never wider than 1/16 of its lower
// bound and values below 32 are exact. Covers all of uint64_t in 8 KiB.
//
// Thread-safe. Add is lock-free: relaxed additions and a compare-exchange only
// when the maximum grows. Readers that run beside writers see some recent
// state, not a consistent cut.
class Histogram {
 public:
  Histogram() = default;
  Histogram(const Histogram&) = delete;
  Histogram& operator=(const Histogram&) = delete;

  void Add(uint64_t value) {
    buckets_[BucketOf(value)].fetch_add(1, std::memory_order_relaxed);
    sum_.fetch_add(value, std::memory_order_relaxed);
    RaiseMax(value);
  }

  // Adds everything that `other` holds.
  void MergeFrom(const Histogram& other);

  uint64_t Count() const;  // values added
  uint64_t Sum() const { return sum_.load(std::memory_order_relaxed); }
  uint64_t Max() const { return max_.load(std::memory_order_relaxed); }
  double Mean() const;  // 0 if empty

  // The value that `percent` (0..100, clamped) of all added values do not
  // exceed: the middle of its bucket, so at most 1/32 away from the true one,
  // and never above Max(). 0 if empty.
  double Percentile(double percent) const;

 private:
  static constexpr int kSubBits = 4;
  static constexpr uint64_t kSub = uint64_t{1} << kSubBits;
  static constexpr size_t kBuckets = (64 - kSubBits + 1) * kSub;

  static size_t BucketOf(uint64_t value) {
    if (value < kSub) return static_cast<size_t>(value);
    const int shift = std::bit_width(value) - 1 - kSubBits;
    return static_cast<size_t>(shift) * kSub +
           static_cast<size_t>(value >> shift);
  }
  static uint64_t LowerBound(size_t bucket);
  static uint64_t Width(size_t bucket);
  void RaiseMax(uint64_t value) {
    uint64_t seen = max_.load(std::memory_order_relaxed);
    while (value > seen && !max_.compare_exchange_weak(
                               seen, value, std::memory_order_relaxed)) {
    }
  }

  std::array<std::atomic<uint64_t>, kBuckets> buckets_{};
  std::atomic<uint64_t> sum_{0};
  std::atomic<uint64_t> max_{0};
};

}  // namespace nori

#endif  // NORI_ENGINE_OBSERVE_HISTOGRAM_H_
