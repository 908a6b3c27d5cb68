#include "engine/iterators/merging_iterator.h"

#include <cassert>
#include <cstdint>
#include <limits>
#include <utility>

namespace nori {
namespace {

class EmptyIterator final : public EntryIterator {
 public:
  bool Valid() const override { return false; }
  absl::Status status() const override { return absl::OkStatus(); }
  void SeekToFirst() override {}
  void SeekToLast() override {}
  void Seek(std::string_view, uint64_t) override {}
  void SeekBefore(std::string_view) override {}
  void Next() override { assert(false); }
  void Prev() override { assert(false); }
  std::string_view user_key() const override { return {}; }
  uint64_t trailer() const override { return 0; }
  std::string_view value() const override { return {}; }
};

// A tree of losers (Knuth, The Art of Computer Programming, volume 3, 5.4.1):
// after the winner moves, one comparison per level finds the next one. What
// comparisons need of each child is cached beside its pointer, so that they
// make no virtual calls and mostly compare two integers.
//
// Invariant between calls, if no child failed: going forward, every child
// stands at its first entry at or after the current one, or at its end; going
// backward, at its last entry at or before it.
class MergingIterator final : public EntryIterator {
 public:
  explicit MergingIterator(std::vector<std::unique_ptr<EntryIterator>> children)
      : children_(children.size()), losers_(children.size(), 0) {
    assert(children.size() >= 2);
    for (size_t i = 0; i < children.size(); ++i) {
      children_[i].iter = std::move(children[i]);
    }
  }

  bool Valid() const override { return valid_; }
  absl::Status status() const override { return status_; }

  void SeekToFirst() override {
    SeekAll<false>([](EntryIterator* it) { it->SeekToFirst(); });
  }
  void SeekToLast() override {
    SeekAll<true>([](EntryIterator* it) { it->SeekToLast(); });
  }
  void Seek(std::string_view user_key, uint64_t trailer) override {
    SeekAll<false>([&](EntryIterator* it) { it->Seek(user_key, trailer); });
  }
  void SeekBefore(std::string_view user_key) override {
    SeekAll<true>([&](EntryIterator* it) { it->SeekBefore(user_key); });
  }

  void Next() override {
    assert(Valid());
    Child& current = children_[winner_];
    if (reverse_) [[unlikely]] {
      reverse_ = false;
      MoveOthersAfterCurrent();
      current.iter->Next();
      Load<false>(&current);
      Build<false>();
      return;
    }
    current.iter->Next();
    Load<false>(&current);
    Replay<false>();
  }

  void Prev() override {
    assert(Valid());
    Child& current = children_[winner_];
    if (!reverse_) [[unlikely]] {
      reverse_ = true;
      MoveOthersBeforeCurrent();
      current.iter->Prev();
      Load<true>(&current);
      Build<true>();
      return;
    }
    current.iter->Prev();
    Load<true>(&current);
    Replay<true>();
  }

  std::string_view user_key() const override { return children_[winner_].key; }
  uint64_t trailer() const override { return children_[winner_].trailer; }
  std::string_view value() const override {
    return children_[winner_].iter->value();
  }

  bool SkipHiddenForward(std::string_view end,
                         SequenceNumber sequence) override {
    assert(Valid());
    if (reverse_) return false;
    bool moved = false;
    for (Child& child : children_) {
      if (!child.valid || !child.iter->SkipHiddenForward(end, sequence)) {
        continue;
      }
      Load<false>(&child);
      moved = true;
    }
    if (moved) Build<false>();
    return moved;
  }

  bool SkipHiddenBackward(std::string_view begin,
                          SequenceNumber sequence) override {
    assert(Valid());
    if (!reverse_) return false;
    bool moved = false;
    for (Child& child : children_) {
      if (!child.valid || !child.iter->SkipHiddenBackward(begin, sequence)) {
        continue;
      }
      Load<true>(&child);
      moved = true;
    }
    if (moved) Build<true>();
    return moved;
  }

 private:
  struct Child {
    // KeyPrefix(key); of a child at its end the value that sorts last in the
    // direction of travel, so that it mostly loses by the integer alone.
    uint64_t prefix = 0;
    uint64_t trailer = 0;
    std::string_view key;
    bool valid = false;
    std::unique_ptr<EntryIterator> iter;
  };

  // Reads the child's position after it moved.
  template <bool kReverse>
  void Load(Child* child) {
    child->valid = child->iter->Valid();
    if (child->valid) [[likely]] {
      child->key = child->iter->user_key();
      child->trailer = child->iter->trailer();
      child->prefix = KeyPrefix(child->key);
      return;
    }
    child->prefix = kReverse ? 0 : std::numeric_limits<uint64_t>::max();
    if (status_.ok()) status_ = child->iter->status();
  }

  // Three-way comparison of user keys whose prefixes are equal.
  static int CompareTails(std::string_view a, std::string_view b) {
    if (a.size() >= 8 && b.size() >= 8) {
      a.remove_prefix(8);
      b.remove_prefix(8);
    }
    return a.compare(b);
  }

