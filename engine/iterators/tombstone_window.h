// Which range tombstone hides a key, for keys asked in order.

#ifndef NORI_ENGINE_ITERATORS_TOMBSTONE_WINDOW_H_
#define NORI_ENGINE_ITERATORS_TOMBSTONE_WINDOW_H_

#include <string_view>
#include <vector>

#include "engine/iterators/bound.h"
#include "engine/iterators/visible_iterator.h"

namespace nori {

// Remembers the stretch of keys around the last one asked in which the answer
// is the same, over all layers. A walk then pays one comparison per key, and
// one binary search per layer where it crosses into another stretch. Not
// thread-safe.
class TombstoneWindow {
 public:
  // Layers that cannot matter inside `bounds` to a reader at `snapshot` are
  // left out.
  TombstoneWindow(std::vector<TombstoneLayer> layers, SequenceNumber snapshot,
                  const KeyRange& bounds);

  // True: no key inside the bounds is covered.
  bool empty() const { return layers_.empty(); }

  // The highest sequence number <= snapshot of a tombstone that covers `key`,
  // or 0. REQUIRES: since the last Reset or the last call of the other
  // function, `key` does not descend (ascend).
  SequenceNumber CoverForward(std::string_view key) {
    if (known_ != Known::kForward || (has_end_ && !end_.IsAbove(key))) {
      Find(key);
      known_ = Known::kForward;
    }
    return cover_;
  }
  SequenceNumber CoverBackward(std::string_view key) {
    if (known_ != Known::kBackward || begin_.IsAbove(key)) {
      Find(key);
      known_ = Known::kBackward;
    }
    return cover_;
  }
  // To be called before the order of keys breaks.
  void Reset() { known_ = Known::kNothing; }

  // The stretch that holds the last key asked: begin() <= key, and key < end()
  // if has_end(). The views live as long as the layers' sets.
  std::string_view begin() const { return begin_.key(); }
  std::string_view end() const { return end_.key(); }
  bool has_end() const { return has_end_; }

 private:
  enum class Known { kNothing, kForward, kBackward };

  void Find(std::string_view key);
  void RaiseBegin(std::string_view key);
  void LowerEnd(std::string_view key);
  void FindInLayer(const TombstoneLayer& layer, std::string_view key);

  std::vector<TombstoneLayer> layers_;
  const SequenceNumber snapshot_;
  Known known_ = Known::kNothing;
  SequenceNumber cover_ = 0;
  Bound begin_, end_;
  bool has_end_ = false;
};

}  // namespace nori

#endif  // NORI_ENGINE_ITERATORS_TOMBSTONE_WINDOW_H_
