// What the scans of a connection's last statement touched, for
// nori_last_scan().

#ifndef NORI_VTAB_LAST_SCAN_H_
#define NORI_VTAB_LAST_SCAN_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/sstable/table.h"

namespace nori {

// The work of one cursor by one plan.
struct ScanReport {
  uint64_t cursor = 0;  // one number for each cursor of the statement
  std::string table;
  std::string plan;      // path and bounds, as EXPLAIN QUERY PLAN names them
  uint64_t filters = 0;  // times that the cursor was started
  uint64_t rows = 0;     // rows that it came to
  uint64_t lookups = 0;  // single keys that were looked up
  ReadCounters read;
};

// Not thread-safe. Adding a report allocates only where texts outgrow those of
// earlier statements.
class LastScan {
 public:
  // A cursor is opened. Where no other is open, a statement begins, and what is
  // known of the last one is forgotten. Gives the cursor's number.
  uint64_t CursorOpened();
  void CursorClosed() { --open_; }
  // Adds to what is known of the same cursor and plan.
  void Add(const ScanReport& report);

  // A JSON array with an object for each cursor and plan, in the order in which
  // they ended.
  std::string Json() const;

 private:
  ScanReport* Find(const ScanReport& report);

  std::vector<ScanReport> reports_;  // beyond used_: room to reuse
  size_t used_ = 0;
  uint64_t cursors_ = 0;
  int open_ = 0;
};

}  // namespace nori

#endif  // NORI_VTAB_LAST_SCAN_H_
