// A skip list (Pugh, 1990) of internal keys and their values, in an arena.
//
// One writer at a time, any number of concurrent readers without locks: nodes
// are never moved or removed while the list lives, and a node is complete
// before a release store links it.
//
// A link holds, beside the pointer to the next node, 8 key bytes of that node
// as an integer: the first ones, or those that follow what all keys share. A
// search therefore decides most steps from the node it already stands on and
// touches only the nodes that it passes, not those where it turns down: in a
// list larger than the caches these misses are the cost of a search. Key and
// value lie behind the node's links in one piece.

#ifndef NORI_ENGINE_MEMTABLE_SKIPLIST_H_
#define NORI_ENGINE_MEMTABLE_SKIPLIST_H_

#include <array>
#include <atomic>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "engine/format/internal_key.h"
#include "engine/memtable/arena.h"

namespace nori {

class SkipList {
 public:
  // Levels of the tallest node. With one node in kBranching reaching the next
  // level this is enough for more entries than a memtable ever holds.
  static constexpr int kMaxHeight = 20;
  static constexpr uint64_t kBranching = 2;

  class Node;

  // Where the last search with this hint ended: per level the last node before
  // the key. The next search, if its key is not smaller, climbs from there
  // only as high as the distance demands (finger search), which costs
  // O(log distance) instead of O(log size). Belongs to one list, may be used
  // after other insertions, and is not thread-safe.
  class Hint {
   public:
    Hint() = default;

   private:
    friend class SkipList;
    // before_[0] == nullptr: not used yet. The others are then unset.
    std::array<const Node*, kMaxHeight> before_{};
  };

  // The list allocates from `arena`, which must outlive it.
  explicit SkipList(Arena* arena);
  SkipList(const SkipList&) = delete;
  SkipList& operator=(const SkipList&) = delete;

  // Most keys will begin with `shared`: searches compare the 8 bytes after it
  // as an integer, and whole keys only where those are equal. Other keys are
  // in order, too, and slower. REQUIRES: writer's turn; the list is empty.
  void SetSharedPrefix(std::string_view shared);
  // Thread-safe.
  std::string_view shared_prefix() const;

  // Inserts a copy of both views and returns the node. REQUIRES: writer's turn;
  // (user_key, trailer) is not in the list; sizes within kMaxKeyBytes and
  // kMaxValueBytes. `hint` may be null.
  const Node* Insert(std::string_view user_key, uint64_t trailer,
                     std::string_view value, Hint* hint);

  // Brings into the processor's caches what insertions of these keys will walk
  // through. A search waits for memory once per node it passes, and cannot know
  // the next node earlier; several searches in lock-step wait for theirs at the
  // same time (group prefetching: Chen, Ailamaki, Gibbons, Mowry, ICDE 2004).
  // REQUIRES: keys ascend. Pays for some dozens of keys at a time. Does nothing
  // where nothing is to be gained: in a list that fits the caches anyway, or if
  // no node lies between the first key and the last.
  void Prefetch(absl::Span<const std::string_view> user_keys) const;

  // The functions below are thread-safe against the writer. A null result
  // means that there is no such node.

  // First node at or after (user_key, trailer) in internal-key order. With a
  // hint, searches with ascending keys are cheap.
  const Node* SeekGE(std::string_view user_key, uint64_t trailer,
                     Hint* hint = nullptr) const;
  // Last node strictly before (user_key, trailer).
  const Node* SeekLT(std::string_view user_key, uint64_t trailer) const;
  const Node* First() const;
  const Node* Last() const;

  struct Sample {
    std::vector<const Node*> nodes;  // ascending, at random distances
    uint64_t entries = 0;            // estimate of all nodes in the range
  };
  // At least `wanted` nodes with begin <= key < end (empty end: no end) and
  // their estimated number, exact where there are fewer than `wanted`. Visits
  // some 4 * wanted nodes.
  Sample SampleRange(std::string_view begin, std::string_view end,
                     size_t wanted) const;

 private:
  struct Position;  // a key that is searched for

  void PrefetchTogether(absl::Span<const std::string_view> user_keys) const;
  const Node* FindBefore(const Position& target) const;
  void FindSplice(const Position& target, Hint* hint) const;
  int Climb(const Position& target, const Hint& hint) const;
  static const Node* Advance(const Node* from, int level,
                             const Position& target);
  static bool NextIsBefore(const Node* node, int level, const Position& target);
  Node* NewNode(std::string_view user_key, uint64_t trailer,
                std::string_view value, int height);
  int RandomHeight();

  uint64_t Prefix(std::string_view user_key) const;

  Arena* const arena_;
  Node* const head_;
  // A node without links whose key is the shared prefix; null: an empty one. A
  // reader that does not see it yet may miss only entries that come after it.
  std::atomic<const Node*> shared_{nullptr};
  std::atomic<int> height_{1};
  uint64_t random_state_ = 0;  // writer only
};

// In memory: link[height-1] ... link[0], this object, key bytes, value bytes.
// Level 0, header and key are adjacent, since most nodes have no more levels.
class SkipList::Node {
 public:
  std::string_view user_key() const { return {Bytes(), key_size_}; }
  uint64_t trailer() const { return trailer_; }
  std::string_view value() const { return {Bytes() + key_size_, value_size_}; }
  // The following node, or null at the end.
  const Node* Next() const {
    return link(0).next.load(std::memory_order_acquire);
  }
  // Fetches the following node, for whoever will come to it but has something
  // else to do first.
  void PrefetchNext() const {
    // An integer: at the end there is no node to point around.
    const auto next = reinterpret_cast<uintptr_t>(
        link(0).next.load(std::memory_order_relaxed));
    for (const uintptr_t line : {-sizeof(Link), size_t{64}, size_t{128}}) {
      __builtin_prefetch(reinterpret_cast<const void*>(next + line));
    }
  }

 private:
  friend class SkipList;

  // The writer stores `next` before `prefix` and readers load them the other
  // way round. As a link only ever turns to smaller nodes, a reader that sees
  // an old prefix with a new pointer still passes only nodes before its
  // target, and at worst overlooks a node that is being inserted right now.
  struct Link {
    std::atomic<Node*> next;
    std::atomic<uint64_t> prefix;  // Prefix of *next; all ones at the end
  };

  Node(std::string_view user_key, uint64_t trailer, std::string_view value);

  const char* Bytes() const { return reinterpret_cast<const char*>(this + 1); }
  Link& link(int level) { return reinterpret_cast<Link*>(this)[-1 - level]; }
  const Link& link(int level) const {
    return reinterpret_cast<const Link*>(this)[-1 - level];
  }

  const uint64_t trailer_;
  const uint32_t value_size_;
  const uint32_t key_size_;
};

}  // namespace nori

#endif  // NORI_ENGINE_MEMTABLE_SKIPLIST_H_
