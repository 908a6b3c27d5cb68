// Readers that find and use dead ranges while others commit, flush and read,
// against the history of all commits.
//
// A small engine in one thread. Whatever the real one does at a different time
// than something else is a step here, and steps of others come between any two
// moves of a reader: which ones, the seed decides.

#include <algorithm>
#include <atomic>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/iterators/dead_ranges.h"
#include "engine/iterators/merging_iterator.h"
#include "engine/iterators/visible_iterator.h"
#include "tests/engine/core/engine_fixture.h"
#include "tests/engine/iterators/iterator_test_util.h"

namespace nori {
namespace {

using testing::Delete;
using testing::Entry;
using testing::Put;
using testing::Rng;
using testing::VectorIterator;

constexpr uint64_t kKeys = 60;
constexpr uint64_t kMaxDepth =
    2;  // readers in the middle of each other's moves

struct Less {
  bool operator()(const Entry& a, const Entry& b) const {
    return testing::InternalLess(a, b);
  }
};
using EntrySet = std::set<Entry, Less>;

// Walks a set that grows while it does, as a memtable.
class SetIterator final : public EntryIterator {
 public:
  explicit SetIterator(const EntrySet* set) : set_(set), at_(set->end()) {}

  bool Valid() const override { return at_ != set_->end(); }
  absl::Status status() const override { return absl::OkStatus(); }
  void SeekToFirst() override { at_ = set_->begin(); }
  void SeekToLast() override { StepBack(set_->end()); }
  void Seek(std::string_view user_key, uint64_t trailer) override {
    at_ = set_->lower_bound({std::string(user_key), trailer, ""});
  }
  void SeekBefore(std::string_view user_key) override {
    StepBack(set_->lower_bound(
        {std::string(user_key), std::numeric_limits<uint64_t>::max(), ""}));
  }
  void Next() override { ++at_; }
  void Prev() override { StepBack(at_); }
  std::string_view user_key() const override { return at_->key; }
  uint64_t trailer() const override { return at_->trailer; }
  std::string_view value() const override { return at_->value; }

 private:
  void StepBack(EntrySet::const_iterator from) {
    at_ = from == set_->begin() ? set_->end() : std::prev(from);
  }

  const EntrySet* const set_;
  EntrySet::const_iterator at_;
};

// Calls `step` before each move of `inner`.
class SteppingIterator final : public EntryIterator {
 public:
  SteppingIterator(std::unique_ptr<EntryIterator> inner,
                   std::function<void()> step)
      : inner_(std::move(inner)), step_(std::move(step)) {}

  bool Valid() const override { return inner_->Valid(); }
  absl::Status status() const override { return inner_->status(); }
  void SeekToFirst() override {
    step_();
    inner_->SeekToFirst();
  }
  void SeekToLast() override {
    step_();
    inner_->SeekToLast();
  }
  void Seek(std::string_view user_key, uint64_t trailer) override {
    step_();
    inner_->Seek(user_key, trailer);
  }
  void SeekBefore(std::string_view user_key) override {
    step_();
    inner_->SeekBefore(user_key);
  }
  void Next() override {
    step_();
    inner_->Next();
  }
  void Prev() override {
    step_();
    inner_->Prev();
  }
  std::string_view user_key() const override { return inner_->user_key(); }
  uint64_t trailer() const override { return inner_->trailer(); }
  std::string_view value() const override { return inner_->value(); }

 private:
  const std::unique_ptr<EntryIterator> inner_;
  const std::function<void()> step_;
};

class SmallEngine {
 public:
  explicit SmallEngine(uint64_t seed)
      : rng_(seed), ranges_(1 + static_cast<int>(rng_.Uniform(3)), &found_) {
    ranges_.Start(&visible_);
    ranges_.SetActive(layers_.front().get());
  }

  // What may happen between two moves of a reader.
  void Step() {
    if (phase_ != Phase::kSpilled && rng_.OneIn(12)) Flush();
    switch (phase_) {
      case Phase::kIdle:
        return StepIdle();
      case Phase::kInserting:
        Insert(changes_[inserted_], layers_.front().get());
        if (++inserted_ == changes_.size()) phase_ = Phase::kInserted;
        return;
      case Phase::kInserted:
        phase_ = ranges_.MustTell() ? Phase::kMustTell : Phase::kTold;
        return;
      case Phase::kMustTell: {
        DeadRanges::Puts puts(&ranges_);
        for (const Entry& change : changes_) {
          if (change.is_put()) puts.Add(change.key);
        }
        phase_ = Phase::kTold;
        return;
      }
      case Phase::kRestarted:
        PushSpilled();
        phase_ = Phase::kSpilled;
        return;
      case Phase::kTold:
      case Phase::kSpilled:
        visible_ = last_;
        phase_ = Phase::kIdle;
        return;
    }
  }

