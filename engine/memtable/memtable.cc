#include "engine/memtable/memtable.h"

#include <algorithm>
#include <cassert>
#include <string>

#include "engine/format/checksum.h"

namespace nori {
namespace {

// Steps from a key's newest entry to older ones before a search is cheaper.
constexpr int kVersionsToTry = 8;

class MemtableIterator final : public EntryIterator {
 public:
  explicit MemtableIterator(const SkipList* list) : list_(list) {}

  bool Valid() const override { return node_ != nullptr; }
  absl::Status status() const override { return absl::OkStatus(); }

  void SeekToFirst() override {
    node_ = list_->First();
    PrefetchNext();
  }
  void SeekToLast() override { node_ = list_->Last(); }
  void Seek(std::string_view user_key, uint64_t trailer) override {
    node_ = list_->SeekGE(user_key, trailer, &hint_);
    PrefetchNext();
  }
  void SeekBefore(std::string_view user_key) override {
    // The highest trailer comes before every entry of the key.
    node_ = list_->SeekLT(user_key, ~uint64_t{0});
  }

  void Next() override {
    assert(Valid());
    node_ = node_->Next();
    PrefetchNext();
  }
  void Prev() override {
    assert(Valid());
    node_ = list_->SeekLT(node_->user_key(), node_->trailer());
  }

  std::string_view user_key() const override { return node_->user_key(); }
  uint64_t trailer() const override { return node_->trailer(); }
  std::string_view value() const override { return node_->value(); }

 private:
  // Nodes lie in the order in which they came: each step is a miss, which the
  // reader's work on this entry can hide.
  void PrefetchNext() const {
    if (node_ != nullptr) node_->PrefetchNext();
  }

  const SkipList* const list_;
  const SkipList::Node* node_ = nullptr;
  SkipList::Hint hint_;
};

}  // namespace

Memtable::Memtable(size_t index_bytes, std::shared_ptr<BlockPool> pool)
    : arena_(std::move(pool)), list_(&arena_), index_(index_bytes) {}
Memtable::~Memtable() = default;

void Memtable::CountEntry() {
  entry_count_.store(entry_count_.load(std::memory_order_relaxed) + 1,
                     std::memory_order_relaxed);
}

void Memtable::Add(SequenceNumber sequence, EntryKind kind,
                   std::string_view user_key, std::string_view value,
                   Hint* hint) {
  assert(kind == EntryKind::kPut || kind == EntryKind::kDelete);
  assert(sequence <= kMaxSequence);
  const SkipList::Node* const node =
      list_.Insert(user_key, PackTrailer(sequence, kind), value, hint);
  if (index_.enabled()) index_.Add(HashKey(user_key), node);
  CountEntry();
}

void Memtable::AddRangeDelete(SequenceNumber sequence, std::string_view begin,
                              std::string_view end) {
  assert(sequence <= kMaxSequence);
  {
    absl::MutexLock lock(&tombstones_mutex_);
    tombstones_.push_back({std::string(begin), std::string(end), sequence});
    tombstone_set_ = nullptr;
  }
  tombstone_bytes_.fetch_add(sizeof(RangeTombstone) + begin.size() + end.size(),
                             std::memory_order_relaxed);
  CountEntry();
  has_range_tombstones_.store(true, std::memory_order_release);
}

void Memtable::Prefetch(absl::Span<const std::string_view> user_keys) const {
  if (index_.enabled()) {
    for (std::string_view key : user_keys) index_.Prefetch(HashKey(key));
  }
  list_.Prefetch(user_keys);
}

std::string_view Memtable::CommonPrefix() const {
  const SkipList::Node* const first = list_.First();
  if (first == nullptr) return {};
  const std::string_view key = first->user_key();
  return key.substr(0, nori::CommonPrefix(key, list_.Last()->user_key()));
}

PointLookup Memtable::Get(std::string_view user_key,
                          SequenceNumber snapshot) const {
  PointLookup result;
  // What a snapshot sees was counted before the snapshot could be taken.
  if (empty()) return result;
  const uint64_t highest = SeekTrailer(snapshot);
  const SkipList::Node* node = nullptr;
  if (index_.enabled()) {
    node = index_.Find(HashKey(user_key), user_key);
    if (node == nullptr && index_.complete()) return result;
    for (int i = 0; i < kVersionsToTry && node != nullptr; ++i) {
      if (node->trailer() <= highest) break;
      node = node->Next();
      if (node == nullptr || node->user_key() != user_key) return result;
    }
  }
  if (node == nullptr || node->trailer() > highest) {
    node = list_.SeekGE(user_key, highest);
  }
  if (node != nullptr && node->user_key() == user_key) {
    result.found = true;
    result.trailer = node->trailer();
    result.value = node->value();
  }
  return result;
}

std::shared_ptr<const RangeTombstoneSet> Memtable::range_tombstones() const {
  absl::MutexLock lock(&tombstones_mutex_);
  if (tombstone_set_ == nullptr) {
    tombstone_set_ = std::make_shared<const RangeTombstoneSet>(tombstones_);
  }
  return tombstone_set_;
}

std::unique_ptr<EntryIterator> Memtable::NewIterator() const {
  return std::make_unique<MemtableIterator>(&list_);
}

Memtable::Sample Memtable::SampleRange(std::string_view begin,
                                       std::string_view end,
                                       size_t wanted) const {
  const SkipList::Sample nodes = list_.SampleRange(begin, end, wanted);
  Sample sample;
  sample.entries = nodes.entries;
  sample.keys.reserve(nodes.nodes.size());
  for (const SkipList::Node* node : nodes.nodes) {
    sample.keys.push_back(node->user_key());
  }
  return sample;
}

size_t Memtable::MemoryUsage() const {
  return arena_.MemoryUsage() + index_.bytes() +
         tombstone_bytes_.load(std::memory_order_relaxed);
}

}  // namespace nori
