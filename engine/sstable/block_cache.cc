#include "engine/sstable/block_cache.h"

#include <algorithm>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/container/inlined_vector.h"
#include "absl/synchronization/mutex.h"
#include "boost/intrusive/list.hpp"

namespace nori {
namespace {

namespace bi = boost::intrusive;

using BlockRef = std::shared_ptr<const CachedBlock>;
// Blocks that left the cache; destroyed after the lock is released.
using Dropped = absl::InlinedVector<BlockRef, 4>;

struct Key {
  uint64_t file_number;
  uint64_t offset;
  uint64_t hash;  // of the other two

  Key(uint64_t file, uint64_t at) : file_number(file), offset(at) {
    uint64_t h = (file * 0x9e3779b97f4a7c15 + at) * 0xbf58476d1ce4e5b9;
    hash = h ^ h >> 32;
  }
  friend bool operator==(const Key& a, const Key& b) {
    return a.file_number == b.file_number && a.offset == b.offset;
  }
};

struct Node {
  using Hook = bi::list_member_hook<bi::link_mode<bi::normal_link>>;

  Node(const Key& k, BlockRef b)
      : key(k), block(std::move(b)), charge(block->MemoryUsage()) {}

  const Key key;
  const BlockRef block;
  const size_t charge;
  bool is_protected = false;
  bool referenced = false;  // hit since it was last put at the protected front
  Hook segment_hook;
  Hook file_hook;
};

template <Node::Hook Node::*hook>
using NodeList = bi::list<Node, bi::member_hook<Node, Node::Hook, hook>,
                          bi::constant_time_size<false>>;
using Segment = NodeList<&Node::segment_hook>;
using FileList = NodeList<&Node::file_hook>;

struct NodeHash {
  using is_transparent = void;
  size_t operator()(const Key& key) const { return key.hash; }
  size_t operator()(const Node* node) const { return node->key.hash; }
};
struct NodeEqual {
  using is_transparent = void;
  bool operator()(const Node* a, const Node* b) const { return a == b; }
  bool operator()(const Node* a, const Key& b) const { return a->key == b; }
  bool operator()(const Key& a, const Node* b) const { return a == b->key; }
};

// One independently locked part of the cache.
//
// New blocks enter the probation segment; a hit there moves the block to the
// protected segment, whose overflow goes back to probation. Victims are taken
// from the end of probation. Inside the protected segment a hit only sets a
// bit, and the block is moved to the front when its turn to leave comes (as in
// CLOCK; Corbato, 1968), so that a hit writes one byte and no list.
class alignas(64) Shard {
 public:
  Shard() = default;
  ~Shard() {
    for (Node* node : nodes_) delete node;
  }
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  void SetCapacity(size_t bytes) {
    capacity_ = bytes;
    protected_capacity_ = bytes - bytes / 5;
  }

  BlockRef Lookup(const Key& key) {
    absl::MutexLock lock(&mutex_);
    const auto it = nodes_.find(key);
    if (it == nodes_.end()) {
      ++misses_;
      return nullptr;
    }
    ++hits_;
    Node* node = *it;
    if (node->is_protected) {
      node->referenced = true;
    } else {
      Promote(node);
    }
    return node->block;
  }

  BlockRef Peek(const Key& key) {
    absl::MutexLock lock(&mutex_);
    const auto it = nodes_.find(key);
    return it == nodes_.end() ? nullptr : (*it)->block;
  }

  BlockRef Insert(const Key& key, BlockRef block) {
    auto node = std::make_unique<Node>(key, std::move(block));
    Dropped dropped;
    absl::MutexLock lock(&mutex_);
    const auto it = nodes_.find(key);
    if (it != nodes_.end()) return (*it)->block;
    BlockRef result = node->block;
    if (node->charge > capacity_) return result;
    while (usage_ + node->charge > capacity_) {
      Remove(Victim(), &dropped);
    }
    usage_ += node->charge;
    probation_.push_front(*node);
    files_[key.file_number].push_back(*node);
    nodes_.insert(node.release());
    return result;
  }

  void EraseFile(uint64_t file_number) {
    std::vector<BlockRef> dropped;
    absl::MutexLock lock(&mutex_);
    const auto it = files_.find(file_number);
    if (it == files_.end()) return;
    std::vector<Node*> doomed;
    for (Node& node : it->second) doomed.push_back(&node);
    for (Node* node : doomed) Remove(node, &dropped);
  }