  // Whether child `a` comes before child `b` in the direction of travel.
  template <bool kReverse>
  bool Beats(size_t a, size_t b) const {
    const Child& x = children_[a];
    const Child& y = children_[b];
    if (x.prefix != y.prefix) {
      return kReverse ? x.prefix > y.prefix : x.prefix < y.prefix;
    }
    if (!x.valid || !y.valid) return x.valid;
    const int c = CompareTails(x.key, y.key);
    if (c != 0) return kReverse ? c > 0 : c < 0;
    // The kind does not order entries of different layers, their age does.
    const SequenceNumber x_sequence = TrailerSequence(x.trailer);
    const SequenceNumber y_sequence = TrailerSequence(y.trailer);
    if (x_sequence != y_sequence) {
      return kReverse ? x_sequence < y_sequence : x_sequence > y_sequence;
    }
    return kReverse ? a > b : a < b;
  }

  // Plays every match of the tree. Node i > 0 holds the loser of its match;
  // the leaf of child c is node n + c.
  template <bool kReverse>
  void Build() {
    const size_t n = children_.size();
    winners_.resize(2 * n);
    for (size_t i = 0; i < n; ++i) {
      winners_[n + i] = static_cast<uint32_t>(i);
    }
    for (size_t i = n - 1; i > 0; --i) {
      const uint32_t a = winners_[2 * i];
      const uint32_t b = winners_[2 * i + 1];
      const bool b_wins = Beats<kReverse>(b, a);
      winners_[i] = b_wins ? b : a;
      losers_[i] = b_wins ? a : b;
    }
    SetWinner(winners_[1]);
  }

  // Plays the matches on the winner's way to the root, after it moved.
  template <bool kReverse>
  void Replay() {
    uint32_t w = winner_;
    for (size_t i = (children_.size() + w) / 2; i > 0; i /= 2) {
      if (Beats<kReverse>(losers_[i], w)) std::swap(losers_[i], w);
    }
    SetWinner(w);
  }

  void SetWinner(uint32_t w) {
    winner_ = w;
    valid_ = children_[w].valid && status_.ok();
  }

  template <bool kReverse, typename SeekFunction>
  void SeekAll(SeekFunction seek) {
    status_ = absl::OkStatus();
    reverse_ = kReverse;
    for (Child& child : children_) {
      seek(child.iter.get());
      Load<kReverse>(&child);
    }
    Build<kReverse>();
  }

  // Sign of (entry of child i) - (current entry) in merge order.
  int CompareToCurrent(size_t i) const {
    const EntryIterator& it = *children_[i].iter;
    const Child& current = children_[winner_];
    const int c = it.user_key().compare(current.key);
    if (c != 0) return c;
    const SequenceNumber a = TrailerSequence(it.trailer());
    const SequenceNumber b = TrailerSequence(current.trailer);
    if (a != b) return a > b ? -1 : 1;
    return i < winner_ ? -1 : 1;
  }

  // Changes of direction. One step is all that a child needs, unless it is at
  // its end, or entries were inserted (memtables grow under their readers).
  void MoveOthersAfterCurrent() {
    const Child& current = children_[winner_];
    const uint64_t target = SeekTrailer(TrailerSequence(current.trailer));
    for (size_t i = 0; i < children_.size(); ++i) {
      if (i == winner_) continue;
      Child& child = children_[i];
      EntryIterator* it = child.iter.get();
      if (child.valid) it->Next();
      if (!child.valid || (it->Valid() && CompareToCurrent(i) < 0)) {
        it->Seek(current.key, target);
        while (it->Valid() && CompareToCurrent(i) < 0) it->Next();
      }
      Load<false>(&child);
    }
  }

  void MoveOthersBeforeCurrent() {
    const Child& current = children_[winner_];
    const uint64_t target = SeekTrailer(TrailerSequence(current.trailer));
    for (size_t i = 0; i < children_.size(); ++i) {
      if (i == winner_) continue;
      Child& child = children_[i];
      EntryIterator* it = child.iter.get();
      if (child.valid) it->Prev();
      if (!child.valid || (it->Valid() && CompareToCurrent(i) > 0)) {
        it->Seek(current.key, target);
        if (!it->Valid() && it->status().ok()) it->SeekToLast();
        while (it->Valid() && CompareToCurrent(i) > 0) it->Prev();
      }
      Load<true>(&child);
    }
  }

  std::vector<Child> children_;
  std::vector<uint32_t> losers_;   // by node; node 0 is not used
  std::vector<uint32_t> winners_;  // scratch of Build
  uint32_t winner_ = 0;
  bool valid_ = false;
  bool reverse_ = false;
  absl::Status status_;
};

}  // namespace

std::unique_ptr<EntryIterator> NewMergingIterator(
    std::vector<std::unique_ptr<EntryIterator>> children) {
  if (children.empty()) return std::make_unique<EmptyIterator>();
  if (children.size() == 1) return std::move(children[0]);
  return std::make_unique<MergingIterator>(std::move(children));
}

}  // namespace nori
