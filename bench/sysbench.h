// The table and the transactions of sysbench's oltp_* scripts, with their
// defaults, over uniform ids.

#ifndef NORI_BENCH_SYSBENCH_H_
#define NORI_BENCH_SYSBENCH_H_

#include <cstdint>
#include <string>

#include "bench/keys.h"
#include "bench/sqlite_connection.h"

namespace nori::bench {

class SysbenchTable {
 public:
  // Makes the table, which must not be there. `db` must outlive it.
  SysbenchTable(SqliteConnection* db, uint32_t rows, uint64_t seed);
  // To be called once, before the others.
  void Load(uint32_t batch_rows);

  // One transaction each.
  void PointSelect();
  void ReadOnly();
  void WriteOnly();
  void ReadWrite();

 private:
  void Reads();
  void Writes();
  void Insert(int64_t id);
  void Range(SqliteStatement* statement);
  int64_t AnyId() { return static_cast<int64_t>(rng_.Below(rows_)) + 1; }
  std::string Digits(int groups);

  SqliteConnection* const db_;
  const uint32_t rows_;
  Rng rng_;
  std::string c_, pad_;
  SqliteStatement point_, simple_range_, sum_range_, order_range_,
      distinct_range_, index_update_, other_update_, delete_, insert_;
};

}  // namespace nori::bench

#endif  // NORI_BENCH_SYSBENCH_H_
