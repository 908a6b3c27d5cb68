#include "bench/sysbench.h"

#include <algorithm>

#include "bench/measure.h"

namespace nori::bench {
namespace {

constexpr int kPointSelects = 10;
constexpr int64_t kRange = 100;

}  // namespace

SysbenchTable::SysbenchTable(SqliteConnection* db, uint32_t rows, uint64_t seed)
    : db_(db), rows_(rows), rng_(seed) {
  db->Execute(
      "CREATE TABLE sbtest(id INTEGER PRIMARY KEY, k INTEGER NOT NULL,"
      " c CHAR(120) NOT NULL, pad CHAR(60) NOT NULL)");
  const std::string range = " FROM sbtest WHERE id BETWEEN ? AND ?";
  point_ = db->Prepare("SELECT c FROM sbtest WHERE id = ?");
  simple_range_ = db->Prepare("SELECT c" + range);
  sum_range_ = db->Prepare("SELECT sum(k)" + range);
  order_range_ = db->Prepare("SELECT c" + range + " ORDER BY c");
  distinct_range_ = db->Prepare("SELECT DISTINCT c" + range + " ORDER BY c");
  index_update_ = db->Prepare("UPDATE sbtest SET k = k + 1 WHERE id = ?");
  other_update_ = db->Prepare("UPDATE sbtest SET c = ? WHERE id = ?");
  delete_ = db->Prepare("DELETE FROM sbtest WHERE id = ?");
  insert_ = db->Prepare("INSERT INTO sbtest(id, k, c, pad) VALUES(?, ?, ?, ?)");
}

std::string SysbenchTable::Digits(int groups) {
  std::string text;
  for (int i = 0; i < groups; ++i) {
    if (i > 0) text += '-';
    for (int j = 0; j < 11; ++j) {
      text += static_cast<char>('0' + rng_.Below(10));
    }
  }
  return text;
}

void SysbenchTable::Insert(int64_t id) {
  c_ = Digits(10);
  pad_ = Digits(5);
  insert_.RunWith(id, AnyId(), c_, pad_);
}

void SysbenchTable::Load(uint32_t batch_rows) {
  for (uint32_t row = 0; row < rows_;) {
    db_->Execute("BEGIN");
    const uint32_t end = std::min(rows_, row + batch_rows);
    for (; row < end; ++row) Insert(row + 1);
    db_->Execute("COMMIT");
  }
  db_->Execute("CREATE INDEX k_1 ON sbtest(k)");
}

void SysbenchTable::PointSelect() {
  if (point_.RunWith(AnyId()) != 1) Fail("sysbench: a row is missing");
}

void SysbenchTable::Range(SqliteStatement* statement) {
  const int64_t first = AnyId();
  if (statement->RunWith(first, first + kRange - 1) == 0)
    Fail("sysbench: a range is empty");
}

void SysbenchTable::Reads() {
  for (int i = 0; i < kPointSelects; ++i) PointSelect();
  Range(&simple_range_);
  Range(&sum_range_);
  Range(&order_range_);
  Range(&distinct_range_);
}

void SysbenchTable::Writes() {
  index_update_.RunWith(AnyId());
  c_ = Digits(10);
  other_update_.RunWith(c_, AnyId());
  const int64_t id = AnyId();
  delete_.RunWith(id);
  Insert(id);
}

void SysbenchTable::ReadOnly() {
  db_->Execute("BEGIN");
  Reads();
  db_->Execute("COMMIT");
}

void SysbenchTable::WriteOnly() {
  db_->Execute("BEGIN");
  Writes();
  db_->Execute("COMMIT");
}

void SysbenchTable::ReadWrite() {
  db_->Execute("BEGIN");
  Reads();
  Writes();
  db_->Execute("COMMIT");
}

}  // namespace nori::bench
