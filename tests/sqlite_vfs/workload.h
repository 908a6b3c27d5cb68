// Random transactions on ordinary tables, and what a database holds after each.

#ifndef NORI_TESTS_SQLITE_VFS_WORKLOAD_H_
#define NORI_TESTS_SQLITE_VFS_WORKLOAD_H_

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "tests/vtab/module_fixture.h"

namespace nori {

// Everything that SQL shows of a database: its schema and all rows.
std::string ContentOf(TestConnection* connection);

// Transactions that change tables, indexes and the schema; one commit after the
// other inserts its number into the table `log`. Values do not depend on
// anything but the seed.
class Workload {
 public:
  explicit Workload(uint64_t seed) : random_(seed) {}

  size_t Uniform(size_t n) { return random_() % n; }
  bool OneIn(size_t n) { return Uniform(n) == 0; }

  // For a new database: page size, auto_vacuum, tables.
  std::vector<std::string> Setup();
  // For each connection: cache size, which makes transactions spill, and
  // locking mode.
  std::string Settings();
  // BEGIN, some statements, of which some may fail, and COMMIT. `number` is
  // what the log gets.
  std::vector<std::string> Transaction(uint64_t number);
  // The same, ending with ROLLBACK.
  std::vector<std::string> RolledBack(uint64_t number);
  // A statement outside a transaction that leaves what SQL shows as it is.
  std::string Upkeep();

 private:
  std::string Number(size_t n) { return std::to_string(Uniform(n)); }
  std::string Table() { return OneIn(2) ? "t" : "u"; }
  std::string Insert();
  std::string Change();
  std::string Schema();

  std::mt19937_64 random_;
};

}  // namespace nori

#endif  // NORI_TESTS_SQLITE_VFS_WORKLOAD_H_