  size_t usage() const {
    absl::MutexLock lock(&mutex_);
    return usage_;
  }
  uint64_t hits() const {
    absl::MutexLock lock(&mutex_);
    return hits_;
  }
  uint64_t misses() const {
    absl::MutexLock lock(&mutex_);
    return misses_;
  }

 private:
  void Promote(Node* node) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    probation_.erase(Segment::s_iterator_to(*node));
    protected_.push_front(*node);
    node->is_protected = true;
    node->referenced = false;
    protected_usage_ += node->charge;
    while (protected_usage_ > protected_capacity_) {
      Node& last = protected_.back();
      protected_.pop_back();
      if (last.referenced) {
        last.referenced = false;
        protected_.push_front(last);
        continue;
      }
      last.is_protected = false;
      protected_usage_ -= last.charge;
      probation_.push_front(last);
    }
  }

  Node* Victim() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return probation_.empty() ? &protected_.back() : &probation_.back();
  }

  template <typename Sink>
  void Remove(Node* node, Sink* dropped) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (node->is_protected) {
      protected_.erase(Segment::s_iterator_to(*node));
      protected_usage_ -= node->charge;
    } else {
      probation_.erase(Segment::s_iterator_to(*node));
    }
    usage_ -= node->charge;
    const auto file = files_.find(node->key.file_number);
    file->second.erase(FileList::s_iterator_to(*node));
    if (file->second.empty()) files_.erase(file);
    nodes_.erase(nodes_.find(node->key));
    dropped->push_back(node->block);
    delete node;
  }

  mutable absl::Mutex mutex_;
  size_t capacity_ = 0;            // constant after SetCapacity
  size_t protected_capacity_ = 0;  // constant after SetCapacity
  size_t usage_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t protected_usage_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t hits_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t misses_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_set<Node*, NodeHash, NodeEqual> nodes_
      ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<uint64_t, FileList> files_ ABSL_GUARDED_BY(mutex_);
  Segment probation_ ABSL_GUARDED_BY(mutex_);  // front: latest
  Segment protected_ ABSL_GUARDED_BY(mutex_);
};

class ShardedBlockCache final : public BlockCache {
 public:
  ShardedBlockCache(size_t capacity_bytes, int shard_bits)
      : capacity_(capacity_bytes),
        shard_bits_(shard_bits),
        shards_(size_t{1} << shard_bits) {
    for (Shard& shard : shards_) shard.SetCapacity(capacity_ >> shard_bits_);
  }

  BlockRef Lookup(uint64_t file_number, uint64_t offset) override {
    const Key key(file_number, offset);
    return ShardOf(key).Lookup(key);
  }
  BlockRef Peek(uint64_t file_number, uint64_t offset) override {
    const Key key(file_number, offset);
    return ShardOf(key).Peek(key);
  }
  BlockRef Insert(uint64_t file_number, uint64_t offset,
                  BlockRef block) override {
    const Key key(file_number, offset);
    return ShardOf(key).Insert(key, std::move(block));
  }
  void EraseFile(uint64_t file_number) override {
    for (Shard& shard : shards_) shard.EraseFile(file_number);
  }
  size_t capacity() const override { return capacity_; }
  size_t usage() const override { return Sum(&Shard::usage); }
  uint64_t hits() const override { return Sum(&Shard::hits); }
  uint64_t misses() const override { return Sum(&Shard::misses); }

 private:
  Shard& ShardOf(const Key& key) {
    // The low bits serve the hash table.
    return shards_[(key.hash >> 20) & ((uint64_t{1} << shard_bits_) - 1)];
  }
  template <typename T>
  T Sum(T (Shard::*get)() const) const {
    T sum = 0;
    for (const Shard& shard : shards_) sum += (shard.*get)();
    return sum;
  }

  const size_t capacity_;
  const int shard_bits_;
  std::vector<Shard> shards_;
};

}  // namespace

std::unique_ptr<BlockCache> BlockCache::Create(size_t capacity_bytes,
                                               int shard_bits) {
  shard_bits = std::clamp(shard_bits, 0, 16);
  while (shard_bits > 0 && capacity_bytes >> shard_bits < kMinShardBytes) {
    --shard_bits;
  }
  return std::make_unique<ShardedBlockCache>(capacity_bytes, shard_bits);
}

}  // namespace nori
