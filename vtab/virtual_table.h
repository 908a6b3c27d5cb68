// A nori table as one connection sees it, and its cursors.

#ifndef NORI_VTAB_VIRTUAL_TABLE_H_
#define NORI_VTAB_VIRTUAL_TABLE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/engine.h"
#include "vtab/access_path.h"
#include "vtab/connection.h"
#include "vtab/cursor.h"
#include "vtab/database.h"
#include "vtab/plan.h"
#include "vtab/row.h"
#include "vtab/row_expressions.h"
#include "vtab/schema.h"
#include "vtab/sqlite.h"
#include "vtab/statistics.h"

namespace nori {

// What sqlite3_declare_vtab has made known. The engine is opened at first use,
// so that a table whose engine is missing can still be dropped.
struct VirtualTable : sqlite3_vtab {
  VirtualTable(std::shared_ptr<Database> db, TableSchema table_schema,
               std::string table_name);
  ~VirtualTable();

  // Opens the engine and finds the table in nori_state.
  absl::Status EnsureOpen();
  // Sets the id of a table just created.
  void SetId(uint64_t table_id);

  bool has_rowid() const { return layout.schema.identity != RowIdentity::kKey; }
  // Whether an UPDATE reads the old row, so that it needs only what it sets.
  bool rereads_on_update() const {
    return !layout.indexes.empty() || !layout.schema.checks.empty();
  }
  // Columns of the key, or the rowid.
  size_t key_columns() const {
    return has_rowid() ? 1 : layout.schema.key.size();
  }
  // The ways in that there are now: the table itself, then its indexes.
  // REQUIRES: EnsureOpen was OK, if keys are asked for.
  const std::vector<std::shared_ptr<const AccessPath>>& paths();
  // The one with this id; null if there is none any more.
  std::shared_ptr<const AccessPath> FindPath(uint32_t id);
  TableStatistics& statistics() { return statistics_; }
  PlanList& plans() { return plans_; }

  // Removes all rows in the open write transaction.
  absl::Status Truncate();

  RowExpressions& expressions();

  // An open cursor, one that was closed before if there is one: it brings its
  // buffers, so that a lookup allocates little.
  absl::StatusOr<Cursor*> OpenCursor();
  void CloseCursor(Cursor* cursor);

  std::shared_ptr<Database> database;
  std::string name;
  uint64_t id = 0;  // 0: not yet looked up
  RowLayout layout;
  // Whether the cursor that was used last reads a snapshot. It is that of the
  // DELETE or UPDATE that changes a row next: SQLite either reads the row's key
  // just before, or has come to the end of that cursor when it begins to change
  // what it has gathered.
  bool last_used_snapshot = false;
  // The next scan, which is that of a DELETE, removes all rows and finds none.
  bool truncating = false;

 private:
  std::unique_ptr<RowExpressions> expressions_;  // null before first use
  std::vector<std::unique_ptr<Cursor>> spare_cursors_;
  std::vector<std::shared_ptr<const AccessPath>> paths_;
  uint64_t paths_id_ = 0;  // the table's id in them
  TableStatistics statistics_;
  PlanList plans_;
};

// Callbacks of the module, by file.
// planner.cc
int BestIndex(sqlite3_vtab* table, sqlite3_index_info* info) noexcept;
// update.cc
int Update(sqlite3_vtab* table, int argc, sqlite3_value** argv,
           sqlite3_int64* rowid) noexcept;

// Makes the module `nori` known to a connection, which owns `connection`.
int RegisterModule(sqlite3* db, Connection* connection);

}  // namespace nori

#endif  // NORI_VTAB_VIRTUAL_TABLE_H_
