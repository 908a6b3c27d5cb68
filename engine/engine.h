// The engine's public face: an ordered, durable, transactional key-value store.
//
// Keys and values are byte strings; keys are ordered as unsigned bytes. Every
// commit (a Write or a Transaction) is atomic, gets the next place in one
// order, and is recovered as a prefix of that order.
//
// Thread-safety: Engine and Snapshot are thread-safe; Iterator, Transaction and
// WriteBatch are not. Ownership: iterators, snapshots and transactions keep
// what they read alive, but must be destroyed before the engine.
//
// Errors (absl::Status): kInvalidArgument bad option; kOutOfRange key or value
// too large; kUnavailable somebody else holds the engine or the writer's turn,
// or the engine is over its limits: try again later; kAborted the snapshot is
// no longer the newest; kResourceExhausted the disk is full; kDataLoss damage
// on disk; kInternal the device failed; kFailedPrecondition the engine refuses
// writes after an earlier failure, which the message names; kNotFound and
// kPermissionDenied for files that are not there or may not be used.

#ifndef NORI_ENGINE_ENGINE_H_
#define NORI_ENGINE_ENGINE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/iterators/iterator.h"
#include "engine/manifest/version_edit.h"
#include "engine/options.h"
#include "engine/slots/version.h"

namespace nori {

// A point in the order of commits. While it lives, what it sees is kept.
class Snapshot {
 public:
  virtual ~Snapshot() = default;
  virtual SequenceNumber sequence() const = 0;
};
using SnapshotRef = std::shared_ptr<const Snapshot>;

// A value that was read. The view is valid as long as this object lives and is
// not assigned to.
class PinnedValue {
 public:
  std::string_view view() const { return view_; }
  void Set(std::string_view view, std::shared_ptr<const void> layer,
           std::shared_ptr<const void> block) {
    view_ = view;
    layer_ = std::move(layer);
    block_ = std::move(block);
  }
  // Takes a copy.
  void SetCopy(std::string_view v) {
    auto copy = std::make_shared<const std::string>(v);
    view_ = *copy;
    layer_ = std::move(copy);
    block_.reset();
  }

 private:
  std::string_view view_;
  std::shared_ptr<const void> layer_, block_;
};

struct ReadOptions {
  SnapshotRef snapshot;  // null: the newest commit
  bool fill_cache = true;
  ReadCounters* counters = nullptr;  // if set, what was touched is added
};

struct IterateOptions {
  SnapshotRef snapshot;  // null: the newest commit
  KeyRange bounds;       // keys outside are never returned
  bool fill_cache = true;
  size_t readahead_bytes = 0;  // 0: adaptive
  // If set, what the iterator touches is added; must outlive the iterator.
  ReadCounters* counters = nullptr;
};

// A list of changes, applied in order and atomically. Later changes win.
class WriteBatch {
 public:
  void Put(std::string_view key, std::string_view value);
  void Delete(std::string_view key);
  void DeleteRange(std::string_view begin,
                   std::string_view end);  // [begin, end)
  void Clear();
  size_t count() const { return count_; }
  size_t bytes() const { return rep_.size(); }
  // The changes in their log encoding (engine/core/commit_record.h).
  const std::string& rep() const { return rep_; }

 private:
  std::string rep_;
  size_t count_ = 0;
};

struct WriteOptions {
  Durability durability = Durability::kSync;
};

// How a transaction that is prepared becomes a commit.
enum class PrepareMode : uint8_t {
  // The record counts as committed unless an abort record follows. For a host
  // that cannot fail any more after this one.
  kCommitsUnlessAborted,
  // The record counts only if a commit record follows.
  kNeedsOutcome,
  // The host's own commit decides: the record counts if the host, as it
  // recovered, names this mixed transaction or a later one.
  kHostDecides,
};

// Changes over a snapshot, not committed yet, with their own view of them. Of
// any size, they use bounded memory.
class Changes {
 public:
  virtual ~Changes() = default;

  virtual absl::Status Put(std::string_view key, std::string_view value) = 0;
  virtual absl::Status Delete(std::string_view key) = 0;
  virtual absl::Status DeleteRange(std::string_view begin,
                                   std::string_view end) = 0;

