// A table of keys and values in SQLite, of any of the kinds that are compared.

#ifndef NORI_BENCH_SQL_TABLE_H_
#define NORI_BENCH_SQL_TABLE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "bench/sqlite_connection.h"

namespace nori::bench {

enum class TableKind { kNoriNone, kNoriLz4, kWithoutRowid, kRowid };

struct SqlTableOptions {
  std::string directory;  // exists and is empty
  std::string extension;  // path of the loadable extension; empty: none
  std::string module = "nori";
  uint64_t cache_bytes = 0;
  uint64_t write_buffer_bytes = 0;
};

// One connection with journal_mode=WAL, synchronous=NORMAL and table
// t(k BLOB PRIMARY KEY, v BLOB). Not thread-safe. Every failure ends the
// process (measure.h, Fail).
class SqlTable {
 public:
  SqlTable(TableKind kind, const SqlTableOptions& options);

  void Execute(const std::string& sql) { db_.Execute(sql); }
  // Statements of their own transaction, unless one is open.
  void Insert(std::string_view key, std::string_view value) {
    Write(&insert_, key, value);
  }
  void Replace(std::string_view key, std::string_view value) {
    Write(&replace_, key, value);
  }
  void Update(std::string_view key, std::string_view value) {
    Write(&update_, value, key);
  }
  // Whether the key is there; if so, its value's size is added to *bytes.
  bool Get(std::string_view key, uint64_t* bytes);
  // Up to 100 rows from the first key >= `from`; returns how many.
  uint64_t Scan100(std::string_view from, uint64_t* bytes);
  uint64_t ScanFull(uint64_t* bytes);

  // Checkpoints the database's own log and waits until nothing is written.
  void Settle();

 private:
  static void Write(SqliteStatement* statement, std::string_view first,
                    std::string_view second);
  static uint64_t ReadRows(SqliteStatement* statement, uint64_t* bytes);

  const std::string directory_;
  SqliteConnection db_;
  SqliteStatement insert_, replace_, update_, get_, scan100_, scan_full_;
};

}  // namespace nori::bench

#endif  // NORI_BENCH_SQL_TABLE_H_
