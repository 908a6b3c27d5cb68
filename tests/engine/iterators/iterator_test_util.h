// Test doubles and models of the iterator tests.

#ifndef NORI_TESTS_ENGINE_ITERATORS_ITERATOR_TEST_UTIL_H_
#define NORI_TESTS_ENGINE_ITERATORS_ITERATOR_TEST_UTIL_H_

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/engine.h"
#include "engine/format/entry_iterator.h"
#include "gtest/gtest.h"

namespace nori::testing {

// Values that a generator gives are the same everywhere; seeds are printed by
// SCOPED_TRACE when something fails.
class Rng {
 public:
  explicit Rng(uint64_t seed) : engine_(seed) {}
  uint64_t Uniform(uint64_t n) { return engine_() % n; }
  bool OneIn(uint64_t n) { return Uniform(n) == 0; }

 private:
  std::mt19937_64 engine_;
};

struct Entry {
  std::string key;
  uint64_t trailer = 0;
  std::string value;

  SequenceNumber sequence() const { return TrailerSequence(trailer); }
  bool is_put() const { return TrailerKind(trailer) == EntryKind::kPut; }
  friend bool operator==(const Entry&, const Entry&) = default;
};

inline bool InternalLess(const Entry& a, const Entry& b) {
  return CompareInternal(a.key, a.trailer, b.key, b.trailer) < 0;
}

inline Entry Put(std::string key, SequenceNumber s, std::string value) {
  return {std::move(key), PackTrailer(s, EntryKind::kPut), std::move(value)};
}
inline Entry Delete(std::string key, SequenceNumber s) {
  return {std::move(key), PackTrailer(s, EntryKind::kDelete), ""};
}

// Short keys that share prefixes of less, exactly and more than 8 bytes, also
// with NUL bytes, so that integer prefixes decide some comparisons and others
// not.
inline std::string RandomKey(Rng* rng, int space = 60) {
  const auto n = rng->Uniform(static_cast<uint64_t>(space));
  switch (n % 4) {
    case 0:
      return std::string(n % 12, '\0');
    case 1:
      return absl::StrCat("k", n);
    case 2:
      return absl::StrCat("prefixed", n);
    default:
      return absl::StrCat("\xff\xfflonger prefix ", n);
  }
}

// What happened in a VectorIterator.
struct IteratorCounts {
  int moves = 0;
  int seeks = 0;
  int jumps = 0;
};

// Walks a sorted vector. Views die with every move, so that a sanitizer sees
// whoever keeps one. Reaching `fail_at` (an index) is an error.
class VectorIterator final : public EntryIterator {
 public:
  explicit VectorIterator(std::vector<Entry> entries,
                          std::optional<size_t> fail_at = {},
                          IteratorCounts* counts = nullptr,
                          bool can_jump = false)
      : entries_(std::move(entries)),
        fail_at_(fail_at),
        counts_(counts),
        can_jump_(can_jump) {
    std::sort(entries_.begin(), entries_.end(), InternalLess);
    for (const Entry& e : entries_) {
      largest_sequence_ = std::max(largest_sequence_, e.sequence());
    }
  }

  bool Valid() const override { return shown_ != nullptr; }
  absl::Status status() const override { return status_; }
  void SeekToFirst() override { SeekTo(0); }
  void SeekToLast() override {
    SeekTo(static_cast<int64_t>(entries_.size()) - 1);
  }
  void Seek(std::string_view user_key, uint64_t trailer) override {
    const Entry target{std::string(user_key), trailer, ""};
    SeekTo(std::lower_bound(entries_.begin(), entries_.end(), target,
                            InternalLess) -
           entries_.begin());
  }
  void SeekBefore(std::string_view user_key) override {
    SeekTo(
        std::partition_point(entries_.begin(), entries_.end(),
                             [&](const Entry& e) { return e.key < user_key; }) -
        entries_.begin() - 1);
  }
  void Next() override { Move(1); }
  void Prev() override { Move(-1); }
  std::string_view user_key() const override { return shown_->key; }
  uint64_t trailer() const override { return shown_->trailer; }
  std::string_view value() const override { return shown_->value; }

