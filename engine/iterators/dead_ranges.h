// Stretches of keys that scans have found to hold nothing live.
//
// A key that is deleted stays in the tables, as a tombstone, until a merge
// drops it, and every scan from before it steps over it again: a queue that is
// emptied from its front costs more with each element taken. Here the engine
// remembers which stretches are dead, so that no scan steps over the same keys
// twice. It is knowledge, not data: kept in memory only, forgotten when in
// doubt.

#ifndef NORI_ENGINE_ITERATORS_DEAD_RANGES_H_
#define NORI_ENGINE_ITERATORS_DEAD_RANGES_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "engine/format/internal_key.h"
#include "engine/observe/metrics.h"

namespace nori {

// What a range says. Let L(r) be the keys that are live after commit r. A range
// with the number q says of each of its keys that it is in no L(r) with r >= q,
// up to the newest commit there is; with each put that a later commit brings,
// the key is taken out before the commit becomes visible. That is about what
// was committed, and not about where it lies or what readers there are. So
// flushes, merges and dropped tables change nothing about it, nor do deletes
// and range deletes, and a reader that sees the commits up to r may jump over
// the range whenever r >= q. What is asked about r:
// - A reader at a held snapshot sees the commits up to the snapshot.
// - One without may miss the last commits up to its number, which went to a
//   memtable that was begun while the reader was; it sees at least those up to
//   the number that was visible before it took its view (complete_to).
// - A transaction's own writes lie above what a reader of the committed state
//   shows, and are none of its business.
//
// How a range is found out, while others write. The reader watches a stretch
// (StartWatch, at the instant T), and then seeks and walks it. Let q be the
// newest commit that is visible at T. Its number, and not the reader's
// snapshot: what was put and deleted between the two may be gone from the
// tables, and there may be readers that see it. The stretch ends before the
// first key of which one of these is so:
// (1) it is live to the reader,
// (2) the reader comes across a put of it that is newer than its snapshot, or
//     jumps over versions of it that are (what it jumps over because of a range
//     delete is older than that one),
// (3) a put of it is told to the watch.
// The reader's newest memtable has to be the active one at T, and it has to
// walk what goes to it while it reads; else it does not watch. So every commit
// that is visible or inserted at T is in the reader's memtables and tables, but
// for versions that a flush or a merge dropped. These merge what lay in older
// memtables, thus was visible at T, and keep the newest version of each key
// unless it is a delete with nothing below it. So of any key the newest version
// up to q is there, or the key is not in L(q). If it is a put, then either the
// reader sees it: (1), or a range delete that it sees, too, and the key is not
// in L(q); or the reader does not see it: (2). No key of the stretch is in
// L(q). A commit after q that puts one of them asks MustTell between inserting
// it and becoming visible: before T, and the reader comes across it, (2); or
// after T, and it is told, (3).
//
// A known range that the reader jumps over while it watches lacks what was told
// before the jump, and the watch hears what is told after it; so the stretch
// may include it.
//
// A spilled transaction becomes visible together with a memtable that is begun
// above it. Nobody tells of its puts, and therefore everything is forgotten
// before (Restart): who watches from then on has it among its tables.
//
// Thread-safe.
class DeadRanges {
 public:
  // `run_keys`: so many deleted keys in a row are worth remembering, at
  // least 1. `found` counts what Find finds; never owned.
  DeadRanges(int run_keys, Counter* found)
      : run_keys_(run_keys), found_(found) {}
  DeadRanges(const DeadRanges&) = delete;
  DeadRanges& operator=(const DeadRanges&) = delete;

  int run_keys() const { return run_keys_; }

  // --- Writers. One at a time. ---

  // `visible` is the number of the newest commit that readers see; it never
  // descends and must outlive this. To be called before any reader comes.
  void Start(const std::atomic<SequenceNumber>* visible)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Commits from now on go to `memtable`. To be called before the first does.
  void SetActive(const void* memtable) ABSL_LOCKS_EXCLUDED(mutex_);
  // The same, where besides entries came in that nobody tells of.
  void Restart(const void* memtable) ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether anybody wants to know of the keys that were put into the active
  // memtable by now.
  bool MustTell() {
    // Read, modify and write: whoever starts to watch after this sees the
    // entries that were inserted before it.
    return used_.fetch_add(0, std::memory_order_acq_rel) != 0;
  }
  // Tells of puts, which are in the memtable and not yet visible. Holds a lock
  // as long as it lives.
  class ABSL_SCOPED_LOCKABLE Puts {
   public:
    explicit Puts(DeadRanges* ranges)
        ABSL_EXCLUSIVE_LOCK_FUNCTION(ranges->mutex_);
    ~Puts() ABSL_UNLOCK_FUNCTION();
    Puts(const Puts&) = delete;
    Puts& operator=(const Puts&) = delete;
    void Add(std::string_view key);

   private:
    DeadRanges* const ranges_;
  };

  // --- Readers. ---

  // False: Find finds nothing. Costs one load.
  bool any() const { return used_.load(std::memory_order_relaxed) != 0; }
  // True if `key` is in a range that is dead to a reader that sees every commit
  // up to `complete_to`. Then *begin and *end are set, to how far such ranges
  // reach without a gap.
  bool Find(std::string_view key, SequenceNumber complete_to,
            std::string* begin, std::string* end) ABSL_LOCKS_EXCLUDED(mutex_);

