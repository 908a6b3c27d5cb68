#include "bench/tpcc.h"

#include "bench/measure.h"

namespace nori::bench {
namespace {

constexpr int64_t kDistricts = 10;   // of a warehouse
constexpr int64_t kCustomers = 300;  // of a district, and as many orders
constexpr int64_t kDelivered = 210;  // of these
constexpr int64_t kItems = 10000;

constexpr char kSchema[] = R"sql(
CREATE TABLE warehouse(w_id INTEGER PRIMARY KEY, w_name TEXT, w_ytd INT);
CREATE TABLE district(d_w_id INT, d_id INT, d_name TEXT, d_ytd INT,
  d_next_o_id INT, PRIMARY KEY(d_w_id, d_id)) WITHOUT ROWID;
CREATE TABLE customer(c_w_id INT, c_d_id INT, c_id INT, c_last TEXT,
  c_first TEXT, c_balance INT, c_ytd_payment INT, c_payment_cnt INT,
  c_delivery_cnt INT, c_data TEXT,
  PRIMARY KEY(c_w_id, c_d_id, c_id)) WITHOUT ROWID;
CREATE INDEX customer_name ON customer(c_w_id, c_d_id, c_last, c_first);
CREATE TABLE history(h_c_w_id INT, h_c_d_id INT, h_c_id INT, h_date INT,
  h_amount INT, h_data TEXT);
CREATE TABLE orders(o_w_id INT, o_d_id INT, o_id INT, o_c_id INT,
  o_entry_d INT, o_carrier_id INT, o_ol_cnt INT,
  PRIMARY KEY(o_w_id, o_d_id, o_id)) WITHOUT ROWID;
CREATE INDEX orders_customer ON orders(o_w_id, o_d_id, o_c_id, o_id);
CREATE TABLE new_order(no_w_id INT, no_d_id INT, no_o_id INT,
  PRIMARY KEY(no_w_id, no_d_id, no_o_id)) WITHOUT ROWID;
CREATE TABLE order_line(ol_w_id INT, ol_d_id INT, ol_o_id INT, ol_number INT,
  ol_i_id INT, ol_delivery_d INT, ol_quantity INT, ol_amount INT,
  ol_dist_info TEXT, PRIMARY KEY(ol_w_id, ol_d_id, ol_o_id, ol_number))
  WITHOUT ROWID;
CREATE TABLE item(i_id INTEGER PRIMARY KEY, i_name TEXT, i_price INT,
  i_data TEXT);
CREATE TABLE stock(s_w_id INT, s_i_id INT, s_quantity INT, s_ytd INT,
  s_order_cnt INT, s_dist TEXT, s_data TEXT,
  PRIMARY KEY(s_w_id, s_i_id)) WITHOUT ROWID;
)sql";

// Clause 4.3.2.3: a last name of three syllables for each number below 1000.
std::string LastName(int64_t number) {
  constexpr const char* kSyllables[] = {"BAR",   "OUGHT", "ABLE", "PRI",
                                        "PRES",  "ESE",   "ANTI", "CALLY",
                                        "ATION", "EING"};
  return std::string(kSyllables[number / 100 % 10]) +
         kSyllables[number / 10 % 10] + kSyllables[number % 10];
}

class Loader {
 public:
  Loader(SqliteConnection* db, uint64_t seed)
      : db_(db),
        rng_(seed),
        item_(db->Prepare("INSERT INTO item VALUES(?, ?, ?, ?)")),
        warehouse_(db->Prepare("INSERT INTO warehouse VALUES(?, ?, 0)")),
        stock_(db->Prepare("INSERT INTO stock VALUES(?, ?, ?, 0, 0, ?, ?)")),
        district_(db->Prepare("INSERT INTO district VALUES(?, ?, ?, 0, ?)")),
        customer_(db->Prepare(
            "INSERT INTO customer VALUES(?, ?, ?, ?, ?, -1000, 0, 0, 0, ?)")),
        order_(db->Prepare("INSERT INTO orders VALUES(?, ?, ?, ?, 0, ?, ?)")),
        new_order_(db->Prepare("INSERT INTO new_order VALUES(?, ?, ?)")),
        line_(db->Prepare(
            "INSERT INTO order_line VALUES(?, ?, ?, ?, ?, ?, 5, ?, ?)")) {}

  void Items() {
    db_->Execute("BEGIN");
    for (int64_t i = 1; i <= kItems; ++i) {
      item_.RunWith(i, Letters(20), Any(10000), Letters(40));
    }
    db_->Execute("COMMIT");
  }

  void Warehouse(int64_t w) {
    db_->Execute("BEGIN");
    warehouse_.RunWith(w, Letters(8));
    for (int64_t i = 1; i <= kItems; ++i) {
      stock_.RunWith(w, i, 9 + Any(91), Letters(24 * kDistricts), Letters(40));
    }
    db_->Execute("COMMIT");
    for (int64_t d = 1; d <= kDistricts; ++d) District(w, d);
  }

