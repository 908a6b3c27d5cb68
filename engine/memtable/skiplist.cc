#include "engine/memtable/skiplist.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <new>

namespace nori {
namespace {

constexpr uint64_t kEndPrefix = ~uint64_t{0};
// Searches at a time: about as many misses as a core has outstanding.
constexpr size_t kPrefetchGroup = 16;
// A list of this height has some 16 thousand nodes, a few MB.
constexpr int kPrefetchMinHeight = 14;

}  // namespace

struct SkipList::Position {
  Position(const SkipList& list, std::string_view user_key_in,
           uint64_t trailer_in)
      : prefix(list.Prefix(user_key_in)),
        user_key(user_key_in),
        trailer(trailer_in) {}

  // Whether `node` lies strictly before us.
  bool IsAfter(const Node* node) const {
    return CompareInternal(node->user_key(), node->trailer(), user_key,
                           trailer) < 0;
  }

  const uint64_t prefix;
  const std::string_view user_key;
  const uint64_t trailer;
};

SkipList::Node::Node(std::string_view user_key, uint64_t trailer,
                     std::string_view value)
    : trailer_(trailer),
      value_size_(static_cast<uint32_t>(value.size())),
      key_size_(static_cast<uint32_t>(user_key.size())) {
  char* bytes = reinterpret_cast<char*>(this + 1);
  if (!user_key.empty()) {
    std::memcpy(bytes, user_key.data(), user_key.size());
  }
  if (!value.empty()) {
    std::memcpy(bytes + user_key.size(), value.data(), value.size());
  }
}

SkipList::SkipList(Arena* arena)
    : arena_(arena), head_(NewNode({}, 0, {}, kMaxHeight)) {}

void SkipList::SetSharedPrefix(std::string_view shared) {
  assert(First() == nullptr);
  shared_.store(shared.empty() ? nullptr : NewNode(shared, 0, {}, 0),
                std::memory_order_release);
}

std::string_view SkipList::shared_prefix() const {
  const Node* const node = shared_.load(std::memory_order_acquire);
  return node == nullptr ? std::string_view() : node->user_key();
}

// Ascends with the key: equal for all keys before those that begin with the
// shared prefix, and for all keys behind them.
uint64_t SkipList::Prefix(std::string_view user_key) const {
  const std::string_view shared = shared_prefix();
  if (shared.empty()) return KeyPrefix(user_key);
  if (user_key.empty()) return 0;
  const size_t n = std::min(shared.size(), user_key.size());
  const int order = std::memcmp(user_key.data(), shared.data(), n);
  if (order > 0) return kEndPrefix;
  if (order < 0 || user_key.size() < shared.size()) return 0;
  return KeyPrefix(user_key.substr(shared.size()));
}

SkipList::Node* SkipList::NewNode(std::string_view user_key, uint64_t trailer,
                                  std::string_view value, int height) {
  const size_t links = sizeof(Node::Link) * static_cast<size_t>(height);
  char* memory =
      arena_->Allocate(links + sizeof(Node) + user_key.size() + value.size());
  for (int i = 0; i < height; ++i) {
    auto* link =
        new (memory + sizeof(Node::Link) * static_cast<size_t>(i)) Node::Link;
    link->next.store(nullptr, std::memory_order_relaxed);
    link->prefix.store(kEndPrefix, std::memory_order_relaxed);
  }
  return new (memory + links) Node(user_key, trailer, value);
}

// Heights need to be independent of the keys, not secret: SplitMix64 (Steele,
// Lea, Flood, 2014) over a counter, so that every run is the same.
int SkipList::RandomHeight() {
  random_state_ += 0x9e3779b97f4a7c15;
  uint64_t z = random_state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  z ^= z >> 31;
  int height = 1;
  while (height < kMaxHeight && z % kBranching == 0) {
    z /= kBranching;
    ++height;
  }
  return height;
}

inline bool SkipList::NextIsBefore(const Node* node, int level,
                                   const Position& target) {
  const Node::Link& link = node->link(level);
  const uint64_t prefix = link.prefix.load(std::memory_order_acquire);
  if (prefix != target.prefix) return prefix < target.prefix;
  const Node* next = link.next.load(std::memory_order_acquire);
  return next != nullptr && target.IsAfter(next);
}

inline const SkipList::Node* SkipList::Advance(const Node* from, int level,
                                               const Position& target) {
  while (NextIsBefore(from, level, target)) {
    from = from->link(level).next.load(std::memory_order_acquire);
  }
  return from;
}

const SkipList::Node* SkipList::FindBefore(const Position& target) const {
  const Node* node = head_;
  for (int level = height_.load(std::memory_order_relaxed) - 1; level >= 0;
       --level) {
    node = Advance(node, level, target);
  }
  return node;
}

// The lowest level on which the target lies between the hint's node and the
// next one, or -1 if the hint is of no use.
int SkipList::Climb(const Position& target, const Hint& hint) const {
  const Node* const start = hint.before_[0];
  if (start == nullptr) return -1;
  if (start != head_ && !target.IsAfter(start)) return -1;
  const int height = height_.load(std::memory_order_relaxed);
  int level = 0;
  while (
      level + 1 < height &&
      NextIsBefore(hint.before_[static_cast<size_t>(level)], level, target)) {
    ++level;
  }
  return level;
}

void SkipList::FindSplice(const Position& target, Hint* hint) const {
  int level = Climb(target, *hint);
  const Node* node = head_;
  if (level >= 0) {
    node = hint->before_[static_cast<size_t>(level)];
  } else {
    level = height_.load(std::memory_order_relaxed) - 1;
    hint->before_.fill(head_);
  }
  for (; level >= 0; --level) {
    node = Advance(node, level, target);
    hint->before_[static_cast<size_t>(level)] = node;
  }
}

void SkipList::PrefetchTogether(
    absl::Span<const std::string_view> user_keys) const {
  struct Search {
    const Node* node;
    uint64_t prefix;
    int level;
  };
  std::array<Search, kPrefetchGroup> searches;
  assert(user_keys.size() <= searches.size());
  size_t running = user_keys.size();
  const int top = height_.load(std::memory_order_relaxed) - 1;
  for (size_t i = 0; i < running; ++i) {
    searches[i] = {head_, Prefix(user_keys[i]), top};
  }
  while (running > 0) {
    for (size_t i = 0; i < running;) {
      Search& s = searches[i];
      while (s.level >= 0 && s.node->link(s.level).prefix.load(
                                 std::memory_order_acquire) >= s.prefix) {
        --s.level;
      }
      if (s.level < 0) {
        s = searches[--running];
        continue;
      }
      s.node = s.node->link(s.level).next.load(std::memory_order_acquire);
      __builtin_prefetch(&s.node->link(s.level));
      __builtin_prefetch(&s.node->link(0));
      ++i;
    }
  }
}

void SkipList::Prefetch(absl::Span<const std::string_view> user_keys) const {
  if (user_keys.size() < 2 ||
      height_.load(std::memory_order_relaxed) < kPrefetchMinHeight) {
    return;
  }
  const Node* after = FindBefore(Position(*this, user_keys.front(), 0))->Next();
  if (after == nullptr || after->user_key() > user_keys.back()) return;
  for (size_t i = 0; i < user_keys.size(); i += kPrefetchGroup) {
    PrefetchTogether(user_keys.subspan(i, kPrefetchGroup));
  }
}

const SkipList::Node* SkipList::Insert(std::string_view user_key,
                                       uint64_t trailer, std::string_view value,
                                       Hint* hint) {
  assert(user_key.size() <= kMaxKeyBytes && value.size() <= kMaxValueBytes);
  const Position target(*this, user_key, trailer);
  Hint local;
  if (hint == nullptr) hint = &local;
  FindSplice(target, hint);
  assert(hint->before_[0]->Next() == nullptr ||
         CompareInternal(hint->before_[0]->Next()->user_key(),
                         hint->before_[0]->Next()->trailer(), user_key,
                         trailer) != 0);

  const int height = RandomHeight();
  Node* const node = NewNode(user_key, trailer, value, height);
  // A reader that sees the new height before the links finds the end there and
  // goes down: no ordering is needed.
  if (height > height_.load(std::memory_order_relaxed)) {
    height_.store(height, std::memory_order_relaxed);
  }
  for (int level = 0; level < height; ++level) {
    // Above the level that the finger search climbed to, nodes inserted with
    // other hints may have come between.
    const Node*& before = hint->before_[static_cast<size_t>(level)];
    before = Advance(before, level, target);
    Node::Link& from = const_cast<Node*>(before)->link(level);
    Node::Link& to = node->link(level);
    to.next.store(from.next.load(std::memory_order_relaxed),
                  std::memory_order_relaxed);
    to.prefix.store(from.prefix.load(std::memory_order_relaxed),
                    std::memory_order_relaxed);
    from.next.store(node, std::memory_order_release);
    from.prefix.store(target.prefix, std::memory_order_release);
    before = node;
  }
  return node;
}

const SkipList::Node* SkipList::SeekGE(std::string_view user_key,
                                       uint64_t trailer, Hint* hint) const {
  const Position target(*this, user_key, trailer);
  const Node* before;
  if (hint == nullptr) {
    before = FindBefore(target);
  } else {
    FindSplice(target, hint);
    before = hint->before_[0];
  }
  // The search may have stopped on a prefix that was about to change; a node
  // inserted since then may lie before the target.
  const Node* node = before->Next();
  while (node != nullptr && target.IsAfter(node)) node = node->Next();
  return node;
}

const SkipList::Node* SkipList::SeekLT(std::string_view user_key,
                                       uint64_t trailer) const {
  const Node* node = FindBefore(Position(*this, user_key, trailer));
  return node == head_ ? nullptr : node;
}

const SkipList::Node* SkipList::First() const { return head_->Next(); }

const SkipList::Node* SkipList::Last() const {
  const Node* node = head_;
  for (int level = height_.load(std::memory_order_relaxed) - 1; level >= 0;
       --level) {
    while (const Node* next =
               node->link(level).next.load(std::memory_order_acquire)) {
      node = next;
    }
  }
  return node == head_ ? nullptr : node;
}

// Levels are samples of the list by chance: every node of a level is on the
// next one with a chance of 1 / kBranching.
SkipList::Sample SkipList::SampleRange(std::string_view begin,
                                       std::string_view end,
                                       size_t wanted) const {
  const Position target(*this, begin, ~uint64_t{0});
  const Node* before = head_;
  Sample sample;
  for (int level = height_.load(std::memory_order_relaxed) - 1; level >= 0;
       --level) {
    before = Advance(before, level, target);
    sample.nodes.clear();
    const Node* node = before->link(level).next.load(std::memory_order_acquire);
    while (node != nullptr && (end.empty() || node->user_key() < end)) {
      if (node->user_key() >= begin) sample.nodes.push_back(node);
      node = node->link(level).next.load(std::memory_order_acquire);
    }
    if (sample.nodes.size() >= wanted || level == 0) {
      static_assert(kBranching == 2);
      sample.entries = uint64_t{sample.nodes.size()} << level;
      break;
    }
  }
  return sample;
}

}  // namespace nori