  // One reader from its beginning to its end.
  void Read() {
    ++depth_;
    const bool held = MayAcquire() && rng_.OneIn(3);
    SequenceNumber snapshot = 0;
    if (held) {
      snapshot = held_.empty() || rng_.OneIn(2) ? visible_.load() : Held();
      held_.insert(snapshot);
      MaybeStep();
    }
    SkipContext skips;
    skips.dead = &ranges_;
    skips.complete_to = held ? snapshot : visible_.load();
    MaybeStep();
    const Layers layers = layers_;
    const Table table = table_;
    MaybeStep();
    if (!held) snapshot = visible_;
    MaybeStep();
    std::vector<std::unique_ptr<EntryIterator>> children;
    for (const auto& layer : layers) {
      // As the engine does, which then has nothing newer to walk.
      if (layer == layers.front() && layer->entries.empty()) continue;
      if (layer == layers.front()) skips.newest_memtable = layer.get();
      children.push_back(std::make_unique<SetIterator>(&layer->entries));
    }
    children.push_back(std::make_unique<VectorIterator>(*table));
    const auto it = NewVisibleIterator(
        std::make_unique<SteppingIterator>(
            NewMergingIterator(std::move(children)), [this] { MaybeStep(); }),
        {}, snapshot, RandomRange(), nullptr, skips);
    // Later commits went to a memtable that the reader does not know.
    const SequenceNumber seen = std::min(snapshot, layers.front()->last);
    Walk(it.get(), LiveAt(seen));
    if (held) held_.erase(held_.find(snapshot));
    --depth_;
  }

  uint64_t found() const { return found_.Value(); }

 private:
  enum class Phase {
    kIdle,
    kInserting,
    kInserted,
    kMustTell,
    kTold,
    kRestarted,
    kSpilled
  };
  struct Layer {
    EntrySet entries;
    SequenceNumber last = kMaxSequence;  // that went to it or below
  };
  using Layers = std::vector<std::shared_ptr<Layer>>;  // newest first
  using Table = std::shared_ptr<const std::vector<Entry>>;

  // One of them often: a snapshot may lie many versions of it back.
  std::string RandomKey() {
    if (rng_.OneIn(100)) focus_ = rng_.Uniform(kKeys);
    const uint64_t key = rng_.OneIn(3) ? focus_ : rng_.Uniform(kKeys);
    return absl::StrCat("k", 100 + key);
  }
  KeyRange RandomRange() {
    KeyRange range;
    if (rng_.OneIn(3)) range.begin = RandomKey();
    if (rng_.OneIn(3)) range.end = RandomKey();
    bounds_ = range;
    return range;
  }
  bool MayAcquire() const { return phase_ != Phase::kSpilled; }
  SequenceNumber Held() {
    return *std::next(held_.begin(),
                      static_cast<int64_t>(rng_.Uniform(held_.size())));
  }
  // Mostly none or one, at times many.
  void MaybeStep() {
    uint64_t steps = rng_.OneIn(depth_ * 2) ? 1 : 0;
    if (rng_.OneIn(50)) steps = rng_.Uniform(150);
    for (; steps > 0; --steps) {
      Step();
      if (depth_ < kMaxDepth && rng_.OneIn(20)) {
        const KeyRange bounds = bounds_;
        Read();
        bounds_ = bounds;
      }
    }
  }

  void StepIdle() {
    const uint64_t what = rng_.Uniform(100);
    if (what < 60) {
      Begin();
      phase_ = Phase::kInserting;
    } else if (what < 64) {
      Rotate();
    } else if (what < 66) {
      Begin();
      next_ = NewLayer();
      ranges_.Restart(next_.get());
      phase_ = Phase::kRestarted;
    } else if (what < 72 && held_.size() < 4) {
      kept_.push_back(visible_);
      held_.insert(visible_);
    } else if (what < 80 && !kept_.empty()) {
      held_.erase(held_.find(kept_.back()));
      kept_.pop_back();
    }
  }

  // A commit of few changes; most delete.
  void Begin() {
    ++last_;
    std::map<std::string, bool> puts;
    for (uint64_t n = 1 + rng_.Uniform(3); n > 0; --n) {
      puts[RandomKey()] = rng_.OneIn(5);
    }
    changes_.clear();
    for (const auto& [key, put] : puts) {
      changes_.push_back(put ? Put(key, last_, "v") : Delete(key, last_));
      history_[key].emplace_back(last_, put);
    }
    inserted_ = 0;
  }
  static void Insert(const Entry& entry, Layer* layer) {
    layer->entries.insert(entry);
  }
  static std::shared_ptr<Layer> NewLayer() { return std::make_shared<Layer>(); }