  bool SkipHiddenForward(std::string_view end, SequenceNumber seq) override {
    if (!can_jump_ || largest_sequence_ >= seq || shown_->key >= end) {
      return false;
    }
    if (counts_ != nullptr) ++counts_->jumps;
    while (Valid() && shown_->key < end) Show(at_ + 1);
    return true;
  }
  bool SkipHiddenBackward(std::string_view begin, SequenceNumber seq) override {
    if (!can_jump_ || largest_sequence_ >= seq || shown_->key < begin) {
      return false;
    }
    if (counts_ != nullptr) ++counts_->jumps;
    while (Valid() && shown_->key >= begin) Show(at_ - 1);
    return true;
  }

 private:
  void SeekTo(int64_t i) {
    if (counts_ != nullptr) ++counts_->seeks;
    status_ = absl::OkStatus();
    Show(i);
  }
  void Move(int64_t by) {
    ASSERT_TRUE(Valid());
    if (counts_ != nullptr) ++counts_->moves;
    Show(at_ + by);
  }
  void Show(int64_t i) {
    at_ = i;
    shown_.reset();
    if (i < 0 || i >= static_cast<int64_t>(entries_.size())) return;
    if (fail_at_.has_value() && *fail_at_ == static_cast<size_t>(i)) {
      status_ = absl::DataLossError("injected");
      return;
    }
    shown_ = std::make_unique<Entry>(entries_[static_cast<size_t>(i)]);
  }

  std::vector<Entry> entries_;
  const std::optional<size_t> fail_at_;
  IteratorCounts* const counts_;
  const bool can_jump_;
  SequenceNumber largest_sequence_ = 0;
  int64_t at_ = -1;
  std::unique_ptr<Entry> shown_;
  absl::Status status_;
};

using LiveMap = std::map<std::string, std::string>;

// Drives `it` with random calls and compares it with `model` after each.
inline void CompareWithModel(Iterator* it, const LiveMap& model, Rng* rng,
                             int steps) {
  auto at = model.end();
  for (int i = 0; i < steps; ++i) {
    const uint64_t op = rng->Uniform(12);
    const std::string key = RandomKey(rng);
    const bool valid = at != model.end();
    std::string what;
    if (op == 0) {
      what = "SeekToFirst";
      it->SeekToFirst();
      at = model.begin();
    } else if (op == 1) {
      what = "SeekToLast";
      it->SeekToLast();
      at = model.empty() ? model.end() : std::prev(model.end());
    } else if (op == 2) {
      what = "Seek " + key;
      it->Seek(key);
      at = model.lower_bound(key);
    } else if (op == 3) {
      what = "SeekForPrev " + key;
      it->SeekForPrev(key);
      at = model.upper_bound(key);
      at = at == model.begin() ? model.end() : std::prev(at);
    } else if (!valid) {
      continue;
    } else if (op < 8) {
      what = "Next";
      it->Next();
      ++at;
    } else {
      what = "Prev";
      it->Prev();
      at = at == model.begin() ? model.end() : std::prev(at);
    }
    ASSERT_TRUE(it->status().ok()) << it->status();
    ASSERT_EQ(it->Valid(), at != model.end()) << what << ", step " << i;
    if (!it->Valid()) continue;
    ASSERT_EQ(it->key(), at->first) << what << ", step " << i;
    ASSERT_EQ(it->value(), at->second) << what << ", step " << i;
  }
}

// Two whole walks.
inline void CompareWalks(Iterator* it, const LiveMap& model) {
  LiveMap forward;
  for (it->SeekToFirst(); it->Valid(); it->Next()) {
    forward.emplace(it->key(), it->value());
  }
  ASSERT_TRUE(it->status().ok()) << it->status();
  ASSERT_EQ(forward, model);
  LiveMap backward;
  for (it->SeekToLast(); it->Valid(); it->Prev()) {
    backward.emplace(it->key(), it->value());
  }
  ASSERT_TRUE(it->status().ok()) << it->status();
  ASSERT_EQ(backward, model);
}

}  // namespace nori::testing

#endif  // NORI_TESTS_ENGINE_ITERATORS_ITERATOR_TEST_UTIL_H_
