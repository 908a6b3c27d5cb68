// A database file whose content is in an engine, as one connection's pager sees
// it.
//
// The file is cut into blocks of the length of its first write, which is
// SQLite's page size; each is one key, a block of zeros is none. What is
// written goes to a transaction of the engine and is committed by
// CommitPhaseTwo alone: SQLite syncs when it rolls back, too.

#ifndef NORI_SQLITE_VFS_PAGE_FILE_H_
#define NORI_SQLITE_VFS_PAGE_FILE_H_

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sqlite_vfs/page_blocks.h"
#include "sqlite_vfs/page_store.h"
#include "sqlite_vfs/process.h"

namespace nori {

// Changes of nori tables in a database's engine, on their way to a commit.
class RowChanges {
 public:
  virtual ~RowChanges() = default;
  // Made by Engine::NewChanges over PageFile::Snapshot().
  virtual Changes* changes() const = 0;
  // Whether SQLite is at a COMMIT, also one that it will turn into a rollback;
  // false: a sync is the end of a rollback.
  virtual bool IsCommitting() const = 0;
  // They are committed. The writer's place is still held.
  virtual void Committed() = 0;
};

// Not thread-safe: SQLite calls one file from one thread at a time. In a forked
// child everything is kFailedPrecondition, but letting go.
class PageFile {
 public:
  // `fixed`: the only state that is read; null: the newest at each Lock.
  PageFile(PageStoreRef store, SnapshotRef fixed)
      : owner_(CurrentProcess()),
        store_(std::move(store)),
        fixed_(std::move(fixed)) {}
  ~PageFile() { Unlock(0); }
  PageFile(const PageFile&) = delete;
  PageFile& operator=(const PageFile&) = delete;

  Engine* engine() const { return store_->engine(); }
  const PageStoreRef& store() const { return store_; }

  // `level` is one of SQLITE_LOCK_NONE to SQLITE_LOCK_EXCLUSIVE. A lock for
  // reading pins the newest commit. A lock for writing takes the writer's
  // place: kUnavailable if it is taken, kAborted if others have committed since
  // the lock for reading. Readers are never waited for.
  absl::Status Lock(int level);
  // Below a lock for writing, what is not committed is undone.
  void Unlock(int level);
  int level() const { return level_; }
  // The state that is read below what this file's transaction has changed.
  SnapshotRef Snapshot() const;

  // Fills `buffer` with zeros beyond the end of the file; gives how many bytes
  // were in it. Without a lock: from the newest commit.
  absl::StatusOr<size_t> Read(uint64_t offset, size_t size, char* buffer);
  absl::StatusOr<uint64_t> Size();
  absl::Status Write(uint64_t offset, std::string_view data);
  absl::Status Truncate(uint64_t size);

  // Told at the end of a commit's or a rollback's writes, before Sync, which
  // does not come with synchronous=OFF. `is_part`: of a commit over several
  // files, in which SQLite ignores errors of CommitPhaseTwo; this is as Sync
  // then.
  absl::Status BeginSync(bool is_part);
  // Writes what the commit will need, as durable as set_sync_durability says;
  // commits nothing. After an error what was written is given up, and SQLite
  // plays its journal back.
  absl::Status Sync();
  // What a Sync is for. SQLite syncs alike for FULL and NORMAL.
  void set_sync_durability(Durability durability) {
    sync_durability_ = durability;
  }
  // To be called before anything but the cut of the file and the commit that
  // may follow a Sync: it was then the end of a rollback, which under
  // locking_mode=EXCLUSIVE nothing else tells.
  void EndRollback() {
    if (prepared_) Discard();
  }
  // The commit that is coming takes `rows` with it (null: none), until they are
  // committed or the transaction is given up. `rows` outlive that or a next
  // call. Something must have been written to the database for there to be a
  // commit. REQUIRES: a lock for writing.
  void CommitWith(RowChanges* rows);
  const RowChanges* rows() const { return rows_; }
  // Commits, as durably as a Sync before it. This file then reads its own
  // commit. After an error nothing of it is there.
  absl::Status CommitPhaseTwo();

 private:
  struct View {
    SnapshotRef snapshot;
    PageGeometry geometry;
  };

  // From the changes over `snapshot`.
  absl::StatusOr<bool> Get(const SnapshotRef& snapshot, std::string_view key,
                           PinnedValue* value) const;
  absl::StatusOr<View> CurrentView() const;
  // Bytes [at, at + size) of a block.
  absl::Status ReadPart(const View& view, uint64_t number, size_t at,
                        size_t size, char* buffer) const;
  // Notes whether `data` is what the block holds already.
  absl::Status CompareBlock(uint64_t number, std::string_view data);
  absl::Status PutBlock(uint64_t number, std::string_view data);
  absl::Status WritePart(uint64_t number, size_t at, std::string_view data);
  absl::Status BeginChange();
  absl::Status StageGeometry();
  absl::Status Prepare(RowChanges* with, Durability durability);
  void Discard();
  absl::Status CheckProcess() const;
  // In a forked child, which must not touch the engine, not even to let go.
  void Abandon();

  const pid_t owner_;
  const PageStoreRef store_;
  const SnapshotRef fixed_;
  int level_ = 0;
  View committed_;  // what is read below the changes, while level_ > 0
  PageGeometry geometry_;
  std::unique_ptr<Transaction> transaction_;  // from the first change on
  bool prepared_ = false;  // nothing has changed since the last Sync
  // kNone: no Sync came in this transaction.
  Durability durability_ = Durability::kNone;
  Durability sync_durability_ = Durability::kSync;
  bool given_up_ = false;  // a Sync has failed; until it is played back
  RowChanges* rows_ = nullptr;
  // A page that differs from the committed one was written since CommitWith.
  bool changed_since_rows_ = false;
  RowChanges* prepared_with_ = nullptr;
};

}  // namespace nori

#endif  // NORI_SQLITE_VFS_PAGE_FILE_H_