  void Rotate() {
    if (layers_.front()->entries.empty()) return;
    layers_.front()->last = last_;
    const auto layer = NewLayer();
    ranges_.SetActive(layer.get());
    layers_.insert(layers_.begin(), layer);
  }
  // The changes come as a layer of their own, below an empty memtable.
  void PushSpilled() {
    layers_.front()->last = last_ - 1;
    const auto spilled = NewLayer();
    for (const Entry& change : changes_) Insert(change, spilled.get());
    spilled->last = last_;
    layers_.insert(layers_.begin(), {next_, spilled});
  }

  // The oldest layer goes to the table, which keeps of each key what a held
  // snapshot or the newest one sees, and no delete that is oldest.
  void Flush() {
    if (layers_.size() == 1) return;
    std::vector<Entry> all = *table_;
    const EntrySet& oldest = layers_.back()->entries;
    all.insert(all.end(), oldest.begin(), oldest.end());
    std::sort(all.begin(), all.end(), testing::InternalLess);
    std::vector<Entry> kept;
    for (size_t i = 0; i < all.size(); ++i) {
      const bool newest = i == 0 || all[i - 1].key != all[i].key;
      const SequenceNumber next =
          newest ? kMaxSequence : all[i - 1].sequence() - 1;
      const auto reader = held_.lower_bound(all[i].sequence());
      if (newest || (reader != held_.end() && *reader <= next)) {
        kept.push_back(all[i]);
      }
    }
    for (size_t i = kept.size(); i-- > 0;) {
      const bool last = i + 1 == kept.size() || kept[i + 1].key != kept[i].key;
      if (last && !kept[i].is_put()) {
        kept.erase(kept.begin() + static_cast<int64_t>(i));
      }
    }
    table_ = std::make_shared<const std::vector<Entry>>(std::move(kept));
    layers_.pop_back();
  }

  std::set<std::string> LiveAt(SequenceNumber sequence) const {
    std::set<std::string> live;
    for (const auto& [key, changes] : history_) {
      if (!bounds_.Contains(key)) continue;
      bool put = false;
      for (const auto& [number, is_put] : changes) {
        if (number <= sequence) put = is_put;
      }
      if (put) live.insert(key);
    }
    return live;
  }

  void Walk(Iterator* it, const std::set<std::string>& live) {
    const std::string start = RandomKey();
    bool forward = rng_.OneIn(2);
    auto at = live.lower_bound(start);
    if (forward) {
      it->Seek(start);
    } else {
      it->SeekForPrev(start);
      at = live.upper_bound(start);
      at = at == live.begin() ? live.end() : std::prev(at);
    }
    while (true) {
      ASSERT_EQ(it->Valid(), at != live.end()) << start << " " << forward;
      if (!it->Valid()) return;
      ASSERT_EQ(it->key(), *at) << start << " " << forward;
      if (rng_.OneIn(8)) forward = !forward;
      if (forward) {
        it->Next();
        ++at;
      } else {
        it->Prev();
        at = at == live.begin() ? live.end() : std::prev(at);
      }
    }
  }

  Rng rng_;
  Counter found_;
  std::atomic<SequenceNumber> visible_{0};
  DeadRanges ranges_;
  SequenceNumber last_ = 0;
  Layers layers_{NewLayer()};
  std::shared_ptr<Layer> next_;
  Table table_ = std::make_shared<const std::vector<Entry>>();
  std::multiset<SequenceNumber> held_;
  std::vector<SequenceNumber> kept_;  // those of held_ that no reader holds
  Phase phase_ = Phase::kIdle;
  std::vector<Entry> changes_;  // of the commit at hand
  size_t inserted_ = 0;
  // Of each key, when it was put (true) and when deleted.
  std::map<std::string, std::vector<std::pair<SequenceNumber, bool>>> history_;
  uint64_t focus_ = 0;
  KeyRange bounds_;  // of the reader at hand
  uint64_t depth_ = 0;
};

TEST(DeadRangesHistoryTest, EveryReaderSeesItsCommits) {
  const uint64_t first = TestSeed(1);
  const uint64_t reads = EnvOr("NORI_TEST_OPS", 8000) / 20;
  uint64_t found = 0;
  for (uint64_t seed = first; seed < first + 40; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    SmallEngine engine(seed);
    for (uint64_t i = 0; i < reads; ++i) {
      for (int n = 0; n < 3; ++n) engine.Step();
      engine.Read();
      if (::testing::Test::HasFatalFailure()) return;
    }
    found += engine.found();
  }
  EXPECT_GT(found, reads);
}

}  // namespace
}  // namespace nori
