// nori_state: the ordinary table by which a database file knows its engine.
//
//   CREATE TABLE nori_state(id INTEGER PRIMARY KEY,
//                           name TEXT COLLATE NOCASE UNIQUE, state BLOB)
//
// Row 0 holds in `state`, in fixed places so that it can be written without a
// statement: "nori", format version (4 bytes), engine identity (16 bytes),
// number of the last mixed transaction (8 bytes; in a database of vfs=nori, of
// the last commit that changed rows), next table id (8 bytes), integers
// little-endian. Every other row gives a nori table's id and name, and
// in `state`, unless it is NULL, the indexes that it has now (see
// index_state.h).

#ifndef NORI_VTAB_STATE_TABLE_H_
#define NORI_VTAB_STATE_TABLE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "vtab/sqlite.h"

namespace nori {

inline constexpr char kStateTableName[] = "nori_state";

struct DatabaseState {
  std::string identity;  // 16 bytes
  uint64_t last_mixed = 0;
  uint64_t next_table_id = 1;
};

struct TableState {
  uint64_t id = 0;
  std::string indexes;  // see index_state.h; empty: those of its definition
};

// The table of one schema of one connection. Reads and writes happen in the
// connection's current transaction. Not thread-safe; errors carry SQLite codes
// (see error_map.h).
class StateTable {
 public:
  // Neither argument is owned; `schema` is "main", "temp" or an attached name.
  StateTable(sqlite3* db, std::string schema);
  ~StateTable() { FinalizeStatements(); }
  StateTable(const StateTable&) = delete;
  StateTable& operator=(const StateTable&) = delete;

  // Must be called before the connection is closed.
  void FinalizeStatements();

  // kFailedPrecondition if something else in the schema has its name.
  absl::StatusOr<bool> Exists();
  absl::Status Create(const DatabaseState& state);
  // Puts row 0 in, in the place of an older one. REQUIRES: Exists().
  absl::Status Reset(const DatabaseState& state);
  // kDataLoss if row 0 is missing or malformed. `meanwhile`, if set, is called
  // while the transaction that read it still goes on. REQUIRES: Exists().
  absl::StatusOr<DatabaseState> Read(
      const std::function<void()>& meanwhile = {});

  // Write into row 0 in place; changes() and last_insert_rowid() stay.
  absl::Status WriteLastMixed(uint64_t number);
  absl::Status WriteNextTableId(uint64_t id);

  absl::Status AddTable(uint64_t id, const std::string& name);
  absl::Status RemoveTable(uint64_t id);
  absl::Status RenameTable(uint64_t id, const std::string& name);
  // kNotFound if there is none of this name.
  absl::StatusOr<TableState> FindTable(const std::string& name);
  absl::Status WriteIndexes(uint64_t id, const std::string& indexes);
  // Ascending by id.
  absl::StatusOr<std::vector<std::pair<uint64_t, std::string>>> ListTables();

  // The newest committed state, which this connection's own view may be older
  // than: read through a connection of its own.
  absl::StatusOr<DatabaseState> ReadCommitted();
  // The newest committed state in the database file `path`. `vfs`: a name, or
  // null for the default.
  static absl::StatusOr<DatabaseState> ReadFile(const char* path,
                                                const char* vfs);

 private:
  // Compiles `sql`, in which %w stands for the schema.
  absl::StatusOr<sqlite3_stmt*> Prepare(const char* sql);
  absl::Status WriteAt(int offset, uint64_t value);
  // Runs a statement with an id and a name (null: none) bound to ?1 and ?2, the
  // latter as a blob if `is_blob`.
  absl::Status Run(const char* sql, uint64_t id, const std::string* name,
                   const char* what, bool is_blob = false);

  sqlite3* const db_;
  const std::string schema_;
  sqlite3_stmt* read_ = nullptr;  // of Read, which runs once per transaction
};

}  // namespace nori

#endif  // NORI_VTAB_STATE_TABLE_H_
