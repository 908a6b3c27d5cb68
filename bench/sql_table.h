// A table of keys and values in SQLite, of any of the kinds that are compared.

#ifndef NORI_BENCH_SQL_TABLE_H_
#define NORI_BENCH_SQL_TABLE_H_

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace nori::bench {

enum class TableKind { kNoriNone, kNoriLz4, kWithoutRowid, kRowid };

struct SqlTableOptions {
  std::string directory;  // exists and is empty
  std::string extension;  // path of the loadable extension; empty: none
  std::string module = "nori";
  uint64_t cache_bytes = 0;
  uint64_t write_buffer_bytes = 0;
};

// Tries to load the extension into a database in memory. Returns why it cannot
// be loaded; empty if it can.
std::string ExtensionError(const std::string& extension);

// One connection with journal_mode=WAL, synchronous=NORMAL and table
// t(k BLOB PRIMARY KEY, v BLOB). Not thread-safe. Every failure ends the
// process (measure.h, Fail).
class SqlTable {
 public:
  SqlTable(TableKind kind, const SqlTableOptions& options);

  void Execute(const std::string& sql);
  // Statements of their own transaction, unless one is open.
  void Insert(std::string_view key, std::string_view value) {
    Write(insert_.get(), key, value);
  }
  void Replace(std::string_view key, std::string_view value) {
    Write(replace_.get(), key, value);
  }
  void Update(std::string_view key, std::string_view value) {
    Write(update_.get(), value, key);
  }
  // Whether the key is there; if so, its value's size is added to *bytes.
  bool Get(std::string_view key, uint64_t* bytes);
  // Up to 100 rows from the first key >= `from`; returns how many.
  uint64_t Scan100(std::string_view from, uint64_t* bytes);
  uint64_t ScanFull(uint64_t* bytes);

  // Checkpoints the database's own log and waits until nothing is written.
  void Settle();

 private:
  struct CloseDatabase {
    void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
  };
  struct FinalizeStatement {
    void operator()(sqlite3_stmt* s) const { sqlite3_finalize(s); }
  };
  using Statement = std::unique_ptr<sqlite3_stmt, FinalizeStatement>;

  void LoadExtension(const std::string& extension);
  Statement Prepare(const std::string& sql);
  void Bind(sqlite3_stmt* statement, int index, std::string_view blob);
  void Write(sqlite3_stmt* statement, std::string_view first,
             std::string_view second);
  uint64_t ReadRows(sqlite3_stmt* statement, uint64_t* bytes);
  void Check(bool ok);

  const std::string directory_;
  std::unique_ptr<sqlite3, CloseDatabase> db_;
  Statement insert_, replace_, update_, get_, scan100_, scan_full_;
};

}  // namespace nori::bench

#endif  // NORI_BENCH_SQL_TABLE_H_