  // Watches the keys from `from` up (or, backward, those below it), for a
  // reader to whom `memtable` is the newest. Returns a number for EndWatch, or
  // 0 if the reader would not see all that was written by now. The reader
  // positions itself after this call.
  uint64_t StartWatch(std::string_view from, bool forward, const void* memtable)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // The reader has come to `to`, which is above `from` (backward: below), and
  // for none of the keys between them, [from, to) or [to, from), (1) or (2) is
  // so. Remembers what (3) leaves of it.
  void EndWatch(uint64_t watch, std::string_view to)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // Ends it without a result.
  void DropWatch(uint64_t watch) ABSL_LOCKS_EXCLUDED(mutex_);

  // Ranges now.
  size_t size() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Range {
    std::string end;
    SequenceNumber sequence = 0;
    uint64_t pieces = 1;  // of which it was joined
    uint64_t used = 0;    // uses_ when it was found or made; no two are equal
  };
  struct Watch {
    std::string from;
    std::string limit;  // nothing was put between from and here
    bool limited = false;
    bool forward = true;
    SequenceNumber sequence = 0;  // q
  };
  using Ranges = std::map<std::string, Range, std::less<>>;  // by begin

  void PutLocked(std::string_view key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Joins the range with those that it overlaps, and with neighbours of no more
  // pieces than it has: the joined one takes the newest number, and a reader
  // that is just a little older shall not lose all of a long queue by the last
  // few keys. So a queue makes a few ranges, each older and longer than the
  // next.
  void InsertLocked(std::string begin, Range range)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EvictLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The range that holds `key`, or end().
  Ranges::iterator HolderLocked(std::string_view key)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CountLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    used_.fetch_add(ranges_.size() + watches_.size() - counted_,
                    std::memory_order_acq_rel);
    counted_ = ranges_.size() + watches_.size();
  }

  const int run_keys_;
  Counter* const found_;
  std::atomic<uint64_t> used_{0};  // ranges and watches
  mutable absl::Mutex mutex_;
  const std::atomic<SequenceNumber>* visible_ ABSL_GUARDED_BY(mutex_) = nullptr;
  uint64_t counted_ ABSL_GUARDED_BY(mutex_) = 0;  // what used_ is
  const void* active_ ABSL_GUARDED_BY(mutex_) = nullptr;
  uint64_t uses_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t next_watch_ ABSL_GUARDED_BY(mutex_) = 1;
  Ranges ranges_ ABSL_GUARDED_BY(mutex_);  // disjoint
  absl::flat_hash_map<uint64_t, Watch> watches_ ABSL_GUARDED_BY(mutex_);
};

// What one scan knows of the deleted keys it is stepping over. Not thread-safe.
class DeadStretch {
 public:
  // `ranges` may be null: then nothing is remembered. The reader sees every
  // commit up to `complete_to`; `memtable` is the newest that it sees.
  DeadStretch(DeadRanges* ranges, SequenceNumber complete_to,
              const void* memtable)
      : ranges_(ranges), complete_to_(complete_to), memtable_(memtable) {}
  // Owns a watch.
  DeadStretch(const DeadStretch&) = delete;
  DeadStretch& operator=(const DeadStretch&) = delete;
  ~DeadStretch() { Drop(); }

  // `key` is deleted and was passed over. True: the scan has to go on from
  // target(), which it seeks anew; forward that is the first key >= target(),
  // backward the last one below it.
  bool Pass(std::string_view key, bool forward) {
    if (ranges_ == nullptr) return false;
    return ++passed_ >= ranges_->run_keys() && Think(key, forward);
  }
  std::string_view target() const { return target_; }
  // There may be a put of `key` that is newer than what the reader sees. Called
  // in the order of the scan.
  void SawNewer(std::string_view key) {
    if (watch_ != 0 && !limited_) {
      limit_.assign(key);
      limited_ = true;
    }
  }
  // The scan stands at `key`, the first live one after the stretch.
  void End(std::string_view key, bool forward) {
    if (passed_ != 0) EndAt(key, /*live=*/true, forward);
  }
  // There is no live key behind `last`, the last one passed over.
  void EndWithout(std::string_view last, bool forward) {
    if (passed_ != 0) EndAt(last, /*live=*/false, forward);
  }
  // The scan goes elsewhere.
  void Drop() {
    if (passed_ != 0) DropPassed();
  }

 private:
  bool Think(std::string_view key, bool forward);
  void EndAt(std::string_view key, bool live, bool forward);
  void DropPassed();

  DeadRanges* const ranges_;
  const SequenceNumber complete_to_;
  const void* const memtable_;
  int passed_ = 0;  // since the stretch or the last target began; 0: no stretch
  uint64_t watch_ = 0;
  bool limited_ = false;
  bool refused_ = false;
  std::string limit_, target_, other_end_;
};

}  // namespace nori

#endif  // NORI_ENGINE_ITERATORS_DEAD_RANGES_H_