  // Reads see the changes over the base snapshot. `counters` may be null: what
  // was touched below the changes is added.
  virtual absl::StatusOr<bool> Get(std::string_view key, PinnedValue* value,
                                   ReadCounters* counters) = 0;
  absl::StatusOr<bool> Get(std::string_view key, PinnedValue* value) {
    return Get(key, value, nullptr);
  }
  // The iterator sees the changes made before its creation, also if later ones
  // or a RollbackTo follow while it is open; `options.snapshot` is ignored. It
  // may outlive this object.
  virtual std::unique_ptr<Iterator> NewIterator(
      const IterateOptions& options) = 0;

  // A mark after the changes so far: how many there were, undone ones, too.
  // RollbackTo undoes the later ones; rolling back to one keeps it usable.
  virtual uint64_t Mark() const = 0;
  virtual absl::Status RollbackTo(uint64_t mark) = 0;
  virtual bool empty() const = 0;  // nothing to commit

  // The snapshot below the changes.
  virtual const SnapshotRef& base() const = 0;
};

// One writer's changes. Holds the engine's writer lock from creation to Commit,
// Rollback or destruction (which rolls back). Not bound to a thread.
class Transaction : public Changes {
 public:
  // From now on Prepare and Commit take `other` with them, so that both are one
  // commit (null: no more). It is one of Engine::NewChanges, over the same
  // state, has no key in common with this transaction, and outlives it or a
  // next call. What has its own marks can be undone by itself.
  virtual void Include(Changes* other) = 0;

  // Writes the changes to the log, durable as `durability` asks (never less
  // than kNone). Repeatable: a second Prepare replaces the first (more changes
  // may have come in between). `mixed_number` only for kHostDecides: must be
  // higher than Engine::LastMixed().
  virtual absl::Status Prepare(PrepareMode mode, uint64_t mixed_number,
                               Durability durability) = 0;
  // Publishes. Without an earlier Prepare: prepares by itself, as
  // kCommitsUnlessAborted. Ends the transaction, also on error; an error after
  // a successful Prepare turns the engine read-only and says so.
  virtual absl::Status Commit(Durability durability) = 0;
  // Undoes everything of its own, writing an abort record if prepared. Ends it.
  virtual absl::Status Rollback() = 0;
};

struct TransactionOptions {
  // Waits up to this long for the writer lock, then kUnavailable.
  absl::Duration lock_timeout = absl::ZeroDuration();
  // If set: the transaction continues reads made at this snapshot; if anything
  // was committed since, kAborted and no lock is held.
  SnapshotRef read_snapshot;
};

struct SlotInfo {
  uint64_t id = 0;
  KeyRange range;
  int runs = 0;
  int max_runs = 0;
  int l0_slices = 0;
  double heat = 0;
  uint64_t bytes = 0;
  uint64_t entries = 0;
  uint64_t reads = 0, writes = 0, scans = 0;
  uint64_t last_compaction_micros = 0;
  uint64_t l0_bytes = 0;          // of L0 tables, inside the slot
  uint64_t oldest_run_bytes = 0;  // where every key has at most one version
  // Since the engine was opened: keys and values that flushes brought here,
  // bytes of tables that they took, and bytes of tables that merges wrote.
  uint64_t user_bytes = 0, flushed_bytes = 0, merged_bytes = 0;
};

struct TableInfo {
  TableMeta meta;
  int l0_slices = 0;
  int slot_slices = 0;
};

struct EngineStats {
  uint64_t memtable_bytes = 0;  // active and immutable
  int immutable_memtables = 0;
  int l0_tables = 0;
  int slots = 0;
  int runs = 0;
  uint64_t table_bytes = 0;
  uint64_t log_bytes = 0;
  uint64_t manifest_bytes = 0;
  uint64_t cache_bytes = 0, index_bytes = 0;
  uint64_t cache_hits = 0, cache_misses = 0;
  SequenceNumber last_sequence = 0;
  double pressure_score = 0;
  int pressure_zone = 0;                                   // 0 green .. 3 red
  std::vector<std::pair<std::string, uint64_t>> counters;  // observe/metrics.h
};

// The engine at one instant. While it lives, its files and its memory are kept.
class PinnedState {
 public:
  virtual ~PinnedState() = default;
  virtual SequenceNumber sequence() const = 0;
  virtual uint64_t last_mixed() const = 0;
};
using PinnedStateRef = std::shared_ptr<const PinnedState>;

// Asked between the pieces of a long piece of work: an error ends it and is
// returned. Null: go on.
using GoOn = std::function<absl::Status()>;

struct CheckpointOptions {
  PinnedStateRef state;  // one of this engine's; null: the present one
  // What the copy calls itself, 16 bytes; empty: the same identity.
  std::string identity;
  FileSystem* file_system = nullptr;  // of the copy; null: the engine's own
  // An earlier copy in the same file system, or a directory that is not there.
  // Where the engine's own file cannot be linked, one of it that holds the same
  // bytes is linked instead of a new copy.
  std::string previous;
  GoOn go_on;
};

struct CheckpointResult {
  SequenceNumber sequence = 0;
  uint64_t last_mixed = 0;
  // Tables that are the engine's own files, were copied, are the previous
  // copy's, and were made of what was in memory.
  uint64_t files_linked = 0, files_copied = 0, files_reused = 0,
           files_written = 0;
  uint64_t bytes = 0;          // of all of them
  uint64_t bytes_written = 0;  // of those copied and made
};

// What the engine has to know of its host database. An engine that this does
// not fit is refused with kFailedPrecondition before anything is changed.
struct OpenContext {
  // The identity that the engine must have; empty: any.
  std::string identity;
  // Gives the host's last mixed transaction. Called at most once, and only if
  // the log holds mixed transactions that the engine cannot decide alone, or if
  // its tables hold one above `known_mixed`. Absent where it is needed:
  // kFailedPrecondition. Not called after Open.
  std::function<absl::StatusOr<uint64_t>()> host_mixed_number;
  // A mixed transaction that the host is known to have, or one before it.
  uint64_t known_mixed = 0;
  // Makes every mixed transaction that the host has committed durable there.
  // Called before one reaches a table or a checkpoint, which can take none
  // back; an error puts that off. From any thread, as long as the engine lives;
  // must not call the engine. Absent: the host's commits are always durable.
  std::function<absl::Status()> sync_host;
};

class Engine {
 public:
  // The identity of the engine in `directory`, which is not opened: another
  // process may be at work in it. kNotFound if there is none.
  static absl::StatusOr<std::string> ReadIdentity(FileSystem* file_system,
                                                  const std::string& directory);
  // 16 bytes that no other engine has.
  static std::string NewIdentity();

