#include "engine/compaction/version_filter.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace nori {

VersionFilter::VersionFilter(std::vector<SequenceNumber> snapshots,
                             absl::Span<const RangeTombstone> tombstones,
                             bool bottommost)
    : snapshots_(std::move(snapshots)),
      bottommost_(bottommost),
      all_(tombstones),
      kept_(KeptOf(all_)) {
  assert(std::is_sorted(snapshots_.begin(), snapshots_.end()));
}

size_t VersionFilter::StripeOf(SequenceNumber sequence) const {
  return static_cast<size_t>(
      std::lower_bound(snapshots_.begin(), snapshots_.end(), sequence) -
      snapshots_.begin());
}

RangeTombstoneSet VersionFilter::KeptOf(const RangeTombstoneSet& all) const {
  std::vector<RangeTombstone> kept;
  for (const RangeTombstoneSet::Fragment& fragment : all.fragments()) {
    size_t newer_stripe = snapshots_.size() + 1;
    for (const SequenceNumber s : fragment.sequences) {
      const size_t stripe = StripeOf(s);
      if (stripe == newer_stripe) continue;  // a newer one does its work
      newer_stripe = stripe;
      // What it hides is in the inputs, and every reader agrees: it goes with
      // what it hides.
      if (bottommost_ && stripe == 0) continue;
      kept.push_back({fragment.begin, fragment.end, s});
    }
  }
  return RangeTombstoneSet(kept);
}

SequenceNumber VersionFilter::Cover(std::string_view user_key,
                                    SequenceNumber last) {
  const auto& fragments = all_.fragments();
  while (fragment_ < fragments.size() && fragments[fragment_].end <= user_key) {
    ++fragment_;
  }
  if (fragment_ == fragments.size() || user_key < fragments[fragment_].begin) {
    return 0;
  }
  const auto& sequences = fragments[fragment_].sequences;
  const auto it = std::partition_point(sequences.begin(), sequences.end(),
                                       [&](auto s) { return s > last; });
  return it == sequences.end() ? 0 : *it;
}

bool VersionFilter::Add(std::string_view user_key, uint64_t trailer) {
  const SequenceNumber sequence = TrailerSequence(trailer);
  const size_t stripe = snapshots_.empty() ? 0 : StripeOf(sequence);
  hiding_ = 0;
  if (clear_deferred_) {
    deferred_.clear();
    clear_deferred_ = false;
  }
  // A newer entry than the last one belongs to another key.
  is_new_key_ = !has_key_ || sequence > last_sequence_ || user_key != key_;
  bool needed = true;
  if (is_new_key_) {
    assert(!has_key_ || key_ < user_key);
    key_.assign(user_key);
    has_key_ = true;
    deferred_.clear();
  } else {
    needed = stripe != last_stripe_;
  }
  last_stripe_ = stripe;
  last_sequence_ = sequence;
  if (!all_.empty()) {
    const SequenceNumber cover = Cover(user_key, LastOf(stripe));
    if (cover > sequence) {
      needed = false;
      if (stripe == 0) hiding_ = cover;
    }
  }
  if (!needed) return false;
  if (bottommost_ && TrailerKind(trailer) == EntryKind::kDelete) {
    // Only an older version that is kept makes it necessary.
    deferred_.push_back(trailer);
    return false;
  }
  clear_deferred_ = true;
  return true;
}

bool VersionFilter::HidesUpTo(std::string_view* end,
                              SequenceNumber* sequence) const {
  if (hiding_ == 0) return false;
  *end = all_.fragments()[fragment_].end;
  *sequence = hiding_;
  return true;
}

}  // namespace nori
