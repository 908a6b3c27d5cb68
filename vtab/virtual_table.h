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
#include "vtab/connection.h"
#include "vtab/database.h"
#include "vtab/key_bounds.h"
#include "vtab/row.h"
#include "vtab/row_expressions.h"
#include "vtab/schema.h"
#include "vtab/sqlite.h"

namespace nori {

// What sqlite3_declare_vtab has made known. The engine is opened at first use,
// so that a table whose engine is missing can still be dropped.
class Cursor;

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
  // Columns that the planner can seek by: the key's, or the rowid.
  size_t key_columns() const {
    return has_rowid() ? 1 : layout.schema.key.size();
  }
  // Estimated rows, refreshed when the engine has grown much since the last.
  uint64_t EstimatedRows();

  RowExpressions& expressions();

  // An open cursor, one that was closed before if there is one: it brings its
  // buffers, so that a lookup allocates little.
  absl::StatusOr<Cursor*> OpenCursor();
  void CloseCursor(Cursor* cursor);

  std::shared_ptr<Database> database;
  std::string name;
  uint64_t id = 0;  // 0: not yet looked up
  RowLayout layout;

 private:
  std::unique_ptr<RowExpressions> expressions_;  // null before first use
  std::vector<std::unique_ptr<Cursor>> spare_cursors_;
  uint64_t estimated_rows_ = 0;
  SequenceNumber estimated_at_ = 0;
  bool estimated_ = false;
};

// One scan or lookup.
class Cursor : public sqlite3_vtab_cursor {
 public:
  explicit Cursor(VirtualTable* table)
      : sqlite3_vtab_cursor{}, table_(table), row_(&table->layout) {}
  ~Cursor() { Close(); }

  // REQUIRES: new or closed.
  absl::Status Open();
  // Lets go of the view and of what was read in it.
  void Close();
  absl::Status Filter(int plan_number, sqlite3_value** argv);
  absl::Status Next();
  bool Eof() const { return eof_; }
  absl::Status Column(sqlite3_context* context, int column);
  absl::Status Rowid(sqlite3_int64* rowid);

 private:
  // Reads the row whose key is point_key_.
  absl::Status LookUp();
  // Starts at the near end of range `range_`.
  absl::Status Scan();
  // After a move: finds out whether there is a row.
  absl::Status Settle();
  absl::Status ParseRow();

  VirtualTable* const table_;
  bool opened_ = false;
  bool eof_ = true;
  bool reverse_ = false;
  bool row_parsed_ = false;
  bool point_ = false;  // a lookup of point_key_; else a scan of ranges_
  SnapshotRef view_;
  std::string point_key_;
  KeyRanges ranges_;
  size_t range_ = 0;  // of ranges_, the one that iterator_ walks
  std::unique_ptr<Iterator> iterator_;
  PinnedValue pinned_;
  RowView row_;
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
