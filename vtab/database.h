// What the module knows of one schema (main, temp or attached) of one
// connection: its engine, its transaction, its view for reading.

#ifndef NORI_VTAB_DATABASE_H_
#define NORI_VTAB_DATABASE_H_

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/engine.h"
#include "vtab/connection.h"
#include "vtab/registry.h"
#include "vtab/schema.h"
#include "vtab/schema_file.h"
#include "vtab/state_table.h"

namespace nori {

struct VirtualTable;

// All keys of a table, those of its indexes too.
KeyRange RangeOfTable(uint64_t table_id);

// Not thread-safe, as Connection. Held by the schema's virtual tables and by
// their cursors.
class Database : public std::enable_shared_from_this<Database> {
 public:
  // `connection` outlives it.
  Database(Connection* connection, std::string schema);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  Connection* connection() const { return connection_; }
  const std::string& schema() const { return schema_; }
  // The database has no file: memory, temp, memdb.
  bool in_memory() const { return path_.empty(); }
  // Of the database file; empty if there is none.
  const std::string& path() const { return path_; }
  // Whether the schema name still stands for the file that this was made for.
  bool StillAttached();

  // Makes the next EnsureOpen read nori_state again: the schema was, and the
  // file may be another one (sqlite3_backup writes over an open database).
  void SchemaWasRead() { identity_checked_ = false; }
  // Refuses what the codec of keys does not sort as SQLite does: in a database
  // in UTF-16, text is compared by the bytes of that encoding.
  absl::Status CheckEncoding();

  // Opens the engine that nori_state names, if it is not open. Fails with a
  // message that says what is wrong if there is none, if the directory is
  // missing, belongs to another database or is newer than the file.
  absl::Status EnsureOpen();
  // As EnsureOpen, but makes nori_state and the engine if the schema has none,
  // with the options of a CREATE. If there is an engine, options that differ
  // from its own are an error. In the host's write transaction only.
  absl::Status EnsureOpenForCreate(
      const std::map<std::string, std::string>& options);

  // REQUIRES: EnsureOpen was OK.
  Engine* engine() const { return shared_->engine(); }
  SharedEngine& shared() const { return *shared_; }
  StateTable& state_table() { return state_table_; }

  // Takes part in CREATE and DROP of a table: both make the transaction one
  // that the host decides. CreateTable gives the new table's id.
  absl::StatusOr<uint64_t> CreateTable(const std::string& name,
                                       const TableSchema& schema);
  absl::Status DropTable(const std::string& name);
  absl::Status RenameTable(const std::string& from, const std::string& to);
  // The same for an index whose entries are in the write transaction, and for
  // one, or anything else, whose range is to be emptied and not used again.
  void IndexCreated(uint64_t table_id, uint32_t index_id);
  absl::Status DeleteForGood(KeyRange range);

  // The transaction. Several tables of the schema call these for one
  // transaction of SQLite's, so each may be called more than once.
  absl::Status Begin();
  // Begin for `table`, SQLite's object, whose xBegin this is. If savepoints are
  // open SQLite calls Savepoint for that table next, with the highest number.
  absl::Status Join(const void* table);
  // The same for a table that does not begin anything.
  void Joins(const void* table) {
    joining_ = table;
    joins_first_ = false;
  }
  absl::Status Sync();
  absl::Status Commit();
  absl::Status Rollback();
  void Savepoint(int number, const void* table);
  void Release(int number);
  absl::Status RollbackTo(int number);
  // What to write to. Begins if need be: SQLite calls no xBegin for a table
  // that was created in the same transaction.
  absl::StatusOr<Transaction*> WriteTransaction();
  // Null outside a write transaction.
  Transaction* transaction() const { return transaction_.get(); }

  // The view for a cursor that is being opened; null inside a write
  // transaction, which is then what to read. Cursors that are open together
  // share one. Each call that succeeds needs one ReleaseView.
  absl::StatusOr<SnapshotRef> AcquireView();
  void ReleaseView();
  // Read in the write transaction, or in `view` where there is none.
  absl::StatusOr<bool> Get(const SnapshotRef& view, std::string_view key,
                           PinnedValue* value) const;
  std::unique_ptr<Iterator> NewIterator(const SnapshotRef& view,
                                        KeyRange bounds) const;
  // The host's transaction, read-only or not, is over.
  void EndReadTransaction();

  // Gives what a SELECT that starts now would read a name that lasts. Not
  // inside a transaction that has written to nori tables: what it wrote has no
  // place in the order of commits yet.
  absl::Status NameSnapshot(const std::string& name);
  absl::Status ReleaseSnapshot(const std::string& name);

