#include "bench/sql_table.h"

#include "bench/measure.h"

namespace nori::bench {
namespace {

std::string CreateSql(TableKind kind, const SqlTableOptions& options) {
  const std::string columns = "(k BLOB PRIMARY KEY, v BLOB";
  switch (kind) {
    case TableKind::kWithoutRowid:
      return "CREATE TABLE t" + columns + ") WITHOUT ROWID";
    case TableKind::kRowid:
      return "CREATE TABLE t" + columns + ")";
    case TableKind::kNoriNone:
    case TableKind::kNoriLz4:
      break;
  }
  return "CREATE VIRTUAL TABLE t USING " + options.module + columns +
         ", compression=" + (kind == TableKind::kNoriLz4 ? "lz4" : "none") +
         ", block_cache_bytes=" + std::to_string(options.cache_bytes) +
         ", memtable_bytes=" + std::to_string(options.write_buffer_bytes) + ")";
}

}  // namespace

SqlTable::SqlTable(TableKind kind, const SqlTableOptions& options)
    : directory_(options.directory), db_(options.directory + "/bench.db") {
  if (kind == TableKind::kNoriNone || kind == TableKind::kNoriLz4) {
    db_.LoadExtension(options.extension);
  }
  Execute("PRAGMA journal_mode=WAL");
  Execute("PRAGMA synchronous=NORMAL");
  Execute("PRAGMA cache_size=-" + std::to_string(options.cache_bytes >> 10));
  Execute(CreateSql(kind, options));
  insert_ = db_.Prepare("INSERT INTO t(k, v) VALUES(?, ?)");
  replace_ = db_.Prepare("REPLACE INTO t(k, v) VALUES(?, ?)");
  update_ = db_.Prepare("UPDATE t SET v = ? WHERE k = ?");
  get_ = db_.Prepare("SELECT v FROM t WHERE k = ?");
  scan100_ =
      db_.Prepare("SELECT k, v FROM t WHERE k >= ? ORDER BY k LIMIT 100");
  scan_full_ = db_.Prepare("SELECT k, v FROM t");
}

void SqlTable::Write(SqliteStatement* statement, std::string_view first,
                     std::string_view second) {
  statement->BindBlob(1, first);
  statement->BindBlob(2, second);
  statement->Run();
}

bool SqlTable::Get(std::string_view key, uint64_t* bytes) {
  get_.BindBlob(1, key);
  const bool found = get_.Step();
  if (found) {
    *bytes += get_.Bytes(0).size();
    get_.Reset();
  }
  return found;
}

uint64_t SqlTable::ReadRows(SqliteStatement* statement, uint64_t* bytes) {
  uint64_t rows = 0;
  while (statement->Step()) {
    ++rows;
    for (int column = 0; column < 2; ++column) {
      *bytes += statement->Bytes(column).size();
    }
  }
  return rows;
}

uint64_t SqlTable::Scan100(std::string_view from, uint64_t* bytes) {
  scan100_.BindBlob(1, from);
  return ReadRows(&scan100_, bytes);
}

uint64_t SqlTable::ScanFull(uint64_t* bytes) {
  return ReadRows(&scan_full_, bytes);
}

void SqlTable::Settle() {
  Execute("PRAGMA wal_checkpoint(TRUNCATE)");
  WaitUntilStill(directory_);
}

}  // namespace nori::bench