 private:
  void District(int64_t w, int64_t d) {
    db_->Execute("BEGIN");
    district_.RunWith(w, d, Letters(8), kCustomers + 1);
    for (int64_t c = 1; c <= kCustomers; ++c) {
      customer_.RunWith(w, d, c, LastName(c - 1), Letters(12), Letters(300));
    }
    for (int64_t order = 1; order <= kCustomers; ++order) {
      const bool delivered = order <= kDelivered;
      const int64_t lines = 4 + Any(11);
      // Every customer has one order; 7 has no common divisor with them.
      const int64_t customer = order * 7 % kCustomers + 1;
      order_.RunWith(w, d, order, customer, delivered ? Any(10) : 0, lines);
      if (!delivered) new_order_.RunWith(w, d, order);
      for (int64_t n = 1; n <= lines; ++n) {
        line_.RunWith(w, d, order, n, Any(kItems), int64_t{delivered ? 1 : 0},
                      Any(10000), Letters(24));
      }
    }
    db_->Execute("COMMIT");
  }

  int64_t Any(int64_t n) {
    return static_cast<int64_t>(rng_.Below(static_cast<uint64_t>(n))) + 1;
  }
  std::string Letters(size_t n) {
    std::string text(n, '\0');
    for (char& c : text) c = static_cast<char>('a' + rng_.Below(26));
    return text;
  }

  SqliteConnection* const db_;
  Rng rng_;
  SqliteStatement item_, warehouse_, stock_, district_, customer_, order_,
      new_order_, line_;
};

}  // namespace

void TpccLoad(SqliteConnection* db, int warehouses, uint64_t seed) {
  db->Execute(kSchema);
  Loader loader(db, seed);
  loader.Items();
  for (int64_t w = 1; w <= warehouses; ++w) loader.Warehouse(w);
}

SqliteStatement& TpccTerminal::Sql(const char* sql) {
  const auto [place, fresh] = statements_.try_emplace(sql);
  if (fresh) place->second = db_->Prepare(sql);
  return place->second;
}

void TpccTerminal::RunOne() {
  ++now_;
  const int64_t dice = Any(100);
  if (dice <= 45) return NewOrder();
  if (dice <= 88) return Payment();
  if (dice <= 92) return OrderStatus();
  if (dice <= 96) return Delivery();
  StockLevel();
}

int64_t TpccTerminal::AnyCustomer(int64_t w, int64_t d) {
  const int64_t any = Any(kCustomers);
  if (Any(100) > 60) return any;
  return Get(
      "SELECT c_id FROM customer WHERE c_w_id = ? AND c_d_id = ? AND "
      "c_last = ? ORDER BY c_first",
      w, d, LastName(any - 1));
}

void TpccTerminal::NewOrder() {
  const int64_t w = Any(warehouses_), d = Any(kDistricts);
  const int64_t customer = Any(kCustomers), lines = 4 + Any(11);
  db_->Execute("BEGIN IMMEDIATE");
  const int64_t order = Get(
      "SELECT d_next_o_id FROM district WHERE d_w_id = ? AND d_id = ?", w, d);
  Do("UPDATE district SET d_next_o_id = d_next_o_id + 1 WHERE d_w_id = ? AND "
     "d_id = ?",
     w, d);
  Do("INSERT INTO orders VALUES(?, ?, ?, ?, ?, 0, ?)", w, d, order, customer,
     now_, lines);
  Do("INSERT INTO new_order VALUES(?, ?, ?)", w, d, order);
  db_->Execute(OrderLines(w, d, order, lines) ? "COMMIT" : "ROLLBACK");
}

bool TpccTerminal::OrderLines(int64_t w, int64_t d, int64_t order,
                              int64_t lines) {
  const bool fails = Any(100) == 1;
  for (int64_t n = 1; n <= lines; ++n) {
    const int64_t item = fails && n == lines ? kItems + 1 : Any(kItems);
    const int64_t price = Get("SELECT i_price FROM item WHERE i_id = ?", item);
    if (price < 0) return false;
    const int64_t supplier = Any(100) == 1 ? Any(warehouses_) : w;
    const int64_t quantity = Any(10);
    SqliteStatement& stock = Sql(
        "SELECT s_quantity, s_dist FROM stock WHERE s_w_id = ? AND s_i_id = ?");
    stock.BindAll(supplier, item);
    if (!stock.Step()) Fail("TPC-C: a stock is missing");
    int64_t left = stock.Integer(0) - quantity;
    if (left < 10) left += 91;
    const std::string info(
        stock.Bytes(1).substr(static_cast<size_t>(d - 1) * 24, 24));
    stock.Reset();
    Do("UPDATE stock SET s_quantity = ?, s_ytd = s_ytd + ?, "
       "s_order_cnt = s_order_cnt + 1 WHERE s_w_id = ? AND s_i_id = ?",
       left, quantity, supplier, item);
    Do("INSERT INTO order_line VALUES(?, ?, ?, ?, ?, 0, ?, ?, ?)", w, d, order,
       n, item, quantity, quantity * price, info);
  }
  return true;
}

