#include "engine/format/range_tombstone.h"

#include <algorithm>

namespace nori {

RangeTombstoneSet::RangeTombstoneSet(
    absl::Span<const RangeTombstone> tombstones) {
  std::vector<std::string_view> cuts;
  cuts.reserve(tombstones.size() * 2);
  for (const RangeTombstone& t : tombstones) {
    if (t.begin >= t.end) continue;
    cuts.push_back(t.begin);
    cuts.push_back(t.end);
  }
  std::sort(cuts.begin(), cuts.end());
  cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());

  std::vector<const RangeTombstone*> by_begin;
  by_begin.reserve(tombstones.size());
  for (const RangeTombstone& t : tombstones) {
    if (t.begin < t.end) by_begin.push_back(&t);
  }
  std::sort(by_begin.begin(), by_begin.end(),
            [](const auto* a, const auto* b) { return a->begin < b->begin; });

  std::vector<const RangeTombstone*> open;
  size_t next = 0;
  for (size_t i = 0; i + 1 < cuts.size(); ++i) {
    std::erase_if(open, [&](const auto* t) { return t->end <= cuts[i]; });
    while (next < by_begin.size() && by_begin[next]->begin == cuts[i]) {
      open.push_back(by_begin[next++]);
    }
    if (open.empty()) continue;
    Fragment fragment{std::string(cuts[i]), std::string(cuts[i + 1]), {}};
    for (const auto* t : open) fragment.sequences.push_back(t->sequence);
    std::sort(fragment.sequences.rbegin(), fragment.sequences.rend());
    fragment.sequences.erase(
        std::unique(fragment.sequences.begin(), fragment.sequences.end()),
        fragment.sequences.end());
    if (!fragments_.empty() && fragments_.back().end == fragment.begin &&
        fragments_.back().sequences == fragment.sequences) {
      fragments_.back().end = fragment.end;
    } else {
      fragments_.push_back(std::move(fragment));
    }
  }
}

size_t RangeTombstoneSet::FragmentAtOrAfter(std::string_view user_key) const {
  return static_cast<size_t>(
      std::partition_point(
          fragments_.begin(), fragments_.end(),
          [&](const Fragment& f) { return f.end <= user_key; }) -
      fragments_.begin());
}

SequenceNumber RangeTombstoneSet::Covering(std::string_view user_key,
                                           SequenceNumber snapshot) const {
  const size_t i = FragmentAtOrAfter(user_key);
  if (i == fragments_.size() || user_key < fragments_[i].begin) return 0;
  for (SequenceNumber s : fragments_[i].sequences) {
    if (s <= snapshot) return s;
  }
  return 0;
}

void RangeTombstoneSet::AppendTo(std::vector<RangeTombstone>* tombstones,
                                 SequenceNumber highest) const {
  for (const Fragment& fragment : fragments_) {
    for (SequenceNumber sequence : fragment.sequences) {
      if (sequence > highest) continue;
      tombstones->push_back({fragment.begin, fragment.end, sequence});
    }
  }
}

}  // namespace nori
