// Database's transaction and its views for reading.

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "engine/format/status_macros.h"
#include "vtab/database.h"
#include "vtab/error_map.h"

namespace nori {
namespace {

// Who gets to the engine's writer lock holds SQLite's for the file. Only a
// commit or a rollback under way has given that back and still has this one,
// for a moment; no busy handler of the program can be asked to wait for it, so
// that is waited for also where nobody set a timeout.
constexpr absl::Duration kEndUnderWay = absl::Seconds(10);

// Whether an authorizer of the application has said no.
bool IsRefused(const absl::Status& status) {
  return !status.ok() && SqliteCodeOfStatus(status) == SQLITE_AUTH;
}

}  // namespace

absl::Status Database::ReadCommitSettings() {
  durability_ = Durability::kNone;
  host_has_log_ = false;
  host_syncs_ = false;
  if (in_memory()) return absl::OkStatus();
  // Where an authorizer refuses the answer, what is right for every setting.
  durability_ = Durability::kSync;
  const absl::StatusOr<int64_t> synchronous =
      connection_->PragmaInteger(schema_, "synchronous");
  if (IsRefused(synchronous.status())) return absl::OkStatus();
  NORI_RETURN_IF_ERROR(synchronous.status());
  const absl::StatusOr<std::string> journal =
      connection_->PragmaText(schema_, "journal_mode");
  if (IsRefused(journal.status())) return absl::OkStatus();
  NORI_RETURN_IF_ERROR(journal.status());
  durability_ = *synchronous == 0   ? Durability::kNone
                : *synchronous == 1 ? Durability::kPeriodic
                                    : Durability::kSync;
  host_has_log_ = *journal == "wal";
  // In the other modes only EXTRA (3) waits for the journal's removal.
  host_syncs_ = *synchronous >= (host_has_log_ ? 2 : 3);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Transaction>>
Database::BeginEngineTransaction() {
  TransactionOptions options;
  // A transaction goes on from what it has read. Statements in autocommit are
  // transactions each by itself, whatever other cursors are open.
  if (!autocommit_) options.read_snapshot = view_;
  absl::StatusOr<std::unique_ptr<Transaction>> transaction =
      engine()->BeginTransaction(options);
  if (!absl::IsUnavailable(transaction.status())) return transaction;
  // Refused by an authorizer, it is as if none were set.
  const absl::StatusOr<int64_t> timeout_ms =
      connection_->PragmaInteger(schema_, "busy_timeout");
  options.lock_timeout = std::max(
      kEndUnderWay, absl::Milliseconds(timeout_ms.ok() ? *timeout_ms : 0));
  return engine()->BeginTransaction(options);
}

absl::Status Database::Begin() {
  if (changes_ != nullptr) return absl::OkStatus();
  NORI_RETURN_IF_ERROR(CheckIsPresent());
  NORI_RETURN_IF_ERROR(EnsureOpen());
  autocommit_ = sqlite3_get_autocommit(connection_->db()) != 0;
  changes_at_begin_ = sqlite3_total_changes64(connection_->db());
  if (Pages() != nullptr) {
    NORI_RETURN_IF_ERROR(BeginBesidePages());
  } else {
    NORI_RETURN_IF_ERROR(ReadCommitSettings());
    NORI_ASSIGN_OR_RETURN(transaction_, BeginEngineTransaction());
    changes_ = transaction_.get();
  }
  begin_mark_ = changes_->Mark();
  open_at_begin_ = std::numeric_limits<int>::max();
  connection_->HoldInTransaction(shared_from_this());
  prepared_ = false;
  prepared_mixed_ = 0;
  return absl::OkStatus();
}

absl::Status Database::Join(const void* table) {
  joins_first_ = changes_ == nullptr;
  NORI_RETURN_IF_ERROR(Begin());
  if (joins_first_) open_at_begin_ = -1;
  joining_ = table;
  return absl::OkStatus();
}

absl::StatusOr<Changes*> Database::WriteTransaction() {
  if (changes_ == nullptr) NORI_RETURN_IF_ERROR(Begin());
  prepared_ = false;
  return changes_;
}

absl::Status Database::PrepareAlone() {
  // What is promised as durable here must not be taken back by a mixed
  // transaction before it that the host loses.
  if (durability_ == Durability::kSync) {
    NORI_RETURN_IF_ERROR(shared_->host_log().Sync());
  }
  // After this, a host with a write-ahead log has nothing left that can fail;
  // with a rollback journal it may still find another reader in its way.
  const PrepareMode mode = host_has_log_ ? PrepareMode::kCommitsUnlessAborted
                                         : PrepareMode::kNeedsOutcome;
  return transaction_->Prepare(mode, /*mixed_number=*/0, durability_);
}

absl::Status Database::PrepareMixed() {
  NORI_ASSIGN_OR_RETURN(const DatabaseState state, ReadState());
  const uint64_t number = std::max(state.last_mixed, engine()->LastMixed()) + 1;
  NORI_RETURN_IF_ERROR(state_table_.WriteLastMixed(number));
  // Also where the host does not sync (NORMAL): its part can reach the disk at
  // any moment after this, and cannot be taken back.
  NORI_RETURN_IF_ERROR(transaction_->Prepare(PrepareMode::kHostDecides, number,
                                             durability_ == Durability::kNone
                                                 ? Durability::kNone
                                                 : Durability::kSync));
  shared_->mixed().Prepared(number, transaction_->base(), prepared_mixed_);
  prepared_mixed_ = number;
  return absl::OkStatus();
}

absl::Status Database::Sync() {
  NORI_RETURN_IF_ERROR(CheckProcess());
  if (beside_pages_ != nullptr) return SyncBesidePages();
  if (transaction_ == nullptr || prepared_ || transaction_->empty()) {
    return absl::OkStatus();
  }
  // The module's own rows are counted only after the commit of the statement,
  // so any change since xBegin is somebody else's: a trigger's or a function's.
  const bool alone =
      in_memory() ||
      (autocommit_ && !schema_changed_ &&
       sqlite3_total_changes64(connection_->db()) == changes_at_begin_);
  NORI_RETURN_IF_ERROR(alone ? PrepareAlone() : PrepareMixed());
  prepared_ = true;
  return absl::OkStatus();
}

void Database::PublishMaxRowids() {
  for (const auto& [table_id, rowid] : max_rowids_) {
    shared_->SetMaxRowid(table_id, rowid);
  }
}

void Database::ForgetTransaction() {
  // The caller holds this database by another reference.
  connection_->TransactionEnded(this);
  changes_ = nullptr;
  transaction_.reset();
  beside_pages_.reset();
  committed_with_pages_ = false;
  schema_changed_ = false;
  prepared_ = false;
  prepared_mixed_ = 0;
  marks_.clear();
  open_at_begin_ = -1;
  joining_ = nullptr;
  created_.clear();
  dropped_.clear();
  max_rowids_.clear();
  EndReadTransaction();
}

void Database::EndCommit(bool committed) {
  const auto created = std::move(created_);
  const auto dropped = std::move(dropped_);
  ForgetTransaction();
  // Only a hint to the engine, so a failure costs speed and nothing else.
  for (const KeyRange& range : created) {
    engine()->AddGuards(range).IgnoreError();
  }
  // Only what is really committed: an error may leave it to the next open.
  if (!committed) return;
  for (const auto& [range, mark] : dropped) engine()->DropRange(range);
}

absl::Status Database::Commit() {
  if (beside_pages_ != nullptr) return CommitBesidePages();
  if (transaction_ == nullptr) {
    ForgetTransaction();
    return absl::OkStatus();
  }
  absl::Status status;
  if (transaction_->empty()) {
    if (prepared_mixed_ != 0) shared_->mixed().Aborted(prepared_mixed_);
    status = transaction_->Rollback();
  } else {
    // While the writer lock is still held.
    PublishMaxRowids();
    if (prepared_mixed_ != 0 && !host_syncs_) {
      shared_->host_log().MarkUnsynced();
    }
    status = transaction_->Commit(durability_);
    if (prepared_mixed_ != 0) {
      shared_->mixed().Published(prepared_mixed_);
      // FULL promises more than SQLite keeps without a write-ahead log.
      if (durability_ == Durability::kSync) {
        status.Update(shared_->host_log().Sync());
      }
    }
  }
  if (!dropped_.empty()) shared_->mixed().Dropped(prepared_mixed_);
  EndCommit(status.ok());
  return status;
}

absl::Status Database::Rollback() {
  if (!CheckProcess().ok()) AbandonTransaction();
  // Another database of the same COMMIT has failed after it.
  if (committed_with_pages_) return CommitBesidePages();
  if (beside_pages_ != nullptr) LeavePages();
  absl::Status status;
  if (transaction_ != nullptr) {
    if (prepared_mixed_ != 0) shared_->mixed().Aborted(prepared_mixed_);
    status = transaction_->Rollback();
  }
  ForgetTransaction();
  return status;
}

void Database::Savepoint(int number, const void* table) {
  const bool joins = joining_ != nullptr && joining_ == table;
  joining_ = nullptr;
  if (joins && joins_first_) open_at_begin_ = number;
  marks_.erase(marks_.upper_bound(number), marks_.end());
  // A table that joins late is told of the current savepoint again: the first
  // mark is the one that counts.
  if (marks_.contains(number)) return;
  // Nobody was told of a savepoint that was there before any table joined. The
  // changes since then are those of the whole transaction, whenever the table
  // joined that is told now. (The first table's mark is right also where this
  // is a new savepoint and none was open as it joined.)
  const bool is_older = changes_ == nullptr ||
                        (joins && !joins_first_ && number <= open_at_begin_);
  marks_[number] =
      is_older ? std::nullopt : std::optional<uint64_t>(changes_->Mark());
}

void Database::Release(int number) {
  marks_.erase(marks_.lower_bound(number), marks_.end());
  open_at_begin_ = std::min(open_at_begin_, number - 1);
}

absl::Status Database::RollbackTo(int number) {
  NORI_RETURN_IF_ERROR(CheckProcess());
  // A savepoint without a mark is older than the transaction's first change: so
  // is the one that SQLite calls -1, the transaction itself.
  std::optional<uint64_t> mark;
  if (const auto found = marks_.find(number); found != marks_.end()) {
    mark = found->second;
  }
  marks_.erase(marks_.upper_bound(number), marks_.end());
  open_at_begin_ = std::min(open_at_begin_, number);
  if (changes_ == nullptr) return absl::OkStatus();
  prepared_ = false;
  for (auto& [table_id, rowid] : max_rowids_) rowid = std::nullopt;
  const uint64_t target = mark.value_or(begin_mark_);
  std::erase_if(dropped_, [target](const auto& dropped) {
    return dropped.second > target;
  });
  return changes_->RollbackTo(target);
}

absl::StatusOr<uint64_t> Database::HostMixed() {
  // The number belongs to a version of the file as long as this connection is
  // not changing it. SQLite looks for a new version when it begins to read.
  unsigned int version = 0;
  const bool is_stable =
      sqlite3_txn_state(connection_->db(), schema_.c_str()) ==
          SQLITE_TXN_READ &&
      sqlite3_file_control(connection_->db(), schema_.c_str(),
                           SQLITE_FCNTL_DATA_VERSION, &version) == SQLITE_OK;
  if (is_stable && host_mixed_known_ && version == host_mixed_version_) {
    return host_mixed_;
  }
  NORI_ASSIGN_OR_RETURN(const DatabaseState state, ReadState());
  host_mixed_ = state.last_mixed;
  host_mixed_version_ = version;
  host_mixed_known_ = is_stable;
  return host_mixed_;
}

absl::StatusOr<SnapshotRef> Database::TakeSnapshot(bool in_transaction) {
  if (in_memory()) return engine()->GetSnapshot();
  if (!in_transaction && shared_->mixed().Quiet()) {
    SnapshotRef newest = engine()->GetSnapshot();
    // Once more, for a mixed transaction that has just got into the snapshot.
    if (shared_->mixed().Quiet()) return newest;
  }
  NORI_ASSIGN_OR_RETURN(const uint64_t host, HostMixed());
  return shared_->mixed().StateFor(host, engine());
}

absl::StatusOr<SnapshotRef> Database::AcquireView() {
  NORI_RETURN_IF_ERROR(CheckProcess());
  NORI_RETURN_IF_ERROR(CheckIsPresent());
  NORI_RETURN_IF_ERROR(EnsureOpen());
  if (changes_ != nullptr) {
    ++open_cursors_;
    return SnapshotRef();
  }
  if (const PageFile* const pages = Pages()) {
    // The pages' own, which lasts as long as SQLite's transaction.
    ++open_cursors_;
    return pages->Snapshot();
  }
  const bool in_transaction = !sqlite3_get_autocommit(connection_->db());
  if (view_ == nullptr) {
    NORI_ASSIGN_OR_RETURN(view_, TakeSnapshot(in_transaction));
    view_scope_ = ViewScope::kCursors;
  }
  // Where the guard is refused (PRAGMA query_only, an authorizer), the end of
  // the transaction stays unknown and the view lasts as long as its cursors.
  if (in_transaction && view_scope_ == ViewScope::kCursors &&
      connection_->EnlistGuard().ok()) {
    view_scope_ = ViewScope::kTransaction;
  }
  ++open_cursors_;
  return view_;
}

void Database::ReleaseView() {
  if (--open_cursors_ == 0 && view_scope_ == ViewScope::kCursors) {
    EndReadTransaction();
  }
}

absl::StatusOr<bool> Database::Get(const SnapshotRef& view,
                                   std::string_view key,
                                   PinnedValue* value) const {
  if (changes_ != nullptr) return changes_->Get(key, value);
  return engine()->Get({.snapshot = view}, key, value);
}

std::unique_ptr<Iterator> Database::NewIterator(const SnapshotRef& view,
                                                KeyRange bounds) const {
  IterateOptions options;
  options.snapshot = view;
  options.bounds = std::move(bounds);
  return changes_ != nullptr ? changes_->NewIterator(options)
                             : engine()->NewIterator(options);
}

void Database::EndReadTransaction() {
  view_.reset();
  view_scope_ = ViewScope::kNone;
}

absl::Status Database::CheckMayWrite() {
  NORI_ASSIGN_OR_RETURN(const int64_t query_only,
                        connection_->PragmaInteger(schema_, "query_only"));
  if (query_only == 0 &&
      sqlite3_db_readonly(connection_->db(), schema_.c_str()) == 0) {
    return absl::OkStatus();
  }
  return SqliteError(SQLITE_READONLY, "attempt to write a readonly database");
}

absl::Status Database::NameSnapshot(const std::string& name) {
  NORI_RETURN_IF_ERROR(CheckMayWrite());
  NORI_ASSIGN_OR_RETURN(SnapshotRef view, AcquireView());
  ReleaseView();
  const PageFile* const pages = Pages();
  if (view == nullptr ||
      (pages != nullptr && pages->level() > SQLITE_LOCK_SHARED)) {
    return SqliteError(
        SQLITE_ERROR,
        absl::StrCat(
            "cannot take a snapshot within a transaction that has written",
            pages == nullptr ? " to nori tables" : ""));
  }
  return engine()->CreateNamedSnapshot(name, std::move(view));
}

absl::Status Database::ReleaseSnapshot(const std::string& name) {
  NORI_RETURN_IF_ERROR(CheckMayWrite());
  const absl::Status released = engine()->ReleaseNamedSnapshot(name);
  // Not a file that is missing.
  if (!absl::IsNotFound(released)) return released;
  return SqliteError(SQLITE_ERROR, std::string(released.message()));
}

std::optional<int64_t> Database::MaxRowid(uint64_t table_id) const {
  const auto found = max_rowids_.find(table_id);
  return found == max_rowids_.end() ? shared_->MaxRowid(table_id)
                                    : found->second;
}

void Database::SetMaxRowid(uint64_t table_id, std::optional<int64_t> rowid) {
  max_rowids_[table_id] = rowid;
}

}  // namespace nori