void TpccTerminal::Payment() {
  const int64_t w = Any(warehouses_), d = Any(kDistricts);
  const int64_t amount = 100 + Any(499900);
  db_->Execute("BEGIN IMMEDIATE");
  const int64_t customer = AnyCustomer(w, d);
  Do("UPDATE warehouse SET w_ytd = w_ytd + ? WHERE w_id = ?", amount, w);
  Do("UPDATE district SET d_ytd = d_ytd + ? WHERE d_w_id = ? AND d_id = ?",
     amount, w, d);
  Do("UPDATE customer SET c_balance = c_balance - ?1, c_ytd_payment = "
     "c_ytd_payment + ?1, c_payment_cnt = c_payment_cnt + 1 WHERE c_w_id = ?2 "
     "AND c_d_id = ?3 AND c_id = ?4",
     amount, w, d, customer);
  Do("INSERT INTO history VALUES(?, ?, ?, ?, ?, 'a payment')", w, d, customer,
     now_, amount);
  db_->Execute("COMMIT");
}

void TpccTerminal::OrderStatus() {
  const int64_t w = Any(warehouses_), d = Any(kDistricts);
  db_->Execute("BEGIN");
  const int64_t customer = AnyCustomer(w, d);
  const int64_t order = Get(
      "SELECT o_id FROM orders WHERE o_w_id = ? AND o_d_id = ? AND o_c_id = ? "
      "ORDER BY o_id DESC LIMIT 1",
      w, d, customer);
  Do("SELECT ol_i_id, ol_quantity, ol_amount, ol_delivery_d FROM order_line "
     "WHERE ol_w_id = ? AND ol_d_id = ? AND ol_o_id = ?",
     w, d, order);
  db_->Execute("COMMIT");
}

void TpccTerminal::Delivery() {
  const int64_t w = Any(warehouses_);
  db_->Execute("BEGIN IMMEDIATE");
  for (int64_t d = 1; d <= kDistricts; ++d) DeliverOldest(w, d);
  db_->Execute("COMMIT");
}

void TpccTerminal::DeliverOldest(int64_t w, int64_t d) {
  const int64_t order =
      Get("SELECT no_o_id FROM new_order WHERE no_w_id = ? AND no_d_id = ? "
          "ORDER BY no_o_id LIMIT 1",
          w, d);
  if (order < 0) return;
  Do("DELETE FROM new_order WHERE no_w_id = ? AND no_d_id = ? AND no_o_id = ?",
     w, d, order);
  const int64_t customer = Get(
      "SELECT o_c_id FROM orders WHERE o_w_id = ? AND o_d_id = ? AND o_id = ?",
      w, d, order);
  Do("UPDATE orders SET o_carrier_id = ? WHERE o_w_id = ? AND o_d_id = ? AND "
     "o_id = ?",
     Any(10), w, d, order);
  Do("UPDATE order_line SET ol_delivery_d = ? WHERE ol_w_id = ? AND ol_d_id = "
     "? AND ol_o_id = ?",
     now_, w, d, order);
  const int64_t amount = Get(
      "SELECT sum(ol_amount) FROM order_line WHERE ol_w_id = ? AND ol_d_id = ? "
      "AND ol_o_id = ?",
      w, d, order);
  Do("UPDATE customer SET c_balance = c_balance + ?, c_delivery_cnt = "
     "c_delivery_cnt + 1 WHERE c_w_id = ? AND c_d_id = ? AND c_id = ?",
     amount, w, d, customer);
}

void TpccTerminal::StockLevel() {
  const int64_t w = Any(warehouses_), d = Any(kDistricts);
  db_->Execute("BEGIN");
  const int64_t next = Get(
      "SELECT d_next_o_id FROM district WHERE d_w_id = ? AND d_id = ?", w, d);
  Get("SELECT count(DISTINCT s_i_id) FROM order_line JOIN stock ON "
      "s_w_id = ol_w_id AND s_i_id = ol_i_id WHERE ol_w_id = ? AND ol_d_id = ? "
      "AND ol_o_id >= ? AND ol_o_id < ? AND s_quantity < ?",
      w, d, next - 20, next, 9 + Any(11));
  db_->Execute("COMMIT");
}

void TpccTerminal::Check() {
  const char* const kContradictions[] = {
      "SELECT count(*) FROM warehouse WHERE w_ytd <> "
      "(SELECT sum(d_ytd) FROM district WHERE d_w_id = w_id)",
      "SELECT count(*) FROM district WHERE d_next_o_id - 1 <> "
      "(SELECT max(o_id) FROM orders WHERE o_w_id = d_w_id AND o_d_id = d_id)",
      "SELECT count(*) FROM (SELECT 1 FROM new_order GROUP BY no_w_id, no_d_id "
      "HAVING max(no_o_id) - min(no_o_id) + 1 <> count(*))",
      "SELECT (SELECT sum(o_ol_cnt) FROM orders) <> "
      "(SELECT count(*) FROM order_line)",
  };
  for (const char* const sql : kContradictions) {
    if (db_->Integer(sql) != 0) {
      Fail(std::string("TPC-C: the tables contradict each other: ") + sql);
    }
  }
}

}  // namespace nori::bench