  // Opens or creates the engine in `directory`. kUnavailable if another
  // process, or this one, has it open.
  static absl::StatusOr<std::unique_ptr<Engine>> Open(
      const Options& options, const std::string& directory,
      const OpenContext& context = {});
  // Stops background work, syncs the log. Snapshots, iterators and transactions
  // must be gone.
  virtual ~Engine() = default;

  virtual const Options& options() const = 0;
  // 16 random bytes made when the engine was created.
  virtual const std::string& identity() const = 0;
  virtual const std::string& directory() const = 0;

  // Blind atomic write. Concurrent callers share log writes and syncs (group
  // commit). Does not take the writer lock: waits only while a prepared
  // transaction is undecided. With kSync the write becomes visible when it is
  // logged and durable when this returns; if the sync fails it stays visible
  // and may or may not outlive the process.
  virtual absl::Status Write(const WriteOptions& options,
                             const WriteBatch& batch) = 0;
  absl::Status Put(const WriteOptions& options, std::string_view key,
                   std::string_view value);
  absl::Status Delete(const WriteOptions& options, std::string_view key);
  absl::Status DeleteRange(const WriteOptions& options, std::string_view begin,
                           std::string_view end);

  // True and *value set if the key is live; false if not.
  virtual absl::StatusOr<bool> Get(const ReadOptions& options,
                                   std::string_view key,
                                   PinnedValue* value) = 0;
  virtual std::unique_ptr<Iterator> NewIterator(
      const IterateOptions& options) = 0;
  // Counts a scan from `begin` on for which an iterator is used again.
  virtual void CountScan(std::string_view begin) = 0;

  virtual SnapshotRef GetSnapshot() = 0;
  virtual SequenceNumber LastSequence() const = 0;
  // Puts, deletes and range deletions committed since the engine was opened.
  virtual uint64_t EntriesWritten() const = 0;

  // Gives a name to `snapshot`, one of this engine's, or (null) to the newest
  // commit. On success the name stands for exactly that state until it is
  // released, however often the engine is closed, killed or loses power;
  // checkpoints carry it. Syncs the log and the host, and writes one edit.
  // kInvalidArgument: empty or longer than kMaxSnapshotNameBytes;
  // kAlreadyExists: the name is in use.
  virtual absl::Status CreateNamedSnapshot(const std::string& name,
                                           SnapshotRef snapshot) = 0;
  // What only this name kept is given up, as soon as its readers are done.
  // Durable on success. kNotFound names the missing one.
  virtual absl::Status ReleaseNamedSnapshot(const std::string& name) = 0;
  // For reading; it may outlive the name. kNotFound names the missing one.
  virtual absl::StatusOr<SnapshotRef> NamedSnapshot(
      const std::string& name) = 0;
  // Oldest state first, those of one state by name.
  virtual std::vector<SnapshotName> ListNamedSnapshots() = 0;

