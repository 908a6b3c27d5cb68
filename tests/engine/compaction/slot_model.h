// A slot that carries out compaction choices on sizes alone.

#ifndef NORI_TESTS_ENGINE_COMPACTION_SLOT_MODEL_H_
#define NORI_TESTS_ENGINE_COMPACTION_SLOT_MODEL_H_

#include <algorithm>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

#include "engine/compaction/policy.h"
#include "gtest/gtest.h"

namespace nori {

class SlotModel {
 public:
  // `live_bytes`: what is left when everything is merged to one run; no limit
  // for a slot that only sees new keys.
  explicit SlotModel(uint64_t id, int max_runs,
                     uint64_t live_bytes = std::numeric_limits<uint64_t>::max())
      : live_bytes_(live_bytes) {
    view_.id = id;
    view_.max_runs = max_runs;
  }

  SlotView& view() { return view_; }
  const SlotView& view() const { return view_; }
  uint64_t arrived() const { return arrived_; }
  uint64_t rewritten() const { return rewritten_; }
  int total() const {
    return static_cast<int>(view_.l0_bytes.size() + view_.run_bytes.size());
  }
  // Bytes written per byte that arrived, the flush included.
  double WriteAmplification() const {
    return 1 + static_cast<double>(rewritten_) / static_cast<double>(arrived_);
  }

  void Arrive(uint64_t bytes) {
    view_.l0_bytes.insert(view_.l0_bytes.begin(), bytes);
    arrived_ += bytes;
  }

  // Returns the bytes rewritten.
  uint64_t Apply(const CompactionChoice& choice) {
    auto& runs = view_.run_bytes;
    auto& l0 = view_.l0_bytes;
    EXPECT_EQ(choice.slot_id, view_.id);
    EXPECT_LE(choice.runs_to_merge, static_cast<int>(runs.size()));
    if (!choice.merge_l0 && choice.runs_to_merge == 0) {
      EXPECT_FALSE(l0.empty()) << "an adoption of nothing";
      runs.insert(runs.begin(), l0.begin(), l0.end());
      l0.clear();
      return 0;
    }
    EXPECT_EQ(choice.merge_l0, !l0.empty());
    const auto end = runs.begin() + choice.runs_to_merge;
    uint64_t bytes = std::accumulate(l0.begin(), l0.end(), uint64_t{0});
    bytes = std::accumulate(runs.begin(), end, bytes);
    const uint64_t written =
        end == runs.end() ? std::min(bytes, live_bytes_) : bytes;
    runs.erase(runs.begin(), end);
    runs.insert(runs.begin(), written);
    l0.clear();
    rewritten_ += written;
    return written;
  }

 private:
  SlotView view_;
  const uint64_t live_bytes_;
  uint64_t arrived_ = 0;
  uint64_t rewritten_ = 0;
};

}  // namespace nori

#endif  // NORI_TESTS_ENGINE_COMPACTION_SLOT_MODEL_H_
