// A mean that follows what it is of.

#ifndef NORI_ENGINE_SLOTS_RECENT_MEAN_H_
#define NORI_ENGINE_SLOTS_RECENT_MEAN_H_

#include <algorithm>
#include <atomic>

namespace nori {

// The mean of the values so far; from the ninth on older ones are forgotten bit
// by bit. One thread at a time may change it, any may read it.
class RecentMean {
 public:
  void Add(double value) {
    const int count =
        std::min(count_.load(std::memory_order_relaxed) + 1, kMost);
    count_.store(count, std::memory_order_relaxed);
    const double before = mean();
    mean_.store(before + (value - before) / count, std::memory_order_relaxed);
  }

  // Adds `share` of another one's mean, where what both are of is now one.
  void Join(const RecentMean& other, double share) {
    mean_.store(mean() + share * other.mean(), std::memory_order_relaxed);
    count_.store(std::max(count_.load(std::memory_order_relaxed),
                          other.count_.load(std::memory_order_relaxed)),
                 std::memory_order_relaxed);
  }

  // 0 before the first value.
  double mean() const { return mean_.load(std::memory_order_relaxed); }

 private:
  static constexpr int kMost = 8;  // values that count alike

  std::atomic<double> mean_{0};
  std::atomic<int> count_{0};  // up to kMost
};

}  // namespace nori

#endif  // NORI_ENGINE_SLOTS_RECENT_MEAN_H_