  virtual absl::StatusOr<std::unique_ptr<Transaction>> BeginTransaction(
      const TransactionOptions& options) = 0;
  // Changes for a transaction to Include, over `base`. They hold no lock.
  virtual std::unique_ptr<Changes> NewChanges(SnapshotRef base) = 0;

  // Highest mixed transaction number that was committed (and, after recovery,
  // that the host confirmed). FlushedMixed: the highest that the host must
  // know, since it is in tables or below a named snapshot.
  virtual uint64_t LastMixed() const = 0;
  virtual uint64_t FlushedMixed() const = 0;

  // Syncs every commit so far.
  virtual absl::Status SyncLog() = 0;
  using GoOn = nori::GoOn;
  // Writes the memtables to tables, one after the other, and waits for it.
  virtual absl::Status Flush(const GoOn& go_on) = 0;
  absl::Status Flush() { return Flush(nullptr); }
  // Merges everything in `range` to one run per slot and waits for it.
  virtual absl::Status CompactRange(const KeyRange& range,
                                    const GoOn& go_on) = 0;
  absl::Status CompactRange(const KeyRange& range) {
    return CompactRange(range, nullptr);
  }
  // Waits until no flush and no compaction is due.
  virtual absl::Status WaitForBackground() = 0;
  // kManual only: runs up to `max_steps` pieces of background work in the
  // caller; returns how many there were.
  virtual absl::StatusOr<int> RunBackgroundWork(int max_steps) = 0;

  // Everything in `range` is deleted by the commits so far, and nothing will be
  // written there again. Gives its files back without reading them, once the
  // deletion is flushed and no snapshot is older, and lets its guards go. A
  // hint that is forgotten when the engine closes: compaction removes the rest.
  virtual void DropRange(const KeyRange& range) = 0;

  // Makes guards at begin and end of `range`, so that no slot straddles them.
  virtual absl::Status AddGuards(const KeyRange& range) = 0;

  // Waits for a transaction that is prepared to be decided, at most the option
  // stall_timeout_ms: kUnavailable.
  virtual absl::StatusOr<PinnedStateRef> PinState() = 0;
  // As PinState, but a transaction that is prepared is not waited for and not
  // in it: it may wait for the caller.
  virtual absl::StatusOr<PinnedStateRef> PinDecidedState() = 0;
  // Builds a complete engine in `directory` (created; if it exists it must hold
  // no files of an engine but a lock), equal to this one at one instant, by
  // hard links where possible. It is synced and then read back: what was
  // written, whole, and of the other tables the indexes. On an error nothing is
  // left of it. Writers go on meanwhile.
  virtual absl::StatusOr<CheckpointResult> Checkpoint(
      const std::string& directory, const CheckpointOptions& options) = 0;
  absl::StatusOr<CheckpointResult> Checkpoint(const std::string& directory) {
    return Checkpoint(directory, {});
  }

  // Reads every byte on disk and checks checksums, order and references.
  virtual absl::Status Verify(const GoOn& go_on) = 0;
  absl::Status Verify() { return Verify(nullptr); }

  // Estimated live entries and bytes in a range, from indexes alone.
  struct RangeEstimate {
    uint64_t entries = 0;
    uint64_t bytes = 0;
  };
  virtual RangeEstimate Estimate(const KeyRange& range) = 0;
  // About `n` keys at even distances in `range`, ascending, from indexes and
  // memtables alone: places to cut at, not all of them keys of entries. Fewer
  // where there are few entries or blocks.
  virtual std::vector<std::string> SampleKeys(const KeyRange& range,
                                              size_t n) = 0;
  // Places of the first and the last slot that `range` touches, counted from 0
  // in key order as GetSlots lists them.
  virtual std::pair<size_t, size_t> SlotsOf(const KeyRange& range) = 0;

  virtual EngineStats GetStats() = 0;
  virtual std::vector<SlotInfo> GetSlots() = 0;
  virtual std::vector<TableInfo> GetTables() = 0;
  virtual std::vector<Event> GetEvents() = 0;
};

}  // namespace nori

#endif  // NORI_ENGINE_ENGINE_H_