  // The highest rowid of a table, as the transaction sees it, if known.
  // In a write transaction only.
  std::optional<int64_t> MaxRowid(uint64_t table_id) const;
  void SetMaxRowid(uint64_t table_id, std::optional<int64_t> rowid);

  // The schema's nori table called `name`, connected if it was not; null if
  // there is none.
  absl::StatusOr<VirtualTable*> ConnectTable(const std::string& name);
  // The connected tables, those that a running statement keeps of an older
  // schema before the newer ones of the same name.
  std::vector<VirtualTable*> tables;
  // Drops cached statements when the last table is disconnected.
  void TableDisconnected(VirtualTable* table);

 private:
  // What row 0 of nori_state says. Leaves no statement behind where no table
  // is connected: it would keep sqlite3_close from closing.
  absl::StatusOr<DatabaseState> ReadState();
  // How the cursors that are open now came to share a view.
  enum class ViewScope : uint8_t { kNone, kCursors, kTransaction };

  absl::Status CheckProcess() const;
  // Statements that were compiled before sqlite3_deserialize put another
  // database in the place of the schema's still come here.
  absl::Status CheckIsPresent();
  // The engine beside a database of vfs=nori is its pages'.
  absl::Status CheckOrdinaryFile() const;
  std::string EngineDirectory() const { return path_ + "-nori"; }
  absl::Status FindInMemory(const DatabaseState& own);
  absl::Status OpenFile(const DatabaseState& own);
  absl::Status CreateEngine(const std::map<std::string, std::string>& options);
  // A new engine for a schema whose own cannot be opened for `reason` and that
  // has no nori table; else that reason.
  absl::Status StartAnew(const std::map<std::string, std::string>& options,
                         const absl::Status& reason);
  absl::Status CheckOptions(
      const std::map<std::string, std::string>& options) const;
  // As SQLite would for a write: the file or the connection may be read-only.
  absl::Status CheckMayWrite();
  absl::StatusOr<SnapshotRef> TakeSnapshot(bool in_transaction);
  // The last mixed transaction in the host's view that is being read.
  absl::StatusOr<uint64_t> HostMixed();
  absl::Status ReadCommitSettings();
  absl::StatusOr<std::unique_ptr<Transaction>> BeginEngineTransaction();
  absl::Status PrepareMixed();
  absl::Status PrepareAlone();
  void ForgetTransaction();
  // In a forked child, which must not touch the engine, not even to let go of
  // it: the parent goes on with the same transaction and its files.
  void AbandonTransaction();
  void PublishMaxRowids();
  void NoteCreated(uint64_t table_id, uint32_t index_id);

  Connection* const connection_;
  const std::string schema_;
  const std::string path_;  // of the database file; empty: in memory
  const pid_t owner_;
  SchemaFile host_file_;
  StateTable state_table_;
  SharedEngineRef shared_;
  bool identity_checked_ = false;  // shared_ is the one that nori_state names

  // Write transaction.
  std::unique_ptr<Transaction> transaction_;
  Durability durability_ = Durability::kSync;
  bool host_has_log_ = false;  // journal_mode=WAL
  bool host_syncs_ = false;    // its COMMIT returns when all of it is durable
  bool autocommit_ = false;
  bool schema_changed_ = false;  // a CREATE, DROP or RENAME took part
  bool prepared_ = false;        // nothing has changed since the last Prepare
  // The mixed transaction that the last Prepare made it, whose outcome the host
  // decides; 0: none.
  uint64_t prepared_mixed_ = 0;
  int64_t changes_at_begin_ = 0;
  uint64_t begin_mark_ = 0;
  // Savepoint number to mark; absent value: the transaction had not begun.
  std::map<int, std::optional<uint64_t>> marks_;
  // Highest number of a savepoint that is older than the transaction.
  int open_at_begin_ = -1;
  const void* joining_ = nullptr;  // its xBegin was the last call
  bool joins_first_ = false;       // and began the transaction
  std::vector<KeyRange> created_;  // of tables and indexes
  // What was deleted of them, and the mark after that.
  std::vector<std::pair<KeyRange, uint64_t>> dropped_;
  absl::flat_hash_map<uint64_t, std::optional<int64_t>> max_rowids_;

  // Reading.
  SnapshotRef view_;
  ViewScope view_scope_ = ViewScope::kNone;
  int open_cursors_ = 0;
  // What HostMixed read, and the host's version that it was in.
  uint64_t host_mixed_ = 0;
  unsigned int host_mixed_version_ = 0;
  bool host_mixed_known_ = false;
};

}  // namespace nori

#endif  // NORI_VTAB_DATABASE_H_
