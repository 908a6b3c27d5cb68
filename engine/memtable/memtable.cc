#include "engine/memtable/memtable.h"

#include <cassert>
#include <string>

#include "engine/format/checksum.h"

namespace nori {
namespace {

class MemtableIterator final : public EntryIterator {
 public:
  explicit MemtableIterator(const SkipList* list) : list_(list) {}

  bool Valid() const override { return node_ != nullptr; }
  absl::Status status() const override { return absl::OkStatus(); }

  void SeekToFirst() override { node_ = list_->First(); }
  void SeekToLast() override { node_ = list_->Last(); }
  void Seek(std::string_view user_key, uint64_t trailer) override {
    node_ = list_->SeekGE(user_key, trailer, &hint_);
  }
  void SeekBefore(std::string_view user_key) override {
    // The highest trailer comes before every entry of the key.
    node_ = list_->SeekLT(user_key, ~uint64_t{0});
  }

  void Next() override {
    assert(Valid());
    node_ = node_->Next();
  }
  void Prev() override {
    assert(Valid());
    node_ = list_->SeekLT(node_->user_key(), node_->trailer());
  }

  std::string_view user_key() const override { return node_->user_key(); }
  uint64_t trailer() const override { return node_->trailer(); }
  std::string_view value() const override { return node_->value(); }

 private:
  const SkipList* const list_;
  const SkipList::Node* node_ = nullptr;
  SkipList::Hint hint_;
};

}  // namespace

Memtable::Memtable(size_t filter_bytes, std::shared_ptr<BlockPool> pool)
    : arena_(std::move(pool)), list_(&arena_), filter_(filter_bytes) {}
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
  if (filter_.enabled()) filter_.Add(HashKey(user_key));
  list_.Insert(user_key, PackTrailer(sequence, kind), value, hint);
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

PointLookup Memtable::Get(std::string_view user_key,
                          SequenceNumber snapshot) const {
  PointLookup result;
  // What a snapshot sees was counted before the snapshot could be taken.
  if (empty()) return result;
  if (filter_.enabled() && !filter_.MayContain(HashKey(user_key))) {
    return result;
  }
  const SkipList::Node* node = list_.SeekGE(user_key, SeekTrailer(snapshot));
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

size_t Memtable::MemoryUsage() const {
  return arena_.MemoryUsage() +
         tombstone_bytes_.load(std::memory_order_relaxed);
}

}  // namespace nori
