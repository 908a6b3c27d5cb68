#include "engine/iterators/tombstone_window.h"

#include <algorithm>
#include <utility>

namespace nori {
namespace {

bool Matters(const TombstoneLayer& layer, SequenceNumber snapshot,
             const KeyRange& bounds) {
  if (layer.tombstones == nullptr || layer.tombstones->empty()) return false;
  const std::string_view begin =
      std::max<std::string_view>(layer.range.begin, bounds.begin);
  const auto& fragments = layer.tombstones->fragments();
  for (size_t i = layer.tombstones->FragmentAtOrAfter(begin);
       i < fragments.size(); ++i) {
    const std::string& at = fragments[i].begin;
    if ((!layer.range.end.empty() && at >= layer.range.end) ||
        (!bounds.end.empty() && at >= bounds.end)) {
      return false;
    }
    if (fragments[i].sequences.back() <= snapshot) return true;
  }
  return false;
}

}  // namespace

TombstoneWindow::TombstoneWindow(std::vector<TombstoneLayer> layers,
                                 SequenceNumber snapshot,
                                 const KeyRange& bounds)
    : layers_(std::move(layers)), snapshot_(snapshot) {
  std::erase_if(layers_, [&](const TombstoneLayer& layer) {
    return !Matters(layer, snapshot, bounds);
  });
}

void TombstoneWindow::RaiseBegin(std::string_view key) {
  if (begin_.IsAbove(key)) return;
  begin_ = Bound(key);
}

void TombstoneWindow::LowerEnd(std::string_view key) {
  if (has_end_ && !end_.IsAbove(key)) return;
  end_ = Bound(key);
  has_end_ = true;
}

void TombstoneWindow::FindInLayer(const TombstoneLayer& layer,
                                  std::string_view key) {
  if (key < layer.range.begin) return LowerEnd(layer.range.begin);
  RaiseBegin(layer.range.begin);
  if (!layer.range.end.empty()) {
    if (key >= layer.range.end) return RaiseBegin(layer.range.end);
    LowerEnd(layer.range.end);
  }
  const auto& fragments = layer.tombstones->fragments();
  const size_t i = layer.tombstones->FragmentAtOrAfter(key);
  if (i > 0) RaiseBegin(fragments[i - 1].end);
  if (i == fragments.size()) return;
  const RangeTombstoneSet::Fragment& fragment = fragments[i];
  if (key < fragment.begin) return LowerEnd(fragment.begin);
  RaiseBegin(fragment.begin);
  LowerEnd(fragment.end);
  for (const SequenceNumber s : fragment.sequences) {
    if (s > snapshot_) continue;
    cover_ = std::max(cover_, s);
    break;
  }
}

void TombstoneWindow::Find(std::string_view key) {
  cover_ = 0;
  begin_ = Bound();
  has_end_ = false;
  for (const TombstoneLayer& layer : layers_) FindInLayer(layer, key);
}

}  // namespace nori
