// The memtable: an arena skiplist of point entries plus a list of range
// tombstones.
//
// One writer at a time (the caller serialises), any number of readers at the
// same time without locks. Memory is only freed when the memtable is destroyed,
// so every view it hands out lives as long as the memtable.

#ifndef NORI_ENGINE_MEMTABLE_MEMTABLE_H_
#define NORI_ENGINE_MEMTABLE_MEMTABLE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "engine/format/entry_iterator.h"
#include "engine/format/internal_key.h"
#include "engine/format/range_tombstone.h"
#include "engine/memtable/arena.h"
#include "engine/memtable/key_index.h"
#include "engine/memtable/skiplist.h"

namespace nori {

class Memtable {
 public:
  // `index_bytes`: size of an index for Get, see KeyIndex; 0: none. `pool`:
  // where large blocks come from and go to.
  explicit Memtable(size_t index_bytes = 0, std::shared_ptr<BlockPool> pool =
                                                std::make_shared<BlockPool>(0));
  ~Memtable();
  Memtable(const Memtable&) = delete;
  Memtable& operator=(const Memtable&) = delete;

  // Remembers where the last insertion went; a run of insertions in ascending
  // key order that shares one hint costs a short walk each instead of a search
  // from the top. Belongs to one memtable; reset by constructing anew.
  using Hint = SkipList::Hint;

  // Inserts a point entry. REQUIRES: writer's turn; no entry with the same
  // (user_key, sequence) is there; kind is kPut or kDelete. Copies both views.
  void Add(SequenceNumber sequence, EntryKind kind, std::string_view user_key,
           std::string_view value, Hint* hint = nullptr);

  // Prepares the insertion of these keys, which must ascend: see
  // SkipList::Prefetch. REQUIRES: writer's turn.
  void Prefetch(absl::Span<const std::string_view> user_keys) const;

  // See SkipList::SetSharedPrefix. REQUIRES: writer's turn; nothing was added.
  void SetSharedPrefix(std::string_view shared) {
    list_.SetSharedPrefix(shared);
  }
  // What SetSharedPrefix set. Thread-safe.
  std::string_view shared_prefix() const { return list_.shared_prefix(); }
  // What the keys of all point entries begin with. Thread-safe against the
  // writer, whose next entry may begin otherwise.
  std::string_view CommonPrefix() const;

  // Inserts a range tombstone for [begin, end), which is without effect if
  // begin >= end. Copies both views. REQUIRES: writer's turn.
  void AddRangeDelete(SequenceNumber sequence, std::string_view begin,
                      std::string_view end);

  // Newest entry of user_key with sequence <= snapshot. Does not look at range
  // tombstones. The value lives as long as the memtable. Thread-safe against
  // the writer.
  PointLookup Get(std::string_view user_key, SequenceNumber snapshot) const;

  // The tombstones so far, immutable once returned; never null. Thread-safe.
  std::shared_ptr<const RangeTombstoneSet> range_tombstones() const;
  // False means that range_tombstones() is empty, at the price of one load.
  bool has_range_tombstones() const {
    return has_range_tombstones_.load(std::memory_order_acquire);
  }

  // Point entries, all versions, including those added while it is in use. The
  // memtable must outlive the iterator. Thread-safe.
  std::unique_ptr<EntryIterator> NewIterator() const;

  // Keys of point entries in [begin, end), empty end: no end; ascending, all
  // versions. See SkipList::SampleRange. Thread-safe.
  struct Sample {
    std::vector<std::string_view> keys;
    uint64_t entries = 0;
  };
  Sample SampleRange(std::string_view begin, std::string_view end,
                     size_t wanted) const;

  // Bytes taken by entries, range tombstones and the index. Thread-safe.
  size_t MemoryUsage() const;
  // Point entries and range tombstones. Thread-safe.
  uint64_t entry_count() const {
    return entry_count_.load(std::memory_order_relaxed);
  }
  bool empty() const { return entry_count() == 0; }

 private:
  void CountEntry();

  Arena arena_;
  SkipList list_;
  KeyIndex index_;
  std::atomic<uint64_t> entry_count_{0};

  // A reader that asks cuts the tombstones into a set, not the writer that
  // adds them: a thousand range deletes in a row then cost one set.
  mutable absl::Mutex tombstones_mutex_;
  std::vector<RangeTombstone> tombstones_ ABSL_GUARDED_BY(tombstones_mutex_);
  // Null if tombstones_ has changed since.
  mutable std::shared_ptr<const RangeTombstoneSet> tombstone_set_
      ABSL_GUARDED_BY(tombstones_mutex_);
  std::atomic<bool> has_range_tombstones_{false};
  std::atomic<size_t> tombstone_bytes_{0};
};

}  // namespace nori

#endif  // NORI_ENGINE_MEMTABLE_MEMTABLE_H_
