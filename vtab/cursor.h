// Cursors over nori tables.

#ifndef NORI_VTAB_CURSOR_H_
#define NORI_VTAB_CURSOR_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "engine/engine.h"
#include "vtab/access_path.h"
#include "vtab/index.h"
#include "vtab/key_bounds.h"
#include "vtab/last_scan.h"
#include "vtab/plan.h"
#include "vtab/row.h"
#include "vtab/sqlite.h"

namespace nori {

struct VirtualTable;

// One scan or lookup. Shows the state that it was started in, whatever is
// written meanwhile.
class Cursor : public sqlite3_vtab_cursor {
 public:
  explicit Cursor(VirtualTable* table);
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
  // How the plan's rows are come by.
  enum class Mode : uint8_t {
    kPoints,  // the keys of walk_, looked up one by one
    kRange,   // one range, walked by iterator_
    kRanges,  // several, walked by iterator_
    kSorted,  // sorted_, looked up by iterator_
  };

  // Makes what an index scan needs. kUnavailable with SQLITE_SCHEMA if the
  // index is gone.
  absl::Status TakePath(uint32_t id);
  absl::Status Start(BoundKind kind, sqlite3_value** argv);
  // Sets iterator_ up for [begin, end).
  absl::Status OpenIterator(const std::string& begin, const std::string& end);
  bool ReuseIterator(const std::string& begin, const std::string& end);
  // Takes the snapshot that `name` names; false if no row can match.
  absl::StatusOr<bool> BindSnapshot(sqlite3_value* name);
  // What to read: the transaction or, if there is none or it is not meant, null
  // and the engine as of snapshot().
  Changes* transaction() const;
  const SnapshotRef& snapshot() const {
    return as_of_ != nullptr ? as_of_ : view_;
  }
  bool HasOwnChanges() const;
  // Looks up the point at hand and, while there is nothing, the next ones.
  absl::Status FindPoint();
  absl::StatusOr<bool> Get(const std::string& key, PinnedValue* value);
  // After a move of iterator_: finds out whether it stands at a row of the
  // plan, and goes on to the next one if not.
  absl::Status Settle();
  absl::Status SettleInRanges();
  void SeekIntoRange();
  void Step();
  absl::Status PassDuplicates();
  void PassPrefix(size_t bytes, bool inside);
  // Reads all rows' keys and sorts them by plan_->order.
  absl::Status Gather();
  absl::Status FindSorted();
  absl::Status Pass(sqlite3_value* count);
  void FlushReport();

  std::string_view entry_key() const {
    return mode_ == Mode::kPoints ? std::string_view(walk_.begin())
                                  : iterator_->key();
  }
  std::string_view entry_value() const {
    return mode_ == Mode::kPoints ? pinned_.view() : iterator_->value();
  }
  absl::Status ParseEntry();
  // The row itself, which an index scan has to look up.
  absl::Status ParseRow();
  absl::Status LookUpRow();

  VirtualTable* const table_;
  bool opened_ = false;
  bool eof_ = true;
  bool reverse_ = false;
  bool entry_parsed_ = false;
  bool row_parsed_ = false;
  Mode mode_ = Mode::kPoints;
  const Plan* plan_ = nullptr;
  std::shared_ptr<const AccessPath> path_;
  SnapshotRef view_;
  SnapshotRef as_of_;  // of a scan of a named snapshot
  std::string as_of_name_;
  KeyWalk walk_;
  std::unique_ptr<Iterator> iterator_;
  // iterator_ can reach all of the path in view_: it is kept for the next scan.
  bool reusable_ = false;
  bool scanned_before_ = false;  // the path, since the cursor was opened
  PinnedValue pinned_;           // of the point
  RowView row_;

  // Index scans.
  std::optional<IndexEntryView> entry_;  // nullopt: the path is the table
  std::string row_key_;
  PinnedValue row_value_;
  // In a write transaction with changes of its own, where a lookup would see
  // later ones, too.
  std::unique_ptr<Iterator> row_iterator_;

  std::vector<std::string> sorted_;  // keys
  size_t sorted_at_ = 0;
  std::string prefix_;  // scratch of PassPrefix

  uint64_t number_ = 0;  // in the statement
  ScanReport report_;    // of plan_
};

}  // namespace nori

#endif  // NORI_VTAB_CURSOR_H_
