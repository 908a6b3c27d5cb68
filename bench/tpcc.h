// A workload after TPC-C: its nine tables, five transactions and their mix. A
// tenth of its customers, orders and items for each warehouse; no think times,
// no terminals; names and comments are shorter.

#ifndef NORI_BENCH_TPCC_H_
#define NORI_BENCH_TPCC_H_

#include <cstdint>
#include <string>
#include <unordered_map>

#include "bench/keys.h"
#include "bench/sqlite_connection.h"

namespace nori::bench {

// Makes and fills the tables, which must not be there.
void TpccLoad(SqliteConnection* db, int warehouses, uint64_t seed);

// Runs transactions on one connection, which must outlive it.
class TpccTerminal {
 public:
  TpccTerminal(SqliteConnection* db, int warehouses, uint64_t seed)
      : db_(db), warehouses_(warehouses), rng_(seed) {}

  // The next transaction of the mix: 45 % new order, 43 % payment, 4 % each of
  // order status, delivery and stock level.
  void RunOne();
  // Fails if the tables contradict each other (conditions 1 to 4 of clause
  // 3.3.2).
  void Check();

 private:
  void NewOrder();
  // The rows that a new order adds; false: its last item does not exist.
  bool OrderLines(int64_t w, int64_t d, int64_t order, int64_t lines);
  void Payment();
  void OrderStatus();
  void Delivery();
  void DeliverOldest(int64_t w, int64_t d);
  void StockLevel();

  // `sql` is a literal; the statement is prepared at its first use.
  SqliteStatement& Sql(const char* sql);
  template <typename... Values>
  void Do(const char* sql, const Values&... values) {
    Sql(sql).RunWith(values...);
  }
  // The first column of the first row; -1 if there is none.
  template <typename... Values>
  int64_t Get(const char* sql, const Values&... values) {
    SqliteStatement& statement = Sql(sql);
    statement.BindAll(values...);
    if (!statement.Step()) return -1;
    const int64_t value = statement.Integer(0);
    statement.Reset();
    return value;
  }
  // From 1 to n.
  int64_t Any(int64_t n) {
    return static_cast<int64_t>(rng_.Below(static_cast<uint64_t>(n))) + 1;
  }
  // By last name in 60 % of the cases.
  int64_t AnyCustomer(int64_t w, int64_t d);

  SqliteConnection* const db_;
  const int warehouses_;
  Rng rng_;
  std::unordered_map<const char*, SqliteStatement> statements_;
  int64_t now_ = 0;
};

}  // namespace nori::bench

#endif  // NORI_BENCH_TPCC_H_
